/* SPDX-License-Identifier: Apache-2.0 */
#include "api/span_report.h"
#include "base/num.h"

#include <math.h>

#include "api/prom_json.h"
#include "codec/hex.h"

enum { BUCKETS = 460, STATUS_ERROR = 2, PAST_HOURS = 1 };
#define BUCKET_GROWTH 1.05

/* ---- tallies ---- */

static size_t bucket_of(int64_t duration_ns)
{
    double us = (double)duration_ns / 1000;
    if (!(us > 1))
        return 0;
    double i = ceil(log(us) / log(BUCKET_GROWTH));
    return i < BUCKETS - 1 ? (size_t)i : BUCKETS - 1;
}

void span_tally_add(struct arena *a, struct span_tally *t, const struct event *e)
{
    if (t->buckets == NULL)
        t->buckets = arena_zalloc(a, BUCKETS * sizeof *t->buckets);
    t->count += (double)e->weight;
    t->errors += e->span_status == STATUS_ERROR ? (double)e->weight : 0;
    t->seconds += (double)e->duration_ns / 1e9 * (double)e->weight;
    t->buckets[bucket_of(e->duration_ns)] += e->weight;
}

double span_tally_quantile(const struct span_tally *t, double q)
{
    double rank = q * t->count, seen = 0;
    for (size_t i = 0; t->buckets && i < BUCKETS; i++) {
        seen += (double)t->buckets[i];
        if (seen >= rank && t->buckets[i] > 0)
            return pow(BUCKET_GROWTH, (double)i) * (2 / (1 + BUCKET_GROWTH)) / 1e6;
    }
    return NAN;
}

/* ---- a report ---- */

static enum status read_params(struct span_report *r)
{
    enum status st = api_params_read(r->q.x, &r->p, &r->err);
    if (!st)
        st = api_param_time(&r->p, SLICE("end"), clock_wall_ns(r->q.api->clock), &r->end_ns, &r->err);
    if (!st)
        st = api_param_time(&r->p, SLICE("start"), sat_sub(r->end_ns, PAST_HOURS * 3600 * NS_S), &r->start_ns, &r->err);
    if (!st)
        st = api_param_size(&r->p, SLICE("limit"), SPAN_REPORT_LIMIT_DEFAULT, SPAN_REPORT_LIMIT_MAX, &r->limit, &r->err);
    if (!st && r->start_ns >= r->end_ns)
        st = err_set(&r->err, ST_INVALID, "the end must be after the start");
    r->service = st ? SLICE_EMPTY : api_param(&r->p, SLICE("service"), NULL);
    return st;
}

bool span_report_begin(struct api *api, struct http_exchange *x, struct span_report *r)
{
    *r = (struct span_report){ .service = SLICE_EMPTY };
    if (!api_query_begin(api, x, &r->q))
        return false;
    enum status st = read_params(r);
    if (st) {
        span_report_end(r, "spans", st);
        return false;
    }
    r->q.is_running = r->q.has_times = true;
    r->q.from_ns = r->start_ns;
    r->q.to_ns = r->end_ns;
    return true;
}

void span_report_end(struct span_report *r, const char *dialect, enum status st)
{
    if (st)
        api_fail(r->q.x, st, &r->err);
    api_query_end(&r->q, dialect, st, &r->err);
}

