/* SPDX-License-Identifier: Apache-2.0 */
/* `stoa test patterns FILE...`: how well lines are put into patterns. A file is CSV as loghub's *_structured.csv has it (also
 * gzipped): a header, and in it the columns Content (the line) and EventId (the pattern it is known to be of).
 *
 * Grouping accuracy is the share of lines whose pattern has exactly the lines that their EventId has. A file passes from
 * ACCURACY_MIN on. With --speed lines are added again and again, to tell how many fit into a second. */
#include <stdio.h>

#include "base/arena.h"
#include "base/map.h"
#include "codec/compress.h"
#include "ctl/commands.h"
#include "query/patterns.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { FILE_BYTES_MAX = 256 * MIB, SPEED_LINES = 2 * 1000 * 1000 };
#define ACCURACY_MIN 0.90

struct known {
    struct slice line, id;
    uint32_t shape, event;
};

struct cases {
    struct arena *a;
    struct known *list;
    size_t count, cap;
};

/* One cell; *last says it ends its row. "" within quotes is a quote. */
static struct slice cell_next(struct buf *text, struct slice *rest, bool *last)
{
    bool quoted = rest->len && rest->ptr[0] == '"';
    size_t n = quoted;
    buf_reset(text);
    for (; n < rest->len; n++) {
        char c = rest->ptr[n];
        if (quoted && c == '"') {
            quoted = n + 1 < rest->len && rest->ptr[n + 1] == '"';
            n += quoted;
            if (!quoted)
                continue;
        } else if (!quoted && (c == ',' || c == '\n')) {
            break;
        }
        buf_char(text, c);
    }
    *last = n >= rest->len || rest->ptr[n] != ',';
    *rest = slice_skip(*rest, n + 1);
    struct slice cell = buf_as_slice(text);
    return *last && slice_ends(cell, SLICE("\r")) ? slice_sub(cell, 0, cell.len - 1) : cell;
}

static enum status cases_read(struct cases *c, const char *path, struct err *err)
{
    struct buf raw, plain, cell_text;
    buf_init(&raw, 0);
    buf_init(&plain, 0);
    buf_init(&cell_text, 0);
    enum status st = fs_read_all(fs_real(), path, FILE_BYTES_MAX, &raw, err);
    struct slice rest = buf_as_slice(&raw);
    if (!st && slice_starts(rest, SLICE("\x1f\x8b"))) {
        st = gzip_decompress(rest, FILE_BYTES_MAX, &plain, err);
        rest = buf_as_slice(&plain);
    }
    size_t line_at = SIZE_MAX, id_at = SIZE_MAX;
    for (size_t row = 0; !st && rest.len; row++) {
        struct known k = { 0 };
        bool last = false;
        for (size_t i = 0; !last; i++) {
            struct slice cell = cell_next(&cell_text, &rest, &last);
            if (row == 0 && slice_eq(cell, SLICE("Content")))
                line_at = i;
            if (row == 0 && slice_eq(cell, SLICE("EventId")))
                id_at = i;
            if (i == line_at)
                k.line = arena_copy(c->a, cell);
            if (i == id_at)
                k.id = arena_copy(c->a, cell);
        }
        if (row && k.id.len)
            ARENA_PUSH(c->a, c->list, c->count, c->cap) = k;
    }
    if (!st && (line_at == SIZE_MAX || id_at == SIZE_MAX || c->count == 0))
        st = err_set(err, ST_INVALID, "no lines: a header with the columns Content and EventId is wanted, and rows behind it");
    buf_free(&cell_text);
    buf_free(&raw);
    buf_free(&plain);
    return st;
}

/* Puts the lines into patterns; how many are in a pattern that is just right. */
static size_t lines_right(struct cases *c, struct patterns *p, uint32_t *pattern_count, size_t *event_count)
{
    struct map events;
    map_init(&events);
    for (size_t i = 0; i < c->count; i++) {
        bool added;
        uint64_t *at = map_put(&events, c->list[i].id, &added);
        if (added)
            *at = events.count - 1;
        c->list[i].event = (uint32_t)*at;
        c->list[i].shape = patterns_add(p, c->list[i].line);
    }
    *event_count = events.count;
    *pattern_count = patterns_join(p);
    size_t *of_event = arena_zalloc(c->a, (events.count + 1) * sizeof *of_event);
    size_t *of_pattern = arena_zalloc(c->a, (*pattern_count + 1) * sizeof *of_pattern);
    uint32_t *first = arena_array(c->a, uint32_t, *pattern_count + 1);
    bool *mixed = arena_zalloc(c->a, (*pattern_count + 1) * sizeof *mixed);
    size_t right = 0;
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < c->count; i++) {
            struct known *k = &c->list[i];
            if (k->shape == PATTERN_NONE)
                continue;
            uint32_t at = patterns_of_shape(p, k->shape);
            if (round) {
                right += !mixed[at] && of_pattern[at] == of_event[k->event];
                continue;
            }
            of_event[k->event]++;
            if (of_pattern[at]++ == 0)
                first[at] = k->event;
            mixed[at] |= first[at] != k->event;
        }
    map_free(&events);
    return right;
}

static double speed_of(const struct cases *c)
{
    struct patterns *p = patterns_new();
    struct clock *clock = clock_real();
    int64_t start = clock_mono_ns(clock);
    for (size_t i = 0; i < SPEED_LINES; i++)
        (void)patterns_add(p, c->list[i % c->count].line);
    double seconds = (double)(clock_mono_ns(clock) - start) / 1e9;
    patterns_free(p);
    return SPEED_LINES / seconds;
}

static double test_file(const char *path, bool with_speed, bool *broken)
{
    struct cases c = { .a = arena_new(0) };
    struct patterns *p = patterns_new();
    struct err err;
    double accuracy = 0;
    if (cases_read(&c, path, &err)) {
        printf("%s: %s\n", path, err.text);
        *broken = true;
    } else {
        uint32_t pattern_count;
        size_t event_count, right = lines_right(&c, p, &pattern_count, &event_count);
        accuracy = (double)right / (double)c.count;
        printf("%s: grouping accuracy %.3f: lines %zu, patterns %u, known ones %zu", path, accuracy, c.count, pattern_count, event_count);
        if (with_speed)
            printf(", lines a second %.0f", speed_of(&c));
        printf("\n");
    }
    patterns_free(p);
    arena_free(c.a);
    return accuracy;
}

int test_patterns(int argc, char **argv)
{
    bool with_speed = argc > 1 && slice_eq(slice_str(argv[1]), SLICE("--speed")), broken = false;
    size_t passed = 0, failed = 0;
    double sum = 0;
    for (int i = 1 + with_speed; i < argc; i++) {
        double accuracy = test_file(argv[i], with_speed, &broken);
        sum += accuracy;
        *(accuracy >= ACCURACY_MIN ? &passed : &failed) += 1;
    }
    if (passed + failed == 0) {
        fprintf(stderr, "usage: stoa test patterns [--speed] FILE.csv...   (columns Content and EventId)\n");
        return 2;
    }
    printf("average grouping accuracy %.3f; a file passes from %.2f on\n", sum / (double)(passed + failed), ACCURACY_MIN);
    printf("%zu passed, %zu failed\n", passed, failed);
    return failed || broken ? 1 : 0;
}
