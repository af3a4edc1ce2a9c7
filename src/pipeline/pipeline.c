/* SPDX-License-Identifier: Apache-2.0 */
/* Stages run one after another over a whole batch, in the order of the table at the end.
 *
 * (1) A stage keeps the batch whole: rows it takes out are closed up in place, so counts and indices stay right.
 * (2) What is taken out or changed is counted by reason, told once by example, and never stops the rows beside it.
 * (3) The steady state allocates nothing: only a cut text or a new stream does. */
#include "pipeline/pipeline.h"

#include "pipeline/limit.h"

#include "base/date.h"
#include "base/num.h"

#include <stdatomic.h>

#include "base/utf8.h"

enum { SHOWN_BYTES = 120, DAY_S = 86400 };

struct pipeline {
    struct pipeline_options opt;
    atomic_uint_fast64_t counts[PIPELINE_REASON_COUNT];
    struct redactor *redactors[REDACT_PROFILE_COUNT];
    atomic_int profile; /* enum redact_profile */
    struct snap_cell rules;
    struct firewall *firewall;
    struct span_metrics *span_metrics;
    struct limiter *limiter;
};

/* One run. */
struct pass {
    struct redactor *redactor;
    struct firewall *firewall;
    struct span_metrics *span_metrics;
    struct limiter *limiter;
    const struct pipeline_options *opt;
    struct pipeline_rules *rules;
    struct batch *b;
    struct ingest_result *result;
    uint64_t counts[PIPELINE_REASON_COUNT];
    int64_t latest_ns;
    struct slice stream_before, stream_after, service; /* of the event before: streams come in runs */
    struct slice cut_from, cut_to; /* the last text that was cut: rows share those of their resource */
};

static const struct {
    const char *name;
    bool is_drop;
} reasons[PIPELINE_REASON_COUNT] = {
    [PIPELINE_SAMPLE_TIME] = { "sample_time", true },
    [PIPELINE_SERIES_LABELS] = { "series_labels", true },
    [PIPELINE_SERIES_OVER] = { "series_over_limit", true },
    [PIPELINE_TOO_OLD] = { "too_old", false },
    [PIPELINE_SPAN_TIME] = { "span_time", true },
    [PIPELINE_LOG_TIME] = { "log_time", false },
    [PIPELINE_EVENT_FIELDS] = { "event_fields", true },
    [PIPELINE_FIELD_NAME] = { "field_name", true },
    [PIPELINE_FIELD_CUT] = { "field_cut", false },
    [PIPELINE_BODY_CUT] = { "body_cut", false },
    [PIPELINE_SEVERITY_DETECTED] = { "severity_detected", false },
    [PIPELINE_SERVICE_FOUND] = { "service_found", false },
    [PIPELINE_SPAN_FOLDED] = { "span_metrics_folded", false },
    [PIPELINE_SPAN_UNCOUNTED] = { "span_metrics_uncounted", false },
    [PIPELINE_EDGE_UNPAIRED] = { "span_edge_unpaired", false },
    [PIPELINE_EDGE_DROPPED] = { "span_edge_dropped", false },
    [PIPELINE_EDGE_FOLDED] = { "span_edge_folded", false },
    [PIPELINE_EDGE_UNCOUNTED] = { "span_edge_uncounted", false },
    [PIPELINE_VERSION_UNCOUNTED] = { "version_uncounted", false },
};

/* ---- samples ---- */

static struct slice series_text(struct pass *p, struct slice labels)
{
    struct buf b;
    buf_init(&b, 0);
    labels_format(labels, &b);
    struct slice text = arena_copy(p->b->arena, utf8_cut(buf_as_slice(&b), SHOWN_BYTES));
    buf_free(&b);
    return text;
}

static bool series_is_fine(struct pass *p, const struct batch_series *s, int64_t latest_ms)
{
    if (p->opt->labels_max < LABELS_PER_SERIES_MAX && labels_count(s->labels) > p->opt->labels_max)
        return false;
    for (uint32_t i = 0; i < s->count; i++) {
        int64_t t_ms = p->b->samples[s->first + i].t_ms;
        if (t_ms < 0 || t_ms > latest_ms)
            return false;
    }
    return true;
}

