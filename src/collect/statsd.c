/* SPDX-License-Identifier: Apache-2.0 */
/* All series in one map under one lock. What is to be appended gathers in batches, one a tenant; a thread takes them away
 * each second and appends them without the lock.
 *
 * (1) A name has one family of types; whoever sends another for it is refused, for one series cannot be both.
 * (2) A counter's first sample is a 0 at the flush before it came (or our start), so that rates see its first increment. It is
 *     never before our start: there the series of an earlier run may have samples.
 * (3) A series is told only when the store was asked where it stood before a restart: by the thread that appends, without the
 *     lock, so that no datagram waits for it. */
#include "collect/statsd.h"

#include "base/map.h"
#include "sys/thread.h"

enum { BATCH_ARENA_BYTES_MAX = 512 * MIB, BATCH_ROWS_GOAL = 200 * 1000, BATCH_BYTES_GOAL = 128 * MIB };
#define APPEND_INTERVAL_NS NS_S

struct name {
    enum statsd_family family;
    bool is_told;
    size_t series;
    size_t len;
    char key[]; /* tenant, NUL, name */
};

struct entry {
    struct statsd_series *series;
    struct name *name;
};

struct statsd {
    struct statsd_env env;
    struct statsd_options opt;
    struct mutex lock;
    struct cond wake;
    struct map index; /* tenant and labels -> entry, plus 1 */
    struct map names;
    struct entry *entries;
    size_t count, cap, bytes;
    struct batch **pending;
    size_t pending_count, pending_cap;
    struct arena *scratch;
    struct statsd_counts counts;
    int64_t last_flush_ms;
    uint64_t expired, append_failures, restored;
    bool stopping;
    struct thread *thread;
};

/* A metric on its way in. */
struct taking {
    struct statsd *s;
    struct slice tenant;
    int64_t now_ns, now_ms;
    struct batch *b;
    uint64_t window;
    bool is_full; /* as much waits for the store as may */
};

struct statsd *statsd_new(const struct statsd_env *env, const struct statsd_options *opt)
{
    struct statsd *s = mem_new(struct statsd);
    s->env = *env;
    s->opt = *opt;
    mutex_init(&s->lock);
    cond_init(&s->wake);
    map_init(&s->index);
    map_init(&s->names);
    s->scratch = arena_new(0);
    s->last_flush_ms = clock_wall_ms(env->clock);
    return s;
}

/* The tenant's last batch, or a new one. */
static struct batch *pending_for(struct statsd *s, struct slice tenant)
{
    for (size_t i = s->pending_count; i > 0; i--)
        if (slice_eq(s->pending[i - 1]->tenant, tenant) && batch_rows(s->pending[i - 1]) < BATCH_ROWS_GOAL &&
            arena_bytes(s->pending[i - 1]->arena) < BATCH_BYTES_GOAL)
            return s->pending[i - 1];
    if (s->pending_count == s->pending_cap) {
        s->pending_cap = s->pending_cap ? 2 * s->pending_cap : 8;
        s->pending = mem_realloc((void *)s->pending, s->pending_cap * sizeof(struct batch *));
    }
    struct batch *b = batch_new(BATCH_ARENA_BYTES_MAX);
    b->tenant = arena_copy(b->arena, tenant);
    b->received_ns = clock_wall_ns(s->env.clock);
    s->pending[s->pending_count++] = b;
    return b;
}

/* ---- series ---- */

/* False: (1). */
static bool name_find(const struct taking *t, const struct statsd_metric *m, struct slice key, struct name **out)
{
    uint64_t *at = map_get(&t->s->names, key);
    *out = at ? (struct name *)(uintptr_t)*at : NULL;
    return *out == NULL || (*out)->family == statsd_family_of(m->type);
}

static struct name *name_new(struct statsd *s, struct slice key, enum statsd_family family)
{
    struct name *n = mem_alloc(sizeof *n + key.len);
    *n = (struct name){ .family = family, .len = key.len };
    memcpy(n->key, key.ptr, key.len);
    *map_put(&s->names, slice_of(n->key, key.len), NULL) = (uint64_t)(uintptr_t)n;
    return n;
}

