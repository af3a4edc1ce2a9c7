/* SPDX-License-Identifier: Apache-2.0 */
/* TraceQL, by Tempo's rules: traces by what their spans say and how they hang together, and numbers of them over time.
 * https://grafana.com/docs/tempo/latest/traceql/ */
#ifndef STOA_TRACEQL_TRACEQL_H
#define STOA_TRACEQL_TRACEQL_H

#include "query/lang.h"
#include "traceql/ast.h"

/* Numbers alone: of a search check() gives VALUE_NONE, and instant() and range() refuse it. Labels are named as fields are in queries. */
extern const struct query_lang traceql_lang;

enum {
    TRACEQL_TRACES_MAX = 10 * 1000,  /* of a search */
    TRACEQL_SPANS_MAX = 200 * 1000,  /* that traces of an answer have */
    TRACEQL_HOURS_MAX = 24,          /* a trace is read this far around a span of it that fits */
    TRACEQL_SERIES_MAX = 10 * 1000,
    TRACEQL_ELEMENTS_MAX = 10 * 1000 /* of a list that are looked at */
};

/* ---- search.c ---- */

struct tql_trace;
struct tql_set;
struct traceql_trace {
    const struct tql_trace *trace;  /* eval.h; spans in order of time */
    const struct tql_set *sets;     /* over its spans' indexes */
    size_t set_count;
};
struct traceql_found {
    /* In: called from time to time, with the traces found since the last time, from that one on, if any; they stay where they are. NULL: no.
     * An error of it ends the search. */
    enum status (*on_more)(void *arg, const struct traceql_found *f, size_t from, struct err *err);
    void *arg;
    /* Out. */
    struct traceql_trace *traces;   /* the newest first, by the newest span that may have made them fit */
    size_t count;
    size_t inspected;               /* traces looked at */
    const struct tql_expr **shown;  /* fields the query names: told of each span of a set */
    size_t shown_count;
};
/* Traces that have a span in [start, end) which begins to fit. Spans outside of the window belong to a trace as well. All of it lives in
 * env->result. ST_INVALID: q asks for numbers. */
MUST_CHECK enum status traceql_search(struct query_env *env, const struct traceql *q, int64_t start_ns, int64_t end_ns, size_t limit,
                                      struct traceql_found *out, struct err *err);

/* ---- metrics.c ---- */

struct traceql_label {
    struct slice name;              /* "resource.service.name", "p", "__bucket", "__meta_type" */
    struct tql_value value;         /* NIL: spans that have none */
};
struct traceql_exemplar {
    int64_t t_ms;                   /* the span's start */
    double v;
    uint8_t trace_id[16], span_id[8];
};
struct traceql_series {
    struct traceql_label *labels;   /* in order of by(); "__name__" = "rate" where nothing else is */
    size_t label_count;
    double *v;                      /* a cell for each step; NaN: none there */
    struct traceql_exemplar *exemplars;
    size_t exemplar_count;
};
/* Points at start + step, start + 2 step, ... up to the first at or behind end; each is of spans in [point - step, point), start and end
 * being rounded to steps as Tempo does. instant: one point, at end, of all spans in [start, end). Values of durations in seconds. */
struct traceql_window {
    int64_t start_ns, end_ns, step_ns;
    bool is_instant;
    size_t exemplars_max;           /* of the whole answer */
};
struct traceql_matrix {
    struct traceql_series *series;  /* in order of labels */
    size_t count;
    int64_t first_ms, step_ms;
    size_t points;                  /* of each series */
    size_t inspected;               /* spans */
};
/* ST_INVALID: q asks for traces. All of it lives in env->result. */
MUST_CHECK enum status traceql_metrics(struct query_env *env, const struct traceql *q, const struct traceql_window *w, struct traceql_matrix *out,
                                       struct err *err);
/* Labels as Prometheus has them, canonical: values as text ("<nil>" for NIL), names as they are. Lives in a. */
struct slice traceql_labels_text(struct arena *a, const struct traceql_series *s);

#endif
