/* SPDX-License-Identifier: Apache-2.0 */
/* One thread drives a curl multi handle. A caller fills an easy handle, queues it, and sleeps until the thread says that it
 * is done; so no caller's thread ever touches the multi, and connections are shared by all callers. Who does not want to sleep starts
 * a transfer and ends it later: thousands may run at once.
 *
 * Only http and https, redirects included. Proxies of the environment are not used: who wants one says so. A name for the
 * certificate other than the URL's host (server_name) is done by asking for that name and connecting to the host. */
#include "net/client.h"

#include <curl/curl.h>
#include <stdio.h>

#include "net/client_details.h"
#include "sys/thread.h"

enum { REDIRECTS_MAX = 10, POLL_MS = 1000, CONNECTIONS_KEPT_MAX = 256 };

struct http_transfer {
    struct http_transfer *next;
    struct http_client *client;
    struct arena *a;      /* NULL: http_client_do's, on its stack */
    struct slice url;
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    struct client_response *resp, own;
    size_t bytes_max;
    bool (*piece)(void *arg, struct slice bytes);
    void (*answered)(void *arg, int status);
    void (*over_now)(void *arg);
    void *piece_arg;
    bool over, ended;
    bool done, cancelled; /* under the client's lock */
    CURLcode result;
    struct cond cond; /* with the client's lock */
    char reason[CURL_ERROR_SIZE];
};

struct http_client {
    CURLM *multi;
    struct thread *thread;
    struct mutex lock;
    struct http_transfer *queued;  /* under lock */
    struct http_transfer *running; /* the thread's */
    bool stopping, cancels; /* under lock; cancels: a running one is to end */
};

/* ---- The thread ---- */

static void end_job(struct http_client *c, struct http_transfer *j, CURLcode result)
{
    for (struct http_transfer **p = &c->running; *p; p = &(*p)->next)
        if (*p == j) {
            *p = j->next;
            break;
        }
    curl_multi_remove_handle(c->multi, j->easy);
    if (j->over_now) /* before done: afterwards j may be gone */
        j->over_now(j->piece_arg);
    mutex_lock(&c->lock);
    j->result = result;
    j->done = true;
    cond_signal(&j->cond);
    mutex_unlock(&c->lock);
}

static struct http_transfer *next_cancelled(struct http_client *c)
{
    mutex_lock(&c->lock);
    struct http_transfer *j = c->cancels ? c->running : NULL;
    while (j && !j->cancelled)
        j = j->next;
    c->cancels = j != NULL;
    mutex_unlock(&c->lock);
    return j;
}

/* False when the client stops. */
static bool take_queued(struct http_client *c)
{
    mutex_lock(&c->lock);
    struct http_transfer *j = c->queued;
    c->queued = NULL;
    bool stopping = c->stopping;
    mutex_unlock(&c->lock);
    for (struct http_transfer *next; j; j = next) {
        next = j->next;
        j->next = c->running;
        c->running = j;
        if (curl_multi_add_handle(c->multi, j->easy) != CURLM_OK)
            end_job(c, j, CURLE_FAILED_INIT);
    }
    for (struct http_transfer *cancelled; (cancelled = next_cancelled(c)) != NULL;)
        end_job(c, cancelled, CURLE_ABORTED_BY_CALLBACK);
    return !stopping;
}

static void client_main(void *arg)
{
    struct http_client *c = arg;
    while (take_queued(c)) {
        int running, left;
        curl_multi_perform(c->multi, &running);
        for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left)) != NULL;) {
            struct http_transfer *j = NULL;
            CURLcode result = m->data.result;
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &j);
            if (m->msg == CURLMSG_DONE && j)
                end_job(c, j, result);
        }
        curl_multi_poll(c->multi, NULL, 0, POLL_MS, NULL);
    }
    while (c->running)
        end_job(c, c->running, CURLE_ABORTED_BY_CALLBACK);
}

enum status http_client_new(struct http_client **out, struct err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, ST_INTERNAL, "the HTTP client library does not start");
    struct http_client *c = mem_new(struct http_client);
    mutex_init(&c->lock);
    c->multi = curl_multi_init();
    assert(c->multi);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT_MAX);
    enum status st = thread_start(&c->thread, "http-client", client_main, c, err);
    if (st) {
        http_client_free(c);
        return st;
    }
    *out = c;
    return ST_OK;
}

void http_client_stop(struct http_client *c)
{
    mutex_lock(&c->lock);
    c->stopping = true;
    mutex_unlock(&c->lock);
    curl_multi_wakeup(c->multi);
}

