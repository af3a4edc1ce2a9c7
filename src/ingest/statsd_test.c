/* SPDX-License-Identifier: Apache-2.0 */
/* Golden tests: each line of test/wire/statsd/NAME.txt becomes what NAME.txt.expect says below it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/unit.h"
#include "ingest/statsd.h"

enum { RECEIVED_S = 1767229200 /* 2026-01-01T01:00:00Z */, FILE_BYTES_MAX = 256 * KIB };

struct said {
    struct buf *out;
    bool refuse;
};

static bool on_metric(void *arg, const struct statsd_metric *m, enum statsd_reason *why)
{
    static const char *const types[] = { "counter", "gauge", "timer", "histogram", "distribution", "set" };
    struct said *s = arg;
    char number[NUM_TEXT_BYTES_MAX];
    *why = STATSD_SERIES_FULL;
    if (s->refuse)
        return false;
    CHECK(labels_check(m->labels));
    buf_printf(s->out, "  %s ", types[m->type]);
    labels_format(m->labels, s->out);
    if (m->type == STATSD_SET)
        buf_printf(s->out, " member %.*s", SLICE_FMT(m->member));
    else
        buf_printf(s->out, " %s%.*s", m->is_delta ? "by " : "", (int)num_format_short(m->value, number), number);
    if (m->weight != 1)
        buf_printf(s->out, " weight %.*s", (int)num_format_short(m->weight, number), number);
    if (m->t_ms)
        buf_printf(s->out, " at %lld", (long long)m->t_ms);
    buf_char(s->out, '\n');
    return true;
}

static void put_events(struct buf *out, const struct batch *b)
{
    for (size_t i = 0; i < b->event_count; i++) {
        const struct event *e = &b->events[i];
        buf_printf(out, "  log %lld severity %d ", (long long)(e->time_ns / NS_S), e->severity);
        labels_format(e->stream, out);
        buf_char(out, ' ');
        text_put_quoted(e->body, out);
        buf_char(out, '\n');
        for (uint32_t k = 0; k < e->field_count; k++) {
            buf_printf(out, "    %.*s = ", SLICE_FMT(e->fields[k].name));
            text_put_quoted(e->fields[k].text, out);
            buf_char(out, '\n');
        }
    }
}

static void decode(struct slice text, bool is_signed_delta, struct buf *out, struct statsd_counts *counts)
{
    struct said said = { out, false };
    struct statsd_ctx ctx = { .received_ns = RECEIVED_S * NS_S, .is_signed_delta = is_signed_delta, .events_max = 1000,
                              .arg = &said, .metric = on_metric };
    struct arena *scratch = arena_new(0);
    struct batch *b = batch_new(0);
    statsd_decode(&ctx, text, scratch, b, counts);
    put_events(out, b);
    batch_drop(b);
    arena_free(scratch);
}

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

static void check_file(const char *path, struct slice got, struct arena *a)
{
    if (getenv("STOA_UPDATE")) {
        FILE *f = fopen(path, "wb");
        CHECK(f && fwrite(got.ptr, 1, got.len, f) == got.len);
        fclose(f);
        return;
    }
    struct slice want = file_read(path, a), want_line, got_line;
    if (slice_eq(want, got))
        return;
    while (slice_next(&want, '\n', &want_line) && slice_next(&got, '\n', &got_line))
        if (!slice_eq(want_line, got_line))
            fprintf(stderr, "want %.*s\ngot  %.*s\n", SLICE_FMT(want_line), SLICE_FMT(got_line));
    unit_fail(__FILE__, __LINE__, path);
}

static void put_line(struct slice line, bool is_signed_delta, struct buf *out)
{
    struct statsd_counts counts = { 0 };
    text_put_quoted(line, out);
    buf_char(out, '\n');
    decode(line, is_signed_delta, out, &counts);
    for (size_t i = 0; i < STATSD_REASON_COUNT; i++)
        if (counts.rejected[i])
            buf_printf(out, "  left out: %s\n", statsd_reason_name((enum statsd_reason)i));
    if (counts.tags_ignored)
        buf_printf(out, "  tags ignored: %llu\n", (unsigned long long)counts.tags_ignored);
    CHECK_INT(counts.lines, 1);
}

static void golden(const char *name, bool is_signed_delta)
{
    struct arena *a = arena_new(0);
    struct slice path = arena_printf(a, "test/wire/statsd/%s", name), text = file_read(path.ptr, a), line;
    struct buf out;
    buf_init(&out, 0);
    while (slice_next(&text, '\n', &line))
        put_line(line, is_signed_delta, &out);
    check_file(arena_printf(a, "%s.expect", path.ptr).ptr, buf_as_slice(&out), a);
    buf_free(&out);
    arena_free(a);
}

TEST(statsd_lines_become_what_is_written_beside_them)
{
    golden("metrics.txt", true);
    golden("dogstatsd.txt", false);
}

TEST(statsd_a_datagram_keeps_its_good_lines)
{
    struct statsd_counts counts = { 0 };
    struct buf out;
    buf_init(&out, 0);
    decode(SLICE("a:1|c\nnonsense\n\nb:2|g\r\n_e{1,1}:a|b\n_e{9,9}:a|b\n_sc|c|0"), true, &out, &counts);
    CHECK_INT(counts.lines, 6);
    CHECK_INT(counts.metrics, 2);
    CHECK_INT(counts.events, 1);
    CHECK_INT(counts.checks, 1);
    CHECK_INT(counts.rejected[STATSD_BAD_LINE], 1);
    CHECK_INT(counts.rejected[STATSD_BAD_EVENT], 1);
    buf_free(&out);
}

TEST(statsd_a_line_counts_whole_or_not_at_all)
{
    struct statsd_counts counts = { 0 };
    struct buf out;
    buf_init(&out, 0);
    decode(SLICE("a:1:2:x|ms"), true, &out, &counts);
    CHECK_INT(out.len, 0);
    CHECK_INT(counts.rejected[STATSD_BAD_VALUE], 1);
    buf_free(&out);
}

TEST(statsd_limits_of_tags_events_and_series_are_told_by_reason)
{
    struct arena *scratch = arena_new(0);
    struct batch *b = batch_new(0);
    struct statsd_counts counts = { 0 };
    struct buf text;
    struct said said = { &text, true };
    struct statsd_ctx ctx = { .received_ns = NS_S, .events_max = 0, .arg = &said, .metric = on_metric };
    buf_init(&text, 0);
    buf_slice(&text, SLICE("a:1|c|#t0:v"));
    for (int i = 1; i <= STATSD_TAGS_MAX; i++)
        buf_printf(&text, ",t%d:v", i);
    buf_slice(&text, SLICE("\n_e{1,1}:a|b\nfull:1|c\n"));
    statsd_decode(&ctx, buf_as_slice(&text), scratch, b, &counts);
    CHECK_INT(counts.rejected[STATSD_BAD_TAGS], 1);
    CHECK_INT(counts.rejected[STATSD_EVENTS_FULL], 1);
    CHECK_INT(counts.rejected[STATSD_SERIES_FULL], 1);
    buf_free(&text);
    batch_drop(b);
    arena_free(scratch);
}
