/* SPDX-License-Identifier: Apache-2.0 */
/* GET /api/stoa/v1/volume: who fills the disk with lines: bytes by level, service or pattern, and what stands out.
 *
 * Lines are counted by service, level and shape (log_text.h) in one pass; whatever is asked for is added up from there. A line
 * counts the bytes of its text and of its structured metadata as they came, before compression. */
#include "api/handlers.h"
#include "api/log_text.h"
#include "base/map.h"
#include "base/num.h"
#include "query/token.h"

#include <stdlib.h>

enum {
    LINES_LOOKED_AT_MAX = 3 * 1000 * 1000,
    SHAPES_MAX = 20 * 1000,        /* further ones are one: "(other)" */
    ROWS_DEFAULT = 100,
    ROWS_MAX = 1000,
    FINDINGS_MAX = 5,
    FINDING_LINES_MIN = 50,        /* of fewer lines nothing is said */
    HOURS_DEFAULT = 6
};
#define DEBUG_SHARE_MIN 0.10 /* a shape of debug lines is told from this share of all bytes on */
#define SHAPE_SHARE_MIN 0.30 /* one of any level */

struct tally {
    struct slice service, level, shape;
    uint64_t lines, bytes;
    bool is_debug;
};

struct volume {
    struct arena *a;
    struct map index;
    struct tally *list;
    size_t count, cap;
    uint64_t lines, bytes;
    bool is_partial, is_sampled;
    struct buf key, shape;
};

static uint64_t bytes_of(const struct event *e)
{
    uint64_t n = e->body.len;
    for (uint32_t i = 0; i < e->field_count; i++) {
        const struct field *f = &e->fields[i];
        if (f->scope != SCOPE_RECORD)
            continue;
        n += f->name.len + (f->type == FIELD_STRING || f->type == FIELD_BYTES || f->type == FIELD_JSON ? f->text.len : sizeof f->i);
    }
    return n;
}

static struct tally *tally_of(struct volume *v, const struct event *e)
{
    struct slice level = severity_name(e->severity);
    buf_reset(&v->shape);
    log_shape(e->body, &v->shape);
    for (int round = 0;; round++) {
        struct slice shape = round ? SLICE("(other)") : buf_as_slice(&v->shape);
        buf_reset(&v->key);
        buf_lenslice(&v->key, e->service);
        buf_lenslice(&v->key, level);
        buf_slice(&v->key, shape);
        uint64_t *at = map_get(&v->index, buf_as_slice(&v->key));
        if (at)
            return &v->list[*at];
        if (v->count >= SHAPES_MAX && round == 0)
            continue;
        *map_put(&v->index, arena_copy(v->a, buf_as_slice(&v->key)), NULL) = v->count;
        ARENA_PUSH(v->a, v->list, v->count, v->cap) = (struct tally){ arena_copy(v->a, e->service), level, arena_copy(v->a, shape), 0, 0,
                                                                      e->severity > SEVERITY_UNKNOWN && e->severity < SEVERITY_INFO };
        return &v->list[v->count - 1];
    }
}