/* Copies what may stay of a series down to the first free places. */
static void series_close_up(struct pass *p, const struct batch_series *s, int64_t latest_ms, size_t *series_kept, size_t *samples_kept)
{
    struct batch *b = p->b;
    struct err why;
    struct batch_series out = { .labels = s->labels, .first = (uint32_t)*samples_kept, .ref = s->ref };
    size_t count = labels_count(s->labels);
    uint64_t dropped = 0, dropped_histograms = 0;
    if (count > p->opt->labels_max) {
        err_set(&why, ST_LIMIT, "series %.*s has %zu labels, at most %u are allowed", SLICE_FMT(series_text(p, s->labels)), count,
                p->opt->labels_max);
        for (uint32_t i = 0; i < s->count; i++)
            ingest_withdraw(p->result, is_histogram(b->samples[s->first + i].v) ? INGEST_HISTOGRAMS : INGEST_SAMPLES, 1, &why);
        p->counts[PIPELINE_SERIES_LABELS]++;
        return;
    }
    for (uint32_t i = 0; i < s->count; i++) {
        struct sample sample = b->samples[s->first + i];
        if (sample.t_ms < 0 || sample.t_ms > latest_ms) {
            if (dropped++ == 0)
                err_set(&why, ST_INVALID, "series %.*s: time %lld ms lies %s", SLICE_FMT(series_text(p, s->labels)), (long long)sample.t_ms,
                        sample.t_ms < 0 ? "before 1970" : "further ahead of now than is allowed");
            dropped_histograms += is_histogram(sample.v);
            continue;
        }
        b->samples[(*samples_kept)++] = sample;
        out.count++;
    }
    if (dropped) {
        ingest_withdraw(p->result, INGEST_SAMPLES, dropped - dropped_histograms, &why);
        ingest_withdraw(p->result, INGEST_HISTOGRAMS, dropped_histograms, &why);
        p->counts[PIPELINE_SAMPLE_TIME] += dropped;
    }
    if (out.count)
        b->series[(*series_kept)++] = out;
}

static void stage_samples(struct pass *p)
{
    struct batch *b = p->b;
    int64_t latest_ms = p->latest_ns / NS_MS;
    size_t i = 0;
    while (i < b->series_count && series_is_fine(p, &b->series[i], latest_ms))
        i++;
    if (i == b->series_count)
        return;
    size_t series_kept = i, samples_kept = b->series[i].first;
    for (; i < b->series_count; i++) {
        struct batch_series s = b->series[i];
        series_close_up(p, &s, latest_ms, &series_kept, &samples_kept);
    }
    b->series_count = series_kept;
    b->sample_count = samples_kept;
}

/* ---- events ---- */

static struct slice cut_with_mark(struct pass *p, struct slice text, size_t bytes_max)
{
    struct slice kept = utf8_cut(text, bytes_max - EVENT_TRUNCATED_MARK_BYTES);
    char *copy = arena_alloc(p->b->arena, kept.len + EVENT_TRUNCATED_MARK_BYTES);
    memcpy(copy, kept.ptr, kept.len);
    memcpy(copy + kept.len, EVENT_TRUNCATED_MARK.ptr, EVENT_TRUNCATED_MARK_BYTES);
    return slice_of(copy, kept.len + EVENT_TRUNCATED_MARK_BYTES);
}

static enum ingest_kind kind_of(const struct event *e)
{
    return e->kind == EVENT_SPAN ? INGEST_SPANS : e->kind == EVENT_EXEMPLAR ? INGEST_EXEMPLARS : INGEST_LOGS;
}

static struct slice event_shown(const struct event *e)
{
    return utf8_cut(e->body, SHOWN_BYTES);
}

static bool field_is_long(const struct pass *p, const struct field *f)
{
    return f->type != FIELD_INT && f->type != FIELD_DOUBLE && f->type != FIELD_BOOL && f->text.len > p->opt->body_bytes_max;
}

