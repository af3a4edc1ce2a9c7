/* SPDX-License-Identifier: Apache-2.0 */
/* `stoa query`: asks a running server over the same API as everybody else, and prints a line per series and point or, for
 * logs, per line. --json prints the server's answer as it came. */
#include <stdio.h>

#include "base/date.h"
#include "base/num.h"
#include "codec/json.h"
#include "codec/url.h"
#include "ctl/account.h"
#include "ctl/commands.h"
#include "net/client.h"
#include "sys/clock.h"

#define SPANS_SHOWN SLICE("10") /* of a set, by --traces */
enum { ANSWER_BYTES_MAX = 1024 * MIB, QUERY_TIMEOUT_SECONDS = 130 };

struct options {
    struct slice url, query, start, end, step, at, limit, tenant, downsample, stop, compare, new_since;
    bool logs, search, json, correlate, cardinality, golden_rules, running, patterns, traces, is_metrics;
};

static const char usage[] = "usage: stoa query [--url http://127.0.0.1:7862] [--tenant NAME] [--json] [--time T] QUERY\n"
                            "       stoa query --start T --end T --step D QUERY        (a range; T: seconds or RFC 3339)\n"
                            "       stoa query [...] --downsample 5m|1h QUERY         (of downsampled samples, where there are any)\n"
                            "       stoa query --logs [--start T] [--end T] [--limit N] LOGQL\n"
                            "       stoa query --search [--start T] [--end T] [--limit N] TEXT   (words, field:value, -not, OR)\n"
                            "       stoa query --traces [--start T] [--end T] [--limit N] [--step D] TRACEQL   (traces, or numbers of spans)\n"
                            "       stoa query --patterns [--start T] [--end T] [--limit N] [--compare before] [--new-since T] LOGQL\n"
                            "       stoa query --correlate [--start T] [--end T] ID    (everything of one request)\n"
                            "       stoa query --cardinality [--limit N]               (where series come from, and what is over a limit)\n"
                            "       stoa query --golden-rules [SERVICE]                (golden signals as a rule file)\n"
                            "       stoa query --running                               (queries that run now, and the slowest)\n"
                            "       stoa query --stop ID                               (ends one that runs)\n";

static bool parse(int argc, char **argv, struct options *o)
{
    const struct {
        const char *name;
        struct slice *place;
    } values[] = { { "--url", &o->url }, { "--start", &o->start }, { "--end", &o->end },      { "--step", &o->step },
                   { "--time", &o->at }, { "--limit", &o->limit }, { "--tenant", &o->tenant }, { "--downsample", &o->downsample },
                   { "--stop", &o->stop },
                   { "--compare", &o->compare }, { "--new-since", &o->new_since } };
    for (int i = 1; i < argc; i++) {
        struct slice arg = slice_str(argv[i]);
        size_t k = 0;
        while (k < COUNT_OF(values) && !slice_eq(slice_str(values[k].name), arg))
            k++;
        if (k < COUNT_OF(values)) {
            if (++i == argc)
                return false;
            *values[k].place = slice_str(argv[i]);
        } else if (slice_eq(arg, SLICE("--logs"))) {
            o->logs = true;
        } else if (slice_eq(arg, SLICE("--traces"))) {
            o->traces = true;
        } else if (slice_eq(arg, SLICE("--search"))) {
            o->search = true;
        } else if (slice_eq(arg, SLICE("--correlate"))) {
            o->correlate = true;
        } else if (slice_eq(arg, SLICE("--cardinality"))) {
            o->cardinality = true;
        } else if (slice_eq(arg, SLICE("--golden-rules"))) {
            o->golden_rules = true;
        } else if (slice_eq(arg, SLICE("--running"))) {
            o->running = true;
        } else if (slice_eq(arg, SLICE("--patterns"))) {
            o->patterns = true;
        } else if (slice_eq(arg, SLICE("--json"))) {
            o->json = true;
        } else if (slice_starts(arg, SLICE("--")) || o->query.len) {
            return false;
        } else {
            o->query = arg;
        }
    }
    if (o->traces)
        return o->query.len > 0 && !o->logs && !o->search && !o->correlate && !o->cardinality && !o->golden_rules && !o->patterns;
    if (o->running || o->stop.len)
        return o->query.len == 0 && !o->logs && !o->correlate && !o->cardinality && !o->golden_rules && !(o->running && o->stop.len);
    if (o->patterns || o->compare.len || o->new_since.len)
        return o->patterns && o->query.len > 0 && !o->logs && !o->search && !o->correlate && !o->cardinality && !o->golden_rules;
    if (o->golden_rules)
        return !o->logs && !o->correlate && !o->cardinality;
    return o->cardinality ? o->query.len == 0 && !o->logs && !o->correlate : o->query.len > 0;
}

