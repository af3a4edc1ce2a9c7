/* SPDX-License-Identifier: Apache-2.0 */
/* Names are gathered from the stages, unwrap and the grouping. A template may ask for any label, and so may a grouping that is not by
 * names; then nothing is left out. A parsed label that clashes with another is called name_extracted: who asks for that asks for the
 * name, too. */
#include "logql/project.h"

#include "logql/eval.h"

static const struct slice error_name = SLICE_INIT("__error__"), details_name = SLICE_INIT("__error_details__"), suffix = SLICE_INIT("_extracted");

struct names {
    struct arena *a;
    struct slice *list;
    size_t count, cap;
};

static void add_name(struct names *n, struct slice name)
{
    for (size_t i = 0; i < n->count; i++)
        if (slice_eq(n->list[i], name))
            return;
    ARENA_PUSH(n->a, n->list, n->count, n->cap) = name;
    if (slice_ends(name, suffix))
        add_name(n, slice_sub(name, 0, name.len - suffix.len));
}

static void add_filter(struct names *n, const struct label_filter *f)
{
    if (f == NULL)
        return;
    if (f->kind == FILTER_AND || f->kind == FILTER_OR) {
        add_filter(n, f->left);
        add_filter(n, f->right);
        return;
    }
    add_name(n, f->name);
}

/* False: the stage may look at any label. */
static bool add_stage(struct names *n, const struct stage *s)
{
    if (s->kind == STAGE_LINE_FORMAT)
        return false;
    if (s->kind == STAGE_LABEL_FILTER)
        add_filter(n, s->filter);
    for (size_t i = 0; (s->kind == STAGE_DROP || s->kind == STAGE_KEEP) && i < s->assign_count; i++)
        add_name(n, s->assigns[i].name);
    for (size_t i = 0; s->kind == STAGE_LABEL_FORMAT && i < s->assign_count; i++) {
        if (s->assigns[i].template)
            return false;
        add_name(n, s->assigns[i].source);
    }
    return true;
}

const struct projection *logql_projection(struct arena *a, const struct expr *e)
{
    struct names n = { .a = a };
    if (!e->grouping.given || e->grouping.without)
        return NULL;
    for (const struct stage *s = e->left->stages; s; s = s->next)
        if (!add_stage(&n, s))
            return NULL;
    for (size_t i = 0; i < e->grouping.count; i++)
        add_name(&n, e->grouping.names[i]);
    if (e->has_unwrap)
        add_name(&n, e->unwrap_label);
    add_filter(&n, e->unwrap_filter);
    struct projection *p = arena_new_of(a, struct projection);
    *p = (struct projection){ n.list, n.count };
    return p;
}

bool logql_projection_has(const struct projection *p, struct slice name)
{
    for (size_t i = 0; i < p->count; i++)
        if (slice_eq(p->names[i], name))
            return true;
    return false;
}

/* ---- lots ---- */

/* Rows come in no order: what asks for the first or last of them is not for lots, nor what asks for whole lines. */
static bool is_op(const struct expr *e)
{
    switch (e->range_op) {
    case RANGE_COUNT:
    case RANGE_RATE:
    case RANGE_SUM:
    case RANGE_AVG:
    case RANGE_MIN:
    case RANGE_MAX:
    case RANGE_STDDEV:
    case RANGE_STDVAR:
    case RANGE_QUANTILE: return true;
    case RANGE_BYTES:
    case RANGE_BYTES_RATE:
    case RANGE_ABSENT:
    case RANGE_FIRST:
    case RANGE_LAST:
    case RANGE_RATE_COUNTER: return false;
    }
    return false;
}

/* The one parser; NULL: there is another kind of stage, or not one parser. */
static const struct stage *only_parser(const struct expr *log)
{
    const struct stage *parser = NULL;
    for (const struct stage *s = log->stages; s; s = s->next) {
        bool is_parser = s->kind == STAGE_JSON || s->kind == STAGE_LOGFMT;
        if ((is_parser && parser) || (!is_parser && s->kind != STAGE_LINE && s->kind != STAGE_LABEL_FILTER))
            return NULL;
        if (s->kind == STAGE_LINE && !logql_push_has_all(s))
            return NULL;
        parser = is_parser ? s : parser;
    }
    return parser && !parser->strict && !parser->keep_empty ? parser : NULL;
}

static bool is_plain_key(struct slice key)
{
    return key.len && slice_find_char(key, '.', 0) == SIZE_MAX && slice_find_char(key, '[', 0) == SIZE_MAX;
}

/* What the parser is asked for when the label is; false: it does not make it. *is_ok false: lots cannot say. */
static bool source_of(const struct stage *parser, struct slice label, struct slice *source, bool *is_ok)
{
    bool is_found = parser->assign_count == 0;
    *source = label;
    for (size_t i = 0; i < parser->assign_count; i++) {
        if (!slice_eq(parser->assigns[i].name, label))
            continue;
        *is_ok &= !is_found && (parser->kind == STAGE_LOGFMT || is_plain_key(parser->assigns[i].source));
        *source = parser->assigns[i].source;
        is_found = true;
    }
    return is_found;
}

