// What the loops over the engines share: faults, clocks, and both engines with the options of the backends by default.
// Whoever includes it says its name in PROGRAM.
#pragma once
#include <lmdb.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static void die(const char *what, const char *why) {
    fprintf(stderr, PROGRAM ": %s: %s\n", what, why);
    exit(1);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void check(int status, const char *what) {
    if (status) die(what, mdb_strerror(status));
}

static MDB_env *open_environment(const char *path, unsigned flags) {
    MDB_env *env;
    check(mdb_env_create(&env), "create");
    check(mdb_env_set_mapsize(env, (size_t)256 << 30), "map size");
    check(mdb_env_set_maxdbs(env, 4), "databases");
    check(mdb_env_open(env, path, MDB_NOTLS | MDB_NORDAHEAD | flags, 0600), path);
    return env;
}

static rocksdb_options_t *rocksdb_settings(void) {
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(table, rocksdb_cache_create_lru(128 << 20));
    rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_options_set_memtable_prefix_bloom_size_ratio(options, 0.01);
    rocksdb_options_set_memtable_whole_key_filtering(options, 1);
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_write_buffer_size(options, 64 << 20);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    rocksdb_options_set_allow_concurrent_memtable_write(options, 0);
    rocksdb_options_set_compression(options, rocksdb_lz4_compression);
    rocksdb_options_enable_statistics(options);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    rocksdb_options_set_stats_persist_period_sec(options, 0);
    return options;
}

static void must(char *failure, const char *what) {
    if (failure) die(what, failure);
}
