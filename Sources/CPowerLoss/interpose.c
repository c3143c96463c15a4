// libc's calls on files, replaced: the work is the kernel's, the journal is kept around it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "journal.h"

#ifndef IS_SANITIZED

static bool begin(void) {
    if (!atomic_load_explicit(&journal_active, memory_order_relaxed)) return false;
    pthread_mutex_lock(&journal_lock);
    return true;
}

// Ends what begin() began; the error number is the call's.
static long done(long result) {
    int error = errno;
    pthread_mutex_unlock(&journal_lock);
    errno = error;
    return result;
}

static long fail(int error) {
    errno = error;
    return done(-1);
}

// After a change other than a write: it counts as one.
static void changed(void) {
    if (journal_counts_write()) journal_cut();
}

// MARK: open

static int open_file(int directory, const char *path, int flags, mode_t mode) {
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    if ((!writes && !(flags & O_CREAT)) || (flags & O_PATH) || !begin())
        return (int)syscall(SYS_openat, directory, path, flags, mode);
    char *entry = journal_path(directory, path);
    if (!entry) return (int)done(syscall(SYS_openat, directory, path, flags, mode));
    struct stat information;
    bool is_new = lstat(entry, &information) != 0;
    int error = atomic_load(&journal_write_error);
    if (error && is_new && (flags & O_CREAT)) {
        free(entry);
        return (int)fail(error);
    }
    if (!is_new && (flags & O_TRUNC) && S_ISREG(information.st_mode)) {  // remember what is about to go
        int old = (int)syscall(SYS_openat, AT_FDCWD, entry, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (old >= 0) {
            struct file *file = journal_track(old, false);
            if (file) journal_before_truncate(file, 0);
            syscall(SYS_close, old);
        }
    }
    int descriptor = (int)syscall(SYS_openat, directory, path, flags, mode);
    if (descriptor >= 0 && is_new) {
        journal_created(entry, false);
        journal_track(descriptor, true);
        changed();
    } else {
        if (descriptor >= 0) journal_track(descriptor, false);
        free(entry);
    }
    return (int)done(descriptor);
}

static mode_t mode_of(int flags, va_list *arguments) {
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(*arguments, mode_t) : 0;
}

#define OPENS(name)                                       \
    int name(const char *path, int flags, ...) {          \
        va_list arguments;                                \
        va_start(arguments, flags);                       \
        mode_t mode = mode_of(flags, &arguments);         \
        va_end(arguments);                                \
        return open_file(AT_FDCWD, path, flags, mode);    \
    }
#define OPENS_AT(name)                                          \
    int name(int directory, const char *path, int flags, ...) { \
        va_list arguments;                                      \
        va_start(arguments, flags);                             \
        mode_t mode = mode_of(flags, &arguments);               \
        va_end(arguments);                                      \
        return open_file(directory, path, flags, mode);         \
    }
OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)
int __open_2(const char *path, int flags) { return open_file(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_file(AT_FDCWD, path, flags, 0); }
int creat(const char *path, mode_t mode) { return open_file(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

// MARK: write

static size_t length_of(const struct iovec *parts, int count) {
    size_t total = 0;
    for (int at = 0; at < count; at++) total += parts[at].iov_len;
    return total;
}

// Writes the first bytes of what a call that is killed halfway was given.
static void write_torn(int descriptor, const struct iovec *parts, int count, off_t offset, size_t torn) {
    for (int at = 0; at < count && torn > 0; at++) {
        size_t length = parts[at].iov_len < torn ? parts[at].iov_len : torn;
        syscall(SYS_pwrite64, descriptor, parts[at].iov_base, length, offset);
        offset += (off_t)length;
        torn -= length;
    }
}

static long write_through(int descriptor, const struct iovec *parts, int count, off_t offset) {
    return offset < 0 ? syscall(SYS_writev, descriptor, parts, count)
                      : syscall(SYS_pwritev, descriptor, parts, count, offset, 0L);
}

// `offset` is below zero for a call that writes at the descriptor's own.
static ssize_t write_parts(int descriptor, const struct iovec *parts, int count, off_t offset) {
    if (!begin()) return write_through(descriptor, parts, count, offset);
    struct file *file = journal_find(descriptor);
    if (!file) return done(write_through(descriptor, parts, count, offset));
    int error = atomic_load(&journal_write_error);
    if (error) return fail(error);
    int flags = fcntl(descriptor, F_GETFL);
    off_t at = flags & O_APPEND ? lseek(descriptor, 0, SEEK_END) : offset >= 0 ? offset : lseek(descriptor, 0, SEEK_CUR);
    size_t length = length_of(parts, count), torn;
    if (journal_kills_in_write(length, &torn)) {
        write_torn(descriptor, parts, count, at, torn);
        journal_kill();
    }
    journal_before_write(file, at, length);
    long result = write_through(descriptor, parts, count, offset);
    changed();
    if (result > 0 && (flags & O_DSYNC)) {
        bool before;
        error = atomic_load(&journal_sync_error);
        bool cuts = journal_counts_sync(&before);
        if (cuts && before) journal_cut();
        if (error) return fail(error);
        journal_range_synced(file, at, (size_t)result);
        if (cuts) journal_cut();
    }
    return done(result);
}

static bool is_idle(void) { return !atomic_load_explicit(&journal_active, memory_order_relaxed); }

ssize_t write(int descriptor, const void *bytes, size_t count) {
    if (is_idle()) return syscall(SYS_write, descriptor, bytes, count);
    struct iovec part = {(void *)bytes, count};
    return write_parts(descriptor, &part, 1, -1);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
    if (is_idle()) return syscall(SYS_pwrite64, descriptor, bytes, count, offset);
    struct iovec part = {(void *)bytes, count};
    return write_parts(descriptor, &part, 1, offset);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
    return pwrite(descriptor, bytes, count, offset);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    return write_parts(descriptor, parts, count, -1);
}

ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t offset) {
    return write_parts(descriptor, parts, count, offset);
}

ssize_t pwritev64(int descriptor, const struct iovec *parts, int count, off64_t offset) {
    return write_parts(descriptor, parts, count, offset);
}

static int truncate_file(int descriptor, off_t length) {
    if (!begin()) return (int)syscall(SYS_ftruncate, descriptor, length);
    struct file *file = journal_find(descriptor);
    if (file) journal_before_truncate(file, length);
    int result = (int)syscall(SYS_ftruncate, descriptor, length);
    if (file && result == 0) changed();
    return (int)done(result);
}

int ftruncate(int descriptor, off_t length) { return truncate_file(descriptor, length); }
int ftruncate64(int descriptor, off64_t length) { return truncate_file(descriptor, length); }

static int allocate_file(int descriptor, int mode, off_t offset, off_t length) {
    if (!begin()) return (int)syscall(SYS_fallocate, descriptor, mode, offset, length);
    struct file *file = journal_find(descriptor);
    int error = atomic_load(&journal_write_error);
    if (file && error) return (int)fail(error);
    if (file && (mode & ~FALLOC_FL_KEEP_SIZE)) journal_before_write(file, offset, (size_t)length);
    int result = (int)syscall(SYS_fallocate, descriptor, mode, offset, length);
    if (file && result == 0) changed();
    return (int)done(result);
}

int fallocate(int descriptor, int mode, off_t offset, off_t length) {
    return allocate_file(descriptor, mode, offset, length);
}
int fallocate64(int descriptor, int mode, off64_t offset, off64_t length) {
    return allocate_file(descriptor, mode, offset, length);
}
int posix_fallocate(int descriptor, off_t offset, off_t length) {
    return allocate_file(descriptor, 0, offset, length) == 0 ? 0 : errno;
}
int posix_fallocate64(int descriptor, off64_t offset, off64_t length) {
    return posix_fallocate(descriptor, offset, length);
}

// MARK: sync

static int sync_file(int descriptor, long number) {
    if (!begin()) return (int)syscall(number, descriptor);
    struct file *file = journal_find(descriptor);
    struct stat information;
    bool is_directory = !file && fstat(descriptor, &information) == 0 && S_ISDIR(information.st_mode);
    if (!file && !is_directory) return (int)done(syscall(number, descriptor));
    if (is_directory) {
        char *inside = journal_path(descriptor, "x");
        if (!inside) return (int)done(syscall(number, descriptor));
        free(inside);
    }
    bool before;
    bool cuts = journal_counts_sync(&before);
    if (cuts && before) journal_cut();
    int error = atomic_load(&journal_sync_error);
    if (error) return (int)fail(error);
    if (file) journal_file_synced(file);  // the real disk need not be bothered: power fails here only
    else journal_directory_synced(descriptor);
    if (cuts) journal_cut();
    return (int)done(0);
}

int fsync(int descriptor) { return sync_file(descriptor, SYS_fsync); }
int fdatasync(int descriptor) { return sync_file(descriptor, SYS_fdatasync); }

int sync_file_range(int descriptor, off64_t offset, off64_t count, unsigned int flags) {
    if (is_idle()) return (int)syscall(SYS_sync_file_range, descriptor, offset, count, flags);
    return 0;  // promises nothing about the size of the file or the cache of the disk
}

static int sync_all(void) {
    bool before;
    bool cuts = journal_counts_sync(&before);
    if (cuts && before) journal_cut();
    int error = atomic_load(&journal_sync_error);
    if (error) return (int)fail(error);
    journal_all_synced();
    if (cuts) journal_cut();
    return (int)done(0);
}

int syncfs(int descriptor) { return begin() ? sync_all() : (int)syscall(SYS_syncfs, descriptor); }
void sync(void) {
    if (begin()) sync_all();
    else syscall(SYS_sync);
}

// MARK: entries

static int rename_entry(int from_directory, const char *from, int to_directory, const char *to, unsigned int flags) {
    if (!begin()) return (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
    char *source = journal_path(from_directory, from), *target = journal_path(to_directory, to);
    char *grave = source && target ? journal_bury(target) : NULL;
    int result = (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
    if (result == 0 && source && target) {
        journal_renamed(source, target, grave);
        changed();
    } else {
        int error = errno;
        if (grave) syscall(SYS_unlinkat, AT_FDCWD, grave, 0);
        free(source);
        free(target);
        free(grave);
        errno = error;
    }
    return (int)done(result);
}

int rename(const char *from, const char *to) { return rename_entry(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int a, const char *from, int b, const char *to) { return rename_entry(a, from, b, to, 0); }
int renameat2(int a, const char *from, int b, const char *to, unsigned int flags) {
    return rename_entry(a, from, b, to, flags);
}

static int remove_entry(int directory, const char *path, int flags) {
    if (!begin()) return (int)syscall(SYS_unlinkat, directory, path, flags);
    char *entry = journal_path(directory, path);
    char *grave = entry && !(flags & AT_REMOVEDIR) ? journal_bury(entry) : NULL;
    int result = (int)syscall(SYS_unlinkat, directory, path, flags);
    if (result == 0 && entry) {
        journal_removed(entry, grave, (flags & AT_REMOVEDIR) != 0);
        changed();
    } else {
        int error = errno;
        if (grave) syscall(SYS_unlinkat, AT_FDCWD, grave, 0);
        free(entry);
        free(grave);
        errno = error;
    }
    return (int)done(result);
}

int unlink(const char *path) { return remove_entry(AT_FDCWD, path, 0); }
int unlinkat(int directory, const char *path, int flags) { return remove_entry(directory, path, flags); }
int rmdir(const char *path) { return remove_entry(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
    return unlink(path) == 0 ? 0 : errno == EISDIR || errno == EPERM ? rmdir(path) : -1;
}

static int create_entry(char *entry, int result, bool is_directory) {
    if (result == 0 && entry) {
        journal_created(entry, is_directory);
        changed();
    } else {
        free(entry);
    }
    return (int)done(result);
}

int linkat(int a, const char *from, int b, const char *to, int flags) {
    if (!begin()) return (int)syscall(SYS_linkat, a, from, b, to, flags);
    char *entry = journal_path(b, to);
    return create_entry(entry, (int)syscall(SYS_linkat, a, from, b, to, flags), false);
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int mkdirat(int directory, const char *path, mode_t mode) {
    if (!begin()) return (int)syscall(SYS_mkdirat, directory, path, mode);
    char *entry = journal_path(directory, path);
    return create_entry(entry, (int)syscall(SYS_mkdirat, directory, path, mode), true);
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

#endif
