/* SPDX-License-Identifier: Apache-2.0 */
/* A predicate over the columns of one block. sel holds the rows still wanted; a leaf looks only at those. Columns with a
 * dictionary are decided once a dictionary entry; text is searched in one run over all bodies. */
#include "codec/regex.h"
#include "events/evplan.h"
#include "events/evtextfind.h"

enum { SMALL_INTS = 256, AMONG_BITS = 4096, FEW_OF = 2 /* rows: so many are put together one by one rather than with all others */ };

enum memo { MEMO_UNKNOWN = 0, MEMO_FALSE = 1, MEMO_TRUE = 2 };

static bool any_left(const uint8_t *sel, size_t n)
{
    return memchr(sel, 1, n) != NULL;
}

/* ---- leaves ---- */

static enum status eval_numbers(struct evselect *s, const struct evpred *n, uint8_t *sel)
{
    bool is_stream = n->p->column == COL_STREAM;
    const int64_t *v;
    enum status st = evread_ints(s->x, is_stream ? EVCOL_STREAM : EVCOL_SERVICE, &v, s->err);
    if (st)
        return st;
    uint32_t count = is_stream ? s->b->stream_count : s->b->service_count;
    const uint32_t *list = is_stream ? s->b->streams : s->b->services;
    uint8_t *is_match = arena_array(s->scratch, uint8_t, count + 1);
    for (uint32_t i = 0; i < count; i++)
        is_match[i] = evplan_number_matches(s->plan, n, list[i]);
    for (size_t r = 0; r < s->n; r++)
        sel[r] &= is_match[v[r]];
    return ST_OK;
}

static enum status eval_ints(struct evselect *s, const struct evpred *n, enum evdir_column column, uint8_t *sel)
{
    const int64_t *v;
    uint8_t memo[SMALL_INTS] = { MEMO_UNKNOWN };
    enum status st = evread_ints(s->x, column, &v, s->err);
    for (size_t r = 0; st == ST_OK && r < s->n; r++) {
        if (!sel[r])
            continue;
        bool is_small = v[r] >= 0 && v[r] < SMALL_INTS;
        if (is_small && memo[v[r]] != MEMO_UNKNOWN) {
            sel[r] = memo[v[r]] == MEMO_TRUE;
            continue;
        }
        struct evvalue value = evvalue_of_int(n->p, s->b->kind, v[r]);
        sel[r] = evpred_test(n->p, &value);
        if (is_small)
            memo[v[r]] = sel[r] ? MEMO_TRUE : MEMO_FALSE;
    }
    return st;
}

/* Which of them have the field is not looked at here. */
static enum status eval_children(struct evselect *s, const struct evpred *n, uint8_t *sel)
{
    const int64_t *events, *links;
    enum status st = evread_ints(s->x, EVCOL_EVENTS, &events, s->err);
    if (st == ST_OK)
        st = evread_ints(s->x, EVCOL_LINKS, &links, s->err);
    for (size_t r = 0; st == ST_OK && r < s->n; r++)
        if (sel[r]) {
            struct evvalue value = evvalue_of_int(n->p, s->b->kind, events[r] + links[r]);
            sel[r] = evpred_test(n->p, &value);
        }
    return st;
}

static enum status eval_seqs(struct evselect *s, const struct evpred *n, uint8_t *sel)
{
    const uint64_t *v;
    enum status st = evread_seqs(s->x, &v, s->err);
    for (size_t r = 0; st == ST_OK && r < s->n; r++)
        if (sel[r]) {
            struct evvalue value = evvalue_of_int(n->p, s->b->kind, (int64_t)v[r]);
            sel[r] = evpred_test(n->p, &value);
        }
    return st;
}

static enum status eval_ids(struct evselect *s, const struct evpred *n, enum evdir_column column, size_t width, uint8_t *sel)
{
    const uint8_t *v;
    bool is_plain = n->op == PRED_EQ && n->p->text.len == width;
    enum status st = evread_ids(s->x, column, &v, s->err);
    for (size_t r = 0; st == ST_OK && r < s->n; r++) {
        if (!sel[r])
            continue;
        if (is_plain && memcmp(v + r * width, n->p->text.ptr, width) != 0) {
            sel[r] = 0;
            continue;
        }
        struct evvalue value = evvalue_of_id(n->p, v + r * width, width, s->scratch);
        sel[r] = evpred_test(n->p, &value);
    }
    return st;
}

