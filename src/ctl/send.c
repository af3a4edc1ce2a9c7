/* SPDX-License-Identifier: Apache-2.0 */
/* A request is a WriteRequest that grows sample by sample; a series that goes on in the next request is named again there.
 *
 * (1) A request spans at most SEND_DAYS_MAX days: a server opens a bounded number of partitions for one.
 * (2) What the server refuses for good (4xx but 429) ends the whole: nothing is left out without a word. */
#include "ctl/send.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/date.h"
#include "base/num.h"
#include "codec/compress.h"
#include "codec/json.h"
#include "codec/proto.h"
#include "sys/clock.h"

enum {
    SEND_SAMPLES_MAX = 50 * 1000,
    SEND_BODY_BYTES_MAX = 4 * MIB,
    SEND_DAYS_MAX = 40,
    SEND_TIMEOUT_SECONDS = 60,
    SEND_TRIES_MAX = 12,          /* with growing waits: about five minutes */
    SEND_WAIT_SECONDS_MAX = 30,
    SEND_ANSWER_BYTES_MAX = 1 * MIB,
    SEND_WHERE_BYTES_MAX = 96,
    WRITE_SERIES = 1, /* numbers of fields, from here on */
    SERIES_LABELS = 1, SERIES_SAMPLES = 2, SERIES_HISTOGRAMS = 4, LABEL_NAME = 1, LABEL_VALUE = 2,
    SAMPLE_VALUE = 1, SAMPLE_TIME = 2, HISTOGRAM_TIME = 15
};

struct send {
    struct send_options opt;
    struct http_client *client;
    struct arena *arena;
    struct buf body, zipped, labels;
    size_t mark, in_body;
    bool is_open;          /* a series of body */
    int64_t body_min_ms, body_max_ms, oldest_ms, shown_ns;
    struct send_counts counts;
    char where[SEND_WHERE_BYTES_MAX];
};

static void progress(struct send *s, bool is_last)
{
    int64_t now = clock_mono_ns(clock_real());
    bool tty = isatty(STDERR_FILENO);
    if (!is_last && (!tty || now - s->shown_ns < NS_S))
        return;
    s->shown_ns = now;
    fprintf(stderr, "%sstoa %s: %s%s%llu samples of %llu series%s", tty ? "\r\033[K" : "", s->opt.what, s->where, s->where[0] ? ", " : "",
            (unsigned long long)s->counts.samples, (unsigned long long)s->counts.series, is_last ? "\n" : "");
}

void send_where(struct send *s, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(s->where, sizeof s->where, fmt, args);
    va_end(args);
    progress(s, !isatty(STDERR_FILENO));
}

/* How far back the server keeps samples; not known: everything is sent. */
static enum status ask_retention(struct send *s, struct err *err)
{
    struct client_response resp = { 0 };
    struct client_request req = { .method = "GET", .url = arena_printf(s->arena, "%.*s/api/v1/status/runtimeinfo", SLICE_FMT(s->opt.url)),
                                  .timeout_ns = SEND_TIMEOUT_SECONDS * NS_S, .response_bytes_max = SEND_ANSWER_BYTES_MAX };
    account_login(&req);
    enum status st = http_client_do(s->client, &req, &resp, err);
    struct json_parser *p = json_parser_new();
    struct json_value answer, data, v;
    int64_t keep_ms;
    if (!st && resp.status != 200)
        st = err_set(err, ST_DENIED, "%.*s answers %d: %.*s", SLICE_FMT(req.url), resp.status, (int)MIN(resp.body.len, (size_t)200), resp.body.ptr);
    else if (!st && json_parse(p, buf_as_slice(&resp.body), &answer, NULL) == ST_OK && json_get(answer, SLICE("data"), &data) &&
             json_get(data, SLICE("storageRetention"), &v) && duration_parse_prom(json_get_string(v), &keep_ms))
        s->oldest_ms = clock_wall_ms(clock_real()) - keep_ms;
    json_parser_free(p);
    buf_free(&resp.body);
    return st;
}

enum status send_open(struct send **out, const struct send_options *opt, struct err *err)
{
    struct send *s = mem_new(struct send);
    s->opt = *opt;
    s->arena = arena_new(0);
    buf_init(&s->body, 0);
    buf_init(&s->zipped, 0);
    buf_init(&s->labels, 0);
    s->oldest_ms = INT64_MIN;
    s->counts.min_ms = INT64_MAX;
    s->counts.max_ms = INT64_MIN;
    enum status st = http_client_new(&s->client, err);
    if (!st && !opt->is_endpoint)
        st = ask_retention(s, err);
    if (st) {
        send_free(s);
        return st;
    }
    *out = s;
    return ST_OK;
}

void send_free(struct send *s)
{
    if (s == NULL)
        return;
    http_client_free(s->client);
    arena_free(s->arena);
    buf_free(&s->body);
    buf_free(&s->zipped);
    buf_free(&s->labels);
    mem_free(s);
}

struct send_counts send_counts(const struct send *s)
{
    return s->counts;
}

static void series_close(struct send *s)
{
    if (s->is_open)
        proto_nested_end(&s->body, s->mark);
    s->is_open = false;
}

