/* SPDX-License-Identifier: Apache-2.0 */
/* Redirects are followed here, not by the client library, so that each has its phases and none is counted twice. As
 * browsers do: 303, and 301 and 302 after a POST, lead on by GET without a body. To another host or scheme no
 * credentials go along: of the configured headers only the few that cannot hold any. */
#include "probe/fetch.h"

#include <arpa/inet.h>

static struct slice origin_of(struct slice url)
{
    size_t from = slice_find(url, SLICE("://"), 0);
    if (from == SIZE_MAX)
        return url;
    size_t to = from + 3;
    while (to < url.len && url.ptr[to] != '/' && url.ptr[to] != '?' && url.ptr[to] != '#')
        to++;
    return slice_sub(url, 0, to);
}

/* An address in a URL is of one version, whatever version is asked of names. */
static bool has_address(struct slice url)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t bytes[sizeof(struct in6_addr)];
    struct slice origin = origin_of(url), host = slice_skip(origin, MIN(slice_find(origin, SLICE("://"), 0), origin.len) + 3);
    size_t at = slice_find_char(host, '@', 0);
    if (at != SIZE_MAX)
        host = slice_skip(host, at + 1);
    if (host.len && host.ptr[0] == '[')
        return true;
    host = slice_sub(host, 0, MIN(slice_find_char(host, ':', 0), host.len));
    if (host.len >= sizeof text)
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = 0;
    return inet_pton(AF_INET, text, bytes) == 1;
}

static const char *text_or_null(struct arena *a, struct slice s)
{
    return s.len ? arena_copy(a, s).ptr : NULL;
}

/* What goes along to another host: nothing that could be a key, whatever it is called. */
static bool is_plain_header(struct slice name)
{
    static const struct slice plain[] = { SLICE_INIT("accept"),       SLICE_INIT("accept-encoding"), SLICE_INIT("accept-language"),
                                          SLICE_INIT("content-type"), SLICE_INIT("user-agent"),      SLICE_INIT("traceparent") };
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        if (slice_eq_nocase(name, plain[i]))
            return true;
    return false;
}

static bool has_header(const struct fetch_request *req, struct slice name)
{
    for (size_t i = 0; i < req->header_count; i++)
        if (slice_eq_nocase(req->headers[i].name, name))
            return true;
    return false;
}

static size_t put_headers(struct http_header *to, const struct fetch_request *req, bool is_foreign, bool with_body)
{
    size_t n = 0;
    if (!has_header(req, SLICE("user-agent")))
        to[n++] = (struct http_header){ SLICE("User-Agent"), SLICE("stoa-probe") };
    if (!has_header(req, SLICE("accept-encoding")))
        to[n++] = (struct http_header){ SLICE("Accept-Encoding"), SLICE("identity") };
    for (size_t i = 0; i < req->header_count && n < FETCH_HEADERS_MAX; i++) {
        struct slice name = req->headers[i].name;
        if ((is_foreign && !is_plain_header(name)) || (!with_body && slice_eq_nocase(name, SLICE("content-type"))))
            continue;
        to[n++] = req->headers[i];
    }
    return n;
}

/* The client's times are all from the start; here each phase is its own. */
static void add_phases(struct fetch_answer *out, const struct client_response *r)
{
    int64_t ready_ns = r->tls_ns ? r->tls_ns : r->connect_ns, request_ns = MAX(out->details.request_ns, ready_ns);
    out->total_ns += r->total_ns;
    out->resolve_ns += r->dns_ns;
    if (r->connect_ns == 0)
        return;
    out->connect_ns += MAX(r->connect_ns - r->dns_ns, 0);
    if (r->tls_ns)
        out->tls_ns += MAX(r->tls_ns - r->connect_ns, 0);
    if (r->first_byte_ns == 0)
        return;
    out->request_ns += request_ns - ready_ns;
    out->first_byte_ns += MAX(r->first_byte_ns - request_ns, 0);
    out->transfer_ns += MAX(r->total_ns - r->first_byte_ns, 0);
}

