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

enum status trace_read(struct api_query *q, const struct pred *pred, int64_t start_ns, int64_t end_ns, struct trace_spans *out, struct err *err)
{
    struct events_iter *it;
    struct event_block block;
    unsigned did;
    struct events_query eq = { .start_ns = start_ns, .end_ns = end_ns, .kinds = SPAN_KINDS, .pred = pred, .want = WANT_ALL, .order = ORDER_TIME_ASC };
    enum status st = q->api->engine->ops->events(q->api->engine, &q->ctx, &eq, &it, &did, err);
    if (st)
        return st;
    while ((st = it->ops->next(it, &block, err)) == ST_OK) {
        for (size_t i = 0; i < block.n; i++)
            ARENA_PUSH(q->arena, out->list, out->count, out->cap) = kept(q->arena, &block.rows[i]);
        if (out->count > TRACE_SPANS_MAX || arena_over(q->arena)) {
            st = err_set(err, ST_LIMIT, "the traces have over %d spans or %d bytes, which is the limit of one answer", TRACE_SPANS_MAX,
                         QUERY_RESULT_BYTES_MAX);
            break;
        }
    }
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
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
                               .want = t->fits ? WANT_ALL : WANT_IDS,
                               .order = ORDER_TIME_DESC };
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

enum status trace_search(struct api_query *q, const struct trace_search *t, struct trace_spans *out, struct err *err)
{
    struct found f = { .min_ns = INT64_MAX, .max_ns = INT64_MIN };
    int64_t around = TRACE_HOURS_MAX * 3600 * NS_S;
    enum status st = find_traces(q, t, &f, err);
    if (st || f.count == 0)
        return st;
    return trace_read(q, pred_traces(q->arena, f.ids, f.count), sat_sub(f.min_ns, around), sat_add(f.max_ns, around), out, err);
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