/* Which ids may be among those of a predicate: most are told at once. */
struct among {
    uint8_t has[AMONG_BITS / 8]; /* by the lowest bits of an id */
};

static unsigned among_bit(const uint8_t *id)
{
    return (id[14] << 8 | id[15]) % AMONG_BITS;
}

static struct among among_of(const struct pred *p)
{
    struct among a = { { 0 } };
    for (size_t at = 0; p->op == PRED_AMONG && at + EVPRED_ID_BYTES <= p->text.len; at += EVPRED_ID_BYTES) {
        unsigned bit = among_bit((const uint8_t *)p->text.ptr + at);
        a.has[bit / 8] |= (uint8_t)(1u << bit % 8);
    }
    return a;
}

static bool test_trace(struct evselect *s, const struct pred *p, const struct among *a, const uint8_t *id)
{
    unsigned bit = among_bit(id);
    if (p->op == PRED_AMONG && !(a->has[bit / 8] >> bit % 8 & 1))
        return false;
    if (p->op == PRED_EQ && p->text.len == EVPRED_ID_BYTES && memcmp(id, p->text.ptr, EVPRED_ID_BYTES) != 0)
        return false;
    struct evvalue value = evvalue_of_id(p, id, EVPRED_ID_BYTES, s->scratch);
    return evpred_test(p, &value);
}

/* Each id that there is once, then the rows. */
static enum status eval_traces(struct evselect *s, const struct evpred *n, uint8_t *sel)
{
    const struct evcol_fixed *f;
    struct among a = among_of(n->p);
    enum status st = evread_fixed(s->x, EVCOL_TRACE_ID, &f, s->err);
    if (st)
        return st;
    uint8_t *is_match = arena_array(s->scratch, uint8_t, f->count + 1);
    for (size_t i = 0; i < f->count; i++)
        is_match[i] = test_trace(s, n->p, &a, f->bytes + i * f->step);
    for (size_t r = 0; r < s->n; r++)
        sel[r] &= is_match[f->step == 0 ? 0 : f->codes ? (size_t)f->codes[r] : r];
    return ST_OK;
}

/* Bodies lie in one run: look for the needle in all of it, then see whose it is. A find may lie across two bodies. */
static void contains_in_run(const struct evcol_strings *b, struct slice needle, uint8_t *sel)
{
    const char *at = b->bytes, *end = b->bytes + (b->n ? b->ends[b->n - 1] : 0);
    size_t row = 0;
    while (row < b->n) {
        const char *hit = (size_t)(end - at) >= needle.len ? memmem(at, (size_t)(end - at), needle.ptr, needle.len) : NULL;
        size_t offset = hit ? (size_t)(hit - b->bytes) : SIZE_MAX;
        while (row < b->n && b->ends[row] <= offset)
            sel[row++] = 0;
        if (hit == NULL || row == b->n)
            return;
        if (offset + needle.len <= b->ends[row]) {
            at = b->bytes + b->ends[row]; /* this row is done, whatever else it has */
            row++;
        } else {
            at = hit + 1;
        }
    }
}

/* Strings one by one, or once a dictionary entry. */
static enum status eval_texts(struct evselect *s, const struct evpred *n, const struct evcol_strings *v, uint8_t *sel)
{
    bool is_run = n->op == PRED_CONTAINS && n->p->text.len && !v->is_dict;
    uint8_t *memo = v->is_dict ? arena_zalloc(s->scratch, v->dict_count + 1) : NULL;
    if (is_run) {
        contains_in_run(v, n->p->text, sel);
        return ST_OK;
    }
    for (size_t r = 0; r < s->n; r++) {
        if (!sel[r])
            continue;
        uint8_t *known = memo ? &memo[v->ids[r]] : NULL;
        if (known == NULL || *known == MEMO_UNKNOWN) {
            struct evvalue value = evvalue_of_text(evcol_string(v, r));
            sel[r] = evpred_test(n->p, &value);
            if (known)
                *known = sel[r] ? MEMO_TRUE : MEMO_FALSE;
        } else {
            sel[r] = *known == MEMO_TRUE;
        }
    }
    return ST_OK;
}

