/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "base/map.h"
#include "base/unit.h"
#include "collect/tail.h"

enum { LINE_MAX = 1024 };

/* A folder, a store in memory, and the lines that came: each followed by '|'. */
struct rig {
    struct collect_env env;
    struct log log;
    struct arena *arena;
    struct map state;
    struct buf lines;
    struct tail *tail;
    struct log_input input;
    bool refuse;
    size_t lines_max; /* of one batch; 0: any */
};

static enum status on_append(void *arg, struct batch *b, struct err *err)
{
    struct rig *r = arg;
    if (r->lines_max && b->event_count > r->lines_max) {
        batch_drop(b);
        return err_set(err, ST_LIMIT, "too many lines");
    }
    for (size_t i = 0; !r->refuse && i < b->event_count; i++) {
        buf_slice(&r->lines, b->events[i].body);
        buf_char(&r->lines, '|');
    }
    batch_drop(b);
    return r->refuse ? err_set(err, ST_FULL, "refused") : ST_OK;
}

static enum status on_get(void *arg, struct slice key, struct buf *out, struct err *err)
{
    uint64_t *at = map_get(&((struct rig *)arg)->state, key);
    if (at == NULL)
        return err_set(err, ST_NOT_FOUND, "no such key");
    buf_slice(out, *(struct slice *)(uintptr_t)*at);
    return ST_OK;
}

static enum status on_put(void *arg, struct slice key, struct slice value, struct err *err)
{
    struct rig *r = arg;
    struct slice *kept = arena_new_of(r->arena, struct slice);
    *kept = arena_copy(r->arena, value);
    *map_put(&r->state, arena_copy(r->arena, key), NULL) = (uint64_t)(uintptr_t)kept;
    return ST_OK;
}

static void rig_start(struct rig *r, const char *pattern)
{
    *r = (struct rig){ .arena = arena_new(0), .log = { .fd = -1 } };
    r->env = (struct collect_env){ .clock = clock_sim_new(1000 * NS_S), .fs = fs_real(), .log = &r->log, .instance = SLICE("h"), .arg = r,
                                   .append = on_append, .state_get = on_get, .state_put = on_put };
    r->log.clock = r->env.clock;
    map_init(&r->state);
    buf_init(&r->lines, 0);
    r->input = (struct log_input){ .path = arena_printf(r->arena, "%s/%s", unit_dir(), pattern), .join = { .mode = JOIN_AUTO } };
    r->tail = tail_new(&r->env, &r->input, 1, LINE_MAX);
}

static void rig_end(struct rig *r)
{
    tail_free(r->tail);
    map_free(&r->state);
    buf_free(&r->lines);
    clock_sim_free(r->env.clock);
    arena_free(r->arena);
}

static void rig_restart(struct rig *r)
{
    tail_free(r->tail);
    r->tail = tail_new(&r->env, &r->input, 1, LINE_MAX);
}

static const char *path_of(struct rig *r, const char *name)
{
    return arena_printf(r->arena, "%s/%s", unit_dir(), name).ptr;
}

static void put(struct rig *r, const char *name, const char *text)
{
    FILE *f = fopen(path_of(r, name), "a");
    CHECK(f != NULL);
    fputs(text, f);
    fclose(f);
}

static void move(struct rig *r, const char *from, const char *to)
{
    CHECK(rename(path_of(r, from), path_of(r, to)) == 0);
}

/* A round after seconds; want is what came in it. */
static void check_round(struct rig *r, int64_t seconds, const char *want)
{
    struct err err;
    size_t n;
    clock_sim_advance(r->env.clock, seconds * NS_S);
    buf_reset(&r->lines);
    CHECK_INT(tail_round(r->tail, 0, &n, &err), ST_OK);
    CHECK_STR(buf_as_slice(&r->lines), want);
}

/* A rig whose a.log had the line "one", which was read. */
static void rig_start_after_one(struct rig *r, const char *pattern)
{
    rig_start(r, pattern);
    put(r, "a.log", "one\n");
    check_round(r, 1, "one|");
}

TEST(tail_gives_each_line_once)
{
    struct rig r;
    rig_start(&r, "a.log");
    check_round(&r, 1, "");
    put(&r, "a.log", "one\ntwo\r\n\n");
    check_round(&r, 1, "one|two|");
    check_round(&r, 1, "");
    put(&r, "a.log", "three\n");
    check_round(&r, 1, "three|");
    rig_end(&r);
}

TEST(tail_waits_for_the_end_of_a_line_but_not_for_ever)
{
    struct rig r;
    rig_start(&r, "a.log");
    put(&r, "a.log", "one\ntw");
    check_round(&r, 1, "one|");
    put(&r, "a.log", "o\n");
    check_round(&r, 1, "two|");
    put(&r, "a.log", "three");
    check_round(&r, 1, "");
    check_round(&r, 6, "three|");
    check_round(&r, 6, "");
    rig_end(&r);
}

