/* SPDX-License-Identifier: Apache-2.0 */
/* A table of label sets under one lock, held for a batch's spans, and while samples are made of it, not while they are appended.
 *
 * (1) A label set is known by tenant, service, name, kind and status; it lives in its own allocation, and so does its key.
 * (2) A service has at most SPAN_NAMES_PER_SERVICE_MAX names here, and all services SPAN_METRICS_MAX label sets. Names beyond are
 *     counted together; what has no place at all is left out and told.
 * (3) Counts only grow while a label set is known: after a rest its series end by a stale mark and begin at 0 again. */
#include "pipeline/span_metrics.h"

#include <stdatomic.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/num.h"
#include "base/utf8.h"
#include "model/sample.h"
#include "sys/thread.h"

enum { KIND_SERVER = 2, KIND_CONSUMER = 5, BOUND_COUNT = 15, KEY_BYTES_MAX = 8 * KIB };
#define OVERFLOW_NAME SLICE("__overflow__")

/* Seconds. */
static const double bounds[BOUND_COUNT] = { 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256,
                                            0.512, 1.024, 2.048, 4.096, 8.192, 16.384, 32.768 };

struct counted {
    struct slice key, tenant, service, name; /* own: one allocation */
    uint8_t kind, status;
    double calls, seconds, buckets[BOUND_COUNT + 1];
    int64_t rest_ms; /* since when no span came; 0: one came since the last write */
    bool is_new;
};

struct span_metrics {
    atomic_bool is_on;
    struct mutex lock; /* all below */
    struct map index;  /* key -> struct counted */
    struct map names;  /* tenant and service -> how many names, keys of their own */
};

struct span_metrics *span_metrics_new(void)
{
    struct span_metrics *m = mem_new(struct span_metrics);
    mutex_init(&m->lock);
    map_init(&m->index);
    map_init(&m->names);
    return m;
}

static void names_clear(struct span_metrics *m)
{
    struct map_entry *e;
    for (size_t i = 0; (e = map_each(&m->names, &i)) != NULL;)
        mem_free((void *)e->key.ptr);
    map_clear(&m->names);
}

void span_metrics_free(struct span_metrics *m)
{
    struct map_entry *e;
    if (m == NULL)
        return;
    for (size_t i = 0; (e = map_each(&m->index, &i)) != NULL;)
        mem_free((struct counted *)(uintptr_t)e->value);
    names_clear(m);
    map_free(&m->index);
    map_free(&m->names);
    mutex_destroy(&m->lock);
    mem_free(m);
}

void span_metrics_switch(struct span_metrics *m, bool on)
{
    atomic_store(&m->is_on, on);
}

/* ---- counting ---- */

static struct slice key_of(struct buf *b, struct slice tenant, const struct event *e, struct slice name)
{
    buf_reset(b);
    buf_lenslice(b, tenant);
    buf_lenslice(b, e->service);
    buf_u8(b, e->span_kind);
    buf_u8(b, e->span_status);
    buf_slice(b, name);
    return buf_as_slice(b);
}

static struct slice own(struct slice s)
{
    char *p = mem_alloc(s.len);
    memcpy(p, s.ptr, s.len);
    return slice_of(p, s.len);
}

/* How many names that service has. */
static uint64_t *names_of(struct span_metrics *m, struct slice tenant, struct slice service)
{
    struct buf b;
    buf_init(&b, KEY_BYTES_MAX);
    buf_lenslice(&b, tenant);
    buf_lenslice(&b, service);
    uint64_t *n = map_get(&m->names, buf_as_slice(&b));
    if (n == NULL)
        n = map_put(&m->names, own(buf_as_slice(&b)), NULL);
    buf_free(&b);
    return n;
}

static struct slice put_text(char **to, struct slice s)
{
    char *at = *to;
    if (s.len)
        memcpy(at, s.ptr, s.len);
    *to += s.len;
    return slice_of(at, s.len);
}

