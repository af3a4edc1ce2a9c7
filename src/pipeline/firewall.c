/* SPDX-License-Identifier: Apache-2.0 */
/* Three stores of what was seen, from fast to exact:
 *
 *     cache     fingerprints of accepted series of this window, lock-free, may forget: the steady state ends here
 *     seen      31 bits of each accepted series' hash, in shards: who is in it is never refused
 *     counts    per tenant, metric and label of a metric (distinct.h): asked only about series that are not in seen
 *
 * (1) A series is judged once. Accepted, it goes into all three; refused, into none, so that what is refused takes no memory
 *     but its place among the offenders.
 * (2) A turn of the window empties the cache, and so every living series passes the slow way once a window and is counted
 *     anew; what does not come for two windows is forgotten.
 * (3) A fingerprint that two series share lets the second in uncounted: one in a hundred million at the cache, and of new series
 *     one in a million when a million are known. As many values of a label at its limit pass as known ones.
 * (4) Values that folded (OVERFLOW_VALUE) are not counted as values.
 *
 * All but the cache is under one lock: in the steady state nobody takes it. */
#include "pipeline/firewall_parts.h"

static const char *const reason_names[FIREWALL_REASON_COUNT] = { "label", "metric", "tenant" };
static const char *const reason_settings[FIREWALL_REASON_COUNT] = { "values_per_label", "series_per_metric", "series_per_tenant" };

const char *firewall_reason_name(enum firewall_reason reason)
{
    return reason_names[reason];
}

const char *firewall_reason_setting(enum firewall_reason reason)
{
    return reason_settings[reason];
}

struct firewall *firewall_new(void)
{
    struct firewall *f = mem_new(struct firewall);
    struct firewall_config usual = firewall_config_default();
    /* The address differs from process to process, and that is all the seed is for. */
    f->seed = hash_u64((uint64_t)(uintptr_t)f);
    f->cache = mem_zalloc(FW_CACHE_BUCKETS_MAX * sizeof *f->cache);
    atomic_init(&f->cache_buckets, FW_CACHE_BUCKETS_MIN);
    mutex_init(&f->lock);
    map_init(&f->tenants);
    map_init(&f->metrics);
    map_init(&f->offenders);
    buf_init(&f->scratch, 0);
    f->others = mem_new(struct fw_tenant);
    f->others->name[0] = '*';
    f->others->name_len = 1;
    firewall_configure(f, &usual);
    return f;
}

static void metric_free(struct firewall *f, struct fw_metric *m)
{
    for (uint32_t i = 0; i < m->label_count; i++) {
        distinct_free(&m->labels[i].values, &f->bytes);
        f->bytes -= m->labels[i].name_len;
        mem_free(m->labels[i].name);
    }
    distinct_free(&m->series, &f->bytes);
    f->bytes -= sizeof *m + m->key_len + m->label_cap * sizeof *m->labels;
    mem_free(m->labels);
    mem_free(m);
}

void firewall_free(struct firewall *f)
{
    struct map_entry *e;
    if (f == NULL)
        return;
    for (size_t i = 0; (e = map_each(&f->metrics, &i)) != NULL;)
        metric_free(f, (struct fw_metric *)(uintptr_t)e->value);
    for (size_t i = 0; (e = map_each(&f->tenants, &i)) != NULL;) {
        struct fw_tenant *t = (struct fw_tenant *)(uintptr_t)e->value;
        distinct_free(&t->series, &f->bytes);
        mem_free(t);
    }
    fw_offenders_free(f);
    distinct_free(&f->others->series, &f->bytes);
    mem_free(f->others);
    for (size_t i = 0; i < FW_SHARDS; i++)
        recent_free(&f->seen[i], &f->seen_bytes);
    map_free(&f->tenants);
    map_free(&f->metrics);
    map_free(&f->offenders);
    buf_free(&f->scratch);
    arena_free(f->config_arena);
    mutex_destroy(&f->lock);
    mem_free(f->cache);
    mem_free(f);
}

/* ---- tenants ---- */

static struct firewall_limits limits_of(const struct firewall *f, struct slice tenant)
{
    for (size_t i = 0; i < f->config.tenant_count; i++)
        if (slice_eq(f->config.tenants[i].tenant, tenant))
            return f->config.tenants[i].limits;
    return f->config.limits;
}

