/* SPDX-License-Identifier: Apache-2.0 */
/* What a series is made of is the same for a value, the zero before the first, the stale mark after the last, and what is asked of
 * the store after a restart: one walk puts all of its samples, and `how` says which. */
#include <math.h>

#include "collect/sketch.h"
#include "collect/statsd.h"
#include "ingest/prom_page.h"

enum { WINDOW_SCHEMA = 5, NATIVE_SCHEMA = 3, SET_CAP_FIRST = 16, WINDOWS = 2 };

struct statsd_series {
    const struct statsd_options *opt;
    enum statsd_family family;
    struct slice tenant, labels;
    double value, count; /* of observations: their sum and count */
    int64_t used_ns, told_ms;
    uint64_t window;
    struct sketch windows[WINDOWS], total;
    double *buckets;
    bool is_restored, is_set; /* is_set: a gauge was given a value that no earlier one matters to */
    uint64_t *members; /* hashes; 0: free */
    size_t member_count, member_cap;
    char text[];
};

enum how { HOW_VALUE, HOW_ZERO, HOW_STALE, HOW_NAME };

struct telling {
    struct statsd_series *r;
    struct batch *b;
    int64_t t_ms;
    enum how how;
};

enum statsd_family statsd_family_of(enum statsd_type type)
{
    switch (type) {
    case STATSD_COUNTER: return STATSD_FAMILY_COUNTER;
    case STATSD_GAUGE: return STATSD_FAMILY_GAUGE;
    case STATSD_TIMER:
    case STATSD_HISTOGRAM:
    case STATSD_DISTRIBUTION: return STATSD_FAMILY_OBSERVED;
    case STATSD_SET: return STATSD_FAMILY_SET;
    }
    return STATSD_FAMILY_GAUGE;
}

struct statsd_series *statsd_series_new(const struct statsd_options *opt, enum statsd_family family, struct slice tenant, struct slice labels)
{
    struct statsd_series *r = mem_alloc(sizeof *r + tenant.len + labels.len);
    *r = (struct statsd_series){ .opt = opt, .family = family };
    memcpy(r->text, tenant.ptr, tenant.len);
    memcpy(r->text + tenant.len, labels.ptr, labels.len);
    r->tenant = slice_of(r->text, tenant.len);
    r->labels = slice_of(r->text + tenant.len, labels.len);
    for (size_t i = 0; i < WINDOWS; i++)
        sketch_init(&r->windows[i], WINDOW_SCHEMA);
    sketch_init(&r->total, NATIVE_SCHEMA);
    if (family == STATSD_FAMILY_OBSERVED && opt->observations == STATSD_AS_HISTOGRAM) {
        r->buckets = mem_alloc(opt->bucket_count * sizeof *r->buckets + 1);
        memset(r->buckets, 0, opt->bucket_count * sizeof *r->buckets);
    }
    return r;
}

void statsd_series_free(struct statsd_series *r)
{
    for (size_t i = 0; i < WINDOWS; i++)
        sketch_free(&r->windows[i]);
    sketch_free(&r->total);
    mem_free(r->buckets);
    mem_free(r->members);
    mem_free(r);
}

struct slice statsd_series_tenant(const struct statsd_series *r)
{
    return r->tenant;
}

struct slice statsd_series_labels(const struct statsd_series *r)
{
    return r->labels;
}

int64_t statsd_series_used_ns(const struct statsd_series *r)
{
    return r->used_ns;
}

size_t statsd_series_bytes(const struct statsd_series *r)
{
    size_t n = sizeof *r + r->tenant.len + r->labels.len + r->member_cap * sizeof *r->members;
    if (r->buckets)
        n += r->opt->bucket_count * sizeof *r->buckets;
    return n + sketch_bytes(&r->windows[0]) + sketch_bytes(&r->windows[1]) + sketch_bytes(&r->total);
}

/* ---- what comes ---- */

static void window_turn(struct statsd_series *r, uint64_t window)
{
    if (window == r->window)
        return;
    sketch_reset(&r->windows[window % WINDOWS], WINDOW_SCHEMA);
    if (window > r->window + 1)
        sketch_reset(&r->windows[r->window % WINDOWS], WINDOW_SCHEMA);
    r->window = window;
}

