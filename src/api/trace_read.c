/* SPDX-License-Identifier: Apache-2.0 */
/* A search finds the newest spans that fit until it has as many distinct traces as asked for, then reads those traces whole, within
 * TRACE_HOURS_MAX around the hits. */
#include "api/trace_read.h"

#include "base/map.h"
#include "base/num.h"
#include "codec/hex.h"

#include <stdlib.h>

/* ---- traces ---- */

static const struct event *kept(struct arena *a, const struct event *row)
{
    struct event *e = arena_new_of(a, struct event);
    *e = event_copy(a, row);
    return e;
}

static enum status read_spans(struct api_query *q, const struct pred *pred, int64_t start_ns, int64_t end_ns, size_t bytes_max,
                              struct trace_spans *out, struct err *err)
{
    struct events_iter *it;
    struct event_block block;
    unsigned did;
    struct events_query eq = { .start_ns = start_ns, .end_ns = end_ns, .kinds = SPAN_KINDS, .pred = pred, .want = WANT_ALL & ~(unsigned)WANT_OBSERVED,
                               .order = ORDER_TIME_ASC };
    enum status st = q->api->engine->ops->events(q->api->engine, &q->ctx, &eq, &it, &did, err);
    if (st)
        return st;
    while ((st = it->ops->next(it, &block, err)) == ST_OK) {
        for (size_t i = 0; i < block.n; i++)
            ARENA_PUSH(q->arena, out->list, out->count, out->cap) = kept(q->arena, &block.rows[i]);
        if (out->count > TRACE_SPANS_MAX || arena_bytes(q->arena) > bytes_max) {
            st = err_set(err, ST_LIMIT, "the traces have over %d spans or %d bytes, which is the limit of one answer", TRACE_SPANS_MAX,
                         QUERY_RESULT_BYTES_MAX);
            break;
        }
    }
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status trace_read(struct api_query *q, const struct pred *pred, int64_t start_ns, int64_t end_ns, struct trace_spans *out, struct err *err)
{
    return read_spans(q, pred, start_ns, end_ns, QUERY_RESULT_BYTES_MAX, out, err);
}

static int by_trace(const void *a, const void *b)
{
    const struct event *x = *(const struct event *const *)a, *y = *(const struct event *const *)b;
    int order = memcmp(x->trace_id, y->trace_id, 16);
    if (order)
        return order;
    return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

void trace_spans_sort(struct trace_spans *s)
{
    if (s->count)
        qsort(s->list, s->count, sizeof *s->list, by_trace);
}

size_t trace_end(const struct trace_spans *s, size_t from)
{
    size_t end = from + 1;
    while (end < s->count && memcmp(s->list[from]->trace_id, s->list[end]->trace_id, 16) == 0)
        end++;
    return end;
}

enum status trace_id_read(struct slice text, uint8_t id[16], struct err *err)
{
    char padded[32];
    memset(padded, '0', sizeof padded);
    if (text.len > 0 && text.len <= sizeof padded)
        memcpy(padded + sizeof padded - text.len, text.ptr, text.len);
    if (text.len == 0 || text.len > sizeof padded || !hex_decode(slice_of(padded, sizeof padded), id))
        return err_set(err, ST_INVALID, "trace id \"%.*s\" is not valid: 1 to 32 hexadecimal digits", SLICE_FMT(text));
    return ST_OK;
}

enum status trace_read_id(struct api_query *q, struct slice text, struct trace_spans *out, struct err *err)
{
    uint8_t id[16];
    enum status st = trace_id_read(text, id, err);
    if (!st)
        st = trace_read(q, pred_text(q->arena, COL_TRACE_ID, SLICE_EMPTY, arena_copy(q->arena, slice_of(id, sizeof id))), 0, INT64_MAX, out, err);
    if (!st && out->count == 0)
        st = err_set(err, ST_NOT_FOUND, "trace %.*s not found", SLICE_FMT(text));
    return st;
}

struct found {
    uint8_t (*ids)[16];
    size_t count, cap;
    int64_t min_ns, max_ns;
};

/* The newest traces that fit: their ids, and the span of their hits. */
static enum status find_traces(struct api_query *q, const struct trace_search *t, struct found *f, struct err *err)
{
    struct events_iter *it;
    struct event_block block;
    struct map seen;
    unsigned did;
    struct events_query eq = { .start_ns = t->start_ns, .end_ns = t->end_ns, .kinds = SPAN_KINDS, .pred = t->pred,
                               .want = t->fits ? (t->want ? t->want | WANT_TRACE : WANT_ALL) : WANT_TRACE,
                               .order = ORDER_NEWEST };
    enum status st = q->api->engine->ops->events(q->api->engine, &q->ctx, &eq, &it, &did, err);
    if (st)
        return st;
    map_init(&seen);
    while (f->count < t->limit && (st = it->ops->next(it, &block, err)) == ST_OK) {
        for (size_t i = 0; i < block.n && f->count < t->limit; i++) {
            const struct event *e = &block.rows[i];
            struct slice id = slice_of(e->trace_id, sizeof e->trace_id);
            if (map_get(&seen, id) || (t->fits && !t->fits(t->arg, e)))
                continue;
            id = arena_copy(q->arena, id);
            *map_put(&seen, id, NULL) = 1;
            memcpy(&ARENA_PUSH(q->arena, f->ids, f->count, f->cap), id.ptr, id.len);
            f->min_ns = MIN(f->min_ns, e->time_ns);
            f->max_ns = MAX(f->max_ns, e->time_ns);
        }
        if (arena_over(q->arena)) { /* what fits leaves behind */
            st = err_set(err, ST_LIMIT, "the search needs over %d bytes, the limit of one answer; ask for less time", QUERY_RESULT_BYTES_MAX);
            break;
        }
    }
    map_free(&seen);
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* The traces of a search that are still to be read, the newest hit first. */
struct reading {
    const struct found *found;
    uint64_t *spans; /* of each trace; NULL until they are counted */
    bool *is_out;    /* left out of the answer */
    int64_t start_ns, end_ns;
    size_t left;     /* not left out */
};

static struct pred *pred_left(struct api_query *q, const struct reading *r)
{
    uint8_t(*ids)[16] = arena_alloc(q->arena, (r->left + 1) * sizeof *ids); /* which are sorted */
    size_t n = 0;
    for (size_t i = 0; i < r->found->count; i++)
        if (!r->is_out[i])
            memcpy(ids[n++], r->found->ids[i], sizeof *ids);
    return pred_traces(q->arena, ids, n);
}

static void index_left(const struct reading *r, struct map *places)
{
    map_init(places);
    for (size_t i = 0; i < r->found->count; i++)
        if (!r->is_out[i])
            *map_put(places, slice_of(r->found->ids[i], sizeof r->found->ids[i]), NULL) = i;
}

static enum status count_spans(struct api_query *q, struct reading *r, struct err *err)
{
    struct events_iter *it;
    struct event_block block;
    struct map places;
    unsigned did;
    struct events_query eq = { .start_ns = r->start_ns, .end_ns = r->end_ns, .kinds = SPAN_KINDS, .pred = pred_left(q, r), .want = WANT_TRACE,
                               .order = ORDER_NONE };
    enum status st = q->api->engine->ops->events(q->api->engine, &q->ctx, &eq, &it, &did, err);
    if (st)
        return st;
    index_left(r, &places);
    r->spans = arena_zalloc(q->arena, r->found->count * sizeof *r->spans);
    while ((st = it->ops->next(it, &block, err)) == ST_OK)
        for (size_t i = 0; i < block.n; i++) {
            const uint64_t *at = map_get(&places, slice_of(block.rows[i].trace_id, sizeof block.rows[i].trace_id));
            if (at)
                r->spans[*at]++;
        }
    map_free(&places);
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* Leaves out the oldest traces, and those that alone are too large, until the rest has spans_max at most. */
static void leave_out(struct reading *r, uint64_t spans_max)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < r->found->count; i++) {
        if (r->is_out[i] || sum + r->spans[i] <= spans_max) {
            sum += r->is_out[i] ? 0 : r->spans[i];
            continue;
        }
        r->is_out[i] = true;
        r->left--;
    }
}

/* What was read of the traces that stay, but for the last moment, which may not be whole; reading goes on from there. */
static int64_t keep_read(const struct reading *r, size_t from, struct trace_spans *out)
{
    struct map places;
    size_t n = from;
    int64_t last_ns = out->list[out->count - 1]->time_ns;
    index_left(r, &places);
    for (size_t i = from; i < out->count; i++)
        if (out->list[i]->time_ns < last_ns && map_get(&places, slice_of(out->list[i]->trace_id, sizeof out->list[i]->trace_id)))
            out->list[n++] = out->list[i];
    map_free(&places);
    out->count = n;
    return last_ns;
}

/* With more spans than an answer may have, the newest traces that have room. */
static enum status read_found(struct api_query *q, struct reading *r, struct trace_spans *out, struct err *err)
{
    size_t base = out->count, all = r->found->count, bytes_max = QUERY_RESULT_BYTES_MAX / 4 * 3;
    int64_t from_ns = r->start_ns;
    enum status st;
    while ((st = read_spans(q, pred_left(q, r), from_ns, r->end_ns, bytes_max, out, err)) == ST_LIMIT) {
        struct err why = *err;
        bool has_many = out->count > TRACE_SPANS_MAX;
        if (all < 2 || arena_over(q->arena) || out->count == base)
            return st;
        if (r->spans == NULL && (st = count_spans(q, r, err)))
            return st;
        leave_out(r, has_many ? TRACE_SPANS_MAX - base : (out->count - base) / 2);
        if (r->left == 0) {
            *err = why;
            return ST_LIMIT;
        }
        from_ns = keep_read(r, base, out);
        bytes_max = QUERY_RESULT_BYTES_MAX;
    }
    if (!st && r->left < all)
        http_set_header(q->x, SLICE("X-Stoa-Warning"),
                        arena_printf(q->arena, "%zu of the %zu newest traces are left out: together they have over %d spans or %d bytes",
                                     all - r->left, all, TRACE_SPANS_MAX, QUERY_RESULT_BYTES_MAX));
    return st;
}

enum status trace_search(struct api_query *q, const struct trace_search *t, struct trace_spans *out, struct err *err)
{
    struct found f = { .min_ns = INT64_MAX, .max_ns = INT64_MIN };
    int64_t around = TRACE_HOURS_MAX * 3600 * NS_S;
    enum status st = find_traces(q, t, &f, err);
    if (st || f.count == 0)
        return st;
    struct reading r = { .found = &f, .start_ns = sat_sub(f.min_ns, around), .end_ns = sat_add(f.max_ns, around), .left = f.count,
                         .is_out = arena_zalloc(q->arena, f.count) };
    return read_found(q, &r, out, err);
}

/* ---- names ---- */

static const struct slice kinds[] = { SLICE_INIT("unspecified"), SLICE_INIT("internal"), SLICE_INIT("server"), SLICE_INIT("client"),
                                      SLICE_INIT("producer"), SLICE_INIT("consumer") };

struct slice trace_kind_name(unsigned kind)
{
    return kinds[kind < COUNT_OF(kinds) ? kind : 0];
}

int trace_kind_of(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (slice_eq(name, kinds[i]))
            return (int)i;
    return -1;
}

static int by_key(const void *a, const void *b)
{
    return slice_cmp(((const struct map_entry *)a)->key, ((const struct map_entry *)b)->key);
}

struct map_entry *trace_names_in_order(struct arena *a, const struct map *names)
{
    struct map_entry *list = arena_array(a, struct map_entry, names->count + 1), *e;
    size_t n = 0, at = 0;
    while ((e = map_each(names, &at)))
        list[n++] = *e;
    if (n)
        qsort(list, n, sizeof *list, by_key);
    return list;
}

enum status trace_operations(struct api_query *q, struct slice service, struct map *names, struct err *err)
{
    struct events_iter *it;
    unsigned did;
    int64_t now = clock_wall_ns(q->api->clock);
    struct events_query eq = { .start_ns = now - TRACE_LOOKBACK_HOURS * 3600 * NS_S, .end_ns = INT64_MAX, .kinds = SPAN_KINDS,
                               .want = WANT_BODY, .order = ORDER_NONE };
    if (service.len)
        eq.pred = pred_text(q->arena, COL_SERVICE, SLICE_EMPTY, service);
    enum status st = q->api->engine->ops->events(q->api->engine, &q->ctx, &eq, &it, &did, err);
    if (st)
        return st;
    struct event_block block;
    while ((st = it->ops->next(it, &block, err)) == ST_OK) {
        for (size_t i = 0; i < block.n; i++) {
            const struct event *e = &block.rows[i];
            char kind = (char)e->span_kind;
            if (map_get(names, e->body) == NULL)
                *map_put(names, arena_copy(q->arena, e->body), NULL) = (uint64_t)kind;
        }
        if (arena_over(q->arena)) {
            st = err_set(err, ST_LIMIT, "the operations' names have over %d bytes, which is the limit of one answer", QUERY_RESULT_BYTES_MAX);
            break;
        }
    }
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}
