/* SPDX-License-Identifier: Apache-2.0 */
/* Two tables of a fixed size under one lock, made when a rule first needs them. An entry lies within LIMIT_PROBES places of where
 * its hash points; when all are taken, the one seen longest ago makes room.
 *
 * (1) The first of equal lines (tenant, stream, level and text) is stored as it comes. Those that come within the rule's time
 *     after it are counted. In one batch the first line takes their weight at once; otherwise a copy of the line with the weight
 *     of all of them, at the time of the last one, goes with the first batch of the tenant after the time is over.
 * (2) A service has a bucket of `burst` lines that fills at `lines_per_second`, by the time of arrival. What finds it empty is
 *     dropped, and its weight is added to the next row of the same stream and level that stays.
 * (3) What waits in memory (weights, copies) is lost when the program ends: at most what came within one rule's time. */
#include "pipeline/limit.h"

#include "base/hash.h"
#include "sys/thread.h"

#define LIMIT_SEED 0x53746f614c696d74ull

struct bucket {
    uint64_t key;
    int64_t seen_ns;
    double tokens;  /* of a service */
    double waiting; /* of a stream: weight of what was dropped */
};

struct repeated {
    uint64_t key;
    int64_t first_ns, seen_ns; /* arrivals */
    int64_t window_ns;
    double waiting;            /* weight of those behind the first */
    uint64_t run;              /* and row of the first: in that run the row takes the weight itself */
    size_t row;
    struct arena *arena;       /* what the copy is made of */
    struct slice tenant, stream, service, body;
    int64_t time_ns;
    uint8_t severity;
};

struct limiter {
    atomic_bool is_used; /* lines may wait though the rules are gone */
    struct mutex lock;
    uint64_t runs;
    int64_t swept_ns;
    bool others_wait; /* the last sweep left rows of other tenants */
    struct bucket *buckets;
    struct repeated *lines;
};

struct limiter *limiter_new(void)
{
    struct limiter *l = mem_new(struct limiter);
    mutex_init(&l->lock);
    return l;
}

void limiter_free(struct limiter *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; l->lines && i < LIMIT_LINES_MAX; i++)
        if (l->lines[i].arena)
            arena_free(l->lines[i].arena);
    mem_free(l->lines);
    mem_free(l->buckets);
    mutex_destroy(&l->lock);
    mem_free(l);
}

static struct sample_rule *rule_for(const struct sample_config *c, enum sample_kind kind, const struct event *e)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->list[i].kind == kind && sample_rule_fits(&c->list[i], e))
            return &c->list[i];
    return NULL;
}

static void decided(struct sample_rule *r, bool kept)
{
    atomic_fetch_add_explicit(kept ? &r->kept : &r->dropped, 1, memory_order_relaxed);
}

/* ---- equal lines ---- */

static void repeated_clear(struct repeated *r)
{
    if (r->arena)
        arena_free(r->arena);
    *r = (struct repeated){ .key = 0 };
}

/* The row that stands for those that were left out. */
static void repeated_put(const struct repeated *r, struct batch *b)
{
    struct event *e = batch_event(b);
    e->kind = EVENT_LOG;
    e->weight = (float)r->waiting;
    e->severity = r->severity;
    e->time_ns = r->time_ns;
    e->observed_ns = r->seen_ns;
    e->stream = arena_copy(b->arena, r->stream);
    e->service = arena_copy(b->arena, r->service);
    e->body = arena_copy(b->arena, r->body);
}

static void repeated_start(struct limiter *l, struct repeated *r, uint64_t key, const struct batch *b, const struct event *e, size_t row,
                           int64_t window_ns)
{
    repeated_clear(r);
    struct arena *a = arena_new(0);
    *r = (struct repeated){ .key = key, .first_ns = b->received_ns, .seen_ns = b->received_ns, .window_ns = window_ns, .run = l->runs,
                            .row = row, .arena = a, .tenant = arena_copy(a, b->tenant), .stream = arena_copy(a, e->stream),
                            .service = arena_copy(a, e->service), .body = arena_copy(a, e->body), .time_ns = e->time_ns, .severity = e->severity };
}

static bool is_same(const struct repeated *r, uint64_t key, const struct batch *b, const struct event *e)
{
    return r->key == key && r->severity == e->severity && slice_eq(r->body, e->body) && slice_eq(r->stream, e->stream) &&
           slice_eq(r->tenant, b->tenant);
}

/* kept: where e will stand in b. False: e is in the weight of another row. */
static bool keep_line(struct limiter *l, const struct sample_rule *rule, struct batch *b, struct event *e, size_t kept)
{
    uint64_t key = hash64(e->body, hash64(e->stream, hash64(b->tenant, LIMIT_SEED + e->severity))) | 1;
    struct repeated *oldest = NULL;
    for (size_t i = 0; i < LIMIT_PROBES; i++) {
        struct repeated *r = &l->lines[((key >> 1) + i) % LIMIT_LINES_MAX];
        if (r->key && is_same(r, key, b, e)) {
            if (b->received_ns - r->first_ns >= r->window_ns) { /* over: this one takes the weight of those that wait */
                e->weight = (float)(e->weight + r->waiting);
                repeated_start(l, r, key, b, e, kept, rule->window_ns);
                return true;
            }
            r->seen_ns = MAX(r->seen_ns, b->received_ns);
            r->time_ns = MAX(r->time_ns, e->time_ns);
            if (r->run == l->runs)
                b->events[r->row].weight += e->weight;
            else
                r->waiting += e->weight;
            return false;
        }
        if (oldest == NULL || r->seen_ns < oldest->seen_ns)
            oldest = r;
    }
    /* One with lines that wait makes no room: what it stands for would be lost. */
    if (oldest->waiting == 0)
        repeated_start(l, oldest, key, b, e, kept, rule->window_ns);
    return true;
}

