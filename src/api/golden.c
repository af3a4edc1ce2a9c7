/* SPDX-License-Identifier: Apache-2.0 */
/* What the sources of golden signals share: the grid, the services, templates of queries and their answers on the grid. */
#include "api/golden.h"

#include "api/prom_json.h"
#include "base/num.h"

#include <math.h>

enum { RANGE_SECONDS_DEFAULT = 3600, NAMES_MAX = 100 * 1000, RECENT_SECONDS = 120 };

/* ---- the grid ---- */

int64_t golden_step_ms(const struct golden *g, size_t i)
{
    return sat_add(g->start_ns, sat_mul((int64_t)i + 1, g->step_ns)) / NS_MS;
}

double *golden_line(struct golden *g)
{
    double *line = arena_array(g->a, double, g->step_count);
    for (size_t i = 0; i < g->step_count; i++)
        line[i] = NAN;
    return line;
}

size_t golden_last(const struct golden *g, const double *line)
{
    int64_t since = golden_step_ms(g, g->step_count - 1) - MAX(sat_mul(2, g->step_ns), RECENT_SECONDS * NS_S) / NS_MS;
    for (size_t i = g->step_count; line && i-- > 0 && golden_step_ms(g, i) >= since;)
        if (!isnan(line[i]))
            return i;
    return SIZE_MAX;
}

void golden_put_points(struct golden *g, const struct value_series *s, double *line)
{
    for (size_t i = 0; i < s->n; i++) {
        int64_t at = (s->t_ms[i] - g->start_ns / NS_MS) / (g->step_ns / NS_MS) - 1;
        if (at >= 0 && (size_t)at < g->step_count && isfinite(s->v[i]))
            line[at] = s->v[i];
    }
}

/* ---- services ---- */

struct golden_service *golden_find(const struct golden *g, struct slice name)
{
    uint64_t *at = map_get(&g->index, name);
    return at ? (struct golden_service *)&g->services[*at] : NULL;
}

struct golden_service *golden_service(struct golden *g, struct slice name, enum source source)
{
    struct golden_service *s = golden_find(g, name);
    if (s == NULL) {
        if (g->count == GOLDEN_SERVICES_MAX) {
            g->left_out++;
            return NULL;
        }
        s = &g->services[g->count];
        *s = (struct golden_service){ .name = arena_copy(g->a, name), .source = source, .memory_bytes = NAN, .selector = SLICE_EMPTY };
        *map_put(&g->index, s->name, NULL) = g->count++;
    }
    s->sources |= 1u << source;
    return s;
}

struct golden_endpoint *golden_endpoint(struct golden *g, struct golden_endpoint **list, size_t *count, struct slice endpoint, struct slice method)
{
    for (size_t i = 0; i < *count; i++)
        if (slice_eq((*list)[i].endpoint, endpoint) && slice_eq((*list)[i].method, method))
            return &(*list)[i];
    if (*list == NULL)
        *list = arena_array(g->a, struct golden_endpoint, GOLDEN_ENDPOINTS_MAX);
    if (*count == GOLDEN_ENDPOINTS_MAX)
        return NULL;
    struct golden_endpoint *e = &(*list)[(*count)++];
    *e = (struct golden_endpoint){ arena_copy(g->a, endpoint), arena_copy(g->a, method), { NAN, NAN, NAN, NAN, NAN }, NAN };
    return e;
}

/* ---- templates ---- */

int64_t golden_window_s(const struct golden *g)
{
    return MAX(g->step_ns / NS_S, GOLDEN_WINDOW_SECONDS_MIN);
}

struct slice golden_matcher(struct arena *a, struct slice name, struct slice value)
{
    struct buf b;
    buf_init(&b, 0);
    buf_slice(&b, name);
    buf_char(&b, '=');
    text_put_quoted(value, &b);
    struct slice out = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
    return out;
}

