/* SPDX-License-Identifier: Apache-2.0 */
/* POST /api/stoa/v1/erase {"field", "value", "start", "end", "dry_run"}: takes everything out of the store that has the value in the field.
 * GET /api/stoa/v1/erases: those in force, and how far they have come.
 *
 * Rows are counted first, with dry_run nothing else happens. The erase itself is two tombstones, one for events and one for
 * samples: answers leave the rows out at once, files are rewritten by merges, and rows that come later for the same window
 * never get to a file. What is kept of the value is a salted digest; the audit log gets the field alone. */
#include "api/handlers.h"
#include "base/num.h"
#include "codec/hex.h"
#include "codec/json.h"
#include "store/erase_value.h"

enum { ERASE_SECONDS_MAX = 1800, SELECTOR_NAME_BYTES_MAX = LABEL_NAME_BYTES_MAX };

struct erase {
    struct api_query q;
    struct slice tenant, field, text;
    struct erase_value value;
    int64_t start_ns, end_ns;
    bool dry_run;
    uint64_t logs, spans, other, samples;
};

/* ---- the request ---- */

static enum status read_time(struct arena *a, struct json_value body, struct slice key, int64_t *out_ns, struct err *err)
{
    struct json_value v;
    struct buf text;
    if (!json_get(body, key, &v) || json_type(v) == JSON_NULL)
        return ST_OK;
    buf_init(&text, 0);
    if (json_type(v) == JSON_STRING)
        buf_slice(&text, json_get_string(v));
    else
        json_write_value(v, &text);
    struct slice t = arena_copy(a, buf_as_slice(&text));
    buf_free(&text);
    enum status st = api_parse_time(t, out_ns, err);
    if (st)
        err_prefix(err, "erase: %.*s: ", SLICE_FMT(key));
    return st;
}

static enum status read_text(struct arena *a, struct json_value body, struct slice key, struct slice *out, struct err *err)
{
    struct json_value v;
    struct buf text;
    if (!json_get(body, key, &v))
        return err_set(err, ST_INVALID, "erase: \"%.*s\" is missing: {\"field\":\"user_id\",\"value\":\"42\"} is needed", SLICE_FMT(key));
    buf_init(&text, 0);
    if (json_type(v) == JSON_STRING)
        buf_slice(&text, json_get_string(v));
    else if (json_type(v) != JSON_ARRAY && json_type(v) != JSON_OBJECT)
        json_write_value(v, &text);
    *out = arena_copy(a, buf_as_slice(&text));
    buf_free(&text);
    return ST_OK;
}

static enum status check_keys(struct json_value body, struct err *err)
{
    static const struct slice known[] = { SLICE_INIT("field"), SLICE_INIT("value"), SLICE_INIT("start"), SLICE_INIT("end"), SLICE_INIT("dry_run") };
    struct slice key;
    struct json_value v;
    if (json_type(body) != JSON_OBJECT)
        return err_set(err, ST_INVALID, "erase: expected an object with field and value");
    for (struct json_iter it = json_object(body); json_object_next(&it, &key, &v);) {
        size_t i = 0;
        while (i < COUNT_OF(known) && !slice_eq(known[i], key))
            i++;
        if (i == COUNT_OF(known)) /* a "dryrun" that is not understood would erase */
            return err_set(err, ST_INVALID, "erase: unknown key \"%.*s\"; allowed are field, value, start, end and dry_run", SLICE_FMT(key));
    }
    return ST_OK;
}

static enum status read_body(struct erase *e, struct json_value body, struct err *err)
{
    struct arena *a = e->q.arena;
    struct json_value v;
    enum status st = check_keys(body, err);
    e->start_ns = 0;
    e->end_ns = clock_wall_ns(e->q.api->clock) + NS_S;
    if (!st)
        st = read_text(a, body, SLICE("field"), &e->field, err);
    if (!st)
        st = read_text(a, body, SLICE("value"), &e->text, err);
    if (!st)
        st = read_time(a, body, SLICE("start"), &e->start_ns, err);
    if (!st)
        st = read_time(a, body, SLICE("end"), &e->end_ns, err);
    if (!st && json_get(body, SLICE("dry_run"), &v)) {
        if (json_type(v) != JSON_BOOL)
            return err_set(err, ST_INVALID, "erase: dry_run must be true or false");
        e->dry_run = json_get_bool(v);
    }
    if (!st && e->start_ns >= e->end_ns)
        return err_set(err, ST_INVALID, "erase: start %lld ns is not before end %lld ns", (long long)e->start_ns, (long long)e->end_ns);
    return st ? st : erase_value_make(&e->value, e->field, e->text, err);
}