static void note_filter(struct lot_name *n, const struct label_filter *f)
{
    if (f == NULL)
        return;
    if (f->kind == FILTER_AND || f->kind == FILTER_OR) {
        note_filter(n, f->left);
        note_filter(n, f->right);
    } else if (slice_eq(f->name, n->label) && n->leaf_count == PROJECT_LEAVES_MAX) {
        n->is_grouped = true;
    } else if (slice_eq(f->name, n->label)) {
        n->leaves[n->leaf_count++] = f;
    }
}

static struct lot_name name_of(const struct expr *e, const struct stage *stages, struct slice label)
{
    struct lot_name n = { .label = label, .is_unwrapped = e->has_unwrap && slice_eq(label, e->unwrap_label) };
    for (size_t i = 0; i < e->grouping.count; i++)
        n.is_grouped |= !n.is_unwrapped && slice_eq(e->grouping.names[i], label); /* what is unwrapped is no label of the result */
    for (const struct stage *s = stages; s; s = s->next)
        if (s->kind == STAGE_LABEL_FILTER)
            note_filter(&n, s->filter);
    note_filter(&n, e->unwrap_filter);
    return n;
}

static const struct stage *without_lines(struct arena *a, const struct stage *s)
{
    struct stage *first = NULL, **tail = &first;
    for (; s; s = s->next) {
        if (s->kind == STAGE_LINE)
            continue;
        *tail = arena_new_of(a, struct stage);
        **tail = *s;
        tail = &(*tail)->next;
    }
    *tail = NULL;
    return first;
}

static bool looks_at(void *arg, struct slice field)
{
    const struct lot_plan *p = arg;
    return logql_projection_has(p->only, record_field_label(p->a, field));
}

/* Fills out, of which a and only are set, for that parser; e: for what is unwrapped and grouped by. False: lots cannot say. */
static bool plan_names(struct lot_plan *out, const struct expr *e, const struct stage *stages, const struct stage *parser)
{
    bool is_ok = true;
    struct slice *sources = arena_array(out->a, struct slice, out->only->count + 1);
    out->names = arena_array(out->a, struct lot_name, out->only->count + 1);
    for (size_t i = 0; is_ok && i < out->only->count; i++) {
        struct slice label = out->only->names[i], source;
        /* Ids are no fields of a lot; details of errors tell values apart. */
        is_ok &= !slice_eq(label, SLICE("trace_id")) && !slice_eq(label, SLICE("span_id")) && !slice_eq(label, details_name);
        is_ok &= !slice_ends(label, suffix);
        if (slice_eq(label, error_name) || !source_of(parser, label, &source, &is_ok))
            continue;
        for (size_t k = 0; k < out->query.count; k++)
            is_ok &= !slice_eq(sources[k], source);
        sources[out->query.count] = source;
        out->names[out->query.count++] = name_of(e, stages, label);
    }
    out->query.parser = parser->kind == STAGE_JSON ? LOT_JSON : LOT_LOGFMT;
    out->query.is_exact = parser->assign_count > 0;
    out->query.names = sources;
    out->query.looks_at = looks_at;
    out->query.arg = out;
    out->stages = stages;
    return is_ok;
}

bool logql_lot_plan(struct arena *a, const struct expr *e, struct lot_plan *out)
{
    const struct stage *parser = only_parser(e->left);
    *out = (struct lot_plan){ .a = a, .only = logql_projection(a, e) };
    return out->only && parser && is_op(e) && plan_names(out, e, without_lines(a, e->left->stages), parser);
}

bool logql_lot_filter_plan(struct arena *a, const struct expr *log, struct lot_plan *out)
{
    static const struct expr nothing;
    const struct stage *parser = NULL;
    struct stage *first = NULL, **tail = &first;
    struct names n = { .a = a };
    bool is_filtered = false;
    for (const struct stage *s = log->stages; s; s = s->next) {
        bool is_parser = s->kind == STAGE_JSON || s->kind == STAGE_LOGFMT;
        if ((is_parser && parser) || (!is_parser && s->kind != STAGE_LINE && s->kind != STAGE_LABEL_FILTER))
            break;
        if (s->kind == STAGE_LINE)
            continue;
        parser = is_parser ? s : parser;
        is_filtered |= parser && !is_parser;
        if (s->kind == STAGE_LABEL_FILTER)
            add_filter(&n, s->filter);
        *tail = arena_new_of(a, struct stage);
        **tail = *s;
        tail = &(*tail)->next;
    }
    *tail = NULL;
    if (!is_filtered || parser->strict || parser->keep_empty)
        return false;
    struct projection *only = arena_new_of(a, struct projection);
    *only = (struct projection){ n.list, n.count };
    *out = (struct lot_plan){ .a = a, .only = only };
    return plan_names(out, &nothing, first, parser);
}
