internal import MartletCore
internal import MartletRuntime

/// Filling in for owners that do not answer a read.
extension HintedHandoff {
    /// What the hints for a key's owners, which are resident, say of it all together.
    func answer(_ storedKey: RawSpan, for owners: [UInt32], _ keyspace: Int) -> (ReadReply, record: [UInt8]?) {
        var found: [UInt8]?
        do throws(StorageError) {
            for owner in owners {
                guard let held = try held(Hint.key(for: owner, storedKey: storedKey)) else { continue }
                guard let record = held.record else { return (.damaged, nil) }
                guard let former = found else {
                    found = record
                    continue
                }
                guard let merged = merge(former, record, storedKey, store.keyspaces[keyspace].policy) else {
                    return (.damaged, nil)
                }
                found = merged
            }
        } catch {
            return (.refused(.closed), nil)
        }
        guard let found else { return (.version(.notFound), nil) }
        guard let digest = withBytes(of: found, { try? store.digest(of: $0, storedKey: storedKey) }) else {
            return (.damaged, nil)
        }
        return (.version(.found(digest)), found)
    }

    private func merge(
        _ former: [UInt8], _ record: [UInt8], _ storedKey: RawSpan, _ policy: ConflictPolicy
    ) -> [UInt8]? {
        withBytes(of: former) { local in
            withBytes(of: record) { remote in
                var merged = ByteBuffer()
                let outcome = try? RecordMerge.merge(
                    local: local, remote: remote, storedKey: storedKey, policy: policy, into: &merged)
                return switch outcome {
                case .local: former
                case .remote: record
                case .merged: merged.copy()
                case nil: nil
                }
            }
        }
    }
}
