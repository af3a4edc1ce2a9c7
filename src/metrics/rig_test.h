/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the engine share: a store on an imitated disk, and a naive reference: every (series, time) that was
 * acknowledged, with the version of its value. Series and values are functions of numbers, so both sides can make them. */
#ifndef STOA_METRICS_RIG_TEST_H
#define STOA_METRICS_RIG_TEST_H

#include "base/unit.h"
#include "metrics/histograms_test.h"
#include "metrics/metrics.h"
#include "sys/file_sim.h"

struct rig_point {
    uint32_t step;    /* the time is rig_start_ms + step * RIG_STEP_MS */
    uint32_t version; /* of the value */
};

/* One series of the reference; points by step, each once. */
struct rig_series {
    struct rig_point *points;
    uint32_t count, cap;
};

struct rig {
    struct fs *fs;
    struct clock *clock;
    struct rand rand;
    struct store_options opt;
    struct store *store;
    struct rig_series *series; /* by number */
    size_t series_count;
    uint64_t samples; /* in the reference */
};

enum { RIG_STEP_MS = 15000 };
extern const int64_t rig_start_ms;

/* series_count: how many numbers there are. Sets opt, opens nothing. */
void rig_init(struct rig *r, uint64_t seed, size_t series_count);
MUST_CHECK enum status rig_open(struct rig *r, struct err *err);
void rig_end(struct rig *r);
/* What is not stopped in the middle of it must work. */
void rig_must(enum status st, const struct err *err, const char *file, int line);
#define RIG_MUST(st, err) rig_must((st), (err), __FILE__, __LINE__)

/* The n-th sample's value; every third series is one of histograms, with a number now and then. */
double rig_value(uint32_t series, uint32_t step, uint32_t version, struct arena *a);
struct slice rig_labels(struct arena *a, uint32_t series);

/* A request being made: what it holds goes to the reference by rig_learn once it is there. */
struct rig_request {
    struct batch *batch;
    struct rig_put {
        uint32_t series, step, version;
    } *puts;
    size_t count, cap;
};
void rig_request_begin(struct rig_request *q);
void rig_request_put(struct rig_request *q, uint32_t series, uint32_t step, uint32_t version);
/* Appends and waits; the request's puts stay. */
MUST_CHECK enum status rig_append(struct rig *r, struct rig_request *q, struct err *err);
void rig_learn(struct rig *r, const struct rig_request *q);
/* Is it there: 1 whole, 0 not at all; fails when it is there in part. */
bool rig_is_there(struct rig *r, const struct rig_request *q);
void rig_request_end(struct rig_request *q);

/* All series against the reference. */
void rig_check(struct rig *r);

#endif
