/* SPDX-License-Identifier: Apache-2.0 */
/* Golden tests: each body under test/wire gives the rows written in the .expect file beside it. And no body, cut short or
 * changed at random, does worse than be refused. */
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/unit.h"
#include "ingest/ingest.h"
#include "model/histogram.h"

enum { FILE_BYTES_MAX = 1 * MIB, RECEIVED_S = 1767229200 /* 2026-01-01T01:00:00Z */, MUTATIONS = 400 };

static const struct wire_case {
    const char *protocol, *file, *content_type;
} cases[] = {
    { "prometheus_remote_write", "plain.snappy", "application/x-protobuf" },
    { "prometheus_remote_write", "partial.snappy", "application/x-protobuf" },
    { "prometheus_remote_write", "bare.pb", "application/x-protobuf" },
    { "prometheus_remote_write", "native.snappy", "application/x-protobuf" },
    { "prometheus_remote_write_2", "plain.snappy", "application/x-protobuf;proto=io.prometheus.write.v2.Request" },
    { "prometheus_remote_write_2", "partial.pb", "application/x-protobuf;proto=io.prometheus.write.v2.Request" },
    { "loki_push", "plain.snappy", "application/x-protobuf" },
    { "loki_push", "plain.json", "application/json" },
    { "otlp_logs", "plain.pb", "application/x-protobuf" },
    { "otlp_logs", "plain.json", "application/json" },
    { "otlp_traces", "plain.pb", "application/x-protobuf" },
    { "otlp_traces", "plain.json", "application/json" },
    { "otlp_metrics", "plain.pb", "application/x-protobuf" },
    { "otlp_metrics", "plain.json", "application/json" },
    { "otlp_metrics", "exemplars.json", "application/json" },
    { "otlp_metrics", "exponential.pb", "application/x-protobuf" },
    { "otlp_metrics", "exponential.json", "application/json" },
    { "zipkin", "plain.json", "application/json" },
    { "zipkin", "plain.pb", "application/x-protobuf" },
    { "zipkin", "partial.json", "application/json" },
    { "zipkin_v1", "plain.json", "application/json" },
    { "zipkin_v1", "plain.thrift", "application/x-thrift" },
    { "jaeger_thrift", "plain.thrift", "application/x-thrift" },
    { "elastic_bulk", "plain.ndjson", "application/x-ndjson" },
    { "elastic_bulk", "partial.ndjson", "application/x-ndjson" },
    { "splunk_hec", "plain.json", "application/x-www-form-urlencoded" },
    { "splunk_hec", "partial.json", "application/json" },
    { "lines", "mixed.txt", "text/plain" },
    { "lines", "ends.txt", "text/plain" },
};

static struct slice file_read(const char *path, struct arena *a)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        unit_fail(__FILE__, __LINE__, path);
    char *bytes = arena_alloc(a, FILE_BYTES_MAX);
    size_t n = fread(bytes, 1, FILE_BYTES_MAX, f);
    fclose(f);
    return slice_of(bytes, n);
}

/* ---- rows as text ---- */

static void put_id(struct buf *out, const char *name, const uint8_t *id, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= id[i];
    if (any)
        buf_printf(out, " %s=", name);
    for (size_t i = 0; any && i < n; i++)
        buf_printf(out, "%02x", id[i]);
}

static void put_text(struct buf *out, const char *name, struct slice s)
{
    if (s.len == 0)
        return;
    buf_printf(out, " %s=", name);
    text_put_quoted(s, out);
}

static void put_fields(struct buf *out, struct arena *a, const char *indent, const struct field *fields, uint32_t count)
{
    static const char *const scopes[] = { "record", "resource", "scope" };
    static const char *const types[] = { "string", "int", "double", "bool", "bytes", "json" };
    for (uint32_t i = 0; i < count; i++)
        buf_printf(out, "%s%s %s %.*s = %.*s\n", indent, scopes[fields[i].scope], types[fields[i].type], SLICE_FMT(fields[i].name),
                   SLICE_FMT(field_text(a, &fields[i])));
}

