internal import MartletRuntime

/// What can befall one node.
extension OneNodeCluster {
    public func canMeet(_ kind: FaultKind) -> Bool {
        let onDisk: [FaultKind] = [
            .crashAtSync, .syncError, .writeError, .bitFlip, .tornRecord, .misdirectedWrite, .misdirectedRead,
            .slowDisk, .stalledDisk,
        ]
        return !disk.settings.isVolatile || !onDisk.contains(kind)
    }

    public func register(with injector: FaultInjector) {
        registerCrashes(injector)
        registerDisk(injector)
        registerDamage(injector)
        registerClock(injector)
        injector.register(.connectionReset) { [self] fault in
            breakConnections(probability: 0.2 + 0.8 * fault.severity) ? {} : nil
        }
        injector.register(.slowNetwork) { [self] fault in
            let usual = latency
            guard usual.upperBound < 10_000_000 else { return nil }
            latency = 1_000_000...(20_000_000 + Int(fault.severity * 400_000_000))
            return { [self] in latency = usual }
        }
    }

    private func registerCrashes(_ injector: FaultInjector) {
        injector.register(.crash) { [self] _ in
            guard isUp else { return nil }
            crash()
            return { [self] in start() }
        }
        injector.register(.crashAtSync) { [self] fault in
            guard isUp, !disk.settings.isVolatile else { return nil }
            let isBefore = fault.severity < 0.5
            disk.crashAtSync(isBefore ? .before : .after) { [self] in
                count(isBefore ? "killed before a sync" : "killed after a sync")
                crash()
            }
            return { [self] in
                disk.forgetCrashPoint()
                start()
            }
        }
        injector.register(.pause) { [self] _ in pause() }
        injector.register(.slowNode) { [self] fault in slow(.milliseconds(1 + Int(fault.severity * 60))) }
    }

    private func registerDisk(_ injector: FaultInjector) {
        injector.register(.slowDisk) { [self] fault in
            guard disk.slowness == 1 else { return nil }
            disk.slowness = 3 + Int(fault.severity * 60)
            return { [self] in disk.slowness = 1 }
        }
        injector.register(.stalledDisk) { [self] fault in
            disk.stalledUntil = max(disk.stalledUntil, time.advanced(by: fault.duration))
            return { [self] in disk.stalledUntil = min(disk.stalledUntil, time) }
        }
        injector.register(.fullDisk) { [self] _ in
            guard !disk.isFull else { return nil }
            disk.isFull = true
            return { [self] in disk.isFull = false }
        }
        injector.register(.syncError) { [self] _ in
            guard !disk.settings.isVolatile else { return nil }
            disk.failNextSync = true
            return { [self] in
                disk.failNextSync = false
                replaceIfPoisoned()
            }
        }
        injector.register(.writeError) { [self] _ in
            guard !disk.settings.isVolatile else { return nil }
            disk.failNextWrite = true
            return { [self] in
                disk.failNextWrite = false
                replaceIfPoisoned()
            }
        }
        injector.register(.readError) { [self] fault in
            disk.failingReads = 1 + Int(fault.severity * 20)
            return { [self] in disk.failingReads = 0 }
        }
    }

    private func registerDamage(_ injector: FaultInjector) {
        let kinds: [(FaultKind, SimulatedDisk.Damage)] = [
            (.bitFlip, .flippedBit), (.tornRecord, .cutShort), (.misdirectedWrite, .misdirected),
        ]
        for (kind, damage) in kinds {
            injector.register(kind) { [self] _ in
                guard !disk.settings.isVolatile, disk.damage(damage) != nil else { return nil }
                return {}
            }
        }
        injector.register(.misdirectedRead) { [self] fault in
            disk.misdirectedReads = 1 + Int(fault.severity * 10)
            return { [self] in disk.misdirectedReads = 0 }
        }
    }

    private func registerClock(_ injector: FaultInjector) {
        injector.register(.clockJump) { [self] fault in
            // A second, a minute or an hour, to either side.
            let span = [1e6, 6e7, 3.6e9][Int(fault.severity * 30) % 3]
            let jump = Int64(span * (fault.severity * 2 - 1))
            clock.jump(microseconds: jump)
            noteSkew()
            return { [self] in
                noteSkew()
                clock.jump(microseconds: -jump)
                noteSkew()
            }
        }
        injector.register(.stuckClock) { [self] _ in
            let clock = clock
            guard clock.drift == 0 else { return nil }
            let begin = time
            clock.drift = -1_000_000
            return { [self] in
                noteSkew()
                clock.drift = 0
                clock.jump(microseconds: time.since(begin).inNanoseconds / 1000)
                noteSkew()
            }
        }
        injector.register(.clockDrift) { [self] fault in
            guard clock.drift == 0 else { return nil }
            let drift = Int64(200_000 * (fault.severity * 2 - 1))
            let begin = time
            clock.drift = drift
            return { [self] in
                noteSkew()
                clock.drift = 0
                clock.jump(microseconds: -(time.since(begin).inNanoseconds / 1000 * drift / 1_000_000))
                noteSkew()
            }
        }
    }
}