void http_client_free(struct http_client *c)
{
    if (c == NULL)
        return;
    http_client_stop(c);
    thread_join(c->thread);
    curl_multi_cleanup(c->multi);
    mutex_destroy(&c->lock);
    mem_free(c);
    curl_global_cleanup();
}

/* ---- One request ---- */

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct http_transfer *j = arg;
    long status = 0;
    n *= size;
    if (j->piece && curl_easy_getinfo(j->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status == 200) {
        j->ended = !j->piece(j->piece_arg, slice_of(bytes, n));
        return j->ended ? 0 : n;
    }
    if (j->resp->body.len + n > j->bytes_max) {
        j->over = true;
        return 0;
    }
    buf_put(&j->resp->body, bytes, n);
    return n;
}

/* The empty line is the end of the headers; those of redirects and of "100 Continue" are not the answer's. */
static size_t on_header(char *bytes, size_t size, size_t n, void *arg)
{
    struct http_transfer *j = arg;
    long status = 0;
    if (n * size <= 2 && curl_easy_getinfo(j->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status >= 200)
        j->answered(j->piece_arg, (int)status);
    (void)bytes;
    return n * size;
}

/* A NUL-terminated copy, for a library that wants one. */
static const char *c_str(struct arena *a, struct slice s)
{
    return arena_copy(a, s).ptr;
}

static void set_method(CURL *e, const struct client_request *req)
{
    struct slice method = slice_str(req->method ? req->method : "GET");
    bool get = slice_eq(method, SLICE("GET"));
    if (slice_eq(method, SLICE("HEAD"))) {
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    } else if (!get || req->body.len) {
        curl_easy_setopt(e, CURLOPT_POST, 1L);
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body.len);
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, req->body.len ? req->body.ptr : "");
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, req->method ? req->method : "GET");
    }
}

static void add_headers(struct http_transfer *j, struct arena *a, const struct client_request *req)
{
    bool has_type = false;
    for (size_t i = 0; i < req->header_count; i++) {
        struct slice name = req->headers[i].name, value = req->headers[i].value;
        has_type = has_type || slice_eq_nocase(name, SLICE("content-type"));
        struct slice line = value.len ? arena_printf(a, "%.*s: %.*s", SLICE_FMT(name), SLICE_FMT(value))
                                      : arena_printf(a, "%.*s;", SLICE_FMT(name));
        j->headers = curl_slist_append(j->headers, line.ptr);
    }
    j->headers = curl_slist_append(j->headers, "Expect:");
    if (!has_type)
        j->headers = curl_slist_append(j->headers, "Content-Type:");
}

/* The URL with server_name for a host, connections going to the real host, and the Host header unchanged. */
static const char *url_with_name(struct http_transfer *j, struct arena *a, const struct client_request *req)
{
    const char *url = c_str(a, req->url);
    char *host = NULL, *port = NULL, *renamed = NULL;
    CURLU *u = curl_url();
    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
        curl_url_set(u, CURLUPART_HOST, req->server_name, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_URL, &renamed, 0) == CURLUE_OK) {
        j->connect_to = curl_slist_append(
            NULL, arena_printf(a, "%s:%s:%s:%s", req->server_name, port, host, port).ptr);
        j->headers = curl_slist_append(j->headers, arena_printf(a, "Host: %s:%s", host, port).ptr);
        url = c_str(a, slice_str(renamed));
    }
    curl_free(host);
    curl_free(port);
    curl_free(renamed);
    curl_url_cleanup(u);
    return url;
}

static void set_pem(CURL *e, CURLoption option, struct slice pem)
{
    struct curl_blob blob = { .data = (void *)(uintptr_t)pem.ptr, .len = pem.len, .flags = CURL_BLOB_COPY };
    if (pem.len)
        curl_easy_setopt(e, option, &blob);
}