struct fw_tenant *fw_tenant_of(struct firewall *f, struct slice name)
{
    f->before = SLICE_EMPTY; /* whoever has just taken the lock has other memory */
    uint64_t *at = map_get(&f->tenants, name);
    if (at)
        return (struct fw_tenant *)(uintptr_t)*at;
    if (f->tenants.count >= FIREWALL_TENANTS_MAX)
        return f->others;
    struct fw_tenant *t = mem_new(struct fw_tenant);
    t->name_len = (uint8_t)MIN(name.len, sizeof t->name);
    memcpy(t->name, name.ptr, t->name_len);
    t->limits = limits_of(f, name);
    t->level = (double)t->limits.samples_per_second * FIREWALL_BURST_SECONDS;
    *map_put(&f->tenants, fw_tenant_name(t), NULL) = (uint64_t)(uintptr_t)t;
    return t;
}

struct firewall_limits firewall_limits_of(struct firewall *f, struct slice tenant)
{
    mutex_lock(&f->lock);
    struct firewall_limits l = limits_of(f, tenant);
    mutex_unlock(&f->lock);
    return l;
}

/* Under the lock. */
static void turn_at(struct firewall *f, int64_t end_ns)
{
    atomic_store(&f->turn_ns, end_ns);
    atomic_store(&f->back_ns, end_ns - 2 * f->config.window_ns);
}

void firewall_configure(struct firewall *f, const struct firewall_config *c)
{
    struct map_entry *e;
    struct arena *a = arena_new(0);
    struct firewall_override *list = arena_array(a, struct firewall_override, c->tenant_count + 1);
    bool has_rates = c->limits.samples_per_second > 0;
    for (size_t i = 0; i < c->tenant_count; i++) {
        list[i] = (struct firewall_override){ arena_copy(a, c->tenants[i].tenant), c->tenants[i].limits };
        has_rates |= list[i].limits.samples_per_second > 0;
    }
    mutex_lock(&f->lock);
    struct arena *before = f->config_arena;
    int64_t window_before_ns = f->config.window_ns, turn_ns = atomic_load(&f->turn_ns);
    f->config_arena = a;
    f->config = *c;
    f->config.tenants = list;
    for (size_t i = 0; (e = map_each(&f->tenants, &i)) != NULL;) {
        struct fw_tenant *t = (struct fw_tenant *)(uintptr_t)e->value;
        t->limits = limits_of(f, fw_tenant_name(t));
        t->level = MIN(t->level, (double)t->limits.samples_per_second * FIREWALL_BURST_SECONDS);
    }
    f->others->limits = c->limits;
    if (turn_ns)
        turn_at(f, turn_ns - window_before_ns + c->window_ns);
    atomic_store(&f->has_rates, c->on && has_rates);
    atomic_store(&f->is_on, c->on);
    mutex_unlock(&f->lock);
    arena_free(before);
}

void firewall_set_redactor(struct firewall *f, const struct redactor *r)
{
    mutex_lock(&f->lock);
    f->redactor = r;
    mutex_unlock(&f->lock);
}

/* ---- the cache ---- */

uint64_t firewall_hash(const struct firewall *f, struct slice labels)
{
    return hash64(labels, f->seed) | 1;
}

uint64_t fw_tenant_hash(const struct firewall *f, struct slice tenant)
{
    return hash64(tenant, f->seed);
}

uint64_t fw_key(uint64_t labels_hash, uint64_t of_tenant)
{
    return hash_u64(labels_hash ^ of_tenant);
}

_Atomic uint32_t *fw_bucket(const struct firewall *f, uint64_t key)
{
    return f->cache[key >> 46 & (atomic_load_explicit(&f->cache_buckets, memory_order_relaxed) - 1)];
}

static_assert(FW_CACHE_BUCKETS_MAX == 1 << (64 - 46), "the high bits of a key choose the bucket");

bool fw_cache_has(const struct firewall *f, uint64_t key)
{
    _Atomic uint32_t *bucket = fw_bucket(f, key);
    uint32_t print = (uint32_t)key | 1;
    for (size_t i = 0; i < FW_CACHE_WAYS; i++)
        if (atomic_load_explicit(&bucket[i], memory_order_relaxed) == print)
            return true;
    return false;
}

static void cache_clear(struct firewall *f)
{
    size_t buckets = atomic_load_explicit(&f->cache_buckets, memory_order_relaxed);
    f->cache_notes = 0;
    for (size_t i = 0; i < buckets; i++)
        for (size_t k = 0; k < FW_CACHE_WAYS; k++)
            if (atomic_load_explicit(&f->cache[i][k], memory_order_relaxed)) /* pages nobody touched stay so */
                atomic_store_explicit(&f->cache[i][k], 0, memory_order_relaxed);
}