/* What stands for the word that rest begins with; taken off rest. */
static struct slice word_value(struct golden *g, struct slice *rest, const struct golden_words *w)
{
    static const struct golden_family none;
    const struct golden_family *f = w->family ? w->family : &none;
    const struct {
        struct slice word, value;
    } list[] = {
        { SLICE("by"), w->by },             { SLICE("selector"), w->selector }, { SLICE("requests"), f->requests },
        { SLICE("latency"), f->histogram }, { SLICE("status"), f->status },     { SLICE("failed"), f->failed },
        { SLICE("scale"), f->scale },       { SLICE("used"), w->used },         { SLICE("limit"), w->limit },
        { SLICE("match"), w->match },       { SLICE("service"), w->service },
        { SLICE("window"), w->window.len ? w->window : arena_printf(g->a, "%llds", (long long)w->window_s) },
    };
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        if (slice_starts(*rest, list[i].word)) {
            *rest = slice_skip(*rest, list[i].word.len);
            return list[i].value.len ? list[i].value : SLICE_EMPTY;
        }
    }
    return SLICE_EMPTY;
}

/* Takes every `old` out of text, leaving `new` there. */
static struct slice replaced(struct golden *g, struct slice text, struct slice old, struct slice new)
{
    struct buf b;
    buf_init(&b, 0);
    for (size_t at; (at = slice_find(text, old, 0)) != SIZE_MAX; text = slice_skip(text, at + old.len)) {
        buf_slice(&b, slice_sub(text, 0, at));
        buf_slice(&b, new);
    }
    buf_slice(&b, text);
    struct slice out = arena_copy(g->a, buf_as_slice(&b));
    buf_free(&b);
    return out;
}

struct slice golden_text(struct golden *g, const char *template, const struct golden_words *w)
{
    static const struct {
        struct slice old, new;
    } left_behind[] = {
        { SLICE_INIT(" by () ("), SLICE_INIT("(") }, { SLICE_INIT("by (, "), SLICE_INIT("by (") }, { SLICE_INIT(",}"), SLICE_INIT("}") },
        { SLICE_INIT("{}"), SLICE_INIT("") },
    };
    struct buf b;
    struct slice rest = slice_str(template);
    buf_init(&b, QUERY_TEXT_BYTES_MAX);
    while (rest.len) {
        size_t at = MIN(slice_find_char(rest, '$', 0), rest.len);
        buf_slice(&b, slice_sub(rest, 0, at));
        rest = slice_skip(rest, at + 1);
        if (rest.len)
            buf_slice(&b, word_value(g, &rest, w));
    }
    struct slice out = arena_copy(g->a, buf_as_slice(&b));
    buf_free(&b);
    for (size_t i = 0; i < COUNT_OF(left_behind); i++)
        out = replaced(g, out, left_behind[i].old, left_behind[i].new);
    return out;
}

static enum status ended(struct golden *g, struct slice text, enum status st, struct value *out, struct err *err)
{
    if (st == ST_OK || st == ST_CANCELLED || st == ST_TIMEOUT)
        return st;
    *out = (struct value){ 0 };
    engine_warn(&g->q->ctx, "left out: %s (%.*s)", err->text, SLICE_FMT(text));
    return ST_OK;
}

enum status golden_range(struct golden *g, const struct query_lang *lang, struct slice text, struct value *out, struct err *err)
{
    struct query_params p = { .start_ns = sat_add(g->start_ns, g->step_ns), .step_ns = g->step_ns, .features = g->q->api->features };
    p.end_ns = sat_add(g->start_ns, sat_mul((int64_t)g->step_count, g->step_ns));
    *out = (struct value){ 0 };
    return ended(g, text, lang->range(&g->q->env, text, &p, out, err), out, err);
}

enum status golden_instant(struct golden *g, const struct query_lang *lang, struct slice text, struct value *out, struct err *err)
{
    struct query_params p = { .start_ns = g->end_ns, .end_ns = g->end_ns, .features = g->q->api->features };
    *out = (struct value){ 0 };
    return ended(g, text, lang->instant(&g->q->env, text, &p, out, err), out, err);
}

