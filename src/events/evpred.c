/* SPDX-License-Identifier: Apache-2.0 */
/* One function decides for one value (evpred_test); scans over columns and over rows both come here, so that a row means the
 * same in memory and on disk. */
#include "events/evpred.h"

#include <stdlib.h>

#include "base/num.h"
#include "codec/regex.h"
#include "events/evfilter.h"

/* Words of a needle that a word may go on around are not asked for; words know no case. */
static void prepare_body(struct evpred *n, const struct pred *p, struct arena *a)
{
    bool is_contains = p->op == PRED_CONTAINS || p->op == PRED_CONTAINS_NOCASE;
    if (p->op == PRED_EQ && p->type != FIELD_INT && p->type != FIELD_DOUBLE)
        n->words = evfilter_words(p->text, true, a, &n->word_count);
    if (is_contains && p->text.len) {
        n->needles = &p->text;
        n->needle_count = 1;
        n->is_nocase = p->op == PRED_CONTAINS_NOCASE;
    } else if (p->op == PRED_RE && p->re) {
        n->needle_count = regex_needles(p->re, a, &n->needles, &n->is_nocase);
    }
    n->grams = n->needle_count ? arena_array(a, struct evpred_grams, n->needle_count) : NULL;
    for (size_t i = 0; i < n->needle_count; i++)
        n->grams[i].list = evfilter_grams(n->needles[i], a, &n->grams[i].count);
    if (n->needle_count == 1)
        n->words = evfilter_words(n->needles[0], false, a, &n->word_count);
}

static void prepare_leaf(struct evpred *n, const struct pred *p, struct arena *a)
{
    bool is_text = p->type != FIELD_INT && p->type != FIELD_DOUBLE;
    if (p->column == COL_BODY) {
        prepare_body(n, p, a);
    } else if (p->column == COL_FIELD && p->op == PRED_EQ && is_text && p->text.len) {
        n->has_value_hash = true;
        n->value_hash = evfilter_value_hash(p->name, p->text);
    } else if (p->column == COL_CHILDREN) {
        n->value_hash = evfilter_value_hash(p->name, p->text);
        n->list_hash = evfilter_list_hash(p->name);
    }
}

struct evpred *evpred_compile(const struct pred *p, struct arena *a, unsigned *count)
{
    if (p == NULL)
        return NULL;
    struct evpred *n = arena_new_of(a, struct evpred);
    n->op = p->op;
    n->p = p;
    n->id = (*count)++;
    if (p->op > PRED_TRUE) {
        prepare_leaf(n, p, a);
        return n;
    }
    n->kid_count = p->op == PRED_TRUE ? 0 : p->kid_count;
    n->kids = arena_array(a, struct evpred *, n->kid_count + 1);
    for (size_t i = 0; i < n->kid_count; i++)
        n->kids[i] = evpred_compile(p->kids[i], a, count);
    return n;
}

/* ---- one value ---- */

static inline unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : c;
}

bool evpred_contains_nocase(struct slice text, struct slice needle)
{
    if (needle.len == 0)
        return true;
    unsigned char first = lower((unsigned char)needle.ptr[0]);
    for (size_t i = 0; i + needle.len <= text.len; i++) {
        if (lower((unsigned char)text.ptr[i]) != first)
            continue;
        size_t k = 1;
        while (k < needle.len && lower((unsigned char)text.ptr[i + k]) == lower((unsigned char)needle.ptr[k]))
            k++;
        if (k == needle.len)
            return true;
    }
    return false;
}

/* -1, 0, 1, or 2: has no order. */
static int order_of_doubles(double a, double b)
{
    return a < b ? -1 : a > b ? 1 : a == b ? 0 : 2;
}

static int order_of_numbers(const struct pred *p, const struct evvalue *v)
{
    int64_t i = v->i;
    double d = v->d;
    bool is_int = v->kind == EVVALUE_INT;
    if (v->kind == EVVALUE_NONE)
        return 2;
    if (v->kind == EVVALUE_TEXT) {
        is_int = num_parse_i64(v->text, &i);
        if (!is_int && !num_parse_double(v->text, &d))
            return 2;
    }
    if (is_int && p->type == FIELD_INT)
        return (i > p->i) - (i < p->i);
    return order_of_doubles(is_int ? (double)i : d, p->type == FIELD_INT ? (double)p->i : p->d);
}

