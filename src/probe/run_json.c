/* SPDX-License-Identifier: Apache-2.0 */
/* A run as JSON: what the API shows, what is stored as a log line, and what travels from an agent to the server. Phases
 * and durations are milliseconds with fractions; start_ns is a decimal text, for JSON's numbers are too short for it. */
#include "probe/run.h"

#include <math.h>
#include <stddef.h>

#include "base/num.h"
#include "codec/hex.h"

#define TIME_MAX_NS (INT64_MAX / 2) /* so that adding a duration cannot overflow */

static const struct {
    struct slice name;
    size_t at;
} phases[] = {
    { SLICE_INIT("dns"), offsetof(struct run_step, resolve_ns) },       { SLICE_INIT("connect"), offsetof(struct run_step, connect_ns) },
    { SLICE_INIT("tls"), offsetof(struct run_step, tls_ns) },           { SLICE_INIT("request"), offsetof(struct run_step, request_ns) },
    { SLICE_INIT("first_byte"), offsetof(struct run_step, first_byte_ns) }, { SLICE_INIT("transfer"), offsetof(struct run_step, transfer_ns) },
};

static int64_t *phase_at(struct run_step *s, size_t i)
{
    return (int64_t *)(void *)((char *)s + phases[i].at);
}

/* ---- writing ---- */

static void put_text(struct json_writer *w, struct slice key, struct slice v)
{
    json_key(w, key);
    json_string(w, v);
}

static void put_int(struct json_writer *w, struct slice key, int64_t v)
{
    json_key(w, key);
    json_int(w, v);
}

static void put_bool(struct json_writer *w, struct slice key, bool v)
{
    json_key(w, key);
    json_bool(w, v);
}

static void put_ms(struct json_writer *w, struct slice key, int64_t ns)
{
    json_key(w, key);
    json_double(w, (double)ns / 1e6);
}

static void put_hex(struct json_writer *w, struct slice key, const uint8_t *bytes, size_t n)
{
    char text[2 * RUN_ID_BYTES];
    hex_encode(slice_of(bytes, n), text);
    put_text(w, key, slice_of(text, 2 * n));
}

static void put_ns_text(struct json_writer *w, struct slice key, int64_t ns)
{
    char text[NUM_TEXT_BYTES_MAX];
    put_text(w, key, slice_of(text, num_format_i64(ns, text)));
}

static void write_step(struct json_writer *w, const struct run_step *s)
{
    json_object_begin(w);
    put_text(w, SLICE("name"), s->name);
    put_text(w, SLICE("method"), s->method);
    put_text(w, SLICE("url"), s->url);
    put_bool(w, SLICE("ran"), s->ran);
    put_bool(w, SLICE("ok"), s->ok);
    put_text(w, SLICE("error"), s->error);
    put_int(w, SLICE("status"), s->status);
    put_ns_text(w, SLICE("start_ns"), s->start_ns);
    put_ms(w, SLICE("duration_ms"), s->total_ns);
    json_key(w, SLICE("phases_ms"));
    json_object_begin(w);
    for (size_t i = 0; i < COUNT_OF(phases); i++)
        put_ms(w, phases[i].name, *phase_at((struct run_step *)s, i));
    json_object_end(w);
    put_int(w, SLICE("redirects"), s->redirects);
    put_int(w, SLICE("http_version"), s->http_version);
    put_text(w, SLICE("ip"), s->ip);
    put_bool(w, SLICE("tls"), s->is_tls);
    put_int(w, SLICE("bytes"), (int64_t)s->body_bytes);
    put_int(w, SLICE("certificate_expiry_ms"), s->certificate_expiry_ms);
    put_hex(w, SLICE("span_id"), s->span_id, sizeof s->span_id);
    json_object_end(w);
}

void run_write(const struct run *r, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    put_hex(&w, SLICE("id"), r->id, sizeof r->id);
    put_text(&w, SLICE("check"), r->check);
    put_text(&w, SLICE("location"), r->location);
    put_int(&w, SLICE("t_ms"), r->start_ns / NS_MS);
    put_ns_text(&w, SLICE("start_ns"), r->start_ns);
    put_bool(&w, SLICE("ok"), r->ok);
    put_ms(&w, SLICE("duration_ms"), r->duration_ns);
    put_text(&w, SLICE("failed_step"), r->failed_step);
    put_text(&w, SLICE("error"), r->error);
    put_hex(&w, SLICE("trace_id"), r->trace_id, sizeof r->trace_id);
    put_hex(&w, SLICE("span_id"), r->span_id, sizeof r->span_id);
    put_int(&w, SLICE("every_ms"), r->every_ns / NS_MS);
    json_key(&w, SLICE("steps"));
    json_array_begin(&w);
    for (size_t i = 0; i < r->step_count; i++)
        write_step(&w, &r->steps[i]);
    json_array_end(&w);
    json_object_end(&w);
}

/* ---- reading: what a client of ours wrote, but checked as anything from outside ---- */

struct reading {
    struct arena *a;
    struct slice bad; /* the first member that is missing or wrong */
};

static void wrong(struct reading *r, struct slice key)
{
    if (r->bad.len == 0)
        r->bad = key;
}

static struct slice get_text(struct reading *r, struct json_value v, struct slice key)
{
    struct json_value m;
    if (json_get(v, key, &m) && json_type(m) == JSON_STRING)
        return arena_copy(r->a, json_get_string(m));
    wrong(r, key);
    return SLICE_EMPTY;
}

