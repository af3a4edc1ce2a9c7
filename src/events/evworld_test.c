/* SPDX-License-Identifier: Apache-2.0 */
/* The world of the events tests: made to meet every column and codec, with values that repeat and values that do not. */
#include "events/evworld.h"

#include "events/evmem.h"

const int64_t world_start_ns = 1700000000 * NS_S;

static const char *const words[] = { "login", "failed", "user", "GET", "/api/v1/items", "timeout", "after", "retry", "OK", "disk", "alpha42beta" };
static const char *const field_names[] = { "http.method", "http.status_code", "user.id", "retries", "ratio", "cached", "blob", "detail", "host" };

struct slice world_tenant(unsigned i)
{
    return i ? SLICE("blue") : SLICE("default");
}

struct slice world_stream(struct arena *a, unsigned i)
{
    struct label list[3] = { { SLICE("app"), arena_printf(a, "app%u", i % 4) },
                             { SLICE("pod"), i % 3 ? arena_printf(a, "pod-%u", i) : SLICE_EMPTY },
                             { SLICE("zone"), i % 2 ? SLICE("north") : SLICE_EMPTY } };
    struct slice out;
    CHECK(labels_build(a, list, 3, &out, NULL) == ST_OK);
    return out;
}

static void world_start(struct world *w)
{
    static const struct store_kind *const kinds[] = { &events_kind };
    struct store_options opt = { .dir = SLICE("data"), .fs = w->fs, .clock = w->clock, .kinds = kinds, .kind_count = 1,
                                 .no_background = true, .retention_ns = INT64_MAX };
    struct err err = { 0 };
    if (store_open(&w->store, &opt, &err))
        unit_fail(__FILE__, __LINE__, err.text);
}

void world_open(struct world *w)
{
    *w = (struct world){ .arena = arena_new(0), .fs = fs_sim_new(1), .clock = clock_sim_new(world_start_ns + 3 * 86400 * NS_S) };
    w->rows = mem_alloc(WORLD_ROWS_MAX * sizeof *w->rows);
    rand_seed(&w->rand, unit_seed());
    world_start(w);
}

void world_close(struct world *w)
{
    store_close(w->store);
    clock_sim_free(w->clock);
    fs_sim_free(w->fs);
    mem_free(w->rows);
    arena_free(w->arena);
}

void world_restart(struct world *w)
{
    store_close(w->store);
    world_start(w);
}

/* ---- appends ---- */

struct waiter {
    atomic_bool is_done;
    enum status st;
};

static void acked(void *arg, enum status st, const struct err *err)
{
    struct waiter *w = arg;
    w->st = st;
    atomic_store(&w->is_done, true);
}

static void note_row(struct world *w, unsigned tenant, const struct event *e)
{
    CHECK(w->count < WORLD_ROWS_MAX);
    struct world_row *row = &w->rows[w->count];
    *row = (struct world_row){ .tenant = tenant, .e = *e };
    row->e.seq = w->count++;
}

void world_append(struct world *w, unsigned tenant, const struct event *events, size_t count)
{
    struct batch *b = batch_new(0);
    struct waiter waiter = { 0 };
    struct err err = { 0 };
    b->tenant = world_tenant(tenant);
    for (size_t i = 0; i < count; i++) {
        *batch_event(b) = events[i];
        note_row(w, tenant, &events[i]);
    }
    if (store_append(w->store, b, (struct append_ack){ acked, &waiter }, &err))
        unit_fail(__FILE__, __LINE__, err.text);
    while (!atomic_load(&waiter.is_done))
        CHECK(store_tick(w->store, &err) == ST_OK);
    CHECK_INT(waiter.st, ST_OK);
}

void world_append_random(struct world *w, size_t count)
{
    struct event *list = arena_array(w->arena, struct event, count);
    for (size_t i = 0; i < count; i++)
        list[i] = world_event(w, w->arena);
    world_append(w, (unsigned)rand_below(&w->rand, WORLD_TENANTS), list, count);
}

