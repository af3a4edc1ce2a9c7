/* SPDX-License-Identifier: Apache-2.0 */
/* Loki: index/stats, index/shards, index/volume, index/volume_range, detected_field/{name}/values, drilldown-limits.
 * https://grafana.com/docs/loki/latest/reference/loki-http-api/
 *
 * A line counts the bytes of its text and of its structured metadata as they came, as often as it weighs when it was sampled. Up to
 * TALLY_LINES_MAX lines are looked at one by one, and the numbers are exact; of more the lines are counted and the bytes estimated
 * (loki_tally.h), so that the answer takes the same time for any window, and says so. */
#include "api/handlers.h"
#include "api/log_text.h"
#include "api/loki_json.h"
#include "api/loki_params.h"
#include "api/loki_tally.h"
#include "api/prom_json.h"
#include "base/map.h"
#include "base/num.h"
#include "logql/logql.h"

#include <math.h>
#include <stdlib.h>

enum {
    VOLUME_LIMIT_DEFAULT = 100,
    VOLUME_LIMIT_MAX = 10 * 1000,
    VOLUME_GROUPS_MAX = 100 * 1000,
    VOLUME_LABELS_MAX = 64,
    FIELD_LINES_DEFAULT = 1000,
    FIELD_LINES_MAX = 10 * 1000,
    FIELD_VALUES_DEFAULT = 1000,
    FIELD_VALUES_MAX = 5000,
    DRILLDOWN_LINES_MAX = 50000
};

struct group {
    struct slice labels;
    uint64_t total, *points; /* points: one of each step */
};

struct index {
    struct api_query q;
    struct api_params p;
    struct slice text;
    struct matcher *matchers;
    size_t matcher_count;
    int64_t start_ns, end_ns, step_ns; /* [start, end); step 0: all in one */
    size_t points, limit;
    struct slice names[VOLUME_LABELS_MAX]; /* labels to group by; none: all */
    size_t name_count;
    bool has_targets, by_labels;
    struct map streams; /* labels of a stream -> how many lines */
    struct map index;   /* labels of a group -> its place in list */
    bool is_over;       /* there are more groups than are counted */
    struct group *list;
    size_t count, cap;
    uint64_t entries, bytes, chunks, stream_count;
    uint64_t looked_at; /* 0: at every line; otherwise bytes and chunks are estimated from so many */
    struct err err;
};

static enum status index_read(struct index *v)
{
    enum status st = api_params_read(v->q.x, &v->p, &v->err);
    v->text = st ? SLICE_EMPTY : api_param(&v->p, SLICE("query"), NULL);
    if (!st)
        st = loki_param_bounds(v->q.api, &v->p, LOKI_META_HOURS_DEFAULT * 3600 * NS_S, &v->start_ns, &v->end_ns, &v->err);
    bool is_all = v->text.len == 0 || slice_eq(slice_trim(v->text), SLICE("{}"));
    if (!st && !is_all)
        st = logql_parse_selector(v->q.arena, v->text, &v->matchers, &v->matcher_count, &v->err);
    return st;
}

static struct loki_tally tally_of(struct index *v)
{
    return (struct loki_tally){ .q = &v->q, .text = v->text, .matchers = v->matchers, .matcher_count = v->matcher_count, .start_ns = v->start_ns,
                                .end_ns = v->end_ns, .step_ns = v->step_ns, .arg = v };
}

