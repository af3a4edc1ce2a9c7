/* SPDX-License-Identifier: Apache-2.0 */
/* A query language: a table filled by promql/, logql/ and the like, listed in one array by the server and handed to api
 * and alert, which so need not know the languages. */
#ifndef STOA_QUERY_LANG_H
#define STOA_QUERY_LANG_H

#include "query/value.h"
#include "store/engine.h"

enum {
    QUERY_TEXT_BYTES_MAX = 64 * KIB,
    QUERY_POINTS_PER_SERIES_MAX = 11000,
    QUERY_DEPTH_MAX = 256,
    QUERY_REGEX_SIZE_MAX = 1000 * 1000 /* steps of all regular expressions of a query: compiling cannot be cancelled */
};

enum query_direction { DIRECTION_BACKWARD, DIRECTION_FORWARD };

/* How a query is to be run. */
struct query_params {
    int64_t start_ns, end_ns;   /* instant: both are the time; range: both ends belong to it */
    int64_t step_ns;            /* range queries of numbers; > 0 */
    int64_t lookback_ns;        /* 0: five minutes */
    size_t limit;               /* lines of a log query, series of a metric query; 0: the language's default */
    enum query_direction direction;
    int64_t interval_ns;        /* lines: the next one answered is at least this much behind the last one, in order; 0: all */
    uint32_t features;          /* enum query_feature bits */
    size_t values_max;          /* held at once, as Prometheus counts them; 0: no limit but that of memory */
};

enum query_feature { /* Prometheus's own names behind --enable-feature */
    FEATURE_EXPERIMENTAL_FUNCTIONS = 1, FEATURE_DELAYED_NAME_REMOVAL = 2, FEATURE_DURATION_EXPR = 4,
    FEATURE_EXTENDED_RANGE_SELECTORS = 8, FEATURE_BINOP_FILL_MODIFIERS = 16, FEATURE_TYPE_AND_UNIT_LABELS = 32,
    FEATURE_START_TIMESTAMPS = 64, FEATURE_START_ZERO = 128
};

/* Who runs, with what: one per running query. */
struct query_env {
    struct engine *engine;
    struct engine_ctx *ctx;     /* tenants, deadline, cancel, budget, cost and warnings */
    struct arena *result;       /* lives to the end of the answer */
    struct buf infos;           /* sentences, each ended by '\n' */
};

/* What an expression looks at, for judging it without running it. All of it lives in an arena. */
struct query_shape {
    struct slice *selectors;    /* each metric selector as text, without ranges and offsets: x{a="b"} */
    struct slice *names;        /* their metrics' names; empty where a selector gives none */
    size_t selector_count;
    bool needs_no_data;         /* absent(), vector(), time() and the like: it may give something where no series is */
    bool has_threshold;         /* it is a comparison with a number: left > threshold */
    struct slice left;
    char op[3];
    double threshold;
};

/* A log query held ready, for rows one by one as they come. One thread at a time. */
struct query_rows;

struct query_lang {
    const char *name; /* "promql" */
    /* ST_INVALID with the position: "1:5: parse error: ...". type: what it would give. */
    enum status (*check)(struct slice text, uint32_t features, enum value_type *type, struct err *err);
    /* The same query in canonical layout. */
    enum status (*format)(struct slice text, uint32_t features, struct buf *out, struct err *err);
    /* *out is set anew; nothing is to be looked at after an error. */
    enum status (*instant)(struct query_env *env, struct slice text, const struct query_params *p, struct value *out, struct err *err);
    enum status (*range)(struct query_env *env, struct slice text, const struct query_params *p, struct value *out, struct err *err);
    /* NULL: this language cannot say. */
    enum status (*describe)(struct arena *a, struct slice text, uint32_t features, struct query_shape *out, struct err *err);
    /* NULL, all of them: this language gives no log lines. rows_open: ST_INVALID when the text does not parse, or asks for numbers. */
    enum status (*rows_open)(struct slice text, struct query_rows **out, struct err *err);
    /* False: the row is not among those asked for. What comes out lives in a, or in e. */
    bool (*rows_take)(struct query_rows *r, const struct event *e, struct arena *a, struct slice *labels, struct value_line *out);
    /* What an engine may check of it, living in a: it may let rows through that rows_take does not. NULL: nothing. */
    struct pred *(*rows_pred)(struct query_rows *r, struct arena *a);
    void (*rows_close)(struct query_rows *r); /* accepts NULL */
};

#endif
