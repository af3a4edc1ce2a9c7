/* SPDX-License-Identifier: Apache-2.0 */
/* How many lines and bytes the streams of a selector have, for index/stats and index/volume. */
#ifndef STOA_API_LOKI_TALLY_H
#define STOA_API_LOKI_TALLY_H

#include "api/api.h"

enum { TALLY_LINES_MAX = 200 * 1000 /* that are read one by one; more are counted by the engine, and their bytes estimated */ };

/* What is asked. */
struct loki_tally {
    struct api_query *q;
    struct slice text; /* the selector; empty: all */
    const struct matcher *matchers;
    size_t matcher_count;
    int64_t start_ns, end_ns, step_ns; /* [start, end); step 0: all in one */
    /* Which key a stream counts for; lives in a, or is of the stream. Empty: the stream has no part in it. */
    struct slice (*key)(void *arg, struct slice stream, struct arena *a);
    void *arg;
};

/* Lines of a key in the step that begins at time_ns. */
struct loki_tally_row {
    struct slice key;
    uint32_t group; /* number of the key, from 1 */
    int64_t time_ns;
    double lines, bytes; /* sampled lines count as often as they weigh */
};

struct loki_tallies {
    struct loki_tally_row *rows;
    size_t count, cap;
    size_t keys;
    uint64_t looked_at; /* lines whose bytes are known */
    double lines, bytes, chunks;
    bool is_over;       /* there were more keys than are counted: lines of the others are left out */
};

/* Bytes of a line as Loki counts them: of its text and its structured metadata. */
uint64_t loki_line_bytes(const struct event *e);

/* Rows of a log selector, block by block. */
struct loki_lines {
    struct query_rows *rows;
    struct events_iter *it;
    unsigned did;
};
MUST_CHECK enum status loki_lines_open(const struct loki_tally *t, struct events_query *eq, struct loki_lines *out, struct err *err);
void loki_lines_close(const struct loki_tally *t, struct loki_lines *l);

/* Lines are counted by the engine, without reading them where it can; their bytes are the mean of lines of the same key that were
 * looked at, spread over the window. out lives in the query's arena. ST_UNSUPPORTED (err untouched): this engine cannot count. */
MUST_CHECK enum status loki_tally_estimate(const struct loki_tally *t, struct loki_tallies *out, struct err *err);

#endif