/* Tenant and labels lie in a series one behind the other: its key. */
static struct slice series_key(const struct statsd_series *r)
{
    struct slice tenant = statsd_series_tenant(r), labels = statsd_series_labels(r);
    return slice_of(tenant.ptr, tenant.len + labels.len);
}

static struct statsd_series *series_add(const struct taking *t, const struct statsd_metric *m, struct name *name, struct slice name_key)
{
    struct statsd *s = t->s;
    if (name == NULL)
        name = name_new(s, name_key, statsd_family_of(m->type));
    if (s->count == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->entries = mem_realloc(s->entries, s->cap * sizeof *s->entries);
    }
    struct statsd_series *r = statsd_series_new(&s->opt, statsd_family_of(m->type), t->tenant, m->labels);
    if (s->env.last.read == NULL)
        statsd_series_restore(r, NULL, 0);
    s->entries[s->count++] = (struct entry){ r, name };
    name->series++;
    *map_put(&s->index, series_key(r), NULL) = s->count;
    s->bytes += statsd_series_bytes(r);
    return r;
}

static void series_remove(struct statsd *s, size_t i)
{
    struct entry e = s->entries[i];
    map_remove(&s->index, series_key(e.series));
    s->bytes -= MIN(s->bytes, statsd_series_bytes(e.series));
    if (--e.name->series == 0) {
        map_remove(&s->names, slice_of(e.name->key, e.name->len));
        mem_free(e.name);
    }
    statsd_series_free(e.series);
    s->entries[i] = s->entries[--s->count];
    if (i < s->count)
        *map_put(&s->index, series_key(s->entries[i].series), NULL) = i + 1;
}

static bool on_metric(void *arg, const struct statsd_metric *m, enum statsd_reason *why)
{
    struct taking *t = arg;
    struct statsd *s = t->s;
    struct arena *a = s->scratch;
    struct slice key = arena_printf(a, "%.*s%.*s", SLICE_FMT(t->tenant), SLICE_FMT(m->labels));
    struct slice name_key = arena_printf(a, "%.*s%c%.*s", SLICE_FMT(t->tenant), 0, SLICE_FMT(m->name));
    struct name *name;
    *why = STATSD_CONFLICT;
    if (!name_find(t, m, name_key, &name))
        return false;
    bool has_time = m->t_ms && m->t_ms <= t->now_ms, is_gauge = m->type == STATSD_GAUGE;
    *why = STATSD_EVENTS_FULL;
    if (has_time && (t->is_full || batch_rows(t->b) >= STATSD_PENDING_ROWS_MAX))
        return false;
    if (has_time && is_gauge && !m->is_delta) { /* a value of then says nothing of now */
        batch_series(t->b, arena_copy(t->b->arena, m->labels));
        batch_sample(t->b, m->t_ms, m->value);
        return true;
    }
    uint64_t *at = map_get(&s->index, key);
    bool may_grow = statsd_family_of(m->type) == STATSD_FAMILY_OBSERVED || m->type == STATSD_SET;
    *why = STATSD_SERIES_FULL;
    if ((at == NULL && s->count >= STATSD_SERIES_MAX) || (s->bytes >= STATSD_BYTES_MAX && (at == NULL || may_grow)))
        return false;
    struct statsd_series *r = at ? s->entries[*at - 1].series : series_add(t, m, name, name_key);
    size_t before = may_grow ? statsd_series_bytes(r) : 0;
    statsd_series_add(r, m, t->now_ns, t->window);
    if (may_grow)
        s->bytes += statsd_series_bytes(r) - before;
    if (has_time && m->type == STATSD_COUNTER)
        statsd_series_tell_at(r, m->t_ms, t->b);
    return true;
}

/* ---- taking ---- */