static int64_t get_int(struct reading *r, struct json_value v, struct slice key, int64_t min, int64_t max)
{
    struct json_value m;
    int64_t n = 0;
    if (json_get(v, key, &m) && json_get_int(m, &n) && n >= min && n <= max)
        return n;
    wrong(r, key);
    return 0;
}

static bool get_bool(struct reading *r, struct json_value v, struct slice key)
{
    struct json_value m;
    if (json_get(v, key, &m) && json_type(m) == JSON_BOOL)
        return json_get_bool(m);
    wrong(r, key);
    return false;
}

static int64_t get_ms(struct reading *r, struct json_value v, struct slice key)
{
    struct json_value m;
    double ms;
    if (json_get(v, key, &m) && json_get_double(m, &ms) && ms >= 0 && ms < 1e12)
        return (int64_t)llround(ms * 1e6);
    wrong(r, key);
    return 0;
}

static int64_t get_ns_text(struct reading *r, struct json_value v, struct slice key)
{
    int64_t ns = 0;
    if (num_parse_i64(get_text(r, v, key), &ns) && ns >= 0 && ns <= TIME_MAX_NS)
        return ns;
    wrong(r, key);
    return 0;
}

static void get_hex(struct reading *r, struct json_value v, struct slice key, uint8_t *to, size_t n)
{
    struct slice text = get_text(r, v, key);
    if (text.len != 2 * n || !hex_decode(text, to))
        wrong(r, key);
}

static void read_step(struct reading *r, struct json_value v, struct run_step *s)
{
    struct json_value list;
    s->name = get_text(r, v, SLICE("name"));
    s->method = get_text(r, v, SLICE("method"));
    s->url = get_text(r, v, SLICE("url"));
    s->ran = get_bool(r, v, SLICE("ran"));
    s->ok = get_bool(r, v, SLICE("ok"));
    s->error = get_text(r, v, SLICE("error"));
    s->status = (int)get_int(r, v, SLICE("status"), 0, 999);
    s->start_ns = get_ns_text(r, v, SLICE("start_ns"));
    s->total_ns = get_ms(r, v, SLICE("duration_ms"));
    if (!json_get(v, SLICE("phases_ms"), &list))
        wrong(r, SLICE("phases_ms"));
    else
        for (size_t i = 0; i < COUNT_OF(phases); i++)
            *phase_at(s, i) = get_ms(r, list, phases[i].name);
    s->redirects = (int)get_int(r, v, SLICE("redirects"), 0, 1000);
    s->http_version = (int)get_int(r, v, SLICE("http_version"), 0, 100);
    s->ip = get_text(r, v, SLICE("ip"));
    s->is_tls = get_bool(r, v, SLICE("tls"));
    s->body_bytes = (uint64_t)get_int(r, v, SLICE("bytes"), 0, INT64_MAX);
    s->certificate_expiry_ms = get_int(r, v, SLICE("certificate_expiry_ms"), INT64_MIN, INT64_MAX);
    get_hex(r, v, SLICE("span_id"), s->span_id, sizeof s->span_id);
    if (!check_name_is_valid(s->name))
        wrong(r, SLICE("name"));
}

static void read_steps(struct reading *r, struct json_value v, struct run *out)
{
    struct json_value list, item;
    size_t cap = 0;
    if (!json_get(v, SLICE("steps"), &list) || json_type(list) != JSON_ARRAY) {
        wrong(r, SLICE("steps"));
        return;
    }
    for (struct json_iter it = json_array(list); json_array_next(&it, &item);) {
        if (out->step_count == CHECK_STEPS_MAX) {
            wrong(r, SLICE("steps"));
            return;
        }
        struct run_step *s = &ARENA_PUSH(r->a, out->steps, out->step_count, cap);
        *s = (struct run_step){ .status = 0 };
        read_step(r, item, s);
    }
}

enum status run_read(struct json_value v, struct arena *a, struct run *out, struct err *err)
{
    struct reading r = { .a = a };
    *out = (struct run){ .ok = false };
    get_hex(&r, v, SLICE("id"), out->id, sizeof out->id);
    out->check = get_text(&r, v, SLICE("check"));
    out->location = get_text(&r, v, SLICE("location"));
    out->start_ns = get_ns_text(&r, v, SLICE("start_ns"));
    out->ok = get_bool(&r, v, SLICE("ok"));
    out->duration_ns = get_ms(&r, v, SLICE("duration_ms"));
    out->failed_step = get_text(&r, v, SLICE("failed_step"));
    out->error = get_text(&r, v, SLICE("error"));
    get_hex(&r, v, SLICE("trace_id"), out->trace_id, sizeof out->trace_id);
    get_hex(&r, v, SLICE("span_id"), out->span_id, sizeof out->span_id);
    out->every_ns = get_int(&r, v, SLICE("every_ms"), 0, INT64_MAX / NS_MS) * NS_MS;
    read_steps(&r, v, out);
    if (!check_name_is_valid(out->check))
        wrong(&r, SLICE("check"));
    if (!check_name_is_valid(out->location))
        wrong(&r, SLICE("location"));
    if (r.bad.len)
        return err_set(err, ST_INVALID, "a run: member \"%.*s\" is missing or wrong", SLICE_FMT(r.bad));
    return ST_OK;
}
