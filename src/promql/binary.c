/* SPDX-License-Identifier: Apache-2.0 */
/* Operators between vectors and scalars, and between vectors.
 *
 * With a scalar, rows stream through. Between two vectors both sides are held, and joined by signature: the labels that
 * must agree. A signature may belong to several rows of one side, as long as no two of them have a value at the same
 * step; so rows are joined pair by pair, step by step, and results with equal labels grow together in one row. */
#include "promql/native.h"
#include "promql/rows.h"

enum { MATCH_NAMES_MAX = 512 };

double binary_apply(enum binary_op op, double l, double r)
{
    switch (op) {
    case OP_ADD:
        return l + r;
    case OP_SUB:
        return l - r;
    case OP_MUL:
        return l * r;
    case OP_DIV:
        return l / r;
    case OP_MOD:
        return fmod(l, r);
    case OP_POW:
        return pow(l, r);
    case OP_ATAN2:
        return atan2(l, r);
    case OP_EQ: case OP_NE: case OP_GT: case OP_LT: case OP_GE: case OP_LE:
        return binary_compare(op, l, r);
    case OP_TRIM_UPPER: case OP_TRIM_LOWER: case OP_AND: case OP_OR: case OP_UNLESS:
        break;
    }
    return NAN;
}

bool binary_compare(enum binary_op op, double l, double r)
{
    switch (op) {
    case OP_EQ:
        return l == r;
    case OP_NE:
        return l != r;
    case OP_GT:
        return l > r;
    case OP_LT:
        return l < r;
    case OP_GE:
        return l >= r;
    case OP_LE:
        return l <= r;
    case OP_ADD: case OP_SUB: case OP_MUL: case OP_DIV: case OP_MOD: case OP_POW: case OP_ATAN2: case OP_TRIM_UPPER:
    case OP_TRIM_LOWER: case OP_AND: case OP_OR: case OP_UNLESS:
        break;
    }
    return false;
}

/* One pair. kept: what a comparison that filters lets through; ABSENT when it does not. */
static double apply(const struct node *n, double l, double r, double kept)
{
    if (!op_is_comparison(n->op))
        return binary_apply(n->op, l, r);
    bool yes = binary_compare(n->op, l, r);
    return n->is_bool ? (double)yes : yes ? kept : ABSENT;
}

/* As apply, for rows that may have histograms, and for operators that take nothing else. */
static double apply_any(struct eval *e, const struct node *n, double l, double r, double kept)
{
    if (is_histogram(l) || is_histogram(r) || op_is_trim(n->op))
        return binary_native(e, n, l, r, kept);
    return apply(n, l, r, kept);
}

static bool drops_name(const struct node *n)
{
    return n->is_bool || !(op_is_comparison(n->op) || op_is_trim(n->op));
}

/* ---- vector and scalar ---- */

struct scalar_sink {
    struct sink sink;
    struct eval *e;
    const struct node *n;
    const double *scalar;
    bool is_left; /* the scalar */
    size_t steps;
    struct sink *next;
};

static bool scalar_put_any(struct scalar_sink *s, struct row *row)
{
    bool any = false;
    for (size_t i = 0; i < s->steps; i++) {
        double v = row->v[i], k = s->scalar[i];
        if (is_absent(v))
            continue;
        row->v[i] = s->is_left ? apply_any(s->e, s->n, k, v, v) : apply_any(s->e, s->n, v, k, v);
        any |= !is_absent(row->v[i]);
    }
    return any;
}

static enum status scalar_put(struct sink *sink, struct row *row, struct err *err)
{
    struct scalar_sink *s = (struct scalar_sink *)sink;
    bool is_plain = !row->has_histograms && !op_is_trim(s->n->op), any = !is_plain && scalar_put_any(s, row);
    for (size_t i = 0; is_plain && i < s->steps; i++) {
        double v = row->v[i], k = s->scalar[i];
        if (is_absent(v))
            continue;
        row->v[i] = s->is_left ? apply(s->n, k, v, v) : apply(s->n, v, k, v);
        any |= !is_absent(row->v[i]);
    }
    if (!any)
        return ST_OK;
    if (drops_name(s->n))
        eval_drop_name(s->e, row);
    return s->next->put(s->next, row, err);
}

