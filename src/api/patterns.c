/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of log lines (query/patterns.h): GET /loki/api/v1/patterns as Loki has it, and GET /api/stoa/v1/patterns with more.
 *
 * One pass over the lines of a log query gives each line its shape and counts what a shape has: lines by their weights (a
 * sampled line stands for several), bytes, levels, services, times. Then shapes become patterns and their tallies are added up.
 * A comparison reads a second selection, the baseline, into the same shapes, so that both sides have the same patterns. */
#include "api/handlers.h"
#include "api/prom_json.h"
#include "base/num.h"
#include "logql/logql.h"
#include "query/patterns.h"

#include <math.h>
#include <stdlib.h>

enum {
    LINES_LOOKED_AT_MAX = 3 * 1000 * 1000, /* of a side; then the answer is partial */
    BUCKETS_MAX = 500,                     /* a smaller step is made larger by a whole number */
    BUCKETS_DEFAULT = 60,
    PATTERNS_DEFAULT = 100,
    PATTERNS_MAX = 5000,
    EXAMPLE_BYTES_MAX = 2000,
    SERVICES_MAX = 8,                      /* of a pattern that are named */
    SCRATCH_BYTES_MAX = 1 * MIB,
    HOURS_DEFAULT = 1,
    LEVELS = 7                             /* unknown, trace, debug, info, warn, error, fatal */
};

struct tally {
    double count, baseline;                /* lines, by their weights */
    uint64_t bytes;
    double levels[LEVELS];
    int64_t first_ns, last_ns;
    struct slice services[SERVICES_MAX], example;
    size_t service_count;
    double *buckets;                       /* NULL: none yet */
    uint32_t pattern;
};

struct side {
    struct slice query;
    int64_t start_ns, end_ns;              /* [start, end) */
    double count;
    uint64_t lines;
    bool is_partial;
};

enum order { ORDER_COUNT, ORDER_RARE, ORDER_CHANGE };

struct work {
    struct api_query *q;
    struct patterns *p;
    struct side side, baseline;
    bool compares, has_new_since;
    enum order order;
    int64_t step_ns, first_bucket_ns, new_since_ns;
    size_t bucket_count, limit;
    struct tally *list;                    /* by shape, then by pattern */
    size_t count, cap;
    double other, other_baseline, scale;   /* lines of too many shapes; the baseline's count times this is to be expected */
};

/* ---- reading ---- */

static void service_note(struct work *w, struct tally *t, struct slice service)
{
    for (size_t i = 0; i < t->service_count; i++)
        if (slice_eq(t->services[i], service))
            return;
    if (t->service_count < SERVICES_MAX && service.len)
        t->services[t->service_count++] = arena_copy(w->q->arena, service);
}

static void bucket_note(struct work *w, struct tally *t, int64_t time_ns, double weight)
{
    if (t->buckets == NULL)
        t->buckets = arena_zalloc(w->q->arena, w->bucket_count * sizeof *t->buckets);
    size_t at = (size_t)(sat_sub(time_ns, w->first_bucket_ns) / w->step_ns);
    if (at < w->bucket_count)
        t->buckets[at] += weight;
}

static void line_take(struct work *w, struct side *s, const struct event *e, struct slice line)
{
    uint32_t shape = patterns_add(w->p, line);
    double weight = (double)e->weight;
    s->count += weight;
    s->lines++;
    if (shape == PATTERN_NONE) {
        *(s == &w->side ? &w->other : &w->other_baseline) += weight;
        return;
    }
    while (w->count <= shape)
        ARENA_PUSH(w->q->arena, w->list, w->count, w->cap) = (struct tally){ .first_ns = INT64_MAX, .last_ns = INT64_MIN };
    struct tally *t = &w->list[shape];
    if (t->example.ptr == NULL || (s == &w->side && t->count <= 0))
        t->example = arena_copy(w->q->arena, slice_sub(line, 0, EXAMPLE_BYTES_MAX));
    if (s != &w->side) {
        t->baseline += weight;
        return;
    }
    t->count += weight;
    t->bytes += line.len;
    t->levels[MIN((e->severity + 3) / 4, LEVELS - 1)] += weight;
    t->first_ns = MIN(t->first_ns, e->time_ns);
    t->last_ns = MAX(t->last_ns, e->time_ns);
    service_note(w, t, e->service);
    bucket_note(w, t, e->time_ns, weight);
}

