/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of requests already taken in: a repeat is answered without being stored again.
 *
 * Kept for 24 hours or a million keys, whichever ends first, in memory, and found again after a restart: in the log's
 * segments, and in dir/KEYS, which is written before segments are deleted (keys.c). Under the append lock. */
#ifndef STOA_STORE_IDEMPOTENCY_H
#define STOA_STORE_IDEMPOTENCY_H

#include "base/hash.h"

enum { IDEMPOTENCY_KEYS_MAX = 1000000, IDEMPOTENCY_HOURS_MAX = 24, IDEMPOTENCY_KEY_BYTES_MAX = 1024 };

struct idempotency;

struct idempotency *idempotency_new(uint64_t seed, size_t keys_max, int64_t age_ns_max);
void idempotency_free(struct idempotency *k); /* accepts NULL */

struct hash128 idempotency_key(const struct idempotency *k, struct slice tenant, struct slice key);
/* The LSN under which the key came first, or 0. */
uint64_t idempotency_find(struct idempotency *k, struct hash128 key, int64_t now_ns);
void idempotency_add(struct idempotency *k, struct hash128 key, uint64_t lsn, int64_t now_ns);
/* The request failed: the next try is a first one. */
void idempotency_remove(struct idempotency *k, struct hash128 key);
size_t idempotency_count(const struct idempotency *k);
/* The LSN of the key added last; 0: none. */
uint64_t idempotency_newest(const struct idempotency *k);
/* Visits the keys with an LSN up to lsn_max, oldest first. */
void idempotency_each(const struct idempotency *k, uint64_t lsn_max,
                      void (*visit)(void *arg, struct hash128 key, uint64_t lsn, int64_t at_ns), void *arg);

#endif