/* ---- the whole ---- */

static void begin(struct golden *g, struct api_query *q)
{
    g->q = q;
    g->a = q->arena;
    map_init(&g->index);
    g->host_memory_bytes = g->memory_total_bytes = NAN;
}

void golden_begin_at(struct golden *g, struct api_query *q, int64_t start_ns, int64_t end_ns)
{
    begin(g, q);
    g->start_ns = start_ns - start_ns % NS_MS;
    g->end_ns = end_ns - end_ns % NS_MS;
    g->step_ns = g->end_ns - g->start_ns;
    g->step_count = 1;
}

enum status golden_begin(struct golden *g, struct api_query *q, struct err *err)
{
    struct api_params p;
    begin(g, q);
    enum status st = api_params_read(q->x, &p, err);
    if (!st)
        st = api_param_time(&p, SLICE("end"), clock_wall_ns(q->api->clock), &g->end_ns, err);
    if (!st)
        st = api_param_time(&p, SLICE("start"), sat_sub(g->end_ns, RANGE_SECONDS_DEFAULT * NS_S), &g->start_ns, err);
    struct slice step = st ? SLICE_EMPTY : api_param(&p, SLICE("step"), NULL);
    g->step_ns = 60 * NS_S;
    if (!st && step.len)
        st = api_parse_duration(step, &g->step_ns, err);
    if (st)
        return st;
    if (g->start_ns < 0 || g->step_ns < NS_S || g->end_ns <= g->start_ns || (g->end_ns - g->start_ns) / g->step_ns >= GOLDEN_STEPS_MAX)
        return err_set(err, ST_INVALID, "start must be 1970 or later and lie before end, step be at least 1 s, and steps be at most %d",
                       GOLDEN_STEPS_MAX);
    g->start_ns -= g->start_ns % NS_MS;
    g->step_ns -= g->step_ns % NS_MS;
    g->step_count = (size_t)((g->end_ns - g->start_ns - 1) / g->step_ns) + 1;
    return ST_OK;
}

enum status golden_names(struct golden *g, struct err *err)
{
    struct names_query nq = { .what = NAMES_LABEL_VALUES, .name = SLICE("__name__"), .start_ns = g->start_ns, .end_ns = g->end_ns,
                              .limit = NAMES_MAX };
    struct name_hit *hits;
    size_t count;
    enum status st = g->q->api->engine->ops->names(g->q->api->engine, &g->q->ctx, &nq, g->a, &hits, &count, err);
    if (st)
        return st;
    g->names = arena_array(g->a, struct slice, count);
    for (size_t i = 0; i < count; i++)
        if (metric_name_is_legacy(hits[i].value))
            g->names[g->name_count++] = hits[i].value;
    return ST_OK;
}

bool golden_has_name(const struct golden *g, struct slice name)
{
    size_t low = 0, high = g->name_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int c = slice_cmp(g->names[mid], name);
        if (c == 0)
            return true;
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}

enum status golden_read(struct golden *g, struct err *err)
{
    enum status st = golden_names(g, err);
    if (!st)
        st = golden_metrics(g, err);
    if (!st)
        st = golden_spans(g, err);
    if (!st)
        st = golden_logs(g, err);
    if (!st)
        st = golden_saturation(g, err);
    if (!st && arena_over(g->a))
        st = err_set(err, ST_LIMIT, "golden signals need %zu bytes, at most %d are allowed for one query; ask for fewer steps", arena_bytes(g->a),
                     QUERY_RESULT_BYTES_MAX);
    if (!st && g->left_out)
        engine_warn(&g->q->ctx, "only the first %d services are shown; others are left out", GOLDEN_SERVICES_MAX);
    return st;
}

void golden_end(struct golden *g)
{
    map_free(&g->index);
}