static void add(struct buf *out, const char *name, struct slice value)
{
    if (value.len == 0)
        return;
    buf_printf(out, "%s%s=", out->len ? "&" : "", name);
    url_encode(value, out);
}

static void print_labels(struct json_value labels)
{
    struct json_value value;
    struct slice key;
    bool first = true;
    if (json_get(labels, SLICE("__name__"), &value)) {
        struct slice name = json_get_string(value);
        printf("%.*s", SLICE_FMT(name));
    }
    printf("{");
    for (struct json_iter it = json_object(labels); json_object_next(&it, &key, &value);) {
        if (slice_eq(key, SLICE("__name__")))
            continue;
        struct slice text = json_get_string(value);
        printf("%s%.*s=\"%.*s\"", first ? "" : ",", SLICE_FMT(key), SLICE_FMT(text));
        first = false;
    }
    printf("}");
}

/* {"count":"2","sum":"3","buckets":[[rule,"lower","upper","count"]]}, as it stands in scripts and label values. */
static void print_histogram(struct json_value h)
{
    static const char brackets[][3] = { "(]", "[)", "()", "[]" };
    struct json_value count, sum, buckets, bucket;
    if (!json_get(h, SLICE("count"), &count) || !json_get(h, SLICE("sum"), &sum))
        return;
    struct slice n = json_get_string(count), total = json_get_string(sum);
    printf(" {count:%.*s, sum:%.*s", SLICE_FMT(n), SLICE_FMT(total));
    if (json_get(h, SLICE("buckets"), &buckets))
        for (struct json_iter it = json_array(buckets); json_array_next(&it, &bucket);) {
            struct json_iter parts = json_array(bucket);
            struct json_value rule, part;
            struct slice text[3];
            int64_t which = 0;
            if (!json_array_next(&parts, &rule) || !json_get_int(rule, &which) || which < 0 || which >= (int64_t)COUNT_OF(brackets))
                continue;
            for (size_t i = 0; i < COUNT_OF(text); i++)
                text[i] = json_array_next(&parts, &part) ? json_get_string(part) : SLICE_EMPTY;
            printf(", %c%.*s,%.*s%c:%.*s", brackets[which][0], SLICE_FMT(text[0]), SLICE_FMT(text[1]), brackets[which][1], SLICE_FMT(text[2]));
        }
    printf("}");
}

/* [time, "value"], or [time, {histogram}] */
static void print_point(struct json_value point)
{
    struct json_iter it = json_array(point);
    struct json_value time, value;
    double seconds = 0;
    char text[DATE_TEXT_BYTES_MAX];
    if (!json_array_next(&it, &time) || !json_array_next(&it, &value))
        return;
    (void)json_get_double(time, &seconds);
    size_t n = date_format_rfc3339((int64_t)(seconds * 1000 + 0.5) * NS_MS, 0, 3, text);
    struct slice v = json_get_string(value);
    if (json_type(value) == JSON_OBJECT)
        print_histogram(value);
    else
        printf(" %.*s", SLICE_FMT(v));
    printf(" @ %.*s\n", (int)n, text);
}