/* Into an empty place, or over one that the key itself chooses. Under the lock. A larger cache begins empty: every series passes
 * the slow way once more then, where it is known. */
static void cache_put(struct firewall *f, uint64_t key)
{
    uint32_t buckets = atomic_load_explicit(&f->cache_buckets, memory_order_relaxed);
    if (++f->cache_notes > buckets * FW_CACHE_WAYS / FW_CACHE_LOAD_DIVISOR && buckets < FW_CACHE_BUCKETS_MAX) {
        cache_clear(f);
        atomic_store_explicit(&f->cache_buckets, buckets * FW_CACHE_GROWTH, memory_order_relaxed);
    }
    _Atomic uint32_t *bucket = fw_bucket(f, key);
    size_t at = key >> 40 & (FW_CACHE_WAYS - 1);
    for (size_t i = 0; i < FW_CACHE_WAYS; i++)
        if (atomic_load_explicit(&bucket[i], memory_order_relaxed) == 0) {
            at = i;
            break;
        }
    atomic_store_explicit(&bucket[at], (uint32_t)key | 1, memory_order_relaxed);
}

static struct recent *shard_of(struct firewall *f, uint64_t key)
{
    return &f->seen[key >> 36 & (FW_SHARDS - 1)];
}

void fw_prefetch(struct firewall *f, uint64_t key)
{
    recent_prefetch(shard_of(f, key), (uint32_t)key);
}

bool fw_is_known(struct firewall *f, uint64_t key)
{
    if (fw_cache_has(f, key))
        return true;
    mutex_lock(&f->lock);
    bool is_known = recent_has(shard_of(f, key), (uint32_t)key);
    mutex_unlock(&f->lock);
    return is_known;
}

/* ---- counts; under the lock ---- */

static bool may_grow(const struct firewall *f)
{
    return f->bytes < FIREWALL_BYTES_MAX;
}

static struct slice metric_key(struct firewall *f, const struct fw_tenant *t, struct slice name)
{
    buf_reset(&f->scratch);
    buf_slice(&f->scratch, fw_tenant_name(t));
    buf_char(&f->scratch, 0);
    buf_slice(&f->scratch, name);
    return buf_as_slice(&f->scratch);
}

/* NULL when it has no counts. */
static struct fw_metric *metric_find(struct firewall *f, const struct fw_tenant *t, struct slice name)
{
    if (f->last && f->last->tenant == t && slice_eq(fw_metric_name(f->last), name))
        return f->last;
    uint64_t *at = map_get(&f->metrics, metric_key(f, t, name));
    if (at)
        f->last = (struct fw_metric *)(uintptr_t)*at;
    return at ? f->last : NULL;
}

static struct fw_metric *metric_put(struct firewall *f, struct fw_tenant *t, struct slice name)
{
    struct fw_metric *known = metric_find(f, t, name);
    if (known)
        return known;
    struct slice key = metric_key(f, t, name);
    if (f->metrics.count >= FIREWALL_METRICS_MAX || !may_grow(f)) {
        f->untracked++;
        return NULL;
    }
    struct fw_metric *m = mem_zalloc(sizeof *m + key.len);
    m->tenant = t;
    m->key_len = (uint32_t)key.len;
    m->name_at = t->name_len + 1u;
    memcpy(m->key, key.ptr, key.len);
    f->bytes += sizeof *m + key.len;
    *map_put(&f->metrics, slice_of(m->key, key.len), NULL) = (uint64_t)(uintptr_t)m;
    return m;
}

/* hint: where it stood in the series before, as labels come in one order. */
static struct fw_label *label_find(const struct fw_metric *m, struct slice name, uint32_t hint)
{
    for (uint32_t i = 0; i < m->label_count; i++) {
        struct fw_label *l = &m->labels[(i + hint) % m->label_count];
        if (slice_eq(slice_of(l->name, l->name_len), name))
            return l;
    }
    return NULL;
}

static struct fw_label *label_put(struct firewall *f, struct fw_metric *m, struct slice name, uint32_t hint)
{
    struct fw_label *l = label_find(m, name, hint);
    if (l || !may_grow(f)) {
        f->untracked += l == NULL;
        return l;
    }
    if (m->label_count == m->label_cap) {
        uint32_t cap = m->label_cap ? m->label_cap * 2 : 4;
        f->bytes += (cap - m->label_cap) * sizeof *m->labels;
        m->labels = mem_realloc(m->labels, cap * sizeof *m->labels);
        m->label_cap = cap;
    }
    l = &m->labels[m->label_count++];
    *l = (struct fw_label){ .name = mem_alloc(name.len + 1), .name_len = (uint32_t)name.len };
    memcpy(l->name, name.ptr, name.len);
    f->bytes += name.len;
    return l;
}

