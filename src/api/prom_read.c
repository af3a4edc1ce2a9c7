/* SPDX-License-Identifier: Apache-2.0 */
/* POST /api/v1/read: Prometheus's remote read. https://prometheus.io/docs/specs/prw/remote_read/ and prompb/remote.proto
 *
 * (1) The body is a snappy block with a ReadRequest: queries of matchers and times. Hints are read for the query log alone:
 *     samples come as they are stored.
 * (2) Who accepts STREAMED_XOR_CHUNKS gets frames, { varint length | u32 CRC-32C | ChunkedReadResponse }, each with chunks of
 *     one series, sent while the next is read: so the answer needs no memory to speak of. Who does not gets one snappy block of
 *     samples, within the memory of a query.
 * (3) Once frames are under way the HTTP status is gone. An error then is a frame whose checksum does not match, with the
 *     sentence as its bytes: so a client fails and never takes half an answer for a whole one.
 * (4) Series come in Prometheus's order, by labels sorted by name alone. Ours differs in that __name__ stands first: so those with a
 *     label that sorts before it (one that begins with a capital) are asked for first, held back in memory, encoded, and sorted;
 *     all others are as they come.
 * (5) external_labels are added to series that do not have them; a matcher that asks for one of them finds series without. */
#include <stdlib.h>

#include "api/handlers.h"
#include "api/prom_read.h"
#include "codec/compress.h"
#include "codec/crc32c.h"
#include "codec/proto.h"
#include "codec/xor_chunk.h"
#include "ingest/prom_read_request.h"

enum {
    READ_REQUEST_BYTES_MAX = 1 * MIB,                /* without compression */
    READ_CHUNK_SAMPLES = 120,                        /* as Prometheus cuts its own chunks */
    READ_FRAME_BYTES = 1 * MIB,                      /* then a series goes on in the next frame */
    READ_WRITE_BYTES = 64 * KIB,                     /* frames are put together to pieces of this size */
    READ_EARLY_NAMES_MAX = 16,                       /* that sort before __name__ and are asked for one by one */
    READ_HELD_BYTES_MAX = 256 * MIB,                 /* of series held back, encoded */
    READ_LABELS_MAX = 2 * LABELS_PER_SERIES_MAX + 8  /* of a series, with external labels */
};

enum chunk_type { CHUNK_XOR = 1, CHUNK_FLOAT_HISTOGRAM = 3 };

struct reading {
    struct api_query q;
    struct slice external; /* labels */
    struct prom_read_request request;
    bool has_begun;
    struct buf out, frame, held; /* what is to be sent; the frame under way; series held back */
    struct buf *to;              /* out or held */
    struct crc32c crc;
};

/* ---- series ---- */

