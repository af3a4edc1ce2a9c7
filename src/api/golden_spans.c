/* SPDX-License-Identifier: Apache-2.0 */
/* Golden signals from server and consumer spans, of services that metrics do not tell of.
 *
 * A span counts as often as its weight says: rates over sampled spans are right. No span is read when metrics suffice. */
#include "api/golden.h"
#include "api/span_report.h"

#include <math.h>

enum { KIND_SERVER = 2, KIND_CONSUMER = 5, NAMES_MAX = 10000, PRED_SERVICES_MAX = 64 };

struct reading {
    struct golden *g;
    const struct golden_service *only;      /* NULL: all that spans may tell of */
    struct span_tally *tallies[GOLDEN_SERVICES_MAX]; /* steps of each service; or with `only` of each endpoint */
    struct golden_endpoint *endpoints;
    size_t endpoint_count;
};

static double signal_value(const struct span_tally *t, enum signal what, double seconds)
{
    if (t->count <= 0)
        return what == SIGNAL_RATE ? 0 : NAN;
    switch (what) {
    case SIGNAL_RATE: return t->count / seconds;
    case SIGNAL_ERRORS: return t->errors / t->count;
    case SIGNAL_P50: return span_tally_quantile(t, 0.50);
    case SIGNAL_P95: return span_tally_quantile(t, 0.95);
    case SIGNAL_P99: return span_tally_quantile(t, 0.99);
    case SIGNAL_COUNT: break;
    }
    return NAN;
}

/* A source in which nothing happened yields to the next. */
static bool is_told(const struct golden *g, struct slice name)
{
    const struct golden_service *s = golden_find(g, name);
    if (s == NULL || s->source != SOURCE_METRICS)
        return false;
    for (size_t i = 0; i < g->step_count; i++)
        if (s->signals[SIGNAL_RATE][i] > 0)
            return true;
    return false;
}

static void count_span(struct reading *r, const struct event *e)
{
    struct golden *g = r->g;
    size_t i = (size_t)((e->time_ns - g->start_ns) / g->step_ns);
    if ((e->span_kind != KIND_SERVER && e->span_kind != KIND_CONSUMER) || i >= g->step_count || is_told(g, e->service))
        return;
    struct golden_service *s = golden_service(g, e->service, SOURCE_SPANS);
    if (s == NULL)
        return;
    struct span_tally **t = &r->tallies[s - g->services];
    if (*t == NULL)
        *t = arena_zalloc(g->a, g->step_count * sizeof **t);
    span_tally_add(g->a, &(*t)[i], e);
}

static void count_endpoint(struct reading *r, const struct event *e)
{
    if ((e->span_kind != KIND_SERVER && e->span_kind != KIND_CONSUMER) || !slice_eq(e->service, r->only->name))
        return;
    const struct field *route = event_field(e, SLICE("http.route")), *method = event_field(e, SLICE("http.request.method"));
    if (method == NULL)
        method = event_field(e, SLICE("http.method"));
    struct golden_endpoint *at = golden_endpoint(r->g, &r->endpoints, &r->endpoint_count, route ? route->text : e->body,
                                                 route && method ? method->text : SLICE_EMPTY);
    if (at == NULL)
        return;
    if (r->tallies[0] == NULL)
        r->tallies[0] = arena_zalloc(r->g->a, GOLDEN_ENDPOINTS_MAX * sizeof *r->tallies[0]);
    span_tally_add(r->g->a, &r->tallies[0][at - r->endpoints], e);
}

static enum status read_spans(struct reading *r, const struct pred *pred, unsigned want, void (*count)(struct reading *, const struct event *),
                              struct err *err)
{
    struct golden *g = r->g;
    struct engine *engine = g->q->api->engine;
    struct events_iter *it;
    struct event_block block;
    unsigned did;
    struct events_query eq = { .start_ns = g->start_ns, .end_ns = g->end_ns, .kinds = 1u << EVENT_SPAN, .pred = pred, .want = want,
                               .order = ORDER_NONE };
    enum status st = engine->ops->events(engine, &g->q->ctx, &eq, &it, &did, err);
    if (st)
        return st;
    while ((st = it->ops->next(it, &block, err)) == ST_OK)
        for (size_t i = 0; i < block.n; i++)
            count(r, &block.rows[i]);
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static struct pred *service_is(struct arena *a, struct slice name)
{
    struct pred *p = arena_new_of(a, struct pred);
    p->op = PRED_EQ;
    p->column = COL_SERVICE;
    p->type = FIELD_STRING;
    p->text = name;
    return p;
}

/* Marks who has spans; what metrics do not tell of goes into pred. */
static enum status names_to_read(struct golden *g, struct pred *pred, struct err *err)
{
    struct engine *engine = g->q->api->engine;
    struct names_query nq = { .what = NAMES_SERVICES, .start_ns = g->start_ns, .end_ns = g->end_ns, .kinds = 1u << EVENT_SPAN, .limit = NAMES_MAX };
    struct name_hit *hits;
    size_t count, cap = 0;
    enum status st = engine->ops->names(engine, &g->q->ctx, &nq, g->a, &hits, &count, err);
    if (st)
        return st;
    pred->op = PRED_OR;
    for (size_t i = 0; i < count; i++) {
        struct golden_service *s = golden_find(g, hits[i].value);
        if (s)
            s->sources |= 1u << SOURCE_SPANS;
        if (!is_told(g, hits[i].value))
            ARENA_PUSH(g->a, pred->kids, pred->kid_count, cap) = service_is(g->a, hits[i].value);
    }
    return ST_OK;
}

/* What was counted, as lines; a service that metrics left at zero is told from its spans. */
static void take(struct reading *r)
{
    struct golden *g = r->g;
    for (size_t k = 0; k < g->count; k++) {
        struct golden_service *s = &g->services[k];
        if (r->tallies[k] == NULL)
            continue;
        s->source = SOURCE_SPANS;
        for (int what = 0; what < SIGNAL_COUNT; what++) {
            s->signals[what] = golden_line(g);
            for (size_t i = 0; i < g->step_count; i++)
                s->signals[what][i] = signal_value(&r->tallies[k][i], (enum signal)what, (double)g->step_ns / 1e9);
        }
    }
}

enum status golden_spans(struct golden *g, struct err *err)
{
    struct pred pred = { 0 };
    struct reading *r = arena_new_of(g->a, struct reading);
    r->g = g;
    enum status st = names_to_read(g, &pred, err);
    if (st || pred.kid_count == 0)
        return st;
    st = read_spans(r, pred.kid_count <= PRED_SERVICES_MAX ? &pred : NULL, WANT_SPAN, count_span, err);
    if (!st)
        take(r);
    return st;
}

enum status golden_spans_endpoints(struct golden *g, const struct golden_service *s, struct golden_endpoint **out, size_t *count, struct err *err)
{
    struct reading *r = arena_new_of(g->a, struct reading);
    double seconds = (double)(g->end_ns - g->start_ns) / 1e9;
    r->g = g;
    r->only = s;
    enum status st = read_spans(r, service_is(g->a, s->name), WANT_SPAN | WANT_FIELDS | WANT_BODY, count_endpoint, err);
    for (size_t i = 0; !st && i < r->endpoint_count; i++) {
        const struct span_tally *t = &r->tallies[0][i];
        for (int what = 0; what < SIGNAL_COUNT; what++)
            r->endpoints[i].signals[what] = signal_value(t, (enum signal)what, seconds);
        r->endpoints[i].busy = t->seconds / seconds;
    }
    *out = r->endpoints;
    *count = r->endpoint_count;
    return st;
}
