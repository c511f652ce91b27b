import Testing

extension Trait where Self == TimeLimitTrait {
    /// For whatever has a thread or waits: ends a test that hangs. Far above what any
    /// test takes, since the time runs while a test waits for a processor that others
    /// use: on two of them that can be as long as the whole run.
    static var noHang: Self { .timeLimit(.minutes(60)) }
}
