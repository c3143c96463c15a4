#include <rocksdb/c.h>

// Swift lends bytes as untyped addresses; the C API takes characters.

static inline rocksdb_pinnableslice_t *martlet_rocksdb_get(
    rocksdb_t *db, const rocksdb_readoptions_t *options, const void *key, size_t key_length, char **failure
) {
    return rocksdb_get_pinned(db, options, (const char *)key, key_length, failure);
}

static inline void martlet_rocksdb_put(
    rocksdb_writebatch_t *batch, const void *key, size_t key_length, const void *value, size_t value_length
) {
    rocksdb_writebatch_put(batch, (const char *)key, key_length, (const char *)value, value_length);
}

static inline void martlet_rocksdb_delete(rocksdb_writebatch_t *batch, const void *key, size_t key_length) {
    rocksdb_writebatch_delete(batch, (const char *)key, key_length);
}

static inline void martlet_rocksdb_seek(rocksdb_iterator_t *iterator, const void *key, size_t key_length) {
    if (key_length == 0) {
        rocksdb_iter_seek_to_first(iterator);
    } else {
        rocksdb_iter_seek(iterator, (const char *)key, key_length);
    }
}

static inline void martlet_rocksdb_upper_bound(rocksdb_readoptions_t *options, const void *key, size_t key_length) {
    rocksdb_readoptions_set_iterate_upper_bound(options, (const char *)key, key_length);
}

// What this thread's reads touch between the two calls: blocks from disk, blocks from the cache, files that a filter
// ruled out.
typedef struct {
    uint64_t blocks_read;
    uint64_t blocks_cached;
    uint64_t files_ruled_out;
} martlet_rocksdb_trace;

static inline void martlet_rocksdb_trace_begin(rocksdb_perfcontext_t *context) {
    rocksdb_set_perf_level(rocksdb_enable_count);
    rocksdb_perfcontext_reset(context);
}

static inline martlet_rocksdb_trace martlet_rocksdb_trace_end(rocksdb_perfcontext_t *context) {
    martlet_rocksdb_trace trace = {
        rocksdb_perfcontext_metric(context, rocksdb_block_read_count),
        rocksdb_perfcontext_metric(context, rocksdb_block_cache_hit_count),
        rocksdb_perfcontext_metric(context, rocksdb_bloom_sst_miss_count),
    };
    rocksdb_set_perf_level(rocksdb_disable);
    return trace;
}
