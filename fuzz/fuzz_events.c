/* SPDX-License-Identifier: Apache-2.0 */
/* Round trip of log records through a store on an imitated disk: memory, part, merge, restart, read. Whatever bytes a line and its
 * fields have come out the same, in the order they came; a search for a part of one finds just the rows that have it.
 *
 * Input: records, each of a head byte, a second byte, a line and fields. Bit 7 of the head: the line has two bytes of length before
 * it and may be of any bytes; else it ends at 0x1e, as does each field's name (at 0x1f) and value. Bits 0 to 2: fields; 3: a
 * request ends here; 4: a flush behind it; 5: a merge, too; 6: the time goes back. */
#include "events/events.h"
#include "fuzz/fuzz.h"
#include "model/batch.h"
#include "store/store.h"
#include "sys/clock.h"
#include "sys/file_sim.h"

enum { RECORDS_MAX = 300, FIELDS_MAX = 7, NEEDLE_BYTES_MAX = 24 };

struct trip {
    struct arena *a;
    struct fs *fs;
    struct clock *clock;
    struct store *store;
    struct event rows[RECORDS_MAX];
    size_t count, sent;
    int64_t time_ns;
};

static const int64_t start_ns = 1767225600 * NS_S;

static void start(struct trip *t)
{
    static const struct store_kind *const kinds[] = { &events_kind };
    struct store_options opt = { .dir = SLICE("data"), .fs = t->fs, .clock = t->clock, .kinds = kinds, .kind_count = 1,
                                 .no_background = true, .retention_ns = INT64_MAX };
    struct err err;
    MUST(store_open(&t->store, &opt, &err) == ST_OK);
}

/* ---- records out of bytes ---- */

static uint8_t byte_next(struct slice *rest)
{
    uint8_t c = rest->len ? (uint8_t)rest->ptr[0] : 0;
    *rest = slice_skip(*rest, 1);
    return c;
}

static struct slice text_next(struct slice *rest, char end)
{
    size_t at = slice_find_char(*rest, end, 0);
    struct slice text = slice_sub(*rest, 0, at == SIZE_MAX ? rest->len : at);
    *rest = slice_skip(*rest, text.len + 1);
    return text;
}

static struct slice line_next(struct slice *rest, bool is_counted)
{
    if (!is_counted)
        return text_next(rest, 0x1e);
    size_t low = byte_next(rest), len = low | (size_t)byte_next(rest) << 8;
    struct slice text = slice_sub(*rest, 0, len);
    *rest = slice_skip(*rest, len);
    return text;
}

static struct field field_next(struct slice *rest, uint8_t kind)
{
    struct field f = { .scope = kind % 3, .type = kind / 3 % 6 };
    f.name = slice_sub(text_next(rest, 0x1f), 0, EVENT_FIELD_NAME_BYTES_MAX);
    f.text = SLICE_EMPTY;
    struct slice value = text_next(rest, 0x1e);
    if (f.type == FIELD_STRING || f.type == FIELD_BYTES || f.type == FIELD_JSON)
        f.text = value;
    else if (f.type == FIELD_BOOL)
        f.i = value.len & 1;
    else
        memcpy(&f.i, value.ptr, MIN(value.len, sizeof f.i));
    return f;
}

/* What stands in it stays as long as the input. */
static uint8_t record_next(struct trip *t, struct slice *rest)
{
    static const struct label streams[4] = { { SLICE_INIT("app"), SLICE_INIT("a") }, { SLICE_INIT("app"), SLICE_INIT("b") },
                                             { SLICE_INIT("job"), SLICE_INIT("a") }, { SLICE_INIT("app"), SLICE_INIT("") } };
    uint8_t head = byte_next(rest), second = byte_next(rest);
    struct event *e = &t->rows[t->count++];
    struct label label = streams[second & 3];
    *e = (struct event){ .kind = EVENT_LOG, .severity = second % 25, .weight = second & 4 ? 2.5f : 1, .trace_state = SLICE_EMPTY,
                         .status_message = SLICE_EMPTY, .service = second & 8 ? SLICE("shop") : SLICE_EMPTY };
    MUST(labels_build(t->a, &label, 1, &e->stream, NULL) == ST_OK);
    t->time_ns += (head & 0x40 ? -1 : 1) * (int64_t)(second >> 4) * (second & 16 ? NS_S : 777);
    e->time_ns = t->time_ns;
    e->observed_ns = second & 32 ? t->time_ns + second : 0;
    e->trace_id[15] = second & 64 ? head : 0;
    e->body = line_next(rest, head & 0x80);
    e->field_count = head & 7;
    e->fields = arena_array(t->a, struct field, FIELDS_MAX);
    for (uint32_t i = 0; i < e->field_count; i++)
        e->fields[i] = field_next(rest, byte_next(rest));
    return head;
}

/* ---- through the store ---- */

struct port {
    struct engine engine;
    struct store *store;
};

static enum status port_append(struct engine *e, struct batch *b, struct append_ack ack, struct err *err)
{
    return store_append(((struct port *)e)->store, b, ack, err);
}