/* Line by line; *cut, when asked: there were more than TALLY_LINES_MAX, and what was taken is of some of them. */
static enum status index_lines(struct index *v, void (*take)(struct index *v, const struct event *e), bool *cut)
{
    struct loki_tally t = tally_of(v);
    struct loki_lines l;
    struct event_block block;
    struct events_query eq = { .start_ns = v->start_ns, .end_ns = v->end_ns, .want = WANT_BODY | WANT_FIELDS | WANT_STREAM, .order = ORDER_NONE };
    enum status st = loki_lines_open(&t, &eq, &l, &v->err);
    if (st)
        return st;
    while ((st = l.it->ops->next(l.it, &block, &v->err)) == ST_OK && (st = engine_ctx_check(&v->q.ctx, &v->err)) == ST_OK) {
        uint64_t before = v->entries;
        for (size_t i = 0; i < block.n; i++)
            if (matchers_match(v->matchers, v->matcher_count, block.rows[i].stream)) {
                v->entries++;
                v->bytes += loki_line_bytes(&block.rows[i]);
                take(v, &block.rows[i]);
            }
        v->chunks += v->entries > before;
        if (cut && v->entries > TALLY_LINES_MAX) {
            *cut = true;
            break;
        }
    }
    loki_lines_close(&t, &l);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static void index_begin(struct index *v)
{
    map_init(&v->streams);
    map_init(&v->index);
}

/* Nothing was taken. */
static void index_again(struct index *v)
{
    map_free(&v->streams);
    map_free(&v->index);
    index_begin(v);
    v->list = NULL;
    v->count = v->cap = 0;
    v->entries = v->bytes = v->chunks = 0;
    v->is_over = false;
}

/* What few lines are is said exactly, of many the bytes are estimated: by key, which the tallies are given to put. */
static enum status index_fill(struct index *v, void (*take)(struct index *v, const struct event *e),
                              struct slice (*key)(void *arg, struct slice stream, struct arena *a),
                              void (*put)(struct index *v, const struct loki_tallies *all))
{
    struct loki_tally t = tally_of(v);
    struct loki_tallies all;
    bool cut = false;
    enum status st = index_lines(v, take, &cut);
    if (st || !cut)
        return st;
    t.key = key;
    index_again(v);
    st = loki_tally_estimate(&t, &all, &v->err);
    if (st == ST_UNSUPPORTED)
        return index_lines(v, take, NULL);
    if (st)
        return st;
    v->entries = (uint64_t)llround(all.lines);
    v->bytes = (uint64_t)llround(all.bytes);
    v->chunks = (uint64_t)llround(all.chunks);
    v->looked_at = all.looked_at;
    v->is_over = all.is_over;
    put(v, &all);
    return ST_OK;
}

static void index_end(struct index *v, const char *what, enum status st)
{
    if (st)
        api_fail_text(v->q.x, st == ST_LIMIT ? ST_INVALID : st, &v->err);
    for (size_t i = 0; i < v->matcher_count; i++)
        matcher_destroy(&v->matchers[i]);
    map_free(&v->streams);
    map_free(&v->index);
    api_query_end(&v->q, what, st, &v->err);
    mem_free(v);
}

static struct index *index_new(struct api *api, struct http_exchange *x)
{
    struct index *v = mem_new(struct index);
    if (!api_query_begin(api, x, &v->q)) {
        mem_free(v);
        return NULL;
    }
    index_begin(v);
    return v;
}

/* ---- stats ---- */

static void take_stream(struct index *v, const struct event *e)
{
    uint64_t *at = map_get(&v->streams, e->stream);
    if (at == NULL)
        at = map_put(&v->streams, arena_copy(v->q.arena, e->stream), NULL);
    ++*at;
}

static struct slice stream_key(void *arg, struct slice stream, struct arena *a)
{
    (void)arg;
    (void)a;
    return stream.len ? stream : SLICE("{}"); /* no labels are no key */
}

static void put_streams(struct index *v, const struct loki_tallies *all)
{
    v->stream_count = all->keys;
}

static void put_stats(struct json_writer *w, const struct index *v)
{
    const struct { struct slice key; uint64_t n; } list[] = {
        { SLICE_INIT("streams"), v->looked_at ? v->stream_count : v->streams.count },
        { SLICE_INIT("chunks"), v->chunks },
        { SLICE_INIT("bytes"), v->bytes },
        { SLICE_INIT("entries"), v->entries },
    };
    json_object_begin(w);
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        json_key(w, list[i].key);
        json_uint(w, list[i].n);
    }
    json_object_end(w);
}

/* One shard of all streams: we divide the work of a query by ourselves. */
static void put_shards(struct json_writer *w, const struct index *v)
{
    json_object_begin(w);
    json_key(w, SLICE("shards"));
    json_array_begin(w);
    json_object_begin(w);
    json_key(w, SLICE("bounds"));
    json_object_begin(w);
    json_key(w, SLICE("min"));
    json_uint(w, 0);
    json_key(w, SLICE("max"));
    json_uint(w, UINT64_MAX);
    json_object_end(w);
    json_key(w, SLICE("stats"));
    put_stats(w, v);
    json_object_end(w);
    json_array_end(w);
    loki_stats_put(w, &v->q, NULL);
    json_object_end(w);
}