enum status span_report_read(struct span_report *r, uint32_t kinds, struct pred *pred, unsigned want, void (*take)(void *arg, const struct event *e),
                             void *arg)
{
    struct engine *engine = r->q.api->engine;
    struct events_iter *it;
    struct event_block block;
    struct preds both = { 0 };
    unsigned did;
    uint64_t seen = 0;
    if (r->service.len)
        preds_add(r->q.arena, &both, pred_text(r->q.arena, COL_SERVICE, SLICE_EMPTY, r->service));
    if (pred)
        preds_add(r->q.arena, &both, pred);
    struct events_query eq = { .start_ns = r->start_ns, .end_ns = r->end_ns, .kinds = kinds, .want = want, .order = ORDER_NEWEST,
                               .pred = both.count ? pred_node(r->q.arena, PRED_AND, &both) : NULL, .limit = SPAN_REPORT_ROWS_MAX + 1 };
    enum status st = engine->ops->events(engine, &r->q.ctx, &eq, &it, &did, &r->err);
    if (st)
        return st;
    while (seen <= SPAN_REPORT_ROWS_MAX && (st = it->ops->next(it, &block, &r->err)) == ST_OK) {
        for (size_t i = 0; i < block.n && seen <= SPAN_REPORT_ROWS_MAX; i++)
            if (++seen <= SPAN_REPORT_ROWS_MAX)
                take(arg, &block.rows[i]);
        if (arena_over(r->q.arena)) {
            st = err_set(&r->err, ST_LIMIT, "the report needs over %zu bytes, the limit of one answer; ask for less time or one service",
                         arena_bytes_max(r->q.arena));
            break;
        }
    }
    it->ops->close(it);
    r->is_part |= seen > SPAN_REPORT_ROWS_MAX;
    r->looked_at += MIN(seen, (uint64_t)SPAN_REPORT_ROWS_MAX);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* ---- answers ---- */

void span_answer_begin(struct span_answer *a)
{
    prom_json_begin(&a->w, &a->out, 0);
    a->w.null_not_nan = true;
    json_object_begin(&a->w);
}

void span_answer_end(struct span_answer *a, struct span_report *r)
{
    if (r->is_part)
        engine_warn(&r->q.ctx, "only the newest %d rows of the window, and at most %d groups of them, were looked at: ask for less time or "
                    "one service", SPAN_REPORT_ROWS_MAX, SPAN_REPORT_GROUPS_MAX);
    json_key(&a->w, SLICE("start_ms"));
    json_int(&a->w, r->start_ns / NS_MS);
    json_key(&a->w, SLICE("end_ms"));
    json_int(&a->w, r->end_ns / NS_MS);
    json_key(&a->w, SLICE("looked_at"));
    json_uint(&a->w, r->looked_at);
    json_key(&a->w, SLICE("partial"));
    json_bool(&a->w, r->is_part);
    json_object_end(&a->w);
    prom_json_reply(r->q.x, &a->w, &a->out, buf_as_slice(&r->q.ctx.warnings), SLICE_EMPTY);
}

void span_json_text(struct json_writer *w, const char *key, struct slice text)
{
    json_key(w, slice_str(key));
    json_string(w, text);
}

void span_json_number(struct json_writer *w, const char *key, double v)
{
    json_key(w, slice_str(key));
    if (isfinite(v))
        json_double(w, v);
    else
        json_raw(w, SLICE("null"));
}

void span_json_id(struct json_writer *w, const char *key, const uint8_t *id, size_t bytes)
{
    char text[32];
    hex_encode(slice_of(id, bytes), text);
    span_json_text(w, key, slice_of(text, 2 * bytes));
}

void span_json_tally(struct json_writer *w, const struct span_report *r, const struct span_tally *t)
{
    double window = (double)sat_sub(r->end_ns, r->start_ns) / 1e9;
    span_json_number(w, "count", t->count);
    span_json_number(w, "errors", t->errors);
    span_json_number(w, "error_ratio", t->count > 0 ? t->errors / t->count : NAN);
    span_json_number(w, "per_second", t->count / window);
    span_json_number(w, "seconds", t->seconds);
    span_json_number(w, "p50_seconds", span_tally_quantile(t, 0.50));
    span_json_number(w, "p95_seconds", span_tally_quantile(t, 0.95));
    span_json_number(w, "p99_seconds", span_tally_quantile(t, 0.99));
}

struct slice span_field_text(struct arena *a, const struct event *e, const char *const *names)
{
    for (size_t i = 0; names[i]; i++) {
        const struct field *f = event_field(e, slice_str(names[i]));
        if (f && f->scope == SCOPE_RECORD)
            return f->type == FIELD_STRING ? f->text : field_text(a, f);
    }
    return SLICE_EMPTY;
}

void span_words_add(struct arena *a, struct span_words *w, struct slice text)
{
    if (text.len == 0 || w->count == SPAN_WORDS_MAX)
        return;
    for (size_t i = 0; i < w->count; i++)
        if (slice_eq(w->list[i], text))
            return;
    w->list[w->count++] = arena_copy(a, text);
}

void span_json_words(struct json_writer *w, const char *key, const struct span_words *words)
{
    json_key(w, slice_str(key));
    json_array_begin(w);
    for (size_t i = 0; i < words->count; i++)
        json_string(w, words->list[i]);
    json_array_end(w);
}
