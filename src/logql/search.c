/* SPDX-License-Identifier: Apache-2.0 */
/* A search over rows. What the engine can check is handed down; each row is checked again here, so that only saves work.
 *
 * A field is looked for wherever it may stand: among the stream's labels, the record's fields, and in the line itself, as a member
 * of JSON, as name=value, or as what an access log has in its place. Dots, dashes and slashes in names are as good as underscores. */
#include "logql/search.h"

#include "base/num.h"
#include "codec/hex.h"
#include "logql/eval.h"
#include "logql/search_parts.h"
#include "model/access_line.h"
#include "model/body_field.h"
#include "store/pred.h"

enum { LINES_DEFAULT = 100, LEVELS = 8, NAME_VARIANTS_MAX = 16 /* spellings of a name that are pushed down */, ID_TEXT_BYTES_MAX = 32 };

/* ---- One row ---- */

static bool value_fits(const struct search_node *n, struct slice v)
{
    double x;
    if (n->op == SEARCH_IS)
        return n->re ? v.len > 0 && regex_match(n->re, v) : slice_eq(v, n->text);
    if (!logql_value_parse(v, (enum unwrap_as)n->unit, &x))
        return false;
    switch (n->op) {
    case SEARCH_LT: return x < n->number;
    case SEARCH_LE: return x <= n->number;
    case SEARCH_GT: return x > n->number;
    default: return x >= n->number;
    }
}

static char plain(char c)
{
    return c == '.' || c == '-' || c == '/' ? '_' : c;
}

static bool same_name(struct slice a, struct slice b)
{
    size_t i = 0;
    while (i < a.len && a.len == b.len && plain(a.ptr[i]) == plain(b.ptr[i]))
        i++;
    return a.len == b.len && i == a.len;
}

static bool id_fits(const struct search_node *n, const uint8_t *id, size_t bytes)
{
    static const uint8_t none[16];
    char text[ID_TEXT_BYTES_MAX];
    if (memcmp(id, none, bytes) == 0)
        return false;
    hex_encode(slice_of(id, bytes), text);
    return n->re ? value_fits(n, slice_of(text, 2 * bytes)) : slice_eq_nocase(slice_of(text, 2 * bytes), n->text);
}

static bool is_service(struct slice name)
{
    return slice_eq(name, SLICE("service")) || slice_eq(name, SLICE("service_name"));
}

/* A field of an access log's line. */
static bool access_field_fits(const struct search_node *n, struct slice body)
{
    struct access_line line;
    for (int i = 0; i < ACCESS_FIELDS; i++)
        if (same_name(access_field_names[i], n->name))
            return access_line_parse(body, &line) && line.fields[i].len && value_fits(n, line.fields[i]);
    return false;
}

static bool field_fits(const struct search_node *n, const struct event *e, struct arena *a)
{
    struct slice rest = e->stream, value;
    struct label l;
    size_t from = 0;
    if (is_service(n->name))
        return value_fits(n, labels_get(e->stream, SLICE("service_name"))) || value_fits(n, e->service);
    while (labels_next(&rest, &l))
        if (same_name(l.name, n->name) && value_fits(n, l.value))
            return true;
    for (uint32_t i = 0; i < e->field_count; i++)
        if (same_name(e->fields[i].name, n->name) && value_fits(n, field_text(a, &e->fields[i])))
            return true;
    if (same_name(n->name, SLICE("trace_id")) && id_fits(n, e->trace_id, 16))
        return true;
    if (same_name(n->name, SLICE("span_id")) && id_fits(n, e->span_id, 8))
        return true;
    while (body_field_next(e->body, n->name, &from, a, &value))
        if (value_fits(n, value))
            return true;
    return access_field_fits(n, e->body);
}

static int rank(uint8_t severity)
{
    return (severity + 3) / 4;
}

bool search_level_fits(const struct search_node *n, uint8_t severity)
{
    switch (n->op) {
    case SEARCH_LT: return severity && rank(severity) < rank(n->severity);
    case SEARCH_LE: return severity && rank(severity) <= rank(n->severity);
    case SEARCH_GT: return rank(severity) > rank(n->severity);
    case SEARCH_GE: return rank(severity) >= rank(n->severity);
    default: return slice_eq(severity_name(severity), severity_name(n->severity));
    }
}

