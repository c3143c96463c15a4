// What was not synced, and the way back. Everything here is called with the lock held.
#ifndef MARTLET_POWER_LOSS_JOURNAL_H
#define MARTLET_POWER_LOSS_JOURNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "power_loss.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif

struct file;

extern atomic_bool journal_active;
extern pthread_mutex_t journal_lock;
extern atomic_int journal_sync_error;
extern atomic_int journal_write_error;

// A file below the directory by its descriptor; NULL if it is none.
struct file *journal_find(int descriptor);
// Begins to remember a file that was opened for writing.
struct file *journal_track(int descriptor, bool is_new);

// Before bytes of the file change.
void journal_before_write(struct file *file, off_t offset, size_t count);
void journal_before_truncate(struct file *file, off_t length);
// What a sync did. A directory's covers its entries.
void journal_file_synced(struct file *file);
void journal_range_synced(struct file *file, off_t offset, size_t count);
void journal_directory_synced(int descriptor);
void journal_all_synced(void);

// Absolute path of an entry, its directory resolved; NULL if it lies outside the directory watched. To be freed.
char *journal_path(int directory, const char *path);
// After an entry came to be; before one is removed or replaced (returns where it is kept, or NULL).
void journal_created(char *path, bool is_directory);
char *journal_bury(const char *path);
void journal_removed(char *path, char *grave, bool is_directory);
void journal_renamed(char *from, char *to, char *grave);

// Counts a write or a sync and answers whether the plan cuts there. `torn` is how much of a write is done before a kill.
bool journal_counts_write(void);
bool journal_kills_in_write(size_t count, size_t *torn);
bool journal_counts_sync(bool *before);
// Rolls back and ends the process.
_Noreturn void journal_cut(void);
_Noreturn void journal_kill(void);

#endif