struct hop {
    struct slice url, method, body;
    bool is_foreign;
};

static enum status fetch_hop(struct http_client *client, const struct fetch_request *req, const struct hop *hop, int64_t timeout_ns, struct arena *a,
                             struct fetch_answer *out, struct err *err)
{
    struct http_header headers[FETCH_HEADERS_MAX + 2];
    struct client_response resp;
    struct client_request cr = {
        .method = arena_copy(a, hop->method).ptr,
        .url = hop->url,
        .headers = headers,
        .header_count = put_headers(headers, req, hop->is_foreign, hop->body.len > 0),
        .body = hop->body,
        .timeout_ns = timeout_ns,
        .response_bytes_max = FETCH_BODY_BYTES_MAX,
        .ca_file = text_or_null(a, req->ca_file),
        .cert_file = text_or_null(a, req->cert_file),
        .key_file = text_or_null(a, req->key_file),
        .server_name = hop->is_foreign ? NULL : text_or_null(a, req->server_name),
        .tls_insecure = req->tls_insecure,
        .own_connection = true,
        .ip_version = has_address(hop->url) ? 0 : req->ip_version,
        .cookies = req->cookies,
        .details = &out->details,
    };
    if (!hop->is_foreign) {
        cr.user = req->user;
        cr.password = req->password;
        cr.bearer = req->bearer;
    }
    client_details_free(&out->details);
    enum status st = http_client_do(client, &cr, &resp, err);
    buf_free(&out->body);
    out->body = resp.body;
    out->status = resp.status;
    out->is_tls = slice_starts(hop->url, SLICE("https://"));
    add_phases(out, &resp);
    return st;
}

static void next_hop(struct hop *hop, int status, struct slice url, struct slice first_origin)
{
    bool is_head = slice_eq(hop->method, SLICE("HEAD"));
    if ((status == 303 && !is_head) || ((status == 301 || status == 302) && slice_eq(hop->method, SLICE("POST")))) {
        hop->method = SLICE("GET");
        hop->body = SLICE_EMPTY;
    }
    hop->url = url;
    hop->is_foreign = !slice_eq_nocase(origin_of(url), first_origin);
}

enum status fetch_do(struct http_client *client, struct clock *clock, const struct fetch_request *req, struct fetch_answer *out, struct err *err)
{
    struct arena *a = arena_new(0);
    struct hop hop = { .url = req->url, .method = req->method, .body = req->body };
    int64_t end_ns = clock_mono_ns(clock) + req->timeout_ns;
    *out = (struct fetch_answer){ 0 };
    client_details_init(&out->details);
    for (;;) {
        int64_t left_ns = end_ns - clock_mono_ns(clock);
        enum status st = left_ns <= 0 ? err_set(err, ST_TIMEOUT, "%.*s: no answer within %lld ms", SLICE_FMT(slice_sub(hop.url, 0, 200)),
                                                (long long)(req->timeout_ns / NS_MS))
                                      : fetch_hop(client, req, &hop, left_ns, a, out, err);
        struct slice to = buf_as_slice(&out->details.redirect_url);
        bool leads_on = !st && req->follow_redirects && to.len && out->status >= 300 && out->status < 400;
        if (leads_on && out->redirects == FETCH_REDIRECTS_MAX) {
            st = err_set(err, ST_LIMIT, "more than %d redirects, the last one to %.*s", FETCH_REDIRECTS_MAX, SLICE_FMT(slice_sub(to, 0, 200)));
            leads_on = false;
        }
        if (!leads_on) {
            arena_free(a);
            return st;
        }
        out->redirects++;
        next_hop(&hop, out->status, arena_copy(a, to), origin_of(req->url));
    }
}

void fetch_answer_free(struct fetch_answer *a)
{
    buf_free(&a->body);
    client_details_free(&a->details);
}