static bool row_fits(const struct search_node *n, const struct event *e, struct arena *a)
{
    switch (n->kind) {
    case SEARCH_ALL:
        for (size_t i = 0; i < n->kid_count; i++)
            if (!row_fits(n->kids[i], e, a))
                return false;
        return true;
    case SEARCH_ANY:
        for (size_t i = 0; i < n->kid_count; i++)
            if (row_fits(n->kids[i], e, a))
                return true;
        return false;
    case SEARCH_NOT: return !row_fits(n->kids[0], e, a);
    case SEARCH_WORD: return regex_match(n->re, e->body);
    case SEARCH_FIELD: return field_fits(n, e, a);
    case SEARCH_LEVEL: return search_level_fits(n, e->severity);
    }
    return false;
}

/* ---- What the engine can check ---- */

static bool is_named_service(const struct search_node *n)
{
    return n->kind == SEARCH_FIELD && is_service(n->name) && n->op == SEARCH_IS && n->re == NULL && n->text.len;
}

/* A label or field of that name, or of one that is as good: the n-th of 4 to the power of its separators. */
static struct slice variant(struct arena *a, struct slice name, size_t n)
{
    struct slice copy = arena_copy(a, name);
    for (size_t i = 0; i < copy.len; i++)
        if (plain(name.ptr[i]) == '_') {
            ((char *)copy.ptr)[i] = "_.-/"[n % 4];
            n /= 4;
        }
    return copy;
}

/* What a line has inside of which the field has this value, or any. */
static void push_body(struct arena *a, const struct search_node *n, bool is_exact, struct preds *any)
{
    preds_add(a, any, pred_leaf(a, PRED_CONTAINS, COL_BODY, SLICE_EMPTY, is_exact ? n->text : n->name));
    if (is_exact)
        preds_add(a, any, pred_leaf(a, PRED_CONTAINS, COL_BODY, SLICE_EMPTY, SLICE("\\"))); /* it may stand there escaped */
    else
        preds_add(a, any, pred_leaf(a, PRED_CONTAINS, COL_BODY, SLICE_EMPTY, SLICE("] \""))); /* an access log names nothing */
}

/* Wherever the field may stand. NULL when that is too many places. */
static struct pred *push_field(struct arena *a, const struct search_node *n)
{
    bool is_exact = n->op == SEARCH_IS && n->re == NULL && n->text.len, is_trace = same_name(n->name, SLICE("trace_id"));
    struct preds any = { 0 };
    size_t variants = 1, id_bytes = is_trace ? 16 : same_name(n->name, SLICE("span_id")) ? 8 : 0;
    for (size_t i = 0; i < n->name.len; i++)
        variants *= plain(n->name.ptr[i]) == '_' ? 4 : 1;
    if (variants > NAME_VARIANTS_MAX || is_service(n->name) || (id_bytes && !is_exact) || (n->op == SEARCH_IS && !is_exact && !n->re))
        return NULL;
    push_body(a, n, is_exact, &any);
    for (size_t i = 0; i < variants; i++) {
        struct slice name = variant(a, n->name, i);
        preds_add(a, &any, pred_leaf(a, is_exact ? PRED_EQ : PRED_EXISTS, COL_STREAM, name, n->text));
        preds_add(a, &any, pred_leaf(a, is_exact ? PRED_EQ : PRED_EXISTS, COL_FIELD, name, n->text));
    }
    uint8_t *id = arena_alloc(a, 16);
    if (id_bytes && n->text.len == 2 * id_bytes && hex_decode(n->text, id))
        preds_add(a, &any, pred_leaf(a, PRED_EQ, is_trace ? COL_TRACE_ID : COL_SPAN_ID, SLICE_EMPTY, slice_of(id, id_bytes)));
    return pred_node(a, PRED_OR, &any);
}

