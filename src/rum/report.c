/* SPDX-License-Identifier: Apache-2.0 */
/* The report: p75 of each metric, as the official definition has it, over page loads.
 *
 * One pass over the events keeps, for each id and metric, the latest value. These are then sorted by row, metric and value, so
 * that a run of one row and metric has its p75 at three quarters and its bands in order; and once more by time step for the
 * series. Row 0 is all of them together. */
#include "rum/rum.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/num.h"
#include "codec/json.h"

enum { ROW_ALL = 0, ROW_OTHER = 1, ROWS_FIXED = 2 };

struct load { /* one metric of one page load */
    double value;
    int64_t time_ns;
    uint64_t seq;
    uint32_t row;
    uint8_t metric;
    uint16_t step;
};

struct row {
    struct slice key;
    size_t count;
};

struct report {
    const struct rum_query *q;
    struct arena *a;
    struct map ids, keys;
    struct load *loads;
    size_t load_count, load_cap;
    struct row *rows;
    size_t row_count, row_cap;
};

static struct slice field_of(const struct event *e, struct slice name)
{
    const struct field *f = event_field(e, name);
    return f && f->type == FIELD_STRING ? f->text : SLICE_EMPTY;
}

static uint32_t row_of(struct report *r, struct slice key)
{
    uint64_t *at = map_get(&r->keys, key);
    if (at)
        return (uint32_t)*at;
    if (r->row_count >= RUM_ROWS_MAX + ROWS_FIXED)
        return ROW_OTHER;
    struct slice copy = arena_copy(r->a, key);
    *map_put(&r->keys, copy, NULL) = r->row_count;
    ARENA_PUSH(r->a, r->rows, r->row_count, r->row_cap) = (struct row){ copy, 0 };
    return (uint32_t)r->row_count - 1;
}

static enum status count_event(struct report *r, const struct event *e, struct err *err)
{
    static const struct slice by[] = { SLICE_INIT("page"), SLICE_INIT("country"), SLICE_INIT("device") };
    char key_bytes[RUM_ID_BYTES_MAX + 1];
    struct slice id = field_of(e, SLICE("id"));
    const struct field *value = event_field(e, SLICE("value"));
    enum rum_metric m;
    if (e->kind != EVENT_RUM || value == NULL || value->type != FIELD_DOUBLE || id.len == 0 || id.len > RUM_ID_BYTES_MAX ||
        !rum_metric_parse(field_of(e, SLICE("metric")), &m))
        return ST_OK;
    key_bytes[0] = (char)m;
    memcpy(key_bytes + 1, id.ptr, id.len);
    struct slice key = slice_of(key_bytes, id.len + 1);
    uint64_t *at = map_get(&r->ids, key);
    if (at == NULL) {
        if (r->load_count == RUM_LOADS_MAX)
            return err_set(err, ST_LIMIT, "more than %d metrics of page loads in this time; ask for a shorter one", RUM_LOADS_MAX);
        *map_put(&r->ids, arena_copy(r->a, key), NULL) = r->load_count;
        ARENA_PUSH(r->a, r->loads, r->load_count, r->load_cap) = (struct load){ .time_ns = INT64_MIN };
    }
    struct load *l = &r->loads[at ? *at : r->load_count - 1];
    if (e->time_ns < l->time_ns || (e->time_ns == l->time_ns && e->seq < l->seq))
        return ST_OK;
    *l = (struct load){ value->d, e->time_ns, e->seq, row_of(r, field_of(e, by[r->q->by])), (uint8_t)m,
                        (uint16_t)((e->time_ns - r->q->start_ns) / r->q->step_ns) };
    return ST_OK;
}

