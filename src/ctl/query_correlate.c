/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of GET /api/stoa/v1/correlate for people: everything in the order of time within its kind, a line each. */
#include <stdio.h>

#include "base/date.h"
#include "base/num.h"
#include "codec/json.h"
#include "ctl/commands.h"

static struct slice text_of(struct json_value v, struct slice key)
{
    struct json_value member;
    return json_get(v, key, &member) ? json_get_string(member) : SLICE_EMPTY;
}

static double number_of(struct json_value v, struct slice key)
{
    struct json_value member;
    double d = 0;
    if (json_get(v, key, &member))
        (void)json_get_double(member, &d);
    return d;
}

static void print_time(int64_t ns)
{
    char text[DATE_TEXT_BYTES_MAX];
    size_t n = date_format_rfc3339(ns, 0, 3, text);
    printf("%.*s", (int)n, text);
}

static int64_t ns_of(struct json_value v, struct slice key)
{
    int64_t ns = 0;
    return num_parse_i64(text_of(v, key), &ns) ? ns : 0;
}

static void print_labels(struct json_value v, struct slice member)
{
    struct json_value labels, value;
    struct slice key;
    bool first = true;
    if (!json_get(v, member, &labels))
        return;
    struct slice name = text_of(labels, SLICE("__name__"));
    printf("%.*s{", SLICE_FMT(name));
    for (struct json_iter it = json_object(labels); json_object_next(&it, &key, &value);) {
        struct slice text = json_get_string(value);
        if (slice_eq(key, SLICE("__name__")))
            continue;
        printf("%s%.*s=\"%.*s\"", first ? "" : ",", SLICE_FMT(key), SLICE_FMT(text));
        first = false;
    }
    printf("}");
}

static void print_log(struct json_value v)
{
    struct slice service = text_of(v, SLICE("service")), severity = text_of(v, SLICE("severity")), body = text_of(v, SLICE("body"));
    print_time(ns_of(v, SLICE("time_ns")));
    printf(" log %.*s %.*s %.*s\n", SLICE_FMT(severity), SLICE_FMT(service), SLICE_FMT(body));
}

static void print_trace(struct json_value v)
{
    struct slice id = text_of(v, SLICE("trace_id")), service = text_of(v, SLICE("service")), name = text_of(v, SLICE("name"));
    print_time(ns_of(v, SLICE("start_ns")));
    printf(" trace %.*s %.*s %.*s: %g spans, %g ms\n", SLICE_FMT(id), SLICE_FMT(service), SLICE_FMT(name), number_of(v, SLICE("spans")),
           (double)ns_of(v, SLICE("duration_ns")) / (double)NS_MS);
}

static void print_point(struct json_value v, const char *what, struct slice labels)
{
    print_time((int64_t)number_of(v, SLICE("t_ms")) * NS_MS);
    printf(" %s ", what);
    print_labels(v, labels);
    printf(" %g\n", number_of(v, SLICE("value")));
}

static void print_exemplar(struct json_value v)
{
    print_point(v, "exemplar", SLICE("series"));
}

static void print_series(struct json_value v)
{
    print_point(v, "series", SLICE("labels"));
}

int correlate_print(struct slice body)
{
    static const struct {
        struct slice key;
        void (*print)(struct json_value v);
    } lists[] = { { SLICE_INIT("logs"), print_log }, { SLICE_INIT("traces"), print_trace }, { SLICE_INIT("exemplars"), print_exemplar },
                  { SLICE_INIT("series"), print_series } };
    struct json_parser *p = json_parser_new();
    struct json_value answer, list, item;
    struct err err;
    int found = 0;
    if (json_parse(p, body, &answer, &err)) {
        fprintf(stderr, "stoa query: the answer is no JSON: %s\n", err.text);
        json_parser_free(p);
        return 1;
    }
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        if (!json_get(answer, lists[i].key, &list))
            continue;
        for (struct json_iter it = json_array(list); json_array_next(&it, &item); found++)
            lists[i].print(item);
    }
    if (json_get(answer, SLICE("notes"), &list))
        for (struct json_iter it = json_array(list); json_array_next(&it, &item);) {
            struct slice note = json_get_string(item);
            fprintf(stderr, "note: %.*s\n", SLICE_FMT(note));
        }
    if (found == 0)
        fprintf(stderr, "stoa query: nothing has this id\n");
    json_parser_free(p);
    return found ? 0 : 1;
}