static struct counted *counted_new(struct span_metrics *m, struct slice key, struct slice tenant, const struct event *e, struct slice name)
{
    char *bytes = mem_alloc(sizeof(struct counted) + key.len + tenant.len + e->service.len + name.len);
    struct counted *c = (struct counted *)(void *)bytes;
    char *texts = bytes + sizeof *c;
    *c = (struct counted){ .kind = e->span_kind, .status = e->span_status, .is_new = true };
    c->key = put_text(&texts, key);
    c->tenant = put_text(&texts, tenant);
    c->service = put_text(&texts, e->service);
    c->name = put_text(&texts, name);
    *map_put(&m->index, c->key, NULL) = (uintptr_t)c;
    return c;
}

/* (2) NULL: no place. */
static struct counted *counted_of(struct span_metrics *m, struct buf *b, struct slice tenant, const struct event *e, bool *folded)
{
    struct slice name = utf8_cut(e->body, SPAN_NAME_BYTES_MAX), key = key_of(b, tenant, e, name);
    uint64_t *found = map_get(&m->index, key), *names;
    *folded = false;
    if (found)
        return (struct counted *)(uintptr_t)*found;
    names = names_of(m, tenant, e->service);
    if (*names >= SPAN_NAMES_PER_SERVICE_MAX) {
        *folded = true;
        name = OVERFLOW_NAME;
        key = key_of(b, tenant, e, name);
        found = map_get(&m->index, key);
        if (found)
            return (struct counted *)(uintptr_t)*found;
    }
    if (m->index.count >= SPAN_METRICS_MAX)
        return NULL;
    ++*names;
    return counted_new(m, key, tenant, e, name);
}

static void count(struct counted *c, const struct event *e)
{
    double seconds = (double)MAX(e->duration_ns, (int64_t)0) / 1e9;
    size_t i = 0;
    while (i < BOUND_COUNT && seconds > bounds[i])
        i++;
    c->calls += (double)e->weight;
    c->seconds += seconds * (double)e->weight;
    c->buckets[i] += (double)e->weight;
    c->rest_ms = 0;
}

void span_metrics_take(struct span_metrics *m, const struct batch *b, struct span_metrics_result *out)
{
    struct buf key;
    *out = (struct span_metrics_result){ 0 };
    if (!atomic_load_explicit(&m->is_on, memory_order_relaxed))
        return;
    buf_init(&key, KEY_BYTES_MAX);
    mutex_lock(&m->lock);
    for (size_t i = 0; i < b->event_count; i++) {
        const struct event *e = &b->events[i];
        bool folded;
        if (e->kind != EVENT_SPAN || (e->span_kind != KIND_SERVER && e->span_kind != KIND_CONSUMER))
            continue;
        bool is_fit = e->service.len <= LABEL_VALUE_BYTES_MAX && utf8_is_valid(e->service) && utf8_is_valid(e->body) && e->span_status <= 2;
        struct counted *c = is_fit ? counted_of(m, &key, b->tenant, e, &folded) : NULL;
        if (c == NULL) {
            out->left_out++;
            continue;
        }
        out->folded += folded;
        count(c, e);
    }
    mutex_unlock(&m->lock);
    buf_free(&key);
}

/* ---- samples ---- */

/* Of one label set: the series of that name, with le unless it is empty. */
static void put(struct batch *b, const struct counted *c, struct slice name, struct slice le, int64_t now_ms, double v, bool ends)
{
    static const char *const statuses[] = { "STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR" };
    struct label list[6] = { { SLICE("__name__"), name },
                             { SLICE("service"), c->service },
                             { SLICE("span_kind"), c->kind == KIND_SERVER ? SLICE("SPAN_KIND_SERVER") : SLICE("SPAN_KIND_CONSUMER") },
                             { SLICE("span_name"), c->name },
                             { SLICE("status_code"), slice_str(statuses[c->status]) },
                             { SLICE("le"), le } };
    struct slice labels;
    struct err err;
    if (labels_build(b->arena, list, COUNT_OF(list), &labels, &err))
        return; /* a batch whose arena is over, which append tells */
    batch_series(b, labels);
    if (c->is_new && !ends)
        batch_sample(b, now_ms - SPAN_METRICS_INTERVAL_SECONDS * 1000, 0);
    batch_sample(b, now_ms, ends ? double_of_bits(STALE_NAN_BITS) : v);
}