static enum status with_scalar(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    bool is_left = n->kids[0]->type == TYPE_SCALAR;
    const struct node *vector = n->kids[is_left ? 1 : 0];
    struct arena *a = eval_arena(e);
    double *k = arena_array(a, double, g->n);
    struct scalar_sink s = { { scalar_put }, e, n, k, is_left, g->n, sink };
    enum status st = eval_scalar(e, n->kids[is_left ? 0 : 1], g, k, err);
    if (!st && (!drops_name(n) || (e->features & FEATURE_DELAYED_NAME_REMOVAL) || eval_name_is_fixed(vector)))
        st = eval_vector(e, vector, g, &s.sink, err);
    else if (!st) {
        struct rows r;
        rows_init(&r, e, g->n);
        s.next = &r.sink;
        st = eval_vector(e, vector, g, &s.sink, err);
        if (!st)
            st = rows_give(&r, sink, err);
        rows_free(&r);
    }
    arena_free(a);
    return st;
}

/* ---- vector and vector ---- */

struct join {
    struct eval *e;
    const struct node *n;
    const struct grid *g;
    struct rows left, right, out;
    struct map by_left, by_right;       /* signature to the first row's position + 1 */
    size_t *left_next, *right_next;     /* chains of rows with the same signature; + 1, 0 ends */
    struct slice *left_sigs;
    struct slice names[MATCH_NAMES_MAX];
    size_t name_count;
    uint8_t *has_left, *has_right; /* steps at which the side has anything */
};

static struct slice signature(struct join *j, struct slice labels)
{
    if (j->n->matching.on)
        return labels_only(j->left.a, labels, j->names, j->name_count);
    return labels_without(j->left.a, labels, j->names, j->name_count);
}

/* Chains rows by signature, in order. */
static size_t *chain(struct join *j, const struct rows *r, struct map *by, struct slice **sigs)
{
    size_t *next = arena_array(j->left.a, size_t, r->count + 1);
    if (sigs)
        *sigs = arena_array(j->left.a, struct slice, r->count + 1);
    for (size_t i = r->count; i-- > 0;) {
        bool added;
        struct slice sig = signature(j, r->list[i].labels);
        uint64_t *first = map_put(by, sig, &added);
        next[i] = (size_t)*first;
        *first = i + 1;
        if (sigs)
            (*sigs)[i] = sig;
    }
    return next;
}

static size_t chain_first(const struct map *by, struct slice sig)
{
    const uint64_t *first = map_get(by, sig);
    return first ? (size_t)*first : 0;
}

static void mark_steps(const struct rows *r, uint8_t *steps)
{
    memset(steps, 0, r->n);
    for (size_t k = 0; k < r->count; k++)
        for (size_t i = 0; i < r->n; i++)
            steps[i] |= !is_absent(r->list[k].v[i]);
}

static enum status join_open(struct join *j, struct err *err)
{
    const struct matching *m = &j->n->matching;
    for (size_t i = 0; i < m->names.count; i++)
        j->names[j->name_count++] = m->names.list[i];
    if (!m->on) /* type and unit stay: what differs in them does not match */
        j->names[j->name_count++] = NAME_LABEL;
    rows_init(&j->left, j->e, j->g->n);
    rows_init(&j->right, j->e, j->g->n);
    rows_init(&j->out, j->e, j->g->n);
    j->out.borrows = true; /* from both sides, or from what is made beside them */
    map_init(&j->by_left);
    map_init(&j->by_right);
    enum status st = eval_vector(j->e, j->n->kids[0], j->g, &j->left.sink, err);
    if (st)
        return st;
    /* Nothing can come of an empty left side, except by or and by fill. */
    if (j->left.count == 0 && j->n->op != OP_OR && !m->has_fill_left)
        return ST_OK;
    st = eval_vector(j->e, j->n->kids[1], j->g, &j->right.sink, err);
    if (st)
        return st;
    j->left_next = chain(j, &j->left, &j->by_left, &j->left_sigs);
    j->right_next = chain(j, &j->right, &j->by_right, NULL);
    j->has_left = arena_array(j->left.a, uint8_t, j->g->n);
    j->has_right = arena_array(j->left.a, uint8_t, j->g->n);
    mark_steps(&j->left, j->has_left);
    mark_steps(&j->right, j->has_right);
    return eval_check(j->e, err);
}