/* Which lines of a block are asked for: of a plain selector by the stream alone. */
struct sieve {
    const struct query_lang *lang;
    struct query_rows *rows;
    struct matcher *matchers;
    size_t matcher_count;
    bool is_selector, last_passed;
    struct slice last_stream;
    struct arena *scratch;
};

static bool sieve_passes(struct sieve *f, const struct event *e, struct slice *line)
{
    struct value_line out;
    struct slice labels;
    *line = e->body;
    if (f->is_selector) {
        if (e->stream.ptr != f->last_stream.ptr || e->stream.len != f->last_stream.len) {
            f->last_stream = e->stream;
            f->last_passed = matchers_match(f->matchers, f->matcher_count, e->stream);
        }
        return f->last_passed;
    }
    if (arena_bytes(f->scratch) > SCRATCH_BYTES_MAX)
        arena_reset(f->scratch);
    if (!f->lang->rows_take(f->rows, e, f->scratch, &labels, &out))
        return false;
    *line = out.line;
    return true;
}

static enum status sieve_open(struct work *w, struct slice query, struct sieve *f, struct err *err)
{
    *f = (struct sieve){ .lang = w->q->api->logql };
    enum status st = f->lang->rows_open(query, &f->rows, err);
    if (st)
        return st;
    f->is_selector = logql_parse_selector(w->q->arena, query, &f->matchers, &f->matcher_count, NULL) == ST_OK;
    f->scratch = arena_new(0);
    return ST_OK;
}

static void sieve_close(struct sieve *f)
{
    for (size_t i = 0; i < f->matcher_count; i++)
        matcher_destroy(&f->matchers[i]);
    if (f->rows)
        f->lang->rows_close(f->rows);
    arena_free(f->scratch);
}

static enum status side_read(struct work *w, struct side *s, struct err *err)
{
    struct engine *e = w->q->api->engine;
    struct events_iter *it = NULL;
    struct event_block block;
    struct sieve sieve;
    unsigned did;
    enum status st = sieve_open(w, s->query, &sieve, err);
    if (st)
        return st;
    struct events_query eq = { .start_ns = s->start_ns, .end_ns = s->end_ns, .kinds = 1u << EVENT_LOG, .order = ORDER_NONE,
                               .want = WANT_STREAM | WANT_BODY | (sieve.is_selector ? 0 : WANT_FIELDS | WANT_IDS),
                               .pred = sieve.lang->rows_pred ? sieve.lang->rows_pred(sieve.rows, w->q->arena) : NULL };
    st = e->ops->events(e, &w->q->ctx, &eq, &it, &did, err);
    while (!st && !s->is_partial && (st = it->ops->next(it, &block, err)) == ST_OK) {
        sieve.last_stream = SLICE_EMPTY;
        for (size_t i = 0; i < block.n; i++) {
            struct slice line;
            if (sieve_passes(&sieve, &block.rows[i], &line))
                line_take(w, s, &block.rows[i], line);
        }
        s->is_partial = s->lines >= LINES_LOOKED_AT_MAX;
        if (arena_over(w->q->arena))
            st = err_set(err, ST_LIMIT, "patterns: more memory is needed than a query may have; ask for less time or fewer streams");
    }
    if (it)
        it->ops->close(it);
    sieve_close(&sieve);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* ---- adding up ---- */

static void tally_add(struct work *w, struct tally *into, const struct tally *t)
{
    if (into->example.ptr == NULL || (into->count <= 0 && t->count > 0))
        into->example = t->example;
    into->count += t->count;
    into->baseline += t->baseline;
    into->bytes += t->bytes;
    for (size_t i = 0; i < LEVELS; i++)
        into->levels[i] += t->levels[i];
    into->first_ns = MIN(into->first_ns, t->first_ns);
    into->last_ns = MAX(into->last_ns, t->last_ns);
    for (size_t i = 0; i < t->service_count; i++)
        service_note(w, into, t->services[i]);
    if (into->buckets == NULL)
        into->buckets = t->buckets;
    else if (t->buckets)
        for (size_t i = 0; i < w->bucket_count; i++)
            into->buckets[i] += t->buckets[i];
}

/* By how much the two sides differ, in standard deviations as if lines came by chance. */
static double change_of(const struct work *w, const struct tally *t)
{
    double expected = t->baseline * w->scale;
    return (t->count - expected) / sqrt(t->count + expected + 1);
}

struct ranked {
    double key;
    uint32_t pattern;
};

static int by_key(const void *x, const void *y)
{
    const struct ranked *a = x, *b = y;
    if (a->key < b->key || a->key > b->key)
        return a->key > b->key ? -1 : 1;
    return (a->pattern > b->pattern) - (a->pattern < b->pattern);
}

/* Patterns in the order asked for, those alone that are asked for. */
static struct ranked *rank(struct work *w, size_t *count)
{
    uint32_t n = patterns_join(w->p);
    struct tally *sums = arena_array(w->q->arena, struct tally, n + 1);
    struct ranked *list = arena_array(w->q->arena, struct ranked, n + 1);
    for (uint32_t i = 0; i < n; i++)
        sums[i] = (struct tally){ .first_ns = INT64_MAX, .last_ns = INT64_MIN };
    for (size_t i = 0; i < w->count; i++)
        tally_add(w, &sums[patterns_of_shape(w->p, (uint32_t)i)], &w->list[i]);
    w->list = sums;
    *count = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct tally *t = &sums[i];
        if (w->has_new_since && (t->count <= 0 || t->first_ns < w->new_since_ns))
            continue;
        double key = w->order == ORDER_CHANGE ? fabs(change_of(w, t)) : w->order == ORDER_RARE ? -t->count : t->count;
        list[(*count)++] = (struct ranked){ key, i };
    }
    qsort(list, *count, sizeof *list, by_key);
    return list;
}

