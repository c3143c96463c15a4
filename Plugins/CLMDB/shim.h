#include <lmdb.h>

// Swift lends keys and values as address and length; these spare it the descriptors. LMDB refuses the empty key: one zero
// byte stands for it, in a database of its own.

static inline MDB_val martlet_lmdb_key(const void *key, size_t length) {
    static const char zero = 0;
    MDB_val k = { length ? length : 1, length ? (void *)key : (void *)&zero };
    return k;
}

static inline int martlet_lmdb_get(
    MDB_txn *txn, MDB_dbi dbi, const void *key, size_t key_length, MDB_val *value
) {
    MDB_val k = martlet_lmdb_key(key, key_length);
    return mdb_get(txn, dbi, &k, value);
}

static inline int martlet_lmdb_put(
    MDB_txn *txn, MDB_dbi dbi, const void *key, size_t key_length, const void *value, size_t value_length
) {
    MDB_val k = martlet_lmdb_key(key, key_length);
    MDB_val v = { value_length, (void *)value };
    return mdb_put(txn, dbi, &k, &v, 0);
}

// Deleting a key that is not there is no failure.
static inline int martlet_lmdb_delete(MDB_txn *txn, MDB_dbi dbi, const void *key, size_t key_length) {
    MDB_val k = martlet_lmdb_key(key, key_length);
    int status = mdb_del(txn, dbi, &k, 0);
    return status == MDB_NOTFOUND ? MDB_SUCCESS : status;
}

// The first pair at or after the key.
static inline int martlet_lmdb_seek(
    MDB_cursor *cursor, const void *key, size_t key_length, MDB_val *found, MDB_val *value
) {
    if (key_length == 0) return mdb_cursor_get(cursor, found, value, MDB_FIRST);
    found->mv_size = key_length;
    found->mv_data = (void *)key;
    return mdb_cursor_get(cursor, found, value, MDB_SET_RANGE);
}
