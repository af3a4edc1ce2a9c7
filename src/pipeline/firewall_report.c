/* SPDX-License-Identifier: Apache-2.0 */
/* Who is over a limit, and who is near one: for the API, the page and our own metrics. */
#include <stdlib.h>

#include "base/utf8.h"
#include "pipeline/firewall_parts.h"

/* ---- offenders; under the lock ---- */

static void offender_free(struct firewall *f, struct fw_offender *o)
{
    distinct_free(&o->different, &f->bytes);
    mem_free(o->texts);
    mem_free(o);
}

void fw_offenders_free(struct firewall *f)
{
    struct map_entry *e;
    for (size_t i = 0; (e = map_each(&f->offenders, &i)) != NULL;)
        offender_free(f, (struct fw_offender *)(uintptr_t)e->value);
}

/* The label whose value folded, of a series that is folded already. */
static struct slice overflow_label(struct slice labels)
{
    struct slice rest = labels;
    for (struct label l; labels_next(&rest, &l);)
        if (slice_eq(l.value, OVERFLOW_VALUE))
            return l.name;
    return SLICE_EMPTY;
}

static struct slice job_of(struct slice labels)
{
    struct slice job = labels_get(labels, SLICE("job"));
    if (job.len == 0)
        job = labels_get(labels, SLICE("service_name"));
    return utf8_cut(job, FW_EXAMPLE_BYTES_MAX);
}

static void forget_quietest(struct firewall *f)
{
    struct map_entry *e;
    struct fw_offender *oldest = NULL;
    for (size_t i = 0; (e = map_each(&f->offenders, &i)) != NULL;) {
        struct fw_offender *o = (struct fw_offender *)(uintptr_t)e->value;
        if (oldest == NULL || o->about.last_ms < oldest->about.last_ms)
            oldest = o;
    }
    if (oldest == NULL)
        return;
    map_remove(&f->offenders, slice_of(oldest->texts, oldest->key_len));
    offender_free(f, oldest);
}

static struct slice copy_to(char **to, struct slice s)
{
    char *at = *to;
    memcpy(at, s.ptr, s.len);
    *to += s.len;
    return slice_of(at, s.len);
}

static struct fw_offender *offender_put(struct firewall *f, const struct fw_event *e, struct slice label)
{
    struct slice metric = labels_get(e->labels, SLICE("__name__")), job = job_of(e->labels);
    /* A metric that is over has many labels to fold: it is one offender, not one a label. */
    buf_reset(&f->scratch);
    buf_printf(&f->scratch, "%.*s\n%.*s\n%.*s\n%.*s\n%d%d", SLICE_FMT(e->tenant), SLICE_FMT(metric), SLICE_FMT(label), SLICE_FMT(job),
               e->is_folded ? 0 : (int)e->why->reason, e->is_folded);
    struct slice key = buf_as_slice(&f->scratch);
    uint64_t *at = map_get(&f->offenders, key);
    if (at)
        return (struct fw_offender *)(uintptr_t)*at;
    if (f->offenders.count >= FIREWALL_OFFENDERS_MAX)
        forget_quietest(f);
    struct buf example, clean;
    buf_init(&example, 0);
    buf_init(&clean, 0);
    labels_format(e->labels, &example);
    bool is_changed = f->redactor && redact_text(f->redactor, buf_as_slice(&example), &clean, NULL);
    struct slice shown = utf8_cut(buf_as_slice(is_changed ? &clean : &example), FW_EXAMPLE_BYTES_MAX);
    struct fw_offender *o = mem_new(struct fw_offender);
    o->texts = mem_alloc(key.len + e->tenant.len + metric.len + label.len + job.len + shown.len + 1);
    o->key_len = (uint32_t)key.len;
    char *to = o->texts;
    key = copy_to(&to, key);
    o->about = (struct firewall_offender){ .tenant = copy_to(&to, e->tenant), .metric = copy_to(&to, metric), .label = copy_to(&to, label),
                                           .job = copy_to(&to, job), .example = copy_to(&to, shown), .reason = e->why->reason,
                                           .is_folded = e->is_folded, .first_ms = e->now_ns / NS_MS, .first_sample_ms = e->t_ms };
    buf_free(&example);
    buf_free(&clean);
    *map_put(&f->offenders, key, NULL) = (uint64_t)(uintptr_t)o;
    return o;
}

