/* SPDX-License-Identifier: Apache-2.0 */
/* A kind of objects in a namespace: a stream, in one of three states: it waits until its time comes, lists, or watches. Its
 * requests are transfers of the HTTP client, whose thread puts their bytes aside (under lock).
 *
 * (1) A watch goes on from the last version that was read to its end, so a connection that breaks in the middle of an event
 *     loses none: the rest of a line is dropped and told again.
 * (2) A stream lists again when the server says that its version is too old (410), or when WATCH_TRIES_MAX requests in a row
 *     failed: never else.
 * (3) What fails is tried again, at first soon, at last every KUBERNETES_BACKOFF_MAX_NS; the last good objects stay.
 *
 * Watches end by themselves every few minutes (the server is told when), so that rotated tokens and certificates are read. */
#include "collect/sd_kubernetes_stream.h"

#include <stdio.h>

#include "base/hash.h"
#include "codec/url.h"
#include "collect/scrape_http.h"

enum {
    WATCH_TRIES_MAX = 3,
    WATCH_S_MIN = 300, /* and up to twice that */
    STATUS_OK = 200,
    ROOM_KEPT_BYTES_MAX = 256 * KIB, /* of a stream's buffers between events */
    OTHER_ANSWER_BYTES_MAX = MIB     /* of a watch's answer that is no watch */
};
#define ANSWER_TIMEOUT_NS (30 * NS_S)
#define BACKOFF_MIN_NS    (500 * NS_MS)
#define SHORT_WATCH_NS    NS_S /* one that ends sooner without an event is taken for a failure */

static const struct {
    const char *prefix, *plural;
    bool has_namespace;
} kinds[KUBERNETES_KINDS] = {
    [KIND_NODE] = { "/api/v1", "nodes", false },
    [KIND_POD] = { "/api/v1", "pods", true },
    [KIND_SERVICE] = { "/api/v1", "services", true },
    [KIND_ENDPOINTS] = { "/api/v1", "endpoints", true },
    [KIND_ENDPOINTSLICE] = { "/apis/discovery.k8s.io/v1", "endpointslices", true },
    [KIND_INGRESS] = { "/apis/networking.k8s.io/v1", "ingresses", true },
    [KIND_NAMESPACE] = { "/api/v1", "namespaces", false },
    [KIND_REPLICASET] = { "/apis/apps/v1", "replicasets", true },
    [KIND_JOB] = { "/apis/batch/v1", "jobs", true },
};

bool kubernetes_has_namespace(enum kubernetes_kind kind)
{
    return kinds[kind].has_namespace;
}

/* ---- on the client's thread ---- */

static void wake(struct sd_kubernetes *k)
{
    k->woken = true;
    cond_signal(&k->wake);
}

static bool on_piece(void *arg, struct slice bytes)
{
    struct stream *s = arg;
    mutex_lock(&s->k->lock);
    bool fits = s->waiting.len + bytes.len <= KUBERNETES_WAITING_BYTES_MAX;
    if (fits)
        buf_slice(&s->waiting, bytes);
    wake(s->k);
    mutex_unlock(&s->k->lock);
    return fits;
}

static void on_answered(void *arg, int status)
{
    struct stream *s = arg;
    mutex_lock(&s->k->lock);
    s->answered_well = status == STATUS_OK;
    wake(s->k);
    mutex_unlock(&s->k->lock);
}

static void on_over(void *arg)
{
    struct stream *s = arg;
    mutex_lock(&s->k->lock);
    s->over = true;
    wake(s->k);
    mutex_unlock(&s->k->lock);
}

/* ---- asking ---- */

static void put_param(struct buf *url, const char *name, struct slice value)
{
    if (value.len == 0)
        return;
    buf_printf(url, "&%s=", name);
    url_encode(value, url);
}

