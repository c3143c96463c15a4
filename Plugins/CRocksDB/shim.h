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
