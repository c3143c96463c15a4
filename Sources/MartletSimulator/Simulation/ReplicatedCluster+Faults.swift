internal import MartletRuntime

/// What can befall the nodes of a cluster, one at a time or all together.
extension ReplicatedCluster {
    public func canMeet(_ kind: FaultKind) -> Bool {
        let onDisk: [FaultKind] = [
            .crashAtSync, .syncError, .writeError, .bitFlip, .tornRecord, .misdirectedWrite, .misdirectedRead,
            .slowDisk, .stalledDisk, .wipe,
        ]
        if onDisk.contains(kind) { return nodes.contains { !$0.storage.disk.isVolatile } }
        // Alone with its word, a node of another epoch would serve what needs no other's.
        if kind == .foreignEpoch { return choices.read > 1 && choices.write > 1 }
        let onLinks: [FaultKind] = [
            .partition, .bridge, .isolation, .oneWay, .flapping, .linkBreaks, .slowLinks, .clog, .swizzle, .crashAll,
            .outage,
        ]
        return nodes.count > 1 || !onLinks.contains(kind)
    }

    public func register(with injector: FaultInjector) {
        registerCrashes(injector)
        registerDisks(injector)
        registerDamage(injector)
        registerClocks(injector)
        registerLinks(injector)
        registerOutage(injector)
        injector.register(.connectionReset) { [self] fault in
            network.breakStreams(to: node(fault).address, probability: 0.2 + 0.8 * fault.severity) > 0 ? {} : nil
        }
        injector.register(.slowNetwork) { [self] fault in
            let usual = network.latency
            guard usual.upperBound < 10_000_000 else { return nil }
            network.latency = 1_000_000...(20_000_000 + Int(fault.severity * 400_000_000))
            return { [self] in network.latency = usual }
        }
    }

    private func registerCrashes(_ injector: FaultInjector) {
        injector.register(.crash) { [self] fault in
            let node = node(fault)
            guard node.isUp else { return nil }
            node.crash()
            return { node.start() }
        }
        injector.register(.crashAll) { [self] _ in
            guard nodes.contains(where: \.isUp) else { return nil }
            for node in nodes { node.crash() }
            return { [self] in for node in nodes { node.start() } }
        }
        injector.register(.wipe) { [self] fault in
            let node = node(fault)
            guard !node.storage.disk.isVolatile else { return nil }
            node.wipe()
            if choices.write == 1 { noteLossOfSole(node) }
            return { node.start() }
        }
        injector.register(.crashAtSync) { [self] fault in
            let node = node(fault)
            guard node.isUp, !node.storage.disk.isVolatile else { return nil }
            let isBefore = fault.severity < 0.5
            let disk = node.disk
            disk.crashAtSync(isBefore ? .before : .after) { [self] in
                count(isBefore ? "killed before a sync" : "killed after a sync")
                node.crash()
            }
            return {
                disk.forgetCrashPoint()
                node.start()
            }
        }
        injector.register(.foreignEpoch) { [self] fault in
            let node = node(fault)
            guard node.isUp, !nodes.contains(where: \.isForeign) else { return nil }
            node.crash()
            node.isForeign = true
            node.start()
            return {
                node.crash()
                node.isForeign = false
                node.start()
            }
        }
        injector.register(.pause) { [self] fault in node(fault).pause() }
        injector.register(.slowNode) { [self] fault in
            guard let process = node(fault).world?.process, process.lateness == .zero else { return nil }
            process.lateness = .milliseconds(1 + Int(fault.severity * 60))
            return { process.lateness = .zero }
        }
    }

