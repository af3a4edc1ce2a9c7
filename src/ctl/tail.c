/* SPDX-License-Identifier: Apache-2.0 */
/* `stoa tail`: prints the lines of a log query as they come in, until it is ended. A connection that breaks is made anew; the
 * lines that were stored meanwhile are asked for from the last one's time on, and as many of that very time as were printed are left
 * out. */
#include <stdio.h>
#include <unistd.h>

#include "base/date.h"
#include "base/num.h"
#include "codec/json.h"
#include "codec/url.h"
#include "ctl/account.h"
#include "ctl/commands.h"
#include "net/client.h"
#include "sys/clock.h"

enum {
    TAIL_CONNECTION_HOURS = 2, /* the server ends it sooner */
    TAIL_LINE_BYTES_MAX = 8 * MIB,
    TAIL_RETRY_SECONDS = 2,
    TAIL_FAILURE_BYTES_MAX = 64 * KIB
};

struct tail_run {
    struct json_parser *json;
    struct buf rest;      /* a line that is not whole yet */
    bool raw;             /* --json */
    bool over, connected;
    int64_t newest_ns;
    uint64_t same;        /* lines printed of that very time: so many come again after a break */
    uint64_t skip;
};

static const char usage[] = "usage: stoa tail [--url http://127.0.0.1:7862] [--tenant NAME] [--limit N] [--start T] [--json] LOGQL\n"
                            "       --limit: how many lines of the past come first (10); --start: not before this time (an hour ago)\n";

static void print_line(struct tail_run *t, struct slice text)
{
    struct json_value root, value;
    struct err err;
    int64_t ns = 0;
    if (json_parse(t->json, text, &root, &err)) {
        fprintf(stderr, "stoa tail: the server sent what is no JSON: %s\n", err.text);
        return;
    }
    if (json_get(root, SLICE("dropped"), &value)) {
        int64_t n = 0;
        (void)json_get_int(value, &n);
        fprintf(stderr, "stoa tail: %lld lines were left out, more came in than could be shown\n", (long long)n);
        return;
    }
    if (!json_get(root, SLICE("time"), &value) || !num_parse_i64(json_get_string(value), &ns))
        return;
    if (ns == t->newest_ns && t->skip) {
        t->skip--;
        return;
    }
    t->same = ns == t->newest_ns ? t->same + 1 : ns > t->newest_ns ? 1 : t->same;
    t->newest_ns = MAX(t->newest_ns, ns);
    if (t->raw) {
        printf("%.*s\n", SLICE_FMT(text));
    } else if (json_get(root, SLICE("line"), &value)) {
        char when[DATE_TEXT_BYTES_MAX];
        size_t n = date_format_rfc3339(ns, 0, 3, when);
        struct slice line = json_get_string(value);
        printf("%.*s %.*s\n", (int)n, when, SLICE_FMT(line));
    }
    t->over = fflush(stdout) != 0;
}

static bool on_piece(void *arg, struct slice bytes)
{
    struct tail_run *t = arg;
    t->connected = true;
    buf_slice(&t->rest, bytes);
    size_t at = 0, end;
    struct slice all = buf_as_slice(&t->rest);
    while (!t->over && (end = slice_find_char(all, '\n', at)) != SIZE_MAX) {
        struct slice line = slice_sub(all, at, end);
        if (line.len)
            print_line(t, line);
        at = end + 1;
    }
    memmove(t->rest.ptr, t->rest.ptr + at, t->rest.len - at);
    t->rest.len -= at;
    return !t->over && !buf_over(&t->rest);
}

static void add(struct buf *out, const char *name, struct slice value)
{
    if (value.len == 0)
        return;
    buf_printf(out, "&%s=", name);
    url_encode(value, out);
}

struct tail_asked {
    struct slice url, query, start, limit, tenant;
};

/* One connection. ST_OK: it ended well, or can be made anew. */
static enum status follow(struct tail_run *t, const struct tail_asked *o, bool again, struct http_client *client, struct err *err)
{
    struct client_response resp;
    struct buf url;
    buf_init(&url, 0);
    buf_printf(&url, "%.*s/api/stoa/v1/tail?query=", SLICE_FMT(o->url));
    url_encode(o->query, &url);
    if (again && t->newest_ns) {
        buf_printf(&url, "&start=%lld&limit=5000", (long long)t->newest_ns);
        t->skip = t->same;
        t->same = 0;
    } else {
        add(&url, "start", o->start);
        add(&url, "limit", o->limit);
    }
    struct http_header tenant = { SLICE("X-Scope-OrgID"), o->tenant };
    struct client_request req = { .method = "GET", .url = buf_as_slice(&url), .headers = &tenant, .header_count = o->tenant.len ? 1 : 0,
                                  .timeout_ns = TAIL_CONNECTION_HOURS * 3600 * NS_S, .response_bytes_max = TAIL_FAILURE_BYTES_MAX,
                                  .piece = on_piece, .piece_arg = t };
    account_login(&req);
    buf_reset(&t->rest);
    enum status st = http_client_do(client, &req, &resp, err);
    struct slice why = slice_trim(buf_as_slice(&resp.body));
    if (!st && resp.status != 200)
        st = err_set(err, resp.status == 503 ? ST_UNAVAILABLE : ST_INVALID, "%.*s", SLICE_FMT(why));
    else if (st && t->connected && !t->over)
        st = ST_OK;
    buf_free(&resp.body);
    buf_free(&url);
    return st;
}

int tail_command(int argc, char **argv)
{
    struct tail_run t = { 0 };
    struct tail_asked o = { .url = SLICE("http://127.0.0.1:7862"), .limit = SLICE("10") };
    const struct account_flag flags[] = { { "--url", &o.url }, { "--start", &o.start }, { "--limit", &o.limit },
                                          { "--tenant", &o.tenant } };
    char *rest[64];
    int n = 0;
    size_t words = 0;
    for (int i = 0; i < argc && n < (int)COUNT_OF(rest); i++) {
        if (slice_eq(slice_str(argv[i]), SLICE("--json")))
            t.raw = true;
        else
            rest[n++] = argv[i];
    }
    if (!account_flags(n, rest, flags, COUNT_OF(flags), &o.query, 1, &words) || words != 1) {
        fputs(usage, stderr);
        return 2;
    }
    struct http_client *client = NULL;
    struct err err;
    enum status st = http_client_new(&client, &err);
    t.json = json_parser_new();
    buf_init(&t.rest, TAIL_LINE_BYTES_MAX);
    bool again = false;
    while (!st && !t.over) {
        st = follow(&t, &o, again, client, &err);
        if (again && st == ST_UNAVAILABLE)
            st = ST_OK; /* it was there: it may be again */
        if (!st && !t.over && t.connected && !again)
            fputs("stoa tail: the connection ended; following on\n", stderr);
        if (!st && !t.over)
            sleep(TAIL_RETRY_SECONDS); /* also when one was there: what ends it at once would end the next one at once */
        again = again || t.connected;
        t.connected = false;
    }
    if (st && !t.over)
        fprintf(stderr, "stoa tail: %s\n", err.text);
    buf_free(&t.rest);
    json_parser_free(t.json);
    http_client_free(client);
    return st && !t.over ? 1 : 0;
}