/* Names that cannot be are left out, texts over the limit are cut. */
static void fields_limit(struct pass *p, const struct event *e, struct field *fields, uint32_t *count)
{
    uint32_t kept = 0;
    while (kept < *count && fields[kept].name.len - 1 < EVENT_FIELD_NAME_BYTES_MAX && !field_is_long(p, &fields[kept]))
        kept++;
    if (kept == *count)
        return;
    struct slice of = event_shown(e);
    struct err what;
    for (uint32_t i = kept; i < *count; i++) {
        struct field f = fields[i];
        struct slice name = utf8_cut(f.name, SHOWN_BYTES);
        if (f.name.len == 0 || f.name.len > EVENT_FIELD_NAME_BYTES_MAX) {
            ingest_warn(p->result, (err_set(&what, ST_LIMIT, "field \"%.*s...\" of \"%.*s\" is left out: its name has %zu bytes, 1 to %d are allowed",
                                            SLICE_FMT(name), SLICE_FMT(of), f.name.len, EVENT_FIELD_NAME_BYTES_MAX), &what));
            p->counts[PIPELINE_FIELD_NAME]++;
            continue;
        }
        if (field_is_long(p, &f)) {
            ingest_warn(p->result, (err_set(&what, ST_LIMIT, "field \"%.*s\" of \"%.*s\" is cut: it has %zu bytes, %u are kept", SLICE_FMT(name),
                                            SLICE_FMT(of), f.text.len, p->opt->body_bytes_max), &what));
            if (p->cut_from.ptr != f.text.ptr || p->cut_from.len != f.text.len) {
                p->cut_from = f.text;
                p->cut_to = f.type == FIELD_BYTES ? slice_sub(f.text, 0, p->opt->body_bytes_max) : cut_with_mark(p, f.text, p->opt->body_bytes_max);
            }
            f.text = p->cut_to;
            f.type = f.type == FIELD_JSON ? FIELD_STRING : f.type; /* cut JSON is none */
            p->counts[PIPELINE_FIELD_CUT]++;
        }
        fields[kept++] = f;
    }
    *count = kept;
}

/* Those of an event or link within a span: what is over the limit counts as dropped attributes. */
static struct field *inner_limit(struct pass *p, const struct event *e, struct field *fields, uint32_t *count)
{
    struct slice name = EVENT_DROPPED_ATTRIBUTES;
    uint32_t max = p->opt->fields_max - 1; /* room for the count */
    struct err what;
    if (*count > p->opt->fields_max) {
        struct field dropped = { .type = FIELD_INT, .name = name, .i = *count - max };
        ingest_warn(p->result, (err_set(&what, ST_LIMIT, "%u fields of an event or link of \"%.*s\", the first %u are kept", *count,
                                        SLICE_FMT(event_shown(e)), max), &what));
        p->counts[PIPELINE_FIELD_CUT] += *count - max;
        for (uint32_t i = max; i < *count; i++) /* its own count of them comes last */
            if (slice_eq(fields[i].name, name))
                dropped.i += fields[i].i - 1;
        struct field *kept = arena_array(p->b->arena, struct field, max + 1);
        memcpy(kept, fields, max * sizeof *kept);
        kept[max] = dropped;
        fields = kept;
        *count = max + 1;
    }
    fields_limit(p, e, fields, count);
    return fields;
}

/* False when the event must go. */
static bool event_limit(struct pass *p, struct event *e)
{
    struct err why;
    if (e->field_count > p->opt->fields_max) {
        err_set(&why, ST_LIMIT, "record \"%.*s\" has %u fields, at most %u are allowed", SLICE_FMT(event_shown(e)), e->field_count,
                p->opt->fields_max);
        ingest_withdraw(p->result, kind_of(e), 1, &why);
        p->counts[PIPELINE_EVENT_FIELDS]++;
        return false;
    }
    if (e->body.len > p->opt->body_bytes_max) {
        ingest_warn(p->result, (err_set(&why, ST_LIMIT, "line \"%.*s...\" is cut: it has %zu bytes, %u are kept", SLICE_FMT(event_shown(e)),
                                        e->body.len, p->opt->body_bytes_max), &why));
        e->body = cut_with_mark(p, e->body, p->opt->body_bytes_max);
        p->counts[PIPELINE_BODY_CUT]++;
    }
    fields_limit(p, e, e->fields, &e->field_count);
    for (uint32_t i = 0; i < e->event_count; i++)
        e->events[i].fields = inner_limit(p, e, e->events[i].fields, &e->events[i].field_count);
    for (uint32_t i = 0; i < e->link_count; i++)
        e->links[i].fields = inner_limit(p, e, e->links[i].fields, &e->links[i].field_count);
    return true;
}

