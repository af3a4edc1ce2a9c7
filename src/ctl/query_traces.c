/* SPDX-License-Identifier: Apache-2.0 */
/* The answers of `stoa query --traces`: of a search a line a trace and below it a line a span that the query gave; of a metrics query a line a
 * point, as other queries of numbers have them. */
#include <stdio.h>

#include "base/date.h"
#include "base/num.h"
#include "codec/json.h"
#include "ctl/commands.h"
#include "traceql/traceql.h"

bool traces_is_metrics(struct slice query, bool *out, struct err *err)
{
    struct arena *a = arena_new(0);
    struct traceql *q;
    enum status st = traceql_parse(a, query, &q, err);
    if (!st) {
        *out = q->metric != NULL;
        traceql_free(q);
    }
    arena_free(a);
    return st == ST_OK;
}

static struct slice text_of(struct json_value object, struct slice key)
{
    struct json_value v;
    return json_get(object, key, &v) ? json_get_string(v) : SLICE_EMPTY;
}

static int64_t int_of(struct json_value object, struct slice key)
{
    int64_t i = 0;
    struct json_value v;
    if (json_get(object, key, &v) && !json_get_int(v, &i))
        (void)num_parse_i64(json_get_string(v), &i);
    return i;
}

/* What services write must not move the cursor. */
static void put_safe(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        putchar((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f ? ' ' : text.ptr[i]);
}

static void put_time(int64_t ns)
{
    char text[DATE_TEXT_BYTES_MAX];
    printf("%.*s", (int)date_format_rfc3339(ns, 0, 3, text), text);
}

static void put_duration(int64_t ns)
{
    double d = (double)ns;
    d < 1e3 ? printf("%8.0fns", d) : d < 1e6 ? printf("%8.4gus", d / 1e3) : d < 1e9 ? printf("%8.4gms", d / 1e6) : printf("%9.4gs", d / 1e9);
}

/* {"stringValue":"x"} and the like. */
static void put_any(struct json_value value)
{
    struct json_value inner;
    struct slice key;
    struct buf text;
    struct json_iter it = json_object(value);
    if (!json_object_next(&it, &key, &inner))
        return;
    buf_init(&text, 0);
    if (json_type(inner) == JSON_STRING)
        buf_slice(&text, json_get_string(inner));
    else
        json_write_value(inner, &text);
    put_safe(buf_as_slice(&text));
    buf_free(&text);
}

static void put_attributes(struct json_value object, const char *before)
{
    struct json_value list, item, value;
    if (!json_get(object, SLICE("attributes"), &list))
        return;
    for (struct json_iter it = json_array(list); json_array_next(&it, &item);) {
        printf("%s", before);
        put_safe(text_of(item, SLICE("key")));
        putchar('=');
        if (json_get(item, SLICE("value"), &value))
            put_any(value);
    }
}

static void put_set(struct json_value set)
{
    struct json_value list, span;
    int64_t matched = int_of(set, SLICE("matched")), shown = 0;
    printf("   ");
    put_attributes(set, " ");
    printf(" %lld %s\n", (long long)matched, matched == 1 ? "span" : "spans");
    if (!json_get(set, SLICE("spans"), &list))
        return;
    for (struct json_iter it = json_array(list); json_array_next(&it, &span); shown++) {
        printf("      ");
        put_duration(int_of(span, SLICE("durationNanos")));
        printf("  ");
        put_safe(text_of(span, SLICE("spanID")));
        printf("  ");
        put_safe(text_of(span, SLICE("name")));
        put_attributes(span, "  ");
        putchar('\n');
    }
    if (shown < matched)
        printf("      and %lld more\n", (long long)(matched - shown));
}

static void put_trace(struct json_value trace)
{
    struct json_value sets, set;
    put_time(int_of(trace, SLICE("startTimeUnixNano")));
    put_duration(int_of(trace, SLICE("durationMs")) * NS_MS);
    printf("  ");
    put_safe(text_of(trace, SLICE("traceID")));
    printf("  ");
    put_safe(text_of(trace, SLICE("rootServiceName")));
    printf("  ");
    put_safe(text_of(trace, SLICE("rootTraceName")));
    putchar('\n');
    if (json_get(trace, SLICE("spanSets"), &sets))
        for (struct json_iter it = json_array(sets); json_array_next(&it, &set);)
            put_set(set);
}

static void put_point(struct slice labels, int64_t ms, struct json_value value)
{
    struct buf text;
    buf_init(&text, 0);
    json_write_value(value, &text);
    if (ms) {
        put_time(ms * NS_MS);
        putchar(' ');
    }
    put_safe(labels);
    printf(" %.*s\n", SLICE_FMT(buf_as_slice(&text)));
    buf_free(&text);
}

static void put_series(struct json_value series)
{
    struct json_value list, sample, value;
    struct slice labels = text_of(series, SLICE("promLabels"));
    if (json_get(series, SLICE("value"), &value))
        put_point(labels, 0, value);
    if (json_get(series, SLICE("samples"), &list))
        for (struct json_iter it = json_array(list); json_array_next(&it, &sample);)
            if (json_get(sample, SLICE("value"), &value))
                put_point(labels, int_of(sample, SLICE("timestampMs")), value);
}

static void put_notes(struct json_value answer)
{
    struct slice text = text_of(answer, SLICE("message"));
    if (text.len)
        fprintf(stderr, "warning: %.*s\n", SLICE_FMT(text));
}

int traces_print(struct slice body)
{
    struct json_parser *p = json_parser_new();
    struct json_value answer, list, item;
    struct err err;
    int code = 1;
    if (json_parse(p, body, &answer, &err)) {
        fprintf(stderr, "stoa query: the answer is no JSON: %s\n", err.text);
    } else if (json_get(answer, SLICE("traces"), &list)) {
        for (struct json_iter it = json_array(list); json_array_next(&it, &item);)
            put_trace(item);
        put_notes(answer);
        code = 0;
    } else if (json_get(answer, SLICE("series"), &list)) {
        for (struct json_iter it = json_array(list); json_array_next(&it, &item);)
            put_series(item);
        put_notes(answer);
        code = 0;
    } else {
        fprintf(stderr, "stoa query: the answer has neither traces nor series: is this a server of ours?\n");
    }
    json_parser_free(p);
    return code;
}