static void put_all(struct batch *b, const struct counted *c, int64_t now_ms, bool ends)
{
    char text[NUM_TEXT_BYTES_MAX];
    double sum = 0;
    put(b, c, SLICE("traces_spanmetrics_calls_total"), SLICE_EMPTY, now_ms, c->calls, ends);
    put(b, c, SLICE("traces_spanmetrics_latency_sum"), SLICE_EMPTY, now_ms, c->seconds, ends);
    put(b, c, SLICE("traces_spanmetrics_latency_count"), SLICE_EMPTY, now_ms, c->calls, ends);
    for (size_t i = 0; i <= BOUND_COUNT; i++) {
        sum += c->buckets[i];
        struct slice le = i < BOUND_COUNT ? slice_of(text, num_format_short(bounds[i], text)) : SLICE("+Inf");
        put(b, c, SLICE("traces_spanmetrics_latency_bucket"), le, now_ms, sum, ends);
    }
}

struct tenant_batch {
    struct tenant_batch *next;
    struct batch *b;
};

static struct batch *batch_of(struct arena *a, struct tenant_batch **list, const struct counted *c, int64_t now_ms)
{
    for (struct tenant_batch *t = *list; t; t = t->next)
        if (slice_eq(t->b->tenant, c->tenant))
            return t->b;
    struct tenant_batch *t = arena_new_of(a, struct tenant_batch);
    t->b = batch_new(0);
    t->b->tenant = arena_copy(t->b->arena, c->tenant);
    t->b->received_ns = now_ms * NS_MS;
    t->b->is_own = true;
    t->next = *list;
    *list = t;
    return t->b;
}

/* What rests goes, and the numbers of names are counted anew. Under the lock. */
static void sweep(struct span_metrics *m, struct arena *a, int64_t now_ms, bool all)
{
    struct counted **gone = arena_array(a, struct counted *, m->index.count + 1);
    struct map_entry *e;
    size_t n = 0;
    for (size_t i = 0; (e = map_each(&m->index, &i)) != NULL;) {
        struct counted *c = (struct counted *)(uintptr_t)e->value;
        if (all || (c->rest_ms && now_ms - c->rest_ms >= SPAN_METRICS_REST_SECONDS * 1000))
            gone[n++] = c;
    }
    for (size_t i = 0; i < n; i++) {
        map_remove(&m->index, gone[i]->key);
        mem_free(gone[i]);
    }
    if (n == 0)
        return;
    names_clear(m);
    for (size_t i = 0; (e = map_each(&m->index, &i)) != NULL;) {
        const struct counted *c = (const struct counted *)(uintptr_t)e->value;
        ++*names_of(m, c->tenant, c->service);
    }
}

enum status span_metrics_write(struct span_metrics *m, int64_t now_ms, enum status (*append)(void *arg, struct batch *b, struct err *err), void *arg,
                               struct err *err)
{
    struct arena *a = arena_new(0);
    struct tenant_batch *list = NULL;
    struct map_entry *e;
    bool is_on = atomic_load(&m->is_on);
    enum status st = ST_OK;
    mutex_lock(&m->lock);
    for (size_t i = 0; (e = map_each(&m->index, &i)) != NULL;) {
        struct counted *c = (struct counted *)(uintptr_t)e->value;
        bool ends = !is_on || (c->rest_ms && now_ms - c->rest_ms >= SPAN_METRICS_REST_SECONDS * 1000);
        put_all(batch_of(a, &list, c, now_ms), c, now_ms, ends);
        c->is_new = false;
        c->rest_ms = c->rest_ms ? c->rest_ms : now_ms;
    }
    sweep(m, a, now_ms, !is_on);
    mutex_unlock(&m->lock);
    for (struct tenant_batch *t = list; t; t = t->next) {
        struct err why;
        enum status one = append(arg, t->b, &why);
        if (one && !st) {
            st = one;
            *err = why;
        }
    }
    arena_free(a);
    return st;
}
