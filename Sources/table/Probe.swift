import Protostore

struct Probe {
    static func run() throws {
        let path = "/dev/shm/h-table-probe"
        try? SharedTableFile.delete(path)
        let table = try SharedTable(attachingOrCreating: path)
        let count = 5_000_000
        var t = Thread.currentCPUNanoseconds
        var worst: UInt64 = 0
        func lap(_ name: String) {
            let now = Thread.currentCPUNanoseconds
            print(name, Double(count) * 1000 / Double(now - t), "M/s")
            t = Thread.currentCPUNanoseconds
        }
        for i in 0..<UInt32(count) {
            var k = i, v = i &* 7
            try withUnsafeBytes(of: &k) { k in try withUnsafeBytes(of: &v) { v in _ = try table.put(key: k, value: v) } }
        }
        lap("put")
        var v: UInt32 = 0
        for _ in 0..<2 {
            for i in 0..<UInt32(count) {
                var k = i
                let n = try withUnsafeBytes(of: &k) { k in try withUnsafeMutableBytes(of: &v) { v in try table.get(key: k, into: v) } }
                guard n == 4, v == i &* 7 else { print("wrong", i, n as Any, v); return }
            }
            lap("get")
        }
        for i in 0..<UInt32(count) {
            var k = i &+ 1_000_000_000
            let n = try withUnsafeBytes(of: &k) { k in try withUnsafeMutableBytes(of: &v) { v in try table.get(key: k, into: v) } }
            guard n == nil else { print("wrong", i, n as Any, v); return }
        }
        lap("miss")
        for i in 0..<UInt32(count) {
            var k = i, w = i &* 9
            try withUnsafeBytes(of: &k) { k in try withUnsafeBytes(of: &w) { v in _ = try table.put(key: k, value: v) } }
        }
        lap("replace")
        for i in 0..<UInt32(count) {
            var k = i
            let b = Clock.monotonicNanoseconds()
            let ok = try withUnsafeBytes(of: &k) { k in try table.remove(key: k) }
            worst = max(worst, Clock.monotonicNanoseconds() - b)
            if !ok { print("gone", i) }
        }
        lap("remove")
        print("worst", worst)
    }
}