/* Those few that have the needle are put together one by one. */
static enum status eval_found(struct evselect *s, const struct evpred *n, uint8_t *sel)
{
    enum status st = ST_OK;
    for (size_t r = 0; st == ST_OK && r < s->n; r++) {
        struct slice body;
        if (!sel[r])
            continue;
        st = evread_body(s->x, r, s->scratch, &body, s->err);
        if (st)
            return st;
        struct evvalue value = evvalue_of_text(body);
        sel[r] = evpred_test(n->p, &value);
    }
    return st;
}

/* Clears sel where the text has none of the needles. */
static bool find_needles(struct evselect *s, const struct evpred *n, struct evtext *t, uint8_t *sel)
{
    bool (*find)(struct evtext *, struct slice, uint8_t *, struct arena *) = n->is_nocase ? evtextfind_nocase : evtextfind;
    if (n->needle_count == 1)
        return find(t, n->needles[0], sel, s->scratch);
    uint8_t *found = arena_zalloc(s->scratch, s->n), *one = arena_alloc(s->scratch, s->n);
    for (size_t i = 0; i < n->needle_count; i++) {
        for (size_t r = 0; r < s->n; r++)
            one[r] = sel[r] & (found[r] ^ 1);
        if (!find(t, n->needles[i], one, s->scratch))
            return false;
        for (size_t r = 0; r < s->n; r++)
            found[r] |= one[r];
    }
    memcpy(sel, found, s->n);
    return true;
}

static bool are_few(const uint8_t *sel, size_t n)
{
    size_t count = 0;
    for (size_t r = 0; r < n; r++)
        count += sel[r];
    return count <= n / FEW_OF;
}

static enum status eval_body(struct evselect *s, const struct evpred *n, uint8_t *sel)
{
    const struct evcol_strings *v;
    struct evtext *t = NULL;
    enum status st = n->needle_count ? evread_text(s->x, &t, s->err) : ST_OK;
    if (st == ST_OK && t) {
        if (!find_needles(s, n, t, sel))
            return err_set(s->err, ST_CORRUPT, "part %016llx: bodies of a block of events do not parse",
                           (unsigned long long)part_info(evplan_part(s->plan))->id);
        if (n->op == PRED_CONTAINS || n->op == PRED_CONTAINS_NOCASE)
            return ST_OK;
        if (are_few(sel, s->n))
            return eval_found(s, n, sel);
    }
    if (st == ST_OK)
        st = evread_strings(s->x, EVCOL_BODY, &v, s->err);
    return st ? st : eval_texts(s, n, v, sel);
}

/* ---- fields ---- */

struct chosen { /* which element of a list of fields a leaf looks at */
    const struct evread_values *values;
    uint32_t number, nth;
    uint8_t *memo; /* of the dictionary */
};

struct field_leaf {
    const struct evpred *n;
    const struct evplan_field *fields;
    size_t field_count;
    const struct evread_values **values; /* by place in fields */
    uint8_t **memos;
    const struct evread_shapes *shapes;
    struct chosen *by_shape;
    bool missing; /* what a row without the field gives */
};

static enum status open_field_leaf(struct evselect *s, struct field_leaf *leaf)
{
    leaf->fields = evplan_fields(s->plan, leaf->n, &leaf->field_count);
    leaf->values = arena_zalloc(s->scratch, (leaf->field_count + 1) * sizeof *leaf->values);
    leaf->memos = arena_zalloc(s->scratch, (leaf->field_count + 1) * sizeof *leaf->memos);
    struct evvalue none = { .kind = EVVALUE_NONE };
    leaf->missing = evpred_test(leaf->n->p, &none);
    enum status st = evread_shapes(s->x, &leaf->shapes, s->err);
    for (size_t i = 0; st == ST_OK && i < leaf->field_count; i++) {
        st = evread_values(s->x, leaf->fields[i].number, &leaf->values[i], s->err);
        if (st == ST_OK && leaf->values[i] && leaf->values[i]->texts.is_dict)
            leaf->memos[i] = arena_zalloc(s->scratch, leaf->values[i]->texts.dict_count + 1);
    }
    return st;
}

