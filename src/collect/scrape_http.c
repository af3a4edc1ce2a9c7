/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets in files are read at each request, so that a rotated one needs no reload. They are in no error. */
#include "collect/scrape_http.h"

enum { SECRET_BYTES_MAX = 64 * KIB, HEADERS_MAX = 6, STATUS_OK = 200 };

/* *value becomes the file's content when file is set. */
static enum status secret(const struct collect_env *env, struct slice file, struct slice *value, struct arena *a, struct err *err)
{
    struct buf text;
    if (file.len == 0)
        return ST_OK;
    buf_init(&text, 0);
    enum status st = fs_read_all(env->fs, arena_copy(a, file).ptr, SECRET_BYTES_MAX, &text, err);
    if (!st)
        *value = arena_copy(a, slice_trim(buf_as_slice(&text)));
    buf_free(&text);
    return st;
}

static const char *text_or_null(struct arena *a, struct slice s)
{
    return s.len ? arena_copy(a, s).ptr : NULL;
}

static size_t put_headers(struct http_header *list, const struct scrape_get *get, struct slice auth, struct arena *a)
{
    size_t n = 0;
    list[n++] = (struct http_header){ SLICE("Accept"), get->accept };
    list[n++] = (struct http_header){ SLICE("User-Agent"), SLICE("stoa") };
    if (!get->compression)
        list[n++] = (struct http_header){ SLICE("Accept-Encoding"), SLICE("identity") };
    if (get->tell_timeout)
        list[n++] = (struct http_header){ SLICE("X-Prometheus-Scrape-Timeout-Seconds"),
                                          arena_printf(a, "%g", (double)get->timeout_ns / (double)NS_S) };
    if (auth.len)
        list[n++] = (struct http_header){ SLICE("Authorization"), auth };
    return n;
}

/* The request that get is, by h; its texts in a. */
static enum status request_of(const struct collect_env *env, const struct scrape_http *h, const struct scrape_get *get, struct arena *a,
                              struct client_request *req, struct err *err)
{
    struct http_header *headers = arena_array(a, struct http_header, HEADERS_MAX);
    struct slice user = h->user, password = h->password, credentials = h->credentials, auth = SLICE_EMPTY;
    enum status st = secret(env, h->user_file, &user, a, err);
    if (!st)
        st = secret(env, h->password_file, &password, a, err);
    if (!st)
        st = secret(env, h->credentials_file, &credentials, a, err);
    if (st)
        return st;
    if (credentials.len)
        auth = arena_printf(a, "%.*s %.*s", SLICE_FMT(h->auth_type), SLICE_FMT(credentials));
    *req = (struct client_request){
        .method = "GET",
        .url = get->url,
        .headers = headers,
        .header_count = put_headers(headers, get, auth, a),
        .timeout_ns = get->timeout_ns,
        .response_bytes_max = get->bytes_max,
        .user = user,
        .password = password,
        .ca_file = text_or_null(a, h->ca_file),
        .cert_file = text_or_null(a, h->cert_file),
        .key_file = text_or_null(a, h->key_file),
        .ca_pem = h->ca_pem,
        .cert_pem = h->cert_pem,
        .key_pem = h->key_pem,
        .server_name = text_or_null(a, h->server_name),
        .proxy_url = h->proxy_url,
        .tls_insecure = h->tls_insecure,
        .follow_redirects = h->follow_redirects,
    };
    return ST_OK;
}

enum status scrape_http_get(const struct collect_env *env, const struct scrape_http *h, const struct scrape_get *get, struct arena *a,
                            struct client_response *resp, struct err *err)
{
    struct client_request req;
    *resp = (struct client_response){ 0 };
    enum status st = request_of(env, h, get, a, &req, err);
    if (!st)
        st = http_client_do(env->client, &req, resp, err);
    if (!st && resp->status != STATUS_OK)
        return err_set(err, ST_UNAVAILABLE, "server returned HTTP status %d", resp->status);
    return st;
}

enum status scrape_http_start(const struct collect_env *env, const struct scrape_http *h, const struct scrape_get *get,
                              const struct scrape_stream *stream, struct http_transfer **out, struct err *err)
{
    struct arena *a = arena_new(0);
    struct client_request req;
    enum status st = request_of(env, h, get, a, &req, err);
    if (!st) {
        req.piece = stream->piece;
        req.answered = stream->answered;
        req.over_now = stream->over_now;
        req.piece_arg = stream->arg;
        st = http_transfer_start(env->client, &req, out, err);
    }
    arena_free(a);
    return st;
}