static int by_name(const void *a, const void *b)
{
    return slice_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/* In Prometheus's order: by name alone. */
static void put_labels(struct reading *r, const struct series_samples *s, uint32_t field, struct buf *out)
{
    struct label list[READ_LABELS_MAX];
    size_t n = 0;
    struct slice rest = s->labels;
    while (n < READ_LABELS_MAX && labels_next(&rest, &list[n]))
        n++;
    rest = r->external;
    while (n < READ_LABELS_MAX && labels_next(&rest, &list[n]))
        if (labels_get(s->labels, list[n].name).len == 0)
            n++;
    if (r->q.ctx.tenant_count > 1 && n < READ_LABELS_MAX)
        list[n++] = (struct label){ SLICE("__tenant_id__"), s->tenant };
    qsort(list, n, sizeof *list, by_name);
    for (size_t i = 0; i < n; i++) {
        size_t mark = proto_nested_begin(out, field);
        proto_put_bytes(out, 1, list[i].name);
        proto_put_bytes(out, 2, list[i].value);
        proto_nested_end(out, mark);
    }
}

static void put_samples(struct reading *r, const struct series_samples *s)
{
    struct buf *out = r->to;
    size_t series = proto_nested_begin(out, 1);
    put_labels(r, s, 1, out);
    for (size_t i = 0; i < s->n; i++) {
        if (is_histogram(s->v[i])) {
            prom_read_histogram(out, 4, s->t_ms[i], histogram_unbox(s->v[i]));
            continue;
        }
        size_t mark = proto_nested_begin(out, 2);
        proto_put_double(out, 1, s->v[i]);
        proto_put_varint(out, 2, (uint64_t)s->t_ms[i]);
        proto_nested_end(out, mark);
    }
    proto_nested_end(out, series);
}

/* ---- frames ---- */

static enum status send(struct reading *r, struct err *err)
{
    if (!r->has_begun)
        http_begin(r->q.x, 200, SLICE("application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"));
    r->has_begun = true;
    enum status st = r->out.len ? http_write(r->q.x, buf_as_slice(&r->out), err) : ST_OK;
    buf_reset(&r->out);
    return st;
}

static void put_frame(struct reading *r, struct buf *to, struct slice message, uint32_t flip)
{
    uint32_t sum = crc32c_of(&r->crc, message) ^ flip;
    buf_varint(to, message.len);
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_u8(to, (uint8_t)(sum >> shift));
    buf_slice(to, message);
}

/* Samples i and on that go into one chunk: numbers together, a histogram alone. */
static size_t chunk_samples(const struct series_samples *s, size_t i)
{
    size_t n = 1;
    while (!is_histogram(s->v[i]) && i + n < s->n && n < READ_CHUNK_SAMPLES && !is_histogram(s->v[i + n]))
        n++;
    return n;
}

static void put_chunk(struct buf *out, const struct series_samples *s, size_t i, size_t n)
{
    bool boxed = is_histogram(s->v[i]);
    size_t chunk = proto_nested_begin(out, 2);
    proto_put_varint(out, 1, (uint64_t)s->t_ms[i]);
    proto_put_varint(out, 2, (uint64_t)s->t_ms[i + n - 1]);
    proto_put_varint(out, 3, boxed ? CHUNK_FLOAT_HISTOGRAM : CHUNK_XOR);
    size_t data = proto_nested_begin(out, 4);
    if (boxed)
        prom_read_histogram_chunk(out, s->t_ms[i], histogram_unbox(s->v[i]));
    else
        xor_chunk_encode(s->t_ms + i, s->v + i, n, out);
    proto_nested_end(out, data);
    proto_nested_end(out, chunk);
}

static enum status put_chunks(struct reading *r, size_t query, const struct series_samples *s, struct err *err)
{
    enum status st = ST_OK;
    for (size_t i = 0; i < s->n && !st;) {
        buf_reset(&r->frame);
        size_t series = proto_nested_begin(&r->frame, 1);
        put_labels(r, s, 1, &r->frame);
        while (i < s->n && r->frame.len < READ_FRAME_BYTES) {
            size_t n = chunk_samples(s, i);
            put_chunk(&r->frame, s, i, n);
            i += n;
        }
        proto_nested_end(&r->frame, series);
        proto_put_varint(&r->frame, 2, query);
        put_frame(r, r->to, buf_as_slice(&r->frame), 0);
        if (r->to == &r->out && r->out.len >= READ_WRITE_BYTES)
            st = send(r, err);
    }
    return st;
}

/* ---- all of it ---- */

/* Labels that sort before __name__: (4). */
struct early {
    struct slice names[READ_EARLY_NAMES_MAX];
    size_t count;
    bool too_many; /* more than names has room for: then one look goes over all series */
};

/* A series that is held back: its labels in Prometheus's order, and where its bytes lie. */
struct held {
    struct label *labels;
    size_t count, from, len;
};

struct held_list {
    struct held *list;
    size_t count, cap;
};

static bool is_early(struct slice name)
{
    return slice_cmp(name, SLICE("__name__")) < 0;
}

static bool has_early(struct slice labels)
{
    struct label l;
    while (labels_next(&labels, &l))
        if (is_early(l.name))
            return true;
    return false;
}

static struct held hold(struct arena *a, struct slice labels, size_t from, size_t len)
{
    struct held h = { .labels = arena_array(a, struct label, labels_count(labels) + 1), .from = from, .len = len };
    struct slice rest = arena_copy(a, labels);
    while (labels_next(&rest, &h.labels[h.count]))
        h.count++;
    qsort(h.labels, h.count, sizeof *h.labels, by_name);
    return h;
}

static int by_labels(const void *a, const void *b)
{
    const struct held *x = a, *y = b;
    for (size_t i = 0; i < MIN(x->count, y->count); i++) {
        int order = slice_cmp(x->labels[i].name, y->labels[i].name);
        if (order == 0)
            order = slice_cmp(x->labels[i].value, y->labels[i].value);
        if (order)
            return order;
    }
    return x->count < y->count ? -1 : x->count > y->count;
}

static enum status find_early(struct reading *r, const struct prom_read_query *from, struct early *out, struct err *err)
{
    struct name_hit *names;
    size_t count = 0;
    struct names_query nq = { .what = NAMES_LABELS, .start_ns = MAX(from->start_ms, INT64_MIN / NS_MS) * NS_MS,
                              .end_ns = MIN(from->end_ms, INT64_MAX / NS_MS - 1) * NS_MS + NS_MS - 1, .matchers = from->matchers,
                              .matcher_count = from->matcher_count };
    struct engine *engine = r->q.api->engine;
    *out = (struct early){ .count = 0 };
    enum status st = engine->ops->names(engine, &r->q.ctx, &nq, r->q.arena, &names, &count, err);
    for (size_t i = 0; !st && i < count && is_early(names[i].value); i++) {
        out->too_many = out->count == READ_EARLY_NAMES_MAX;
        if (out->too_many)
            break;
        out->names[out->count++] = names[i].value;
    }
    return st;
}

/* Of those that match: what the matchers do not tell apart. */
enum look_for { LOOK_FOR_ALL, LOOK_FOR_EARLY, LOOK_FOR_OTHERS };

/* held NULL: series go out as they come. */
static enum status look(struct reading *r, size_t i, const struct matcher *matchers, size_t matcher_count, enum look_for what,
                        struct held_list *held, struct err *err)
{
    const struct prom_read_query *from = &r->request.queries[i];
    struct engine *engine = r->q.api->engine;
    struct samples_query sq = { .start_ms = from->start_ms > INT64_MIN ? from->start_ms - 1 : INT64_MIN, .end_ms = from->end_ms,
                                .matchers = matchers, .matcher_count = matcher_count };
    struct samples_iter *it;
    struct series_samples s;
    enum status st = engine->ops->samples(engine, &r->q.ctx, &sq, &it, err);
    if (st)
        return st;
    while ((st = it->ops->next(it, &s, err)) == ST_OK) {
        size_t at = r->to->len;
        if (s.n == 0 || (what != LOOK_FOR_ALL && has_early(s.labels) != (what == LOOK_FOR_EARLY)))
            continue;
        if (r->request.is_streamed)
            st = put_chunks(r, i, &s, err);
        else
            put_samples(r, &s);
        if (!st && buf_over(r->to))
            st = err_set(err, ST_LIMIT, "remote read: the answer has over %zu bytes, at most that many are allowed %s", r->to->max,
                         held ? "of series with labels that begin with a capital letter" : "without streaming");
        if (st)
            break;
        if (held)
            ARENA_PUSH(r->q.arena, held->list, held->count, held->cap) = hold(r->q.arena, s.labels, at, r->to->len - at);
    }
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* A look for each early name: at those that have it and none of the names before. all has room for one more each. */
static enum status look_early(struct reading *r, size_t i, const struct early *early, struct matcher *all, size_t count, struct held_list *held,
                              struct err *err)
{
    enum status st = ST_OK;
    if (early->too_many)
        return look(r, i, all, count, LOOK_FOR_EARLY, held, err);
    for (size_t k = 0; k < early->count && !st; k++) {
        st = matcher_init(&all[count + k], MATCH_NE, early->names[k], SLICE_EMPTY, err);
        if (!st)
            st = look(r, i, all, count + k + 1, LOOK_FOR_ALL, held, err);
        if (!st)
            st = matcher_init(&all[count + k], MATCH_EQ, early->names[k], SLICE_EMPTY, err);
    }
    return st;
}

/* (4) */
static enum status run_query(struct reading *r, size_t i, struct err *err)
{
    const struct prom_read_query *from = &r->request.queries[i];
    size_t count = from->matcher_count;
    struct matcher *all = arena_array(r->q.arena, struct matcher, count + READ_EARLY_NAMES_MAX);
    struct held_list held = { .count = 0 };
    struct early early;
    if (count)
        memcpy(all, from->matchers, count * sizeof *all);
    enum status st = find_early(r, from, &early, err);
    buf_reset(&r->held);
    r->to = &r->held;
    if (!st)
        st = look_early(r, i, &early, all, count, &held, err);
    r->to = &r->out;
    if (held.count)
        qsort(held.list, held.count, sizeof *held.list, by_labels);
    for (size_t k = 0; k < held.count && !st; k++) {
        buf_slice(&r->out, slice_sub(buf_as_slice(&r->held), held.list[k].from, held.list[k].from + held.list[k].len));
        if (r->request.is_streamed && r->out.len >= READ_WRITE_BYTES)
            st = send(r, err);
    }
    if (st)
        return st;
    return early.too_many ? look(r, i, all, count, LOOK_FOR_OTHERS, NULL, err) : look(r, i, all, count + early.count, LOOK_FOR_ALL, NULL, err);
}

static enum status run_queries(struct reading *r, struct err *err)
{
    enum status st = ST_OK;
    for (size_t i = 0; i < r->request.count && !st; i++) {
        size_t result = r->request.is_streamed ? 0 : proto_nested_begin(&r->out, 1);
        st = run_query(r, i, err);
        if (!r->request.is_streamed)
            proto_nested_end(&r->out, result);
    }
    return st;
}

static void answer_samples(struct reading *r)
{
    struct buf body;
    buf_init(&body, 0);
    snappy_compress_block(buf_as_slice(&r->out), &body);
    http_set_header(r->q.x, SLICE("Content-Encoding"), SLICE("snappy"));
    http_reply_buf(r->q.x, 200, SLICE("application/x-protobuf"), &body);
}

static void finish_stream(struct reading *r, enum status st, const struct err *err)
{
    struct err gone; /* a peer that left needs no answer */
    if (st)
        put_frame(r, &r->out, slice_str(err->text), UINT32_MAX);
    enum status sent = send(r, &gone);
    (void)sent;
    http_end(r->q.x);
}

static enum status parse(struct reading *r, struct http_exchange *x, struct buf *room, struct err *err)
{
    struct slice body;
    enum status st = body_decode(http_header(x, SLICE("Content-Encoding")), http_body(x), true, READ_REQUEST_BYTES_MAX, room, &body, err);
    return st ? st : prom_read_request_parse(r->q.arena, r->external, body, &r->request, err);
}

/* For the query log and our own spans. */
static struct slice as_text(struct reading *r)
{
    struct buf text;
    buf_init(&text, QUERY_TEXT_BYTES_MAX);
    for (size_t i = 0; i < r->request.count; i++) {
        if (i)
            buf_char(&text, ' ');
        matchers_format(r->request.queries[i].matchers, r->request.queries[i].matcher_count, &text);
    }
    if (r->request.func.len)
        buf_printf(&text, " for %.*s", SLICE_FMT(r->request.func));
    struct slice out = arena_copy(r->q.arena, buf_as_slice(&text));
    buf_free(&text);
    return out;
}

void prom_read(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct reading *r = mem_new(struct reading);
    struct buf room;
    struct err err;
    if (!api_query_begin(api, x, &r->q)) {
        mem_free(r);
        return;
    }
    r->external = api->external_labels ? api->external_labels(api->server, r->q.arena) : SLICE_EMPTY;
    crc32c_init(&r->crc);
    buf_init(&room, 0);
    buf_init(&r->out, QUERY_RESULT_BYTES_MAX);
    buf_init(&r->frame, 0);
    buf_init(&r->held, READ_HELD_BYTES_MAX);
    r->to = &r->out;
    enum status st = parse(r, x, &room, &err);
    r->q.text = as_text(r);
    if (!st)
        st = run_queries(r, &err);
    if (st && !r->has_begun)
        api_fail_text(x, st, &err);
    else if (r->request.is_streamed)
        finish_stream(r, st, &err);
    else
        answer_samples(r);
    prom_read_request_end(&r->request);
    buf_free(&r->out);
    buf_free(&r->frame);
    buf_free(&r->held);
    buf_free(&room);
    api_query_end(&r->q, "remote_read", st, &err);
    mem_free(r);
}
