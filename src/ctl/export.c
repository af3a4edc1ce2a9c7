/* SPDX-License-Identifier: Apache-2.0 */
/* `stoa export`: raw samples of a running server as text, or on to another one by remote write.
 *
 * Samples are read by remote read, one metric after the other, so that a family stands together. A window that is over the
 * server's budget is cut into halves, and again. */
#include <stdio.h>

#include "base/date.h"
#include "base/num.h"
#include "codec/compress.h"
#include "codec/json.h"
#include "codec/proto.h"
#include "codec/url.h"
#include "ctl/commands.h"
#include "ctl/send.h"
#include "model/matcher.h"
#include "model/sample.h"
#include "sys/clock.h"

enum {
    EXPORT_ANSWER_BYTES_MAX = 1024 * MIB,
    EXPORT_TIMEOUT_SECONDS = 300,
    EXPORT_WINDOW_MS_MIN = 60 * 1000,   /* not cut any further */
    EXPORT_LABELS_MAX = SEND_LABELS_MAX
};

static const char usage[] =
    "usage: stoa export [--url http://127.0.0.1:7862] [--tenant NAME] [--start T] [--end T] [--format openmetrics|csv] SELECTOR\n"
    "       stoa export --logs [--url URL] [--start T] [--end T] [--format ndjson|csv|plain] LOGQL        (--search: of the search box)\n"
    "       stoa export [...] --to http://HOST/api/v1/write SELECTOR\n"
    "Writes raw samples to standard output, or sends them on by remote write. SELECTOR is as in PromQL: node_cpu_seconds_total{mode=\"idle\"}.\n"
    "T: seconds since 1970 or RFC 3339; the last day when absent.\n";

enum form { FORM_OPENMETRICS, FORM_CSV, FORM_SEND };

struct export {
    struct slice url, tenant, start, end, format, to, selector;
    int64_t start_ms, end_ms;
    enum form form;
    struct http_client *client;
    struct arena *arena;
    struct matcher *matchers;
    size_t matcher_count;
    struct send *send;
    struct slice *columns; /* CSV: labels, the name not among them */
    size_t column_count;
    struct buf out;
    uint64_t series, samples, histograms;
};

static enum status ask(struct export *x, const char *path, struct slice body, const char *type, struct client_response *resp, struct err *err)
{
    const struct http_header headers[] = { { SLICE("Content-Type"), slice_str(type) }, { SLICE("X-Scope-OrgID"), x->tenant } };
    struct slice url = arena_printf(x->arena, "%.*s%s", SLICE_FMT(x->url), path);
    struct client_request req = { .method = body.len ? "POST" : "GET", .url = url, .headers = headers, .header_count = x->tenant.len ? 2 : 1,
                                  .body = body, .timeout_ns = EXPORT_TIMEOUT_SECONDS * NS_S, .response_bytes_max = EXPORT_ANSWER_BYTES_MAX,
                                  .keeps_encoding = body.len > 0 };
    account_login(&req);
    enum status st = http_client_do(x->client, &req, resp, err);
    if (!st && resp->status != 200)
        st = err_set(err, ST_INVALID, "the server answers %d: %.*s", resp->status, (int)MIN(resp->body.len, (size_t)300), resp->body.ptr);
    return st;
}

/* The strings of data of an answer, sorted by the server. */
static enum status ask_names(struct export *x, const char *path, struct slice **out, size_t *count, struct err *err)
{
    struct client_response resp = { 0 };
    struct json_parser *p = json_parser_new();
    struct json_value answer, data, v;
    struct buf query;
    size_t cap = 0;
    *out = NULL;
    *count = 0;
    buf_init(&query, 0);
    url_encode(x->selector, &query);
    const char *full = arena_printf(x->arena, "%s?match[]=%.*s&start=%.3f&end=%.3f", path, SLICE_FMT(buf_as_slice(&query)),
                                    (double)x->start_ms / 1000, (double)x->end_ms / 1000).ptr;
    enum status st = ask(x, full, SLICE_EMPTY, "application/json", &resp, err);
    if (!st)
        st = json_parse(p, buf_as_slice(&resp.body), &answer, err);
    if (!st && !json_get(answer, SLICE("data"), &data))
        st = err_set(err, ST_INVALID, "the answer has no data: is this a server of ours?");
    if (!st)
        for (struct json_iter it = json_array(data); json_array_next(&it, &v);)
            ARENA_PUSH(x->arena, *out, *count, cap) = arena_copy(x->arena, json_get_string(v));
    json_parser_free(p);
    buf_free(&query);
    buf_free(&resp.body);
    return st;
}

/* ---- what comes ---- */

