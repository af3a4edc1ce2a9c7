/* SPDX-License-Identifier: Apache-2.0 */
/* What is worth logging, as rules: business, performance, error and security events; and GET /api/stoa/v1/log_kinds, which
 * counts them and shows the newest. A line may be of several kinds: a failed payment is business and an error.
 *
 * A rule is a table row, and the LogQL queries that a person can copy are made from the same row. */
#include "api/handlers.h"
#include "api/log_text.h"
#include "base/num.h"
#include "codec/regex.h"

#include <stdio.h>

enum { EXAMPLES_MAX = 5, EXAMPLE_BYTES_MAX = 2000, RANGE_HOURS_DEFAULT = 6 };

const struct log_kind_rule log_kinds[LOG_KIND_COUNT] = {
    [LOG_BUSINESS] = { SLICE_INIT("business"), 0,
                       SLICE_INIT("(?i)\\b(?:order_id|amount|currency|payment_method|customer_id|invoice_id|cart_id|conversion)\\b|"
                                  "\\bevent[\"']?\\s*[=:]"),
                       { SLICE_INIT("event"), SLICE_INIT("order_id"), SLICE_INIT("amount"), SLICE_INIT("currency"), SLICE_INIT("payment_method"),
                         SLICE_INIT("customer_id"), SLICE_INIT("invoice_id"), SLICE_INIT("cart_id") } },
    [LOG_PERFORMANCE] = { SLICE_INIT("performance"), 0,
                          SLICE_INIT("(?i)\\b(?:duration|duration_ms|duration_seconds|latency|latency_ms|elapsed|elapsed_ms|response_time|"
                                     "response_time_ms|slow query|timed out|took [0-9.]+ ?m?s)\\b"),
                          { SLICE_INIT("duration"), SLICE_INIT("duration_ms"), SLICE_INIT("duration_seconds"), SLICE_INIT("latency"),
                            SLICE_INIT("latency_ms"), SLICE_INIT("elapsed"), SLICE_INIT("elapsed_ms"), SLICE_INIT("response_time"),
                            SLICE_INIT("response_time_ms") } },
    [LOG_ERROR] = { SLICE_INIT("error"), SEVERITY_ERROR, SLICE_INIT("(?i)\\b(?:[a-z]*exception|traceback|panic|stack trace|error_code)\\b"),
                    { SLICE_INIT("error_code"), SLICE_INIT("error_message"), SLICE_INIT("exception_type"), SLICE_INIT("exception_message") } },
    [LOG_SECURITY] = { SLICE_INIT("security"), 0,
                       SLICE_INIT("(?i)\\b(?:failed login|login failed|invalid password|authentication fail[a-z]*|failed password|"
                                  "permission denied|access denied|unauthorized|forbidden|brute force|user_login|user_logout|"
                                  "password_change|password_reset|role_change|sudo)\\b|\\blogged (?:in|out)\\b"),
                       { SLICE_INIT("") } },
};

struct log_matcher {
    struct regex *words[LOG_KIND_COUNT];
};

enum status log_matcher_new(struct log_matcher **out, struct err *err)
{
    struct log_matcher *m = mem_new(struct log_matcher);
    for (int i = 0; i < LOG_KIND_COUNT; i++) {
        enum status st = regex_compile(&m->words[i], log_kinds[i].words, 0, err);
        if (st) {
            log_matcher_free(m);
            return st;
        }
    }
    *out = m;
    return ST_OK;
}

void log_matcher_free(struct log_matcher *m)
{
    for (int i = 0; m && i < LOG_KIND_COUNT; i++)
        regex_free(m->words[i]);
    mem_free(m);
}

bool log_matcher_is(const struct log_matcher *m, enum log_kind kind, const struct event *e)
{
    const struct log_kind_rule *rule = &log_kinds[kind];
    if (rule->severity_min && e->severity >= rule->severity_min)
        return true;
    for (size_t i = 0; i < LOG_KIND_FIELDS_MAX && rule->fields[i].len; i++)
        if (event_field(e, rule->fields[i]))
            return true;
    return regex_match(m->words[kind], e->body);
}

bool log_kind_query(enum log_kind kind, size_t n, struct buf *out)
{
    const struct log_kind_rule *rule = &log_kinds[kind];
    bool by_level = rule->severity_min > 0, by_field = rule->fields[0].len > 0;
    size_t at = n + (by_level ? 0 : 1);
    if (at > (by_field ? 2u : 1u))
        return false;
    buf_slice(out, SLICE("{service_name=~\".+\"} "));
    if (at == 0) {
        buf_slice(out, SLICE("| detected_level=~\"error|critical|fatal\""));
    } else if (at == 1) {
        buf_printf(out, "|~ `%.*s`", SLICE_FMT(rule->words)); /* no rule has a backtick */
    } else {
        for (size_t i = 0; i < LOG_KIND_FIELDS_MAX && rule->fields[i].len; i++)
            buf_printf(out, "%s%.*s!=\"\"", i ? " or " : "| ", SLICE_FMT(rule->fields[i]));
    }
    return true;
}

/* ---- the report ---- */

struct example {
    int64_t time_ns;
    uint64_t seq;
    uint8_t severity;
    struct slice service, body;
};