static void join_close(struct join *j)
{
    map_free(&j->by_left);
    map_free(&j->by_right);
    rows_free(&j->left);
    rows_free(&j->right);
    rows_free(&j->out);
}

/* ---- and, or, unless ---- */

static void mark_chain(const struct rows *r, const size_t *next, size_t first, uint8_t *steps)
{
    memset(steps, 0, r->n);
    for (size_t k = first; k; k = next[k - 1])
        for (size_t i = 0; i < r->n; i++)
            steps[i] |= !is_absent(r->list[k - 1].v[i]);
}

/* Steps at which a chain has something: found out once a chain, or `a and on () b` would cost rows times rows. */
static const uint8_t *marks_of(struct join *j, const struct rows *r, const size_t *next, size_t first, uint8_t **marks)
{
    if (marks[first] == NULL) {
        marks[first] = arena_alloc(j->left.a, r->n);
        mark_chain(r, next, first, marks[first]);
    }
    return marks[first];
}

static enum status set_left(struct join *j, struct err *err)
{
    enum status st = ST_OK;
    uint8_t **marks = arena_zalloc(j->left.a, (j->right.count + 1) * sizeof *marks); /* by a chain's first row; 0: no partner */
    for (size_t k = 0; !st && k < j->left.count; k++) {
        struct row *row = &j->left.list[k];
        st = eval_check(j->e, err);
        if (st)
            return st;
        if (j->n->op != OP_OR) {
            const uint8_t *steps = marks_of(j, &j->right, j->right_next, chain_first(&j->by_right, j->left_sigs[k]), marks);
            for (size_t i = 0; i < j->g->n; i++)
                if (steps[i] != (j->n->op == OP_AND))
                    row->v[i] = ABSENT;
        }
        st = rows_put(&j->out, row, err);
    }
    return st;
}

static enum status set_run(struct join *j, struct err *err)
{
    uint8_t **marks = arena_zalloc(j->left.a, (j->left.count + 1) * sizeof *marks);
    enum status st = set_left(j, err);
    if (st || j->n->op != OP_OR)
        return st;
    for (size_t k = 0; !st && k < j->right.count; k++) {
        struct row *row = &j->right.list[k];
        const uint8_t *steps = marks_of(j, &j->left, j->left_next, chain_first(&j->by_left, signature(j, row->labels)), marks);
        for (size_t i = 0; i < j->g->n; i++)
            if (steps[i])
                row->v[i] = ABSENT;
        st = rows_put(&j->out, row, err);
    }
    return st;
}

/* ---- the others ---- */

static enum status fail_duplicate(struct join *j, struct slice sig, const struct row *a, const struct row *b, bool is_right, struct err *err)
{
    struct buf text;
    buf_init(&text, ERR_TEXT_BYTES_MAX);
    buf_printf(&text, "found duplicate series for the match group ");
    if (sig.len)
        labels_format(sig, &text);
    else
        buf_printf(&text, "{}");
    buf_printf(&text, " on the %s hand-side of the operation: [", is_right ? "right" : "left");
    struct label l;
    for (int k = 0; k < 2; k++) {
        struct slice rest = k ? b->labels : a->labels;
        buf_printf(&text, k ? ", {" : "{");
        for (bool first = true; labels_next(&rest, &l); first = false)
            buf_printf(&text, "%s%.*s=\"%.*s\"", first ? "" : ", ", SLICE_FMT(l.name), SLICE_FMT(l.value));
        buf_char(&text, '}');
    }
    buf_printf(&text, "];many-to-many matching not allowed: matching labels must be unique on one side");
    struct slice s = buf_as_slice(&text);
    err_set(err, ST_INVALID, "%.*s", SLICE_FMT(s));
    buf_free(&text);
    return ST_INVALID;
}