static void print_series(struct json_value series)
{
    struct json_value labels, point, points;
    if (!json_get(series, SLICE("metric"), &labels))
        return;
    static const struct slice one[] = { SLICE_INIT("value"), SLICE_INIT("histogram") }, many[] = { SLICE_INIT("values"), SLICE_INIT("histograms") };
    for (size_t i = 0; i < COUNT_OF(one); i++)
        if (json_get(series, one[i], &point)) {
            print_labels(labels);
            print_point(point);
        }
    for (size_t i = 0; i < COUNT_OF(many); i++)
        for (struct json_iter it = json_get(series, many[i], &points) ? json_array(points) : (struct json_iter){ 0 };
             json_array_next(&it, &point);) {
            print_labels(labels);
            print_point(point);
        }
}

static void print_stream(struct json_value stream)
{
    struct json_value labels, lines, line, part;
    if (!json_get(stream, SLICE("stream"), &labels) || !json_get(stream, SLICE("values"), &lines))
        return;
    for (struct json_iter it = json_array(lines); json_array_next(&it, &line);) {
        struct json_iter parts = json_array(line);
        int64_t ns = 0;
        char text[DATE_TEXT_BYTES_MAX];
        if (!json_array_next(&parts, &part) || !num_parse_i64(json_get_string(part), &ns) || !json_array_next(&parts, &part))
            continue;
        size_t n = date_format_rfc3339(ns, 0, 9, text);
        struct slice body = json_get_string(part);
        printf("%.*s ", (int)n, text);
        print_labels(labels);
        printf(" %.*s\n", SLICE_FMT(body));
    }
}

static void print_notes(struct json_value answer, struct slice key)
{
    struct json_value list, note;
    if (!json_get(answer, key, &list))
        return;
    for (struct json_iter it = json_array(list); json_array_next(&it, &note);) {
        struct slice text = json_get_string(note);
        fprintf(stderr, "%.*s: %.*s\n", (int)key.len - 1, key.ptr, SLICE_FMT(text));
    }
}

static int print_answer(struct slice body)
{
    struct json_parser *p = json_parser_new();
    struct json_value answer, data, result, type, item;
    struct err err;
    int code = 1;
    if (json_parse(p, body, &answer, &err)) {
        fprintf(stderr, "stoa query: the answer is no JSON: %s\n", err.text);
    } else if (json_get(answer, SLICE("data"), &data) && json_get(data, SLICE("result"), &result) &&
               json_get(data, SLICE("resultType"), &type)) {
        struct slice t = json_get_string(type);
        if (slice_eq(t, SLICE("scalar")) || slice_eq(t, SLICE("string")))
            print_point(result);
        else
            for (struct json_iter it = json_array(result); json_array_next(&it, &item);)
                slice_eq(t, SLICE("streams")) ? print_stream(item) : print_series(item);
        print_notes(answer, SLICE("warnings"));
        print_notes(answer, SLICE("infos"));
        code = 0;
    } else {
        fprintf(stderr, "stoa query: the answer has no data.result: is this a server of ours?\n");
    }
    json_parser_free(p);
    return code;
}

static int print_failure(const struct client_response *resp)
{
    struct json_parser *p = json_parser_new();
    struct json_value answer, error;
    struct slice text = buf_as_slice(&resp->body);
    if (json_parse(p, text, &answer, NULL) == ST_OK && json_get(answer, SLICE("error"), &error))
        text = json_get_string(error);
    fprintf(stderr, "stoa query: %d: %.*s\n", resp->status, SLICE_FMT(text));
    json_parser_free(p);
    return 1;
}

static struct slice path_of(const struct options *o)
{
    bool is_range = o->step.len > 0 || (o->start.len > 0 && !o->logs);
    if (o->traces && !o->is_metrics)
        return SLICE("/tempo/api/search");
    if (o->traces)
        return o->step.len > 0 ? SLICE("/tempo/api/metrics/query_range") : SLICE("/tempo/api/metrics/query");
    if (o->correlate)
        return SLICE("/api/stoa/v1/correlate");
    if (o->cardinality)
        return SLICE("/api/stoa/v1/cardinality");
    if (o->golden_rules)
        return SLICE("/api/stoa/v1/golden/rules");
    if (o->running)
        return SLICE("/api/stoa/v1/queries");
    if (o->patterns)
        return SLICE("/api/stoa/v1/patterns");
    if (o->search)
        return SLICE("/api/stoa/v1/search");
    if (o->logs)
        return SLICE("/loki/api/v1/query_range");
    return is_range ? SLICE("/api/v1/query_range") : SLICE("/api/v1/query");
}