/* ---- counting ---- */

static void count_event(struct erase *e, const struct event *row, struct arena *scratch)
{
    if (!erase_value_in_event(&e->value, row, scratch))
        return;
    e->logs += row->kind == EVENT_LOG;
    e->spans += row->kind == EVENT_SPAN;
    e->other += row->kind != EVENT_LOG && row->kind != EVENT_SPAN;
}

static enum status count_events(struct erase *e, struct err *err)
{
    struct engine *engine = e->q.api->engine;
    struct events_query q = { .start_ns = e->start_ns, .end_ns = e->end_ns, .kinds = UINT32_MAX, .want = WANT_ALL, .order = ORDER_NONE };
    struct events_iter *it;
    struct event_block block;
    struct arena *scratch = arena_new(0);
    unsigned did;
    enum status st = engine->ops->events(engine, &e->q.ctx, &q, &it, &did, err);
    if (!st) {
        while ((st = it->ops->next(it, &block, err)) == ST_OK && (st = engine_ctx_check(&e->q.ctx, err)) == ST_OK) {
            for (size_t i = 0; i < block.n; i++)
                count_event(e, &block.rows[i], scratch);
            arena_reset(scratch);
        }
        it->ops->close(it);
    }
    arena_free(scratch);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status count_samples(struct erase *e, struct err *err)
{
    struct engine *engine = e->q.api->engine;
    struct matcher m;
    /* A window of whole milliseconds, open at its start. */
    struct samples_query q = { .start_ms = (e->start_ns + NS_MS - 1) / NS_MS - 1, .end_ms = (e->end_ns + NS_MS - 1) / NS_MS - 1 };
    struct samples_iter *it;
    struct series_samples series;
    if (slice_eq(e->field, SLICE("body")) || e->field.len > SELECTOR_NAME_BYTES_MAX || e->text.len > LABEL_VALUE_BYTES_MAX)
        return ST_OK;
    q.matchers = &m;
    q.matcher_count = 1;
    enum status st = matcher_init(&m, MATCH_EQ, e->field, e->text, err);
    if (st)
        return st;
    st = engine->ops->samples(engine, &e->q.ctx, &q, &it, err);
    if (!st) {
        while ((st = it->ops->next(it, &series, err)) == ST_OK)
            e->samples += series.n;
        it->ops->close(it);
    }
    matcher_destroy(&m);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* ---- erasing ---- */

static enum status do_erase(struct erase *e, struct err *err)
{
    struct engine *engine = e->q.api->engine;
    struct tombstone t = { .tenant = e->tenant, .is_events = true, .is_erase = true, .start_ns = e->start_ns, .end_ns = e->end_ns,
                           .selector = SLICE("{}"), .contains = SLICE_EMPTY, .value = e->value };
    t.value.rows = e->logs + e->spans + e->other;
    t.value.made_ns = clock_wall_ns(e->q.api->clock);
    enum status st = engine->ops->erase(engine, &t, err);
    if (!st && !slice_eq(e->field, SLICE("body"))) {
        t.is_events = false;
        t.value.rows = e->samples;
        st = engine->ops->erase(engine, &t, err);
    }
    /* What is in memory and in the log goes to files now, without the erased rows: the log ends. */
    return st ? st : engine->ops->flush(engine, err);
}

static enum status find_id(struct erase *e, uint64_t *id, struct err *err)
{
    struct engine_erase *list;
    size_t count;
    enum status st = e->q.api->engine->ops->erases(e->q.api->engine, e->q.arena, &list, &count, err);
    *id = 0;
    for (size_t i = 0; !st && i < count; i++)
        if (memcmp(list[i].salt, e->value.salt, sizeof list[i].salt) == 0 && list[i].is_events)
            *id = list[i].id;
    return st;
}

static void answer(struct erase *e, uint64_t id)
{
    const struct {
        const char *name;
        uint64_t n;
    } counts[] = { { "logs", e->logs }, { "spans", e->spans }, { "samples", e->samples }, { "other", e->other } };
    struct json_writer w;
    struct buf out;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, SLICE("count"));
    json_uint(&w, e->logs + e->spans + e->other + e->samples);
    json_key(&w, SLICE("counts"));
    json_object_begin(&w);
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        json_key(&w, slice_str(counts[i].name));
        json_uint(&w, counts[i].n);
    }
    json_object_end(&w);
    json_key(&w, SLICE("dry_run"));
    json_bool(&w, e->dry_run);
    json_key(&w, SLICE("id"));
    json_string(&w, id ? arena_printf(e->q.arena, "%llu", (unsigned long long)id) : SLICE_EMPTY);
    json_key(&w, SLICE("start_ms"));
    json_int(&w, e->start_ns / NS_MS);
    json_key(&w, SLICE("end_ms"));
    json_int(&w, e->end_ns / NS_MS);
    json_object_end(&w);
    api_reply_json(e->q.x, 200, &out);
}