static uint32_t remember_max(const struct fw_tenant *t)
{
    return (uint32_t)MIN(MAX(t->limits.values_per_label, (uint64_t)DISTINCT_EXACT_MAX), (uint64_t)FIREWALL_VALUES_REMEMBERED_MAX);
}

static bool is_name(struct slice label)
{
    return slice_eq(label, SLICE("__name__"));
}

static void most_update(struct fw_metric *m, const struct fw_label *l)
{
    m->most = l->values.left_out ? UINT64_MAX : MAX(m->most, (uint64_t)l->values.known.count);
}

static void count_series(struct firewall *f, struct fw_tenant *t, struct slice labels, uint64_t key)
{
    struct slice rest = labels;
    struct label l;
    uint32_t hint = 0;
    distinct_add(&t->series, (uint32_t)key, DISTINCT_EXACT_MAX, true, &f->bytes);
    struct slice name = labels_get(labels, SLICE("__name__"));
    struct fw_metric *m = metric_put(f, t, name);
    if (m == NULL)
        return;
    struct slice before = slice_eq(labels_get(f->before, SLICE("__name__")), name) ? f->before : SLICE_EMPTY;
    struct label same;
    distinct_add(&m->series, (uint32_t)key, DISTINCT_EXACT_MAX, may_grow(f), &f->bytes);
    f->before = labels;
    while (labels_next(&rest, &l)) {
        /* Series beside each other differ in a label or two: what the one before had is counted. */
        bool is_same = before.len && labels_next(&before, &same) && slice_eq(same.value, l.value) && slice_eq(same.name, l.name);
        hint += is_same && !is_name(l.name);
        if (is_same || is_name(l.name) || slice_eq(l.value, OVERFLOW_VALUE)) /* (4) */
            continue;
        struct fw_label *at = label_put(f, m, l.name, hint++);
        if (at && !distinct_add(&at->values, fw_value_hash(f, l.value), remember_max(t), may_grow(f), &f->bytes))
            most_update(m, at);
    }
}

/* The nearest cause first: a label says more than its metric, and that more than the tenant. */
static bool is_within(struct firewall *f, struct fw_tenant *t, struct slice labels, struct firewall_verdict *out)
{
    const struct firewall_limits *limits = &t->limits;
    struct fw_metric *m = metric_find(f, t, labels_get(labels, SLICE("__name__")));
    struct slice rest = labels;
    struct label l;
    uint32_t hint = 0;
    bool may_be_over = m && limits->values_per_label && m->most >= limits->values_per_label;
    while (may_be_over && labels_next(&rest, &l)) {
        if (is_name(l.name) || slice_eq(l.value, OVERFLOW_VALUE))
            continue;
        struct fw_label *at = label_find(m, l.name, hint++);
        if (at == NULL || distinct_is_below(&at->values, limits->values_per_label) ||
            distinct_knows(&at->values, fw_value_hash(f, l.value)))
            continue;
        *out = (struct firewall_verdict){ FIREWALL_LABEL, l.name, limits->values_per_label, distinct_count(&at->values) };
        return false;
    }
    if (m && limits->series_per_metric && !distinct_is_below(&m->series, limits->series_per_metric)) {
        *out = (struct firewall_verdict){ FIREWALL_METRIC, SLICE_EMPTY, limits->series_per_metric, distinct_count(&m->series) };
        return false;
    }
    if (limits->series && !distinct_is_below(&t->series, limits->series)) {
        *out = (struct firewall_verdict){ FIREWALL_TENANT, SLICE_EMPTY, limits->series, distinct_count(&t->series) };
        return false;
    }
    return true;
}

bool fw_admit(struct firewall *f, struct fw_tenant *t, struct slice labels, uint64_t key, bool must, struct firewall_verdict *out)
{
    struct recent *shard = shard_of(f, key);
    bool was_fresh = false;
    if (!recent_touch(shard, (uint32_t)key, &was_fresh)) {
        if (!must && !is_within(f, t, labels, out))
            return false;
        recent_add(shard, (uint32_t)key, true, &f->seen_bytes);
    }
    if (!was_fresh)
        count_series(f, t, labels, key);
    cache_put(f, key);
    return true;
}

