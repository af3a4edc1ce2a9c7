/* SPDX-License-Identifier: Apache-2.0 */
/* What the firewall does to a batch: new series over a limit go out, with the reason told once by example.
 *
 * The steady state ends in the cache and takes no lock; the lock is held for at most a group of series at a time. */
#include "base/date.h"
#include "base/utf8.h"
#include "pipeline/firewall_parts.h"

enum { GROUP = 32, SHOWN_BYTES = 80 };

static uint64_t histograms_of(const struct batch *b, const struct batch_series *s)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < s->count; i++)
        n += is_histogram(b->samples[s->first + i].v);
    return n;
}

static void explain(struct firewall *f, const struct batch *b, struct slice labels, const struct firewall_verdict *v, struct err *err)
{
    struct slice metric = labels_get(labels, SLICE("__name__"));
    struct buf text;
    buf_init(&text, 0);
    labels_format(labels, &text);
    struct slice shown = utf8_cut(buf_as_slice(&text), FW_EXAMPLE_BYTES_MAX);
    char window[DURATION_TEXT_BYTES_MAX];
    int shown_bytes = (int)duration_format_prom(2 * f->config.window_ns / NS_MS, window);
    const char *setting = firewall_reason_setting(v->reason);
    unsigned long long found = v->found, limit = v->limit;
    if (v->reason == FIREWALL_LABEL)
        err_set(err, ST_LIMIT, "metric %.*s: label %.*s has %llu values in %.*s, cardinality.%s of tenant %.*s is %llu: new series "
                "%.*s is refused, known ones go on", SLICE_FMT(utf8_cut(metric, SHOWN_BYTES)), SLICE_FMT(utf8_cut(v->label, SHOWN_BYTES)),
                found, shown_bytes, window, setting, SLICE_FMT(b->tenant), limit, SLICE_FMT(shown));
    else if (v->reason == FIREWALL_METRIC)
        err_set(err, ST_LIMIT, "metric %.*s has %llu series in %.*s, cardinality.%s of tenant %.*s is %llu: new series %.*s is refused, "
                "known ones go on", SLICE_FMT(utf8_cut(metric, SHOWN_BYTES)), found, shown_bytes, window, setting, SLICE_FMT(b->tenant), limit,
                SLICE_FMT(shown));
    else
        err_set(err, ST_LIMIT, "tenant %.*s has %llu series in %.*s, cardinality.%s is %llu: new series %.*s is refused, known ones go on",
                SLICE_FMT(b->tenant), found, shown_bytes, window, setting, limit, SLICE_FMT(shown));
    buf_free(&text);
}

static void refuse(struct firewall *f, const struct batch *b, const struct batch_series *s, const struct firewall_verdict *v,
                   struct ingest_result *result)
{
    struct err why = { 0 };
    uint64_t histograms = histograms_of(b, s);
    bool is_told = histograms < s->count ? result->kinds[INGEST_SAMPLES].rejected : result->kinds[INGEST_HISTOGRAMS].rejected;
    if (!is_told)
        explain(f, b, s->labels, v, &why);
    ingest_withdraw(result, INGEST_SAMPLES, s->count - histograms, &why);
    ingest_withdraw(result, INGEST_HISTOGRAMS, histograms, &why);
    if (v->reason == FIREWALL_TENANT) {
        int64_t left_s = (atomic_load(&f->turn_ns) - b->received_ns) / NS_S + 1;
        result->retry_after_s = (uint32_t)MIN(MAX(left_s, 1), FIREWALL_RETRY_SECONDS_MAX);
    }
    atomic_fetch_add_explicit(&f->refused[v->reason], s->count, memory_order_relaxed);
    fw_offend(f, &(struct fw_event){ b->tenant, s->labels, v, false, s->count, s->count ? b->samples[s->first].t_ms : 0, b->received_ns });
}