static struct slice text_of(const struct evvalue *v, char *room)
{
    switch (v->kind) {
    case EVVALUE_NONE:
        return SLICE_EMPTY;
    case EVVALUE_TEXT:
        return v->text;
    case EVVALUE_INT:
        return slice_of(room, num_format_i64(v->i, room));
    case EVVALUE_DOUBLE:
        return slice_of(room, num_format_short(v->d, room));
    }
    return SLICE_EMPTY;
}

static bool test_text(const struct pred *p, struct slice text)
{
    if (p->op == PRED_CONTAINS)
        return p->text.len == 0 || memmem(text.ptr, text.len, p->text.ptr, p->text.len) != NULL;
    if (p->op == PRED_CONTAINS_NOCASE)
        return evpred_contains_nocase(text, p->text);
    return p->re && regex_match(p->re, text);
}

static bool test_exists(const struct pred *p, const struct evvalue *v)
{
    if (v->kind == EVVALUE_NONE)
        return false;
    if (p->column == COL_SEVERITY)
        return v->kind == EVVALUE_INT && v->i != 0;
    if (p->column == COL_FIELD && p->type == FIELD_JSON)
        return v->is_json;
    return p->column == COL_FIELD || v->kind != EVVALUE_TEXT || v->text.len != 0;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, EVPRED_ID_BYTES);
}

static bool test_among(const struct pred *p, const struct evvalue *v)
{
    return v->kind == EVVALUE_TEXT && v->text.len == EVPRED_ID_BYTES &&
           bsearch(v->text.ptr, p->text.ptr, p->text.len / EVPRED_ID_BYTES, EVPRED_ID_BYTES, by_id) != NULL;
}

bool evpred_test(const struct pred *p, const struct evvalue *v)
{
    char room[NUM_TEXT_BYTES_MAX];
    if (p->op == PRED_AMONG)
        return test_among(p, v);
    if (p->op == PRED_EXISTS)
        return test_exists(p, v);
    if (p->op == PRED_RE || p->op == PRED_CONTAINS || p->op == PRED_CONTAINS_NOCASE)
        return test_text(p, text_of(v, room));
    bool is_number = p->type == FIELD_INT || p->type == FIELD_DOUBLE;
    int order;
    if (is_number)
        order = order_of_numbers(p, v);
    else {
        struct slice text = text_of(v, room);
        bool is_equal = slice_eq(text, p->text);
        if (p->op == PRED_EQ || p->op == PRED_NE)
            return is_equal == (p->op == PRED_EQ);
        order = v->kind == EVVALUE_NONE ? 2 : slice_cmp(text, p->text);
    }
    if (order == 2 && (v->kind == EVVALUE_NONE || is_number))
        return p->op == PRED_NE;
    return p->op == PRED_EQ   ? order == 0
           : p->op == PRED_NE ? order != 0
           : p->op == PRED_LT ? order < 0
           : p->op == PRED_LE ? order <= 0
           : p->op == PRED_GT ? order > 0
                              : order >= 0;
}

struct evvalue evvalue_of_text(struct slice text)
{
    return (struct evvalue){ .kind = EVVALUE_TEXT, .text = text };
}

struct evvalue evvalue_of_field(const struct field *f, struct arena *scratch)
{
    if (f->type == FIELD_INT)
        return (struct evvalue){ .kind = EVVALUE_INT, .i = f->i };
    if (f->type == FIELD_DOUBLE)
        return (struct evvalue){ .kind = EVVALUE_DOUBLE, .d = f->d };
    return (struct evvalue){ .kind = EVVALUE_TEXT, .is_json = f->type == FIELD_JSON, .text = field_text(scratch, f) };
}

struct evvalue evvalue_of_int(const struct pred *p, uint8_t kind, int64_t v)
{
    bool is_of_spans = p->column == COL_DURATION || p->column == COL_SPAN_KIND || p->column == COL_SPAN_STATUS ||
                       p->column == COL_EVENTS || p->column == COL_LINKS || p->column == COL_CHILDREN;
    bool asks_text = p->op == PRED_RE || p->op == PRED_CONTAINS || p->op == PRED_CONTAINS_NOCASE ||
                     (p->op != PRED_EXISTS && p->type != FIELD_INT && p->type != FIELD_DOUBLE);
    if (is_of_spans && kind != EVENT_SPAN)
        return (struct evvalue){ .kind = EVVALUE_NONE };
    if (p->column == COL_SEVERITY && asks_text)
        return evvalue_of_text(severity_name((uint8_t)v));
    return (struct evvalue){ .kind = EVVALUE_INT, .i = v };
}

