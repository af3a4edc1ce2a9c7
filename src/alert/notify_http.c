/* SPDX-License-Identifier: Apache-2.0 */
/* What the notifiers that speak HTTP share. Files with secrets are read at every try, so that they may change. */
#include "alert/notify.h"
#include "base/utf8.h"
#include "model/trace_context.h"
#include "sys/file.h"

enum { TOO_MANY = 429, OK_FIRST = 200, OK_LAST = 299, SERVER_ERROR = 500, TIMED_OUT = 408 };

enum status notify_secret(struct arena *a, struct slice path, struct slice *out, struct err *err)
{
    struct buf b;
    struct slice line, rest;
    buf_init(&b, 0);
    enum status st = fs_read_all(fs_real(), arena_copy(a, path).ptr, NOTIFY_SECRET_BYTES_MAX, &b, err);
    rest = buf_as_slice(&b);
    if (!slice_next(&rest, '\n', &line))
        line = SLICE_EMPTY;
    *out = arena_copy(a, slice_trim(line));
    buf_free(&b);
    return st;
}

static enum status login(struct arena *a, const struct http_setup *s, struct client_request *q, struct http_header *header, struct err *err)
{
    enum status st = ST_OK;
    struct slice credentials = s->credentials, type = s->auth_type.len ? s->auth_type : SLICE("Bearer");
    q->user = s->user;
    q->password = s->password;
    if (s->password_file.len)
        st = notify_secret(a, s->password_file, &q->password, err);
    if (!st && s->credentials_file.len)
        st = notify_secret(a, s->credentials_file, &credentials, err);
    if (!st && credentials.len)
        header[q->header_count++] =
            (struct http_header){SLICE("Authorization"), arena_printf(a, "%.*s %.*s", SLICE_FMT(type), SLICE_FMT(credentials))};
    return st;
}

static const char *c_str(struct arena *a, struct slice s)
{
    return s.len ? arena_copy(a, s).ptr : NULL;
}

static enum status verdict(const struct client_response *resp, struct err *err)
{
    struct slice said = slice_trim(utf8_cut(buf_as_slice(&resp->body), NOTIFY_ERROR_SHOWN_BYTES));
    bool again = resp->status == TOO_MANY || resp->status == TIMED_OUT || resp->status >= SERVER_ERROR;
    if (resp->status >= OK_FIRST && resp->status <= OK_LAST)
        return ST_OK;
    return err_set(err, again ? ST_UNAVAILABLE : ST_INVALID, "answer %d%s%.*s", resp->status, said.len ? ": " : "", SLICE_FMT(said));
}

/* The client's reason begins with the address, and who knows a webhook's address may write there: its host is enough. */
static enum status without_address(struct arena *a, struct slice url, enum status st, struct err *err)
{
    struct slice text = arena_copy(a, slice_str(err->text));
    size_t at = slice_find(url, SLICE("://"), 0);
    struct slice host = at == SIZE_MAX ? SLICE_EMPTY : slice_skip(url, at + 3);
    host = slice_sub(host, 0, MIN(slice_find_char(host, '/', 0), host.len));
    host = slice_sub(host, 0, MIN(slice_find_char(host, '?', 0), host.len));
    size_t user = slice_find_char(host, '@', 0);
    host = user == SIZE_MAX ? host : slice_skip(host, user + 1);
    if (slice_starts(text, url))
        return err_set(err, st, "%.*s%.*s", SLICE_FMT(host), SLICE_FMT(slice_skip(text, url.len)));
    return slice_contains(text, url) ? err_set(err, st, "%.*s: it cannot be asked", SLICE_FMT(host)) : st;
}

enum status notify_post(const struct notify_env *env, struct arena *a, const struct notify_request *req, struct err *err)
{
    const struct http_setup *s = req->http;
    struct http_header headers[3] = {{SLICE("Content-Type"), SLICE("application/json")}};
    char parent[TRACE_PARENT_BYTES];
    struct client_request q = {
        .method = "POST",
        .url = req->url,
        .headers = headers,
        .header_count = 1,
        .body = req->body,
        .timeout_ns = req->timeout_ns ? req->timeout_ns : NOTIFY_TIMEOUT_NS,
        .response_bytes_max = NOTIFY_RESPONSE_BYTES_MAX,
        .ca_file = c_str(a, s->ca_file),
        .cert_file = c_str(a, s->cert_file),
        .key_file = c_str(a, s->key_file),
        .server_name = c_str(a, s->server_name),
        .proxy_url = s->proxy_url,
        .tls_insecure = s->tls_insecure,
        .follow_redirects = s->follow_redirects,
    };
    struct client_response resp = {0};
    enum status st = ST_OK;
    if (q.url.len == 0)
        st = notify_secret(a, req->url_file, &q.url, err);
    if (!st)
        st = login(a, s, &q, headers, err);
    if (env->ids) { /* so that what takes the notification goes on in its trace */
        trace_parent_write(env->ids->trace_id, env->ids->span_id, TRACE_SAMPLED, parent);
        headers[q.header_count++] = (struct http_header){SLICE("traceparent"), slice_of(parent, sizeof parent)};
    }
    if (st)
        return st;
    buf_init(&resp.body, NOTIFY_RESPONSE_BYTES_MAX);
    st = http_client_do(env->client, &q, &resp, err);
    if (resp.status)
        st = verdict(&resp, err);
    else if (st)
        st = without_address(a, q.url, st, err);
    buf_free(&resp.body);
    return st;
}