static enum status run(struct erase *e, struct json_parser *parser, uint64_t *id, struct err *err)
{
    struct json_value body;
    enum status st = api_write_tenant(e->q.x, &e->tenant, err);
    if (!st)
        st = json_parse(parser, http_body(e->q.x), &body, err);
    if (!st)
        st = read_body(e, body, err);
    if (st)
        return st;
    e->q.ctx.tenants = &e->tenant;
    e->q.ctx.tenant_count = 1;
    e->q.ctx.samples_max = 0; /* an erase that stops half-way would be worse than a slow one */
    e->q.ctx.deadline_mono_ns = e->q.start_mono_ns + ERASE_SECONDS_MAX * NS_S;
    st = count_events(e, err);
    if (!st)
        st = count_samples(e, err);
    if (!st && !e->dry_run)
        st = do_erase(e, err);
    if (!st && !e->dry_run)
        st = find_id(e, id, err);
    if (!st)
        api_audit_note(e->q.x, arena_printf(e->q.arena, "%s field %.*s, value of %zu bytes, from %lld to %lld ms", e->dry_run ? "count" : "erase",
                                            SLICE_FMT(e->field), e->text.len, (long long)(e->start_ns / NS_MS), (long long)(e->end_ns / NS_MS)),
                       e->logs + e->spans + e->other + e->samples);
    return st;
}

void erase_post(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct erase *e = mem_new(struct erase);
    struct err err = { 0 };
    uint64_t id = 0;
    if (!api_query_begin(api, x, &e->q)) {
        mem_free(e);
        return;
    }
    struct json_parser *parser = json_parser_new();
    enum status st = run(e, parser, &id, &err);
    if (st)
        api_fail(x, st, &err);
    else
        answer(e, id);
    json_parser_free(parser);
    api_query_end(&e->q, "erase", st, &err);
    mem_free(e);
}

/* ---- the list ---- */

static void put_erase(struct json_writer *w, struct arena *a, const struct engine_erase *e, const struct engine_erase *samples)
{
    uint64_t parts = e->pending_parts + (samples ? samples->pending_parts : 0), bytes = e->pending_bytes + (samples ? samples->pending_bytes : 0);
    json_object_begin(w);
    json_key(w, SLICE("id"));
    json_string(w, arena_printf(a, "%llu", (unsigned long long)e->id));
    json_key(w, SLICE("field"));
    json_string(w, e->field);
    json_key(w, SLICE("count"));
    json_uint(w, e->rows + (samples ? samples->rows : 0));
    const struct {
        const char *key;
        int64_t ms;
    } times[] = { { "start_ms", e->start_ns / NS_MS }, { "end_ms", e->end_ns / NS_MS }, { "made_ms", e->made_ns / NS_MS } };
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        json_key(w, slice_str(times[i].key));
        json_int(w, times[i].ms);
    }
    json_key(w, SLICE("state"));
    json_string(w, parts ? SLICE("pending") : SLICE("applied"));
    json_key(w, SLICE("pending_parts"));
    json_uint(w, parts);
    json_key(w, SLICE("pending_bytes"));
    json_uint(w, bytes);
    json_object_end(w);
}

void erase_list(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct arena *a = http_arena(x);
    struct engine_erase *list = NULL;
    struct slice tenant;
    struct json_writer w;
    struct buf out;
    struct err err;
    size_t count = 0;
    enum status st = api_write_tenant(x, &tenant, &err);
    if (!st && api->engine->ops->erases)
        st = api->engine->ops->erases(api->engine, a, &list, &count, &err);
    if (st) {
        api_fail(x, st, &err);
        return;
    }
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, SLICE("erases"));
    json_array_begin(&w);
    for (size_t i = 0; i < count; i++) {
        const struct engine_erase *samples = NULL;
        if (!list[i].is_events || !slice_eq(list[i].tenant, tenant))
            continue;
        for (size_t k = 0; k < count; k++)
            if (!list[k].is_events && memcmp(list[k].salt, list[i].salt, sizeof list[k].salt) == 0)
                samples = &list[k];
        put_erase(&w, a, &list[i], samples);
    }
    json_array_end(&w);
    json_object_end(&w);
    api_reply_json(x, 200, &out);
}
