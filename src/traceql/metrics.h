/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers over time: what the parts of it share. A function makes series of spans; filters, the largest of them, and arithmetic make series of
 * series. One thread per query; all of it lives in the query's result arena unless it says otherwise. */
#ifndef STOA_TRACEQL_METRICS_H
#define STOA_TRACEQL_METRICS_H

#include "base/buf.h"
#include "base/map.h"
#include "base/num.h"
#include "base/num.h"
#include "traceql/eval.h"

enum { TRACEQL_EXEMPLARS_DEFAULT = 100 /* with(exemplars=true) */, TRACEQL_EXEMPLARS_MAX = 1000 /* of an answer */,
       TRACEQL_QUANTILE_EXACT = 512 /* values of a series and step that quantiles are exact of */,
       TRACEQL_COMPARE_VALUES_MAX = 8192 /* values of an attribute that compare() counts on each side; then the rarer half is forgotten */,
       TRACEQL_COMPARE_VALUES_MIN = 256 /* the same where memory is short, but at least four times as many as are told */,
       TRACEQL_ROOTS_MAX = 1000 * 1000 /* traces whose roots compare() tells */, TRACEQL_ROOT_TEXT_BYTES_MAX = 64 * MIB /* of their names */,
       TRACEQL_EXEMPLAR_ROWS_MAX = 1000 * 1000 /* spans that are gone through for the exemplars of a count */,
       TRACEQL_ROOT_HOURS_MAX = 1 /* how long before the window a root may begin */ };

/* Points at first, first + step, ...; each is of spans in [point - width, point). */
struct tql_grid {
    int64_t first_ns, step_ns, width_ns;
    size_t points;
    size_t exemplars_max;
    bool by_text; /* values that read the same are the same: what labels of texts are made of */
};
static inline int64_t tql_grid_start(const struct tql_grid *g)
{
    return sat_sub(g->first_ns, g->width_ns);
}
static inline int64_t tql_grid_end(const struct tql_grid *g)
{
    return (int64_t)((uint64_t)g->first_ns + (uint64_t)g->step_ns * (g->points - 1)); /* the way may be longer than an int64_t */
}
/* The points [*from, *to) that a span at time_ns counts for; it lies between the grid's start and end. */
void tql_grid_points(const struct tql_grid *g, int64_t time_ns, size_t *from, size_t *to);

struct tql_series_set {
    struct traceql_series *series;
    size_t count, cap;
    bool is_number; /* no series: one number for all points */
    double number;
};

/* ---- metrics.c ---- */
MUST_CHECK enum status tql_metrics_run(struct query_env *env, const struct traceql *q, const struct tql_grid *g, struct traceql_matrix *out,
                                       struct err *err);
int tql_series_cmp(const struct traceql_series *x, const struct traceql_series *y); /* by labels */
MUST_CHECK enum status tql_series_limit(size_t count, struct err *err);

/* ---- metrics_group.c: who belongs together ---- */

/* As it stands in a label: "<nil>" for NIL, "<empty>" for an empty text. Lives in a, or in v. */
struct slice tql_label_text(struct arena *a, const struct tql_value *v);
/* Bytes that are the same for values that are: for maps. */
void tql_key_put(struct buf *key, const struct tql_value *v);
/* With its text copied. */
struct tql_value tql_value_keep(struct arena *a, const struct tql_value *v);

struct tql_groups {
    struct query_env *env;
    size_t width;              /* values of each group */
    bool by_text, is_unlimited;
    struct map index;          /* by key */
    struct tql_group {
        struct tql_value *values;
        struct slice key;
    } *list;
    size_t count, cap, last;
    struct buf key;
};
void tql_groups_init(struct tql_groups *g, struct query_env *env, size_t width, bool by_text, bool is_unlimited);
void tql_groups_free(struct tql_groups *g);
/* The number of the group, from 0. values[width] may be changed. ST_LIMIT: too many series, or over the memory. */
MUST_CHECK enum status tql_groups_find(struct tql_groups *g, struct tql_value *values, struct arena *scratch, size_t *out, struct err *err);
/* by() fields that the group has; the first as NIL when it has none of them; and what stands behind them, named extra. */
void tql_group_labels(const struct tql_groups *g, const struct tql_metric *m, size_t group, struct slice extra, struct traceql_series *out);