static uint64_t rejected(const struct statsd_counts *c)
{
    uint64_t n = 0;
    for (size_t i = 0; i < STATSD_REASON_COUNT; i++)
        n += c->rejected[i];
    return n;
}

static uint64_t window_at(const struct statsd *s, int64_t mono_ns)
{
    return (uint64_t)(mono_ns / MAX(STATSD_WINDOW_SECONDS * NS_S / 2, s->opt.flush_ns));
}

static size_t pending_bytes(const struct statsd *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->pending_count; i++)
        n += arena_bytes(s->pending[i]->arena);
    return n;
}

uint64_t statsd_take(struct statsd *s, struct slice tenant, struct slice text, bool is_signed_delta)
{
    struct statsd_ctx ctx = { .received_ns = clock_wall_ns(s->env.clock), .is_signed_delta = is_signed_delta,
                              .metric = on_metric };
    mutex_lock(&s->lock);
    struct taking t = { .s = s, .tenant = tenant, .now_ns = clock_mono_ns(s->env.clock), .now_ms = ctx.received_ns / NS_MS };
    t.window = window_at(s, t.now_ns);
    t.b = pending_for(s, tenant);
    t.is_full = pending_bytes(s) >= STATSD_PENDING_BYTES_MAX;
    ctx.events_max = t.is_full ? 0 : STATSD_PENDING_ROWS_MAX;
    ctx.arg = &t;
    uint64_t before = rejected(&s->counts);
    statsd_decode(&ctx, text, s->scratch, t.b, &s->counts);
    uint64_t lost = rejected(&s->counts) - before;
    mutex_unlock(&s->lock);
    return lost;
}

/* ---- after a restart: (3) ---- */

struct asked {
    struct slice tenant, key;
    size_t first, count; /* of its names */
};

static struct asked *ask_list(struct statsd *s, struct batch *names, size_t *count)
{
    struct asked *list = NULL;
    size_t cap = 0;
    *count = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct statsd_series *r = s->entries[i].series;
        size_t first = names->series_count;
        if (statsd_series_is_restored(r))
            continue;
        statsd_series_names(r, names);
        struct slice key = arena_copy(names->arena, series_key(r));
        ARENA_PUSH(names->arena, list, *count, cap) =
            (struct asked){ slice_sub(key, 0, statsd_series_tenant(r).len), key, first, names->series_count - first };
    }
    return list;
}

static void restore_all(struct statsd *s)
{
    struct batch *names = batch_new(0);
    size_t count;
    mutex_lock(&s->lock);
    const struct asked *list = ask_list(s, names, &count);
    mutex_unlock(&s->lock);
    struct sample *before = arena_array(names->arena, struct sample, names->series_count + 1);
    for (size_t i = 0; i < count; i++)
        for (size_t k = list[i].first; k < list[i].first + list[i].count; k++)
            if (!last_read(&s->env.last, list[i].tenant, names->series[k].labels, names->arena, &before[k]))
                before[k] = (struct sample){ 0, 0 };
    mutex_lock(&s->lock);
    for (size_t i = 0; i < count; i++) {
        uint64_t *at = map_get(&s->index, list[i].key);
        if (at)
            s->restored += statsd_series_restore(s->entries[*at - 1].series, before + list[i].first, list[i].count);
    }
    mutex_unlock(&s->lock);
    batch_drop(names);
}

/* ---- appending ---- */

static void tell_metadata(struct statsd *s, const struct entry *e, struct batch *b)
{
    static const enum metric_type types[] = { METRIC_COUNTER, METRIC_GAUGE, METRIC_SUMMARY, METRIC_GAUGE };
    enum metric_type type = types[e->name->family];
    if (e->name->is_told)
        return;
    e->name->is_told = true;
    if (type == METRIC_SUMMARY && s->opt.observations != STATSD_AS_SUMMARY)
        type = METRIC_HISTOGRAM;
    struct slice name = arena_copy(b->arena, labels_get(statsd_series_labels(e->series), SLICE("__name__")));
    batch_metadata(b, name, type, SLICE("Sent by StatsD."), SLICE_EMPTY);
}