struct evvalue evvalue_of_id(const struct pred *p, const uint8_t *id, size_t width, struct arena *scratch)
{
    static const uint8_t none[16];
    if (memcmp(id, none, width) == 0)
        return (struct evvalue){ .kind = EVVALUE_NONE };
    if (p->op == PRED_RE || p->op == PRED_CONTAINS || p->op == PRED_CONTAINS_NOCASE) {
        struct field hex = { .type = FIELD_BYTES, .text = slice_of(id, width) };
        return evvalue_of_text(field_text(scratch, &hex));
    }
    return evvalue_of_text(slice_of(id, width));
}

size_t evpred_scopes(const struct pred *p, uint8_t scopes[3])
{
    if (p->scope >= 0) {
        scopes[0] = (uint8_t)p->scope;
        return 1;
    }
    scopes[0] = SCOPE_RECORD;
    scopes[1] = SCOPE_RESOURCE;
    scopes[2] = SCOPE_INSTRUMENTATION;
    return 3;
}

/* ---- one row ---- */

static struct evvalue value_of_field_column(const struct pred *p, const struct event *e, struct arena *scratch)
{
    uint8_t scopes[3];
    size_t count = evpred_scopes(p, scopes);
    for (size_t s = 0; s < count; s++)
        for (uint32_t i = 0; i < e->field_count; i++)
            if (e->fields[i].scope == scopes[s] && slice_eq(e->fields[i].name, p->name))
                return evvalue_of_field(&e->fields[i], scratch);
    return (struct evvalue){ .kind = EVVALUE_NONE };
}

static struct evvalue value_of(const struct pred *p, const struct event *e, struct arena *scratch)
{
    switch (p->column) {
    case COL_FIELD:
        return value_of_field_column(p, e, scratch);
    case COL_STREAM:
        return evvalue_of_text(labels_get(e->stream, p->name));
    case COL_SERVICE:
        return evvalue_of_text(e->service);
    case COL_BODY:
        return evvalue_of_text(e->body);
    case COL_SEVERITY:
        return evvalue_of_int(p, e->kind, e->severity);
    case COL_DURATION:
        return evvalue_of_int(p, e->kind, e->duration_ns);
    case COL_TRACE_ID:
        return evvalue_of_id(p, e->trace_id, sizeof e->trace_id, scratch);
    case COL_SPAN_ID:
        return evvalue_of_id(p, e->span_id, sizeof e->span_id, scratch);
    case COL_PARENT_ID:
        return evvalue_of_id(p, e->parent_id, sizeof e->parent_id, scratch);
    case COL_SPAN_KIND:
        return evvalue_of_int(p, e->kind, e->span_kind);
    case COL_SPAN_STATUS:
        return evvalue_of_int(p, e->kind, e->span_status);
    case COL_SEQ:
        return evvalue_of_int(p, e->kind, (int64_t)e->seq);
    case COL_EVENTS:
        return evvalue_of_int(p, e->kind, e->event_count);
    case COL_LINKS:
        return evvalue_of_int(p, e->kind, e->link_count);
    case COL_CHILDREN: /* as in blocks, which know no better */
        return evvalue_of_int(p, e->kind, e->event_count + e->link_count);
    }
    return (struct evvalue){ .kind = EVVALUE_NONE };
}

bool evpred_row(const struct evpred *n, const struct event *e, struct arena *scratch)
{
    if (n == NULL || n->op == PRED_TRUE)
        return true;
    if (n->op == PRED_NOT)
        return n->kid_count == 0 || !evpred_row(n->kids[0], e, scratch);
    if (n->op == PRED_AND || n->op == PRED_OR) {
        for (size_t i = 0; i < n->kid_count; i++)
            if (evpred_row(n->kids[i], e, scratch) != (n->op == PRED_AND))
                return n->op == PRED_OR;
        return n->op == PRED_AND;
    }
    struct evvalue v = value_of(n->p, e, scratch);
    return evpred_test(n->p, &v);
}
