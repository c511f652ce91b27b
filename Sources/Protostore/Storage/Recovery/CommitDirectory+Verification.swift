/// Holding the records of a commit against its directory.
extension CommitDirectory {
    /// A record that is not what the directory says.
    package struct DamagedRecord: Equatable, Sendable {
        /// Its place in the directory.
        package let number: Int
        /// In bytes from the segment's start.
        package let offset: Int
        package let what: RecordDamage
    }

    /// Whether the other copy of this directory stands where it should.
    func isStanding(in segment: UnsafeRawBufferPointer, _ copy: Copy, segmentOffset: Int, hashSeed: UInt64) -> Bool {
        let bytes = copy == .first ? Int(header.offset) : header.end - header.directoryBytes
        let entriesBytes = header.directoryBytes - CommitHeader.byteCount
        let headerPosition = copy == .first ? bytes : bytes + entriesBytes
        guard CommitHeader(segment, at: headerPosition) == header else { return false }
        let entriesPosition = copy == .first ? bytes + CommitHeader.byteCount : bytes
        func slice(_ start: Int, _ count: Int) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(rebasing: segment[start..<(start + count)])
        }
        return CommitHeader.checksum(
            header: slice(headerPosition, CommitHeader.byteCount), entries: slice(entriesPosition, entriesBytes),
            seed: CommitHeader.checksumSeed(
                use: header.use, commitOffset: segmentOffset + Int(header.offset), hashSeed: hashSeed)
        ) == header.checksum
    }

    /// Verifies all records of the commit: header, key and value.
    /// - Parameters:
    ///   - segment: the bytes of the whole segment.
    ///   - hashSeed: of the store.
    /// - Returns: those that are damaged; the commit is whole where there are none.
    /// - Complexity: O(bytes of the records).
    package func damagedRecords(
        in segment: UnsafeRawBufferPointer, segmentOffset: Int, layout: DatafileLayout, hashSeed: UInt64
    ) -> [DamagedRecord] {
        var damaged: [DamagedRecord] = []
        forEachRecord(layout) { number, entry, offset in
            // It lies within the commit: the directory is valid.
            let record = UnsafeRawBufferPointer(rebasing: segment[offset..<(offset + Int(entry.recordBytes))])
            let seed = Record.checksumSeed(use: header.use, offset: UInt64(segmentOffset + offset))
            let damage = damage(of: record, entry, number: number, seed: seed, hashSeed: hashSeed)
            if let damage { damaged.append(DamagedRecord(number: number, offset: offset, what: damage)) }
        }
        return damaged
    }

    private func damage(
        of record: UnsafeRawBufferPointer, _ entry: CommitEntry, number: Int, seed: UInt64, hashSeed: UInt64
    ) -> RecordDamage? {
        guard let found = Record.decodeHeader(record, bytesMax: record.count, seed: seed) else { return .header }
        guard CommitEntry(hash: Record.hash(of: record, found, hashSeed: hashSeed), header: found) == entry,
            found.sequence == header.firstSequence &+ UInt64(number)
        else { return .mismatch }
        return Record.verifiedValue(record, header: found, seed: seed) == nil ? .value : nil
    }
}

/// What is wrong with a record.
package enum RecordDamage: Equatable, Sendable {
    /// Header or key.
    case header
    /// It is whole, but not the record that directory or summary describe.
    case mismatch
    case value
}

extension Record {
    /// The hash of the key of a record whose header is valid.
    static func hash(of record: UnsafeRawBufferPointer, _ header: Header, hashSeed: UInt64) -> KeyHash {
        let key = UnsafeRawBufferPointer(rebasing: record[headerBytes..<header.valueOffset])
        return KeyHash(key, namespace: header.namespace, seed: hashSeed)
    }
}
