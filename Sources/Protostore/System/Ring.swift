/// A first-in-first-out queue of plain values with a fixed capacity and no
/// allocation after its creation. Touched by one thread only.
package struct Ring<Element: BitwiseCopyable>: ~Copyable {
    private let elements: UnsafeMutablePointer<Element>
    private let mask: Int
    private var head = 0
    private var tail = 0

    /// - Parameter capacity: rounded up to a power of two.
    package init(capacity: Int) {
        var rounded = 1
        while rounded < capacity { rounded *= 2 }
        elements = .allocate(capacity: rounded)
        mask = rounded - 1
    }

    deinit {
        elements.deallocate()
    }

    @inline(__always)
    package var count: Int { tail &- head }
    @inline(__always)
    package var isEmpty: Bool { tail == head }
    package var capacity: Int { mask + 1 }

    /// The caller has made sure that there is room; a full ring is a bug in its bounds.
    @inline(__always)
    package mutating func append(_ element: Element) {
        precondition(count <= mask, "ring overrun")
        (elements + (tail & mask)).initialize(to: element)
        tail &+= 1
    }

    @inline(__always)
    package mutating func popFirst() -> Element? {
        guard head != tail else { return nil }
        let element = elements[head & mask]
        head &+= 1
        return element
    }

    /// The element `index` places behind the first.
    @inline(__always)
    package subscript(index: Int) -> Element {
        precondition(index >= 0 && index < count)
        return elements[(head &+ index) & mask]
    }
}