/* One try. *again: the server may take it later. */
static enum status post(struct send *s, bool *again, struct err *err)
{
    const struct http_header headers[] = { { SLICE("Content-Type"), SLICE("application/x-protobuf") },
                                           { SLICE("Content-Encoding"), SLICE("snappy") },
                                           { SLICE("X-Prometheus-Remote-Write-Version"), SLICE("0.1.0") },
                                           { SLICE("X-Scope-OrgID"), s->opt.tenant } };
    struct client_response resp = { 0 };
    struct client_request req = { .method = "POST", .headers = headers, .header_count = COUNT_OF(headers) - (s->opt.tenant.len == 0),
                                  .url = s->opt.is_endpoint ? s->opt.url : arena_printf(s->arena, "%.*s/api/v1/write", SLICE_FMT(s->opt.url)),
                                  .body = buf_as_slice(&s->zipped), .timeout_ns = SEND_TIMEOUT_SECONDS * NS_S,
                                  .response_bytes_max = SEND_ANSWER_BYTES_MAX };
    account_login(&req);
    enum status st = http_client_do(s->client, &req, &resp, err);
    *again = st || resp.status == 429 || resp.status >= 500;
    if (!st && (resp.status < 200 || resp.status > 299))
        st = err_set(err, ST_INVALID, "%.*s answers %d: %.*s", SLICE_FMT(req.url), resp.status, (int)MIN(resp.body.len, (size_t)300), resp.body.ptr);
    buf_free(&resp.body);
    return st;
}

static enum status flush(struct send *s, struct err *err)
{
    series_close(s);
    if (s->in_body == 0)
        return ST_OK;
    buf_reset(&s->zipped);
    snappy_compress_block(buf_as_slice(&s->body), &s->zipped);
    bool again = true;
    enum status st = ST_OK;
    for (unsigned i = 0; i < SEND_TRIES_MAX && again; i++) {
        if (i > 0) {
            s->counts.retries++;
            sleep(MIN(1u << (i - 1), (unsigned)SEND_WAIT_SECONDS_MAX));
        }
        st = post(s, &again, err);
        if (!st)
            break;
    }
    s->counts.requests++;
    s->counts.samples += st ? 0 : s->in_body;
    arena_reset(s->arena);
    buf_reset(&s->body);
    s->in_body = 0;
    progress(s, false);
    return st;
}

static int label_cmp(const void *a, const void *b)
{
    return slice_cmp(((const struct send_label *)a)->name, ((const struct send_label *)b)->name);
}

enum status send_series(struct send *s, const struct send_label *labels, size_t count, struct err *err)
{
    struct send_label all[SEND_LABELS_MAX + SEND_EXTRA_MAX];
    size_t n = 0;
    series_close(s);
    if (count > SEND_LABELS_MAX)
        return err_set(err, ST_LIMIT, "a series has %zu labels, at most %d are allowed", count, SEND_LABELS_MAX);
    for (size_t i = 0; i < count; i++) {
        bool is_replaced = false;
        for (size_t k = 0; k < s->opt.extra_count; k++)
            is_replaced |= slice_eq(labels[i].name, s->opt.extra[k].name);
        if (!is_replaced)
            all[n++] = labels[i];
    }
    for (size_t k = 0; k < s->opt.extra_count; k++)
        all[n++] = s->opt.extra[k];
    qsort(all, n, sizeof *all, label_cmp);
    buf_reset(&s->labels);
    for (size_t i = 0; i < n; i++) {
        size_t mark = proto_nested_begin(&s->labels, SERIES_LABELS);
        proto_put_bytes(&s->labels, LABEL_NAME, all[i].name);
        proto_put_bytes(&s->labels, LABEL_VALUE, all[i].value);
        proto_nested_end(&s->labels, mark);
    }
    s->counts.series++;
    return ST_OK;
}

/* Makes room for a sample of this time in the series that is open; *skip: it is too old. */
static enum status sample_begin(struct send *s, int64_t t_ms, bool *skip, struct err *err)
{
    *skip = t_ms < s->oldest_ms;
    s->counts.skipped_old += *skip;
    if (*skip)
        return ST_OK;
    int64_t low = s->in_body ? MIN(s->body_min_ms, t_ms) : t_ms, high = s->in_body ? MAX(s->body_max_ms, t_ms) : t_ms;
    if (s->in_body == SEND_SAMPLES_MAX || s->body.len > SEND_BODY_BYTES_MAX || sat_sub(high, low) > SEND_DAYS_MAX * MS_DAY) {
        enum status st = flush(s, err);
        if (st)
            return st;
        low = high = t_ms;
    }
    if (!s->is_open) {
        s->mark = proto_nested_begin(&s->body, WRITE_SERIES);
        buf_slice(&s->body, buf_as_slice(&s->labels));
        s->is_open = true;
    }
    s->in_body++;
    s->body_min_ms = low;
    s->body_max_ms = high;
    s->counts.min_ms = MIN(s->counts.min_ms, t_ms);
    s->counts.max_ms = MAX(s->counts.max_ms, t_ms);
    return ST_OK;
}

enum status send_sample(struct send *s, int64_t t_ms, double v, struct err *err)
{
    bool skip;
    enum status st = sample_begin(s, t_ms, &skip, err);
    if (st || skip)
        return st;
    size_t mark = proto_nested_begin(&s->body, SERIES_SAMPLES);
    proto_put_double(&s->body, SAMPLE_VALUE, v);
    proto_put_varint(&s->body, SAMPLE_TIME, (uint64_t)t_ms);
    proto_nested_end(&s->body, mark);
    return ST_OK;
}

enum status send_histogram(struct send *s, struct slice message, struct err *err)
{
    struct slice rest = message;
    struct proto_field f;
    bool bad = false, skip;
    int64_t t_ms = 0;
    while (proto_next(&rest, &f, &bad))
        if (f.number == HISTOGRAM_TIME)
            t_ms = (int64_t)f.value;
    enum status st = bad ? err_set(err, ST_INVALID, "a native histogram does not parse") : sample_begin(s, t_ms, &skip, err);
    if (!st && !skip)
        proto_put_bytes(&s->body, SERIES_HISTOGRAMS, message);
    return st;
}

enum status send_end(struct send *s, struct err *err)
{
    enum status st = flush(s, err);
    s->where[0] = 0;
    if (!st)
        progress(s, true);
    return st;
}
