/* SPDX-License-Identifier: Apache-2.0 */
/* What a range aggregation needs of its lines: which labels, and whether an engine can find them in columns. */
#ifndef STOA_LOGQL_PROJECT_H
#define STOA_LOGQL_PROJECT_H

#include "logql/record.h"
#include "store/lot.h"

/* Names of labels that anything behind a parser looks at. */
struct projection {
    const struct slice *names;
    size_t count;
};
/* NULL: all of them may matter. e: EXPR_RANGE. */
const struct projection *logql_projection(struct arena *a, const struct expr *e);
bool logql_projection_has(const struct projection *p, struct slice name);

enum { PROJECT_LEAVES_MAX = 8 /* comparisons of one label that are told apart by their outcome */ };

struct lot_name { /* of one of query.names */
    struct slice label;
    bool is_unwrapped;              /* its value is what is aggregated */
    bool is_grouped;                /* or it is compared in another way than by leaves */
    const struct label_filter *leaves[PROJECT_LEAVES_MAX];
    size_t leaf_count;
};

struct lot_plan {
    struct arena *a;
    struct lot_query query;
    struct lot_name *names;         /* query.count */
    const struct stage *stages;     /* without line filters, which the engine checks */
    const struct projection *only;
};
/* Can the lines of e be read as lots? Then *out, which lives in a. */
bool logql_lot_plan(struct arena *a, const struct expr *e, struct lot_plan *out);

/* What of a log expression can be told of lots: its stages up to the first that is none of line filters, label filters and one parser.
 * False: nothing can. Lives in a. */
bool logql_lot_filter_plan(struct arena *a, const struct expr *log, struct lot_plan *out);

/* ---- lots.c ---- */

/* Where rows go. r has passed the stages. */
struct lot_sink {
    enum status (*row)(void *arg, struct record *r, float weight, struct err *err);        /* counts it, or fails for its error */
    enum status (*series)(void *arg, struct record *r, size_t *number, struct err *err);  /* of its group */
    void (*add)(void *arg, size_t series, int64_t time_ns, double v, double weight);
    void *arg;
};
struct lots;
/* Keeps all (e and sink may be NULL when nothing is folded); r and scratch are used from call to call. */
struct lots *logql_lots_new(const struct lot_plan *plan, const struct expr *e, const struct lot_sink *sink, struct record *r, struct arena *scratch);
/* struct lot_filter.pass of rows that the plan's stages let through; arg: struct lots, made without a sink. */
void logql_lots_pass(void *arg, const struct lot *lot, uint8_t *is_wanted);
void logql_lots_free(struct lots *l); /* accepts NULL */
MUST_CHECK enum status logql_lots_fold(struct lots *l, const struct lot *lot, struct err *err);

#endif
