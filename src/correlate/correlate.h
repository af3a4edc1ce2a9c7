/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that one request left behind, by any id of it: log lines, spans, exemplars, and series that have it as a label.
 *
 * From the id to what holds it; then from the trace ids of what was found to the traces, and from these to the lines and
 * exemplars that name them. Used by GET /api/stoa/v1/correlate and, over that, by `stoa query --correlate`. */
#ifndef STOA_CORRELATE_CORRELATE_H
#define STOA_CORRELATE_CORRELATE_H

#include "query/lang.h"

enum {
    CORRELATE_ID_BYTES_MAX = 256,
    CORRELATE_ID_BYTES_MIN = 4,       /* shorter texts are in every other line */
    CORRELATE_LOGS_MAX = 1000,
    CORRELATE_LOGS_DEFAULT = 200,
    CORRELATE_TRACES_MAX = 20,
    CORRELATE_SPANS_MAX = 10 * 1000,  /* looked at for what a trace is called and how long it took */
    CORRELATE_EXEMPLARS_MAX = 500,
    CORRELATE_SERIES_MAX = 100,
    CORRELATE_FIELDS_MAX = 512,       /* names of fields that are asked for the id */
    CORRELATE_FORMS_MAX = 6,          /* ways to write one id */
    CORRELATE_HOURS_DEFAULT = 24
};

struct correlate_query {
    struct slice id;
    int64_t start_ns, end_ns;         /* [start, end) */
    size_t logs_max;
    const struct slice *labels;       /* of series that may hold ids */
    size_t label_count;
};

/* How a line was found. */
enum correlate_match { CORRELATE_BY_FIELD, CORRELATE_BY_TEXT, CORRELATE_BY_TRACE };

struct correlate_log {
    struct event event;
    enum correlate_match match;
};
struct correlate_trace {
    uint8_t id[16];
    struct slice service, name;       /* of its root, or of its first span when the root is missing */
    int64_t start_ns, end_ns;
    size_t spans, errors;
    bool has_root, by_span;           /* by_span: a span holds the id; else a line or an exemplar named the trace */
};
struct correlate_series {
    struct slice labels;
    int64_t t_ms;                     /* of its last sample */
    double value;
};
struct correlate_result {
    struct slice forms[CORRELATE_FORMS_MAX];
    size_t form_count;
    struct correlate_log *logs;       /* by time */
    struct correlate_trace *traces;   /* by start */
    struct event *exemplars;          /* by time, each once */
    struct correlate_series *series;
    size_t log_count, trace_count, exemplar_count, series_count;
    struct buf notes;                 /* why it is partial: sentences, each ended by '\n'; nothing: it is whole */
};

/* *out lives in env->result, but for notes: correlate_free(). ST_INVALID: the id is too short, too long or not UTF-8. */
MUST_CHECK enum status correlate_run(struct query_env *env, const struct correlate_query *q, struct correlate_result *out, struct err *err);
void correlate_free(struct correlate_result *r);
const char *correlate_match_name(enum correlate_match m); /* "field", "text", "trace" */

/* Exemplars of series that fit the matchers, by time, each once, in a. ST_LIMIT: over max. */
MUST_CHECK enum status correlate_exemplars(struct query_env *env, const struct matcher *matchers, size_t count, int64_t start_ns, int64_t end_ns,
                                           size_t max, struct event **out, size_t *found, struct err *err);

#endif