/* GET with a query string, or DELETE of what the path names, in place of POST with a form. */
static void without_body(struct client_request *req, struct arena *a, const struct options *o, struct slice path)
{
    struct buf id;
    buf_init(&id, 0);
    url_encode(o->stop, &id);
    req->method = o->stop.len ? "DELETE" : "GET";
    req->url = o->stop.len ? arena_printf(a, "%.*s/api/stoa/v1/queries/%.*s", SLICE_FMT(o->url), SLICE_FMT(buf_as_slice(&id)))
                           : arena_printf(a, "%.*s%.*s?%.*s", SLICE_FMT(o->url), SLICE_FMT(path), SLICE_FMT(req->body));
    req->body = SLICE_EMPTY;
    buf_free(&id);
}

int query_command(int argc, char **argv)
{
    struct options o = { .url = SLICE("http://127.0.0.1:7862") };
    if (!parse(argc, argv, &o)) {
        fputs(usage, stderr);
        return 2;
    }
    struct err err;
    if (o.traces && !traces_is_metrics(o.query, &o.is_metrics, &err)) {
        fprintf(stderr, "stoa query: %s\n", err.text);
        return 1;
    }
    struct arena *a = arena_new(0);
    struct buf form;
    struct http_client *client = NULL;
    struct client_response resp = { 0 };
    buf_init(&form, 0);
    add(&form, o.traces ? "q" : o.correlate ? "id" : o.golden_rules ? "service" : "query", o.query);
    if (o.traces && !o.is_metrics)
        add(&form, "spss", SPANS_SHOWN);
    add(&form, "start", o.start);
    add(&form, "end", o.end);
    add(&form, "step", o.step);
    add(&form, "time", o.at);
    add(&form, "limit", o.limit);
    add(&form, "downsample", o.downsample);
    add(&form, "compare", o.compare);
    add(&form, "new_since", o.new_since);
    struct slice path = path_of(&o);
    struct http_header headers[] = { { SLICE("Content-Type"), SLICE("application/x-www-form-urlencoded") }, { SLICE("X-Scope-OrgID"), o.tenant } };
    struct client_request req = { .method = "POST", .url = arena_printf(a, "%.*s%.*s", SLICE_FMT(o.url), SLICE_FMT(path)), .headers = headers,
                                  .header_count = o.tenant.len ? 2 : 1, .body = buf_as_slice(&form),
                                  .timeout_ns = QUERY_TIMEOUT_SECONDS * NS_S, .response_bytes_max = ANSWER_BYTES_MAX };
    if (o.traces || o.correlate || o.cardinality || o.golden_rules || o.running || o.patterns || o.stop.len)
        without_body(&req, a, &o, path);
    account_login(&req);
    int code = 1;
    if (http_client_new(&client, &err) || http_client_do(client, &req, &resp, &err))
        fprintf(stderr, "stoa query: %s\n", err.text);
    else if (o.stop.len && resp.status == 204)
        code = printf("ended %.*s\n", SLICE_FMT(o.stop)) > 0 ? 0 : 1;
    else if (resp.status != 200)
        code = print_failure(&resp);
    else if (o.json || o.golden_rules)
        code = fwrite(resp.body.ptr, 1, resp.body.len, stdout) == resp.body.len ? 0 : 1;
    else if (o.traces)
        code = traces_print(buf_as_slice(&resp.body));
    else if (o.correlate)
        code = correlate_print(buf_as_slice(&resp.body));
    else if (o.cardinality)
        code = cardinality_print(buf_as_slice(&resp.body));
    else if (o.patterns)
        code = patterns_print(buf_as_slice(&resp.body));
    else if (o.running)
        code = running_print(buf_as_slice(&resp.body));
    else
        code = print_answer(buf_as_slice(&resp.body));
    buf_free(&resp.body);
    buf_free(&form);
    http_client_free(client);
    arena_free(a);
    return code;
}