/* The "one" side may have each signature once a step, where the other side has anything at all. */
static enum status check_one_side(struct join *j, const struct rows *one, const struct map *by, const size_t *next, const uint8_t *other,
                                  bool is_right, struct err *err)
{
    size_t at = 0, *holder = arena_array(j->left.a, size_t, j->g->n);
    for (struct map_entry *entry; (entry = map_each(by, &at));) {
        if (next[entry->value - 1] == 0)
            continue;
        memset(holder, 0, j->g->n * sizeof *holder);
        for (size_t k = (size_t)entry->value; k; k = next[k - 1])
            for (size_t i = 0; i < j->g->n; i++) {
                if (is_absent(one->list[k - 1].v[i]) || !other[i])
                    continue;
                if (holder[i])
                    return fail_duplicate(j, entry->key, &one->list[holder[i] - 1], &one->list[k - 1], is_right, err);
                holder[i] = k;
            }
    }
    return ST_OK;
}

/* Labels of a result: those of the many side, as the matching says. one may be NULL (a filled-in partner). Arithmetic takes the
 * name off at once, even where that is delayed, bool does not; what the sides said of theirs is forgotten: Prometheus's way. */
static void result_labels(struct join *j, const struct row *many, const struct row *one, struct row *out)
{
    const struct matching *m = &j->n->matching;
    struct arena *a = j->out.a;
    const struct slice *names;
    size_t name_count = eval_name_labels(j->e, &names);
    *out = *many;
    out->drop_name = false;
    if (drops_name(j->n) && !op_is_comparison(j->n->op))
        out->labels = labels_without(a, out->labels, names, name_count);
    else if (drops_name(j->n))
        eval_drop_name(j->e, out);
    if (m->card == CARD_ONE_TO_ONE)
        out->labels = m->on ? labels_only(a, out->labels, m->names.list, m->names.count)
                            : labels_without(a, out->labels, m->names.list, m->names.count);
    for (size_t i = 0; i < m->include.count; i++)
        out->labels = labels_with(a, out->labels, m->include.list[i], one ? labels_get(one->labels, m->include.list[i]) : SLICE_EMPTY);
}

struct pairing {
    struct rows *many, *one;
    bool swapped;      /* the many side is the right one */
    bool has_fill_one, has_fill_many;
    double fill_one, fill_many;
};