static void observe(struct statsd_series *r, const struct statsd_metric *m, uint64_t window)
{
    r->count += m->weight;
    r->value += m->value * m->weight;
    switch (r->opt->observations) {
    case STATSD_AS_SUMMARY:
        window_turn(r, window);
        sketch_add(&r->windows[window % WINDOWS], m->value, m->weight);
        break;
    case STATSD_AS_HISTOGRAM:
        for (size_t i = 0; i < r->opt->bucket_count; i++)
            if (m->value <= r->opt->buckets[i])
                r->buckets[i] += m->weight;
        break;
    case STATSD_AS_NATIVE: sketch_add(&r->total, m->value, m->weight); break;
    }
}

/* Linear probing; at most half full. */
static bool member_place(uint64_t *members, size_t cap, uint64_t hash)
{
    size_t i = hash & (cap - 1);
    while (members[i] && members[i] != hash)
        i = (i + 1) & (cap - 1);
    bool is_new = members[i] == 0;
    members[i] = hash;
    return is_new;
}

static void member_add(struct statsd_series *r, struct slice member)
{
    uint64_t hash = hash64(member, 0);
    if (hash == 0)
        hash = 1;
    if (r->member_count >= STATSD_SET_MEMBERS_MAX)
        return;
    if (2 * (r->member_count + 1) > r->member_cap) {
        size_t cap = r->member_cap ? 2 * r->member_cap : SET_CAP_FIRST;
        uint64_t *members = mem_alloc(cap * sizeof *members);
        memset(members, 0, cap * sizeof *members);
        for (size_t i = 0; i < r->member_cap; i++)
            if (r->members[i])
                member_place(members, cap, r->members[i]);
        mem_free(r->members);
        r->members = members;
        r->member_cap = cap;
    }
    r->member_count += member_place(r->members, r->member_cap, hash);
}

void statsd_series_add(struct statsd_series *r, const struct statsd_metric *m, int64_t mono_ns, uint64_t window)
{
    r->used_ns = mono_ns;
    switch (r->family) {
    case STATSD_FAMILY_COUNTER: r->value += m->value; break;
    case STATSD_FAMILY_GAUGE:
        r->value = m->is_delta ? r->value + m->value : m->value;
        r->is_set |= !m->is_delta;
        break;
    case STATSD_FAMILY_OBSERVED: observe(r, m, window); break;
    case STATSD_FAMILY_SET: member_add(r, m->member); break;
    }
}

/* ---- what is told ---- */

static void put(const struct telling *t, struct slice labels, double v)
{
    batch_series(t->b, labels);
    if (t->how == HOW_NAME)
        return;
    batch_sample(t->b, t->t_ms, t->how == HOW_STALE ? double_of_bits(STALE_NAN_BITS) : t->how == HOW_ZERO ? 0 : v);
}

static struct slice named(const struct telling *t, const char *suffix)
{
    struct slice name = labels_get(t->r->labels, SLICE("__name__"));
    return labels_with(t->b->arena, t->r->labels, SLICE("__name__"), arena_printf(t->b->arena, "%.*s%s", SLICE_FMT(name), suffix));
}

static struct slice with_number(const struct telling *t, struct slice labels, struct slice name, double v)
{
    return labels_with(t->b->arena, labels, name, prom_page_float(t->b->arena, v));
}

static void put_summary(const struct telling *t)
{
    const struct statsd_series *r = t->r;
    for (size_t i = 0; i < r->opt->quantile_count && t->how != HOW_ZERO && t->how != HOW_NAME; i++) {
        double q = r->opt->quantiles[i];
        put(t, with_number(t, r->labels, SLICE("quantile"), q), sketch_quantile(&r->windows[0], &r->windows[1], q));
    }
}

static void put_buckets(const struct telling *t)
{
    struct slice labels = named(t, "_bucket");
    for (size_t i = 0; i < t->r->opt->bucket_count; i++)
        put(t, with_number(t, labels, SLICE("le"), t->r->opt->buckets[i]), t->r->buckets[i]);
    put(t, with_number(t, labels, SLICE("le"), INFINITY), t->r->count);
}