static enum status read_events(struct report *r, struct engine *engine, struct engine_ctx *ctx, struct err *err)
{
    struct events_iter *it;
    struct event_block block;
    unsigned did;
    struct events_query eq = { .start_ns = r->q->start_ns, .end_ns = r->q->end_ns, .kinds = 1u << EVENT_RUM, .want = WANT_FIELDS | WANT_SEQ,
                               .order = ORDER_NONE };
    enum status st = engine->ops->events(engine, ctx, &eq, &it, &did, err);
    if (st)
        return st;
    while (!arena_over(r->a) && (st = it->ops->next(it, &block, err)) == ST_OK)
        for (size_t i = 0; !st && i < block.n; i++) {
            st = count_event(r, &block.rows[i], err);
            if (st) {
                it->ops->close(it);
                return st;
            }
        }
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* ---- runs ---- */

static int by_value(const void *x, const void *y)
{
    const struct load *a = x, *b = y;
    if (a->row != b->row)
        return a->row < b->row ? -1 : 1;
    if (a->metric != b->metric)
        return a->metric < b->metric ? -1 : 1;
    return a->value < b->value ? -1 : a->value > b->value;
}

static int by_step(const void *x, const void *y)
{
    const struct load *a = x, *b = y;
    if (a->row != b->row || a->metric != b->metric)
        return by_value(x, y);
    if (a->step != b->step)
        return a->step < b->step ? -1 : 1;
    return by_value(x, y);
}

/* The value that three quarters of the loads reach or stay under. */
static double p75(const struct load *l, size_t n)
{
    return l[(n * 3 + 3) / 4 - 1].value;
}

static void put_metric(struct json_writer *w, const struct load *l, size_t n)
{
    size_t bands[RUM_RATING_COUNT] = { 0 };
    enum rum_metric m = (enum rum_metric)l->metric;
    for (size_t i = 0; i < n; i++)
        bands[rum_rate(m, l[i].value)]++;
    json_key(w, rum_bands[m].name);
    json_object_begin(w);
    json_key(w, SLICE("p75"));
    json_double(w, p75(l, n));
    json_key(w, SLICE("unit"));
    json_string(w, rum_bands[m].unit);
    json_key(w, SLICE("count"));
    json_uint(w, n);
    for (int i = 0; i < RUM_RATING_COUNT; i++) {
        json_key(w, rum_rating_name((enum rum_rating)i));
        json_uint(w, bands[i]);
    }
    json_key(w, SLICE("rating"));
    json_string(w, rum_rating_name(rum_rate(m, p75(l, n))));
    json_object_end(w);
}

/* loads are sorted by_value; *at stands at the row's first, and behind it afterwards. */
static void put_metrics(struct json_writer *w, const struct load *loads, size_t count, uint32_t row, size_t *at)
{
    json_key(w, SLICE("metrics"));
    json_object_begin(w);
    while (*at < count && loads[*at].row == row) {
        size_t first = *at;
        while (*at < count && loads[*at].row == row && loads[*at].metric == loads[first].metric)
            ++*at;
        put_metric(w, loads + first, *at - first);
    }
    json_object_end(w);
}

static void put_rows(struct json_writer *w, const struct report *r, const struct load *loads, size_t count, const uint32_t *order, size_t shown)
{
    size_t *first = arena_zalloc(r->a, (r->row_count + 1) * sizeof *first);
    for (size_t i = count; i-- > 0;)
        first[loads[i].row] = i;
    json_key(w, SLICE("all"));
    json_object_begin(w);
    put_metrics(w, loads, count, ROW_ALL, &first[ROW_ALL]);
    json_object_end(w);
    json_key(w, SLICE("rows"));
    json_array_begin(w);
    for (size_t i = 0; i < shown; i++) {
        json_object_begin(w);
        json_key(w, SLICE("key"));
        json_string(w, r->rows[order[i]].key);
        json_key(w, SLICE("count"));
        json_uint(w, r->rows[order[i]].count);
        put_metrics(w, loads, count, order[i], &first[order[i]]);
        json_object_end(w);
    }
    json_array_end(w);
}

static void put_series(struct json_writer *w, const struct report *r, const struct load *l, size_t n)
{
    json_object_begin(w);
    json_key(w, SLICE("key"));
    json_string(w, r->rows[l->row].key);
    json_key(w, SLICE("metric"));
    json_string(w, rum_bands[l->metric].name);
    json_key(w, SLICE("points"));
    json_array_begin(w);
    for (size_t at = 0, first; at < n;) {
        for (first = at; at < n && l[at].step == l[first].step;)
            at++;
        json_array_begin(w);
        json_int(w, sat_add(r->q->start_ns, sat_mul((int64_t)l[first].step + 1, r->q->step_ns)) / NS_MS);
        json_double(w, p75(l + first, at - first));
        json_array_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

static void put_all_series(struct json_writer *w, const struct report *r, const struct load *loads, size_t count, const bool *is_shown)
{
    json_key(w, SLICE("series"));
    json_array_begin(w);
    for (size_t at = 0, first; at < count;) {
        for (first = at; at < count && loads[at].row == loads[first].row && loads[at].metric == loads[first].metric;)
            at++;
        if (is_shown[loads[first].row])
            put_series(w, r, loads + first, at - first);
    }
    json_array_end(w);
}

struct ranked {
    size_t count;
    uint32_t row;
};

static int by_rank(const void *x, const void *y)
{
    const struct ranked *a = x, *b = y;
    return a->count != b->count ? (a->count > b->count ? -1 : 1) : a->row < b->row ? -1 : 1;
}

/* The rows with most loads first. */
static size_t rank_rows(const struct report *r, uint32_t *order)
{
    struct ranked *list = arena_array(r->a, struct ranked, r->row_count + 1);
    size_t n = 0;
    for (uint32_t i = ROW_OTHER; i < r->row_count; i++)
        if (r->rows[i].count)
            list[n++] = (struct ranked){ r->rows[i].count, i };
    qsort(list, n, sizeof *list, by_rank);
    n = MIN(n, r->q->rows_max);
    for (size_t i = 0; i < n; i++)
        order[i] = list[i].row;
    return n;
}

/* Each load twice: once for its row, once for all. */
static struct load *both_rows(struct report *r, size_t *count)
{
    struct load *loads = arena_array(r->a, struct load, r->load_count * 2 + 1);
    for (size_t i = 0; i < r->load_count; i++) {
        loads[2 * i] = loads[2 * i + 1] = r->loads[i];
        loads[2 * i].row = ROW_ALL;
        r->rows[r->loads[i].row].count++;
    }
    *count = r->load_count * 2;
    return loads;
}

static void report_begin(struct report *r, const struct rum_query *q, struct arena *a)
{
    *r = (struct report){ .q = q, .a = a };
    map_init(&r->ids);
    map_init(&r->keys);
    ARENA_PUSH(a, r->rows, r->row_count, r->row_cap) = (struct row){ SLICE_EMPTY, 0 };
    ARENA_PUSH(a, r->rows, r->row_count, r->row_cap) = (struct row){ SLICE("(other)"), 0 };
}

static void report_end(struct report *r)
{
    map_free(&r->ids);
    map_free(&r->keys);
}

static void put_report(struct report *r, struct buf *out)
{
    static const struct slice by[] = { SLICE_INIT("page"), SLICE_INIT("country"), SLICE_INIT("device") };
    struct json_writer w;
    size_t count;
    struct load *loads = both_rows(r, &count);
    uint32_t *order = arena_array(r->a, uint32_t, r->row_count + 1);
    bool *is_shown = arena_zalloc(r->a, r->row_count + 1);
    size_t shown = rank_rows(r, order);
    is_shown[ROW_ALL] = true;
    for (size_t i = 0; i < shown; i++)
        is_shown[order[i]] = true;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, SLICE("by"));
    json_string(&w, by[r->q->by]);
    qsort(loads, count, sizeof *loads, by_value);
    put_rows(&w, r, loads, count, order, shown);
    qsort(loads, count, sizeof *loads, by_step);
    put_all_series(&w, r, loads, count, is_shown);
    json_object_end(&w);
}

/* ---- as samples ---- */

static void put_sample(struct batch *b, const char *name, struct slice metric, struct slice page, struct slice rating, int64_t t_ms, double v)
{
    struct label list[] = { { SLICE("__name__"), slice_str(name) }, { SLICE("job"), SLICE("real-users") }, { SLICE("metric"), metric },
                            { SLICE("page"), page }, { SLICE("rating"), rating } };
    struct slice labels;
    if (labels_build(b->arena, list, COUNT_OF(list), &labels, NULL))
        return;
    batch_series(b, labels);
    batch_sample(b, t_ms, v);
}

static void put_samples(const struct report *r, const struct load *l, size_t n, int64_t t_ms, struct batch *b)
{
    size_t bands[RUM_RATING_COUNT] = { 0 };
    struct slice metric = rum_bands[l->metric].name, page = l->row == ROW_ALL ? SLICE("(all)") : r->rows[l->row].key;
    for (size_t i = 0; i < n; i++)
        bands[rum_rate((enum rum_metric)l->metric, l[i].value)]++;
    put_sample(b, "web_vitals_p75", metric, page, SLICE_EMPTY, t_ms, p75(l, n));
    for (int i = 0; i < RUM_RATING_COUNT; i++)
        put_sample(b, "web_vitals_loads", metric, page, rum_rating_name((enum rum_rating)i), t_ms, (double)bands[i]);
}

void rum_pages_init(struct rum_pages *p)
{
    map_init(&p->names);
    p->arena = arena_new(0);
}

void rum_pages_free(struct rum_pages *p)
{
    map_free(&p->names);
    arena_free(p->arena);
}

static bool page_is_named(struct rum_pages *p, struct slice page)
{
    if (map_get(&p->names, page))
        return true;
    if (p->names.count >= RUM_PAGES_NAMED_MAX)
        return false;
    *map_put(&p->names, arena_copy(p->arena, page), NULL) = 1;
    return true;
}

enum status rum_measure(struct engine *e, struct engine_ctx *ctx, int64_t start_ns, int64_t end_ns, struct rum_pages *pages, struct arena *a,
                        struct batch *b, struct err *err)
{
    struct rum_query q = { start_ns, end_ns, MAX(end_ns - start_ns, NS_S), RUM_BY_PAGE, RUM_PAGES_MEASURED_MAX };
    struct report r;
    size_t count = 0;
    report_begin(&r, &q, a);
    enum status st = read_events(&r, e, ctx, err);
    if (!st && arena_over(a))
        st = err_set(err, ST_LIMIT, "the page loads of the last %d s do not fit in memory", RUM_MEASURE_WINDOW_SECONDS);
    if (!st) {
        struct load *loads = both_rows(&r, &count);
        uint32_t *order = arena_array(a, uint32_t, r.row_count + 1);
        bool *is_shown = arena_zalloc(a, r.row_count + 1);
        size_t shown = rank_rows(&r, order);
        is_shown[ROW_ALL] = true;
        for (size_t i = 0; i < shown; i++)
            is_shown[order[i]] = page_is_named(pages, r.rows[order[i]].key);
        qsort(loads, count, sizeof *loads, by_value);
        for (size_t at = 0, first; at < count;) {
            for (first = at; at < count && loads[at].row == loads[first].row && loads[at].metric == loads[first].metric;)
                at++;
            if (is_shown[loads[first].row])
                put_samples(&r, loads + first, at - first, end_ns / NS_MS, b);
        }
    }
    report_end(&r);
    return st;
}

enum status rum_report(struct engine *e, struct engine_ctx *ctx, const struct rum_query *q, struct arena *a, struct buf *out, struct err *err)
{
    struct report r;
    if (q->end_ns <= q->start_ns || q->step_ns < NS_S || sat_sub(q->end_ns - 1, q->start_ns) / q->step_ns >= RUM_STEPS_MAX)
        return err_set(err, ST_INVALID, "start must lie before end, step be at least 1 s, and steps be at most %d", RUM_STEPS_MAX);
    report_begin(&r, q, a);
    enum status st = read_events(&r, e, ctx, err);
    if (!st && arena_over(a))
        st = err_set(err, ST_LIMIT, "the page loads of this time do not fit in a query's memory; ask for a shorter one");
    if (!st)
        put_report(&r, out);
    report_end(&r);
    return st;
}