void world_tick(struct world *w)
{
    struct err err = { 0 };
    CHECK(store_tick(w->store, &err) == ST_OK);
}

void world_flush(struct world *w)
{
    struct err err = { 0 };
    if (store_flush(w->store, &err))
        unit_fail(__FILE__, __LINE__, err.text);
}

void world_merge(struct world *w)
{
    struct err err = { 0 };
    if (store_merge(w->store, &err))
        unit_fail(__FILE__, __LINE__, err.text);
}

/* ---- random events ---- */

static struct slice text_any(struct world *w, struct arena *a)
{
    struct buf b;
    buf_init(&b, 0);
    for (uint64_t n = rand_below(&w->rand, 7); n > 0; n--) {
        if (rand_one_in(&w->rand, 4))
            buf_printf(&b, "id=%llu ", (unsigned long long)rand_below(&w->rand, 1u << 30));
        else
            buf_printf(&b, "%s ", words[rand_below(&w->rand, COUNT_OF(words))]);
    }
    struct slice out = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
    return out;
}

static struct field field_any(struct world *w, struct arena *a)
{
    struct field f = { .scope = (uint8_t)rand_below(&w->rand, 3), .type = (uint8_t)rand_below(&w->rand, 6), .text = SLICE_EMPTY };
    f.name = slice_str(field_names[rand_below(&w->rand, COUNT_OF(field_names))]);
    switch ((enum field_type)f.type) {
    case FIELD_STRING:
    case FIELD_BYTES:
    case FIELD_JSON:
        f.text = rand_one_in(&w->rand, 3) ? arena_printf(a, "%u", (unsigned)rand_below(&w->rand, 600)) : text_any(w, a);
        break;
    case FIELD_INT:
        f.i = rand_one_in(&w->rand, 8) ? (int64_t)rand_u64(&w->rand) : (int64_t)rand_below(&w->rand, 600);
        break;
    case FIELD_BOOL:
        f.i = (int64_t)rand_below(&w->rand, 2);
        break;
    case FIELD_DOUBLE:
        f.d = rand_one_in(&w->rand, 3) ? rand_unit(&w->rand) * 1e9 : (double)rand_below(&w->rand, 60000) / 100;
        break;
    }
    return f;
}

static struct field *fields_any(struct world *w, struct arena *a, uint64_t below, uint32_t *count)
{
    *count = (uint32_t)rand_below(&w->rand, below);
    struct field *list = arena_array(a, struct field, *count);
    for (uint32_t i = 0; i < *count; i++)
        list[i] = field_any(w, a);
    return list;
}

static void make_span(struct world *w, struct arena *a, struct event *e)
{
    e->span_kind = (uint8_t)rand_below(&w->rand, 6);
    e->span_status = (uint8_t)rand_below(&w->rand, 3);
    e->duration_ns = (int64_t)rand_below(&w->rand, (uint64_t)NS_S);
    e->span_id[0] = (uint8_t)(1 + rand_below(&w->rand, 200));
    e->parent_id[0] = (uint8_t)rand_below(&w->rand, 220);
    e->body = slice_str(words[rand_below(&w->rand, COUNT_OF(words))]);
    if (rand_one_in(&w->rand, 6))
        e->trace_state = text_any(w, a);
    if (rand_one_in(&w->rand, 6))
        e->status_message = text_any(w, a);
    if (rand_one_in(&w->rand, 5)) {
        e->event_count = 1 + (uint32_t)rand_below(&w->rand, 3);
        e->events = arena_array(a, struct span_event, e->event_count);
        for (uint32_t i = 0; i < e->event_count; i++) {
            e->events[i] = (struct span_event){ .time_ns = e->time_ns + (int64_t)rand_below(&w->rand, 1000), .name = text_any(w, a) };
            e->events[i].fields = fields_any(w, a, 3, &e->events[i].field_count);
        }
    }
    if (rand_one_in(&w->rand, 8)) {
        e->link_count = 1 + (uint32_t)rand_below(&w->rand, 2);
        e->links = arena_zalloc(a, e->link_count * sizeof *e->links);
        for (uint32_t i = 0; i < e->link_count; i++) {
            rand_bytes(&w->rand, e->links[i].trace_id, 16);
            rand_bytes(&w->rand, e->links[i].span_id, 8);
            e->links[i].trace_state = text_any(w, a);
            e->links[i].fields = fields_any(w, a, 3, &e->links[i].field_count);
        }
    }
}