struct series {
    struct send_label labels[EXPORT_LABELS_MAX];
    size_t label_count;
    struct slice name;
};

static bool read_label(struct slice bytes, struct send_label *out)
{
    struct proto_field f;
    bool bad = false;
    *out = (struct send_label){ SLICE_EMPTY, SLICE_EMPTY };
    while (proto_next(&bytes, &f, &bad)) {
        if (f.number == 1)
            out->name = f.bytes;
        if (f.number == 2)
            out->value = f.bytes;
    }
    return !bad;
}

static void put_open_metrics(struct export *x, const struct series *s, int64_t t_ms, double v)
{
    char number[NUM_TEXT_BYTES_MAX];
    bool first = true, is_legacy = metric_name_is_legacy(s->name);
    if (is_legacy)
        buf_slice(&x->out, s->name);
    for (size_t i = 0; i < s->label_count; i++) {
        bool is_name = slice_eq(s->labels[i].name, SLICE("__name__"));
        if (is_name && is_legacy)
            continue;
        buf_char(&x->out, first ? '{' : ',');
        if (!is_name && label_name_is_legacy(s->labels[i].name))
            buf_slice(&x->out, s->labels[i].name);
        else if (!is_name)
            text_put_quoted(s->labels[i].name, &x->out);
        if (!is_name)
            buf_char(&x->out, '=');
        text_put_quoted(s->labels[i].value, &x->out);
        first = false;
    }
    buf_slice(&x->out, first ? SLICE(" ") : SLICE("} "));
    buf_put(&x->out, number, num_format_short(v, number));
    buf_printf(&x->out, " %lld.%03lld\n", (long long)(t_ms / 1000), (long long)(t_ms % 1000));
}

static void put_csv_field(struct buf *out, struct slice s)
{
    bool plain = true;
    for (size_t i = 0; i < s.len && plain; i++)
        plain = s.ptr[i] != ',' && s.ptr[i] != '"' && s.ptr[i] != '\n' && s.ptr[i] != '\r';
    if (plain) {
        buf_slice(out, s);
        return;
    }
    buf_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"')
            buf_char(out, '"');
        buf_char(out, s.ptr[i]);
    }
    buf_char(out, '"');
}

static void put_csv(struct export *x, const struct series *s, int64_t t_ms, double v)
{
    char text[NUM_TEXT_BYTES_MAX + DATE_TEXT_BYTES_MAX];
    buf_put(&x->out, text, date_format_rfc3339(t_ms * NS_MS, 0, 3, text));
    buf_char(&x->out, ',');
    buf_put(&x->out, text, num_format_short(v, text));
    buf_char(&x->out, ',');
    put_csv_field(&x->out, s->name);
    for (size_t i = 0; i < x->column_count; i++) {
        buf_char(&x->out, ',');
        for (size_t k = 0; k < s->label_count; k++)
            if (slice_eq(s->labels[k].name, x->columns[i]))
                put_csv_field(&x->out, s->labels[k].value);
    }
    buf_char(&x->out, '\n');
}

static enum status put_sample(struct export *x, const struct series *s, struct slice bytes, struct err *err)
{
    struct proto_field f;
    bool bad = false;
    double v = 0;
    int64_t t_ms = 0;
    while (proto_next(&bytes, &f, &bad)) {
        if (f.number == 1)
            v = proto_double(&f);
        if (f.number == 2)
            t_ms = (int64_t)f.value;
    }
    x->samples++;
    if (x->form == FORM_SEND)
        return send_sample(x->send, t_ms, v, err);
    if (is_stale(v)) { /* the mark has no form in text */
        x->samples--;
        return ST_OK;
    }
    x->form == FORM_CSV ? put_csv(x, s, t_ms, v) : put_open_metrics(x, s, t_ms, v);
    return ST_OK;
}

static enum status put_series(struct export *x, struct slice bytes, struct err *err)
{
    struct series s = { .name = SLICE_EMPTY };
    struct proto_field f;
    bool bad = false;
    enum status st = ST_OK;
    struct slice rest = bytes;
    x->series++;
    while (proto_next(&rest, &f, &bad) && !bad)
        if (f.number == 1) {
            if (s.label_count == EXPORT_LABELS_MAX || !read_label(f.bytes, &s.labels[s.label_count]))
                return err_set(err, ST_INVALID, "a series of the answer does not parse, or has more than %d labels", EXPORT_LABELS_MAX);
            if (slice_eq(s.labels[s.label_count].name, SLICE("__name__")))
                s.name = s.labels[s.label_count].value;
            s.label_count++;
        }
    if (x->form == FORM_SEND)
        st = send_series(x->send, s.labels, s.label_count, err);
    for (rest = bytes; !st && proto_next(&rest, &f, &bad);) {
        if (f.number == 2)
            st = put_sample(x, &s, f.bytes, err);
        else if (f.number == 4 && x->form == FORM_SEND)
            st = send_histogram(x->send, f.bytes, err);
        x->histograms += f.number == 4;
    }
    if (!st && bad)
        st = err_set(err, ST_INVALID, "a series of the answer does not parse");
    if (fwrite(x->out.ptr, 1, x->out.len, stdout) != x->out.len)
        st = err_set(err, ST_IO, "standard output: not everything could be written");
    buf_reset(&x->out);
    return st;
}