/* A log line with a broken clock is still worth having; a span at a wrong time would tear its trace. */
static bool event_time(struct pass *p, struct event *e)
{
    struct err why;
    if (e->time_ns >= 0 && e->time_ns <= p->latest_ns)
        return true;
    const char *where = e->time_ns < 0 ? "before 1970" : "further ahead of now than is allowed";
    if (e->kind == EVENT_SPAN) {
        err_set(&why, ST_INVALID, "span \"%.*s\": start %lld ns lies %s", SLICE_FMT(event_shown(e)), (long long)e->time_ns, where);
        ingest_withdraw(p->result, INGEST_SPANS, 1, &why);
        p->counts[PIPELINE_SPAN_TIME]++;
        return false;
    }
    ingest_warn(p->result, (err_set(&why, ST_INVALID, "line \"%.*s\": time %lld ns lies %s; the time of arrival is taken", SLICE_FMT(event_shown(e)),
                                    (long long)e->time_ns, where), &why));
    e->time_ns = p->b->received_ns;
    p->counts[PIPELINE_LOG_TIME]++;
    return true;
}

/* Both drop events, so they share the closing up. */
static void stage_events(struct pass *p)
{
    struct batch *b = p->b;
    size_t kept = 0;
    for (size_t i = 0; i < b->event_count; i++) {
        struct event *e = &b->events[i];
        if (!event_limit(p, e) || !event_time(p, e))
            continue;
        if (kept != i)
            b->events[kept] = *e;
        kept++;
    }
    b->event_count = kept;
}

/* ---- what rows tell about themselves ---- */

static void service_find(struct pass *p, struct event *e)
{
    struct slice service = service_of_labels(e->stream);
    const struct field *f = service.len ? NULL : event_field(e, SLICE("service.name"));
    struct label label = { SLICE("service_name"), f ? field_text(p->b->arena, f) : service };
    struct slice checked;
    if (label.value.len == 0 || labels_build(p->b->arena, &label, 1, &checked, NULL))
        label.value = SLICE("unknown_service");
    /* Only a service told by the stream holds for the next event of it, too. */
    p->stream_before = service.len ? e->stream : SLICE_EMPTY;
    p->stream_after = labels_get(e->stream, label.name).len ? e->stream : labels_with(p->b->arena, e->stream, label.name, label.value);
    p->service = label.value;
}

/* service and the stream's service_name: given by most decoders, found here for the others. */
static void event_service(struct pass *p, struct event *e)
{
    if (e->service.len && labels_get(e->stream, SLICE("service_name")).len)
        return;
    bool same = e->service.len == 0 && p->stream_before.ptr == e->stream.ptr && p->stream_before.len == e->stream.len && e->stream.len;
    if (e->service.len) {
        e->stream = labels_with(p->b->arena, e->stream, SLICE("service_name"), utf8_cut(e->service, LABEL_VALUE_BYTES_MAX));
        return;
    }
    if (!same)
        service_find(p, e);
    e->service = p->service;
    e->stream = p->stream_after;
    p->counts[PIPELINE_SERVICE_FOUND]++;
}

static void stage_enrich(struct pass *p)
{
    for (size_t i = 0; i < p->b->event_count; i++) {
        struct event *e = &p->b->events[i];
        if (e->kind == EVENT_EXEMPLAR)
            continue; /* its stream is a series' labels, to the letter */
        event_service(p, e);
        if (e->kind != EVENT_LOG || e->severity != SEVERITY_UNKNOWN)
            continue;
        e->severity = severity_detect(e->body);
        p->counts[PIPELINE_SEVERITY_DETECTED] += e->severity != SEVERITY_UNKNOWN;
    }
}

/* Before spans are sampled: all of them count. */
static void stage_span_metrics(struct pass *p)
{
    struct span_metrics_result r;
    span_metrics_take(p->span_metrics, p->b, &r);
    p->counts[PIPELINE_SPAN_FOLDED] += r.folded;
    p->counts[PIPELINE_SPAN_UNCOUNTED] += r.left_out;
}

/* What a rule drops was taken in all the same: the sender is told of no error. */
static void stage_sample(struct pass *p)
{
    size_t kept = 0;
    if (p->rules->samples->count == 0)
        return;
    for (size_t i = 0; i < p->b->event_count; i++) {
        if (!sample_event(p->rules->samples, &p->b->events[i]))
            continue;
        if (kept != i)
            p->b->events[kept] = p->b->events[i];
        kept++;
    }
    p->b->event_count = kept;
}