static void set_security(CURL *e, struct arena *a, const struct client_request *req)
{
    long auth = 0;
    if (req->user.len) {
        curl_easy_setopt(e, CURLOPT_USERNAME, c_str(a, req->user));
        curl_easy_setopt(e, CURLOPT_PASSWORD, c_str(a, req->password));
        auth = CURLAUTH_BASIC;
    }
    if (req->bearer.len) {
        curl_easy_setopt(e, CURLOPT_XOAUTH2_BEARER, c_str(a, req->bearer));
        auth = CURLAUTH_BEARER;
    }
    if (auth)
        curl_easy_setopt(e, CURLOPT_HTTPAUTH, auth);
    if (req->ca_file)
        curl_easy_setopt(e, CURLOPT_CAINFO, req->ca_file);
    if (req->cert_file)
        curl_easy_setopt(e, CURLOPT_SSLCERT, req->cert_file);
    if (req->key_file)
        curl_easy_setopt(e, CURLOPT_SSLKEY, req->key_file);
    set_pem(e, CURLOPT_CAINFO_BLOB, req->ca_pem);
    set_pem(e, CURLOPT_SSLCERT_BLOB, req->cert_pem);
    set_pem(e, CURLOPT_SSLKEY_BLOB, req->key_pem);
    if (req->tls_insecure) {
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    curl_easy_setopt(e, CURLOPT_PROXY, req->proxy_url.len ? c_str(a, req->proxy_url) : "");
}

static void prepare(struct http_transfer *j, struct arena *a, const struct client_request *req)
{
    CURL *e = j->easy;
    curl_easy_setopt(e, CURLOPT_PRIVATE, j);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, j->reason);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, req->follow_redirects ? 1L : 0L);
    curl_easy_setopt(e, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)MAX(req->timeout_ns / NS_MS, (int64_t)1));
    curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, req->keeps_encoding ? NULL : "");
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, j);
    if (req->piece) /* may be long without bytes */
        curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    if (j->answered) {
        curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(e, CURLOPT_HEADERDATA, j);
    }
    curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, req->own_connection ? 1L : 0L);
    curl_easy_setopt(e, CURLOPT_FORBID_REUSE, req->own_connection ? 1L : 0L);
    if (req->own_connection) /* or names would come from the cache of an earlier request */
        curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    if (req->ip_version)
        curl_easy_setopt(e, CURLOPT_IPRESOLVE, req->ip_version == 4 ? (long)CURL_IPRESOLVE_V4 : (long)CURL_IPRESOLVE_V6);
    if (req->cookies)
        client_cookies_give(e, req->cookies);
    if (req->details)
        client_details_watch(e, req->details);
    set_method(e, req);
    add_headers(j, a, req);
    curl_easy_setopt(e, CURLOPT_URL, req->server_name ? url_with_name(j, a, req) : c_str(a, req->url));
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, j->headers);
    if (j->connect_to)
        curl_easy_setopt(e, CURLOPT_CONNECT_TO, j->connect_to);
    set_security(e, a, req);
}

static int64_t info_ns(CURL *e, CURLINFO what)
{
    curl_off_t us = 0;
    curl_easy_getinfo(e, what, &us);
    return (int64_t)us * 1000;
}

static void read_answer(const struct http_transfer *j, struct client_response *resp)
{
    CURL *e = j->easy;
    long status = 0;
    char *type = NULL;
    curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(e, CURLINFO_CONTENT_TYPE, &type);
    resp->status = (int)status;
    /* The type lives behind the body's end, so that the caller has one thing to free. */
    struct slice t = slice_str(type);
    if (t.len) {
        char *to = buf_room(&resp->body, t.len);
        memcpy(to, t.ptr, t.len);
        resp->content_type = slice_of(to, t.len);
    }
    resp->dns_ns = info_ns(e, CURLINFO_NAMELOOKUP_TIME_T);
    resp->connect_ns = info_ns(e, CURLINFO_CONNECT_TIME_T);
    resp->tls_ns = info_ns(e, CURLINFO_APPCONNECT_TIME_T);
    resp->first_byte_ns = info_ns(e, CURLINFO_STARTTRANSFER_TIME_T);
    resp->total_ns = info_ns(e, CURLINFO_TOTAL_TIME_T);
}

