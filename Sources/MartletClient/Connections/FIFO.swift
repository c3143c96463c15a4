/// A queue: append at the end, take from the front, both O(1) amortised.
struct FIFO<Element> {
    private var elements: [Element?] = []
    private var head = 0

    init() {}

    var count: Int { elements.count - head }
    var isEmpty: Bool { count == 0 }
    var first: Element? { head < elements.count ? elements[head] : nil }

    mutating func append(_ element: Element) { elements.append(element) }

    mutating func popFirst() -> Element? {
        guard head < elements.count else { return nil }
        defer {
            elements[head] = nil
            head += 1
            if head == elements.count {
                elements.removeAll(keepingCapacity: head <= 4096)
                head = 0
            } else if head >= 64, head * 2 >= elements.count {
                elements.removeFirst(head)
                head = 0
            }
        }
        return elements[head]
    }

    /// Puts elements before all others, keeping their order. O(count).
    mutating func prepend(_ others: [Element]) {
        elements.replaceSubrange(0..<head, with: others.map { $0 })
        head = 0
    }
}

extension FIFO: Sendable where Element: Sendable {}
