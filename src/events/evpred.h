/* SPDX-License-Identifier: Apache-2.0 */
/* Predicates of engine.h, made ready for a scan, and on one value or one row.
 *
 * A field or id that is missing is "" for EQ, NE, RE and CONTAINS, has no order, and does not exist. Numbers compare as
 * numbers when the predicate's value is one (text that is a number counts); what is no number is not equal to any. */
#ifndef STOA_EVENTS_EVPRED_H
#define STOA_EVENTS_EVPRED_H

#include "base/arena.h"
#include "model/event.h"
#include "store/engine.h"

enum { EVPRED_ID_BYTES = 16 /* of a trace, in PRED_AMONG */ };

struct evpred {
    enum pred_op op;
    struct evpred **kids;
    size_t kid_count;
    const struct pred *p; /* leaves */
    unsigned id;          /* 0 .. count - 1 */
    /* Leaves a filter can answer: every one of these words must be in the block. */
    const uint64_t *words;
    size_t word_count;
    /* Of a body: at least one of these is in every text the leaf is true of. 0: nothing is known. */
    const struct slice *needles;
    size_t needle_count;
    /* Of each of the needles, what a filter with grams must have; NULL without needles. */
    struct evpred_grams {
        const uint64_t *list;
        size_t count;
    } *grams;
    bool is_nocase; /* letters of ASCII with other case count, too */
    bool has_value_hash; /* a field equal to a text that is not empty */
    uint64_t value_hash; /* of COL_CHILDREN, too */
    uint64_t list_hash;  /* COL_CHILDREN */
};

/* NULL for NULL. Keeps p; lives in a. *count grows by the number of nodes. */
struct evpred *evpred_compile(const struct pred *p, struct arena *a, unsigned *count);

enum evvalue_kind { EVVALUE_NONE, EVVALUE_TEXT, EVVALUE_INT, EVVALUE_DOUBLE };
struct evvalue {
    enum evvalue_kind kind;
    bool is_json; /* a list or a map, as text */
    struct slice text;
    union {
        int64_t i;
        double d;
    };
};

bool evpred_test(const struct pred *p, const struct evvalue *v);
/* Values of columns as p sees them. Text may live in scratch. */
struct evvalue evvalue_of_text(struct slice text);
struct evvalue evvalue_of_field(const struct field *f, struct arena *scratch);
struct evvalue evvalue_of_int(const struct pred *p, uint8_t kind, int64_t v);
struct evvalue evvalue_of_id(const struct pred *p, const uint8_t *id, size_t width, struct arena *scratch);
/* Scopes a field predicate looks at, best first; returns how many. */
size_t evpred_scopes(const struct pred *p, uint8_t scopes[3]);

bool evpred_row(const struct evpred *n, const struct event *e, struct arena *scratch);
/* ASCII only. */
bool evpred_contains_nocase(struct slice text, struct slice needle);

#endif