static void serve_stats(struct api *api, struct http_exchange *x, void (*put)(struct json_writer *w, const struct index *v))
{
    struct index *v = index_new(api, x);
    struct buf out;
    struct json_writer w;
    if (v == NULL)
        return;
    enum status st = index_read(v);
    if (!st)
        st = index_fill(v, take_stream, stream_key, put_streams);
    if (!st) {
        buf_init(&out, 0);
        json_writer_init(&w, &out);
        put(&w, v);
        api_reply_json(x, 200, &out);
    }
    index_end(v, "loki_stats", st);
}

void loki_index_stats(void *user, struct http_exchange *x)
{
    serve_stats(user, x, put_stats);
}

void loki_index_shards(void *user, struct http_exchange *x)
{
    serve_stats(user, x, put_shards);
}

/* ---- volume ---- */

static bool is_target(const struct index *v, struct slice name)
{
    for (size_t i = 0; i < v->name_count; i++)
        if (slice_eq(v->names[i], name))
            return true;
    return false;
}

static enum status add_name(struct index *v, struct slice name)
{
    if (name.len == 0 || is_target(v, name))
        return ST_OK;
    if (v->name_count == VOLUME_LABELS_MAX)
        return err_set(&v->err, ST_LIMIT, "targetLabels: more than %d labels", VOLUME_LABELS_MAX);
    v->names[v->name_count++] = name;
    return ST_OK;
}

static enum status volume_read(struct index *v, bool is_range)
{
    enum status st = index_read(v);
    struct slice by = st ? SLICE_EMPTY : api_param(&v->p, SLICE("aggregateBy"), NULL);
    struct slice targets = st ? SLICE_EMPTY : api_param(&v->p, SLICE("targetLabels"), NULL), one;
    v->has_targets = targets.len > 0;
    v->by_labels = slice_eq(by, SLICE("labels"));
    if (!st && by.len && !v->by_labels && !slice_eq(by, SLICE("series")))
        return err_set(&v->err, ST_INVALID, "invalid aggregation option \"%.*s\": allowed are series and labels", SLICE_FMT(by));
    if (!st)
        st = loki_param_limit(&v->p, SLICE("limit"), VOLUME_LIMIT_DEFAULT, VOLUME_LIMIT_MAX, &v->limit, &v->err);
    while (!st && slice_next(&targets, ',', &one))
        st = add_name(v, slice_trim(one));
    /* Without targets a series is told by the labels that the selector names. */
    for (size_t i = 0; !st && !v->has_targets && !v->by_labels && i < v->matcher_count; i++)
        st = add_name(v, v->matchers[i].name);
    v->points = 1;
    if (st || !is_range)
        return st;
    st = loki_param_step(&v->p, v->start_ns, v->end_ns, &v->step_ns, &v->err);
    if (!st)
        v->points = (size_t)(sat_sub(v->end_ns, v->start_ns) / v->step_ns) + 1;
    return st;
}

static void add_to(struct index *v, struct slice labels, int64_t time_ns, uint64_t bytes)
{
    uint64_t *at = map_get(&v->index, labels);
    if (at == NULL) {
        if (v->count == VOLUME_GROUPS_MAX) {
            v->is_over = true;
            return;
        }
        struct slice copy = arena_copy(v->q.arena, labels);
        uint64_t *points = arena_array(v->q.arena, uint64_t, v->points);
        memset(points, 0, v->points * sizeof *points);
        at = map_put(&v->index, copy, NULL);
        *at = v->count;
        ARENA_PUSH(v->q.arena, v->list, v->count, v->cap) = (struct group){ copy, 0, points };
    }
    struct group *g = &v->list[*at];
    g->total += bytes;
    g->points[v->step_ns ? (size_t)(sat_sub(time_ns, v->start_ns) / v->step_ns) : 0] += bytes;
}

static void add_labels(struct index *v, struct slice stream, int64_t time_ns, uint64_t bytes)
{
    for (struct label l; labels_next(&stream, &l);)
        if (v->name_count == 0 || is_target(v, l.name))
            add_to(v, l.name, time_ns, bytes);
}

/* A stream without a target has no part in the volume. */
static bool has_part(const struct index *v, struct slice stream)
{
    for (size_t i = 0; v->has_targets && !v->by_labels && i < v->name_count; i++)
        if (labels_get(stream, v->names[i]).len == 0)
            return false;
    return true;
}

