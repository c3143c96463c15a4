// The least a node can cost on LMDB or RocksDB: one thread that calls the engine with a node's keys, batches and syncs.
//
//   engine_loop lmdb|rocksdb DIR [--ops N] [--keys N] [--value BYTES] [--batch N] [--sync none|always] [--mix set|get]
//
// Keys are those of `redis-benchmark -r` behind a node's 16 bytes (class, keyspace, generation, slot, hash). A SET reads
// the key's record and then writes a new one; the reads of a batch come before its writes, as in a node's turn.
// Options of both engines are those of the backends by default. All keys are there before the clock starts.
// Prints CPU microseconds an operation (user and system, background threads included), operations a second, and the
// median and 99th percentile of a batch's commit in microseconds.
#define PROGRAM "engine_loop"
#include "engines.h"
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

enum { PREFIX = 16, KEY = PREFIX + 16, MAX_BATCH = 65536 };

struct settings {
    long ops, keys, batch;
    size_t value;
    int always, gets;
};

static uint64_t state = 88172645463325252ull;

static uint64_t draw(void) {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

static void make_key(unsigned char *key, uint64_t number) {
    static const unsigned char keyspace[9] = { 1, 0, 0, 0, 1, 0, 0, 0, 0 };
    uint64_t hash = mix(number + 0x9e3779b97f4a7c15ull);
    memcpy(key, keyspace, sizeof keyspace);
    key[9] = (hash >> 8) & 0x3f;  // slot, below 16384
    key[10] = hash & 0xff;
    for (int i = 0; i < 5; i++) key[11 + i] = (hash >> (16 + 8 * i)) & 0xff;
    char text[32];
    snprintf(text, sizeof text, "key:%012llu", (unsigned long long)number);
    memcpy(key + PREFIX, text, 16);
}

// An engine: the reads of a turn, and the writes of a batch.
struct engine {
    void (*read)(const unsigned char *keys, long count);
    void (*write)(const unsigned char *keys, long count, const char *value, size_t length, int sync);
    void (*close)(void);
};

static size_t bytes_read;

// LMDB, as the backend opens it.

static MDB_env *env;
static MDB_dbi dbi;
static MDB_txn *reader;

static void lmdb_read(const unsigned char *keys, long count) {
    check(mdb_txn_renew(reader), "renew");
    for (long i = 0; i < count; i++) {
        MDB_val key = { KEY, (void *)(keys + i * KEY) }, value;
        int status = mdb_get(reader, dbi, &key, &value);
        if (status == 0) bytes_read += value.mv_size;
        else if (status != MDB_NOTFOUND) check(status, "get");
    }
    mdb_txn_reset(reader);
}

static void lmdb_write(const unsigned char *keys, long count, const char *value, size_t length, int sync) {
    MDB_txn *txn;
    check(mdb_txn_begin(env, NULL, 0, &txn), "begin");
    for (long i = 0; i < count; i++) {
        MDB_val k = { KEY, (void *)(keys + i * KEY) }, v = { length, (void *)value };
        check(mdb_put(txn, dbi, &k, &v, 0), "put");
    }
    (void)sync;  // the environment's flag
    check(mdb_txn_commit(txn), "commit");
}

static void lmdb_close(void) {
    mdb_txn_abort(reader);
    mdb_env_close(env);
}

static struct engine open_lmdb(const char *path, int always) {
    MDB_txn *txn;
    env = open_environment(path, always ? 0 : MDB_NOSYNC);
    check(mdb_txn_begin(env, NULL, 0, &txn), "begin");
    check(mdb_dbi_open(txn, "data", MDB_CREATE, &dbi), "database");
    check(mdb_txn_commit(txn), "commit");
    check(mdb_txn_begin(env, NULL, MDB_RDONLY, &reader), "reader");
    mdb_txn_reset(reader);
    return (struct engine){ lmdb_read, lmdb_write, lmdb_close };
}

// RocksDB, as the backend opens it.

static rocksdb_t *db;
static rocksdb_readoptions_t *read_options;
static rocksdb_writeoptions_t *write_options, *sync_options;
static rocksdb_writebatch_t *write_batch;

static void rocks_read(const unsigned char *keys, long count) {
    char *failure = NULL;
    for (long i = 0; i < count; i++) {
        rocksdb_pinnableslice_t *found =
            rocksdb_get_pinned(db, read_options, (const char *)(keys + i * KEY), KEY, &failure);
        must(failure, "get");
        if (!found) continue;
        size_t length;
        rocksdb_pinnableslice_value(found, &length);
        bytes_read += length;
        rocksdb_pinnableslice_destroy(found);
    }
}

static void rocks_write(const unsigned char *keys, long count, const char *value, size_t length, int sync) {
    char *failure = NULL;
    rocksdb_writebatch_clear(write_batch);
    for (long i = 0; i < count; i++)
        rocksdb_writebatch_put(write_batch, (const char *)(keys + i * KEY), KEY, value, length);
    rocksdb_write(db, sync ? sync_options : write_options, write_batch, &failure);
    must(failure, "write");
}

static void rocks_close(void) { rocksdb_close(db); }

static struct engine open_rocksdb(const char *path) {
    char *failure = NULL;
    db = rocksdb_open(rocksdb_settings(), path, &failure);
    must(failure, "open");
    read_options = rocksdb_readoptions_create();
    write_options = rocksdb_writeoptions_create();
    sync_options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(sync_options, 1);
    write_batch = rocksdb_writebatch_create();
    return (struct engine){ rocks_read, rocks_write, rocks_close };
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void run(struct engine engine, const char *name, struct settings s, const char *value) {
    unsigned char *keys = malloc((size_t)MAX_BATCH * KEY);
    long batches = (s.ops + s.batch - 1) / s.batch;
    double *commits = calloc(batches, sizeof *commits);
    if (!keys || !commits) die("memory", strerror(errno));
    for (long done = 0; done < s.keys;) {  // fill
        long count = 0;
        while (count < 1000 && done < s.keys) make_key(keys + KEY * count++, done++);
        engine.write(keys, count, value, s.value, 0);
    }
    double cpu_start = cpu(), start = seconds();
    for (long b = 0; b < batches; b++) {
        for (long i = 0; i < s.batch; i++) make_key(keys + KEY * i, draw() % s.keys);
        engine.read(keys, s.batch);
        if (s.gets) continue;
        double before = seconds();
        engine.write(keys, s.batch, value, s.value, s.always);
        commits[b] = seconds() - before;
    }
    double wall = seconds() - start, used = cpu() - cpu_start, ops = (double)batches * s.batch;
    // What the loop itself spends on drawing and printing keys is not the engine's.
    cpu_start = cpu();
    for (long b = 0; b < batches; b++)
        for (long i = 0; i < s.batch; i++) make_key(keys + KEY * i, draw() % s.keys);
    double idle = cpu() - cpu_start;
    qsort(commits, batches, sizeof *commits, ascending);
    printf("%s %s batch %ld sync %s: cpu %.2f us/op, %.0f ops/s, commit p50 %.0f us p99 %.0f us\n", name,
        s.gets ? "get" : "set", s.batch, s.always ? "always" : "none", (used - idle) / ops * 1e6, ops / wall,
        commits[batches / 2] * 1e6, commits[batches * 99 / 100] * 1e6);
    free(commits);
    free(keys);
}

int main(int count, char **words) {
    struct settings s = { .ops = 400000, .keys = 100000, .batch = 16, .value = 160 };
    if (count < 3 || count % 2 == 0) die("usage", "engine_loop lmdb|rocksdb DIR [--OPTION VALUE]...");
    for (int i = 3; i + 1 < count; i += 2) {
        const char *name = words[i], *text = words[i + 1];
        if (!strcmp(name, "--ops")) s.ops = atol(text);
        else if (!strcmp(name, "--keys")) s.keys = atol(text);
        else if (!strcmp(name, "--value")) s.value = atol(text);
        else if (!strcmp(name, "--batch")) s.batch = atol(text);
        else if (!strcmp(name, "--sync")) s.always = !strcmp(text, "always");
        else if (!strcmp(name, "--mix")) s.gets = !strcmp(text, "get");
        else die(name, "unknown option");
    }
    if (s.ops < 1 || s.keys < 1 || s.batch < 1 || s.batch > MAX_BATCH || s.value < 1)
        die("usage", "numbers are 1 or more, --batch at most 65536");
    char *value = malloc(s.value);
    if (!value) die("memory", strerror(errno));
    memset(value, 'x', s.value);
    if (mkdir(words[2], 0700) && errno != EEXIST) die(words[2], strerror(errno));
    int is_lmdb = !strcmp(words[1], "lmdb");
    if (!is_lmdb && strcmp(words[1], "rocksdb")) die(words[1], "neither lmdb nor rocksdb");
    struct engine engine = is_lmdb ? open_lmdb(words[2], s.always) : open_rocksdb(words[2]);
    run(engine, words[1], s, value);
    engine.close();
    free(value);
    return bytes_read == 0;  // every key is there, so reads must have met values
}
