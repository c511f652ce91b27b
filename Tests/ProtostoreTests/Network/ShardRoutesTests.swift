import Testing

@testable import Protostore

@Suite struct ShardRoutesTests {
    /// What the router says and what the index's partitions own is the same.
    @Test(arguments: 1...64)
    func everyRootBelongsToExactlyOneShard(shardCount: Int) {
        let routes = ShardRoutes(shardCount: shardCount)
        var owners = [Int](repeating: -1, count: IndexLayout.rootCount)
        for partition in 0..<shardCount {
            let roots = IndexLayout.roots(partition: partition, of: shardCount)
            // As even as can be.
            #expect((IndexLayout.rootCount / shardCount...IndexLayout.rootCount / shardCount + 1).contains(roots.count))
            for root in roots {
                #expect(owners[root] == -1)
                owners[root] = partition
            }
        }
        for root in 0..<IndexLayout.rootCount {
            let lowest = UInt64(root) << 52
            #expect(routes.shard(of: lowest) == owners[root])
            #expect(routes.shard(of: lowest | (1 << 52 - 1)) == owners[root])
        }
    }
}