static void tell_all(struct statsd *s)
{
    int64_t now_ns = clock_mono_ns(s->env.clock), t_ms = MAX(clock_wall_ms(s->env.clock), s->last_flush_ms + 1);
    uint64_t window = window_at(s, now_ns);
    for (size_t i = 0; i < s->count;) {
        struct entry *e = &s->entries[i];
        if (!statsd_series_is_restored(e->series)) { /* it came just now */
            i++;
            continue;
        }
        struct batch *b = pending_for(s, statsd_series_tenant(e->series));
        if (now_ns - statsd_series_used_ns(e->series) > s->opt.idle_ns) {
            statsd_series_end(e->series, t_ms, b);
            series_remove(s, i);
            s->expired++;
            continue;
        }
        tell_metadata(s, e, b);
        statsd_series_tell(e->series, t_ms, s->last_flush_ms, window, b);
        i++;
    }
    s->last_flush_ms = t_ms;
}

void statsd_append(struct statsd *s, bool with_series)
{
    struct err err;
    if (with_series && s->env.last.read)
        restore_all(s);
    mutex_lock(&s->lock);
    if (with_series)
        tell_all(s);
    struct batch **list = s->pending;
    size_t n = s->pending_count;
    s->pending = NULL;
    s->pending_count = s->pending_cap = 0;
    mutex_unlock(&s->lock);
    for (size_t i = 0; i < n; i++) {
        if (batch_rows(list[i]) == 0) {
            batch_drop(list[i]);
            continue;
        }
        list[i]->received_ns = clock_wall_ns(s->env.clock);
        if (s->env.append(s->env.arg, list[i], &err) == ST_OK)
            continue;
        mutex_lock(&s->lock);
        s->append_failures++;
        mutex_unlock(&s->lock);
        log_line(s->env.log, LOG_WARNING, "what StatsD clients sent is not appended", "error=\"%s\"", err.text);
    }
    mem_free((void *)list);
}

static void statsd_main(void *arg)
{
    struct statsd *s = arg;
    int64_t next_ns = clock_mono_ns(s->env.clock) + s->opt.flush_ns;
    mutex_lock(&s->lock);
    while (!s->stopping) {
        (void)cond_wait_ns(&s->wake, &s->lock, MIN(APPEND_INTERVAL_NS, s->opt.flush_ns));
        if (s->stopping)
            break;
        int64_t now_ns = clock_mono_ns(s->env.clock);
        bool is_time = now_ns >= next_ns;
        if (is_time)
            next_ns += ((now_ns - next_ns) / s->opt.flush_ns + 1) * s->opt.flush_ns;
        mutex_unlock(&s->lock);
        statsd_append(s, is_time);
        mutex_lock(&s->lock);
    }
    mutex_unlock(&s->lock);
    statsd_append(s, true);
}

enum status statsd_run(struct statsd *s, struct err *err)
{
    return thread_start(&s->thread, "statsd", statsd_main, s, err);
}

void statsd_free(struct statsd *s)
{
    if (s == NULL)
        return;
    mutex_lock(&s->lock);
    s->stopping = true;
    cond_signal(&s->wake);
    mutex_unlock(&s->lock);
    thread_join(s->thread);
    for (size_t i = 0; i < s->pending_count; i++)
        batch_drop(s->pending[i]);
    mem_free((void *)s->pending);
    while (s->count)
        series_remove(s, s->count - 1);
    mem_free(s->entries);
    map_free(&s->index);
    map_free(&s->names);
    arena_free(s->scratch);
    mutex_destroy(&s->lock);
    cond_destroy(&s->wake);
    mem_free(s);
}

void statsd_stats(struct statsd *s, struct statsd_stats *out)
{
    mutex_lock(&s->lock);
    *out = (struct statsd_stats){ .counts = s->counts, .series = s->count, .bytes = s->bytes, .expired = s->expired,
                                  .append_failures = s->append_failures, .restored = s->restored };
    mutex_unlock(&s->lock);
}
