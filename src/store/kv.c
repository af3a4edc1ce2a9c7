/* SPDX-License-Identifier: Apache-2.0 */
/* Key and value as blobs in one table; keys compare bytewise, so a prefix is a range. One connection behind a lock: calls
 * are rare and short. synchronous=FULL: a put is on disk when it returns. */
#include "store/kv.h"

#include <sqlite3.h>

#include "sys/file.h"
#include "sys/thread.h"

enum { KV_BUSY_MS_MAX = 5000 };

enum { SQL_GET, SQL_PUT, SQL_DELETE, SQL_LIST, SQL_COUNT };

static const char *const statements[SQL_COUNT] = {
    [SQL_GET] = "SELECT value FROM kv WHERE key = ?1",
    [SQL_PUT] = "INSERT INTO kv (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    [SQL_DELETE] = "DELETE FROM kv WHERE key = ?1",
    [SQL_LIST] = "SELECT key, value FROM kv WHERE key >= ?1 ORDER BY key",
};

struct kv {
    struct mutex lock;
    struct cond released;
    bool held; /* a transaction is open, of thread owner */
    pthread_t owner;
    sqlite3 *db;
    sqlite3_stmt *sql[SQL_COUNT];
};

static enum status fail(struct kv *kv, const char *what, struct err *err)
{
    int code = kv->db ? sqlite3_errcode(kv->db) & 0xff : SQLITE_NOMEM;
    enum status st = code == SQLITE_FULL ? ST_FULL
                     : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? ST_CORRUPT
                     : code == SQLITE_BUSY ? ST_UNAVAILABLE : ST_IO;
    return err_set(err, st, "state: %s: %s", what, kv->db ? sqlite3_errmsg(kv->db) : "no memory");
}

/* The connection is this thread's until mutex_unlock. */
static void enter(struct kv *kv)
{
    mutex_lock(&kv->lock);
    while (kv->held && !pthread_equal(kv->owner, pthread_self()))
        cond_wait(&kv->released, &kv->lock);
}