static enum status run(struct work *w, struct ranked **list, size_t *count, struct err *err)
{
    enum status st = side_read(w, &w->side, err);
    if (!st && w->compares)
        st = side_read(w, &w->baseline, err);
    if (st)
        return st;
    bool same_query = slice_eq(w->side.query, w->baseline.query);
    if (same_query) /* by time; unlike queries by how many lines they have */
        w->scale = (double)sat_sub(w->side.end_ns, w->side.start_ns) / (double)MAX(sat_sub(w->baseline.end_ns, w->baseline.start_ns), 1);
    else
        w->scale = w->baseline.count > 0 ? w->side.count / w->baseline.count : 0;
    *list = rank(w, count);
    return ST_OK;
}

/* ---- parameters ---- */

static enum status window_read(struct work *w, const struct api_params *p, struct err *err)
{
    struct side *s = &w->side;
    struct slice text = api_param(p, SLICE("step"), NULL);
    enum status st = api_param_time(p, SLICE("end"), clock_wall_ns(w->q->api->clock), &s->end_ns, err);
    if (!st)
        st = api_param_time(p, SLICE("start"), sat_sub(s->end_ns, HOURS_DEFAULT * 3600 * NS_S), &s->start_ns, err);
    if (!st && s->start_ns >= s->end_ns)
        st = err_set(err, ST_INVALID, "the end must be after the start");
    if (!st && text.len)
        st = api_parse_duration(text, &w->step_ns, err);
    if (st)
        return st;
    int64_t range = sat_sub(s->end_ns, s->start_ns);
    if (w->step_ns < NS_S)
        w->step_ns = MAX((range / BUCKETS_DEFAULT + NS_S - 1) / NS_S * NS_S, NS_S);
    if (range / w->step_ns >= BUCKETS_MAX - 1)
        w->step_ns *= range / w->step_ns / (BUCKETS_MAX - 1) + 1;
    w->first_bucket_ns = s->start_ns / w->step_ns * w->step_ns;
    w->bucket_count = (size_t)(sat_sub(s->end_ns - 1, w->first_bucket_ns) / w->step_ns) + 1;
    s->query = api_param(p, SLICE("query"), NULL);
    if (s->query.len == 0)
        s->query = SLICE("{service_name=~\".+\"}");
    return api_param_size(p, SLICE("limit"), PATTERNS_DEFAULT, PATTERNS_MAX, &w->limit, err);
}