/* NULL: nothing. Never lets a row go that fits. */
static struct pred *push(struct arena *a, const struct search_node *n)
{
    struct pred *p = arena_new_of(a, struct pred);
    size_t cap = 0;
    *p = (struct pred){ .scope = -1 };
    if (n->kind == SEARCH_WORD) {
        p->op = PRED_RE;
        p->column = COL_BODY;
        p->text = n->pattern;
        p->re = n->re;
        return p;
    }
    if (is_named_service(n)) {
        p->op = PRED_EQ;
        p->column = COL_SERVICE;
        p->text = n->text;
        return p;
    }
    if (n->kind == SEARCH_LEVEL && n->op == SEARCH_GE) {
        p->op = PRED_GE;
        p->column = COL_SEVERITY;
        p->type = FIELD_INT;
        p->i = (rank(n->severity) - 1) * 4 + 1;
        return p;
    }
    if (n->kind == SEARCH_FIELD)
        return push_field(a, n);
    if (n->kind != SEARCH_ALL && n->kind != SEARCH_ANY)
        return NULL;
    p->op = n->kind == SEARCH_ALL ? PRED_AND : PRED_OR;
    for (size_t i = 0; i < n->kid_count; i++) {
        struct pred *kid = push(a, n->kids[i]);
        if (kid)
            ARENA_PUSH(a, p->kids, p->kid_count, cap) = kid;
        else if (n->kind == SEARCH_ANY)
            return NULL;
    }
    return p->kid_count ? p : NULL;
}

/* ---- Lines, and counts of them ---- */

static bool passes(void *arg, const struct event *e, struct record *r, struct arena *scratch)
{
    const struct search *s = arg;
    if (!row_fits(s->root, e, scratch))
        return false;
    record_load(r, e, scratch);
    return true;
}

struct counts {
    const struct query_params *p;
    size_t n;
    double *at[LEVELS]; /* by rank; NULL: no line of it */
    struct slice names[LEVELS];
};

/* Between times that may be farther apart than one of them can say. */
static uint64_t span(int64_t from_ns, int64_t to_ns)
{
    return (uint64_t)to_ns - (uint64_t)from_ns;
}

/* Each point counts the step before it, as count_over_time does. */
static void count_row(struct query_env *env, struct counts *c, const struct event *e)
{
    uint64_t step = (uint64_t)c->p->step_ns;
    size_t i = e->time_ns <= c->p->start_ns ? 0 : (size_t)((span(c->p->start_ns, e->time_ns) - 1) / step + 1);
    size_t level = e->severity ? (size_t)rank(e->severity) : 0;
    if (i >= c->n || level >= LEVELS)
        return;
    if (c->at[level] == NULL) {
        c->at[level] = arena_array(env->result, double, c->n);
        memset(c->at[level], 0, c->n * sizeof(double));
        c->names[level] = severity_name(e->severity ? (uint8_t)((level - 1) * 4 + 1) : 0);
    }
    c->at[level][i] += (double)e->weight;
    env->ctx->is_sampled = env->ctx->is_sampled || e->weight != 1;
}

