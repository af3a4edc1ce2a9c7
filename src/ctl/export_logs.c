/* SPDX-License-Identifier: Apache-2.0 */
/* `stoa export --logs`: the lines of a log query or a search to standard output, as they come; how far it is stands on the terminal. */
#include <stdio.h>
#include <unistd.h>

#include "codec/url.h"
#include "ctl/commands.h"
#include "ctl/send.h"
#include "net/client.h"
#include "sys/clock.h"

enum { EXPORT_LOGS_SECONDS_MAX = 2 * 3600, PROGRESS_MS = 500, TAIL_BYTES = 1024, FAILURE_BYTES_MAX = 64 * KIB };

struct export_logs {
    uint64_t bytes, lines;
    int64_t told_ms;
    bool shows, failed;
    char tail[TAIL_BYTES]; /* what came last: it may say that the export broke off */
    size_t tail_len;
};

static void tell(struct export_logs *x, bool last)
{
    if (x->shows)
        fprintf(stderr, "\rstoa export: %.1f MB, %llu lines%s", (double)x->bytes / 1e6, (unsigned long long)x->lines, last ? "\n" : "");
}

static void keep_tail(struct export_logs *x, struct slice s)
{
    s = slice_skip(s, s.len > TAIL_BYTES ? s.len - TAIL_BYTES : 0);
    size_t keep = MIN(x->tail_len, TAIL_BYTES - s.len);
    memmove(x->tail, x->tail + x->tail_len - keep, keep);
    memcpy(x->tail + keep, s.ptr, s.len);
    x->tail_len = keep + s.len;
}

static bool on_piece(void *arg, struct slice bytes)
{
    struct export_logs *x = arg;
    x->bytes += bytes.len;
    for (size_t i = 0; i < bytes.len; i++)
        x->lines += bytes.ptr[i] == '\n';
    keep_tail(x, bytes);
    x->failed = fwrite(bytes.ptr, 1, bytes.len, stdout) != bytes.len;
    int64_t now = clock_mono_ns(clock_real()) / NS_MS;
    if (now - x->told_ms >= PROGRESS_MS) {
        x->told_ms = now;
        tell(x, false);
    }
    return !x->failed;
}

/* The last line, when it tells of a failure. */
static struct slice broke_off(const struct export_logs *x)
{
    struct slice s = slice_trim(slice_of(x->tail, x->tail_len));
    size_t from = s.len;
    while (from > 0 && s.ptr[from - 1] != '\n')
        from--;
    struct slice last = slice_skip(s, from);
    return slice_starts(last, SLICE("# the export broke off: ")) || slice_starts(last, SLICE("{\"error\":")) ? last : SLICE_EMPTY;
}

int export_logs(const struct export_logs_asked *o)
{
    struct export_logs x = { .shows = isatty(STDERR_FILENO) };
    struct http_client *client = NULL;
    struct client_response resp = { 0 };
    struct err err;
    struct buf url;
    const struct {
        const char *name;
        struct slice value;
    } params[] = { { o->is_search ? "search" : "query", o->query }, { "start", o->start }, { "end", o->end }, { "format", o->format } };
    buf_init(&url, 0);
    buf_printf(&url, "%.*s/api/stoa/v1/logs/export", SLICE_FMT(o->url));
    for (size_t i = 0; i < COUNT_OF(params); i++)
        if (i == 0 || params[i].value.len) { /* an empty search is one for all lines */
            buf_printf(&url, "%c%s=", i ? '&' : '?', params[i].name);
            url_encode(params[i].value, &url);
        }
    struct http_header tenant = { SLICE("X-Scope-OrgID"), o->tenant };
    struct client_request req = { .method = "GET", .url = buf_as_slice(&url), .headers = &tenant, .header_count = o->tenant.len ? 1 : 0,
                                  .timeout_ns = EXPORT_LOGS_SECONDS_MAX * NS_S, .response_bytes_max = FAILURE_BYTES_MAX,
                                  .piece = on_piece, .piece_arg = &x };
    account_login(&req);
    enum status st = http_client_new(&client, &err);
    if (!st)
        st = http_client_do(client, &req, &resp, &err);
    if (!st && resp.status != 200)
        st = err_set(&err, ST_INVALID, "the server answers %d: %.*s", resp.status, (int)MIN(resp.body.len, (size_t)300), resp.body.ptr);
    struct slice why = broke_off(&x);
    if (!st && why.len)
        st = err_set(&err, ST_IO, "%.*s", SLICE_FMT(why));
    if (!st && fflush(stdout))
        st = err_set(&err, ST_IO, "standard output takes no more");
    tell(&x, true);
    if (st)
        fprintf(stderr, "stoa export: %s\n", err.text);
    buf_free(&resp.body);
    buf_free(&url);
    http_client_free(client);
    return st ? 1 : 0;
}
