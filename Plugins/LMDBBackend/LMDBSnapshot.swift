#if LMDB
    internal import CLMDB
    internal import MartletCore
    internal import MartletRuntime

    /// A read transaction that stays open; the pages it sees are not reused until it is released.
    @safe
    final class LMDBSnapshot: StorageSnapshot, @unchecked Sendable {  // used by one thread at a time (NOTLS)
        private let environment: LMDBEnvironment
        private let transaction: OpaquePointer

        init(_ environment: LMDBEnvironment) throws(StorageError) {
            self.environment = environment
            unsafe transaction = try environment.beginRead()
        }

        deinit { unsafe mdb_txn_abort(transaction) }

        func read(_ key: RawSpan, _ body: (RawSpan) -> Void) throws(StorageError) -> Bool {
            try unsafe environment.get(key, in: transaction, body)
        }

        func scan(
            from lower: RawSpan, to upper: RawSpan, _ body: (_ key: RawSpan, _ value: RawSpan) -> ScanStep
        ) throws(StorageError) {
            if lower.isEmpty {
                var step = ScanStep.continue
                let none = lower
                _ = try unsafe environment.get(none, in: transaction) { step = body(none, $0) }
                if step == .stop { return }
            }
            var opened: OpaquePointer?
            try unsafe check(mdb_cursor_open(transaction, environment.data, &opened), "open a cursor")
            guard let cursor = unsafe opened else { return }
            defer { unsafe mdb_cursor_close(cursor) }
            var key = unsafe MDB_val()
            var value = unsafe MDB_val()
            var status = unsafe seek(cursor, lower, &key, &value)
            var joined = ByteBuffer(capacity: 0)
            while status == MDB_SUCCESS {
                let keyBytes = unsafe RawSpan(_unsafeStart: key.mv_data, byteCount: key.mv_size)
                let valueBytes = unsafe RawSpan(_unsafeStart: value.mv_data, byteCount: value.mv_size)
                if keyBytes.byteCount <= LongKey.prefix {
                    if !upper.isEmpty, keyBytes.compare(upper) >= 0 { return }
                    if body(keyBytes, valueBytes) == .stop { return }
                } else if try scan(keyBytes, valueBytes, lower, upper, &joined, body) == .stop {
                    return
                }
                status = unsafe mdb_cursor_get(cursor, &key, &value, MDB_NEXT)
            }
            if status != MDB_NOTFOUND { throw .lmdb(status, "read the next pair") }
        }

        /// Moves to the first pair or bucket that may hold `lower` or what follows it.
        private func seek(
            _ cursor: OpaquePointer, _ lower: RawSpan, _ key: inout MDB_val, _ value: inout MDB_val
        ) -> CInt {
            func seek(_ start: RawSpan) -> CInt {
                unsafe start.withUnsafeBytes { start in
                    unsafe martlet_lmdb_seek(cursor, start.baseAddress, start.count, &key, &value)
                }
            }
            guard lower.byteCount > LongKey.prefix else { return seek(lower) }
            var bucketKey = ByteBuffer(capacity: LongKey.prefix + 1)
            LongKey.bucketKey(of: lower, into: &bucketKey)
            return bucketKey.withBytes { seek($0) }
        }

        /// Lends a bucket's pairs that lie within the bounds.
        private func scan(
            _ bucketKey: RawSpan, _ bucket: RawSpan, _ lower: RawSpan, _ upper: RawSpan, _ joined: inout ByteBuffer,
            _ body: (_ key: RawSpan, _ value: RawSpan) -> ScanStep
        ) throws(StorageError) -> ScanStep {
            var offset = 0
            while let entry = try LongKey.entry(at: offset, of: bucket) {
                joined.removeAll()
                joined.append(bucketKey.extracting(0..<LongKey.prefix))
                joined.append(bucket.extracting(entry.rest))
                let step = joined.withBytes { key -> ScanStep in
                    if key.compare(lower) < 0 { return .continue }
                    if !upper.isEmpty, key.compare(upper) >= 0 { return .stop }
                    return body(key, bucket.extracting(entry.value))
                }
                if step == .stop { return .stop }
                offset = entry.end
            }
            return .continue
        }
    }
#endif