/* ---- windows ---- */

static void metrics_turn(struct firewall *f)
{
    struct map_entry *e;
    f->last = NULL;
    f->before = SLICE_EMPTY;
    size_t gone_count = 0;
    struct fw_metric **gone = mem_alloc((f->metrics.count + 1) * sizeof(struct fw_metric *));
    for (size_t i = 0; (e = map_each(&f->metrics, &i)) != NULL;) {
        struct fw_metric *m = (struct fw_metric *)(uintptr_t)e->value;
        distinct_turn(&m->series, &f->bytes);
        m->most = 0;
        for (uint32_t k = 0; k < m->label_count; k++) {
            distinct_turn(&m->labels[k].values, &f->bytes);
            most_update(m, &m->labels[k]);
        }
        if (distinct_count(&m->series) == 0)
            gone[gone_count++] = m;
    }
    for (size_t i = 0; i < gone_count; i++) {
        map_remove(&f->metrics, slice_of(gone[i]->key, gone[i]->key_len));
        metric_free(f, gone[i]);
    }
    mem_free(gone);
}

/* After the metrics, which point to them. */
static void tenants_turn(struct firewall *f)
{
    struct map_entry *e;
    struct fw_tenant *gone[FIREWALL_TENANTS_MAX];
    size_t gone_count = 0;
    for (size_t i = 0; (e = map_each(&f->tenants, &i)) != NULL;) {
        struct fw_tenant *t = (struct fw_tenant *)(uintptr_t)e->value;
        distinct_turn(&t->series, &f->bytes);
        if (distinct_count(&t->series) == 0 && t->level >= 0)
            gone[gone_count++] = t;
    }
    for (size_t i = 0; i < gone_count; i++) {
        map_remove(&f->tenants, fw_tenant_name(gone[i]));
        mem_free(gone[i]);
    }
    distinct_turn(&f->others->series, &f->bytes);
}

/* (2) Under the lock. */
static void turn(struct firewall *f, int64_t now_ns)
{
    int64_t end_ns = atomic_load(&f->turn_ns);
    bool is_first = end_ns == 0, went_back = now_ns < atomic_load(&f->back_ns);
    if (!is_first && !went_back && now_ns < end_ns)
        return;
    if (!is_first && !went_back) {
        cache_clear(f);
        for (size_t i = 0; i < FW_SHARDS; i++)
            recent_turn(&f->seen[i], &f->seen_bytes);
        metrics_turn(f);
        tenants_turn(f);
        f->turns++;
    }
    turn_at(f, now_ns + f->config.window_ns);
}

void fw_turn_when_due(struct firewall *f, int64_t now_ns)
{
    int64_t end_ns = atomic_load_explicit(&f->turn_ns, memory_order_relaxed);
    if (now_ns <= 0 || (end_ns && now_ns < end_ns && now_ns >= atomic_load_explicit(&f->back_ns, memory_order_relaxed)))
        return;
    mutex_lock(&f->lock);
    turn(f, now_ns);
    mutex_unlock(&f->lock);
}

/* ---- series of before ---- */

void firewall_learn(struct firewall *f, struct slice tenant, struct slice labels, int64_t now_ns)
{
    struct firewall_verdict v;
    uint64_t key = fw_key(firewall_hash(f, labels), fw_tenant_hash(f, tenant));
    fw_turn_when_due(f, now_ns);
    if (fw_cache_has(f, key)) /* a series stands in many parts */
        return;
    mutex_lock(&f->lock);
    turn(f, now_ns);
    fw_admit(f, fw_tenant_of(f, tenant), labels, key, true, &v);
    mutex_unlock(&f->lock);
}

/* ---- scrapes ---- */

/* le and quantile are the shape of a histogram and not what tells its series apart; folded gauges keep their mark. */
static bool can_fold(struct slice label, struct slice value, struct slice fixed)
{
    static const struct slice never[] = { SLICE_INIT("__name__"), SLICE_INIT("le"), SLICE_INIT("quantile"), SLICE_INIT("folded") };
    for (size_t i = 0; i < COUNT_OF(never); i++)
        if (slice_eq(label, never[i]))
            return false;
    return !slice_eq(value, OVERFLOW_VALUE) && labels_get(fixed, label).len == 0;
}

