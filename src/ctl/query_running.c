/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of GET /api/stoa/v1/queries for people: a line for each query that runs, and for each of the slowest of the last day. */
#include <stdio.h>

#include "codec/json.h"
#include "ctl/commands.h"

enum { SHOWN_SLOWEST_MAX = 10, SHOWN_TEXT_BYTES_MAX = 300 };

static struct slice text_of(struct json_value v, const char *key)
{
    struct json_value member;
    return json_get(v, slice_str(key), &member) ? json_get_string(member) : SLICE_EMPTY;
}

static double number_of(struct json_value v, const char *key)
{
    struct json_value member;
    double d = 0;
    if (json_get(v, slice_str(key), &member))
        (void)json_get_double(member, &d);
    return d;
}

/* A query may stand on several lines: here it is one. */
static void print_text(struct slice text)
{
    struct slice shown = slice_sub(text, 0, SHOWN_TEXT_BYTES_MAX);
    for (size_t i = 0; i < shown.len; i++)
        putchar((unsigned char)shown.ptr[i] < ' ' ? ' ' : shown.ptr[i]);
    printf("%s\n", shown.len < text.len ? "..." : "");
}

static void print_one(struct json_value q, bool is_over)
{
    struct json_value request;
    struct slice user = text_of(q, "user"), tenants = text_of(q, "tenants"), status = text_of(q, "status"), from = SLICE_EMPTY, path = SLICE_EMPTY;
    if (json_get(q, SLICE("httpRequest"), &request)) {
        from = text_of(request, "clientIP");
        path = text_of(request, "path");
    }
    if (!is_over)
        printf("%-8.0f ", number_of(q, "id"));
    printf("%9.3f s  ", number_of(q, "seconds"));
    if (is_over)
        printf("%12.0f samples  %-9.*s ", number_of(q, "samplesRead"), SLICE_FMT(status));
    printf("%.*s%s%.*s  %.*s  %.*s  ", SLICE_FMT(user), user.len ? "@" : "", SLICE_FMT(from), SLICE_FMT(tenants), SLICE_FMT(path));
    print_text(text_of(q, "query"));
}

int running_print(struct slice body)
{
    struct json_parser *p = json_parser_new();
    struct json_value answer, data, list, item;
    struct err err;
    size_t n = 0;
    if (json_parse(p, body, &answer, &err) || !json_get(answer, SLICE("data"), &data) || !json_get(data, SLICE("running"), &list)) {
        fprintf(stderr, "stoa query: the answer has no data.running: is this a server of ours?\n");
        json_parser_free(p);
        return 1;
    }
    for (struct json_iter it = json_array(list); json_array_next(&it, &item); n++) {
        if (n == 0)
            printf("Running (end one with stoa query --stop ID):\n");
        print_one(item, false);
    }
    if (n == 0)
        printf("No query runs.\n");
    n = 0;
    if (json_get(data, SLICE("slowest"), &list))
        for (struct json_iter it = json_array(list); json_array_next(&it, &item) && n < SHOWN_SLOWEST_MAX; n++) {
            if (n == 0)
                printf("The slowest of the last day:\n");
            print_one(item, true);
        }
    json_parser_free(p);
    return 0;
}