/* timeout_s 0: a page of the list. */
static struct slice url_of(const struct stream *s, struct slice server, int64_t timeout_s, struct arena *a)
{
    const struct kubernetes_sd *sd = s->k->sd;
    struct buf url;
    buf_init(&url, 0);
    buf_printf(&url, "%.*s%s", SLICE_FMT(server), kinds[s->kind].prefix);
    if (s->space.len) {
        buf_slice(&url, SLICE("/namespaces/"));
        url_encode(s->space, &url);
    }
    buf_printf(&url, "/%s?", kinds[s->kind].plural);
    if (timeout_s)
        buf_printf(&url, "watch=1&allowWatchBookmarks=true&timeoutSeconds=%lld", (long long)timeout_s);
    else
        buf_printf(&url, "limit=%d", KUBERNETES_PAGE_ITEMS);
    if (s->kind < (int)KUBERNETES_ROLES) { /* a kind's selectors are those of the role of the same name */
        put_param(&url, "labelSelector", sd->label_selectors[s->kind]);
        put_param(&url, "fieldSelector", sd->field_selectors[s->kind]);
    }
    put_param(&url, timeout_s ? "resourceVersion" : "continue", buf_as_slice(timeout_s ? &s->version : &s->more));
    struct slice text = arena_copy(a, buf_as_slice(&url));
    buf_free(&url);
    return text;
}

static uint64_t chance(const struct stream *s)
{
    int64_t now_ns = clock_mono_ns(s->k->env->clock);
    return hash64(slice_of(&now_ns, sizeof now_ns), s->number);
}

/* A request of its state; its answer comes by itself. */
static enum status ask(struct stream *s, struct err *err)
{
    struct sd_kubernetes *k = s->k;
    bool is_watch = s->state == STREAM_WATCHES;
    int64_t timeout_s = is_watch ? WATCH_S_MIN + (int64_t)(chance(s) % WATCH_S_MIN) : 0;
    struct arena *a = arena_new(0);
    struct scrape_http http = k->sd->http;
    struct slice server = k->sd->url;
    const struct scrape_stream stream = { is_watch ? on_piece : NULL, is_watch ? on_answered : NULL, on_over, s };
    enum status st = ST_OK;
    if (k->sd->kubeconfig.len)
        st = kubeconfig_read(k->env->fs, k->sd->kubeconfig, a, &server, &http, err);
    struct scrape_get get = { .url = url_of(s, server, timeout_s, a), .accept = SLICE("application/json"),
                              .timeout_ns = timeout_s * NS_S + ANSWER_TIMEOUT_NS, .compression = !is_watch,
                              .bytes_max = is_watch ? OTHER_ANSWER_BYTES_MAX : KUBERNETES_ANSWER_BYTES_MAX };
    mutex_lock(&k->lock);
    s->over = s->answered_well = false;
    buf_reset(&s->waiting);
    mutex_unlock(&k->lock);
    buf_reset(&s->line);
    s->progress = false;
    s->began_ns = clock_mono_ns(k->env->clock);
    if (!st)
        st = scrape_http_start(k->env, &http, &get, &stream, &s->transfer, err);
    arena_free(a);
    return st;
}

/* ---- what becomes of it ---- */

static void set_error(struct stream *s, const struct err *err)
{
    struct slice text = err ? slice_sub(slice_str(err->text), 0, DISCOVERY_ERROR_BYTES_MAX - 100) : SLICE_EMPTY;
    mutex_lock(&s->k->lock);
    s->error[0] = 0;
    if (text.len)
        snprintf(s->error, sizeof s->error, "%s%s%.*s: %.*s", kinds[s->kind].plural, s->space.len ? " of " : "",
                 SLICE_FMT(slice_sub(s->space, 0, 63)), SLICE_FMT(text));
    s->has_failed = s->has_failed || err;
    s->k->counts.failures += err != NULL;
    cond_broadcast(&s->k->first);
    mutex_unlock(&s->k->lock);
}

static void list_anew(struct stream *s)
{
    buf_reset(&s->version);
    buf_reset(&s->more);
    s->pages = 0;
    s->tries = 0;
}

/* (2), (3) */
static void fail(struct stream *s, const struct err *err)
{
    set_error(s, err);
    s->state = STREAM_WAITS;
    if (++s->tries >= WATCH_TRIES_MAX || s->version.len == 0)
        list_anew(s);
    s->backoff_ns = MIN(MAX(2 * s->backoff_ns, (int64_t)BACKOFF_MIN_NS), (int64_t)KUBERNETES_BACKOFF_MAX_NS);
    s->due_ns = clock_mono_ns(s->k->env->clock) + s->backoff_ns / 2 + (int64_t)(chance(s) % (uint64_t)(s->backoff_ns / 2 + 1));
}