/* ---- metrics_sketch.c: quantiles ---- */

/* Of one series and step; NULL is empty. */
struct tql_sketch;
struct tql_sketch_pool { /* what sketches take together: who adds looks whether it is too much */
    size_t bytes;
};
void tql_sketch_add(struct tql_sketch_pool *pool, struct tql_sketch **s, double v, double weight); /* v is not NaN; makes it when there is none */
/* q is 0 to 1. NaN: of nothing. */
void tql_sketch_quantiles(struct arena *scratch, const struct tql_sketch *s, const double *q, size_t count, double *out);
void tql_sketch_free(struct tql_sketch *s); /* accepts NULL */

/* ---- metrics_exemplars.c ---- */

/* One span for each slot of time, at most: the one whose ids mix to the least number, whatever order spans come in. */
struct tql_reservoir {
    struct tql_slot *slots;
    size_t count;
    const struct tql_grid *grid;
};
void tql_reservoir_init(struct tql_reservoir *r, struct arena *a, const struct tql_grid *g, size_t count);
/* v NaN: the value of the point it belongs to. */
void tql_reservoir_add(struct tql_reservoir *r, const struct event *e, size_t group, double v);
/* The times of a slot, [*start, *end). */
void tql_reservoir_slot(const struct tql_reservoir *r, size_t slot, int64_t *start_ns, int64_t *end_ns);
/* To their series: place(arg, group, point, v) gives the number of it. */
void tql_reservoir_put(const struct tql_reservoir *r, struct arena *a, struct tql_series_set *set,
                       size_t (*place)(void *arg, size_t group, size_t point, double v), void *arg);
/* Without those whose point is not there; values that are the point's are filled in. */
void tql_exemplars_finish(const struct tql_grid *g, struct traceql_series *s);

/* ---- metrics_spans.c, metrics_compare.c: functions ---- */

struct tql_asked {
    struct query_env *env;
    const struct tql_metric *m;
    const struct tql_grid *grid;
    size_t exemplars;
    bool is_unlimited; /* in series: but few of them come out */
    size_t *inspected; /* added to */
};
MUST_CHECK enum status tql_function_run(const struct tql_asked *q, struct tql_series_set *out, struct err *err);
MUST_CHECK enum status tql_compare_run(const struct tql_asked *q, struct tql_series_set *out, struct err *err);

/* ---- metrics_count.c ---- */

/* count spans of that group, whose times are in the same cells of the grid as time_ns. */
typedef enum status tql_count_add(void *arg, size_t group, int64_t time_ns, double count, struct err *err);
/* *is_done false: the spans have to be looked at; what was added does not count. */
MUST_CHECK enum status tql_count_run(const struct tql_asked *q, struct tql_groups *groups, struct tql_reservoir *r, tql_count_add *add, void *arg,
                                     bool *is_done, struct err *err);

/* ---- metrics_roots.c: of each trace the first span that names no parent ---- */

struct tql_roots {
    struct arena *arena;
    struct tql_root_slot *slots; /* by trace id */
    size_t count, cap;
    struct slice *texts;
    size_t text_count, text_cap;
    struct map index;            /* of texts */
    bool is_over;                /* there are too many: none is found */
};
/* Those that begin in [start - TRACEQL_ROOT_HOURS_MAX, end). Free it in any case; zeroed it has none. */
MUST_CHECK enum status tql_roots_read(struct query_env *env, int64_t start_ns, int64_t end_ns, struct tql_roots *r, struct err *err);
bool tql_roots_find(const struct tql_roots *r, const struct event *e, struct slice *name, struct slice *service);
void tql_roots_free(struct tql_roots *r); /* accepts one that was zeroed */

/* ---- metrics_math.c: of series ---- */
MUST_CHECK enum status tql_math(struct query_env *env, size_t points, enum tql_op op, const struct tql_series_set *x, const struct tql_series_set *y,
                                struct tql_series_set *out, struct err *err);
/* Without those that have no point. */
void tql_series_drop_empty(size_t points, struct tql_series_set *set);
void tql_math_filter(size_t points, enum tql_op op, double number, struct tql_series_set *set);
MUST_CHECK enum status tql_math_top(struct query_env *env, size_t points, size_t k, bool is_bottom, struct tql_series_set *set,
                                    struct err *err);

#endif