static struct event event_of(struct world *w, struct arena *a, uint8_t kind)
{
    struct event e = { .kind = kind, .weight = 1, .trace_state = SLICE_EMPTY, .status_message = SLICE_EMPTY };
    e.severity = (uint8_t)rand_below(&w->rand, 25);
    e.time_ns = world_start_ns + (int64_t)rand_below(&w->rand, 100000) * (rand_one_in(&w->rand, 3) ? 2 * NS_S : NS_MS);
    e.observed_ns = rand_one_in(&w->rand, 3) ? 0 : e.time_ns + (int64_t)rand_below(&w->rand, 1000);
    e.weight = rand_one_in(&w->rand, 9) ? 2.5f : 1;
    e.class = rand_one_in(&w->rand, 20) ? 3 : 0;
    e.stream = e.kind == EVENT_AUDIT ? SLICE_EMPTY : world_stream(a, (unsigned)rand_below(&w->rand, 14));
    e.service = rand_one_in(&w->rand, 4) ? SLICE_EMPTY : arena_printf(a, "service-%u", (unsigned)rand_below(&w->rand, 5));
    e.body = text_any(w, a);
    if (rand_one_in(&w->rand, 2))
        e.trace_id[15] = (uint8_t)(1 + rand_below(&w->rand, 60));
    if (e.kind == EVENT_SPAN)
        make_span(w, a, &e);
    e.fields = fields_any(w, a, 7, &e.field_count);
    return e;
}

struct event world_event(struct world *w, struct arena *a)
{
    static const uint8_t kinds[] = { EVENT_LOG, EVENT_LOG, EVENT_LOG, EVENT_SPAN, EVENT_SPAN, EVENT_AUDIT };
    return event_of(w, a, kinds[rand_below(&w->rand, COUNT_OF(kinds))]);
}

struct event world_span(struct world *w, struct arena *a)
{
    return event_of(w, a, EVENT_SPAN);
}

/* ---- the same? ---- */

static bool same_fields(const struct field *a, uint32_t a_count, const struct field *b, uint32_t b_count)
{
    bool is_same = a_count == b_count;
    for (uint32_t i = 0; is_same && i < a_count; i++) {
        bool is_text = a[i].type == FIELD_STRING || a[i].type == FIELD_BYTES || a[i].type == FIELD_JSON;
        is_same = a[i].scope == b[i].scope && a[i].type == b[i].type && slice_eq(a[i].name, b[i].name) &&
                  (is_text ? slice_eq(a[i].text, b[i].text) : a[i].i == b[i].i);
    }
    return is_same;
}

static bool same_lists(const struct event *a, const struct event *b)
{
    bool is_same = a->event_count == b->event_count && a->link_count == b->link_count;
    for (uint32_t i = 0; is_same && i < a->event_count; i++)
        is_same = a->events[i].time_ns == b->events[i].time_ns && slice_eq(a->events[i].name, b->events[i].name) &&
                  same_fields(a->events[i].fields, a->events[i].field_count, b->events[i].fields, b->events[i].field_count);
    for (uint32_t i = 0; is_same && i < a->link_count; i++)
        is_same = memcmp(a->links[i].trace_id, b->links[i].trace_id, 16) == 0 && memcmp(a->links[i].span_id, b->links[i].span_id, 8) == 0 &&
                  slice_eq(a->links[i].trace_state, b->links[i].trace_state) &&
                  same_fields(a->links[i].fields, a->links[i].field_count, b->links[i].fields, b->links[i].field_count);
    return is_same;
}

