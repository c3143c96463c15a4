// A disk that loses power: interposed system calls that remember what was not synced and take it back at a cut.
//
// Linked into a test's executable, or loaded by LD_PRELOAD, it stands between a process and the file system for the
// files below one directory. It keeps, for every file, the content of each 512-byte sector as of the last sync, and for
// every directory the entries changed since its last sync. At the chosen point it rewrites the directory into a state
// that a real disk could show after its power was cut, and kills the process with SIGKILL:
//   - what was synced (fsync, fdatasync, O_DSYNC, syncfs, sync) stays; sync_file_range promises nothing;
//   - of the sectors not synced a seeded subset is kept, the rest shows what was there before, so that writes are torn;
//   - a file that grew may keep its length, show zeros in it, or lose the growth;
//   - of the entries created, renamed and removed since their directory was synced, a prefix is kept.
// Not seen: stores through shared writable maps, FILE streams, and system calls made without libc's wrappers.
//
// Until power_loss_begin() every call goes straight to the system. Linux, 64 bit. One directory a process.
#ifndef MARTLET_POWER_LOSS_H
#define MARTLET_POWER_LOSS_H

#include <stdint.h>

struct power_loss_plan {
    uint64_t seed;          // of what is kept and what is lost
    int64_t cut_at_sync;    // cut the power in the n-th sync, from 1, before or after it took effect; 0: not
    int64_t writes_after;   // let so many writes follow that sync before the cut
    int64_t cut_at_write;   // cut the power after the n-th write, from 1; 0: not
    int64_t kill_at_write;  // SIGKILL halfway through the n-th write, from 1; nothing is taken back; 0: not
    int32_t syncs_lie;      // syncs return success and keep nothing, and the cut drops all that it may
};

// Whether calls are interposed at all: not under the thread and address sanitizers, which interpose them themselves.
int power_loss_available(void);

// Begins to watch the directory, which exists; what it holds now counts as synced. Returns 0, or an errno.
int power_loss_begin(const char *directory, struct power_loss_plan plan);

// From now on syncs fail with this errno; 0 ends it.
void power_loss_fail_syncs(int error);

// From now on writes fail with this errno, having written nothing; 0 ends it.
void power_loss_fail_writes(int error);

// Writes and syncs below the directory so far.
int64_t power_loss_writes(void);
int64_t power_loss_syncs(void);

#endif