    private func registerDisks(_ injector: FaultInjector) {
        injector.register(.slowDisk) { [self] fault in
            let disk = node(fault).disk
            guard disk.slowness == 1 else { return nil }
            disk.slowness = 3 + Int(fault.severity * 60)
            return { disk.slowness = 1 }
        }
        injector.register(.stalledDisk) { [self] fault in
            let disk = node(fault).disk
            disk.stalledUntil = max(disk.stalledUntil, executor.now.advanced(by: fault.duration))
            return { [self] in disk.stalledUntil = min(disk.stalledUntil, executor.now) }
        }
        injector.register(.fullDisk) { [self] fault in
            let disk = node(fault).disk
            guard !disk.isFull else { return nil }
            disk.isFull = true
            return { disk.isFull = false }
        }
        injector.register(.syncError) { [self] fault in
            let node = node(fault)
            let disk = node.disk
            guard !node.storage.disk.isVolatile else { return nil }
            disk.failNextSync = true
            return {
                disk.failNextSync = false
                node.replaceIfPoisoned()
            }
        }
        injector.register(.writeError) { [self] fault in
            let node = node(fault)
            let disk = node.disk
            guard !node.storage.disk.isVolatile else { return nil }
            disk.failNextWrite = true
            return {
                disk.failNextWrite = false
                node.replaceIfPoisoned()
            }
        }
        injector.register(.readError) { [self] fault in
            let disk = node(fault).disk
            disk.failingReads = 1 + Int(fault.severity * 20)
            return { disk.failingReads = 0 }
        }
    }

    private func registerDamage(_ injector: FaultInjector) {
        let kinds: [(FaultKind, SimulatedDisk.Damage)] = [
            (.bitFlip, .flippedBit), (.tornRecord, .cutShort), (.misdirectedWrite, .misdirected),
        ]
        for (kind, damage) in kinds {
            injector.register(kind) { [self] fault in
                let node = node(fault)
                guard !node.storage.disk.isVolatile, let key = node.disk.damage(damage) else { return nil }
                noteDamage(of: key)
                return {}
            }
        }
        injector.register(.phantomWrite) { [self] fault in
            let (node, disk) = (node(fault), node(fault).disk)
            guard !node.storage.disk.isVolatile else { return nil }
            disk.onPhantom = { [self] in notePhantom(of: $0, on: node) }
            disk.phantomWrites = 1 + Int(fault.severity * 10)
            return { disk.phantomWrites = 0 }
        }
        injector.register(.misdirectedRead) { [self] fault in
            let (node, disk) = (node(fault), node(fault).disk)
            guard !node.storage.disk.isVolatile else { return nil }
            disk.onStray = { [self] in noteDamage(of: $0) }
            disk.misdirectedReads = 1 + Int(fault.severity * 10)
            return { disk.misdirectedReads = 0 }
        }
    }

    private func registerClocks(_ injector: FaultInjector) {
        injector.register(.clockJump) { [self] fault in
            // A second, a minute or an hour, to either side.
            let span = [1e6, 6e7, 3.6e9][Int(fault.severity * 30) % 3]
            let jump = Int64(span * (fault.severity * 2 - 1))
            let clock = node(fault).clock
            clock.jump(microseconds: jump)
            noteSkew()
            return { [self] in
                noteSkew()
                clock.jump(microseconds: -jump)
                noteSkew()
            }
        }
        injector.register(.stuckClock) { [self] fault in
            let clock = node(fault).clock
            guard clock.drift == 0 else { return nil }
            let begin = executor.now
            clock.drift = -1_000_000
            return { [self] in
                noteSkew()
                clock.drift = 0
                clock.jump(microseconds: executor.now.since(begin).inNanoseconds / 1000)
                noteSkew()
            }
        }
        injector.register(.clockDrift) { [self] fault in
            let clock = node(fault).clock
            guard clock.drift == 0 else { return nil }
            let drift = Int64(200_000 * (fault.severity * 2 - 1))
            let begin = executor.now
            clock.drift = drift
            return { [self] in
                noteSkew()
                clock.drift = 0
                clock.jump(microseconds: -(executor.now.since(begin).inNanoseconds / 1000 * drift / 1_000_000))
                noteSkew()
            }
        }
    }
}