/* Says (1), its end. Once a second, and each time while rows of other tenants wait for a batch of theirs. */
static void put_over(struct limiter *l, struct batch *b)
{
    if (!l->others_wait && b->received_ns - l->swept_ns < NS_S)
        return;
    l->swept_ns = MAX(l->swept_ns, b->received_ns);
    l->others_wait = false;
    for (size_t i = 0; i < LIMIT_LINES_MAX; i++) {
        struct repeated *r = &l->lines[i];
        if (r->key == 0 || b->received_ns - r->first_ns < r->window_ns)
            continue;
        bool is_others = r->waiting > 0 && !slice_eq(r->tenant, b->tenant);
        l->others_wait |= is_others;
        if (is_others)
            continue;
        if (r->waiting > 0)
            repeated_put(r, b);
        repeated_clear(r);
    }
}

/* ---- rates ---- */

static struct bucket *bucket_of(struct limiter *l, uint64_t key, int64_t now_ns, double tokens)
{
    struct bucket *oldest = NULL;
    key |= 1;
    for (size_t i = 0; i < LIMIT_PROBES; i++) {
        struct bucket *b = &l->buckets[((key >> 1) + i) % LIMIT_BUCKETS_MAX];
        if (b->key == key)
            return b;
        if (oldest == NULL || b->seen_ns < oldest->seen_ns)
            oldest = b;
    }
    *oldest = (struct bucket){ .key = key, .seen_ns = now_ns, .tokens = tokens };
    return oldest;
}

/* Says (2). */
static bool keep_rate(struct limiter *l, const struct sample_rule *rule, const struct batch *b, struct event *e)
{
    uint64_t seed = hash64(b->tenant, hash64(rule->name, LIMIT_SEED));
    struct bucket *service = bucket_of(l, hash64(e->service, seed), b->received_ns, rule->burst);
    if (b->received_ns > service->seen_ns) {
        double filled = (double)(b->received_ns - service->seen_ns) / NS_S * rule->per_second;
        service->tokens = MIN(rule->burst, service->tokens + filled);
        service->seen_ns = b->received_ns;
    }
    bool keep = service->tokens >= 1;
    service->tokens -= keep;
    struct bucket *stream = bucket_of(l, hash64(e->stream, seed + 1 + e->severity), b->received_ns, 0);
    stream->seen_ns = MAX(stream->seen_ns, b->received_ns);
    if (keep) {
        e->weight = (float)(e->weight + stream->waiting);
        stream->waiting = 0;
    } else {
        stream->waiting += e->weight;
    }
    return keep;
}

/* ---- a batch ---- */

static bool has_kind(const struct sample_config *c, enum sample_kind kind)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->list[i].kind == kind)
            return true;
    return false;
}

static void take_rows(struct limiter *l, const struct sample_config *c, struct batch *b, enum sample_kind kind)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->event_count; i++) {
        struct event *e = &b->events[i];
        struct sample_rule *rule = e->kind == EVENT_LOG ? rule_for(c, kind, e) : NULL;
        bool fits = rule && (kind == SAMPLE_RATE || e->body.len <= LIMIT_LINE_BYTES_MAX);
        bool keep = !fits || (kind == SAMPLE_RATE ? keep_rate(l, rule, b, e) : keep_line(l, rule, b, e, kept));
        if (fits)
            decided(rule, keep);
        if (!keep)
            continue;
        if (kept != i)
            b->events[kept] = *e;
        kept++;
    }
    b->event_count = kept;
}

void limiter_run(struct limiter *l, const struct sample_config *c, struct batch *b)
{
    bool equal = has_kind(c, SAMPLE_DUPLICATES), rate = has_kind(c, SAMPLE_RATE);
    if (!equal && !rate && !atomic_load_explicit(&l->is_used, memory_order_relaxed))
        return;
    mutex_lock(&l->lock);
    atomic_store_explicit(&l->is_used, true, memory_order_relaxed);
    l->runs++;
    if (equal && l->lines == NULL)
        l->lines = mem_zalloc(LIMIT_LINES_MAX * sizeof *l->lines);
    if (rate && l->buckets == NULL)
        l->buckets = mem_zalloc(LIMIT_BUCKETS_MAX * sizeof *l->buckets);
    if (equal)
        take_rows(l, c, b, SAMPLE_DUPLICATES);
    if (rate)
        take_rows(l, c, b, SAMPLE_RATE);
    if (l->lines) /* also when the rules are gone */
        put_over(l, b);
    mutex_unlock(&l->lock);
}
