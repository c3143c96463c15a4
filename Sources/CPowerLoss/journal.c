#define _GNU_SOURCE
#include "journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// The calls below go to the kernel directly, since the wrappers are the ones interposed.

enum { SECTOR = 512 };

struct sector {
    int64_t index;
    bool is_dead;  // synced since
    unsigned char before[SECTOR];
};

struct file {
    dev_t device;
    ino_t inode;
    int descriptor;  // our own, kept open for good, so that the inode is never another file's
    off_t durable_size;
    struct sector *sectors;
    int32_t count, capacity;
    int32_t *table;  // open addressing: index + 1 into `sectors`, 0 where free
    int32_t table_size;
    struct file *next;
};

enum entry_kind { CREATED, REMOVED, RENAMED };

struct entry {
    enum entry_kind kind;
    bool is_directory;
    dev_t device;  // of the directory that holds the entry
    ino_t inode;
    char *path, *to, *grave;
    struct entry *next, *previous;
};

atomic_bool journal_active;
pthread_mutex_t journal_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
atomic_int journal_sync_error;
atomic_int journal_write_error;

static struct power_loss_plan plan;
static char root[PATH_MAX], graveyard[PATH_MAX];
static size_t root_length;
static int64_t writes, syncs, graves, cut_countdown = -1;
static uint64_t state;
static struct file *files;
static struct entry *first, *last;

static uint64_t draw(void) {  // SplitMix64
    uint64_t mixed = state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

static int64_t below(int64_t bound) { return bound <= 0 ? 0 : (int64_t)(draw() % (uint64_t)bound); }

static _Noreturn void give_up(const char *what) {
    dprintf(2, "power loss: %s: %s\n", what, strerror(errno));
    abort();
}

static void *allocate(size_t count) {
    void *memory = calloc(1, count);
    if (!memory) give_up("memory");
    return memory;
}

// MARK: Files

struct file *journal_find(int descriptor) {
    struct stat information;
    if (fstat(descriptor, &information) != 0) return NULL;
    for (struct file *file = files; file; file = file->next)
        if (file->inode == information.st_ino && file->device == information.st_dev) return file;
    return NULL;
}

struct file *journal_track(int descriptor, bool is_new) {
    struct stat information;
    if (fstat(descriptor, &information) != 0 || !S_ISREG(information.st_mode)) return NULL;
    struct file *file = journal_find(descriptor);
    if (file) return file;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    int own = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDWR | O_CLOEXEC);
    if (own < 0) give_up("a second descriptor");
    file = allocate(sizeof *file);
    file->device = information.st_dev;
    file->inode = information.st_ino;
    file->descriptor = own;
    file->durable_size = is_new ? 0 : information.st_size;
    file->next = files;
    files = file;
    return file;
}

static off_t size_of(struct file *file) {
    struct stat information;
    return fstat(file->descriptor, &information) == 0 ? information.st_size : 0;
}

static int32_t slot_of(struct file *file, int64_t index) {
    uint64_t hash = (uint64_t)index * 0x9e3779b97f4a7c15u;
    int32_t slot = (int32_t)(hash >> 33) & (file->table_size - 1);
    while (file->table[slot] && file->sectors[file->table[slot] - 1].index != index)
        slot = (slot + 1) & (file->table_size - 1);
    return slot;
}

static void grow(struct file *file) {
    file->capacity = file->capacity ? file->capacity * 2 : 64;
    file->sectors = realloc(file->sectors, sizeof(struct sector) * (size_t)file->capacity);
    if (!file->sectors) give_up("memory");
    free(file->table);
    file->table_size = file->capacity * 2;
    file->table = allocate(sizeof(int32_t) * (size_t)file->table_size);
    for (int32_t at = 0; at < file->count; at++) file->table[slot_of(file, file->sectors[at].index)] = at + 1;
}

void journal_before_write(struct file *file, off_t offset, size_t count) {
    if (count == 0) return;
    for (int64_t index = offset / SECTOR; index <= (offset + (off_t)count - 1) / SECTOR; index++) {
        if (file->count == file->capacity) grow(file);
        int32_t slot = slot_of(file, index);
        if (file->table[slot] && !file->sectors[file->table[slot] - 1].is_dead) continue;
        if (!file->table[slot]) file->table[slot] = ++file->count;
        struct sector *sector = &file->sectors[file->table[slot] - 1];
        memset(sector, 0, sizeof *sector);  // what lies behind the end reads as zeros
        sector->index = index;
        if (syscall(SYS_pread64, file->descriptor, sector->before, (size_t)SECTOR, index * SECTOR) < 0) give_up("read");
    }
}

void journal_before_truncate(struct file *file, off_t length) {
    off_t size = size_of(file);
    if (length < size) journal_before_write(file, length, (size_t)(size - length));
}

void journal_file_synced(struct file *file) {
    if (plan.syncs_lie) return;
    file->count = 0;
    if (file->table) memset(file->table, 0, sizeof(int32_t) * (size_t)file->table_size);
    file->durable_size = size_of(file);
}

