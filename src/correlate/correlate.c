/* SPDX-License-Identifier: Apache-2.0 */
/* Five scans, each bounded: lines that have the id as a field, lines whose text has it, spans, exemplars, series. Then what
 * they tell of traces: one scan for the traces' spans, one each for lines and exemplars that name these traces.
 *
 * (1) A scan is asked for one row more than is kept: that row tells that there are more.
 * (2) Which fields may hold an id nobody knows before, so the fields there are in the window are asked by name; blocks whose
 *     filter lacks the id are not read.
 * (3) A row found twice counts as found the better way: by field, then by text, then by trace. */
#include "correlate/correlate.h"

#include <stdlib.h>

#include "base/num.h"
#include "codec/hex.h"
#include "correlate/form.h"
#include "model/body_field.h"
#include "model/exemplar.h"

enum { TRACE_SLACK_MINUTES = 60, TRACE_DIGITS = 32 };

struct search {
    struct query_env *env;
    const struct correlate_query *q;
    struct correlate_result *out;
    struct form_ids ids;
    struct arena *scratch; /* predicates and names */
    size_t log_cap, exemplar_cap, series_cap;
};

/* ---- predicates ---- */

struct pred_list {
    struct arena *a;
    struct pred **kids;
    size_t count, cap;
};

static struct pred *leaf(struct pred_list *l, enum pred_op op, enum event_column column, struct slice text)
{
    struct pred *p = arena_new_of(l->a, struct pred);
    *p = (struct pred){ .op = op, .column = column, .scope = -1, .type = FIELD_STRING, .name = SLICE_EMPTY, .text = text };
    ARENA_PUSH(l->a, l->kids, l->count, l->cap) = p;
    return p;
}

static void add_fields(struct pred_list *l, enum event_column column, const struct name_hit *names, size_t count, const struct slice *forms,
                       size_t form_count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < form_count; k++)
            leaf(l, PRED_EQ, column, forms[k])->name = names[i].value;
}

static struct pred *any_of(struct pred_list *l)
{
    struct pred *p = arena_new_of(l->a, struct pred);
    *p = (struct pred){ .op = PRED_OR, .kids = l->kids, .kid_count = l->count, .name = SLICE_EMPTY, .text = SLICE_EMPTY };
    return p;
}

static void add_ids(struct search *s, struct pred_list *l)
{
    if (s->ids.has_trace)
        leaf(l, PRED_EQ, COL_TRACE_ID, slice_of(s->ids.trace, sizeof s->ids.trace));
    if (s->ids.has_span) {
        leaf(l, PRED_EQ, COL_SPAN_ID, slice_of(s->ids.span, sizeof s->ids.span));
        leaf(l, PRED_EQ, COL_PARENT_ID, slice_of(s->ids.span, sizeof s->ids.span));
    }
}

/* (2) */
static enum status add_names(struct search *s, struct pred_list *l, uint32_t kinds, enum names_what what, enum event_column column, struct err *err)
{
    struct names_query nq = { .what = what, .name = SLICE_EMPTY, .start_ns = s->q->start_ns, .end_ns = s->q->end_ns, .kinds = kinds,
                              .limit = CORRELATE_FIELDS_MAX + 1 };
    struct name_hit *names;
    size_t count;
    enum status st = s->env->engine->ops->names(s->env->engine, s->env->ctx, &nq, s->scratch, &names, &count, err);
    if (st)
        return st;
    if (count > CORRELATE_FIELDS_MAX)
        buf_printf(&s->out->notes, "only %d of the fields' names were looked at\n", CORRELATE_FIELDS_MAX);
    add_fields(l, column, names, MIN(count, (size_t)CORRELATE_FIELDS_MAX), s->out->forms, s->out->form_count);
    return ST_OK;
}

/* ---- scanning ---- */

static struct field *copy_fields(struct arena *a, const struct field *from, uint32_t count)
{
    struct field *to = arena_array(a, struct field, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        to[i] = from[i];
        to[i].name = arena_copy(a, from[i].name);
        to[i].text = arena_copy(a, from[i].text);
    }
    return to;
}

