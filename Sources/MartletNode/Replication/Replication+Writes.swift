internal import MartletCore
internal import MartletRuntime

extension Replication {
    /// Has the owners of a key merge a record; `answered` hears what is known once that is enough, or too late.
    func write(
        _ record: [UInt8], storedKey: [UInt8], in keyspace: Int, level: ConsistencyLevel?, durability: Durability,
        answered: @escaping (WriteAnswer) -> Void
    ) throws(ConsistencyFault) {
        let slot = withBytes(of: storedKey) { $0.bigEndian(9, as: UInt16.self) }
        let plan = try plan(slot: slot, keyspace: keyspace, level: level, durability: durability)
        withBytes(of: storedKey) { key in
            withBytes(of: record) { record in
                hand(
                    record, storedKey: key, plan, durability: durability, takenWith: nil,
                    waiter: WriteClosure(answered), ticket: 0)
            }
        }
    }
}