static void take_volume(struct index *v, const struct event *e)
{
    uint64_t bytes = (uint64_t)llround((double)loki_line_bytes(e) * e->weight);
    v->q.ctx.is_sampled |= e->weight != 1;
    if (v->by_labels) {
        add_labels(v, e->stream, e->time_ns, bytes);
    } else if (has_part(v, e->stream)) {
        struct arena *a = arena_new(0);
        add_to(v, v->name_count ? labels_only(a, e->stream, v->names, v->name_count) : e->stream, e->time_ns, bytes);
        arena_free(a);
    }
}

static struct slice volume_key(void *arg, struct slice stream, struct arena *a)
{
    const struct index *v = arg;
    if (v->by_labels || v->name_count == 0)
        return stream;
    return has_part(v, stream) ? labels_only(a, stream, v->names, v->name_count) : SLICE_EMPTY;
}

static void put_tallies(struct index *v, const struct loki_tallies *all)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct loki_tally_row *r = &all->rows[i];
        (v->by_labels ? add_labels : add_to)(v, r->key, r->time_ns, (uint64_t)llround(r->bytes));
    }
}

static int by_total(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    return x->total != y->total ? (x->total > y->total ? -1 : 1) : slice_cmp(x->labels, y->labels);
}

static void put_metric(struct json_writer *w, const struct index *v, struct slice labels)
{
    json_key(w, SLICE("metric"));
    if (!v->by_labels) {
        prom_json_labels(w, labels);
        return;
    }
    json_object_begin(w);
    json_key(w, labels);
    json_string(w, SLICE_EMPTY);
    json_object_end(w);
}

static void put_volume(struct index *v, bool is_range)
{
    struct buf out;
    struct json_writer w;
    if (v->count)
        qsort(v->list, v->count, sizeof *v->list, by_total);
    prom_json_begin(&w, &out, QUERY_RESULT_BYTES_MAX);
    json_object_begin(&w);
    json_key(&w, SLICE("resultType"));
    json_string(&w, is_range ? SLICE("matrix") : SLICE("vector"));
    json_key(&w, SLICE("result"));
    json_array_begin(&w);
    for (size_t i = 0; i < MIN(v->count, v->limit); i++) {
        const struct group *g = &v->list[i];
        json_object_begin(&w);
        put_metric(&w, v, g->labels);
        json_key(&w, is_range ? SLICE("values") : SLICE("value"));
        if (is_range)
            json_array_begin(&w);
        for (size_t k = 0; k < v->points; k++)
            if (!is_range)
                prom_json_point(&w, v->end_ns / NS_MS, (double)g->points[k]);
            else if (g->points[k])
                prom_json_point(&w, (v->start_ns + (int64_t)k * v->step_ns) / NS_MS, (double)g->points[k]);
        if (is_range)
            json_array_end(&w);
        json_object_end(&w);
    }
    json_array_end(&w);
    loki_stats_put(&w, &v->q, NULL);
    json_object_end(&w);
    if (v->is_over)
        engine_warn(&v->q.ctx, "there are over %d groups of streams: lines of those found later are not counted; group by fewer labels",
                    VOLUME_GROUPS_MAX);
    if (v->q.ctx.is_sampled)
        buf_slice(&v->q.env.infos, SLICE("some of the lines counted are sampled: each counts for as many as it stands for\n"));
    if (v->looked_at)
        buf_printf(&v->q.env.infos, "all lines are counted, and their bytes estimated from %llu of them\n", (unsigned long long)v->looked_at);
    prom_json_reply(v->q.x, &w, &out, buf_as_slice(&v->q.ctx.warnings), buf_as_slice(&v->q.env.infos));
}

static void serve_volume(struct api *api, struct http_exchange *x, bool is_range)
{
    struct index *v = index_new(api, x);
    if (v == NULL)
        return;
    enum status st = volume_read(v, is_range);
    if (!st)
        st = index_fill(v, take_volume, volume_key, put_tallies);
    if (!st && arena_over(v->q.arena))
        st = err_set(&v->err, ST_LIMIT, "the answer needs %zu bytes, at most %d are allowed for one query", arena_bytes(v->q.arena),
                     QUERY_RESULT_BYTES_MAX);
    if (!st)
        put_volume(v, is_range);
    index_end(v, "loki_volume", st);
}

void loki_index_volume(void *user, struct http_exchange *x)
{
    serve_volume(user, x, false);
}

