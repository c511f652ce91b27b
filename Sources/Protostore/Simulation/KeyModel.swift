/// What one key may be, from what was asked of it and answered: the other half of
/// every comparison.
///
/// Operations on one key take effect in order of arrival. So, while a store is
/// served, each answer is determined by those before it, but for refusals and for
/// the moment at which a value expires. Answers do not come in this order: each is
/// checked when all before it have come.
///
/// ```
/// states       what is acknowledged: the last is what readers see; earlier ones count
///              only where writes are acknowledged before they are flushed
/// unknown      of writes that were refused because the store failed: a crash may
///              bring them to light
/// queue        operations that have arrived and are not checked yet
/// ```
struct KeyModel {
    private(set) var states = [KeyVersion.never]
    private(set) var unknown: [KeyVersion] = []
    private(set) var queue: [SimulatedOperation] = []
    /// A read error may have left a slot of an older record beside the newest.
    var mayHaveSpareSlots = false

    var current: KeyVersion { states[states.count - 1] }

    // MARK: While the store is served

    mutating func arrive(_ operation: SimulatedOperation) {
        queue.append(operation)
    }

    /// Checks all answers that have come and were not held up by one before them.
    /// - Parameters:
    ///   - keepsStates: acknowledged writes may be lost to a power cut.
    ///   - finished: gets the operations that are over.
    mutating func check(
        keepsStates: Bool, finished: (SimulatedOperation) -> Void
    ) throws(Discrepancy) {
        while let operation = queue.first, let answer = operation.answer {
            if !operation.isChecked {
                try take(answer, of: operation)
                operation.isChecked = true
            }
            if operation.kind == .hold, answer.status == .done {
                guard operation.isReleased else { break }
                endHold(operation)
            }
            if !keepsStates, states.count > 1 { states.removeFirst(states.count - 1) }
            queue.removeFirst()
            finished(operation)
        }
    }

    private mutating func take(_ answer: SimulatedAnswer, of operation: SimulatedOperation) throws(Discrepancy) {
        switch answer.status {
        case .needsAllowance:
            guard operation.kind == .get, answer.extentBytes > operation.request.allowanceBytes else {
                throw Discrepancy("\(operation.kind) needs an allowance of \(answer.extentBytes) bytes and had more")
            }
            return
        case .unreadable: return
        case .refused:
            if answer.refusal == .storeFailed { fail(operation) }
            return
        case .found, .missing, .done, .conditionFailed: break
        }
        let wall = operation.arrivalMilliseconds...max(answer.milliseconds, operation.arrivalMilliseconds)
        for isPresent in current.presences(in: wall) where operation.permits(answer, current, isPresent: isPresent) {
            if operation.kind == .hold { operation.seenOrder = current.order }
            acknowledge(operation, answer, isPresent: isPresent)
            return
        }
        throw Discrepancy(
            "answered \(answer.status) (existed \(answer.existed), value \(String(describing: answer.value))) to \(operation.kind), "
                + "but the key is \(current)")
    }

    private mutating func acknowledge(_ operation: SimulatedOperation, _ answer: SimulatedAnswer, isPresent: Bool) {
        guard operation.kind != .hold, var next = operation.result(of: current, isPresent: isPresent) else { return }
        next.acknowledgedStep = answer.step
        next.commitNumber = answer.commitNumber
        states.append(next)
    }

    private mutating func endHold(_ operation: SimulatedOperation) {
        guard let group = operation.group, operation.outcome.order > 0 else { return }
        switch group.fate {
        case .acknowledged:
            var next = operation.outcome
            next.acknowledgedStep = group.acknowledgedStep
            next.commitNumber = group.commitNumber
            next.log = group.log
            states.append(next)
        case .failed, .sent: unknown.append(operation.outcome)
        case .none, .refused: break
        }
    }

    /// The store has failed: it is not known what became of a write.
    private mutating func fail(_ operation: SimulatedOperation) {
        for version in [current] + unknown {
            for isPresent in [true, false] {
                if let next = operation.result(of: version, isPresent: isPresent), !unknown.contains(next) {
                    unknown.append(next)
                }
            }
        }
    }

    // MARK: After the end of a process

    /// What the key may be when the store is opened again, in the order in which
    /// the key was that.
    /// - Parameters:
    ///   - now: wall time of the end.
    ///   - isFlushed: whether an acknowledged write cannot be lost to what has happened.
    func possible(at now: UInt64, isFlushed: (KeyVersion) -> Bool) -> [KeyVersion] {
        let first = states.lastIndex(where: isFlushed) ?? 0
        var older = Array(states[first..<(states.count - 1)])
        var versions = [current] + unknown
        for operation in queue {
            switch operation.certainty {
            case .nothing: break
            case .maybe: versions += operation.results(of: versions, until: now)
            case .happened:
                let next = operation.results(of: versions, until: now, keepsUnchanged: true)
                if next.allSatisfy(isFlushed) { older = [] } else { older += versions }
                versions = next
            }
            // What waits behind a hold has not begun.
            let isHeld = operation.answer == nil || operation.answer?.status == .done && !operation.isReleased
            if operation.kind == .hold, isHeld { break }
        }
        return older + versions
    }