static void stage_limit(struct pass *p)
{
    limiter_run(p->limiter, p->rules->samples, p->b);
}

static void stage_class(struct pass *p)
{
    if (p->rules->classes->count == 0)
        return;
    struct arena *scratch = arena_new(0);
    for (size_t i = 0; i < p->b->event_count; i++) {
        p->b->events[i].class = class_of_event(p->rules->classes, &p->b->events[i], scratch);
        arena_reset(scratch);
    }
    arena_free(scratch);
}

static int64_t kept_ns(const struct pass *p, uint16_t class, bool is_sample)
{
    const struct class_config *c = p->rules->classes;
    for (size_t i = 0; i < c->count; i++)
        if (is_sample ? c->list[i].kind == CLASS_METRICS : class && c->list[i].id == class)
            return c->list[i].retention_ns;
    return p->rules->retention_ns;
}

/* Old rows are taken, so that no client sends them for ever, but the sender is told what will become of them. A whole day is dropped
 * at once, so only what is older by a day is surely over. */
static void stage_age(struct pass *p)
{
    uint64_t old = 0;
    int64_t received_ns = p->b->received_ns, kept = kept_ns(p, 0, true), horizon_ms = sat_sub(received_ns, sat_add(kept, DAY_S * NS_S)) / NS_MS;
    if (p->rules->retention_ns == 0 || received_ns == 0)
        return;
    for (size_t i = 0; i < p->b->sample_count; i++)
        old += p->b->samples[i].t_ms < horizon_ms;
    for (size_t i = 0; i < p->b->event_count; i++) {
        const struct event *e = &p->b->events[i];
        int64_t of_class = kept_ns(p, e->class, false);
        bool is_old = e->time_ns < sat_sub(received_ns, sat_add(of_class, DAY_S * NS_S));
        old += is_old;
        kept = is_old ? of_class : kept;
    }
    if (old == 0)
        return;
    struct err what;
    char days[DURATION_TEXT_BYTES_MAX];
    size_t n = duration_format_prom(kept / NS_MS, days);
    err_set(&what, ST_INVALID, "%llu rows are older than the %.*s that such rows are kept: they are dropped again at the next flush",
            (unsigned long long)old, (int)n, days);
    p->counts[PIPELINE_TOO_OLD] += old;
    ingest_warn(p->result, &what);
}

static void stage_redact(struct pass *p)
{
    redact_batch(p->redactor, p->b);
}

/* One hash of each label set for all stages that remember label sets. */
static void stage_hash(struct pass *p)
{
    for (size_t i = 0; i < p->b->series_count; i++)
        p->b->series[i].ref = firewall_hash(p->firewall, p->b->series[i].labels);
}

static void stage_firewall(struct pass *p)
{
    p->counts[PIPELINE_SERIES_OVER] += firewall_batch(p->firewall, p->b, p->result);
}

/* Redaction goes first: what a later stage cuts, keeps or tells of a row holds no secret any more. */
static void (*const stages[])(struct pass *p) = { stage_hash, stage_redact, stage_samples, stage_firewall,
                                                 stage_events, stage_enrich, stage_span_metrics, stage_sample, stage_limit, stage_class, stage_age };

/* ---- the pipeline ---- */

struct pipeline_options pipeline_options_default(void)
{
    return (struct pipeline_options){ .future_ns_max = DAY_S * NS_S, .labels_max = LABELS_PER_SERIES_MAX, .body_bytes_max = EVENT_BODY_BYTES_MAX,
                                      .fields_max = EVENT_FIELDS_MAX };
}

static uint32_t at_most(uint32_t value, uint32_t max)
{
    return value == 0 ? max : MIN(value, max);
}

struct pipeline *pipeline_new(const struct pipeline_options *opt)
{
    struct pipeline *p = mem_new(struct pipeline);
    p->opt = opt ? *opt : pipeline_options_default();
    if (p->opt.future_ns_max <= 0)
        p->opt.future_ns_max = pipeline_options_default().future_ns_max;
    p->opt.labels_max = at_most(p->opt.labels_max, LABELS_PER_SERIES_MAX);
    p->opt.body_bytes_max = MAX(at_most(p->opt.body_bytes_max, EVENT_BODY_BYTES_MAX), 4 * EVENT_TRUNCATED_MARK_BYTES);
    p->opt.fields_max = at_most(p->opt.fields_max, EVENT_FIELDS_MAX);
    for (size_t i = 0; i < REDACT_PROFILE_COUNT; i++)
        p->redactors[i] = redactor_new((enum redact_profile)i);
    p->firewall = firewall_new();
    p->span_metrics = span_metrics_new();
    p->limiter = limiter_new();
    firewall_set_redactor(p->firewall, p->redactors[REDACT_DEFAULT]);
    mutex_init(&p->rules.lock);
    snap_publish(&p->rules, &pipeline_rules_new(NULL, NULL)->snap);
    return p;
}

