// What copying a node's records costs at least on LMDB or RocksDB: one thread that reads them with a cursor and writes
// them to a new set of data, batch after batch, synced once at the end.
//
//   engine_copy lmdb|rocksdb FROM TO [BATCH]
//
// FROM is what a node keeps, in use or not; options of both engines are those of the backends by default. Prints the
// records copied, those a second, and CPU microseconds a record (user and system, background threads included).
#define PROGRAM "engine_copy"
#include "engines.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static long copy_lmdb(const char *from, const char *to, long batch) {
    MDB_env *source = open_environment(from, MDB_RDONLY), *target = open_environment(to, MDB_NOSYNC);
    MDB_txn *reader, *writer;
    MDB_dbi read, written;
    MDB_cursor *cursor;
    MDB_val key, value;
    long copied = 0;
    check(mdb_txn_begin(source, NULL, MDB_RDONLY, &reader), "reader");
    check(mdb_dbi_open(reader, "data", 0, &read), "data");
    check(mdb_cursor_open(reader, read, &cursor), "cursor");
    check(mdb_txn_begin(target, NULL, 0, &writer), "writer");
    check(mdb_dbi_open(writer, "data", MDB_CREATE, &written), "data");
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        check(mdb_put(writer, written, &key, &value, 0), "put");
        if (++copied % batch) continue;
        check(mdb_txn_commit(writer), "commit");
        check(mdb_txn_begin(target, NULL, 0, &writer), "writer");
    }
    check(mdb_txn_commit(writer), "commit");
    check(mdb_env_sync(target, 1), "sync");
    mdb_cursor_close(cursor);
    mdb_txn_abort(reader);
    mdb_env_close(source);
    mdb_env_close(target);
    return copied;
}

static long copy_rocksdb(const char *from, const char *to, long batch) {
    char *failure = NULL;
    rocksdb_options_t *options = rocksdb_settings();
    rocksdb_t *source = rocksdb_open_for_read_only(options, from, 0, &failure);
    must(failure, from);
    rocksdb_t *target = rocksdb_open(options, to, &failure);
    must(failure, to);
    rocksdb_writeoptions_t *lazy = rocksdb_writeoptions_create(), *synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(synced, 1);
    rocksdb_writebatch_t *records = rocksdb_writebatch_create();
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(source, rocksdb_readoptions_create());
    long copied = 0;
    for (rocksdb_iter_seek_to_first(iterator); rocksdb_iter_valid(iterator); rocksdb_iter_next(iterator)) {
        size_t key_length, length;
        const char *key = rocksdb_iter_key(iterator, &key_length), *value = rocksdb_iter_value(iterator, &length);
        rocksdb_writebatch_put(records, key, key_length, value, length);
        if (++copied % batch) continue;
        rocksdb_write(target, lazy, records, &failure);
        must(failure, "write");
        rocksdb_writebatch_clear(records);
    }
    rocksdb_write(target, synced, records, &failure);
    must(failure, "write");
    rocksdb_iter_destroy(iterator);
    rocksdb_close(source);
    rocksdb_close(target);
    return copied;
}

int main(int count, char **words) {
    if (count < 4 || count > 5) die("usage", "engine_copy lmdb|rocksdb FROM TO [BATCH]");
    long batch = count == 5 ? atol(words[4]) : 512;
    int is_lmdb = !strcmp(words[1], "lmdb");
    if (batch < 1) die(words[4], "a batch is of 1 record or more");
    if (!is_lmdb && strcmp(words[1], "rocksdb")) die(words[1], "neither lmdb nor rocksdb");
    if (mkdir(words[3], 0700) && errno != EEXIST) die(words[3], strerror(errno));
    double before = cpu(), start = seconds();
    long copied = (is_lmdb ? copy_lmdb : copy_rocksdb)(words[2], words[3], batch);
    double wall = seconds() - start, used = cpu() - before;
    printf("%ld records, %.0f records/s, cpu %.2f us/record\n", copied, copied / wall, used / copied * 1e6);
    return 0;
}