/* The best field of a list: lowest rank of scope, then first. */
static void choose(struct field_leaf *leaf, size_t shape, struct chosen *out)
{
    const struct evread_shapes *sh = leaf->shapes;
    unsigned best = UINT8_MAX;
    *out = (struct chosen){ 0 };
    for (uint32_t e = sh->starts[shape]; e < sh->starts[shape + 1]; e++)
        for (size_t i = 0; i < leaf->field_count; i++)
            if (leaf->values[i] && leaf->fields[i].number + 1 == sh->elements[e] && leaf->fields[i].rank < best) {
                best = leaf->fields[i].rank;
                *out = (struct chosen){ leaf->values[i], leaf->fields[i].number, sh->nth[e], leaf->memos[i] };
            }
}

static bool test_chosen(struct evselect *s, const struct field_leaf *leaf, const struct chosen *c, size_t row)
{
    if (c->values == NULL)
        return leaf->missing;
    uint8_t *known = NULL;
    if (c->memo) {
        size_t at = (c->values->order ? c->values->order[row] : row) + c->nth;
        known = &c->memo[c->values->texts.ids[at]];
        if (*known != MEMO_UNKNOWN)
            return *known == MEMO_TRUE;
    }
    struct field f = evread_value(c->values, &s->d->fields[c->number], row, c->nth);
    struct evvalue value = evvalue_of_field(&f, s->scratch);
    bool is_match = evpred_test(leaf->n->p, &value);
    if (known)
        *known = is_match ? MEMO_TRUE : MEMO_FALSE;
    return is_match;
}

/* Rows whose lists have cells: names are known only row by row. */
static enum status eval_row_with_cells(struct evselect *s, struct field_leaf *leaf, size_t row, uint8_t *out)
{
    const struct field *cells;
    const uint32_t *order;
    enum status st = evread_cells(s->x, &cells, &order, s->err);
    if (st)
        return st;
    const struct evread_shapes *sh = leaf->shapes;
    uint32_t shape = sh->of_row[row];
    uint8_t scopes[3];
    size_t scope_count = evpred_scopes(leaf->n->p, scopes);
    for (size_t k = 0; k < scope_count; k++)
        for (uint32_t e = sh->starts[shape]; e < sh->starts[shape + 1]; e++) {
            if (sh->elements[e]) {
                for (size_t i = 0; i < leaf->field_count; i++)
                    if (leaf->values[i] && leaf->fields[i].number + 1 == sh->elements[e] && leaf->fields[i].rank == k) {
                        struct chosen c = { leaf->values[i], leaf->fields[i].number, sh->nth[e], NULL };
                        *out = test_chosen(s, leaf, &c, row);
                        return ST_OK;
                    }
                continue;
            }
            const struct field *f = &cells[(order ? order[row] : row) + sh->nth[e]];
            if (f->scope == scopes[k] && slice_eq(f->name, leaf->n->p->name)) {
                struct evvalue value = evvalue_of_field(f, s->scratch);
                *out = evpred_test(leaf->n->p, &value);
                return ST_OK;
            }
        }
    *out = leaf->missing;
    return ST_OK;
}

static bool shape_has_cells(const struct evread_shapes *sh, size_t shape)
{
    for (uint32_t e = sh->starts[shape]; e < sh->starts[shape + 1]; e++)
        if (sh->elements[e] == 0)
            return true;
    return false;
}