static enum status read_lines(struct api_query *q, struct volume *v, int64_t start_ns, int64_t end_ns, struct err *err)
{
    struct events_iter *it;
    struct event_block block;
    unsigned did;
    struct events_query eq = { .start_ns = start_ns, .end_ns = end_ns, .kinds = 1u << EVENT_LOG, .want = WANT_BODY | WANT_FIELDS,
                               .order = ORDER_NONE };
    enum status st = q->api->engine->ops->events(q->api->engine, &q->ctx, &eq, &it, &did, err);
    if (st)
        return st;
    while (!v->is_partial && (st = it->ops->next(it, &block, err)) == ST_OK)
        for (size_t i = 0; i < block.n; i++) {
            struct tally *t = tally_of(v, &block.rows[i]);
            uint64_t bytes = bytes_of(&block.rows[i]);
            t->lines++;
            t->bytes += bytes;
            v->lines++;
            v->bytes += bytes;
            v->is_sampled |= block.rows[i].weight != 1;
            v->is_partial = v->lines >= LINES_LOOKED_AT_MAX;
        }
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* ---- adding up ---- */

enum by { BY_LEVEL, BY_SERVICE, BY_PATTERN };
static const struct slice by_names[] = { SLICE_INIT("level"), SLICE_INIT("service"), SLICE_INIT("pattern") };

static struct slice key_of(const struct tally *t, enum by by)
{
    switch (by) {
    case BY_LEVEL: return t->level;
    case BY_SERVICE: return t->service;
    case BY_PATTERN: return t->shape;
    }
    return SLICE_EMPTY;
}

static int by_bytes(const void *x, const void *y)
{
    const struct tally *a = x, *b = y;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    int order = slice_cmp(a->shape, b->shape);
    return order ? order : slice_cmp(a->service, b->service);
}

/* By pattern a row is also of one service and level: another service's like lines are another matter. */
static struct tally *add_up(struct volume *v, enum by by, size_t *count)
{
    struct tally *rows = arena_array(v->a, struct tally, v->count + 1);
    size_t n = 0;
    if (by == BY_PATTERN && v->count) {
        memcpy(rows, v->list, v->count * sizeof *rows);
        n = v->count;
    } else {
        map_clear(&v->index);
        for (size_t i = 0; i < v->count; i++) {
            bool added;
            uint64_t *at = map_put(&v->index, key_of(&v->list[i], by), &added);
            if (added) {
                *at = n;
                rows[n++] = (struct tally){ v->list[i].service, v->list[i].level, SLICE_EMPTY, 0, 0, false };
            }
            rows[*at].lines += v->list[i].lines;
            rows[*at].bytes += v->list[i].bytes;
        }
    }
    qsort(rows, n, sizeof *rows, by_bytes);
    *count = n;
    return rows;
}

/* ---- findings ---- */

static double share_of(const struct volume *v, const struct tally *t)
{
    return v->bytes ? (double)t->bytes / (double)v->bytes : 0;
}

/* A rule of our configuration that would have kept these lines out, or most of them. */
static struct slice suggestion(struct arena *a, const struct tally *t)
{
    struct buf yaml;
    struct slice words = log_shape_words(t->shape);
    buf_init(&yaml, 0);
    buf_slice(&yaml, t->is_debug ? SLICE("filters:\n  - {service: ") : SLICE("sampling:\n  - {service: "));
    token_quote(t->service, &yaml);
    if (t->is_debug)
        buf_printf(&yaml, ", level: %.*s", SLICE_FMT(t->level));
    if (words.len) {
        buf_slice(&yaml, SLICE(", contains: "));
        token_quote(words, &yaml);
    }
    buf_slice(&yaml, t->is_debug ? SLICE(", signal: logs}\n") : SLICE(", signal: logs, keep: 10%}\n"));
    struct slice text = arena_copy(a, buf_as_slice(&yaml));
    buf_free(&yaml);
    return text;
}

static void put_findings(struct json_writer *w, struct volume *v)
{
    size_t shown = 0;
    if (v->count)
        qsort(v->list, v->count, sizeof *v->list, by_bytes);
    json_key(w, SLICE("findings"));
    json_array_begin(w);
    for (size_t i = 0; i < v->count && shown < FINDINGS_MAX && v->lines >= FINDING_LINES_MIN; i++) {
        const struct tally *t = &v->list[i];
        if (share_of(v, t) < (t->is_debug ? DEBUG_SHARE_MIN : SHAPE_SHARE_MIN) || slice_eq(t->shape, SLICE("(other)")))
            continue;
        json_object_begin(w);
        json_key(w, SLICE("text"));
        json_string(w, arena_printf(v->a, "%.0f %% of bytes are %.*s lines of %.*s: '%.*s'", 100 * share_of(v, t), SLICE_FMT(t->level),
                                    SLICE_FMT(t->service), SLICE_FMT(t->shape)));
        json_key(w, SLICE("suggestion"));
        json_string(w, suggestion(v->a, t));
        json_object_end(w);
        shown++;
    }
    json_array_end(w);
}

static void put_rows(struct json_writer *w, struct volume *v, enum by by, size_t rows_max)
{
    size_t n;
    struct tally *rows = add_up(v, by, &n);
    json_key(w, SLICE("rows"));
    json_array_begin(w);
    for (size_t i = 0; i < n && i < rows_max; i++) {
        json_object_begin(w);
        json_key(w, SLICE("key"));
        json_string(w, key_of(&rows[i], by));
        if (by == BY_PATTERN) {
            json_key(w, SLICE("service"));
            json_string(w, rows[i].service);
            json_key(w, SLICE("level"));
            json_string(w, rows[i].level);
        }
        json_key(w, SLICE("lines"));
        json_uint(w, rows[i].lines);
        json_key(w, SLICE("bytes"));
        json_uint(w, rows[i].bytes);
        json_key(w, SLICE("share"));
        json_double(w, share_of(v, &rows[i]));
        json_object_end(w);
    }
    json_array_end(w);
}

static enum status serve(struct api_query *q, struct volume *v, struct buf *out, struct err *err)
{
    struct api_params p;
    struct json_writer w;
    int64_t start_ns, end_ns;
    size_t rows_max, by = BY_LEVEL;
    enum status st = api_params_read(q->x, &p, err);
    struct slice text = st ? SLICE_EMPTY : api_param(&p, SLICE("by"), NULL);
    while (!st && text.len && by < COUNT_OF(by_names) && !slice_eq(by_names[by], text))
        by++;
    if (!st && by == COUNT_OF(by_names))
        return err_set(err, ST_INVALID, "invalid parameter \"by\": found \"%.*s\", allowed are level, service and pattern", SLICE_FMT(text));
    if (!st)
        st = api_param_time(&p, SLICE("end"), clock_wall_ns(q->api->clock), &end_ns, err);
    if (!st)
        st = api_param_time(&p, SLICE("start"), sat_sub(end_ns, HOURS_DEFAULT * 3600 * NS_S), &start_ns, err);
    if (!st)
        st = api_param_size(&p, SLICE("limit"), ROWS_DEFAULT, ROWS_MAX, &rows_max, err);
    if (!st)
        st = read_lines(q, v, start_ns, end_ns, err);
    if (st)
        return st;
    json_writer_init(&w, out);
    json_object_begin(&w);
    put_rows(&w, v, (enum by)by, rows_max);
    json_key(&w, SLICE("total_bytes"));
    json_uint(&w, v->bytes);
    json_key(&w, SLICE("total_lines"));
    json_uint(&w, v->lines);
    json_key(&w, SLICE("partial")); /* only the first LINES_LOOKED_AT_MAX lines that came were looked at */
    json_bool(&w, v->is_partial);
    json_key(&w, SLICE("sampled")); /* some stand for others that were not kept; what is told here is what is kept */
    json_bool(&w, v->is_sampled);
    put_findings(&w, v);
    json_object_end(&w);
    return ST_OK;
}

void volume_http(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct buf out;
    struct err err;
    if (!api_query_begin(user, x, &q))
        return;
    struct volume v = { .a = q.arena };
    map_init(&v.index);
    buf_init(&v.key, 0);
    buf_init(&v.shape, 0);
    buf_init(&out, QUERY_RESULT_BYTES_MAX);
    enum status st = serve(&q, &v, &out, &err);
    if (st) {
        buf_free(&out);
        api_fail(x, st, &err);
    } else {
        api_audit_note(x, SLICE("log volume"), v.count);
        api_reply_json(x, 200, &out);
    }
    map_free(&v.index);
    buf_free(&v.key);
    buf_free(&v.shape);
    api_query_end(&q, "volume", st, &err);
}