    /// Begins anew with what the key turned out to be.
    mutating func settle(on version: KeyVersion) {
        var version = version
        version.order = 0
        states = [version]
        unknown.removeAll()
        queue.removeAll()
    }
}

// MARK: - What an operation does

extension SimulatedOperation {
    /// What a write that takes effect makes of a key; nil where nothing is written.
    func result(of version: KeyVersion, isPresent: Bool) -> KeyVersion? {
        let deleted = version.deleted(order: outcome.order).arrived(like: outcome)
        switch kind {
        case .get, .groupMessage, .scan: return nil
        case .hold: return outcome.order > 0 ? outcome : nil
        case .put:
            let isMet = write.condition == .always || (write.condition == .ifPresent) == isPresent
            return isMet ? outcome : nil
        case .delete: return isPresent ? deleted : nil
        case .update:
            switch rule.action(isPresent: isPresent) {
            case .keep: return nil
            case .delete: return isPresent ? deleted : nil
            case .put: return outcome
            }
        }
    }

    fileprivate func results(
        of versions: [KeyVersion], until now: UInt64, keepsUnchanged: Bool = false
    ) -> [KeyVersion] {
        var results: [KeyVersion] = []
        for version in versions {
            for isPresent in version.presences(in: arrivalMilliseconds...max(now, arrivalMilliseconds)) {
                let next = result(of: version, isPresent: isPresent) ?? (keepsUnchanged ? version : nil)
                if let next, !results.contains(next) { results.append(next) }
            }
        }
        return results
    }

    fileprivate enum Certainty {
        case nothing, maybe, happened
    }

    /// Whether it took effect, as far as was heard of it.
    fileprivate var certainty: Certainty {
        if kind == .hold, let group {
            switch group.fate {
            case .none, .refused: return .nothing
            case .sent, .failed: return outcome.order > 0 ? .maybe : .nothing
            case .acknowledged: return outcome.order > 0 ? .happened : .nothing
            }
        }
        switch answer?.status {
        case nil: return .maybe
        case .done?: return .happened
        case .refused? where answer?.refusal == .storeFailed: return .maybe
        case .found?, .missing?, .needsAllowance?, .unreadable?, .conditionFailed?, .refused?: return .nothing
        }
    }

    /// Whether an answer is right where the key is `version`, and is there or not.
    func permits(_ answer: SimulatedAnswer, _ version: KeyVersion, isPresent: Bool) -> Bool {
        let value = isPresent ? version : KeyVersion.never
        switch kind {
        case .groupMessage, .scan: return true
        case .get:
            guard answer.status == (isPresent ? .found : .missing), permitsFacts(answer, value) else { return false }
            return request.operation == .probe ? answer.value == nil : value.matches(answer.value)
        case .put:
            let looks = write.condition != .always || write.returnsOldValue
            let isMet = write.condition == .always || (write.condition == .ifPresent) == isPresent
            return answer.status == (isMet ? .done : .conditionFailed) && answer.existed == (looks && isPresent)
                && permitsOldValue(answer, value)
        case .delete, .hold:
            return answer.status == .done && answer.existed == isPresent && permitsFacts(answer, value)
                && permitsOldValue(answer, value)
        case .update:
            guard let shown, !shown.isNonsense else { return false }
            return answer.status == .done && answer.existed == isPresent && value.matches(shown.value)
                && permitsFacts(answer, value)
                && (!isPresent || shown.valueType == version.valueType)
        }
    }

    /// Whether an answer describes the record that it is about, or none.
    private func permitsFacts(_ answer: SimulatedAnswer, _ value: KeyVersion) -> Bool {
        let facts = answer.facts
        let isOfRecord = facts.sequence != 0 && !DeletionCounts.isMark(facts.sequence)
        return isOfRecord == value.isPut && (facts.writtenMilliseconds != 0) == value.isPut
            && facts.valueBytes == value.valueBytes && facts.valueType == value.valueType
            && facts.expiryMilliseconds == value.expiryMilliseconds
    }

    private func permitsOldValue(_ answer: SimulatedAnswer, _ value: KeyVersion) -> Bool {
        write.returnsOldValue ? value.matches(answer.value) : answer.value == nil
    }
}

extension KeyVersion {
    fileprivate func arrived(like other: KeyVersion) -> KeyVersion {
        var version = self
        version.log = other.log
        version.arrivalStep = other.arrivalStep
        return version
    }
}
