internal import Glibc
public import MartletRuntime

/// A log on standard error: `2026-01-31T12:00:00.000Z LEVEL LABEL message`, one line an event, one write a line.
public enum StandardErrorLog {
    public static func make(label: String, level: Log.Level = .info) -> Log {
        Log(label: label, level: level) { level, label, message in
            var line = Array("\(timestamp()) \(level.name) \(label) \(message)\n".utf8)[...]
            while !line.isEmpty {
                let count = unsafe line.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
                if count > 0 { line = line.dropFirst(count) } else if errno != EINTR { return }  // nobody to tell
            }
        }
    }

    /// The calendar's time in UTC, to the millisecond: the civil calendar repeats each 400 years, from 0000-03-01 on.
    static func timestamp(_ microseconds: Int64 = SystemClock().wallMicroseconds) -> String {
        let (days, time) = (microseconds / 1000).quotientAndRemainder(dividingBy: 86_400_000)
        let shifted = days + 719_468
        let (era, dayOfEra) = shifted.quotientAndRemainder(dividingBy: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153  // from March
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        let year = era * 400 + yearOfEra + (month < 10 ? 0 : 1)
        let date = "\(padded(year, 4))-\(padded(month < 10 ? month + 3 : month - 9, 2))-\(padded(day, 2))"
        let clock = "\(padded(time / 3_600_000, 2)):\(padded(time / 60_000 % 60, 2)):\(padded(time / 1000 % 60, 2))"
        return "\(date)T\(clock).\(padded(time % 1000, 3))Z"
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
