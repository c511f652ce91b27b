@testable import Protostore

/// A small store on a simulated disk, with the shard that serves it: values are
/// those of `ValuePattern`, sizes cover every size class up to 64 KiB.
final class SimulatedStore {
    static let layout = DatafileLayout(segmentBytes: 1 << 20, granuleBytes: 64)!
    static let hashSeed: UInt64 = 42
    private static let segmentCount = 8

    let media: SimulatedMedia
    var disk: SimulatedDisk
    var shard: Shard<PrivateIndexMemory>
    private(set) var keys: [[UInt8]] = []
    private(set) var valueBytes: [Int] = []
    /// Where each key's record starts on the disk.
    private(set) var recordOffsets: [Int] = []

    /// - Parameter hash: gives the hash under which a key is indexed; tests of
    ///   collisions give several keys the same.
    init(
        keyCount: Int, seed: UInt64, depthMax: Int = 32,
        hash: (Int, KeyHash) -> UInt64 = { _, hash in hash.index }
    ) throws {
        var random = SplitMix64(seed: seed)
        let table = try SegmentTable(layout: Self.layout)
        let media = SimulatedMedia(byteCount: Self.layout.segmentOffset(Self.segmentCount), seed: seed)
        var index = try IndexStorage(PrivateIndexMemory(windowCount: 8192), partitionCount: 1).takePartition(0)
        var image = try SegmentImage(layout: Self.layout)
        var segment = 0
        Self.begin(&image, segment, table)
        let key = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 8)
        defer { key.deallocate() }
        for number in 0..<keyCount {
            for position in 0..<16 { key[position] = UInt8.random(in: .min ... .max, using: &random) }
            let sizeMax = 1 << Int.random(in: 1...16, using: &random)
            let size = number == 0 ? 0 : Int.random(in: 0..<sizeMax, using: &random)
            var header = Record.Header()
            header.keyBytes = 16
            header.valueBytes = UInt32(size)
            let keyHash = KeyHash(UnsafeRawBufferPointer(key), namespace: 0, seed: Self.hashSeed)
            var offset = Self.append(&image, header, UnsafeRawBufferPointer(key), keyHash)
            if offset == nil {
                Self.write(&image, to: media)
                segment += 1
                Self.begin(&image, segment, table)
                offset = Self.append(&image, header, UnsafeRawBufferPointer(key), keyHash)
            }
            let slot = IndexSlot(
                recordAt: offset!, byteCount: header.byteCount, expires: false, layout: Self.layout)!
            try index.insert(hash(number, keyHash), slot)
            keys.append([UInt8](key))
            valueBytes.append(size)
            recordOffsets.append(offset!)
        }
        Self.write(&image, to: media)
        self.media = media
        disk = SimulatedDisk(media: media, depthMax: depthMax)
        shard = try Shard(
            number: 0, store: Self.parts(table), index: index, log: LogStart(log: 0), options: Self.options,
            requestsMax: 4096, depthMax: depthMax, bufferBytes: 64 << 20)
    }

    static let options = ShardOptions(hashSeed: hashSeed, storeID: StoreID(high: 1, low: 2))

    static func parts(_ table: SegmentTable) -> StoreParts {
        StoreParts(
            segments: table, pool: SegmentPool(), health: StoreHealth(), uses: UseCounter(openCounter: 1))
    }

    private static func begin(_ image: inout SegmentImage, _ segment: Int, _ table: SegmentTable) {
        table[segment] = UInt64(1000 + segment)
        image.begin(
            SegmentHeader(
                segment: UInt64(segment), use: table[segment], storeID: StoreID(high: 1, low: 2),
                openedMilliseconds: 0))
    }

    private static func append(
        _ image: inout SegmentImage, _ header: Record.Header, _ key: UnsafeRawBufferPointer, _ hash: KeyHash
    ) -> Int? {
        image.append(header, key: key, hash: hash) { ValuePattern.fill($0, key: key, version: 7) }
    }

    private static func write(_ image: inout SegmentImage, to media: SimulatedMedia) {
        image.seal(sealedMilliseconds: 0)
        media.alter(image.offset..<image.offset + image.bytes.count) { $0.copyMemory(from: image.bytes) }
    }

    /// One look at the disk: time passes, completions come in, the shard acts.
    func step() {
        media.tick()
        while let completion = disk.nextCompletion() { shard.complete(completion, on: &disk) }
        shard.act(on: &disk)
        disk.submit()
    }
}