/* Of an event or series that goes, ref becomes 0 for the closing up. */
struct fw_pass {
    struct firewall *f;
    struct batch *b;
    struct ingest_result *result;
    uint64_t of_tenant, refused_samples;
    size_t refused;
    struct fw_tenant *tenant; /* while the lock is held */
};

static void judge(struct fw_pass *p, struct batch_series *s, uint64_t key)
{
    struct firewall_verdict v;
    if (fw_admit(p->f, p->tenant, s->labels, key, p->b->is_own, &v))
        return;
    refuse(p->f, p->b, s, &v, p->result);
    p->refused_samples += s->count;
    p->refused++;
    s->ref = 0;
}

/* Those that the cache does not know. The lock goes back after each group, for others may want it. */
static void judge_new(struct fw_pass *p, struct batch_series *s, const uint64_t *keys, const uint8_t *fresh, size_t count)
{
    mutex_lock(&p->f->lock);
    p->tenant = fw_tenant_of(p->f, p->b->tenant);
    for (size_t i = 0; i < count; i++)
        fw_prefetch(p->f, keys[fresh[i]]);
    for (size_t i = 0; i < count; i++)
        judge(p, &s[fresh[i]], keys[fresh[i]]);
    mutex_unlock(&p->f->lock);
}

/* In groups, so that the cache's lines come in together: one after another each would be waited for. */
static void judge_all(struct fw_pass *p)
{
    uint64_t keys[GROUP];
    uint8_t fresh[GROUP];
    for (size_t from = 0; from < p->b->series_count; from += GROUP) {
        struct batch_series *s = &p->b->series[from];
        size_t n = MIN(p->b->series_count - from, (size_t)GROUP), count = 0;
        for (size_t i = 0; i < n; i++) {
            if (s[i].ref == 0)
                s[i].ref = firewall_hash(p->f, s[i].labels);
            keys[i] = fw_key(s[i].ref, p->of_tenant);
            __builtin_prefetch(fw_bucket(p->f, keys[i]));
        }
        for (size_t i = 0; i < n; i++)
            if (!fw_cache_has(p->f, keys[i]))
                fresh[count++] = (uint8_t)i;
        if (count)
            judge_new(p, s, keys, fresh, count);
    }
}

static void close_up_series(struct batch *b)
{
    size_t kept = 0, samples = 0;
    for (size_t i = 0; i < b->series_count; i++) {
        struct batch_series s = b->series[i];
        if (s.ref == 0)
            continue;
        memmove(&b->samples[samples], &b->samples[s.first], s.count * sizeof *b->samples);
        s.first = (uint32_t)samples;
        samples += s.count;
        b->series[kept++] = s;
    }
    b->series_count = kept;
    b->sample_count = samples;
}

/* An exemplar of a series that is not known has nothing to belong to. */
static void close_up_exemplars(struct fw_pass *p)
{
    struct batch *b = p->b;
    struct err why;
    size_t kept = 0;
    for (size_t i = 0; i < b->event_count; i++) {
        struct event *e = &b->events[i];
        if (e->kind == EVENT_EXEMPLAR && !fw_is_known(p->f, fw_key(firewall_hash(p->f, e->stream), p->of_tenant))) {
            ingest_withdraw(p->result, INGEST_EXEMPLARS, 1,
                            (err_set(&why, ST_LIMIT, "an exemplar goes with its series, which is refused: see the samples"), &why));
            continue;
        }
        if (kept != i)
            b->events[kept] = *e;
        kept++;
    }
    b->event_count = kept;
}

uint64_t firewall_batch(struct firewall *f, struct batch *b, struct ingest_result *result)
{
    if (b->series_count == 0 || !atomic_load_explicit(&f->is_on, memory_order_relaxed))
        return 0;
    struct fw_pass p = { .f = f, .b = b, .result = result, .of_tenant = fw_tenant_hash(f, b->tenant) };
    fw_turn_when_due(f, b->received_ns);
    judge_all(&p);
    if (p.refused) {
        close_up_series(b);
        close_up_exemplars(&p);
    }
    return p.refused_samples;
}