static void put_event(struct buf *out, struct arena *a, const struct event *e)
{
    buf_printf(out, "%s %lld", e->kind == EVENT_SPAN ? "span" : e->kind == EVENT_EXEMPLAR ? "exemplar" : "log", (long long)e->time_ns);
    if (e->observed_ns != e->time_ns)
        buf_printf(out, " observed=%lld", (long long)e->observed_ns);
    if (e->severity)
        buf_printf(out, " severity=%d", e->severity);
    if (e->kind == EVENT_SPAN)
        buf_printf(out, " duration=%lld kind=%d status=%d", (long long)e->duration_ns, e->span_kind, e->span_status);
    buf_char(out, ' ');
    labels_format(e->stream, out);
    put_text(out, "service", e->service);
    put_text(out, "body", e->body);
    put_id(out, "trace", e->trace_id, sizeof e->trace_id);
    put_id(out, "span", e->span_id, sizeof e->span_id);
    put_id(out, "parent", e->parent_id, sizeof e->parent_id);
    put_text(out, "state", e->trace_state);
    put_text(out, "message", e->status_message);
    buf_char(out, '\n');
    put_fields(out, a, "  ", e->fields, e->field_count);
    for (uint32_t i = 0; i < e->event_count; i++) {
        buf_printf(out, "  event %lld %.*s\n", (long long)e->events[i].time_ns, SLICE_FMT(e->events[i].name));
        put_fields(out, a, "    ", e->events[i].fields, e->events[i].field_count);
    }
    for (uint32_t i = 0; i < e->link_count; i++) {
        buf_slice(out, SLICE("  link"));
        put_id(out, "trace", e->links[i].trace_id, sizeof e->links[i].trace_id);
        put_id(out, "span", e->links[i].span_id, sizeof e->links[i].span_id);
        put_text(out, "state", e->links[i].trace_state);
        buf_char(out, '\n');
        put_fields(out, a, "    ", e->links[i].fields, e->links[i].field_count);
    }
}

/* Its schema and hint, then as Prometheus prints it. */
static void put_histogram(struct buf *out, const struct histogram *h)
{
    struct err err;
    CHECK_INT(histogram_check(h, &err), ST_OK);
    buf_printf(out, "schema %d hint %d ", h->schema, h->hint);
    histogram_format(out, h);
}

static void put_batch(struct buf *out, const struct batch *b)
{
    char number[NUM_TEXT_BYTES_MAX];
    for (size_t i = 0; i < b->series_count; i++) {
        const struct batch_series *s = &b->series[i];
        CHECK(labels_check(s->labels));
        labels_format(s->labels, out);
        if (s->delta_from_ms)
            buf_printf(out, " delta from %lld:", (long long)s->delta_from_ms);
        for (uint32_t k = 0; k < s->count; k++) {
            const struct sample *p = &b->samples[s->first + k];
            buf_printf(out, " %lld=", (long long)p->t_ms);
            if (is_histogram(p->v))
                put_histogram(out, histogram_unbox(p->v));
            else if (p->v != p->v)
                buf_printf(out, "NaN:%016llx", (unsigned long long)double_bits(p->v));
            else
                buf_put(out, number, num_format_short(p->v, number));
        }
        buf_char(out, '\n');
    }
    for (size_t i = 0; i < b->event_count; i++) {
        CHECK(labels_check(b->events[i].stream));
        put_event(out, b->arena, &b->events[i]);
    }
    for (size_t i = 0; i < b->metadata_count; i++) {
        const struct metric_metadata *m = &b->metadata[i];
        buf_printf(out, "metadata %.*s %s", SLICE_FMT(m->name), metric_type_name(m->type));
        put_text(out, "help", m->help);
        put_text(out, "unit", m->unit);
        buf_char(out, '\n');
    }
}

static void put_result(struct buf *out, const struct ingest_result *r)
{
    for (size_t i = 0; i < INGEST_KIND_COUNT; i++) {
        const struct ingest_tally *t = &r->kinds[i];
        if (t->accepted || t->rejected)
            buf_printf(out, "%s: %llu accepted, %llu rejected%s%s\n", ingest_kind_name((enum ingest_kind)i), (unsigned long long)t->accepted,
                       (unsigned long long)t->rejected, t->rejected ? ": " : "", t->rejected ? t->first.text : "");
    }
    if (r->warnings)
        buf_printf(out, "%llu warnings: %s\n", (unsigned long long)r->warnings, r->first_warning.text);
}

static struct ingest_ctx ctx_for(const struct wire_case *c, struct ingest_header *header, struct arena *a)
{
    struct ingest_ctx ctx = { .received_ns = RECEIVED_S * NS_S, .headers = header, .header_count = 1, .peer = SLICE_EMPTY, .tenant = SLICE_EMPTY };
    ctx.start_zero = ctx.takes_deltas = true;
    *header = (struct ingest_header){ SLICE("Content-Type"), slice_str(c->content_type) };
    CHECK_INT(labels_parse(a, SLICE("{filename=\"/var/log/x\"}"), &ctx.stream, NULL), ST_OK);
    return ctx;
}

static void expect_file(const char *path, struct slice got, struct arena *a)
{
    if (getenv("STOA_UPDATE")) {
        FILE *f = fopen(path, "wb");
        CHECK(f && fwrite(got.ptr, 1, got.len, f) == got.len);
        fclose(f);
        return;
    }
    struct slice want = file_read(path, a);
    if (slice_eq(want, got))
        return;
    struct slice want_line, got_line;
    while (slice_next(&want, '\n', &want_line) && slice_next(&got, '\n', &got_line))
        if (!slice_eq(want_line, got_line))
            fprintf(stderr, "want %.*s\ngot  %.*s\n", SLICE_FMT(want_line), SLICE_FMT(got_line));
    unit_fail(__FILE__, __LINE__, path);
}