/* ---- what is asked ---- */

static void put_matcher(struct buf *b, unsigned type, struct slice name, struct slice value)
{
    size_t mark = proto_nested_begin(b, 3);
    proto_put_varint(b, 1, type);
    proto_put_bytes(b, 2, name);
    proto_put_bytes(b, 3, value);
    proto_nested_end(b, mark);
}

/* The selector, of one metric, as a query of remote read. */
static void make_query(const struct export *x, struct slice metric, int64_t start_ms, int64_t end_ms, struct buf *out)
{
    struct buf raw;
    buf_init(&raw, 0);
    size_t mark = proto_nested_begin(&raw, 1);
    proto_put_varint(&raw, 1, (uint64_t)start_ms);
    proto_put_varint(&raw, 2, (uint64_t)end_ms);
    put_matcher(&raw, 0, SLICE("__name__"), metric);
    for (size_t i = 0; i < x->matcher_count; i++)
        put_matcher(&raw, x->matchers[i].op, x->matchers[i].name, x->matchers[i].value);
    proto_nested_end(&raw, mark);
    snappy_compress_block(buf_as_slice(&raw), out);
    buf_free(&raw);
}

static enum status put_answer(struct export *x, struct slice body, struct err *err)
{
    struct proto_field result, series;
    struct buf plain;
    bool bad = false;
    buf_init(&plain, 0);
    enum status st = snappy_decompress(body, EXPORT_ANSWER_BYTES_MAX, &plain, err);
    struct slice rest = buf_as_slice(&plain);
    while (!st && proto_next(&rest, &result, &bad))
        for (struct slice inner = result.bytes; !st && proto_next(&inner, &series, &bad);)
            if (series.number == 1)
                st = put_series(x, series.bytes, err);
    if (!st && bad)
        st = err_set(err, ST_INVALID, "the answer of remote read does not parse");
    buf_free(&plain);
    return st;
}

/* [start, end], both ends belong to it. */
static enum status export_window(struct export *x, struct slice metric, int64_t start_ms, int64_t end_ms, struct err *err)
{
    struct client_response resp = { 0 };
    struct buf query;
    buf_init(&query, 0);
    make_query(x, metric, start_ms, end_ms, &query);
    enum status st = ask(x, "/api/v1/read", buf_as_slice(&query), "application/x-protobuf", &resp, err);
    bool too_much = st == ST_LIMIT || resp.status == 422 || resp.status == 413;
    if (!st)
        st = put_answer(x, buf_as_slice(&resp.body), err);
    buf_free(&query);
    buf_free(&resp.body);
    if (!too_much || end_ms - start_ms < EXPORT_WINDOW_MS_MIN)
        return st;
    int64_t middle = start_ms + (end_ms - start_ms) / 2;
    st = export_window(x, metric, start_ms, middle, err);
    return st ? st : export_window(x, metric, middle + 1, end_ms, err);
}

static enum status csv_head(struct export *x, struct err *err)
{
    struct slice *names;
    size_t count;
    enum status st = ask_names(x, "/api/v1/labels", &names, &count, err);
    x->columns = arena_array(x->arena, struct slice, count + 1);
    printf("time,value,metric");
    for (size_t i = 0; i < count && !st; i++)
        if (!slice_eq(names[i], SLICE("__name__"))) {
            x->columns[x->column_count++] = names[i];
            buf_char(&x->out, ',');
            put_csv_field(&x->out, names[i]);
        }
    printf("%.*s\n", SLICE_FMT(buf_as_slice(&x->out)));
    buf_reset(&x->out);
    return st;
}

static enum status export_all(struct export *x, struct err *err)
{
    struct slice *metrics;
    size_t count;
    enum status st = ask_names(x, "/api/v1/label/__name__/values", &metrics, &count, err);
    if (!st && x->form == FORM_CSV)
        st = csv_head(x, err);
    for (size_t i = 0; i < count && !st; i++) {
        if (x->form == FORM_SEND)
            send_where(x->send, "metric %zu of %zu", i + 1, count);
        st = export_window(x, metrics[i], x->start_ms, x->end_ms, err);
    }
    if (!st && x->form == FORM_OPENMETRICS)
        printf("# EOF\n");
    return !st && x->form == FORM_SEND ? send_end(x->send, err) : st;
}