static enum status wishes_read(struct work *w, const struct api_params *p, struct err *err)
{
    struct slice compare = api_param(p, SLICE("compare"), NULL), baseline = api_param(p, SLICE("baseline"), NULL);
    struct slice order = api_param(p, SLICE("order"), NULL);
    bool before = slice_eq(compare, SLICE("before")), has_start = false;
    if (compare.len && !before)
        return err_set(err, ST_INVALID, "invalid parameter \"compare\": found \"%.*s\", allowed is before; another query is given as baseline",
                       SLICE_FMT(compare));
    (void)api_param(p, SLICE("baseline_start"), &has_start);
    w->compares = before || baseline.len || has_start;
    int64_t range = sat_sub(w->side.end_ns, w->side.start_ns);
    w->baseline.query = baseline.len ? baseline : w->side.query;
    enum status st = api_param_time(p, SLICE("baseline_start"), before ? sat_sub(w->side.start_ns, range) : w->side.start_ns,
                                    &w->baseline.start_ns, err);
    if (!st)
        st = api_param_time(p, SLICE("baseline_end"), before ? w->side.start_ns : w->side.end_ns, &w->baseline.end_ns, err);
    if (!st)
        st = api_param_time(p, SLICE("new_since"), 0, &w->new_since_ns, err);
    if (st)
        return st;
    (void)api_param(p, SLICE("new_since"), &w->has_new_since);
    w->order = w->compares ? ORDER_CHANGE : ORDER_COUNT;
    if (slice_eq(order, SLICE("rare")))
        w->order = ORDER_RARE;
    else if (slice_eq(order, SLICE("count")))
        w->order = ORDER_COUNT;
    else if (order.len)
        return err_set(err, ST_INVALID, "invalid parameter \"order\": found \"%.*s\", allowed are count and rare", SLICE_FMT(order));
    return ST_OK;
}

/* ---- answers ---- */

static void put_pattern(struct json_writer *j, const struct work *w, uint32_t pattern)
{
    struct buf text;
    buf_init(&text, 0);
    patterns_text(w->p, pattern, &text);
    json_key(j, SLICE("pattern"));
    json_string(j, buf_as_slice(&text));
    buf_free(&text);
}

static void put_samples(struct json_writer *j, const struct work *w, const struct tally *t)
{
    json_key(j, SLICE("samples"));
    json_array_begin(j);
    for (size_t i = 0; t->buckets && i < w->bucket_count; i++) {
        if (t->buckets[i] <= 0)
            continue;
        json_array_begin(j);
        json_int(j, (w->first_bucket_ns + (int64_t)i * w->step_ns) / NS_S);
        json_int(j, (int64_t)(t->buckets[i] + 0.5));
        json_array_end(j);
    }
    json_array_end(j);
}

static void put_number(struct json_writer *j, struct slice key, double v)
{
    json_key(j, key);
    json_double(j, v);
}

static void put_tally(struct json_writer *j, const struct work *w, uint32_t pattern)
{
    static const uint8_t severities[LEVELS] = { 0, SEVERITY_TRACE, SEVERITY_DEBUG, SEVERITY_INFO, SEVERITY_WARN, SEVERITY_ERROR, SEVERITY_FATAL };
    const struct tally *t = &w->list[pattern];
    json_object_begin(j);
    put_pattern(j, w, pattern);
    put_number(j, SLICE("count"), t->count);
    put_number(j, SLICE("share"), w->side.count > 0 ? t->count / w->side.count : 0);
    json_key(j, SLICE("bytes"));
    json_uint(j, t->bytes);
    json_key(j, SLICE("levels"));
    json_object_begin(j);
    for (size_t i = 0; i < LEVELS; i++)
        if (t->levels[i] > 0)
            put_number(j, severity_name(severities[i]), t->levels[i]);
    json_object_end(j);
    json_key(j, SLICE("services"));
    json_array_begin(j);
    for (size_t i = 0; i < t->service_count; i++)
        json_string(j, t->services[i]);
    json_array_end(j);
    if (t->count > 0) {
        json_key(j, SLICE("first_seen_ms"));
        json_int(j, t->first_ns / NS_MS);
        json_key(j, SLICE("last_seen_ms"));
        json_int(j, t->last_ns / NS_MS);
    }
    json_key(j, SLICE("example"));
    json_string(j, t->example);
    put_samples(j, w, t);
    if (w->compares) {
        put_number(j, SLICE("baseline"), t->baseline);
        put_number(j, SLICE("expected"), t->baseline * w->scale);
        put_number(j, SLICE("change"), change_of(w, t));
    }
    json_object_end(j);
}