static struct event copy_event(struct arena *a, const struct event *from)
{
    struct event e = *from;
    e.stream = arena_copy(a, from->stream);
    e.service = arena_copy(a, from->service);
    e.body = arena_copy(a, from->body);
    e.fields = copy_fields(a, from->fields, from->field_count);
    e.trace_state = e.status_message = SLICE_EMPTY;
    e.events = NULL;
    e.links = NULL;
    e.event_count = e.link_count = 0;
    return e;
}

/* Calls each for rows in order until it says no. */
static enum status scan(struct query_env *env, const struct events_query *eq, bool (*each)(void *arg, const struct event *e), void *arg,
                        struct err *err)
{
    struct events_iter *it;
    struct event_block block;
    unsigned did;
    bool goes_on = true;
    enum status st = env->engine->ops->events(env->engine, env->ctx, eq, &it, &did, err);
    if (st)
        return st;
    while (goes_on && (st = it->ops->next(it, &block, err)) == ST_OK && (st = engine_ctx_check(env->ctx, err)) == ST_OK)
        for (size_t i = 0; goes_on && i < block.n; i++)
            goes_on = each(arg, &block.rows[i]);
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static struct events_query query_of(const struct search *s, enum event_kind kind, const struct pred *pred, unsigned want, size_t limit)
{
    return (struct events_query){ .start_ns = s->q->start_ns, .end_ns = s->q->end_ns, .kinds = 1u << kind, .pred = pred, .want = want,
                                  .order = ORDER_TIME_DESC, .limit = limit };
}

/* ---- log lines ---- */

struct log_scan {
    struct search *s;
    enum correlate_match match;
};

/* The line is JSON or logfmt and has the id under one of the usual names. */
static bool is_field_of_body(struct search *s, struct slice body)
{
    for (size_t i = 0; i < s->q->label_count; i++)
        for (size_t k = 0; k < s->out->form_count; k++)
            if (body_field_is(body, s->q->labels[i], s->out->forms[k], s->scratch))
                return true;
    return false;
}

static bool on_log(void *arg, const struct event *e)
{
    struct log_scan *scan = arg;
    struct search *s = scan->s;
    struct correlate_result *out = s->out;
    for (size_t i = 0; i < out->log_count; i++) /* (3) */
        if (out->logs[i].event.seq == e->seq && out->logs[i].event.time_ns == e->time_ns)
            return true;
    if (out->log_count == s->q->logs_max) { /* (1) */
        buf_printf(&out->notes, "there are more than %zu log lines; the newest are shown, those that have the id as a field first\n", s->q->logs_max);
        return false;
    }
    enum correlate_match match = scan->match == CORRELATE_BY_TEXT && is_field_of_body(s, e->body) ? CORRELATE_BY_FIELD : scan->match;
    ARENA_PUSH(s->env->result, out->logs, out->log_count, s->log_cap) = (struct correlate_log){ copy_event(s->env->result, e), match };
    return true;
}

static enum status logs_by(struct search *s, struct pred_list *l, enum correlate_match match, struct err *err)
{
    struct log_scan scan_of = { s, match };
    if (l->count == 0)
        return ST_OK;
    struct events_query eq = query_of(s, EVENT_LOG, any_of(l), WANT_STREAM | WANT_BODY | WANT_FIELDS | WANT_IDS,
                                      s->q->logs_max + s->out->log_count + 1);
    return scan(s->env, &eq, on_log, &scan_of, err);
}

static enum status find_logs(struct search *s, struct err *err)
{
    struct pred_list exact = { .a = s->scratch }, text = { .a = s->scratch };
    add_ids(s, &exact);
    enum status st = add_names(s, &exact, 1u << EVENT_LOG, NAMES_FIELDS, COL_FIELD, err);
    if (!st)
        st = add_names(s, &exact, 1u << EVENT_LOG, NAMES_STREAM_LABELS, COL_STREAM, err);
    if (!st)
        st = logs_by(s, &exact, CORRELATE_BY_FIELD, err);
    for (size_t i = 0; i < s->out->form_count; i++)
        leaf(&text, PRED_CONTAINS, COL_BODY, s->out->forms[i]);
    return st ? st : logs_by(s, &text, CORRELATE_BY_TEXT, err);
}

/* ---- exemplars ---- */

struct exemplar_scan {
    struct query_env *env;
    struct event *list;
    size_t count, cap, max;
    bool over;
};

static bool on_exemplar(void *arg, const struct event *e)
{
    struct exemplar_scan *x = arg;
    for (size_t i = x->count; i-- > 0 && x->list[i].time_ns == e->time_ns;)
        if (exemplar_equal(&x->list[i], e))
            return true;
    x->over = x->count == x->max;
    if (!x->over)
        ARENA_PUSH(x->env->result, x->list, x->count, x->cap) = copy_event(x->env->result, e);
    return !x->over;
}

static int by_time(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    int order = labels_cmp(x->stream, y->stream);
    return order ? order : (x->seq > y->seq) - (x->seq < y->seq);
}

static enum status exemplars_by(struct search *s, struct pred_list *l, struct err *err)
{
    struct correlate_result *out = s->out;
    struct exemplar_scan x = { .env = s->env, .max = CORRELATE_EXEMPLARS_MAX };
    if (l->count == 0)
        return ST_OK;
    struct events_query eq = query_of(s, EVENT_EXEMPLAR, any_of(l), WANT_STREAM | WANT_FIELDS | WANT_IDS, 0);
    enum status st = scan(s->env, &eq, on_exemplar, &x, err);
    for (size_t i = 0; !st && i < x.count; i++) {
        bool is_known = false;
        for (size_t k = 0; k < out->exemplar_count && !is_known; k++)
            is_known = exemplar_equal(&out->exemplars[k], &x.list[i]);
        x.over |= !is_known && out->exemplar_count == CORRELATE_EXEMPLARS_MAX;
        if (!is_known && out->exemplar_count < CORRELATE_EXEMPLARS_MAX)
            ARENA_PUSH(s->env->result, out->exemplars, out->exemplar_count, s->exemplar_cap) = x.list[i];
    }
    if (!st && x.over)
        buf_printf(&out->notes, "there are more than %d exemplars; the newest are shown\n", CORRELATE_EXEMPLARS_MAX);
    return st;
}

static enum status find_exemplars(struct search *s, struct err *err)
{
    struct pred_list l = { .a = s->scratch };
    add_ids(s, &l);
    enum status st = add_names(s, &l, 1u << EVENT_EXEMPLAR, NAMES_FIELDS, COL_FIELD, err);
    return st ? st : exemplars_by(s, &l, err);
}

enum status correlate_exemplars(struct query_env *env, const struct matcher *matchers, size_t count, int64_t start_ns, int64_t end_ns, size_t max,
                                struct event **out, size_t *found, struct err *err)
{
    struct exemplar_scan x = { .env = env, .max = max };
    struct arena *scratch = arena_new(0);
    struct pred_list l = { .a = scratch };
    for (size_t i = 0; i < count; i++)
        if (matchers[i].op == MATCH_EQ || matchers[i].op == MATCH_NE)
            leaf(&l, matchers[i].op == MATCH_EQ ? PRED_EQ : PRED_NE, COL_STREAM, matchers[i].value)->name = matchers[i].name;
    struct pred *all = any_of(&l);
    all->op = PRED_AND;
    struct events_query eq = { .start_ns = start_ns, .end_ns = end_ns, .kinds = 1u << EVENT_EXEMPLAR, .pred = l.count ? all : NULL,
                               .want = WANT_STREAM | WANT_FIELDS | WANT_IDS, .order = ORDER_TIME_ASC };
    struct events_iter *it;
    struct event_block block;
    unsigned did;
    enum status st = env->engine->ops->events(env->engine, env->ctx, &eq, &it, &did, err);
    if (!st) {
        while (!x.over && (st = it->ops->next(it, &block, err)) == ST_OK && (st = engine_ctx_check(env->ctx, err)) == ST_OK)
            for (size_t i = 0; !x.over && i < block.n; i++)
                if (matchers_match(matchers, count, block.rows[i].stream))
                    (void)on_exemplar(&x, &block.rows[i]);
        it->ops->close(it);
    }
    arena_free(scratch);
    if (st && st != ST_NOT_FOUND)
        return st;
    if (x.over)
        return err_set(err, ST_LIMIT, "there are more than %zu exemplars; ask for a shorter time or fewer series", max);
    *out = x.list;
    *found = x.count;
    return ST_OK;
}

/* ---- series ---- */

static enum status series_of_label(struct search *s, struct slice name, struct slice value, struct err *err)
{
    struct matcher m;
    struct samples_iter *it;
    struct series_samples found;
    struct correlate_result *out = s->out;
    enum status st = matcher_init(&m, MATCH_EQ, name, value, err);
    if (st)
        return st;
    struct samples_query sq = { .start_ms = s->q->start_ns / NS_MS - 1, .end_ms = s->q->end_ns / NS_MS, .matchers = &m, .matcher_count = 1,
                                .mode = SAMPLES_RAW };
    st = s->env->engine->ops->samples(s->env->engine, s->env->ctx, &sq, &it, err);
    if (!st) {
        while ((st = it->ops->next(it, &found, err)) == ST_OK) {
            size_t last = found.n;
            while (last > 0 && is_stale(found.v[last - 1]))
                last--;
            if (last == 0)
                continue;
            if (out->series_count == CORRELATE_SERIES_MAX) {
                buf_printf(&out->notes, "there are more than %d series with the id as a label\n", CORRELATE_SERIES_MAX);
                break;
            }
            ARENA_PUSH(s->env->result, out->series, out->series_count, s->series_cap) =
                (struct correlate_series){ arena_copy(s->env->result, found.labels), found.t_ms[last - 1], found.v[last - 1] };
        }
        it->ops->close(it);
    }
    matcher_destroy(&m);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* Ids that were not folded: pushed, or with folding off. */
static enum status find_series(struct search *s, struct err *err)
{
    enum status st = ST_OK;
    for (size_t i = 0; !st && i < s->q->label_count; i++)
        for (size_t k = 0; !st && k < s->out->form_count; k++)
            st = series_of_label(s, s->q->labels[i], s->out->forms[k], err);
    return st;
}

/* ---- traces ---- */

static struct correlate_trace *trace_put(struct search *s, const uint8_t id[16])
{
    static const uint8_t none[16];
    struct correlate_result *out = s->out;
    if (memcmp(id, none, sizeof none) == 0)
        return NULL;
    for (size_t i = 0; i < out->trace_count; i++)
        if (memcmp(out->traces[i].id, id, sizeof none) == 0)
            return &out->traces[i];
    if (out->trace_count == CORRELATE_TRACES_MAX) {
        if (!slice_contains(buf_as_slice(&out->notes), SLICE(" traces;")))
            buf_printf(&out->notes, "there are more than %d traces; the first found are shown\n", CORRELATE_TRACES_MAX);
        return NULL;
    }
    struct correlate_trace *t = &out->traces[out->trace_count++];
    *t = (struct correlate_trace){ .service = SLICE_EMPTY, .name = SLICE_EMPTY };
    memcpy(t->id, id, sizeof t->id);
    return t;
}

/* The server's spans of its own queries hold what was asked: looking for an id must not make traces of that id. */
static bool is_own_look_up(const struct search *s, const struct event *e)
{
    bool is_named = (s->ids.has_trace && memcmp(e->trace_id, s->ids.trace, sizeof e->trace_id) == 0) ||
                    (s->ids.has_span && (memcmp(e->span_id, s->ids.span, sizeof e->span_id) == 0 ||
                                         memcmp(e->parent_id, s->ids.span, sizeof e->parent_id) == 0));
    return !is_named && event_field(e, SLICE("stoa.dialect")) != NULL;
}

static bool on_span_with_id(void *arg, const struct event *e)
{
    struct correlate_trace *t = is_own_look_up(arg, e) ? NULL : trace_put(arg, e->trace_id);
    if (t)
        t->by_span = true;
    return true;
}

/* Names that programs give the trace's id in fields and in lines. */
static const struct slice trace_names[] = { SLICE_INIT("trace_id"), SLICE_INIT("traceID"), SLICE_INIT("traceId"), SLICE_INIT("trace.id"),
                                            SLICE_INIT("otelTraceID"), SLICE_INIT("dd.trace_id") };

static void trace_of_text(struct search *s, struct slice text)
{
    uint8_t id[TRACE_DIGITS / 2];
    if (text.len == TRACE_DIGITS && hex_decode(text, id))
        (void)trace_put(s, id);
}

static void traces_of_log(struct search *s, const struct event *e)
{
    (void)trace_put(s, e->trace_id);
    for (size_t i = 0; i < COUNT_OF(trace_names); i++) {
        const struct field *f = event_field(e, trace_names[i]);
        struct slice value;
        size_t from = 0;
        if (f)
            trace_of_text(s, field_text(s->scratch, f));
        if (body_field_next(e->body, trace_names[i], &from, s->scratch, &value))
            trace_of_text(s, value);
    }
}

static bool on_span_of_trace(void *arg, const struct event *e)
{
    static const uint8_t none[sizeof e->parent_id];
    struct search *s = arg;
    for (size_t i = 0; i < s->out->trace_count; i++) {
        struct correlate_trace *t = &s->out->traces[i];
        if (memcmp(t->id, e->trace_id, sizeof t->id) != 0)
            continue;
        bool is_root = memcmp(e->parent_id, none, sizeof none) == 0;
        if (t->spans == 0 || (is_root && !t->has_root)) {
            t->service = arena_copy(s->env->result, e->service);
            t->name = arena_copy(s->env->result, e->body);
            t->has_root = is_root;
        }
        t->start_ns = t->spans ? MIN(t->start_ns, e->time_ns) : e->time_ns;
        t->end_ns = t->spans ? MAX(t->end_ns, sat_add(e->time_ns, e->duration_ns)) : sat_add(e->time_ns, e->duration_ns);
        t->errors += e->span_status == 2;
        t->spans++;
    }
    return true;
}

static int by_start(const void *a, const void *b)
{
    const struct correlate_trace *x = a, *y = b;
    return x->start_ns < y->start_ns ? -1 : x->start_ns > y->start_ns;
}

/* Traces named by a line but not kept here (sampled away, or another system's) are left out. */
static enum status read_traces(struct search *s, struct err *err)
{
    struct correlate_result *out = s->out;
    struct pred_list l = { .a = s->scratch };
    size_t kept = 0;
    for (size_t i = 0; i < out->trace_count; i++)
        leaf(&l, PRED_EQ, COL_TRACE_ID, slice_of(out->traces[i].id, sizeof out->traces[i].id));
    if (l.count == 0)
        return ST_OK;
    struct events_query eq = query_of(s, EVENT_SPAN, any_of(&l), WANT_BODY | WANT_IDS, CORRELATE_SPANS_MAX);
    eq.order = ORDER_TIME_ASC;
    eq.start_ns = sat_sub(eq.start_ns, (int64_t)TRACE_SLACK_MINUTES * 60 * NS_S);
    eq.end_ns = sat_add(eq.end_ns, (int64_t)TRACE_SLACK_MINUTES * 60 * NS_S);
    enum status st = scan(s->env, &eq, on_span_of_trace, s, err);
    size_t spans = 0;
    for (size_t i = 0; i < out->trace_count; i++) {
        spans += out->traces[i].spans;
        if (out->traces[i].spans)
            out->traces[kept++] = out->traces[i];
    }
    out->trace_count = kept;
    if (spans == CORRELATE_SPANS_MAX)
        buf_printf(&out->notes, "only %d spans of the traces were looked at\n", CORRELATE_SPANS_MAX);
    qsort(out->traces, kept, sizeof *out->traces, by_start);
    return st;
}

static enum status find_traces(struct search *s, struct err *err)
{
    struct pred_list l = { .a = s->scratch };
    s->out->traces = arena_array(s->env->result, struct correlate_trace, CORRELATE_TRACES_MAX);
    add_ids(s, &l);
    enum status st = add_names(s, &l, 1u << EVENT_SPAN, NAMES_FIELDS, COL_FIELD, err);
    struct events_query eq = query_of(s, EVENT_SPAN, any_of(&l), WANT_IDS | WANT_FIELDS, CORRELATE_SPANS_MAX);
    if (!st && l.count)
        st = scan(s->env, &eq, on_span_with_id, s, err);
    for (size_t i = 0; !st && i < s->out->log_count; i++)
        traces_of_log(s, &s->out->logs[i].event);
    for (size_t i = 0; !st && i < s->out->exemplar_count; i++)
        (void)trace_put(s, s->out->exemplars[i].trace_id);
    return st;
}

/* From the traces back to the lines and exemplars that name them. */
static enum status follow_traces(struct search *s, struct err *err)
{
    struct pred_list logs = { .a = s->scratch }, exemplars = { .a = s->scratch };
    for (size_t i = 0; i < s->out->trace_count; i++) {
        const struct correlate_trace *t = &s->out->traces[i];
        char *text = arena_alloc(s->scratch, TRACE_DIGITS);
        struct slice id = slice_of(t->id, sizeof t->id), digits = slice_of(text, TRACE_DIGITS);
        if (s->ids.has_trace && memcmp(t->id, s->ids.trace, sizeof t->id) == 0)
            continue; /* what names it was found already */
        hex_encode(id, text);
        leaf(&logs, PRED_EQ, COL_TRACE_ID, id);
        leaf(&exemplars, PRED_EQ, COL_TRACE_ID, id);
        leaf(&logs, PRED_CONTAINS, COL_BODY, digits);
        for (size_t k = 0; k < COUNT_OF(trace_names); k++)
            leaf(&logs, PRED_EQ, COL_FIELD, digits)->name = trace_names[k];
    }
    enum status st = logs_by(s, &logs, CORRELATE_BY_TRACE, err);
    return st ? st : exemplars_by(s, &exemplars, err);
}

/* ---- the whole ---- */

static int logs_by_time(const void *a, const void *b)
{
    return by_time(&((const struct correlate_log *)a)->event, &((const struct correlate_log *)b)->event);
}

enum status correlate_run(struct query_env *env, const struct correlate_query *q, struct correlate_result *out, struct err *err)
{
    struct search s = { .env = env, .q = q, .out = out };
    *out = (struct correlate_result){ 0 };
    buf_init(&out->notes, 0);
    s.scratch = arena_new(0);
    enum status st = form_read(env->result, q->id, out, &s.ids, err);
    if (!st)
        st = find_logs(&s, err);
    if (!st)
        st = find_exemplars(&s, err);
    if (!st)
        st = find_series(&s, err);
    if (!st)
        st = find_traces(&s, err);
    if (!st)
        st = read_traces(&s, err);
    if (!st)
        st = follow_traces(&s, err);
    arena_free(s.scratch);
    if (st) {
        correlate_free(out);
        return st;
    }
    if (out->log_count)
        qsort(out->logs, out->log_count, sizeof *out->logs, logs_by_time);
    if (out->exemplar_count)
        qsort(out->exemplars, out->exemplar_count, sizeof *out->exemplars, by_time);
    return ST_OK;
}

void correlate_free(struct correlate_result *r)
{
    buf_free(&r->notes);
}

const char *correlate_match_name(enum correlate_match m)
{
    static const char *const names[] = { "field", "text", "trace" };
    return names[m];
}
