/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of `stoa query --patterns`: a line a pattern: how often, its share, its worst level, and the pattern. */
#include <stdio.h>

#include "codec/json.h"
#include "ctl/commands.h"

static double number_of(struct json_value object, struct slice key)
{
    struct json_value v;
    double d = 0;
    if (json_get(object, key, &v))
        (void)json_get_double(v, &d);
    return d;
}

/* The last one that is there: levels come mildest first. */
static struct slice worst_level(struct json_value pattern)
{
    struct json_value levels, v;
    struct slice name, worst = SLICE("");
    if (json_get(pattern, SLICE("levels"), &levels))
        for (struct json_iter it = json_object(levels); json_object_next(&it, &name, &v);)
            worst = name;
    return worst;
}

static void print_one(struct json_value pattern)
{
    struct json_value text, baseline;
    struct slice level = worst_level(pattern), shown = json_get(pattern, SLICE("pattern"), &text) ? json_get_string(text) : SLICE_EMPTY;
    printf("%10.0f", number_of(pattern, SLICE("count")));
    if (json_get(pattern, SLICE("baseline"), &baseline))
        printf(" (%.0f expected)", number_of(pattern, SLICE("expected")));
    printf(" %5.1f %% %-8.*s ", 100 * number_of(pattern, SLICE("share")), SLICE_FMT(level));
    for (size_t i = 0; i < shown.len; i++) /* a pattern of several lines stays on one */
        putchar(shown.ptr[i] == '\n' || shown.ptr[i] == '\r' ? ' ' : shown.ptr[i]);
    putchar('\n');
}

int patterns_print(struct slice body)
{
    struct json_parser *p = json_parser_new();
    struct json_value answer, list, item, partial;
    struct err err;
    int code = 1;
    if (json_parse(p, body, &answer, &err)) {
        fprintf(stderr, "stoa query: the answer is no JSON: %s\n", err.text);
    } else if (json_get(answer, SLICE("patterns"), &list)) {
        size_t shown = 0;
        for (struct json_iter it = json_array(list); json_array_next(&it, &item); shown++)
            print_one(item);
        printf("%zu of %.0f patterns, %.0f lines\n", shown, number_of(answer, SLICE("found")), number_of(answer, SLICE("lines")));
        if (json_get(answer, SLICE("partial"), &partial) && json_get_bool(partial))
            fprintf(stderr, "warning: there are more lines or kinds of them than are looked at: ask for less time or fewer streams\n");
        code = 0;
    } else {
        fprintf(stderr, "stoa query: the answer has no patterns: is this a server of ours?\n");
    }
    json_parser_free(p);
    return code;
}
