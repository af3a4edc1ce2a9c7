/* SPDX-License-Identifier: Apache-2.0 */
/* Evaluation, between the files of this folder.
 *
 * An expression is run over a grid of steps at once. It gives its series one after the other to a sink; a row is a value
 * per step, ABSENT where there is none. Rows are borrowed: a sink that wants to keep one copies it (rows.h). */
#ifndef STOA_PROMQL_EVAL_H
#define STOA_PROMQL_EVAL_H

#include <math.h>

#include "base/num.h"
#include "promql/ast.h"
#include "promql/functions.h"
#include "query/agg.h"

enum {
    GRID_POINTS_MAX = 4 * 1000 * 1000,   /* steps of one subquery */
    LOOKBACK_MS_DEFAULT = 5 * 60 * 1000,
    SUBQUERY_STEP_MS_DEFAULT = 60 * 1000,
    EVAL_BYTES_MAX_DEFAULT = 256 * MIB,  /* held beside the answer, where the result arena has no maximum */
    NOTES_BYTES_MAX = 64 * KIB
};

#define NAME_LABEL SLICE("__name__")

/* No value at this step. The stale marker can never be one: selectors take it for absence, too. */
#define ABSENT double_of_bits(STALE_NAN_BITS)
static inline bool is_absent(double v)
{
    return is_stale(v);
}

struct grid {
    int64_t start_ms, step_ms; /* step > 0 */
    size_t n;                  /* > 0 */
};
static inline int64_t grid_at(const struct grid *g, size_t i)
{
    return g->start_ms + (int64_t)i * g->step_ms;
}

struct row {
    struct slice labels;
    bool drop_name; /* with delayed name removal: at the end */
    double *v;      /* the sink may change it */
    bool has_histograms; /* some of v may be ones (model/sample.h), which live as long as v */
};

struct sink {
    enum status (*put)(struct sink *sink, struct row *row, struct err *err);
};

struct eval {
    struct query_env *env;
    struct ast *ast;
    uint32_t features;
    int64_t lookback_ms, query_start_ms, query_end_ms, query_step_ms;
    struct arena *line; /* lives for one row; whoever makes rows resets it before each */
    struct arena_group memory;
    bool is_range; /* the query, not a subquery */
    size_t values_max, held; /* of values at once; 0: no limit */
};

/* Which time a step looks at. */
struct reach {
    bool is_fixed; /* by @: the same for all steps */
    int64_t at_ms, offset_ms;
};
static inline int64_t reach_end(const struct reach *r, const struct grid *g, size_t i)
{
    return sat_sub(r->is_fixed ? r->at_ms : grid_at(g, i), r->offset_ms);
}

/* ---- eval.c ---- */
enum status eval_vector_run(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err); /* without eval_held.c */
/* out has g->n places. */
enum status eval_scalar(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err);
struct slice eval_string(const struct node *n);
/* Labels and drop_name of a row whose name goes away. */
void eval_drop_name(const struct eval *e, struct row *row);
/* The labels that go with the name, itself first: one, or with type and unit three. The list is constant. */
size_t eval_name_labels(const struct eval *e, const struct slice **out);
/* True when rows of n cannot become equal by losing their names: one name only. */
bool eval_name_is_fixed(const struct node *n);
/* Cancelled, too late, or over a limit, that of memory among them. */
enum status eval_check(struct eval *e, struct err *err);
/* All that a query holds beside its answer lives in such ones, which have one maximum between them. */
struct arena *eval_arena(struct eval *e);
void eval_warn(struct eval *e, const struct node *at, const char *fmt, ...) PRINTF_LIKE(3, 4);
void eval_info(struct eval *e, const struct node *at, const char *fmt, ...) PRINTF_LIKE(3, 4);
void eval_warn_quantile(struct eval *e, const struct node *at, const double *q, size_t n);
enum status eval_same_labels(struct err *err);
/* Some of v are histograms. */
bool eval_has_histograms(const double *v, size_t n);
/* Those of v that are histograms become copies in a; the same one in a row is copied once. */
void eval_keep_histograms(struct arena *a, double *v, size_t n);

/* ---- eval_held.c ---- */
enum status eval_vector(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err);
size_t eval_value_size(double v);
/* With so many more beside them, are there too many values? */
enum status eval_check_held(struct eval *e, size_t more, struct err *err);

/* ---- eval_select.c ---- */
/* Times are seconds, also those of histograms, which has_histograms then tells. BORN: since when a sample counts. */
enum selector_value { SELECTOR_VALUE, SELECTOR_TIME, SELECTOR_BORN };
enum status eval_selector(struct eval *e, const struct node *n, const struct grid *g, enum selector_value what, struct sink *sink,
                          struct err *err);
/* For those who count series: values may all be 1, so that the engine need not read them. */
enum status eval_selector_present(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err);
struct reach eval_reach(const struct eval *e, const struct node *n);
/* Of a range: its selector, or the subquery. */
const struct node *eval_matrix_selector(const struct node *n);
/* The samples of a range vector itself, one series after the other; n > 0. Borrowed. */
struct series {
    struct slice labels;
    bool drop_name, has_histograms;
    const int64_t *t;
    const int64_t *born_ms; /* since when each counts, 0: not known; NULL: of none */
    const double *v;
    size_t n;
    bool is_counted; /* each value says how many samples it stands for: engine.h */
};
struct series_sink {
    enum status (*put)(struct series_sink *sink, const struct series *s, struct err *err);
};
enum status eval_matrix(struct eval *e, const struct node *n, const struct grid *g, struct series_sink *sink, struct err *err);

/* ---- eval_range.c ---- */
enum status eval_range_fn(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err);
/* Which steps have at least one sample in range: bytes of 0 or 1. */
enum status eval_present_over_time(struct eval *e, const struct node *n, const struct grid *g, uint8_t *out, struct err *err);

/* ---- aggregate.c, binary.c; what the function table names is in parts.h ---- */
enum status eval_aggregate(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err);
enum status eval_binary(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err);
/* Of numbers. */
double binary_apply(enum binary_op op, double l, double r);
bool binary_compare(enum binary_op op, double l, double r);

#endif
