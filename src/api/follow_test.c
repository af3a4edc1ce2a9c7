/* SPDX-License-Identifier: Apache-2.0 */
/* Rounds by hand are not to be had: the thread runs by itself, and each test waits for what must come. */
#include "api/follow.h"

#include <stdio.h>

#include "base/unit.h"
#include "sys/clock.h"

enum { WAIT_MS = 5, WAITS_MAX = 4000 };

/* ---- A language that takes every line, and says how many it was asked about ---- */

struct query_rows {
    atomic_int *asked;
    atomic_bool *leaves; /* set at the first line */
};

static bool rows_take(struct query_rows *r, const struct event *e, struct arena *a, struct slice *labels, struct value_line *out)
{
    (void)a;
    atomic_fetch_add(r->asked, 1);
    if (r->leaves)
        atomic_store(r->leaves, true);
    *labels = SLICE_EMPTY;
    *out = (struct value_line){ .time_ns = e->time_ns, .line = e->body };
    return true;
}

static void rows_close(struct query_rows *r)
{
    mem_free(r);
}

static const struct query_lang every_line = { .name = "all", .rows_take = rows_take, .rows_close = rows_close };

/* ---- A sink with little room ---- */

struct sink {
    struct mutex lock;
    struct cond moved;
    struct buf got;
    size_t room, sends;
    atomic_bool gone;
    atomic_int ended;
};

static bool sink_send(void *arg, struct slice message)
{
    struct sink *s = arg;
    mutex_lock(&s->lock);
    bool fits = message.len <= s->room;
    if (fits) {
        s->room -= message.len;
        s->sends++;
        buf_slice(&s->got, message);
        cond_signal(&s->moved);
    }
    mutex_unlock(&s->lock);
    return fits;
}

static bool sink_is_gone(void *arg)
{
    return atomic_load(&((struct sink *)arg)->gone);
}

static void sink_end(void *arg, struct slice reason)
{
    struct sink *s = arg;
    (void)reason;
    mutex_lock(&s->lock);
    atomic_fetch_add(&s->ended, 1);
    cond_signal(&s->moved);
    mutex_unlock(&s->lock);
}

static void sink_init(struct sink *s, size_t room)
{
    *s = (struct sink){ .room = room };
    mutex_init(&s->lock);
    cond_init(&s->moved);
    buf_init(&s->got, 0);
}

static void sink_free(struct sink *s)
{
    buf_free(&s->got);
    cond_destroy(&s->moved);
    mutex_destroy(&s->lock);
}

static struct follow_sink as_sink(struct sink *s)
{
    return (struct follow_sink){ sink_send, sink_is_gone, sink_end, s };
}

static struct follow_watcher *join(struct follow *t, atomic_int *asked, atomic_bool *leaves)
{
    struct query_rows *rows = mem_new(struct query_rows);
    struct slice tenant = SLICE("default");
    struct follow_watcher *w = NULL;
    struct err err;
    *rows = (struct query_rows){ asked, leaves };
    CHECK(follow_join(t, &every_line, rows, &tenant, 1, &w, &err) == ST_OK);
    return w;
}

static void offer(struct follow *t, uint64_t lsn, struct slice line)
{
    struct batch *b = batch_new(0);
    struct event *e = batch_event(b);
    e->kind = EVENT_LOG;
    e->time_ns = (int64_t)lsn;
    e->body = arena_copy(b->arena, line); /* gone with the batch */
    b->lsn = lsn;
    struct batch *held = follow_hold(t, b);
    follow_offer(t, held, true);
    batch_drop(b);
}

/* Until the text has come, or with none until the sink is ended; each look makes room again. */
static void wait_for(struct sink *s, struct slice text, size_t room)
{
    mutex_lock(&s->lock);
    for (int i = 0; i < WAITS_MAX && !(text.len ? slice_contains(buf_as_slice(&s->got), text) : atomic_load(&s->ended) > 0); i++) {
        (void)cond_wait_ns(&s->moved, &s->lock, WAIT_MS * NS_MS);
        s->room = room;
    }
    mutex_unlock(&s->lock);
}

