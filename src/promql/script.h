/* SPDX-License-Identifier: Apache-2.0 */
/* Query scripts in the language Prometheus tests itself with: load, clear, eval, and what is expected.
 * https://github.com/prometheus/prometheus/blob/main/promql/promqltest/README.md */
#ifndef STOA_PROMQL_SCRIPT_H
#define STOA_PROMQL_SCRIPT_H

#include "model/histogram.h"
#include "query/script.h"

enum { SCRIPT_VALUES_MAX = 10 * 1000 /* held by a query: what Prometheus's scripts assume */, SCRIPT_POINTS_MAX = 1000 * 1000 };

/* A script_run_fn. */
MUST_CHECK enum status promql_script_run(struct slice name, struct slice text, uint32_t features, struct script_result *result, struct buf *out,
                                         struct err *err);

/* ---- the engine in memory ---- */

struct script_engine;
struct script_engine *script_engine_new(void);
void script_engine_free(struct script_engine *s);
struct engine *script_engine_door(struct script_engine *s);
/* Times ascending; a second call for the same labels adds. All is copied. Of a histogram that goes on where the one before it
 * ended, the hint becomes "not reset", of another one that is no gauge "unknown": so a store tells them that keeps runs. */
void script_engine_add(struct script_engine *s, struct slice labels, const struct sample *samples, size_t count);
/* born_ms: since when each sample counts, 0: not known; NULL: of none. */
void script_engine_add_born(struct script_engine *s, struct slice labels, const struct sample *samples, const int64_t *born_ms, size_t count);
void script_engine_clear(struct script_engine *s);

/* ---- series and points as text ---- */

struct script_points {
    struct sample *list; /* t_ms counts points from 0 */
    size_t count, cap;
    bool *tells_hint; /* of each: a histogram that names its hint */
    size_t told, told_cap;
    size_t next;      /* the place of a point that would follow */
};

/* `name{a="b"} 1 2+3x4 _ stale {{count:1 buckets:[1]}}x2`. Stale ones are the marker; "_" only counts. Lives in a. */
MUST_CHECK enum status script_series(struct arena *a, struct slice line, struct slice *labels, struct script_points *out, struct err *err);
/* The first number of text; false: none. */
bool script_number(struct slice text, double *out, size_t *len);
/* Takes the {{...}} at the front of *rest. It is not checked. tells_hint: it names its hint. */
bool script_histogram(struct arena *a, struct slice *rest, struct histogram **out, bool *tells_hint);

/* ---- load ---- */

struct script_loaded {
    struct slice labels;
    const struct sample *samples;
    size_t count;
};
/* The first four are the caller's, the rest begins as zero. */
struct script_load {
    struct script_engine *engine;
    struct arena *a;
    int64_t step_ms;
    bool is_nhcb; /* classic histograms become native ones, too */
    struct script_loaded *series;
    size_t series_count, series_cap;
    struct slice starts_of; /* start times that wait for their series */
    struct script_points starts;
    bool has_starts;
};
MUST_CHECK enum status script_load_line(struct script_load *load, struct slice line, struct err *err);
MUST_CHECK enum status script_load_end(struct script_load *load, struct err *err);

#endif