static enum status pair_put(struct join *j, const struct row *many, const struct row *one, double *v, struct err *err)
{
    struct row row;
    bool any = false;
    for (size_t i = 0; i < j->g->n; i++)
        any |= !is_absent(v[i]);
    if (!any)
        return ST_OK;
    result_labels(j, many, one, &row);
    row.v = v;
    row.has_histograms = eval_has_histograms(v, j->g->n);
    if (row.has_histograms)
        eval_keep_histograms(j->out.a, v, j->g->n);
    enum status st = rows_put(&j->out, &row, NULL);
    if (st == ST_INVALID)
        return err_set(err, ST_INVALID, j->n->matching.card == CARD_ONE_TO_ONE
                                            ? "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                                            : "multiple matches for labels: grouping labels must ensure unique matches");
    return st ? eval_check(j->e, err) : ST_OK;
}

/* One row of the many side with each of its partners. v has room for a row, covered for a byte a step. */
static enum status pair_row(struct join *j, struct pairing *p, const struct row *many, size_t first, const size_t *next, double *v,
                            uint8_t *covered, uint8_t *used, struct err *err)
{
    enum status st = ST_OK;
    size_t steps = j->g->n;
    st = eval_check(j->e, err);
    arena_reset(j->e->line);
    memset(covered, 0, steps);
    for (size_t k = first; !st && k; k = next[k - 1]) {
        const struct row *one = &p->one->list[k - 1];
        bool is_plain = !many->has_histograms && !one->has_histograms && !op_is_trim(j->n->op);
        for (size_t i = 0; i < steps; i++) {
            double m = many->v[i], o = one->v[i];
            v[i] = ABSENT;
            if (is_absent(m) || is_absent(o))
                continue;
            covered[i] = 1;
            double l = p->swapped ? o : m, r = p->swapped ? m : o;
            v[i] = is_plain ? apply(j->n, l, r, l) : apply_any(j->e, j->n, l, r, l);
            if (used == NULL || is_absent(v[i]))
                continue;
            if (used[i])
                return err_set(err, ST_INVALID, "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)");
            used[i] = 1;
        }
        st = pair_put(j, many, one, v, err);
    }
    if (st || !p->has_fill_one)
        return st;
    for (size_t i = 0; i < steps; i++) {
        double m = many->v[i], o = p->fill_one;
        v[i] = ABSENT;
        if (!is_absent(m) && !covered[i])
            v[i] = p->swapped ? apply_any(j->e, j->n, o, m, o) : apply_any(j->e, j->n, m, o, m);
    }
    return pair_put(j, many, NULL, v, err);
}

/* Rows of the one side that nobody matched, against the number that stands in for the many side. */
static enum status pair_fill(struct join *j, struct pairing *p, const struct map *by_many, const size_t *many_next, double *v,
                             uint8_t *covered, struct err *err)
{
    enum status st = ST_OK;
    for (size_t k = 0; !st && k < p->one->count; k++) {
        struct row bare = p->one->list[k];
        mark_chain(p->many, many_next, chain_first(by_many, signature(j, bare.labels)), covered);
        for (size_t i = 0; i < j->g->n; i++) {
            double o = bare.v[i], m = p->fill_many;
            v[i] = ABSENT;
            if (!is_absent(o) && !covered[i])
                v[i] = p->swapped ? apply_any(j->e, j->n, o, m, o) : apply_any(j->e, j->n, m, o, m);
        }
        const struct row *one = &p->one->list[k];
        struct slice name[] = { NAME_LABEL };
        bare.labels = j->n->matching.card == CARD_ONE_TO_ONE ? labels_without(j->out.a, bare.labels, name, 1) : signature(j, bare.labels);
        st = pair_put(j, &bare, one, v, err);
    }
    return st;
}

/* With group_right the sides change places, but the fills do not: Prometheus's way, which its tests pin. */
static enum status pair_run(struct join *j, struct err *err)
{
    const struct matching *m = &j->n->matching;
    bool swapped = m->card == CARD_ONE_TO_MANY;
    struct pairing p = { swapped ? &j->right : &j->left, swapped ? &j->left : &j->right, swapped,
                         m->has_fill_right, m->has_fill_left, m->fill_right, m->fill_left };
    const struct map *by_one = swapped ? &j->by_left : &j->by_right;
    const size_t *one_next = swapped ? j->left_next : j->right_next, *many_next = swapped ? j->right_next : j->left_next;
    enum status st = check_one_side(j, p.one, by_one, one_next, swapped ? j->has_right : j->has_left, !swapped, err);
    double *v = arena_array(j->left.a, double, j->g->n);
    uint8_t *covered = arena_array(j->left.a, uint8_t, j->g->n), *used = arena_array(j->left.a, uint8_t, j->g->n);
    const struct map *by_many = swapped ? &j->by_right : &j->by_left;
    size_t at = 0;
    /* By signature, so that one array of used steps is enough; the order of results is by labels anyway. */
    for (struct map_entry *entry; !st && (entry = map_each(by_many, &at));) {
        size_t first = chain_first(by_one, entry->key);
        memset(used, 0, j->g->n);
        if (first == 0 && !p.has_fill_one)
            continue;
        for (size_t k = (size_t)entry->value; !st && k; k = many_next[k - 1])
            st = pair_row(j, &p, &p.many->list[k - 1], first, one_next, v, covered, m->card == CARD_ONE_TO_ONE ? used : NULL, err);
    }
    if (!st && p.has_fill_many)
        st = pair_fill(j, &p, by_many, many_next, v, covered, err);
    return st;
}

enum status eval_binary(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    if (n->kids[0]->type == TYPE_SCALAR || n->kids[1]->type == TYPE_SCALAR)
        return with_scalar(e, n, g, sink, err);
    struct join *j = mem_new(struct join);
    j->e = e;
    j->n = n;
    j->g = g;
    enum status st = join_open(j, err);
    if (!st && j->right_next)
        st = op_is_set(n->op) ? set_run(j, err) : pair_run(j, err);
    if (!st) {
        rows_sort(&j->out);
        st = rows_give(&j->out, sink, err);
    }
    join_close(j);
    mem_free(j);
    return st;
}