static enum status eval_field(struct evselect *s, const struct evpred *n, uint8_t *sel)
{
    struct field_leaf leaf = { .n = n };
    enum status st = open_field_leaf(s, &leaf);
    if (st)
        return st;
    leaf.by_shape = arena_array(s->scratch, struct chosen, leaf.shapes->count);
    uint8_t *has_cells = arena_zalloc(s->scratch, leaf.shapes->count);
    for (size_t i = 0; i < leaf.shapes->count; i++) {
        choose(&leaf, i, &leaf.by_shape[i]);
        has_cells[i] = s->b->has_cells && shape_has_cells(leaf.shapes, i);
    }
    for (size_t r = 0; st == ST_OK && r < s->n; r++) {
        uint32_t shape = leaf.shapes->of_row[r];
        if (!sel[r])
            continue;
        if (has_cells[shape])
            st = eval_row_with_cells(s, &leaf, r, &sel[r]);
        else
            sel[r] = test_chosen(s, &leaf, &leaf.by_shape[shape], r);
    }
    return st;
}

static enum status eval_leaf(struct evselect *s, const struct evpred *n, uint8_t *sel)
{
    switch (n->p->column) {
    case COL_FIELD:
        return eval_field(s, n, sel);
    case COL_STREAM:
    case COL_SERVICE:
        return eval_numbers(s, n, sel);
    case COL_BODY:
        return eval_body(s, n, sel);
    case COL_SEVERITY:
        return eval_ints(s, n, EVCOL_SEVERITY, sel);
    case COL_DURATION:
        return eval_ints(s, n, EVCOL_DURATION, sel);
    case COL_SPAN_KIND:
        return eval_ints(s, n, EVCOL_SPAN_KIND, sel);
    case COL_SPAN_STATUS:
        return eval_ints(s, n, EVCOL_SPAN_STATUS, sel);
    case COL_TRACE_ID:
        return eval_traces(s, n, sel);
    case COL_SPAN_ID:
        return eval_ids(s, n, EVCOL_SPAN_ID, 8, sel);
    case COL_PARENT_ID:
        return eval_ids(s, n, EVCOL_PARENT_ID, 8, sel);
    case COL_SEQ:
        return eval_seqs(s, n, sel);
    case COL_EVENTS:
        return eval_ints(s, n, EVCOL_EVENTS, sel);
    case COL_LINKS:
        return eval_ints(s, n, EVCOL_LINKS, sel);
    case COL_CHILDREN:
        return eval_children(s, n, sel);
    }
    return ST_OK;
}

/* ---- inner nodes ---- */

static enum status eval_or(struct evselect *s, const struct evpred *n, uint8_t *sel)
{
    uint8_t *found = arena_zalloc(s->scratch, s->n), *kid = arena_alloc(s->scratch, s->n);
    enum status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < n->kid_count; i++) {
        for (size_t r = 0; r < s->n; r++)
            kid[r] = sel[r] & (found[r] ^ 1);
        if (any_left(kid, s->n))
            st = evselect_eval(s, n->kids[i], kid);
        for (size_t r = 0; r < s->n; r++)
            found[r] |= kid[r];
    }
    memcpy(sel, found, s->n);
    return st;
}

enum status evselect_eval(struct evselect *s, const struct evpred *n, uint8_t *sel)
{
    enum status st = ST_OK;
    if (s->verdicts[n->id] == EVPLAN_TRUE || n->op == PRED_TRUE)
        return ST_OK;
    if (s->verdicts[n->id] == EVPLAN_FALSE) {
        memset(sel, 0, s->n);
        return ST_OK;
    }
    if (n->op == PRED_AND) {
        for (size_t i = 0; st == ST_OK && i < n->kid_count && any_left(sel, s->n); i++)
            st = evselect_eval(s, n->kids[i], sel);
        return st;
    }
    if (n->op == PRED_OR)
        return eval_or(s, n, sel);
    if (n->op == PRED_NOT && n->kid_count) {
        uint8_t *kid = arena_alloc(s->scratch, s->n);
        memcpy(kid, sel, s->n);
        st = evselect_eval(s, n->kids[0], kid);
        for (size_t r = 0; r < s->n; r++)
            sel[r] &= kid[r] ^ 1;
        return st;
    }
    return n->op > PRED_TRUE ? eval_leaf(s, n, sel) : ST_OK;
}
