/* SPDX-License-Identifier: Apache-2.0 */
/* `stoa services`: how services do, who calls whom, what fails, what they ask of others and when they were deployed, a line each.
 * --json prints the server's answer as it came. */
#include <math.h>
#include <stdio.h>

#include "base/date.h"
#include "codec/json.h"
#include "codec/url.h"
#include "ctl/account.h"
#include "ctl/commands.h"
#include "net/client.h"

enum { ANSWER_BYTES_MAX = 256 * MIB, TIMEOUT_SECONDS = 130, SHOWN_TEXT_BYTES_MAX = 200 };

static const char usage[] = "usage: stoa services [--map] [--url http://127.0.0.1:7862] [--tenant NAME] [--start T] [--end T] [--json] [SERVICE]\n"
                            "       stoa services --errors [...] [SERVICE]    (exceptions by type and stack)\n"
                            "       stoa services --calls [...] [SERVICE]     (statements and outgoing calls, N+1)\n"
                            "       stoa services --deploys [...] [SERVICE]   (when versions changed)\n";

static struct slice text_of(struct json_value v, const char *key)
{
    struct json_value member;
    return json_get(v, slice_str(key), &member) ? json_get_string(member) : SLICE_EMPTY;
}

static double number_of(struct json_value v, const char *key)
{
    struct json_value member;
    double d = NAN;
    if (json_get(v, slice_str(key), &member) && !json_get_double(member, &d))
        return NAN;
    return d;
}

/* Nothing when it is absent. */
static struct json_iter list_of(struct json_value v, const char *key)
{
    struct json_value member;
    return json_get(v, slice_str(key), &member) ? json_array(member) : (struct json_iter){ 0 };
}

/* On one line. */
static void print_text(struct slice text)
{
    struct slice shown = slice_sub(text, 0, SHOWN_TEXT_BYTES_MAX);
    for (size_t i = 0; i < shown.len; i++)
        putchar((unsigned char)shown.ptr[i] < ' ' ? ' ' : shown.ptr[i]);
    if (shown.len < text.len)
        printf("...");
}

static void print_time(double ms)
{
    char text[DATE_TEXT_BYTES_MAX];
    size_t n = date_format_rfc3339((int64_t)ms * NS_MS, 0, 0, text);
    printf("%.*s", (int)n, text);
}

static void print_seconds(double v)
{
    if (isnan(v))
        printf("%10s", "-");
    else if (v < 1)
        printf("%7.1f ms", v * 1000);
    else
        printf("%8.2f s", v);
}

static void print_ratio(double v)
{
    if (isnan(v))
        printf("%8s", "-");
    else
        printf("%6.2f %%", v * 100);
}

static void print_signals(struct json_value v)
{
    printf("%10.2f/s ", number_of(v, "requests_per_second"));
    print_ratio(number_of(v, "error_ratio"));
    print_seconds(number_of(v, "p50_seconds"));
    print_seconds(number_of(v, "p95_seconds"));
    print_seconds(number_of(v, "p99_seconds"));
    printf("  ");
}

static void print_map(struct json_value data)
{
    struct json_value item;
    printf("%12s %8s%10s%10s%10s\n", "requests", "errors", "p50", "p95", "p99");
    for (struct json_iter it = list_of(data, "nodes"); json_array_next(&it, &item);) {
        struct slice type = text_of(item, "type");
        print_signals(item);
        print_text(text_of(item, "service"));
        if (!slice_eq(type, SLICE("service")))
            printf(" (%.*s)", SLICE_FMT(type));
        printf("\n");
    }
    for (struct json_iter it = list_of(data, "edges"); json_array_next(&it, &item);) {
        print_signals(item);
        print_text(text_of(item, "client"));
        printf(" -> ");
        print_text(text_of(item, "server"));
        printf("\n");
    }
}

static void print_errors(struct json_value data)
{
    struct json_value item, frame;
    for (struct json_iter it = list_of(data, "groups"); json_array_next(&it, &item);) {
        struct json_value example;
        if (!json_get(item, SLICE("example"), &example))
            continue;
        printf("%10.0f  ", number_of(item, "count"));
        print_time(number_of(item, "last_seen_ms"));
        printf("  ");
        print_text(text_of(example, "service"));
        printf("  ");
        print_text(text_of(item, "type"));
        printf(": ");
        print_text(text_of(item, "message"));
        printf("\n");
        for (struct json_iter frames = list_of(item, "stack"); json_array_next(&frames, &frame);) {
            printf("%14s", "");
            print_text(json_get_string(frame));
            printf("\n");
        }
        struct slice trace = text_of(example, "trace_id");
        if (trace.len)
            printf("%14strace %.*s\n", "", SLICE_FMT(trace));
    }
}

static void print_calls(struct json_value data)
{
    struct json_value item, repeats, example;
    for (struct json_iter it = list_of(data, "calls"); json_array_next(&it, &item);) {
        struct slice service = text_of(item, "service"), peer = text_of(item, "peer"), kind = text_of(item, "kind");
        printf("%10.0f %9.2f s ", number_of(item, "count"), number_of(item, "seconds"));
        print_seconds(number_of(item, "p95_seconds"));
        print_ratio(number_of(item, "error_ratio"));
        printf("  %.*s -> %.*s  ", SLICE_FMT(service), SLICE_FMT(peer.len ? peer : kind));
        print_text(text_of(item, "statement"));
        printf("\n");
        if (!json_get(item, SLICE("n_plus_one"), &repeats) || json_type(repeats) != JSON_OBJECT)
            continue;
        printf("%14sN+1: %.0f times in %.0f places, up to %.0f in one", "", number_of(repeats, "calls"), number_of(repeats, "places"),
               number_of(repeats, "repeats_max"));
        struct json_iter examples = list_of(repeats, "examples");
        struct slice trace = json_array_next(&examples, &example) ? text_of(example, "trace_id") : SLICE_EMPTY;
        printf(", trace %.*s\n", SLICE_FMT(trace));
    }
}