void journal_range_synced(struct file *file, off_t offset, size_t count) {
    if (count == 0 || plan.syncs_lie) return;
    for (int64_t index = offset / SECTOR; file->table && index <= (offset + (off_t)count - 1) / SECTOR; index++) {
        int32_t slot = slot_of(file, index);
        if (file->table[slot]) file->sectors[file->table[slot] - 1].is_dead = true;
    }
    if (offset + (off_t)count > file->durable_size) file->durable_size = offset + (off_t)count;
}

static void roll_back_file(struct file *file) {
    off_t size = size_of(file), kept_size = size;
    int64_t policy = plan.syncs_lie ? 0 : below(10);  // 0-2 none kept, 3 all kept, 4-7 a subset, 8-9 the first ones
    if (policy == 3) return;
    if (policy <= 2 || below(3) == 0) {
        kept_size = file->durable_size;
    } else if (size > file->durable_size && below(2) == 0) {
        kept_size = file->durable_size + below(size - file->durable_size + 1);
    }
    int32_t kept_first = policy >= 8 ? (int32_t)below(file->count + 1) : 0;
    for (int32_t at = 0; at < file->count; at++) {
        struct sector *sector = &file->sectors[at];
        if (sector->is_dead || (policy >= 4 && policy <= 7 && below(2) == 0) || at < kept_first) continue;
        if (syscall(SYS_pwrite64, file->descriptor, sector->before, (size_t)SECTOR, sector->index * SECTOR) != SECTOR)
            give_up("roll back");
    }
    if (syscall(SYS_ftruncate, file->descriptor, kept_size) != 0) give_up("roll back the size");
}

// MARK: Entries of directories

char *journal_path(int directory, const char *path) {
    char joined[PATH_MAX], parent[PATH_MAX];
    if (path[0] != '/' && directory != AT_FDCWD) {
        char link[64], base[PATH_MAX];
        snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        ssize_t count = readlink(link, base, sizeof base - 1);
        if (count < 0) return NULL;
        base[count] = 0;
        if (snprintf(joined, sizeof joined, "%s/%s", base, path) >= (int)sizeof joined) return NULL;
    } else if (snprintf(joined, sizeof joined, "%s", path) >= (int)sizeof joined) {
        return NULL;
    }
    size_t length = strlen(joined);
    while (length > 1 && joined[length - 1] == '/') joined[--length] = 0;
    char *slash = strrchr(joined, '/');
    const char *name = slash ? slash + 1 : joined;
    if (!slash) {
        if (!realpath(".", parent)) return NULL;
    } else {
        *slash = 0;
        if (!realpath(joined[0] ? joined : "/", parent)) return NULL;
    }
    if (strncmp(parent, root, root_length) != 0 || (parent[root_length] && parent[root_length] != '/')) return NULL;
    char *result = allocate(strlen(parent) + strlen(name) + 2);
    sprintf(result, "%s/%s", parent, name);
    return result;
}

static void add(enum entry_kind kind, bool is_directory, char *path, char *to, char *grave) {
    struct entry *entry = allocate(sizeof *entry);
    const char *holder = to ? to : path;
    char parent[PATH_MAX];
    snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(holder, '/') - holder), holder);
    struct stat information;
    if (stat(parent, &information) != 0) give_up(parent);
    *entry = (struct entry){kind, is_directory, information.st_dev, information.st_ino, path, to, grave, NULL, last};
    if (last) last->next = entry;
    else first = entry;
    last = entry;
}

void journal_created(char *path, bool is_directory) { add(CREATED, is_directory, path, NULL, NULL); }

char *journal_bury(const char *path) {
    struct stat information;
    if (lstat(path, &information) != 0 || S_ISDIR(information.st_mode)) return NULL;
    char *grave = allocate(strlen(graveyard) + 32);
    sprintf(grave, "%s/%lld", graveyard, (long long)graves++);
    if (syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, grave, 0) != 0) give_up("keep a removed file");
    return grave;
}

void journal_removed(char *path, char *grave, bool is_directory) { add(REMOVED, is_directory, path, NULL, grave); }

void journal_renamed(char *from, char *to, char *grave) { add(RENAMED, false, from, to, grave); }

static void forget(struct entry *entry) {
    if (entry->previous) entry->previous->next = entry->next;
    else first = entry->next;
    if (entry->next) entry->next->previous = entry->previous;
    else last = entry->previous;
    if (entry->grave) syscall(SYS_unlinkat, AT_FDCWD, entry->grave, 0);
    free(entry->path);
    free(entry->to);
    free(entry->grave);
    free(entry);
}

void journal_directory_synced(int descriptor) {
    struct stat information;
    if (plan.syncs_lie || fstat(descriptor, &information) != 0) return;
    for (struct entry *entry = first, *next; entry; entry = next) {
        next = entry->next;
        if (entry->inode == information.st_ino && entry->device == information.st_dev) forget(entry);
    }
}