static enum status status_of(const struct http_transfer *j, struct err *err)
{
    struct slice url = slice_sub(j->url, 0, 200);
    const char *why = j->reason[0] ? j->reason : curl_easy_strerror(j->result);
    if (j->over)
        return err_set(err, ST_LIMIT, "%.*s: the answer has more than %zu bytes, the most that are allowed",
                       SLICE_FMT(url), j->bytes_max);
    if (j->ended)
        return err_set(err, ST_CANCELLED, "%.*s: ended by the reader", SLICE_FMT(url));
    if (j->result == CURLE_OK)
        return ST_OK;
    static const struct {
        CURLcode code;
        enum status status;
    } table[] = {
        { CURLE_OPERATION_TIMEDOUT, ST_TIMEOUT },
        { CURLE_COULDNT_CONNECT, ST_UNAVAILABLE },
        { CURLE_COULDNT_RESOLVE_HOST, ST_UNAVAILABLE },
        { CURLE_COULDNT_RESOLVE_PROXY, ST_UNAVAILABLE },
        { CURLE_GOT_NOTHING, ST_UNAVAILABLE },
        { CURLE_ABORTED_BY_CALLBACK, ST_CANCELLED },
        { CURLE_URL_MALFORMAT, ST_INVALID },
        { CURLE_UNSUPPORTED_PROTOCOL, ST_INVALID },
        { CURLE_BAD_CONTENT_ENCODING, ST_INVALID },
        { CURLE_TOO_MANY_REDIRECTS, ST_LIMIT },
        { CURLE_PEER_FAILED_VERIFICATION, ST_DENIED },
        { CURLE_SSL_CERTPROBLEM, ST_DENIED },
        { CURLE_SSL_CACERT_BADFILE, ST_INVALID },
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (table[i].code == j->result)
            return err_set(err, table[i].status, "%.*s: %s", SLICE_FMT(url), why);
    return err_set(err, ST_IO, "%.*s: %s", SLICE_FMT(url), why);
}

/* Hands it to the thread. */
static void enqueue(struct http_client *c, struct http_transfer *j)
{
    mutex_lock(&c->lock);
    bool stopping = c->stopping;
    if (stopping) {
        j->result = CURLE_ABORTED_BY_CALLBACK;
        j->done = true;
    } else {
        j->next = c->queued;
        c->queued = j;
        curl_multi_wakeup(c->multi);
    }
    mutex_unlock(&c->lock);
    if (stopping && j->over_now)
        j->over_now(j->piece_arg);
}

static enum status transfer_init(struct http_transfer *j, struct http_client *c, const struct client_request *req, struct err *err)
{
    *j = (struct http_transfer){ .client = c, .bytes_max = req->response_bytes_max, .piece = req->piece, .answered = req->answered,
                                 .over_now = req->over_now, .piece_arg = req->piece_arg, .easy = curl_easy_init() };
    if (j->easy == NULL)
        return err_set(err, ST_INTERNAL, "the HTTP client library gives no handle");
    cond_init(&j->cond);
    return ST_OK;
}

static void transfer_free(struct http_transfer *j)
{
    curl_easy_cleanup(j->easy);
    curl_slist_free_all(j->headers);
    curl_slist_free_all(j->connect_to);
    cond_destroy(&j->cond);
}

enum status http_client_do(struct http_client *c, const struct client_request *req, struct client_response *resp,
                           struct err *err)
{
    struct http_transfer j;
    *resp = (struct client_response){ 0 };
    enum status st = transfer_init(&j, c, req, err);
    if (st)
        return st;
    struct arena *a = arena_new(0);
    j.resp = resp;
    j.url = req->url;
    prepare(&j, a, req);
    enqueue(c, &j);
    mutex_lock(&c->lock);
    while (!j.done)
        cond_wait(&j.cond, &c->lock);
    mutex_unlock(&c->lock);
    read_answer(&j, resp);
    if (req->cookies)
        client_cookies_take(j.easy, req->cookies);
    if (req->details)
        client_details_take(j.easy, j.result, req->details);
    st = status_of(&j, err);
    transfer_free(&j);
    arena_free(a);
    return st;
}

enum status http_transfer_start(struct http_client *c, const struct client_request *req, struct http_transfer **out, struct err *err)
{
    assert(!req->cookies && !req->details && !req->body.len);
    struct http_transfer *j = mem_new(struct http_transfer);
    enum status st = transfer_init(j, c, req, err);
    if (st) {
        mem_free(j);
        return st;
    }
    j->a = arena_new(0);
    j->resp = &j->own;
    j->url = arena_copy(j->a, req->url);
    prepare(j, j->a, req);
    *out = j;
    enqueue(c, j);
    return ST_OK;
}

enum status http_transfer_end(struct http_transfer *t, struct client_response *resp, struct err *err)
{
    struct http_client *c = t->client;
    mutex_lock(&c->lock);
    if (!t->done) {
        t->cancelled = true;
        c->cancels = true;
        curl_multi_wakeup(c->multi);
    }
    while (!t->done)
        cond_wait(&t->cond, &c->lock);
    mutex_unlock(&c->lock);
    read_answer(t, &t->own);
    *resp = t->own;
    enum status st = status_of(t, err);
    transfer_free(t);
    arena_free(t->a);
    mem_free(t);
    return st;
}