TEST(the_past_goes_out_as_there_is_room_and_before_what_is_fresh)
{
    enum { LINES = 64, LINE_BYTES = 64 * KIB, ROOM = 1 * MIB };
    struct follow *t = NULL;
    struct sink s;
    struct err err;
    atomic_int asked = 0;
    static char text[LINE_BYTES];
    static struct value_line lines[LINES];
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < LINES; i++)
        lines[i] = (struct value_line){ .time_ns = (int64_t)(LINES - i), .seq = LINES - i, .line = slice_of(text, sizeof text) };
    struct value_stream stream = { .lines = lines, .n = LINES };
    struct value past = { .type = VALUE_STREAMS, .streams = &stream, .stream_count = 1 };
    sink_init(&s, ROOM);
    CHECK(follow_new(&t, clock_real(), &err) == ST_OK);
    struct follow_watcher *w = join(t, &asked, NULL);
    struct follow_sink sink = as_sink(&s);
    follow_begin(t, w, &past, FOLLOW_NDJSON, &sink);
    offer(t, 1000, SLICE("fresh"));
    wait_for(&s, SLICE("fresh"), ROOM);
    follow_free(t);
    size_t newlines = 0;
    struct slice all = buf_as_slice(&s.got), line, last = SLICE_EMPTY;
    while (slice_next(&all, '\n', &line))
        if (line.len) {
            newlines++;
            last = line;
        }
    CHECK_INT(newlines, LINES + 1);
    CHECK(slice_contains(last, SLICE("fresh")));
    CHECK(!slice_contains(buf_as_slice(&s.got), SLICE("dropped")));
    CHECK_INT(s.ended, 1);
    sink_free(&s);
}

TEST(what_waited_behind_the_past_is_sent_whole)
{
    enum { LINES = 200, ROOM = 1 * MIB };
    struct follow *t = NULL;
    struct sink s;
    struct err err;
    atomic_int asked = 0;
    struct value_line line = { .time_ns = 1, .seq = 1, .line = SLICE("past") };
    struct value_stream stream = { .lines = &line, .n = 1 };
    struct value past = { .type = VALUE_STREAMS, .streams = &stream, .stream_count = 1 };
    char text[64], want[128];
    sink_init(&s, 0);
    CHECK(follow_new(&t, clock_real(), &err) == ST_OK);
    struct follow_watcher *w = join(t, &asked, NULL);
    struct follow_sink sink = as_sink(&s);
    follow_begin(t, w, &past, FOLLOW_NDJSON, &sink);
    for (int i = 0; i < LINES; i++) {
        int n = snprintf(text, sizeof text, "a line that waited, number %03d of them", i);
        offer(t, 1000 + (uint64_t)i, slice_of(text, (size_t)n));
    }
    wait_for(&s, SLICE("number 199"), ROOM);
    follow_free(t);
    for (int i = 0; i < LINES; i++) {
        snprintf(want, sizeof want, "\"line\":\"a line that waited, number %03d of them\"}", i);
        CHECK(slice_contains(buf_as_slice(&s.got), slice_str(want)));
    }
    sink_free(&s);
}

TEST(who_is_gone_holds_nobody_up)
{
    enum { BATCHES = 100 };
    struct follow *t = NULL;
    struct sink s;
    struct err err;
    atomic_int asked = 0;
    struct value none = { .type = VALUE_STREAMS };
    sink_init(&s, 1 * MIB);
    CHECK(follow_new(&t, clock_real(), &err) == ST_OK);
    struct follow_watcher *w = join(t, &asked, &s.gone); /* gone at the first line it is asked about */
    for (uint64_t i = 0; i < BATCHES; i++)
        offer(t, 1 + i, SLICE("line"));
    struct follow_sink sink = as_sink(&s);
    follow_begin(t, w, &none, FOLLOW_NDJSON, &sink);
    wait_for(&s, SLICE_EMPTY, 1 * MIB);
    CHECK_INT(s.ended, 1);
    CHECK_INT(asked, 1);
    follow_free(t);
    sink_free(&s);
}

TEST(who_begins_when_it_is_over_ends_at_once)
{
    struct follow *t = NULL;
    struct sink s;
    struct err err;
    atomic_int asked = 0;
    struct value none = { .type = VALUE_STREAMS };
    sink_init(&s, 1 * MIB);
    CHECK(follow_new(&t, clock_real(), &err) == ST_OK);
    struct follow_watcher *w = join(t, &asked, NULL);
    follow_stop(t);
    struct follow_sink sink = as_sink(&s);
    follow_begin(t, w, &none, FOLLOW_NDJSON, &sink);
    CHECK_INT(s.ended, 1); /* before follow_free: the sink's server may be gone by then */
    follow_free(t);
    CHECK_INT(s.ended, 1);
    sink_free(&s);
}