TEST(wire_bodies_become_the_rows_written_beside_them)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct batch *b = batch_new(0);
        struct ingest_header header;
        struct ingest_ctx ctx = ctx_for(&cases[i], &header, b->arena);
        struct ingest_result result;
        struct err err = { 0 };
        struct slice path = arena_printf(b->arena, "test/wire/%s/%s%c", cases[i].protocol, cases[i].file, 0);
        struct buf out;
        buf_init(&out, 0);
        const struct ingest_protocol *protocol = ingest_protocol_find(slice_str(cases[i].protocol));
        CHECK(protocol != NULL);
        if (ingest_decode(protocol, &ctx, file_read(path.ptr, b->arena), b, &result, &err))
            unit_fail(__FILE__, __LINE__, err.text);
        put_batch(&out, b);
        put_result(&out, &result);
        expect_file(arena_printf(b->arena, "%s.expect%c", path.ptr, 0).ptr, buf_as_slice(&out), b->arena);
        buf_free(&out);
        batch_drop(b);
    }
}

/* ---- damage ---- */

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15ull;
    return hash_u64(*state);
}

static void decode_damaged(const struct wire_case *c, struct slice body)
{
    struct batch *b = batch_new(64 * MIB);
    struct ingest_header header;
    struct ingest_ctx ctx = ctx_for(c, &header, b->arena);
    struct ingest_result result = { 0 };
    struct err err = { 0 };
    struct buf out;
    buf_init(&out, 0);
    const struct ingest_protocol *protocol = ingest_protocol_find(slice_str(c->protocol));
    enum status st = ingest_decode(protocol, &ctx, body, b, &result, &err);
    CHECK(st == ST_OK || err.text[0] != 0);
    if (st == ST_OK)
        put_batch(&out, b); /* reads every row */
    buf_free(&out);
    batch_drop(b);
}

TEST(wire_bodies_cut_or_changed_are_refused_or_read_never_worse)
{
    uint64_t random = unit_seed();
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct slice path = arena_printf(a, "test/wire/%s/%s%c", cases[i].protocol, cases[i].file, 0);
        struct slice whole = file_read(path.ptr, a);
        for (int m = 0; m < MUTATIONS; m++) {
            char *copy = mem_alloc(whole.len); /* its own block, so that reading past its end is seen */
            memcpy(copy, whole.ptr, whole.len);
            size_t len = m % 2 ? whole.len : next_random(&random) % whole.len;
            for (int k = 0; k < m % 4 && len; k++)
                copy[next_random(&random) % len] = (char)next_random(&random);
            decode_damaged(&cases[i], slice_of(copy, len));
            mem_free(copy);
        }
    }
    arena_free(a);
}

/* Without the content decoding in front, damage reaches the decoders themselves. */
TEST(wire_decoders_alone_survive_changed_messages)
{
    uint64_t random = unit_seed();
    static const struct wire_case raw[] = {
        { "prometheus_remote_write", "bare.pb", "application/x-protobuf" }, { "otlp_logs", "plain.pb", "application/x-protobuf" },
        { "prometheus_remote_write_2", "partial.pb", "application/x-protobuf" },
        { "otlp_traces", "plain.pb", "application/x-protobuf" },            { "otlp_metrics", "plain.pb", "application/x-protobuf" },
        { "loki_push", "plain.json", "application/json" },                  { "otlp_metrics", "plain.json", "application/json" },
        { "otlp_metrics", "exemplars.json", "application/json" },           { "otlp_metrics", "exponential.pb", "application/x-protobuf" },
        { "elastic_bulk", "plain.ndjson", "application/x-ndjson" }, { "splunk_hec", "plain.json", "application/json" },
    };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < COUNT_OF(raw); i++) {
        struct slice whole = file_read(arena_printf(a, "test/wire/%s/%s%c", raw[i].protocol, raw[i].file, 0).ptr, a);
        for (int m = 0; m < 4 * MUTATIONS; m++) {
            char *copy = mem_alloc(whole.len);
            memcpy(copy, whole.ptr, whole.len);
            size_t len = m % 3 ? whole.len : next_random(&random) % whole.len;
            for (int k = 0; k < 1 + m % 3 && len; k++)
                copy[next_random(&random) % len] = (char)next_random(&random);
            struct batch *b = batch_new(64 * MIB);
            struct ingest_header header;
            struct ingest_ctx ctx = ctx_for(&raw[i], &header, b->arena);
            struct ingest_result result = { 0 };
            struct err err = { 0 };
            (void)ingest_protocol_find(slice_str(raw[i].protocol))->decode(&ctx, slice_of(copy, len), b, &result, &err);
            batch_drop(b);
            mem_free(copy);
        }
    }
    arena_free(a);
}
