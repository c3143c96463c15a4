#define _GNU_SOURCE
#include "slow_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// Of the mapped file; null where there is none.
static volatile const uint32_t *delay;

__attribute__((constructor)) static void map_file(void) {
    const char *path = getenv("SLOW_DISK_FILE");
    if (!path) return;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return;
    void *memory = mmap(NULL, sizeof(uint32_t), PROT_READ, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (memory != MAP_FAILED) delay = memory;
}

unsigned slow_disk_delay(void) { return delay ? *delay : 0; }

static void wait_for_disk(void) {
    unsigned microseconds = slow_disk_delay();
    struct timespec rest = {microseconds / 1000000, (long)(microseconds % 1000000) * 1000};
    while (microseconds && nanosleep(&rest, &rest) != 0 && errno == EINTR) {
    }
}

int fsync(int descriptor) {
    wait_for_disk();
    return (int)syscall(SYS_fsync, descriptor);
}

int fdatasync(int descriptor) {
    wait_for_disk();
    return (int)syscall(SYS_fdatasync, descriptor);
}

int msync(void *address, size_t length, int flags) {
    if (flags & MS_SYNC) wait_for_disk();
    return (int)syscall(SYS_msync, address, length, flags);
}