struct report {
    struct arena *a;
    struct log_matcher *m;
    struct {
        double count;
        struct example newest[EXAMPLES_MAX]; /* newest first */
        size_t examples;
    } kinds[LOG_KIND_COUNT];
    size_t shown;
    bool is_sampled;
};

static void keep_example(struct report *r, enum log_kind kind, const struct event *e)
{
    struct example *list = r->kinds[kind].newest;
    size_t n = r->kinds[kind].examples, at = n;
    while (at > 0 && (list[at - 1].time_ns < e->time_ns || (list[at - 1].time_ns == e->time_ns && list[at - 1].seq < e->seq)))
        at--;
    if (at == EXAMPLES_MAX)
        return;
    n = MIN(n + 1, (size_t)EXAMPLES_MAX);
    memmove(list + at + 1, list + at, (n - at - 1) * sizeof *list);
    list[at] = (struct example){ e->time_ns, e->seq, e->severity, arena_copy(r->a, e->service),
                                 arena_copy(r->a, slice_sub(e->body, 0, EXAMPLE_BYTES_MAX)) };
    r->kinds[kind].examples = n;
}

static enum status read_lines(struct api_query *q, struct report *r, int64_t start_ns, int64_t end_ns, struct err *err)
{
    struct events_iter *it;
    struct event_block block;
    unsigned did;
    struct events_query eq = { .start_ns = start_ns, .end_ns = end_ns, .kinds = 1u << EVENT_LOG, .want = WANT_BODY | WANT_FIELDS | WANT_SEQ,
                               .order = ORDER_NONE };
    enum status st = q->api->engine->ops->events(q->api->engine, &q->ctx, &eq, &it, &did, err);
    if (st)
        return st;
    while ((st = it->ops->next(it, &block, err)) == ST_OK)
        for (size_t i = 0; i < block.n; i++)
            for (int k = 0; k < LOG_KIND_COUNT; k++)
                if (log_matcher_is(r->m, (enum log_kind)k, &block.rows[i])) {
                    r->kinds[k].count += block.rows[i].weight;
                    r->is_sampled |= block.rows[i].weight != 1;
                    keep_example(r, (enum log_kind)k, &block.rows[i]);
                }
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static void put_queries(struct json_writer *w, enum log_kind kind)
{
    struct buf text;
    buf_init(&text, 0);
    json_key(w, SLICE("query"));
    log_kind_query(kind, 0, &text);
    json_string(w, buf_as_slice(&text));
    json_key(w, SLICE("queries"));
    json_array_begin(w);
    for (size_t n = 0;; n++) {
        buf_reset(&text);
        if (!log_kind_query(kind, n, &text))
            break;
        json_string(w, buf_as_slice(&text));
    }
    json_array_end(w);
    buf_free(&text);
}

static void put_example(struct json_writer *w, const struct example *e)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%lld", (long long)e->time_ns);
    json_object_begin(w);
    json_key(w, SLICE("time_ns"));
    json_string(w, slice_of(text, (size_t)n));
    json_key(w, SLICE("service"));
    json_string(w, e->service);
    json_key(w, SLICE("severity"));
    json_string(w, severity_name(e->severity));
    json_key(w, SLICE("body"));
    json_string(w, e->body);
    json_object_end(w);
}

static void put_report(struct json_writer *w, struct report *r)
{
    json_object_begin(w);
    json_key(w, SLICE("kinds"));
    json_array_begin(w);
    for (int k = 0; k < LOG_KIND_COUNT; k++) {
        json_object_begin(w);
        json_key(w, SLICE("kind"));
        json_string(w, log_kinds[k].name);
        json_key(w, SLICE("count"));
        json_double(w, r->kinds[k].count);
        put_queries(w, (enum log_kind)k);
        json_key(w, SLICE("examples"));
        json_array_begin(w);
        for (size_t i = 0; i < r->kinds[k].examples; i++)
            put_example(w, &r->kinds[k].newest[i]);
        json_array_end(w);
        json_object_end(w);
        r->shown += r->kinds[k].examples;
    }
    json_array_end(w);
    json_key(w, SLICE("sampled")); /* some of the lines counted stand for several */
    json_bool(w, r->is_sampled);
    json_object_end(w);
}

void log_kinds_http(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct api_params p;
    struct json_writer w;
    struct buf out;
    struct err err;
    int64_t start_ns, end_ns;
    if (!api_query_begin(user, x, &q))
        return;
    struct report *r = arena_new_of(q.arena, struct report);
    r->a = q.arena;
    buf_init(&out, QUERY_RESULT_BYTES_MAX);
    json_writer_init(&w, &out);
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        st = api_param_time(&p, SLICE("end"), clock_wall_ns(q.api->clock), &end_ns, &err);
    if (!st)
        st = api_param_time(&p, SLICE("start"), sat_sub(end_ns, RANGE_HOURS_DEFAULT * 3600 * NS_S), &start_ns, &err);
    if (!st)
        st = log_matcher_new(&r->m, &err);
    if (!st)
        st = read_lines(&q, r, start_ns, end_ns, &err);
    if (st) {
        buf_free(&out);
        api_fail(x, st, &err);
    } else {
        put_report(&w, r);
        api_audit_note(x, SLICE("log_kinds"), r->shown);
        api_reply_json(x, 200, &out);
    }
    log_matcher_free(r->m);
    api_query_end(&q, "log_kinds", st, &err);
}
