/* SPDX-License-Identifier: Apache-2.0 */
/* `stoa test joins FILE...`: whether the lines of stack traces become one record each. A file is JSON:
 *
 *     {"cases": [{"name": "...", "lines": ["...", ...]}, ...]}
 *
 * A case passes when its lines are one record behind an ordinary line, and before one and before one with a time. A case whose name
 * begins with ARBITRARY is of lines that have nothing to do with each other: each must be a record of its own. */
#include <stdio.h>

#include "base/arena.h"
#include "codec/json.h"
#include "ctl/commands.h"
#include "ingest/join.h"
#include "sys/file.h"

enum { FILE_BYTES_MAX = 16 * MIB };

struct score {
    size_t passed, failed;
    bool is_broken;
};

/* How many records text is. sizes: the lines of the first sizes_max ones. */
static size_t records(struct slice text, size_t *sizes, size_t sizes_max)
{
    static const struct join_rule rule = { .mode = JOIN_AUTO };
    size_t n = 0;
    for (bool is_open; text.len; n++) {
        size_t bytes = join_next(&rule, text, FILE_BYTES_MAX, &is_open), lines = 0;
        for (size_t i = 0; i < bytes; i++)
            lines += text.ptr[i] == '\n';
        if (n < sizes_max)
            sizes[n] = lines;
        text = slice_skip(text, bytes);
    }
    return n;
}

/* Empty: it is as wanted. */
static struct slice wrong(struct arena *a, struct json_value list, bool is_one, struct slice after)
{
    struct buf text;
    struct json_value line;
    size_t count = 0, sizes[3] = { 0 };
    buf_init(&text, FILE_BYTES_MAX);
    buf_slice(&text, SLICE("an ordinary line\n"));
    for (struct json_iter it = json_array(list); json_array_next(&it, &line); count++) {
        buf_slice(&text, json_get_string(line));
        buf_char(&text, '\n');
    }
    buf_slice(&text, after);
    size_t n = records(buf_as_slice(&text), sizes, COUNT_OF(sizes));
    buf_free(&text);
    if (is_one && !(n == 3 && sizes[0] == 1 && sizes[1] == count && sizes[2] == 1))
        return arena_printf(a, "%zu lines became %zu records, the first of them of %zu lines", count, n - MIN(n, (size_t)2), sizes[1]);
    if (!is_one && n != count + 2)
        return arena_printf(a, "%zu lines became %zu records", count, n - MIN(n, (size_t)2));
    return SLICE_EMPTY;
}

static void run_case(struct json_value one, struct score *score)
{
    static const struct slice after[] = { SLICE_INIT("another ordinary line\n"), SLICE_INIT("2026-01-02 10:00:00 INFO the next one\n") };
    struct arena *a = arena_new(0);
    struct json_value name = one, lines;
    if (json_get(one, SLICE("name"), &name) && json_get(one, SLICE("lines"), &lines)) {
        struct slice text = json_get_string(name), why = SLICE_EMPTY;
        for (size_t i = 0; i < COUNT_OF(after) && why.len == 0; i++)
            why = wrong(a, lines, !slice_starts(text, SLICE("ARBITRARY")), after[i]);
        *(why.len ? &score->failed : &score->passed) += 1;
        if (why.len)
            printf("%.*s: %.*s\n", SLICE_FMT(text), SLICE_FMT(why));
    }
    arena_free(a);
}

static void run_file(const char *path, struct score *score)
{
    struct json_parser *parser = json_parser_new();
    struct json_value v, cases, one;
    struct buf text;
    struct err err;
    buf_init(&text, FILE_BYTES_MAX);
    enum status st = fs_read_all(fs_real(), path, FILE_BYTES_MAX, &text, &err);
    if (!st)
        st = json_parse(parser, buf_as_slice(&text), &v, &err);
    if (!st && !json_get(v, SLICE("cases"), &cases))
        st = err_set(&err, ST_INVALID, "no member \"cases\"");
    if (st) {
        printf("%s: %s\n", path, err.text);
        score->is_broken = true;
    } else {
        for (struct json_iter it = json_array(cases); json_array_next(&it, &one);)
            run_case(one, score);
    }
    buf_free(&text);
    json_parser_free(parser);
}

int test_joins(int argc, char **argv)
{
    struct score score = { 0 };
    if (argc < 2) {
        fprintf(stderr, "usage: stoa test joins FILE.json...   ({\"cases\": [{\"name\": \"...\", \"lines\": [\"...\"]}]})\n");
        return 2;
    }
    for (int i = 1; i < argc; i++)
        run_file(argv[i], &score);
    printf("%zu passed, %zu failed\n", score.passed, score.failed);
    return score.failed || score.is_broken ? 1 : 0;
}