/* The label with most values: folding it helps most. */
static struct slice label_to_fold(struct firewall *f, struct fw_tenant *t, struct slice labels, struct slice fixed)
{
    struct fw_metric *m = metric_find(f, t, labels_get(labels, SLICE("__name__")));
    struct slice rest = labels, best = SLICE_EMPTY;
    struct label l;
    uint64_t most = 0;
    while (labels_next(&rest, &l)) {
        struct fw_label *at = m ? label_find(m, l.name, 0) : NULL;
        uint64_t n = at ? distinct_count(&at->values) : 0;
        if (!can_fold(l.name, l.value, fixed) || (best.len && n <= most))
            continue;
        best = l.name;
        most = n;
    }
    return best;
}

bool firewall_scraped(struct firewall *f, struct slice tenant, struct slice labels, struct slice fixed, int64_t now_ns,
                      struct firewall_verdict *out)
{
    if (!atomic_load_explicit(&f->is_on, memory_order_relaxed))
        return true;
    uint64_t key = fw_key(firewall_hash(f, labels), fw_tenant_hash(f, tenant));
    mutex_lock(&f->lock);
    turn(f, now_ns);
    struct fw_tenant *t = fw_tenant_of(f, tenant);
    bool is_in = fw_admit(f, t, labels, key, false, out);
    if (!is_in) {
        /* A label that is the operator's own cannot fold: then another of the series does. */
        struct slice value = labels_get(labels, out->label);
        if (out->label.len == 0 || !can_fold(out->label, value, fixed))
            out->label = label_to_fold(f, t, labels, fixed);
        /* All that can fold has: one such series a target is let in, but not over the tenant's limit. */
        if (out->label.len == 0 && out->reason != FIREWALL_TENANT)
            is_in = fw_admit(f, t, labels, key, true, out);
    }
    mutex_unlock(&f->lock);
    return is_in;
}

void firewall_tell_scraped(struct firewall *f, struct slice tenant, struct slice labels, uint64_t lines, int64_t t_ms, int64_t now_ns,
                           const struct firewall_verdict *why, bool left_out)
{
    bool is_folded = !left_out;
    struct firewall_verdict v = why ? *why : (struct firewall_verdict){ .reason = FIREWALL_LABEL, .label = SLICE_EMPTY };
    mutex_lock(&f->lock);
    if (is_folded && lines)
        atomic_fetch_add_explicit(&f->folded, lines, memory_order_relaxed);
    else if (lines)
        atomic_fetch_add_explicit(&f->refused[v.reason], lines, memory_order_relaxed);
    fw_offend(f, &(struct fw_event){ tenant, labels, &v, is_folded, lines, t_ms, now_ns });
    mutex_unlock(&f->lock);
}

/* ---- rates ---- */

/* Under the lock. */
static void refill(struct fw_tenant *t, int64_t now_ns)
{
    double rate = (double)t->limits.samples_per_second;
    int64_t passed_ns = t->level_ns && now_ns > t->level_ns ? now_ns - t->level_ns : 0;
    t->level = MIN(t->level + rate * (double)passed_ns / (double)NS_S, rate * FIREWALL_BURST_SECONDS);
    t->level_ns = now_ns;
}

bool firewall_rate_allows(struct firewall *f, struct slice tenant, int64_t now_ns, uint32_t *retry_s, struct err *err)
{
    bool may = true;
    if (!atomic_load_explicit(&f->has_rates, memory_order_relaxed))
        return true;
    mutex_lock(&f->lock);
    struct fw_tenant *t = fw_tenant_of(f, tenant);
    double rate = (double)t->limits.samples_per_second;
    if (rate > 0) {
        refill(t, now_ns);
        may = t->level > 0;
        if (!may) {
            *retry_s = (uint32_t)MIN(MAX((1 - t->level) / rate + 1, 1), (double)FIREWALL_RETRY_SECONDS_MAX);
            err_set(err, ST_LIMIT, "tenant %.*s sends more than cardinality.samples_per_second = %llu; send again in %u s", SLICE_FMT(tenant),
                    (unsigned long long)t->limits.samples_per_second, *retry_s);
        }
    }
    mutex_unlock(&f->lock);
    if (!may)
        atomic_fetch_add_explicit(&f->rate_limited, 1, memory_order_relaxed);
    return may;
}

void firewall_rate_take(struct firewall *f, struct slice tenant, uint64_t samples, int64_t now_ns)
{
    if (!atomic_load_explicit(&f->has_rates, memory_order_relaxed))
        return;
    mutex_lock(&f->lock);
    struct fw_tenant *t = fw_tenant_of(f, tenant);
    if (t->limits.samples_per_second) {
        refill(t, now_ns);
        t->level -= (double)samples;
    }
    mutex_unlock(&f->lock);
}
