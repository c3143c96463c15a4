#if LMDB
    internal import MartletCore
    internal import MartletRuntime

    /// How keys that LMDB cannot hold are kept.
    ///
    /// LMDB takes keys of 1 to 511 bytes. A key of at most 510 bytes is stored as it is. All longer keys that share
    /// their first 510 bytes lie in one *bucket*: the pair whose key is those 510 bytes and one zero byte, so that a
    /// stored key is a bucket's exactly if it is 511 bytes long. The order is right without further care: a short key
    /// that is a prefix of the bucket's key sorts before it, any other differs from it within the 510 bytes.
    ///
    /// A bucket's value is its entries in ascending order, each `rest length u32 | value length u32 | rest | value`
    /// (little endian), where rest is the key from byte 510 on. Reading or writing one costs O(bytes of the bucket):
    /// the stored keys of a node begin with a keyed hash, so a bucket of theirs holds one entry but for hash
    /// collisions.
    enum LongKey {
        /// Bytes that bucket mates share; the longest key that is stored as it is.
        static let prefix = 510

        /// One entry of a bucket, as ranges of the bucket's bytes.
        struct Entry {
            var rest: Range<Int>
            var value: Range<Int>
            /// Where the next entry begins.
            var end: Int { value.upperBound }
        }

        /// Makes `buffer` the key of the bucket in which `key` lies.
        static func bucketKey(of key: RawSpan, into buffer: inout ByteBuffer) {
            buffer.removeAll()
            buffer.append(key.extracting(0..<prefix))
            buffer.append(0 as UInt8)
        }

        /// The entry that begins at `offset`, or nil at the end of the bucket.
        static func entry(at offset: Int, of bucket: RawSpan) throws(StorageError) -> Entry? {
            guard offset < bucket.byteCount else { return nil }
            var cursor = ByteCursor(at: offset)
            do throws(ByteCursor.Malformed) {
                let restLength = Int(try cursor.littleEndian(of: bucket, as: UInt32.self))
                let valueLength = Int(try cursor.littleEndian(of: bucket, as: UInt32.self))
                let rest = try cursor.take(restLength, of: bucket)
                return Entry(rest: rest, value: try cursor.take(valueLength, of: bucket))
            } catch {
                throw StorageError(.corrupted, "lmdb: a bucket of long keys ends within an entry")
            }
        }

        /// Where the value of `key` lies in its bucket; nil if the bucket does not hold it.
        static func find(_ key: RawSpan, in bucket: RawSpan) throws(StorageError) -> Range<Int>? {
            let rest = key.extracting(prefix..<key.byteCount)
            var offset = 0
            while let entry = try entry(at: offset, of: bucket) {
                let order = bucket.extracting(entry.rest).compare(rest)
                if order == 0 { return entry.value }
                if order > 0 { return nil }
                offset = entry.end
            }
            return nil
        }

        /// Makes `result` the bucket with `key` put to `value`, or removed if `isDelete`.
        static func update(
            _ bucket: RawSpan, _ key: RawSpan, _ value: RawSpan, isDelete: Bool, into result: inout ByteBuffer
        ) throws(StorageError) {
            let rest = key.extracting(prefix..<key.byteCount)
            result.removeAll()
            var offset = 0
            var start = bucket.byteCount  // where the new entry goes, and where what follows it begins
            var end = bucket.byteCount
            while let entry = try entry(at: offset, of: bucket) {
                let order = bucket.extracting(entry.rest).compare(rest)
                if order >= 0 {
                    start = offset
                    end = order == 0 ? entry.end : offset
                    break
                }
                offset = entry.end
            }
            result.append(bucket.extracting(0..<start))
            if !isDelete {
                guard rest.byteCount <= UInt32.max, value.byteCount <= UInt32.max else {
                    throw StorageError(.tooLarge, "lmdb: a long key and its value take at most 4 GiB each")
                }
                result.append(littleEndian: UInt32(rest.byteCount))
                result.append(littleEndian: UInt32(value.byteCount))
                result.append(rest)
                result.append(value)
            }
            result.append(bucket.extracting(end..<bucket.byteCount))
        }
    }
#endif