void fw_offend(struct firewall *f, const struct fw_event *e)
{
    struct slice label = e->why->label.len ? e->why->label : overflow_label(e->labels);
    struct slice value = label.len ? labels_get(e->labels, label) : SLICE_EMPTY;
    struct fw_offender *o = offender_put(f, e, label);
    o->about.last_ms = e->now_ns / NS_MS;
    o->about.samples += e->samples;
    if (e->why->limit) {
        o->about.reason = e->why->reason;
        o->about.limit = e->why->limit;
        o->about.found = e->why->found;
    }
    if (!slice_eq(value, OVERFLOW_VALUE))
        distinct_add(&o->different, fw_value_hash(f, value.len ? value : e->labels), DISTINCT_EXACT_MAX, true, &f->bytes);
}

static bool is_asked(const struct slice *tenants, size_t count, struct slice tenant)
{
    for (size_t i = 0; tenants && i < count; i++)
        if (slice_eq(tenants[i], tenant))
            return true;
    return tenants == NULL;
}

static int by_last(const void *a, const void *b)
{
    const struct firewall_offender *x = a, *y = b;
    return x->last_ms == y->last_ms ? (x->samples < y->samples) - (x->samples > y->samples) : x->last_ms < y->last_ms ? 1 : -1;
}

void firewall_offenders(struct firewall *f, const struct slice *tenants, size_t tenant_count, struct arena *a, struct firewall_offender **out,
                        size_t *count)
{
    struct map_entry *e;
    mutex_lock(&f->lock);
    struct firewall_offender *list = arena_array(a, struct firewall_offender, f->offenders.count + 1);
    *count = 0;
    for (size_t i = 0; (e = map_each(&f->offenders, &i)) != NULL;) {
        struct fw_offender *o = (struct fw_offender *)(uintptr_t)e->value;
        if (!is_asked(tenants, tenant_count, o->about.tenant))
            continue;
        struct firewall_offender *to = &list[(*count)++];
        *to = o->about;
        to->tenant = arena_copy(a, to->tenant);
        to->metric = arena_copy(a, to->metric);
        to->label = arena_copy(a, to->label);
        to->job = arena_copy(a, to->job);
        to->example = arena_copy(a, to->example);
        to->different = distinct_count(&o->different);
    }
    mutex_unlock(&f->lock);
    qsort(list, *count, sizeof *list, by_last);
    *out = list;
}

/* ---- counts ---- */

struct top {
    struct firewall_count *list; /* texts still in the firewall's memory */
    size_t n, count, least;
    bool by_limit;
};

static double weight(const struct top *t, const struct firewall_count *c)
{
    if (!t->by_limit)
        return (double)c->count;
    return c->limit ? (double)c->count / (double)c->limit : 0;
}

static bool is_less(const struct top *t, const struct firewall_count *a, const struct firewall_count *b)
{
    double x = weight(t, a), y = weight(t, b);
    return x < y || (x == y && a->count < b->count);
}

static void top_offer(struct top *t, struct firewall_count c)
{
    if (c.count == 0 || (t->by_limit && c.limit == 0) || t->n == 0)
        return;
    if (t->count < t->n)
        t->list[t->count++] = c;
    else if (is_less(t, &t->list[t->least], &c))
        t->list[t->least] = c;
    else
        return;
    t->least = 0;
    for (size_t i = 1; t->count == t->n && i < t->count; i++)
        if (is_less(t, &t->list[i], &t->list[t->least]))
            t->least = i;
}