void journal_all_synced(void) {
    for (struct file *file = files; file; file = file->next) journal_file_synced(file);
    while (first && !plan.syncs_lie) forget(first);
}

static void remove_tree(const char *path) {
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char below_it[PATH_MAX];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        snprintf(below_it, sizeof below_it, "%s/%s", path, entry->d_name);
        if (entry->d_type == DT_DIR) remove_tree(below_it);
        else syscall(SYS_unlinkat, AT_FDCWD, below_it, 0);
    }
    if (directory) closedir(directory);
    syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}

static void rename_back(const char *from, const char *to) { syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0); }

static void roll_back_entries(void) {
    int64_t pending = 0;
    for (struct entry *entry = first; entry; entry = entry->next) pending++;
    int64_t policy = plan.syncs_lie ? 0 : below(4);
    int64_t kept = policy == 0 ? 0 : policy == 1 ? pending : below(pending + 1);
    for (struct entry *entry = last; entry && pending > kept; entry = entry->previous, pending--) {
        if (entry->kind == CREATED && entry->is_directory) remove_tree(entry->path);
        else if (entry->kind == CREATED) syscall(SYS_unlinkat, AT_FDCWD, entry->path, 0);
        else if (entry->kind == REMOVED && entry->is_directory) syscall(SYS_mkdirat, AT_FDCWD, entry->path, 0700);
        else if (entry->kind == RENAMED) rename_back(entry->to, entry->path);
        if (entry->grave) rename_back(entry->grave, entry->to ? entry->to : entry->path);
    }
}

// MARK: The plan

bool journal_counts_write(void) {
    writes++;
    if (plan.kill_at_write && writes >= plan.kill_at_write) journal_kill();
    if (plan.cut_at_write && writes == plan.cut_at_write) return true;
    return cut_countdown >= 0 && --cut_countdown <= 0;
}

bool journal_kills_in_write(size_t count, size_t *torn) {
    if (!plan.kill_at_write || writes + 1 != plan.kill_at_write) return false;
    *torn = (size_t)below((int64_t)count + 1);
    return true;
}

bool journal_counts_sync(bool *before) {
    syncs++;
    *before = false;
    if (!plan.cut_at_sync || syncs != plan.cut_at_sync) return false;
    if (plan.writes_after > 0) {
        cut_countdown = plan.writes_after;
        return false;
    }
    *before = below(2) == 0;
    return true;
}

void journal_kill(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

void journal_cut(void) {
    for (struct file *file = files; file; file = file->next) roll_back_file(file);
    roll_back_entries();
    remove_tree(graveyard);
    journal_kill();
}

// MARK: The interface

int power_loss_available(void) {
#ifdef IS_SANITIZED
    return 0;
#else
    return 1;
#endif
}

int power_loss_begin(const char *directory, struct power_loss_plan chosen) {
    if (!power_loss_available()) return ENOSYS;
    if (!realpath(directory, root)) return errno;
    root_length = strlen(root);
    if (snprintf(graveyard, sizeof graveyard, "%s.removed", root) >= (int)sizeof graveyard) return ENAMETOOLONG;
    if (syscall(SYS_mkdirat, AT_FDCWD, graveyard, 0700) != 0 && errno != EEXIST) return errno;
    plan = chosen;
    state = plan.seed;
    atomic_store(&journal_active, true);
    return 0;
}

void power_loss_fail_syncs(int error) { atomic_store(&journal_sync_error, error); }

void power_loss_fail_writes(int error) { atomic_store(&journal_write_error, error); }

int64_t power_loss_writes(void) {
    pthread_mutex_lock(&journal_lock);
    int64_t result = writes;
    pthread_mutex_unlock(&journal_lock);
    return result;
}

int64_t power_loss_syncs(void) {
    pthread_mutex_lock(&journal_lock);
    int64_t result = syncs;
    pthread_mutex_unlock(&journal_lock);
    return result;
}

static int64_t number(const char *name) {
    const char *text = getenv(name);
    return text ? strtoll(text, NULL, 10) : 0;
}

// Under LD_PRELOAD the environment is the plan.
__attribute__((constructor)) static void begin_by_environment(void) {
    const char *directory = getenv("POWER_LOSS_DIRECTORY");
    if (!directory) return;
    struct power_loss_plan chosen = {
        .seed = (uint64_t)number("POWER_LOSS_SEED"),
        .cut_at_sync = number("POWER_LOSS_CUT_AT_SYNC"),
        .writes_after = number("POWER_LOSS_WRITES_AFTER"),
        .cut_at_write = number("POWER_LOSS_CUT_AT_WRITE"),
        .kill_at_write = number("POWER_LOSS_KILL_AT_WRITE"),
        .syncs_lie = number("POWER_LOSS_SYNCS_LIE") != 0,
    };
    int error = power_loss_begin(directory, chosen);
    if (error) dprintf(2, "power loss: %s: %s\n", directory, strerror(error));
}
