/* SPDX-License-Identifier: Apache-2.0 */
/* Golden tests: each line of test/wire/syslog/NAME.txt becomes what NAME.txt.expect says below it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/unit.h"
#include "ingest/syslog.h"

enum { RECEIVED_S = 1767229200 /* 2026-01-01T01:00:00Z */, FILE_BYTES_MAX = 256 * KIB };

static bool decode(struct slice message, struct batch *b)
{
    struct syslog_ctx ctx = { .received_ns = RECEIVED_S * NS_S };
    return syslog_decode(&ctx, message, b);
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

static void put_message(struct slice line, struct buf *out)
{
    struct batch *b = batch_new(0);
    text_put_quoted(line, out);
    buf_char(out, '\n');
    if (!decode(line, b)) {
        buf_slice(out, SLICE("  empty\n"));
        batch_drop(b);
        return;
    }
    const struct event *e = &b->events[0];
    CHECK_INT(b->event_count, 1);
    CHECK(labels_check(e->stream));
    buf_printf(out, "  %lld severity %d ", (long long)(e->time_ns / NS_S), e->severity);
    labels_format(e->stream, out);
    buf_char(out, ' ');
    text_put_quoted(e->body, out);
    buf_char(out, '\n');
    for (uint32_t i = 0; i < e->field_count; i++) {
        buf_printf(out, "    %.*s = ", SLICE_FMT(e->fields[i].name));
        text_put_quoted(e->fields[i].text, out);
        buf_char(out, '\n');
    }
    batch_drop(b);
}

static void golden(const char *name)
{
    struct arena *a = arena_new(0);
    struct slice path = arena_printf(a, "test/wire/syslog/%s%c", name, 0), text = file_read(path.ptr, a), line;
    struct buf out;
    buf_init(&out, 0);
    while (slice_next(&text, '\n', &line))
        put_message(line, &out);
    check_file(arena_printf(a, "%s.expect%c", path.ptr, 0).ptr, buf_as_slice(&out), a);
    buf_free(&out);
    arena_free(a);
}

TEST(syslog_messages_become_what_is_written_beside_them)
{
    golden("rfc5424.txt");
    golden("rfc3164.txt");
}

TEST(syslog_a_message_comes_out_byte_by_byte)
{
    struct batch *b = batch_new(0);
    CHECK(decode(SLICE("<13>1 - - \xff\xfe - - - a\xff\n\tb\r\n"), b));
    CHECK(slice_eq(b->events[0].body, SLICE("a\xff\n\tb")));
    CHECK(slice_eq(b->events[0].service, SLICE("\xef\xbf\xbd\xef\xbf\xbd")));
    CHECK_INT(b->events[0].time_ns, RECEIVED_S * NS_S);
    batch_drop(b);
}

TEST(syslog_what_says_nothing_is_no_record)
{
    struct batch *b = batch_new(0);
    CHECK(!decode(SLICE(""), b));
    CHECK(!decode(SLICE(" \r\n"), b));
    CHECK_INT(b->event_count, 0);
    batch_drop(b);
}

TEST(syslog_a_time_before_all_others_is_that_of_arrival)
{
    struct batch *b = batch_new(0);
    CHECK(decode(SLICE("<13>0001-01-01T00:00:00 h a: x"), b));
    CHECK_INT(b->events[0].time_ns, RECEIVED_S * NS_S);
    batch_drop(b);
}

TEST(syslog_more_pairs_than_a_record_holds_are_left_out)
{
    struct batch *b = batch_new(0);
    struct buf text;
    buf_init(&text, 0);
    buf_slice(&text, SLICE("<13>1 - h a 7 m [x"));
    for (int i = 0; i < 2 * SYSLOG_PARAMS_MAX; i++)
        buf_printf(&text, " k%d=\"v\"", i);
    buf_slice(&text, SLICE("] text"));
    CHECK(decode(buf_as_slice(&text), b));
    CHECK(slice_eq(b->events[0].body, SLICE("text")));
    CHECK_INT(b->events[0].field_count, SYSLOG_PARAMS_MAX + 4);
    buf_free(&text);
    batch_drop(b);
}
