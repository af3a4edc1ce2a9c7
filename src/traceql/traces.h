/* SPDX-License-Identifier: Apache-2.0 */
/* Whole traces from the engine: first the ids of those that may fit, by a predicate; then, some at a time, all spans of them. */
#ifndef STOA_TRACEQL_TRACES_H
#define STOA_TRACEQL_TRACES_H

#include "base/map.h"
#include "traceql/eval.h"

enum { TRACEQL_IDS_MAX = 1000 * 1000 /* of traces a query may look at */, TRACEQL_CHUNK = 2048 /* traces that are read at a time */,
       TRACEQL_SCRATCH_BYTES_MAX = 256 * MIB /* of one such chunk; more are read in halves */ };

struct tql_id {
    uint8_t bytes[16];
    int64_t time_ns; /* of the newest span that let it in */
};

/* Ids, newest first, each once. Zeroed but for what is asked at first; free it by tql_ids_close. */
struct tql_ids {
    struct query_env *env;
    const struct pred *pred;
    int64_t start_ns, end_ns;
    struct arena *arena; /* keeps the ids */
    struct events_iter *it;
    struct event_block block;
    size_t at;           /* rows of the block that were looked at */
    struct map seen;
    bool is_open, is_done;
};
/* Up to max more of them into list. *count 0: there are no more. */
MUST_CHECK enum status tql_ids_next(struct tql_ids *s, struct tql_id *list, size_t max, size_t *count, struct err *err);
void tql_ids_close(struct tql_ids *s);

/* The traces of those ids, in no order, one by one; what see() is given lives until it returns, as long as scratch. */
struct tql_read {
    const struct tql_id *ids;
    size_t count;
    unsigned want;
    const struct slice *names; /* of attributes that are looked at; NULL: all */
    size_t name_count;
    enum status (*see)(void *arg, const struct tql_trace *t, struct arena *scratch, struct err *err);
    void *arg;
};
MUST_CHECK enum status tql_traces_read(struct query_env *env, const struct tql_read *r, struct err *err);

#endif
