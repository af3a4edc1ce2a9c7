/* SPDX-License-Identifier: Apache-2.0 */
/* Folding a page: lines that differ only in labels of the list become one series, and their ids exemplars.
 *
 * The samples of a folded series ("its lines") are joined in the batch itself: the first line makes the row, the others
 * change it. What is remembered from page to page lives in the arena of the target's memory (scrape_round.c). */
#ifndef STOA_COLLECT_FOLD_PAGE_H
#define STOA_COLLECT_FOLD_PAGE_H

#include "codec/promtext.h"
#include "collect/fold.h"
#include "model/batch.h"

/* A gauge cannot be summed over requests: its folded series has this label, and the value of the line that changed last. */
#define FOLD_MARK       SLICE("folded")
#define FOLD_MARK_VALUE SLICE("last")

enum fold_how { FOLD_SUM, FOLD_LAST, FOLD_OLDEST };
/* What a line is within its family. */
enum fold_part { FOLD_VALUE, FOLD_BUCKET, FOLD_TOTAL_SUM, FOLD_TOTAL_COUNT, FOLD_CREATED };

struct fold_kind {
    enum fold_how how;
    enum fold_part part;
    bool has_exemplars;
    struct slice base; /* the name without its suffix: what the lines of one family and one request share */
};
/* type: of the family that stands above the line; family: its name. */
struct fold_kind fold_kind_of(enum metric_type type, struct slice family, struct slice name, bool has_quantile);

/* The lines of one family and one set of labels, so of one request. */
struct fold_group {
    struct slice key; /* lives as long as the memory */
    uint64_t round;
    double created; /* seconds; 0: not told */
    double sum_up, count_up;
    bool has_sum;
    size_t bucket; /* candidate of its first bucket that grew, plus 1 */
    struct fold_group *moved;
};

/* A folded series over its pages. */
struct fold_series {
    struct fold_series *next;
    struct slice labels; /* of the series; lives as long as the memory */
    enum fold_how how;
    bool is_overflow;      /* of label values over a limit of the firewall, too */
    /* As of the last page that was read to its end. */
    uint64_t good_round, reset_round;
    uint64_t bad_round;    /* the last page that was not */
    double base, good_sum; /* base: of lines that are gone while others stayed */
    size_t good_count;
    const struct fold_line *last;
    /* Of the page being read. */
    uint64_t round;
    size_t at; /* into the batch's samples */
    double sum, kept_before, returned;
    size_t count, kept, ids, lines;
    bool decreased;
    int rank;
    const struct fold_line *chosen, *named; /* named: the first with ids */
    uint64_t exemplars, exemplars_left;
};

/* One line that is folded. */
struct fold_line {
    struct fold_series *to;
    struct fold_group *group;
    struct fold_kind kind;
    struct slice ids;      /* canonical: the labels taken off; empty: the line had none, and is added to those that had */
    double bound;          /* le */
    uint64_t round, next_round;
    double value, next;    /* of the last page that was read to its end; of the one being read */
};

struct fold_candidate {
    const struct fold_line *line;
    struct fold_series *to;
    double value;
    bool is_new;
};

/* A page being folded. */
struct fold_page {
    struct batch *b;
    struct fold_series *all;  /* of the target */
    uint64_t round;
    int64_t t_ms, before_ms;  /* before_ms: of the last page */
    bool is_learning;         /* what is new to us need not be new: only what was created since before_ms is an exemplar */
    struct fold_candidate *list;
    size_t count, cap;
};

/* The line's sample. at: where its series' row stands in p->b, SIZE_MAX when this is the first line of it; then the caller
 * has just made the row. */
void fold_sample(struct fold_page *p, struct fold_line *line, double v, size_t at, bool is_first);
/* The page was not read to its end: what its lines said does not count. */
void fold_fail(struct fold_page *p);
/* The page was read to its end: final values, exemplars, and what the report is told. labels: the target's; f may be NULL. */
void fold_settle(struct fold_page *p, struct fold *f, struct slice labels);

#endif