TEST(tail_goes_on_where_it_was_after_a_restart)
{
    struct rig r;
    rig_start_after_one(&r, "*.log");
    put(&r, "a.log", "two\n");
    put(&r, "b.log", "new\n");
    rig_restart(&r);
    check_round(&r, 1, "two|new|");
    rig_end(&r);
}

TEST(tail_reads_a_renamed_file_to_its_end_and_then_the_new_one)
{
    struct rig r;
    rig_start_after_one(&r, "a.log");
    move(&r, "a.log", "a.log.1");
    put(&r, "a.log.1", "two\n");
    put(&r, "a.log", "three\n");
    check_round(&r, 1, "two|");
    check_round(&r, 3, "");
    check_round(&r, 1, "three|");
    rig_end(&r);
}

TEST(tail_finds_a_file_that_was_renamed_while_it_was_down)
{
    struct rig r;
    rig_start_after_one(&r, "a.log");
    put(&r, "a.log", "two\n");
    move(&r, "a.log", "a.log.1");
    put(&r, "a.log", "three\n");
    rig_restart(&r);
    check_round(&r, 1, "two|three|");
    rig_end(&r);
}

TEST(tail_reads_no_line_twice_when_both_names_are_followed)
{
    struct rig r;
    rig_start_after_one(&r, "a.log*");
    move(&r, "a.log", "a.log.1");
    put(&r, "a.log.1", "two\n");
    put(&r, "a.log", "three\n");
    check_round(&r, 1, "two|");
    check_round(&r, 1, "three|");
    check_round(&r, 9, "");
    rig_end(&r);
}

TEST(tail_starts_anew_when_a_file_is_cut_or_written_over)
{
    struct rig r;
    rig_start(&r, "a.log");
    put(&r, "a.log", "one\ntwo\n");
    check_round(&r, 1, "one|two|");
    CHECK(truncate(path_of(&r, "a.log"), 0) == 0);
    put(&r, "a.log", "x\n");
    check_round(&r, 1, "x|");
    CHECK(truncate(path_of(&r, "a.log"), 0) == 0);
    put(&r, "a.log", "longer than before\n");
    check_round(&r, 1, "longer than before|");
    rig_end(&r);
}

TEST(tail_cuts_long_lines_and_goes_on_behind_them)
{
    struct rig r;
    enum { LONG = 3 * MIB };
    char *text = mem_alloc(LONG + 10);
    rig_start(&r, "a.log");
    memset(text, 'x', LONG);
    memcpy(text + LONG, "\nnext\n", sizeof "\nnext\n");
    put(&r, "a.log", "first\n");
    check_round(&r, 1, "first|");
    put(&r, "a.log", text);
    struct err err;
    size_t n;
    buf_reset(&r.lines);
    CHECK_INT(tail_round(r.tail, 0, &n, &err), ST_OK);
    CHECK_INT(n, 2);
    CHECK_INT(r.lines.len, LINE_MAX + 1 + 5);
    CHECK(slice_ends(buf_as_slice(&r.lines), SLICE("x\xe2\x80\xa6|next|")));
    mem_free(text);
    rig_end(&r);
}

TEST(tail_reads_again_what_the_store_refused)
{
    struct rig r;
    struct err err;
    size_t n;
    rig_start(&r, "a.log");
    put(&r, "a.log", "one\n");
    r.refuse = true;
    CHECK_INT(tail_round(r.tail, 0, &n, &err), ST_FULL);
    CHECK(slice_contains(slice_str(err.text), SLICE("a.log")));
    r.refuse = false;
    check_round(&r, 1, "one|");
    rig_end(&r);
}

TEST(tail_stores_in_parts_what_one_batch_does_not_take)
{
    struct rig r;
    rig_start(&r, "a.log");
    r.lines_max = 2;
    put(&r, "a.log", "1\n2\n3\n4\n5\n6\n7 is far longer than all before it together\n");
    check_round(&r, 1, "1|2|3|4|5|6|7 is far longer than all before it together|");
    check_round(&r, 1, "");
    rig_end(&r);
}

TEST(tail_takes_only_the_end_of_a_large_file_it_never_saw)
{
    struct rig r;
    rig_start(&r, "a.log");
    char *text = mem_alloc(2 * MIB + 1);
    for (size_t i = 0; i < 2 * MIB; i++)
        text[i] = i % 64 == 63 ? '\n' : 'y';
    text[2 * MIB] = 0;
    put(&r, "a.log", text);
    struct err err;
    size_t n;
    CHECK_INT(tail_round(r.tail, 0, &n, &err), ST_OK);
    CHECK_INT(n, TAIL_FIRST_BYTES_MAX / 64 - 1);
    mem_free(text);
    rig_end(&r);
}