static void offer_metric(struct top *top, struct fw_metric *m)
{
    const struct firewall_limits *limits = &m->tenant->limits;
    struct slice tenant = slice_of(m->key, m->name_at - 1), name = fw_metric_name(m);
    top_offer(top, (struct firewall_count){ tenant, name, SLICE_EMPTY, distinct_count(&m->series), limits->series_per_metric });
    for (uint32_t i = 0; i < m->label_count; i++)
        top_offer(top, (struct firewall_count){ tenant, name, slice_of(m->labels[i].name, m->labels[i].name_len),
                                                distinct_count(&m->labels[i].values), limits->values_per_label });
}

static int top_order(const void *a, const void *b, void *top)
{
    return is_less(top, a, b) ? 1 : is_less(top, b, a) ? -1 : 0;
}

void firewall_counts(struct firewall *f, const struct slice *tenants, size_t tenant_count, bool by_limit, size_t n, struct arena *a,
                     struct firewall_count **out, size_t *count)
{
    struct top top = { .list = arena_array(a, struct firewall_count, n + 1), .n = n, .by_limit = by_limit };
    struct map_entry *e;
    mutex_lock(&f->lock);
    for (size_t i = 0; (e = map_each(&f->tenants, &i)) != NULL;) {
        struct fw_tenant *t = (struct fw_tenant *)(uintptr_t)e->value;
        if (is_asked(tenants, tenant_count, fw_tenant_name(t)))
            top_offer(&top, (struct firewall_count){ fw_tenant_name(t), SLICE_EMPTY, SLICE_EMPTY, distinct_count(&t->series), t->limits.series });
    }
    for (size_t i = 0; (e = map_each(&f->metrics, &i)) != NULL;) {
        struct fw_metric *m = (struct fw_metric *)(uintptr_t)e->value;
        if (is_asked(tenants, tenant_count, slice_of(m->key, m->name_at - 1)))
            offer_metric(&top, m);
    }
    for (size_t i = 0; i < top.count; i++) {
        struct firewall_count *c = &top.list[i];
        c->tenant = arena_copy(a, c->tenant);
        c->metric = arena_copy(a, c->metric);
        c->label = arena_copy(a, c->label);
    }
    mutex_unlock(&f->lock);
    qsort_r(top.list, top.count, sizeof *top.list, top_order, &top);
    *out = top.list;
    *count = top.count;
}

static bool is_near(uint64_t count, uint64_t limit)
{
    return limit && count * 100 >= limit * FIREWALL_NEAR_PERCENT;
}

void firewall_stats(struct firewall *f, struct firewall_stats *out)
{
    struct map_entry *e;
    *out = (struct firewall_stats){ .on = atomic_load(&f->is_on), .bytes_max = FIREWALL_BYTES_MAX, .folded = atomic_load(&f->folded),
                                    .rate_limited = atomic_load(&f->rate_limited) };
    for (int i = 0; i < FIREWALL_REASON_COUNT; i++)
        out->refused[i] = atomic_load(&f->refused[i]);
    mutex_lock(&f->lock);
    out->window_ns = f->config.window_ns;
    out->turned_ns = atomic_load(&f->turn_ns) ? atomic_load(&f->turn_ns) - f->config.window_ns : 0;
    out->tenants = f->tenants.count;
    out->metrics = f->metrics.count;
    out->bytes = f->bytes + f->seen_bytes;
    out->untracked = f->untracked;
    out->turns = f->turns;
    for (size_t i = 0; i < FW_SHARDS; i++)
        out->seen += f->seen[i].count;
    for (size_t i = 0; (e = map_each(&f->tenants, &i)) != NULL;) {
        struct fw_tenant *t = (struct fw_tenant *)(uintptr_t)e->value;
        out->near += is_near(distinct_count(&t->series), t->limits.series);
    }
    for (size_t i = 0; (e = map_each(&f->metrics, &i)) != NULL;) {
        struct fw_metric *m = (struct fw_metric *)(uintptr_t)e->value;
        out->near += is_near(distinct_count(&m->series), m->tenant->limits.series_per_metric);
        for (uint32_t k = 0; k < m->label_count; k++)
            out->near += is_near(distinct_count(&m->labels[k].values), m->tenant->limits.values_per_label);
    }
    mutex_unlock(&f->lock);
}