static enum status count_rows(struct query_env *env, const struct search *s, struct counts *c, struct err *err)
{
    const struct query_params *p = c->p;
    struct events_iter *it;
    struct event_block block;
    unsigned did;
    struct events_query q = { .start_ns = sat_add(sat_sub(p->start_ns, p->step_ns), 1), .end_ns = sat_add(p->end_ns, 1), .kinds = 1u << EVENT_LOG,
                              .pred = push(env->result, s->root), .want = WANT_STREAM | WANT_BODY | WANT_FIELDS | WANT_IDS, .order = ORDER_NONE };
    enum status st = env->engine->ops->events(env->engine, env->ctx, &q, &it, &did, err);
    if (st)
        return st;
    struct arena *scratch = arena_new(0);
    size_t walked = 0;
    while ((st = it->ops->next(it, &block, err)) == ST_OK && (st = engine_ctx_check(env->ctx, err)) == ST_OK) {
        for (size_t i = 0; i < block.n && !st; i++) {
            if (row_fits(s->root, &block.rows[i], scratch))
                count_row(env, c, &block.rows[i]);
            if (arena_bytes(scratch) > LOGQL_SCRATCH_BYTES)
                arena_reset(scratch);
            st = logql_row_check(env->ctx, &block.rows[i], &walked, err);
        }
        if (st)
            break;
        arena_reset(scratch);
    }
    arena_free(scratch);
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status run_counts(struct query_env *env, const struct search *s, const struct query_params *p, struct value *out, struct err *err)
{
    struct arena *a = env->result;
    if (p->end_ns < p->start_ns || span(p->start_ns, p->end_ns) / (uint64_t)p->step_ns > QUERY_POINTS_PER_SERIES_MAX)
        return err_set(err, ST_INVALID, "counts need an end behind their start, and at most %d points", QUERY_POINTS_PER_SERIES_MAX);
    struct counts c = { .p = p, .n = (size_t)(span(p->start_ns, p->end_ns) / (uint64_t)p->step_ns) + 1 };
    enum status st = count_rows(env, s, &c, err);
    *out = (struct value){ .type = VALUE_MATRIX, .series = arena_array(a, struct value_series, LEVELS) };
    for (size_t k = 0; !st && k < LEVELS; k++) {
        if (c.at[k] == NULL)
            continue;
        struct label level = { SLICE("detected_level"), c.names[k] };
        struct value_series series = { .t_ms = arena_array(a, int64_t, c.n), .v = c.at[k] };
        st = labels_build(a, &level, 1, &series.labels, err);
        for (size_t i = 0; i < c.n; i++) { /* empty points are none, as in LogQL */
            if (c.at[k][i] == 0)
                continue;
            series.t_ms[series.n] = (int64_t)((uint64_t)p->start_ns + i * (uint64_t)p->step_ns) / NS_MS;
            series.v[series.n++] = c.at[k][i];
        }
        out->series[out->series_count++] = series;
    }
    return st;
}

static enum status range(struct query_env *env, struct slice text, const struct query_params *p, struct value *out, struct err *err)
{
    struct search *s;
    *out = (struct value){ 0 };
    enum status st = search_parse(env->result, text, &s, err);
    if (st)
        return st;
    struct row_test test = { .passes = passes, .arg = s };
    st = p->step_ns > 0 ? run_counts(env, s, p, out, err)
                        : logql_read_lines(env, push(env->result, s->root), &test, p, p->limit ? p->limit : LINES_DEFAULT, out, err);
    search_free(s);
    return st;
}

static enum status instant(struct query_env *env, struct slice text, const struct query_params *p, struct value *out, struct err *err)
{
    (void)env, (void)text, (void)p, (void)out;
    return err_set(err, ST_INVALID, "a search gives lines of a range of time");
}

static enum status check(struct slice text, uint32_t features, enum value_type *type, struct err *err)
{
    struct arena *a = arena_new(0);
    struct search *s;
    enum status st = search_parse(a, text, &s, err);
    (void)features;
    *type = VALUE_STREAMS;
    if (!st)
        search_free(s);
    arena_free(a);
    return st;
}

/* ---- Rows one by one ---- */

struct query_rows {
    struct arena *arena;
    struct search *search;
    struct record record;
};

static void rows_close(struct query_rows *r)
{
    if (r == NULL)
        return;
    search_free(r->search);
    arena_free(r->arena);
    mem_free(r);
}

static enum status rows_open(struct slice text, struct query_rows **out, struct err *err)
{
    struct query_rows *r = mem_new(struct query_rows);
    r->arena = arena_new(0);
    enum status st = search_parse(r->arena, text, &r->search, err);
    if (st)
        rows_close(r);
    else
        *out = r;
    return st;
}

static bool rows_take(struct query_rows *r, const struct event *e, struct arena *a, struct slice *labels, struct value_line *out)
{
    if (e->kind != EVENT_LOG || !passes(r->search, e, &r->record, a))
        return false;
    logql_line_of(&r->record, e, a, labels, out);
    return true;
}

static struct pred *rows_pred(struct query_rows *r, struct arena *a)
{
    return push(a, r->search->root);
}

const struct query_lang search_lang = { "search", check, search_format, instant, range, NULL, rows_open, rows_take, rows_pred,
                                       rows_close };
