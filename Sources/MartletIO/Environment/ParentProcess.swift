internal import CLibuv
internal import Glibc

/// Ties this process to the one that started it.
public enum ParentProcess {
    /// Lets the system send SIGTERM to this process when `parent` ends, however it does.
    ///
    /// It holds for as long as the thread lives that calls it. The parent's end is that of the thread which started
    /// this process.
    /// - Returns: false if this process is no child of `parent`, which then has ended already.
    public static func endWithIt(_ parent: Int32) -> Bool {
        martlet_prctl(PR_SET_PDEATHSIG, UInt(SIGTERM)) == 0 && getppid() == parent
    }
}
