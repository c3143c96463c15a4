internal import CLibuv

/// What the process has allocated.
enum AllocatedMemory {
    /// Bytes in use, of all threads; not what was freed and the allocator keeps, nor files that are mapped. Asks every
    /// arena of the allocator in turn: for now and then, not for each request.
    static var bytes: Int {
        let info = mallinfo2()
        return info.uordblks + info.hblkhd
    }
}