static void went_well(struct stream *s)
{
    s->tries = 0;
    s->backoff_ns = 0;
}

/* A request according to what is known: a page of the list, or the watch. */
static void begin(struct stream *s)
{
    struct err err;
    s->state = s->version.len ? STREAM_WATCHES : STREAM_LISTS;
    if (s->state == STREAM_LISTS && s->more.len == 0)
        s->generation++;
    if (s->state == STREAM_WATCHES) {
        mutex_lock(&s->k->lock);
        s->k->counts.restarts += s->has_watched;
        mutex_unlock(&s->k->lock);
        s->has_watched = true;
    }
    enum status st = ask(s, &err);
    if (st)
        fail(s, &err);
}

/* An answer that is none, with what the server says about it. */
static enum status answer_error(const struct client_response *resp, struct err *err)
{
    struct json_parser *p = json_parser_new();
    struct json_value root, message;
    struct slice text = SLICE_EMPTY;
    if (json_parse(p, buf_as_slice(&resp->body), &root, NULL) == ST_OK && json_get(root, SLICE("message"), &message))
        text = slice_sub(json_get_string(message), 0, 200);
    enum status st = err_set(err, ST_UNAVAILABLE, "server returned HTTP status %d%s%.*s", resp->status, text.len ? ": " : "", SLICE_FMT(text));
    json_parser_free(p);
    return st;
}

static void set_buf(struct buf *b, struct slice s)
{
    buf_reset(b);
    buf_slice(b, s);
}

/* A page came; the list goes on, or is whole and is watched from there. */
static void page_over(struct stream *s, struct slice body)
{
    struct sd_kubernetes *k = s->k;
    struct kubernetes_page page;
    struct arena *a = arena_new(0);
    struct err err;
    enum status st = kubernetes_store_page(k->store, s->kind, s->number, s->generation, body, a, &page, &err);
    if (!st && page.more.len && ++s->pages == KUBERNETES_PAGES_MAX)
        st = err_set(&err, ST_LIMIT, "over %d pages of %d", KUBERNETES_PAGES_MAX, KUBERNETES_PAGE_ITEMS);
    if (st) {
        fail(s, &err);
    } else if (page.more.len) {
        set_buf(&s->more, page.more);
        begin(s);
    } else {
        kubernetes_store_sweep(k->store, s->kind, s->number, s->generation);
        list_anew(s);
        set_buf(&s->version, page.version);
        set_error(s, NULL);
        mutex_lock(&k->lock);
        s->is_listed = true;
        k->counts.lists++;
        cond_broadcast(&k->first);
        mutex_unlock(&k->lock);
        begin(s);
    }
    arena_free(a);
}

static void list_over(struct stream *s)
{
    struct client_response resp;
    struct err err;
    enum status st = http_transfer_end(s->transfer, &resp, &err);
    s->transfer = NULL;
    if (!st && resp.status != STATUS_OK)
        st = answer_error(&resp, &err);
    if (st)
        fail(s, &err);
    else
        page_over(s, buf_as_slice(&resp.body));
    buf_free(&resp.body);
}

void stream_drop(struct stream *s)
{
    struct client_response resp;
    struct err err;
    if (http_transfer_end(s->transfer, &resp, &err))
        resp.status = 0; /* however it ended: nobody wants to know */
    s->transfer = NULL;
    buf_free(&resp.body);
}

static bool is_short(const struct stream *s)
{
    return !s->progress && clock_mono_ns(s->k->env->clock) - s->began_ns < SHORT_WATCH_NS;
}

/* The server forgot our version. If it does so at once, then not without a pause, lest we list all the time. */
static void watch_gone(struct stream *s)
{
    struct err err;
    bool at_once = is_short(s);
    (void)err_set(&err, ST_UNAVAILABLE, "the version to watch from is too old");
    fail(s, &err);
    list_anew(s);
    if (!at_once)
        s->due_ns = 0;
}

