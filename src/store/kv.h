/* SPDX-License-Identifier: Apache-2.0 */
/* Small durable state by key: file positions, users, dashboards, silences. One SQLite file (dir/state.db) in WAL mode; not for
 * anything that comes with each request. Any thread. */
#ifndef STOA_STORE_KV_H
#define STOA_STORE_KV_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { KV_KEY_BYTES_MAX = 1024, KV_VALUE_BYTES_MAX = 16 * MIB };

struct kv;

/* path: of the database file, made when absent; its folder must be there. */
MUST_CHECK enum status kv_open(struct kv **out, const char *path, struct err *err);
void kv_close(struct kv *kv); /* accepts NULL */

/* Appends the value to out. ST_NOT_FOUND (err untouched) when there is none. */
MUST_CHECK enum status kv_get(struct kv *kv, struct slice key, struct buf *out, struct err *err);
/* Durable on return. */
MUST_CHECK enum status kv_put(struct kv *kv, struct slice key, struct slice value, struct err *err);
/* ST_OK also when there was none. */
MUST_CHECK enum status kv_delete(struct kv *kv, struct slice key, struct err *err);

/* A whole copy as a new file. Durable on return. */
MUST_CHECK enum status kv_copy(struct kv *kv, const char *path, struct err *err);

struct kv_pair {
    struct slice key, value;
};
/* All pairs whose key starts with prefix, by key, living in a. */
MUST_CHECK enum status kv_list(struct kv *kv, struct slice prefix, struct arena *a, struct kv_pair **out, size_t *count, struct err *err);

/* For changes that read before they write, and for many at once: until kv_release nobody else changes anything, and other threads
 * wait. get, put, delete and list of this thread work in between; its puts are durable after kv_release, all or none. Does not
 * nest. ST_UNAVAILABLE: another process holds it. */
MUST_CHECK enum status kv_hold(struct kv *kv, struct err *err);
/* By the thread that holds it. keep false: what was put since is undone, as it is when this fails. */
MUST_CHECK enum status kv_release(struct kv *kv, bool keep, struct err *err);

#endif