void loki_index_volume_range(void *user, struct http_exchange *x)
{
    serve_volume(user, x, true);
}

/* ---- values of a detected field ---- */

struct values {
    struct arena *a;
    struct map seen;
    struct slice *list;
    size_t count, cap, max;
};

static void take_value(struct values *v, struct slice value)
{
    if (v->count >= v->max || value.len == 0 || map_get(&v->seen, value))
        return;
    struct slice copy = arena_copy(v->a, value);
    map_put(&v->seen, copy, NULL);
    ARENA_PUSH(v->a, v->list, v->count, v->cap) = copy;
}

static void look_for(struct values *out, const struct value *v, struct slice name)
{
    struct log_field fields[LOG_FIELDS_PER_LINE_MAX];
    struct json_parser *json = json_parser_new();
    struct arena *scratch = arena_new(0);
    for (size_t s = 0; s < v->stream_count; s++)
        for (size_t i = 0; i < v->streams[s].n; i++) {
            const struct value_line *line = &v->streams[s].lines[i];
            take_value(out, labels_get(line->metadata, name));
            size_t n = log_fields(scratch, json, line->line, fields, COUNT_OF(fields));
            for (size_t k = 0; k < n; k++)
                if (slice_eq(fields[k].name, name))
                    take_value(out, fields[k].value);
            arena_reset(scratch);
        }
    arena_free(scratch);
    json_parser_free(json);
}

static int by_text(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static void put_values(struct http_exchange *x, struct values *values)
{
    struct buf out;
    struct json_writer w;
    if (values->count)
        qsort(values->list, values->count, sizeof *values->list, by_text);
    buf_init(&out, QUERY_RESULT_BYTES_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, SLICE("values"));
    json_array_begin(&w);
    for (size_t i = 0; i < values->count; i++)
        json_string(&w, values->list[i]);
    json_array_end(&w);
    json_key(&w, SLICE("limit"));
    json_uint(&w, values->max);
    json_object_end(&w);
    api_reply_json(x, 200, &out);
}

void loki_detected_field_values(void *user, struct http_exchange *x)
{
    struct index *v = index_new(user, x);
    struct value found = { 0 };
    struct query_params qp = { .step_ns = NS_S, .direction = DIRECTION_BACKWARD };
    if (v == NULL)
        return;
    struct values values = { .a = v->q.arena };
    map_init(&values.seen);
    enum status st = api_params_read(x, &v->p, &v->err);
    struct slice text = st ? SLICE_EMPTY : api_param(&v->p, SLICE("query"), NULL);
    if (!st)
        st = loki_param_bounds(v->q.api, &v->p, LOKI_META_HOURS_DEFAULT * 3600 * NS_S, &qp.start_ns, &qp.end_ns, &v->err);
    if (!st)
        st = loki_param_limit(&v->p, SLICE("line_limit"), FIELD_LINES_DEFAULT, FIELD_LINES_MAX, &qp.limit, &v->err);
    if (!st)
        st = loki_param_limit(&v->p, SLICE("limit"), FIELD_VALUES_DEFAULT, FIELD_VALUES_MAX, &values.max, &v->err);
    if (!st)
        st = v->q.api->logql->range(&v->q.env, text.len ? text : SLICE("{service_name=~\".+\"}"), &qp, &found, &v->err);
    if (!st && found.type != VALUE_STREAMS)
        st = err_set(&v->err, ST_INVALID, "detected_field: the query gives numbers; give one that selects lines");
    if (!st) {
        look_for(&values, &found, api_path_part(x, SLICE("name")));
        put_values(x, &values);
    }
    map_free(&values.seen);
    index_end(v, "detected_field_values", st);
}

void loki_drilldown_limits(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct slice text = arena_printf(http_arena(x),
                                     "{\"limits\":{\"max_entries_limit_per_query\":%d,\"query_timeout\":\"%llds\",\"retention_period\":\"%llds\","
                                     "\"volume_enabled\":true,\"volume_max_series\":%d},\"pattern_ingester_enabled\":true,\"version\":\"3.0.0\"}",
                                     DRILLDOWN_LINES_MAX, (long long)(api_timeout_ns(api) / NS_S), (long long)(api->retention_ns / NS_S),
                                     VOLUME_LIMIT_MAX);
    http_reply(x, 200, SLICE("application/json"), text);
}
