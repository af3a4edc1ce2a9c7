/* SPDX-License-Identifier: Apache-2.0 */
/* When a metric was last read, by a query, a rule or a board: a table without locks, of hashes of names. Any thread. */
#ifndef STOA_STORE_READS_H
#define STOA_STORE_READS_H

#include "base/buf.h"
#include "base/slice.h"

enum { READS_PLACES = 1 << 17, READS_MAX = READS_PLACES / 4 * 3 }; /* names of all tenants; 2 MiB, touched only as they come */

struct reads;
/* since_ms: when it began to be remembered. */
struct reads *reads_new(int64_t since_ms);
void reads_free(struct reads *r); /* accepts NULL */
void reads_note(struct reads *r, struct slice tenant, struct slice name, int64_t now_ms);
/* 0: not since reads_since_ms. */
int64_t reads_last_ms(const struct reads *r, struct slice tenant, struct slice name);
int64_t reads_since_ms(const struct reads *r);
/* Names there was no room for; then "never read" may be wrong, and is not to be said. */
uint64_t reads_left_out(const struct reads *r);

/* For keeping over a restart. A text that does not check changes nothing and gives false. Load before anybody reads. */
void reads_save(const struct reads *r, struct buf *out);
bool reads_load(struct reads *r, struct slice saved);

#endif
