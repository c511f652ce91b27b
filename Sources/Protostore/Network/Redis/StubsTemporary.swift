package final class ShardScan { 
  struct Key {}
  static let positionEnd: UInt64 = 1 << 37
  var keys: [Key] = []; var next: UInt64 = 1 << 37
  func withBytes(of key: Key, _ b: (UnsafeRawBufferPointer) -> Void) {}
  func begin(at p: UInt64, namespace: UInt32, slotCount: Int) {} }
extension WriteDetails { var scan: ShardScan? { get { nil } set { } } }
extension IndexPosition { var hash: UInt64 { 0 } }