static bool is_sampled(const struct side *s)
{
    return fabs(s->count - (double)s->lines) > 0.5;
}

static void put_own(struct json_writer *j, const struct work *w, const struct ranked *list, size_t n)
{
    json_object_begin(j);
    json_key(j, SLICE("patterns"));
    json_array_begin(j);
    for (size_t i = 0; i < MIN(n, w->limit); i++)
        put_tally(j, w, list[i].pattern);
    json_array_end(j);
    json_key(j, SLICE("found"));
    json_uint(j, n);
    put_number(j, SLICE("lines"), w->side.count);
    put_number(j, SLICE("other_lines"), w->other); /* of shapes that were too many */
    if (w->compares) {
        put_number(j, SLICE("baseline_lines"), w->baseline.count);
        put_number(j, SLICE("other_baseline_lines"), w->other_baseline);
    }
    put_number(j, SLICE("step"), (double)w->step_ns / 1e9);
    json_key(j, SLICE("sampled"));
    json_bool(j, is_sampled(&w->side) || is_sampled(&w->baseline));
    json_key(j, SLICE("partial"));
    json_bool(j, w->side.is_partial || w->baseline.is_partial || w->other > 0 || w->other_baseline > 0);
    json_object_end(j);
}

static void put_loki(struct json_writer *j, const struct work *w, const struct ranked *list, size_t n)
{
    json_object_begin(j);
    json_key(j, SLICE("status"));
    json_string(j, SLICE("success"));
    json_key(j, SLICE("data"));
    json_array_begin(j);
    for (size_t i = 0; i < MIN(n, w->limit); i++) {
        json_object_begin(j);
        put_pattern(j, w, list[i].pattern);
        put_samples(j, w, &w->list[list[i].pattern]);
        json_object_end(j);
    }
    json_array_end(j);
    if (is_sampled(&w->side)) {
        json_key(j, SLICE("infos"));
        json_array_begin(j);
        json_string(j, SLICE("some of the lines counted are sampled: each counts for as many as it stands for"));
        json_array_end(j);
    }
    json_object_end(j);
}

static void serve(struct api *api, struct http_exchange *x, bool is_loki)
{
    struct api_query q;
    struct api_params p;
    struct json_writer j;
    struct ranked *list = NULL;
    struct buf out;
    struct err err;
    size_t n = 0;
    if (!api_query_begin(api, x, &q))
        return;
    struct work w = { .q = &q, .p = patterns_new(), .side.query = SLICE_EMPTY };
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        st = window_read(&w, &p, &err);
    if (!st && !is_loki)
        st = wishes_read(&w, &p, &err);
    q.text = arena_copy(q.arena, w.side.query);
    if (!st)
        st = run(&w, &list, &n, &err);
    if (st) {
        is_loki ? api_fail_text(x, st, &err) : api_fail(x, st, &err);
    } else {
        buf_init(&out, QUERY_RESULT_BYTES_MAX);
        json_writer_init(&j, &out);
        is_loki ? put_loki(&j, &w, list, n) : put_own(&j, &w, list, n);
        api_audit_note(x, SLICE_EMPTY, n);
        api_reply_json(x, 200, &out);
    }
    patterns_free(w.p);
    api_query_end(&q, "patterns", st, &err);
}

void loki_patterns(void *user, struct http_exchange *x)
{
    serve(user, x, true);
}

void patterns_http(void *user, struct http_exchange *x)
{
    serve(user, x, false);
}
