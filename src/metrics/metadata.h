/* SPDX-License-Identifier: Apache-2.0 */
/* What senders said about their metrics: type, help, unit; per tenant and name, the latest word wins. Any thread. */
#ifndef STOA_METRICS_METADATA_H
#define STOA_METRICS_METADATA_H

#include "base/buf.h"
#include "model/batch.h"

enum { METADATA_ENTRIES_MAX = 256 * KIB, METADATA_TEXT_BYTES_MAX = 4 * KIB };

struct metadata;

/* Lives as long as its table; what it says may change under the table's lock. */
struct metadata_entry;

struct metadata *metadata_new(void);
void metadata_free(struct metadata *m);
/* Borrows all. lsn: a word with a lower one than what is known changes nothing. Over METADATA_ENTRIES_MAX new names are
 * not kept (NULL). Texts are cut at METADATA_TEXT_BYTES_MAX. */
struct metadata_entry *metadata_put(struct metadata *m, struct slice tenant, const struct metric_metadata *about, uint64_t lsn);
/* Marks the entry for a row table; true the first time for this mark. */
bool metadata_mark(struct metadata *m, struct metadata_entry *e, uint64_t mark);
/* Calls visit for every entry, under the lock. */
void metadata_each(struct metadata *m, void (*visit)(void *arg, struct slice tenant, const struct metric_metadata *about), void *arg);

/* The form in WAL frames and parts: varint count, then tenant?, name, type, help, unit. */
void metadata_write(struct buf *out, const struct metric_metadata *about);
void metadata_read(struct reader *r, struct metric_metadata *out);
/* Entries with their tenants, as a part keeps them. */
void metadata_write_entries(struct metadata *m, struct metadata_entry *const *entries, size_t count, struct buf *out);

#endif