static void print_deploys(struct json_value data)
{
    struct json_value item, back;
    for (struct json_iter it = list_of(data, "deploys"); json_array_next(&it, &item);) {
        struct slice service = text_of(item, "service"), version = text_of(item, "version"), previous = text_of(item, "previous");
        print_time(number_of(item, "time_ms"));
        printf("  %.*s  %.*s -> %.*s%s\n", SLICE_FMT(service), SLICE_FMT(previous), SLICE_FMT(version),
               json_get(item, SLICE("rollback"), &back) && json_get_bool(back) ? "  (rollback)" : "");
    }
}

static const struct view {
    const char *option, *path;
    void (*print)(struct json_value data);
} views[] = {
    { "--map", "service_map", print_map },
    { "--errors", "error_groups", print_errors },
    { "--calls", "calls", print_calls },
    { "--deploys", "deploys", print_deploys },
};

struct options {
    struct slice url, start, end, tenant, limit, service;
    const struct view *view;
    bool json;
};

static bool parse(int argc, char **argv, struct options *o)
{
    const struct {
        const char *name;
        struct slice *place;
    } values[] = { { "--url", &o->url }, { "--start", &o->start }, { "--end", &o->end }, { "--tenant", &o->tenant }, { "--limit", &o->limit } };
    for (int i = 1; i < argc; i++) {
        struct slice arg = slice_str(argv[i]);
        size_t k = 0, v = 0;
        while (k < COUNT_OF(values) && !slice_eq(slice_str(values[k].name), arg))
            k++;
        while (v < COUNT_OF(views) && !slice_eq(slice_str(views[v].option), arg))
            v++;
        if (k < COUNT_OF(values) && i + 1 < argc)
            *values[k].place = slice_str(argv[++i]);
        else if (v < COUNT_OF(views))
            o->view = &views[v];
        else if (slice_eq(arg, SLICE("--json")))
            o->json = true;
        else if (slice_starts(arg, SLICE("--")) || o->service.len)
            return false;
        else
            o->service = arg;
    }
    return true;
}

static void add(struct buf *out, const char *name, struct slice value)
{
    if (value.len == 0)
        return;
    buf_printf(out, "%s%s=", out->len ? "&" : "", name);
    url_encode(value, out);
}

static int print_answer(const struct options *o, const struct client_response *resp)
{
    struct json_parser *p = json_parser_new();
    struct json_value answer, data, note;
    struct err err;
    int code = 1;
    if (json_parse(p, buf_as_slice(&resp->body), &answer, &err)) {
        fprintf(stderr, "stoa services: the answer is no JSON: %s\n", err.text);
    } else if (resp->status != 200 || !json_get(answer, SLICE("data"), &data)) {
        struct slice text = text_of(answer, "error");
        fprintf(stderr, "stoa services: %d: %.*s\n", resp->status, SLICE_FMT(text));
    } else {
        o->view->print(data);
        for (struct json_iter it = list_of(answer, "warnings"); json_array_next(&it, &note);) {
            struct slice text = json_get_string(note);
            fprintf(stderr, "warning: %.*s\n", SLICE_FMT(text));
        }
        code = 0;
    }
    json_parser_free(p);
    return code;
}

int services_command(int argc, char **argv)
{
    struct options o = { .url = SLICE("http://127.0.0.1:7862"), .view = &views[0], .service = SLICE_EMPTY };
    if (!parse(argc, argv, &o)) {
        fputs(usage, stderr);
        return 2;
    }
    struct arena *a = arena_new(0);
    struct http_client *client = NULL;
    struct client_response resp = { 0 };
    struct buf form;
    struct err err;
    buf_init(&form, 0);
    add(&form, "service", o.service);
    add(&form, "start", o.start);
    add(&form, "end", o.end);
    add(&form, "limit", o.limit);
    struct http_header headers[] = { { SLICE("X-Scope-OrgID"), o.tenant } };
    struct client_request req = { .method = "GET", .headers = headers, .header_count = o.tenant.len ? 1 : 0, .timeout_ns = TIMEOUT_SECONDS * NS_S,
                                  .response_bytes_max = ANSWER_BYTES_MAX };
    req.url = arena_printf(a, "%.*s/api/stoa/v1/%s?%.*s", SLICE_FMT(o.url), o.view->path, SLICE_FMT(buf_as_slice(&form)));
    account_login(&req);
    int code = 1;
    if (http_client_new(&client, &err) || http_client_do(client, &req, &resp, &err))
        fprintf(stderr, "stoa services: %s\n", err.text);
    else if (o.json && resp.status == 200)
        code = fwrite(resp.body.ptr, 1, resp.body.len, stdout) == resp.body.len ? 0 : 1;
    else
        code = print_answer(&o, &resp);
    buf_free(&resp.body);
    buf_free(&form);
    http_client_free(client);
    arena_free(a);
    return code;
}