/* seq is LSN and place in the request. */
static void send(struct trip *t)
{
    static const struct engine_ops ops = { .append = port_append };
    struct port port = { { &ops }, t->store };
    struct err err;
    struct batch *b = batch_new(0);
    b->tenant = SLICE("default");
    for (size_t i = t->sent; i < t->count; i++)
        *batch_event(b) = t->rows[i];
    batch_take(b);
    MUST(engine_append_wait(&port.engine, b, &err) == ST_OK);
    for (size_t place = 0; t->sent < t->count; t->sent++)
        t->rows[t->sent].seq = b->lsn << 20 | place++;
    batch_drop(b);
}

static bool same_fields(const struct event *x, const struct event *y)
{
    bool same = x->field_count == y->field_count;
    for (uint32_t i = 0; same && i < x->field_count; i++) {
        const struct field *f = &x->fields[i], *g = &y->fields[i];
        bool is_text = f->type == FIELD_STRING || f->type == FIELD_BYTES || f->type == FIELD_JSON;
        same = f->scope == g->scope && f->type == g->type && slice_eq(f->name, g->name) && (is_text ? slice_eq(f->text, g->text) : f->i == g->i);
    }
    return same;
}

static void must_be_same(const struct event *x, const struct event *y)
{
    MUST(slice_eq(x->body, y->body));
    MUST(x->time_ns == y->time_ns && x->observed_ns == y->observed_ns);
    MUST(x->kind == y->kind && x->severity == y->severity && x->weight == y->weight);
    MUST(slice_eq(x->stream, y->stream) && slice_eq(x->service, y->service));
    MUST(memcmp(x->trace_id, y->trace_id, 16) == 0);
    MUST(same_fields(x, y));
}

/* Rows that have needle: each is what was sent, and none is missing. */
static void read_back(struct trip *t, struct slice needle, enum event_order order)
{
    struct pred pred = { .op = PRED_CONTAINS, .column = COL_BODY, .scope = -1, .text = needle };
    struct events_query q = { .start_ns = INT64_MIN, .end_ns = INT64_MAX, .kinds = UINT32_MAX, .pred = needle.len ? &pred : NULL,
                              .want = WANT_ALL, .order = order };
    struct slice tenant = SLICE("default");
    struct engine_ctx ctx;
    struct events_iter *it;
    struct event_block block;
    struct err err;
    unsigned did;
    bool seen[RECORDS_MAX] = { false };
    int64_t last_ns = INT64_MIN;
    size_t found = 0, wanted = 0;
    enum status st;
    engine_ctx_init(&ctx, &tenant, 1, t->clock);
    MUST(events_scan(t->store, &ctx, &q, &it, &did, &err) == ST_OK);
    while ((st = it->ops->next(it, &block, &err)) == ST_OK)
        for (size_t i = 0; i < block.n; i++, found++) {
            const struct event *e = &block.rows[i];
            size_t at = 0;
            while (at < t->sent && !(t->rows[at].seq == e->seq && !seen[at]))
                at++;
            MUST(at < t->sent);
            seen[at] = true;
            must_be_same(e, &t->rows[at]);
            MUST(order != ORDER_TIME_ASC || e->time_ns >= last_ns);
            last_ns = e->time_ns;
        }
    MUST(st == ST_NOT_FOUND && ctx.warnings.len == 0);
    it->ops->close(it);
    engine_ctx_free(&ctx);
    for (size_t i = 0; i < t->sent; i++) {
        bool has = needle.len == 0 || slice_contains(t->rows[i].body, needle);
        MUST(has == seen[i]);
        wanted += has;
    }
    MUST(found == wanted);
}

/* A part of a line that is there, and one that may not be. */
static void look(struct trip *t, uint8_t dice)
{
    if (t->sent == 0)
        return;
    struct slice line = t->rows[dice % t->sent].body;
    size_t from = line.len ? dice * 7u % line.len : 0;
    read_back(t, SLICE_EMPTY, ORDER_TIME_ASC);
    read_back(t, slice_sub(line, from, from + 1 + dice % NEEDLE_BYTES_MAX), ORDER_NONE);
    line = t->rows[0].body;
    read_back(t, slice_sub(line, 0, dice % NEEDLE_BYTES_MAX), ORDER_TIME_DESC);
}

static void request(struct trip *t, uint8_t head)
{
    struct err err;
    if (t->count > t->sent)
        send(t);
    if (head & 16)
        MUST(store_flush(t->store, &err) == ST_OK);
    if (head & 32)
        MUST(store_merge(t->store, &err) == ST_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct trip trip;
    struct trip *t = &trip;
    struct slice rest = slice_of(data, size);
    struct err err;
    uint8_t dice = size ? data[size / 2] : 0;
    *t = (struct trip){ .a = arena_new(0), .fs = fs_sim_new(1), .clock = clock_sim_new(start_ns + 86400 * NS_S), .time_ns = start_ns };
    start(t);
    while (rest.len && t->count < RECORDS_MAX) {
        uint8_t head = record_next(t, &rest);
        if (head & 8)
            request(t, head);
    }
    request(t, 0);
    look(t, dice);
    MUST(store_flush(t->store, &err) == ST_OK);
    look(t, dice + 1);
    MUST(store_merge(t->store, &err) == ST_OK);
    look(t, dice + 2);
    store_close(t->store);
    start(t);
    look(t, dice + 3);
    store_close(t->store);
    fs_sim_free(t->fs);
    clock_sim_free(t->clock);
    arena_free(t->a);
    return 0;
}