/* False: the watch is over. */
static bool line_take(struct stream *s, struct slice line, struct arena *a)
{
    struct kubernetes_event event;
    struct err err;
    enum status st = kubernetes_store_event(s->k->store, s->kind, s->number, s->generation, line, a, &event, &err);
    if (!st && event.type != EVENT_ERROR) {
        mutex_lock(&s->k->lock);
        s->k->counts.events++;
        mutex_unlock(&s->k->lock);
        set_buf(&s->version, event.version);
        s->progress = true;
        went_well(s);
        return true;
    }
    stream_drop(s);
    if (!st && event.code == KUBERNETES_GONE) {
        watch_gone(s);
        return false;
    }
    if (!st)
        (void)err_set(&err, ST_UNAVAILABLE, "the watch ended with error %lld: %.*s", (long long)event.code,
                      SLICE_FMT(slice_sub(event.message, 0, 200)));
    fail(s, &err);
    return false;
}

/* Whole lines of what came. False: the watch is over. */
static bool lines_take(struct stream *s)
{
    struct slice rest = buf_as_slice(&s->line), line;
    struct arena *a = arena_new(0);
    bool goes_on = true;
    for (size_t end; goes_on && (end = slice_find_char(rest, '\n', 0)) != SIZE_MAX;) {
        line = slice_trim(slice_sub(rest, 0, end));
        rest = slice_skip(rest, end + 1);
        arena_reset(a);
        goes_on = line.len == 0 || line_take(s, line, a);
    }
    arena_free(a);
    if (!goes_on) {
        buf_reset(&s->line);
        return false;
    }
    if (rest.len)
        memmove(s->line.ptr, rest.ptr, rest.len);
    s->line.len = rest.len;
    if (s->line.len == 0 && s->line.cap > ROOM_KEPT_BYTES_MAX)
        buf_free(&s->line);
    if (s->line.len <= KUBERNETES_EVENT_BYTES_MAX)
        return true;
    struct err err;
    stream_drop(s);
    (void)err_set(&err, ST_LIMIT, "an event has over %d bytes", KUBERNETES_EVENT_BYTES_MAX);
    fail(s, &err);
    return false;
}

static void watch_over(struct stream *s)
{
    struct client_response resp;
    struct err err;
    bool was_short = is_short(s);
    enum status st = http_transfer_end(s->transfer, &resp, &err);
    s->transfer = NULL;
    if (!was_short)
        went_well(s);
    if (!st && resp.status != STATUS_OK && resp.status != KUBERNETES_GONE)
        st = answer_error(&resp, &err);
    else if (!st && resp.status == STATUS_OK && was_short)
        st = err_set(&err, ST_UNAVAILABLE, "the watch ended at once");
    if (!st && resp.status == KUBERNETES_GONE)
        watch_gone(s);
    else if (st)
        fail(s, &err);
    else
        begin(s);
    buf_free(&resp.body);
}

static void watch_step(struct stream *s)
{
    struct sd_kubernetes *k = s->k;
    mutex_lock(&k->lock);
    struct buf came = s->waiting;
    bool over = s->over, answered_well = s->answered_well;
    s->waiting = k->scratch;
    s->answered_well = false;
    mutex_unlock(&k->lock);
    if (answered_well)
        set_error(s, NULL);
    buf_slice(&s->line, buf_as_slice(&came));
    k->scratch = came;
    buf_reset(&k->scratch);
    if (k->scratch.cap > ROOM_KEPT_BYTES_MAX)
        buf_free(&k->scratch);
    if ((came.len == 0 || lines_take(s)) && over)
        watch_over(s);
}

void stream_step(struct stream *s, int64_t now_ns)
{
    bool over = false;
    switch (s->state) {
    case STREAM_WAITS:
        if (now_ns >= s->due_ns)
            begin(s);
        break;
    case STREAM_LISTS:
        mutex_lock(&s->k->lock);
        over = s->over;
        mutex_unlock(&s->k->lock);
        if (over)
            list_over(s);
        break;
    case STREAM_WATCHES: watch_step(s); break;
    }
}
