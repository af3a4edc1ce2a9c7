/* SPDX-License-Identifier: Apache-2.0 */
/* Query scripts in the language Prometheus tests itself with: load, clear, eval, and what is expected.
 * https://github.com/prometheus/prometheus/blob/main/promql/promqltest/README.md */
#ifndef STOA_PROMQL_SCRIPT_H
#define STOA_PROMQL_SCRIPT_H

#include "query/script.h"

enum { SCRIPT_POINTS_MAX = 1000 * 1000 };

/* A script_run_fn. */
MUST_CHECK enum status promql_script_run(struct slice name, struct slice text, uint32_t features, struct script_result *result, struct buf *out,
                                         struct err *err);

/* ---- the engine in memory ---- */

struct script_engine;
struct script_engine *script_engine_new(void);
void script_engine_free(struct script_engine *s);
struct engine *script_engine_door(struct script_engine *s);
/* Times ascending; a second call for the same labels adds. labels and samples are copied. */
void script_engine_add(struct script_engine *s, struct slice labels, const struct sample *samples, size_t count);
void script_engine_clear(struct script_engine *s);

/* ---- series and points as text ---- */

struct script_points {
    struct sample *list; /* t_ms counts points from 0 */
    size_t count, cap;
    size_t next;         /* the place of a point that would follow */
    bool has_histograms; /* some were native histograms: those are left out */
};

/* `name{a="b"} 1 2+3x4 _ stale`. Stale ones are the marker; "_" only counts. Lives in a. */
MUST_CHECK enum status script_series(struct arena *a, struct slice line, struct slice *labels, struct script_points *out, struct err *err);
/* The first number of text; false: none. */
bool script_number(struct slice text, double *out, size_t *len);

#endif
