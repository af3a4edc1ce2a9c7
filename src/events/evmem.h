/* SPDX-License-Identifier: Apache-2.0 */
/* Raw rows in memory. One writer; readers take the row count once and then read that many rows without a lock. */
#ifndef STOA_EVENTS_EVMEM_H
#define STOA_EVENTS_EVMEM_H

#include <stdatomic.h>

#include "model/batch.h"

struct evrow {
    struct slice tenant;
    struct event e;
};

struct evmem;
/* Keeps owner, for evmem_owner. */
struct evmem *evmem_new(void *owner);
void *evmem_owner(const struct evmem *m);
void evmem_free(struct evmem *m);
/* Copies the batch's events. Writer only. */
void evmem_apply(struct evmem *m, const struct batch *b, uint64_t lsn);
size_t evmem_bytes(const struct evmem *m);
uint64_t evmem_rows(const struct evmem *m);

/* What is in it, told without a walk: by any thread. Streams, each once, live as long as the table. */
struct evmem_stream {
    struct slice stream;
    const struct evmem_stream *next;
};
struct evmem_summary {
    uint64_t log_records, spans;
    int64_t min_ns, max_ns; /* good when there are any rows */
    const struct evmem_stream *streams;
};
struct evmem_summary evmem_summary(const struct evmem *m);

/* Walks the rows there were when it began, oldest first:
 *     struct evmem_walk w = evmem_walk(m); while ((row = evmem_next(&w))) ... */
struct evmem_chunk;
struct evmem_walk {
    const struct evmem_chunk *chunk;
    size_t at;
    uint64_t left;
};
struct evmem_walk evmem_walk(const struct evmem *m);
const struct evrow *evmem_next(struct evmem_walk *w);

/* Order of rows in parts: tenant, kind, first stream label (log records), time, seq. */
struct slice evrow_group(const struct event *e);
/* As evrow_cmp but for time and seq. */
int evrow_cmp_group(struct slice tenant_a, const struct event *a, struct slice tenant_b, const struct event *b);
int evrow_cmp(struct slice tenant_a, const struct event *a, struct slice tenant_b, const struct event *b);

/* A field in a, with name and text copied by copy. */
struct field *evmem_copy_fields(struct arena *a, const struct field *fields, uint32_t count);

#endif
