/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of downsampling, without a store: samples to buckets, and buckets to samples again. See rollup.h. */
#include "metrics/rollup.h"

#include <math.h>
#include <stdio.h>

#include "base/num.h"
#include "model/sample.h"

enum {
    COUNTER_POINTS = 16,         /* of a counter in a range: what is lost at the range's start is less than one of so many parts */
    COUNTER_STEP_MS_MIN = 15000
};

static const char *const resolution_names[ROLLUP_COUNT] = { "", "5m", "1h" };
static const char *const column_names[ROLLUP_COLUMNS] = { "last", "min", "max", "sum", "count", "increase" };

struct slice rollup_tenant(char *out, struct slice tenant, enum rollup r, enum rollup_column column)
{
    int n = snprintf(out, ROLLUP_TENANT_BYTES_MAX, "%.*s#%s.%s", SLICE_FMT(tenant), resolution_names[r], column_names[column]);
    return slice_of(out, (size_t)n);
}

enum rollup rollup_of_tenant(struct slice tenant)
{
    struct slice of, what, resolution, column;
    if (slice_cut(tenant, '#', &of, &what) && slice_cut(what, '.', &resolution, &column))
        for (enum rollup r = ROLLUP_5M; r < ROLLUP_COUNT; r++)
            if (slice_eq(resolution, slice_str(resolution_names[r])))
                return r;
    return ROLLUP_NONE;
}

struct slice rollup_class_name(enum rollup r)
{
    return r == ROLLUP_1H ? SLICE("metrics_1h") : SLICE("metrics_5m");
}

struct slice rollup_notes_tenant(enum rollup r)
{
    return r == ROLLUP_1H ? SLICE("default#1h.done") : SLICE("default#5m.done");
}

bool rollup_is_note(struct slice tenant)
{
    return slice_eq(tenant, rollup_notes_tenant(ROLLUP_5M)) || slice_eq(tenant, rollup_notes_tenant(ROLLUP_1H));
}

/* ---- to buckets ---- */

static int64_t bucket_end(int64_t t_ms, int64_t step)
{
    int64_t whole = t_ms / step * step;
    return whole < t_ms ? whole + step : whole; /* times are after 1970 */
}

static void bucket_add(struct rollup_bucket *b, double v, double grown)
{
    if (is_histogram(v) || b->is_histogram) { /* of both kinds: the histogram's */
        b->v[ROLLUP_LAST] = is_histogram(v) ? v : b->v[ROLLUP_LAST];
        b->is_histogram = true;
        return;
    }
    bool first = b->v[ROLLUP_COUNTED] == 0;
    b->v[ROLLUP_MIN] = first || v < b->v[ROLLUP_MIN] || b->v[ROLLUP_MIN] != b->v[ROLLUP_MIN] ? v : b->v[ROLLUP_MIN];
    b->v[ROLLUP_MAX] = first || v > b->v[ROLLUP_MAX] || b->v[ROLLUP_MAX] != b->v[ROLLUP_MAX] ? v : b->v[ROLLUP_MAX];
    b->v[ROLLUP_LAST] = v;
    b->v[ROLLUP_SUM] += v;
    b->v[ROLLUP_COUNTED] += 1;
    b->v[ROLLUP_INCREASE] += grown;
}

size_t rollup_make(enum rollup r, const int64_t *t_ms, const double *v, size_t n, int64_t from_ms, int64_t to_ms, struct rollup_bucket *out)
{
    size_t count = 0;
    double before = 0;
    bool has_before = false;
    for (size_t i = 0; i < n && t_ms[i] <= to_ms; i++) {
        if (is_stale(v[i]))
            continue;
        bool is_number = isfinite(v[i]);
        double grown = is_number && has_before ? (v[i] < before ? v[i] : v[i] - before) : 0;
        if (is_number) {
            before = v[i];
            has_before = true;
        }
        if (t_ms[i] <= from_ms)
            continue;
        int64_t end = bucket_end(t_ms[i], rollup_ms(r));
        if (count == 0 || out[count - 1].t_ms != end)
            out[count++] = (struct rollup_bucket){ .t_ms = end };
        bucket_add(&out[count - 1], v[i], grown);
    }
    return count;
}

/* ---- and back ---- */