static void put_observed(const struct telling *t)
{
    const struct statsd_series *r = t->r;
    if (r->opt->observations == STATSD_AS_NATIVE) {
        struct slice labels = arena_copy(t->b->arena, r->labels);
        struct sketch none = { .schema = NATIVE_SCHEMA };
        if (t->how == HOW_STALE || t->how == HOW_NAME) {
            put(t, labels, 0);
            return;
        }
        batch_series(t->b, labels);
        batch_histogram(t->b, t->t_ms, sketch_histogram(t->how == HOW_ZERO ? &none : &r->total, t->b->arena));
        return;
    }
    if (r->opt->observations == STATSD_AS_SUMMARY)
        put_summary(t);
    else
        put_buckets(t);
    put(t, named(t, "_sum"), r->value);
    put(t, named(t, "_count"), r->count);
}

static void put_all(const struct telling *t)
{
    const struct statsd_series *r = t->r;
    switch (r->family) {
    case STATSD_FAMILY_COUNTER: put(t, arena_copy(t->b->arena, r->labels), r->value); break;
    case STATSD_FAMILY_GAUGE:
        if (t->how != HOW_ZERO)
            put(t, arena_copy(t->b->arena, r->labels), r->value);
        break;
    case STATSD_FAMILY_SET:
        if (t->how != HOW_ZERO && t->how != HOW_NAME)
            put(t, arena_copy(t->b->arena, r->labels), (double)r->member_count);
        break;
    case STATSD_FAMILY_OBSERVED: put_observed(t); break;
    }
}

/* ---- after a restart ---- */

void statsd_series_names(struct statsd_series *r, struct batch *b)
{
    struct telling t = { r, b, 0, HOW_NAME };
    put_all(&t);
}

bool statsd_series_is_restored(const struct statsd_series *r)
{
    return r->is_restored;
}

/* In the order of put_observed(). */
static void observed_restore(struct statsd_series *r, const struct sample *before, size_t count)
{
    double values[STATSD_BUCKETS_MAX + 3] = { 0 };
    if (r->opt->observations == STATSD_AS_NATIVE) {
        if (count && before[0].t_ms && is_histogram(before[0].v))
            sketch_load(&r->total, histogram_unbox(before[0].v));
        return;
    }
    for (size_t i = 0; i < count && i < COUNT_OF(values); i++)
        values[i] = before[i].t_ms && !is_histogram(before[i].v) ? before[i].v : 0;
    for (size_t i = 0; r->buckets && i < r->opt->bucket_count; i++)
        r->buckets[i] += values[i];
    r->value += values[count - 2];
    r->count += values[count - 1];
}

bool statsd_series_restore(struct statsd_series *r, const struct sample *before, size_t count)
{
    bool is_known = false;
    for (size_t i = 0; i < count; i++) {
        is_known |= before[i].t_ms != 0;
        r->told_ms = MAX(r->told_ms, before[i].t_ms);
    }
    r->is_restored = true;
    if (!is_known)
        return false;
    if (r->family == STATSD_FAMILY_OBSERVED)
        observed_restore(r, before, count);
    else if (!is_histogram(before[0].v) && !r->is_set)
        r->value += before[0].v;
    return true;
}

/* ---- telling ---- */

void statsd_series_tell_at(struct statsd_series *r, int64_t t_ms, struct batch *b)
{
    struct telling t = { r, b, t_ms, HOW_VALUE };
    if (t_ms <= r->told_ms || !r->is_restored)
        return;
    put_all(&t);
    r->told_ms = t_ms;
}

void statsd_series_tell(struct statsd_series *r, int64_t t_ms, int64_t before_ms, uint64_t window, struct batch *b)
{
    struct telling zero = { r, b, before_ms, HOW_ZERO }, t = { r, b, MAX(t_ms, r->told_ms + 1), HOW_VALUE };
    if (r->family == STATSD_FAMILY_OBSERVED)
        window_turn(r, window);
    if (r->told_ms == 0 && before_ms < t.t_ms)
        put_all(&zero);
    put_all(&t);
    r->told_ms = t.t_ms;
    if (r->member_count)
        memset(r->members, 0, r->member_cap * sizeof *r->members);
    r->member_count = 0;
}

void statsd_series_end(struct statsd_series *r, int64_t t_ms, struct batch *b)
{
    struct telling t = { r, b, MAX(t_ms, r->told_ms + 1), HOW_STALE };
    if (r->told_ms)
        put_all(&t);
}