static enum status prepare(struct kv *kv, struct err *err)
{
    static const char schema[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                 "CREATE TABLE IF NOT EXISTS kv (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;";
    sqlite3_busy_timeout(kv->db, KV_BUSY_MS_MAX);
    if (sqlite3_exec(kv->db, schema, NULL, NULL, NULL) != SQLITE_OK)
        return fail(kv, "open", err);
    for (int i = 0; i < SQL_COUNT; i++)
        if (sqlite3_prepare_v3(kv->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &kv->sql[i], NULL) != SQLITE_OK)
            return fail(kv, "open", err);
    return ST_OK;
}

enum status kv_open(struct kv **out, const char *path, struct err *err)
{
    struct kv *kv = mem_new(struct kv);
    mutex_init(&kv->lock);
    cond_init(&kv->released);
    enum status st = ST_OK;
    if (sqlite3_open_v2(path, &kv->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        st = fail(kv, "open", err);
    if (st == ST_OK)
        st = prepare(kv, err);
    if (st) {
        err_prefix(err, "%s: ", path);
        kv_close(kv);
        return st;
    }
    *out = kv;
    return ST_OK;
}

void kv_close(struct kv *kv)
{
    if (kv == NULL)
        return;
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(kv->sql[i]);
    sqlite3_close(kv->db);
    cond_destroy(&kv->released);
    mutex_destroy(&kv->lock);
    mem_free(kv);
}

static enum status check_key(struct slice key, struct err *err)
{
    if (key.len <= KV_KEY_BYTES_MAX)
        return ST_OK;
    return err_set(err, ST_LIMIT, "state: key of %zu bytes, at most %d are allowed", key.len, KV_KEY_BYTES_MAX);
}

static void bind(sqlite3_stmt *sql, int at, struct slice s)
{
    /* Never NULL: an empty blob and no blob differ. */
    sqlite3_bind_blob(sql, at, s.len ? s.ptr : "", (int)s.len, SQLITE_STATIC);
}

static struct slice column(sqlite3_stmt *sql, int at)
{
    const void *p = sqlite3_column_blob(sql, at);
    return p ? slice_of(p, (size_t)sqlite3_column_bytes(sql, at)) : SLICE_EMPTY;
}

static void finish(sqlite3_stmt *sql)
{
    sqlite3_reset(sql);
    sqlite3_clear_bindings(sql);
}

enum status kv_get(struct kv *kv, struct slice key, struct buf *out, struct err *err)
{
    enum status st = check_key(key, err);
    if (st)
        return st;
    enter(kv);
    sqlite3_stmt *sql = kv->sql[SQL_GET];
    bind(sql, 1, key);
    int code = sqlite3_step(sql);
    if (code == SQLITE_ROW) {
        buf_slice(out, column(sql, 0));
        if (buf_over(out))
            st = err_set(err, ST_LIMIT, "state: the value is over the %zu bytes allowed", out->max);
    } else {
        st = code == SQLITE_DONE ? ST_NOT_FOUND : fail(kv, "get", err);
    }
    finish(sql);
    mutex_unlock(&kv->lock);
    return st;
}

static enum status run(struct kv *kv, int which, struct slice key, const struct slice *value, const char *what, struct err *err)
{
    enum status st = check_key(key, err);
    if (st)
        return st;
    enter(kv);
    sqlite3_stmt *sql = kv->sql[which];
    bind(sql, 1, key);
    if (value)
        bind(sql, 2, *value);
    if (sqlite3_step(sql) != SQLITE_DONE)
        st = fail(kv, what, err);
    finish(sql);
    mutex_unlock(&kv->lock);
    return st;
}

enum status kv_put(struct kv *kv, struct slice key, struct slice value, struct err *err)
{
    if (value.len > KV_VALUE_BYTES_MAX)
        return err_set(err, ST_LIMIT, "state: value of %zu bytes, at most %d are allowed", value.len, KV_VALUE_BYTES_MAX);
    return run(kv, SQL_PUT, key, &value, "put", err);
}

enum status kv_delete(struct kv *kv, struct slice key, struct err *err)
{
    return run(kv, SQL_DELETE, key, NULL, "delete", err);
}

enum status kv_copy(struct kv *kv, const char *path, struct err *err)
{
    sqlite3_stmt *sql = NULL;
    enum status st = ST_OK;
    enter(kv);
    if (sqlite3_prepare_v2(kv->db, "VACUUM INTO ?1", -1, &sql, NULL) != SQLITE_OK)
        st = fail(kv, "copy", err);
    if (!st && (sqlite3_bind_text(sql, 1, path, -1, SQLITE_STATIC) != SQLITE_OK || sqlite3_step(sql) != SQLITE_DONE))
        st = fail(kv, "copy", err);
    sqlite3_finalize(sql);
    mutex_unlock(&kv->lock);
    struct file *f = NULL;
    if (!st)
        st = fs_open(fs_real(), path, FILE_APPEND, &f, err);
    if (!st)
        st = file_sync(f, err);
    file_close(f);
    return st;
}

enum status kv_list(struct kv *kv, struct slice prefix, struct arena *a, struct kv_pair **out, size_t *count, struct err *err)
{
    struct kv_pair *list = NULL;
    size_t n = 0, cap = 0;
    int code;
    enum status st = check_key(prefix, err);
    if (st)
        return st;
    enter(kv);
    sqlite3_stmt *sql = kv->sql[SQL_LIST];
    bind(sql, 1, prefix);
    while ((code = sqlite3_step(sql)) == SQLITE_ROW) {
        struct slice key = column(sql, 0);
        if (!slice_starts(key, prefix))
            break;
        if (arena_over(a)) {
            st = err_set(err, ST_LIMIT, "state: the list is over the %zu bytes allowed", arena_bytes_max(a));
            break;
        }
        key = arena_copy(a, key);
        ARENA_PUSH(a, list, n, cap) = (struct kv_pair){ key, arena_copy(a, column(sql, 1)) };
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        st = fail(kv, "list", err);
    finish(sql);
    mutex_unlock(&kv->lock);
    if (st)
        return st;
    *out = list;
    *count = n;
    return ST_OK;
}

enum status kv_hold(struct kv *kv, struct err *err)
{
    enum status st = ST_OK;
    enter(kv);
    if (sqlite3_exec(kv->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        st = fail(kv, "begin", err);
    else
        kv->held = true;
    kv->owner = pthread_self();
    mutex_unlock(&kv->lock);
    return st;
}

enum status kv_release(struct kv *kv, bool keep, struct err *err)
{
    enum status st = ST_OK;
    enter(kv);
    if (keep && sqlite3_exec(kv->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        st = fail(kv, "commit", err);
    if (!keep || st)
        sqlite3_exec(kv->db, "ROLLBACK", NULL, NULL, NULL);
    kv->held = false;
    cond_broadcast(&kv->released);
    mutex_unlock(&kv->lock);
    return st;
}