void pipeline_free(struct pipeline *p)
{
    for (size_t i = 0; p && i < REDACT_PROFILE_COUNT; i++)
        redactor_free(p->redactors[i]);
    if (p) {
        firewall_free(p->firewall);
        span_metrics_free(p->span_metrics);
        limiter_free(p->limiter);
        snap_drop(p->rules.value);
        mutex_destroy(&p->rules.lock);
    }
    mem_free(p);
}

void pipeline_set_redaction(struct pipeline *p, enum redact_profile profile)
{
    atomic_store_explicit(&p->profile, profile, memory_order_relaxed);
    firewall_set_redactor(p->firewall, p->redactors[profile]);
}

void pipeline_set_rules(struct pipeline *p, struct pipeline_rules *rules)
{
    struct pipeline_rules *before = pipeline_rules_take(p);
    sample_config_continue(rules->samples, before->samples);
    snap_drop(&before->snap);
    snap_publish(&p->rules, &rules->snap);
}

struct pipeline_rules *pipeline_rules_take(struct pipeline *p)
{
    return (struct pipeline_rules *)snap_get(&p->rules);
}

struct firewall *pipeline_firewall(const struct pipeline *p)
{
    return p->firewall;
}

struct span_metrics *pipeline_span_metrics(const struct pipeline *p)
{
    return p->span_metrics;
}

enum redact_profile pipeline_redaction(const struct pipeline *p)
{
    return (enum redact_profile)atomic_load_explicit(&p->profile, memory_order_relaxed);
}

uint64_t pipeline_redacted(const struct pipeline *p, enum redact_detector detector)
{
    uint64_t n = 0;
    for (size_t i = 0; i < REDACT_PROFILE_COUNT; i++)
        n += redact_count(p->redactors[i], detector);
    return n;
}

enum status pipeline_run(struct pipeline *p, struct batch *b, struct ingest_result *result, struct err *err)
{
    struct pass pass = { .redactor = p->redactors[pipeline_redaction(p)], .firewall = p->firewall, .span_metrics = p->span_metrics,
                         .limiter = p->limiter, .opt = &p->opt, .b = b, .result = result,
                         .stream_before = SLICE_EMPTY, .stream_after = SLICE_EMPTY, .service = SLICE_EMPTY };
    pass.latest_ns = b->received_ns > INT64_MAX - p->opt.future_ns_max ? INT64_MAX : b->received_ns + p->opt.future_ns_max;
    pass.rules = pipeline_rules_take(p);
    for (size_t i = 0; i < COUNT_OF(stages); i++)
        stages[i](&pass);
    snap_drop(&pass.rules->snap);
    for (size_t i = 0; i < PIPELINE_REASON_COUNT; i++)
        if (pass.counts[i])
            atomic_fetch_add_explicit(&p->counts[i], pass.counts[i], memory_order_relaxed);
    if (arena_over(b->arena))
        return err_set(err, ST_LIMIT, "the request needs over %zu bytes of memory; send it in parts", arena_bytes_max(b->arena));
    return ST_OK;
}

const char *pipeline_reason_name(enum pipeline_reason reason)
{
    return reasons[reason].name;
}

bool pipeline_reason_is_drop(enum pipeline_reason reason)
{
    return reasons[reason].is_drop;
}

uint64_t pipeline_count(const struct pipeline *p, enum pipeline_reason reason)
{
    if (reason >= PIPELINE_EDGE_UNPAIRED && reason <= PIPELINE_VERSION_UNCOUNTED)
        return span_metrics_lost(p->span_metrics, (enum span_metrics_loss)(SPAN_EDGE_UNPAIRED + (reason - PIPELINE_EDGE_UNPAIRED)));
    return atomic_load_explicit(&p->counts[reason], memory_order_relaxed);
}