TEST(tail_joins_a_trace_that_comes_in_two_rounds)
{
    struct rig r;
    rig_start(&r, "a.log");
    put(&r, "a.log", "2026-01-02 10:00:00 ERROR failed\njava.lang.Error: x\n");
    check_round(&r, 1, "");
    put(&r, "a.log", "\tat a.B.c(B.java:1)\n");
    check_round(&r, 1, "");
    put(&r, "a.log", "2026-01-02 10:00:01 INFO next\n");
    check_round(&r, 1, "2026-01-02 10:00:00 ERROR failed\njava.lang.Error: x\n\tat a.B.c(B.java:1)|2026-01-02 10:00:01 INFO next|");
    CHECK_INT(tail_count(r.tail, TAIL_JOINED), 2);
    rig_end(&r);
}

TEST(tail_gives_what_may_go_on_when_nothing_does)
{
    struct rig r;
    rig_start(&r, "a.log");
    put(&r, "a.log", "panic: x\n\ngoroutine 1 [running]:\n");
    check_round(&r, 1, "");
    check_round(&r, 3, "panic: x\n\ngoroutine 1 [running]:|");
    check_round(&r, 3, "");
    rig_end(&r);
}

TEST(tail_takes_what_may_go_on_after_a_restart)
{
    struct rig r;
    rig_start(&r, "a.log");
    put(&r, "a.log", "one\njava.lang.Error: x\n");
    check_round(&r, 1, "one|");
    rig_restart(&r);
    put(&r, "a.log", "\tat a.B.c(B.java:1)\nplain\n");
    check_round(&r, 1, "java.lang.Error: x\n\tat a.B.c(B.java:1)|plain|");
    rig_end(&r);
}

TEST(tail_unwraps_dockers_lines_and_their_parts)
{
    struct rig r;
    rig_start(&r, "a.log");
    put(&r, "a.log", "{\"log\":\"one\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05.1Z\"}\n"
                     "{\"log\":\"first \",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05.2Z\"}\n"
                     "{\"log\":\"Error: x\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-02T03:04:05.3Z\"}\n");
    check_round(&r, 1, "one|");
    put(&r, "a.log", "{\"log\":\"and \\\"second\\\"\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05.4Z\"}\n"
                     "{\"log\":\"    at f (/srv/a.js:1:2)\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-02T03:04:05.5Z\"}\n"
                     "{\"log\":\"next\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-02T03:04:05.6Z\"}\n"
                     "no frame\n");
    check_round(&r, 1, "first and \"second\"|Error: x\n    at f (/srv/a.js:1:2)|next|no frame|");
    rig_end(&r);
}

TEST(tail_unwraps_cri_lines_and_their_parts)
{
    struct rig r;
    rig_start(&r, "a.log");
    put(&r, "a.log", "2026-01-02T03:04:05.123456789Z stdout F one\n2026-01-02T03:04:05.2+00:00 stdout P part \n"
                     "2026-01-02T03:04:05.3Z stderr F other\n2026-01-02T03:04:05.4Z stdout F end\n2026-01-02T03:04:05.5Z stdout F \n");
    check_round(&r, 1, "one|part end|other|");
    put(&r, "a.log", "2026-01-02T03:04:06Z stdout P never");
    check_round(&r, 1, "");
    check_round(&r, 6, "never|");
    rig_end(&r);
}

TEST(tail_keeps_bytes_and_turns_other_charsets_into_utf8)
{
    struct rig r;
    rig_start(&r, "*.log");
    put(&r, "a.log", "caf\xe9 \xff\xc3\n");
    check_round(&r, 1, "caf\xe9 \xff\xc3|");
    FILE *f = fopen(path_of(&r, "b.log"), "wb");
    static const char wide[] = "\xff\xfeo\0n\0\xe9\0\r\0\n\0\x3d\xd8\x00\xde\n";
    CHECK(f != NULL && fwrite(wide, 1, sizeof wide, f) == sizeof wide); /* with the last zero */
    fclose(f);
    check_round(&r, 1, "on\xc3\xa9|\xf0\x9f\x98\x80|");
    r.input.charset = TAIL_WINDOWS_1252;
    put(&r, "c.log", "caf\xe9 5\x80\n");
    check_round(&r, 1, "caf\xc3\xa9 5\xe2\x82\xac|");
    rig_end(&r);
}

TEST(tail_follows_one_of_two_paths_to_a_file)
{
    struct rig r;
    rig_start(&r, "*.log");
    put(&r, "a.log", "one\n");
    CHECK(symlink(path_of(&r, "a.log"), path_of(&r, "link.log")) == 0);
    check_round(&r, 1, "one|");
    put(&r, "a.log", "two\n");
    check_round(&r, 1, "two|");
    move(&r, "a.log", "a.log.1");
    put(&r, "a.log", "three\n");
    check_round(&r, 3, "");
    check_round(&r, 1, "three|");
    check_round(&r, 3, "");
    rig_end(&r);
}