struct rollup_use rollup_use_of(struct slice fn)
{
    static const struct {
        struct slice fn;
        struct rollup_use use;
    } table[] = {
        { SLICE_INIT("rate"), { ROLLUP_INCREASE, ROLLUP_LAST, ROLLUP_COUNTER } },
        { SLICE_INIT("increase"), { ROLLUP_INCREASE, ROLLUP_LAST, ROLLUP_COUNTER } },
        { SLICE_INIT("irate"), { ROLLUP_INCREASE, ROLLUP_LAST, ROLLUP_COUNTER } },
        { SLICE_INIT("min_over_time"), { ROLLUP_MIN, ROLLUP_MIN, ROLLUP_REPEAT } },
        { SLICE_INIT("max_over_time"), { ROLLUP_MAX, ROLLUP_MAX, ROLLUP_REPEAT } },
        { SLICE_INIT("sum_over_time"), { ROLLUP_SUM, ROLLUP_SUM, ROLLUP_SPREAD } },
        { SLICE_INIT("count_over_time"), { ROLLUP_COUNTED, ROLLUP_COUNTED, ROLLUP_SPREAD } },
        { SLICE_INIT("avg_over_time"), { ROLLUP_SUM, ROLLUP_COUNTED, ROLLUP_MEAN } },
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (slice_eq(table[i].fn, fn))
            return table[i].use;
    return (struct rollup_use){ ROLLUP_LAST, ROLLUP_LAST, ROLLUP_REPEAT };
}

static void run_put(struct rollup_run *out, int64_t t_ms, double v)
{
    if (out->n == out->cap) {
        out->cap = out->cap ? out->cap * 2 : 1024;
        out->t_ms = mem_realloc(out->t_ms, out->cap * sizeof *out->t_ms);
        out->v = mem_realloc(out->v, out->cap * sizeof *out->v);
    }
    out->t_ms[out->n] = t_ms;
    out->v[out->n++] = v;
}

/* What out holds ends at or below start: a counter that was set back since then stands there, on its way to its last value, lower
 * than what it was. */
static void counter_lower(struct rollup_run *out, size_t end, double start)
{
    double most = -INFINITY;
    for (size_t i = end; i-- > 0 && most == -INFINITY;)
        most = isfinite(out->v[i]) ? out->v[i] : most;
    if (!(most > start))
        return;
    for (size_t i = 0; i < end; i++)
        if (isfinite(out->v[i]))
            out->v[i] -= most - start;
}

/* The counter ends at the last bucket's value, and grows by each bucket's increase on the way there. Histograms grow as they did, and not
 * evenly; they and what is no finite number stand for themselves. */
static void expand_counter(int64_t step, int64_t points, const int64_t *t_ms, const double *grown, const double *last, size_t n,
                           struct rollup_run *out)
{
    double at = 0, end = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(last[i])) {
            at += isfinite(grown[i]) ? grown[i] : 0;
            end = last[i];
        }
    at = end - at; /* at the start of the first bucket */
    counter_lower(out, out->n, at);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(last[i])) {
            run_put(out, t_ms[i], last[i]);
            continue;
        }
        double before = at;
        at += isfinite(grown[i]) ? grown[i] : 0;
        for (int64_t k = 1; k <= points; k++)
            run_put(out, t_ms[i] - step + step * k / points, k == points ? at : before + (at - before) * (double)k / (double)points);
    }
}

int64_t rollup_points(enum rollup r, enum rollup_way way, int64_t range_ms)
{
    bool is_counter = way == ROLLUP_COUNTER && range_ms > 0;
    int64_t step = rollup_ms(r), wanted = is_counter ? MAX(range_ms / COUNTER_POINTS, (int64_t)COUNTER_STEP_MS_MIN) : range_ms;
    return wanted <= 0 || wanted >= step ? 1 : (step + MAX(wanted, (int64_t)ROLLUP_POINT_MS_MIN) - 1) / MAX(wanted, (int64_t)ROLLUP_POINT_MS_MIN);
}

void rollup_expand(enum rollup r, enum rollup_way way, int64_t range_ms, const int64_t *t_ms, const double *a, const double *b, size_t n,
                   struct rollup_run *out)
{
    int64_t step = rollup_ms(r), points = rollup_points(r, way, range_ms);
    if (way == ROLLUP_COUNTER) {
        expand_counter(step, points, t_ms, a, b, n, out);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double v = way == ROLLUP_SPREAD ? a[i] / (double)points : way == ROLLUP_MEAN ? a[i] / b[i] : a[i];
        for (int64_t k = 1; k <= points; k++)
            run_put(out, t_ms[i] - step + step * k / points, is_histogram(a[i]) ? a[i] : v);
    }
}