/* ---- the command ---- */

static bool time_of(struct slice text, int64_t absent_ms, int64_t *out)
{
    double seconds;
    int64_t ns;
    *out = absent_ms;
    if (text.len == 0)
        return true;
    if (num_parse_double(text, &seconds) && seconds >= 0 && seconds < 1e11) {
        *out = (int64_t)(seconds * 1000);
        return true;
    }
    bool good = date_parse_rfc3339(text, &ns);
    *out = good ? ns / NS_MS : 0;
    return good;
}

static bool has_word(int argc, char **argv, const char *word)
{
    for (int i = 1; i < argc; i++)
        if (slice_eq(slice_str(argv[i]), slice_str(word)))
            return true;
    return false;
}

/* 2: wrong usage. */
static int of_logs(int argc, char **argv)
{
    enum { ARGUMENTS_MAX = 32 };
    struct export_logs_asked o = { .url = SLICE("http://127.0.0.1:7862"), .is_search = has_word(argc, argv, "--search") };
    const struct account_flag flags[] = { { "--url", &o.url }, { "--tenant", &o.tenant }, { "--start", &o.start }, { "--end", &o.end },
                                          { "--format", &o.format } };
    char *rest[ARGUMENTS_MAX];
    int n = 0;
    size_t words;
    for (int i = 0; i < argc && n < ARGUMENTS_MAX; i++)
        if (!slice_eq(slice_str(argv[i]), SLICE("--logs")) && !slice_eq(slice_str(argv[i]), SLICE("--search")))
            rest[n++] = argv[i];
    if (account_flags(n, rest, flags, COUNT_OF(flags), &o.query, 1, &words) && words == 1)
        return export_logs(&o);
    fputs(usage, stderr);
    return 2;
}

static bool read_arguments(int argc, char **argv, struct export *x)
{
    struct slice words[1];
    size_t count;
    const struct account_flag flags[] = { { "--url", &x->url }, { "--tenant", &x->tenant }, { "--start", &x->start }, { "--end", &x->end },
                                          { "--format", &x->format }, { "--to", &x->to } };
    if (!account_flags(argc, argv, flags, COUNT_OF(flags), words, COUNT_OF(words), &count) || count != 1)
        return false;
    x->selector = words[0];
    int64_t now = clock_wall_ms(clock_real());
    if (!time_of(x->end, now, &x->end_ms) || !time_of(x->start, x->end_ms - MS_DAY, &x->start_ms) || x->start_ms > x->end_ms)
        return false;
    x->form = x->to.len ? FORM_SEND : slice_eq(x->format, SLICE("csv")) ? FORM_CSV : FORM_OPENMETRICS;
    return x->form != FORM_OPENMETRICS || x->format.len == 0 || slice_eq(x->format, SLICE("openmetrics"));
}

static enum status prepare(struct export *x, struct err *err)
{
    enum status st = matchers_parse(x->arena, x->selector, &x->matchers, &x->matcher_count, err);
    if (st)
        return st;
    struct send_options to = { .url = x->to, .is_endpoint = true, .what = "export", .tenant = SLICE_EMPTY };
    st = http_client_new(&x->client, err);
    return st || x->form != FORM_SEND ? st : send_open(&x->send, &to, err);
}

int export_command(int argc, char **argv)
{
    struct export x = { .url = SLICE("http://127.0.0.1:7862"), .tenant = SLICE_EMPTY, .start = SLICE_EMPTY, .end = SLICE_EMPTY, .format = SLICE_EMPTY,
                        .to = SLICE_EMPTY };
    struct err err;
    if (has_word(argc, argv, "--logs"))
        return of_logs(argc, argv);
    if (!read_arguments(argc, argv, &x)) {
        fputs(usage, stderr);
        return 2;
    }
    x.arena = arena_new(0);
    buf_init(&x.out, 0);
    enum status st = prepare(&x, &err);
    if (!st)
        st = export_all(&x, &err);
    if (st)
        fprintf(stderr, "stoa export: %s\n", err.text);
    else
        fprintf(stderr, "stoa export: %llu samples and %llu native histograms%s\n", (unsigned long long)x.samples, (unsigned long long)x.histograms,
                x.histograms && x.form != FORM_SEND ? ", which have no form in this format and were left out" : "");
    send_free(x.send);
    http_client_free(x.client);
    buf_free(&x.out);
    matchers_destroy(x.matchers, x.matcher_count);
    arena_free(x.arena);
    return st ? 1 : 0;
}