bool world_same(const struct event *a, const struct event *b)
{
    return a->kind == b->kind && a->severity == b->severity && a->span_kind == b->span_kind && a->span_status == b->span_status &&
           a->class == b->class && a->weight == b->weight && a->time_ns == b->time_ns && a->observed_ns == b->observed_ns &&
           a->duration_ns == b->duration_ns && slice_eq(a->stream, b->stream) && slice_eq(a->service, b->service) &&
           slice_eq(a->body, b->body) && memcmp(a->trace_id, b->trace_id, 16) == 0 && memcmp(a->span_id, b->span_id, 8) == 0 &&
           memcmp(a->parent_id, b->parent_id, 8) == 0 && slice_eq(a->trace_state, b->trace_state) &&
           slice_eq(a->status_message, b->status_message) && same_fields(a->fields, a->field_count, b->fields, b->field_count) &&
           same_lists(a, b);
}

/* ---- scans ---- */

static struct event copy_event(struct arena *a, const struct event *e)
{
    struct event c = *e;
    c.stream = arena_copy(a, e->stream);
    c.service = arena_copy(a, e->service);
    c.body = arena_copy(a, e->body);
    c.trace_state = arena_copy(a, e->trace_state);
    c.status_message = arena_copy(a, e->status_message);
    c.fields = evmem_copy_fields(a, e->fields, e->field_count);
    c.events = arena_array(a, struct span_event, e->event_count);
    for (uint32_t i = 0; i < e->event_count; i++) {
        c.events[i] = e->events[i];
        c.events[i].name = arena_copy(a, e->events[i].name);
        c.events[i].fields = evmem_copy_fields(a, e->events[i].fields, e->events[i].field_count);
    }
    c.links = arena_array(a, struct span_link, e->link_count);
    for (uint32_t i = 0; i < e->link_count; i++) {
        c.links[i] = e->links[i];
        c.links[i].trace_state = arena_copy(a, e->links[i].trace_state);
        c.links[i].fields = evmem_copy_fields(a, e->links[i].fields, e->links[i].field_count);
    }
    return c;
}

struct events_query world_query_all(void)
{
    return (struct events_query){ .start_ns = INT64_MIN, .end_ns = INT64_MAX, .kinds = UINT32_MAX, .want = WANT_ALL };
}

struct world_found world_scan(struct world *w, unsigned tenants, const struct events_query *q, struct arena *a)
{
    struct slice names[WORLD_TENANTS];
    size_t name_count = 0, cap = 0, tenant_cap = 0, tenant_count = 0;
    for (unsigned i = 0; i < WORLD_TENANTS; i++)
        if (tenants >> i & 1)
            names[name_count++] = world_tenant(i);
    struct engine_ctx ctx;
    struct events_iter *it;
    struct event_block block;
    struct world_found found = { 0 };
    struct err err = { 0 };
    unsigned did = 0;
    engine_ctx_init(&ctx, names, name_count, w->clock);
    CHECK(events_scan(w->store, &ctx, q, &it, &did, &err) == ST_OK);
    CHECK((did & ENGINE_DID_PRED) && (did & ENGINE_DID_ORDER) && (did & ENGINE_DID_LIMIT));
    enum status st;
    while ((st = it->ops->next(it, &block, &err)) == ST_OK)
        for (size_t i = 0; i < block.n; i++) {
            ARENA_PUSH(a, found.rows, found.count, cap) = copy_event(a, &block.rows[i]);
            ARENA_PUSH(a, found.tenants, tenant_count, tenant_cap) = arena_copy(a, block.tenant);
        }
    CHECK_INT(st, ST_NOT_FOUND);
    it->ops->close(it);
    found.rows_read = ctx.rows_read;
    found.bytes_read = ctx.bytes_read;
    found.has_warnings = ctx.warnings.len != 0;
    engine_ctx_free(&ctx);
    return found;
}
