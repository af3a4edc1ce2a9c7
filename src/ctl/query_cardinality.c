/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of GET /api/stoa/v1/cardinality for people: who is over a limit, who is near one, where series come from, and what nobody
 * reads. */
#include <stdio.h>

#include "base/date.h"
#include "base/num.h"
#include "codec/json.h"
#include "ctl/commands.h"

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

static void print_time(const char *before, double ms)
{
    char text[DATE_TEXT_BYTES_MAX];
    if (ms <= 0)
        return;
    size_t n = date_format_rfc3339((int64_t)ms * NS_MS, 0, 0, text);
    printf("%s%.*s", before, (int)n, text);
}

static bool is_set(double v)
{
    return v > 0;
}

static void print_offender(struct json_value o)
{
    struct slice metric = text_of(o, "metric"), label = text_of(o, "label"), job = text_of(o, "job"), action = text_of(o, "action");
    struct slice setting = text_of(o, "setting"), tenant = text_of(o, "tenant"), example = text_of(o, "example");
    printf("%.*s %.*s", SLICE_FMT(action), SLICE_FMT(metric));
    if (label.len)
        printf(" label %.*s", SLICE_FMT(label));
    printf(" tenant %.*s", SLICE_FMT(tenant));
    if (job.len)
        printf(" job %.*s", SLICE_FMT(job));
    printf(": %.0f samples, %.0f different; found %.0f, %.*s is %.0f", number_of(o, "samples"), number_of(o, "different"), number_of(o, "found"),
           SLICE_FMT(setting), number_of(o, "limit"));
    print_time("; first sample ", number_of(o, "first_sample_ms"));
    print_time(", last told ", number_of(o, "last_ms"));
    printf("\n    for example %.*s\n", SLICE_FMT(example));
}

static void print_count(struct json_value c)
{
    struct slice metric = text_of(c, "metric"), label = text_of(c, "label"), tenant = text_of(c, "tenant");
    printf("%10.0f %s ", number_of(c, "count"), label.len ? "values" : "series");
    if (is_set(number_of(c, "limit")))
        printf("(%3.0f %% of %.0f) ", 100 * number_of(c, "count") / number_of(c, "limit"), number_of(c, "limit"));
    if (metric.len == 0)
        printf("tenant %.*s\n", SLICE_FMT(tenant));
    else if (label.len)
        printf("%.*s label %.*s (tenant %.*s)\n", SLICE_FMT(metric), SLICE_FMT(label), SLICE_FMT(tenant));
    else
        printf("%.*s (tenant %.*s)\n", SLICE_FMT(metric), SLICE_FMT(tenant));
}

static void print_metric(struct json_value m)
{
    struct slice name = text_of(m, "name");
    printf("%10.0f series %.*s", number_of(m, "series"), SLICE_FMT(name));
    print_time(", last read ", number_of(m, "last_read_ms"));
    printf("\n");
}

static size_t print_list(struct json_value v, const char *key, const char *heading, void (*print)(struct json_value item))
{
    struct json_value list, item;
    size_t n = 0;
    if (!json_get(v, slice_str(key), &list))
        return 0;
    for (struct json_iter it = json_array(list); json_array_next(&it, &item); n++) {
        if (n == 0)
            printf("%s\n", heading);
        print(item);
    }
    return n;
}

int cardinality_print(struct slice body)
{
    struct json_parser *p = json_parser_new();
    struct json_value answer, metrics;
    struct err err;
    int code = 1;
    if (json_parse(p, body, &answer, &err)) {
        fprintf(stderr, "stoa query: the answer is no JSON: %s\n", err.text);
    } else if (!json_get(answer, SLICE("metrics"), &metrics)) {
        fprintf(stderr, "stoa query: the answer has no metrics: is this a server of ours?\n");
    } else {
        if (print_list(answer, "offenders", "Over a limit:", print_offender) == 0)
            printf("Nothing is over a limit.\n");
        print_list(answer, "near", "Nearest to their limits:", print_count);
        print_list(metrics, "largest", "Metrics with most series:", print_metric);
        printf("Never read");
        print_time(" since ", number_of(metrics, "reads_since_ms"));
        printf(": %.0f of %.0f metrics, %.0f of %.0f series\n", number_of(metrics, "never_read_count"), number_of(metrics, "count"),
               number_of(metrics, "never_read_series"), number_of(metrics, "series"));
        print_list(metrics, "never_read", "Of these the largest:", print_metric);
        code = 0;
    }
    json_parser_free(p);
    return code;
}
