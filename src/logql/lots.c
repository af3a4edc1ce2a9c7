/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a row depends on its stream, its severity, and the values of the labels that are compared or grouped by. Rows of a
 * lot that agree in these share one outcome: the stages run once for them, over a record made of the first one. Of a value that is
 * compared and nothing else only the outcomes of the comparisons matter, so that 37 and 38 are the same to `x > 10`. */
#include "logql/project.h"

#include "base/hash.h"
#include "base/map.h"

enum { MEMO_BYTES_A_ROW = 4, INTERNED_MAX = 64 * KIB, CLASSES_MAX = 64, POWERS = 19, ROWS_A_SCRATCH = 256 };

enum outcome_kind {
    OUTCOME_DROP,
    OUTCOME_CONST,  /* counts, with this value */
    OUTCOME_COLUMN, /* counts, with the row's value */
    OUTCOME_ROW     /* row by row */
};
struct outcome {
    enum outcome_kind kind;
    size_t series;
    double v;
};

struct key { /* of one name in a lot: which of the values that differ in outcome a row has */
    const uint32_t *ids; /* NULL: 0 all over */
    uint64_t count;
};

enum unwrapped { UNWRAPPED_NONE, UNWRAPPED_VALUE, UNWRAPPED_FAULT };

struct lots {
    const struct lot_plan *plan;
    const struct expr *e;
    const struct lot_sink *sink;
    struct record *r, *small;
    struct arena *scratch, *arena; /* arena: of a lot */
    struct slice *values, *labels;
    /* the lot at hand */
    const struct lot *lot;
    struct key *keys; /* those that differ */
    size_t key_count;
    struct outcome *outcomes;
    size_t outcome_count, outcome_cap;
    uint64_t *memo_keys; /* NULL: memo is indexed by the key itself */
    uint32_t *memo;      /* 1 + number of an outcome; 0: not known */
    size_t memo_mask;
    /* unwrapped: of each row, or of each entry of the dictionary */
    const struct lot_values *unwrap;
    uint8_t *states;
    double *numbers;
};

static const double TENS[POWERS] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18 };

struct lots *logql_lots_new(const struct lot_plan *plan, const struct expr *e, const struct lot_sink *sink, struct record *r, struct arena *scratch)
{
    struct lots *l = mem_new(struct lots);
    l->plan = plan;
    l->e = e;
    l->sink = sink;
    l->r = r;
    l->scratch = scratch;
    l->arena = arena_new(0);
    l->small = mem_zalloc(sizeof *l->small);
    l->values = mem_alloc((plan->query.count + 1) * sizeof *l->values);
    l->labels = mem_alloc((plan->query.count + 1) * sizeof *l->labels);
    for (size_t i = 0; i < plan->query.count; i++)
        l->labels[i] = plan->names[i].label;
    return l;
}

void logql_lots_free(struct lots *l)
{
    if (l == NULL)
        return;
    arena_free(l->arena);
    mem_free(l->small);
    mem_free(l->values);
    mem_free(l->labels);
    mem_free(l);
}

/* ---- values ---- */

static double number_at(const struct lot_values *v, size_t i)
{
    return v->digits ? (double)v->ints[i] / TENS[v->digits] : (double)v->ints[i];
}

static struct slice shortest(struct arena *a, double v)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, 0);
    json_writer_init(&w, &b);
    json_double(&w, v);
    struct slice out = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
    return out;
}

static struct slice text_at(const struct lot_values *v, size_t i, struct arena *a)
{
    switch (v->kind) {
    case LOT_DICT: return v->dict[v->ids ? v->ids[i] : 0];
    case LOT_TEXTS: return v->texts[i];
    case LOT_NUMBERS: break;
    }
    if (v->digits == 0)
        return arena_printf(a, "%0*lld", (int)v->width, (long long)v->ints[i]);
    if (v->is_shortest)
        return shortest(a, number_at(v, i));
    int64_t power = (int64_t)TENS[v->digits];
    return arena_printf(a, "%lld.%0*lld", (long long)(v->ints[i] / power), (int)v->digits, (long long)(v->ints[i] % power));
}

/* ---- keys ---- */

/* Numbers for texts that differ; false: there are too many. */
static bool intern_texts(struct lots *l, const struct lot_values *v, uint32_t *ids, uint64_t *count)
{
    struct map m;
    map_init(&m);
    for (size_t i = 0; i < l->lot->n && m.count < INTERNED_MAX; i++) {
        bool added;
        uint64_t *at = map_put(&m, v->texts[i], &added);
        if (added)
            *at = m.count - 1;
        ids[i] = (uint32_t)*at;
    }
    *count = m.count;
    bool ok = m.count < INTERNED_MAX;
    map_free(&m);
    return ok;
}

static bool intern_ints(struct lots *l, const struct lot_values *v, uint32_t *ids, uint64_t *count)
{
    size_t cap = 64;
    while (cap < l->lot->n * 2)
        cap *= 2;
    int64_t *known = arena_array(l->arena, int64_t, cap);
    uint32_t *number = arena_zalloc(l->arena, cap * sizeof *number), n = 0;
    for (size_t i = 0; i < l->lot->n; i++) {
        size_t at = hash_u64((uint64_t)v->ints[i]) & (cap - 1);
        while (number[at] && known[at] != v->ints[i])
            at = (at + 1) & (cap - 1);
        if (number[at] == 0) {
            known[at] = v->ints[i];
            number[at] = ++n;
        }
        ids[i] = number[at] - 1;
    }
    *count = n;
    return true;
}

/* Comparisons of numbers with numbers need no text. */
static bool is_numeric(const struct lot_name *name, const struct lot_values *v)
{
    bool is = v->kind == LOT_NUMBERS;
    for (size_t i = 0; i < name->leaf_count; i++)
        is &= name->leaves[i]->kind == FILTER_NUMBER && name->leaves[i]->op <= CMP_LE;
    return is;
}

/* Two bits a comparison: what it says, and whether it failed. */
static uint32_t outcome_bits(struct lots *l, const struct lot_name *name, const struct lot_values *v, size_t i, bool is_number)
{
    uint32_t bits = 0;
    double number = is_number ? number_at(v, i) : 0;
    struct slice text = is_number ? SLICE_EMPTY : text_at(v, i, l->scratch);
    for (size_t k = 0; k < name->leaf_count; k++) {
        const struct label_filter *f = name->leaves[k];
        if (is_number) {
            bits |= (uint32_t)logql_compare(f->op, number, f->number) << 2 * k;
            continue;
        }
        l->small->count = 0;
        l->small->error = l->small->error_details = SLICE_EMPTY;
        record_set(l->small, name->label, text, FROM_PARSER);
        bits |= (uint32_t)logql_filter_run(f, l->small, l->scratch) << 2 * k;
        bits |= (uint32_t)(l->small->error.len > 0) << (2 * k + 1);
    }
    return bits | (uint32_t)(!is_number && text.len == 0) << 2 * PROJECT_LEAVES_MAX;
}

static bool classify(struct lots *l, const struct lot_name *name, const struct lot_values *v, uint32_t *ids, uint64_t *count)
{
    uint32_t known[CLASSES_MAX];
    size_t n = 0, last = 0;
    bool is_number = is_numeric(name, v);
    for (size_t i = 0; i < l->lot->n; i++) {
        uint32_t bits = outcome_bits(l, name, v, i, is_number);
        if (!is_number && i % ROWS_A_SCRATCH == 0)
            arena_reset(l->scratch);
        if (n == 0 || known[last] != bits) {
            for (last = 0; last < n && known[last] != bits;)
                last++;
            if (last == CLASSES_MAX)
                return false;
            if (last == n)
                known[n++] = bits;
        }
        ids[i] = (uint32_t)last;
    }
    *count = n;
    return true;
}

/* False: rows differ in more than can be told apart. */
static bool make_key(struct lots *l, size_t name, struct key *out)
{
    const struct lot_name *n = &l->plan->names[name];
    const struct lot_values *v = &l->lot->values[name];
    *out = (struct key){ NULL, 1 };
    if (l->lot->is_error || (!n->is_grouped && n->leaf_count == 0))
        return true;
    if (v->kind == LOT_DICT) {
        *out = (struct key){ v->ids, v->dict_count };
        return true;
    }
    uint32_t *ids = arena_array(l->arena, uint32_t, l->lot->n);
    out->ids = ids;
    if (!n->is_grouped)
        return classify(l, n, v, ids, &out->count);
    return v->kind == LOT_NUMBERS ? intern_ints(l, v, ids, &out->count) : intern_texts(l, v, ids, &out->count);
}

/* False: row by row. */
static bool make_keys(struct lots *l)
{
    uint64_t all = (uint64_t)l->lot->stream_count * l->lot->severities;
    l->keys = arena_array(l->arena, struct key, l->plan->query.count + 1);
    l->key_count = 0;
    for (size_t i = 0; i < l->plan->query.count; i++) {
        struct key *key = &l->keys[l->key_count];
        if (!make_key(l, i, key) || all > UINT64_MAX / 2 / key->count)
            return false;
        all *= key->count;
        l->key_count += key->ids != NULL;
    }
    size_t cap = 64;
    l->memo_keys = NULL;
    if (all <= (uint64_t)l->lot->n * MEMO_BYTES_A_ROW) {
        l->memo = arena_zalloc(l->arena, (size_t)all * sizeof *l->memo);
        return true;
    }
    while (cap < l->lot->n * 2)
        cap *= 2;
    l->memo_mask = cap - 1;
    l->memo = arena_zalloc(l->arena, cap * sizeof *l->memo);
    l->memo_keys = arena_array(l->arena, uint64_t, cap);
    return true;
}

static inline uint32_t *memo_of(struct lots *l, size_t i)
{
    uint64_t key = l->lot->classes[l->lot->rows[i]];
    for (size_t k = 0; k < l->key_count; k++)
        key = key * l->keys[k].count + l->keys[k].ids[i];
    if (l->memo_keys == NULL)
        return &l->memo[key];
    size_t at = hash_u64(key) & l->memo_mask;
    while (l->memo[at] && l->memo_keys[at] != key)
        at = (at + 1) & l->memo_mask;
    l->memo_keys[at] = key;
    return &l->memo[at];
}

/* ---- what is unwrapped ---- */

static uint8_t unwrap_text(const struct lots *l, struct slice text, double *v)
{
    if (text.len == 0)
        return UNWRAPPED_NONE;
    return logql_value_parse(text, l->e->unwrap_as, v) ? UNWRAPPED_VALUE : UNWRAPPED_FAULT;
}

static void unwrap_column(struct lots *l)
{
    l->unwrap = NULL;
    for (size_t i = 0; !l->lot->is_error && i < l->plan->query.count; i++)
        if (l->plan->names[i].is_unwrapped)
            l->unwrap = &l->lot->values[i];
    if (l->unwrap == NULL)
        return;
    const struct lot_values *v = l->unwrap;
    bool is_number = v->kind == LOT_NUMBERS && l->e->unwrap_as == UNWRAP_NUMBER;
    size_t n = v->kind == LOT_DICT ? v->dict_count : l->lot->n;
    l->numbers = arena_array(l->arena, double, n);
    l->states = NULL;
    for (size_t i = 0; is_number && i < n; i++)
        l->numbers[i] = number_at(v, i);
    if (is_number)
        return;
    l->states = arena_alloc(l->arena, n);
    for (size_t i = 0; i < n; i++) {
        if (i % ROWS_A_SCRATCH == 0)
            arena_reset(l->scratch);
        l->states[i] = unwrap_text(l, v->kind == LOT_DICT ? v->dict[i] : text_at(v, i, l->scratch), &l->numbers[i]);
    }
}

static inline uint8_t unwrapped_at(const struct lots *l, size_t i, double *v)
{
    if (l->unwrap == NULL)
        return UNWRAPPED_NONE;
    size_t at = l->unwrap->kind != LOT_DICT ? i : l->unwrap->ids ? l->unwrap->ids[i] : 0;
    *v = l->numbers[at];
    return l->states ? l->states[at] : UNWRAPPED_VALUE;
}

/* Has no row a value? */
static bool is_never_unwrapped(const struct lots *l)
{
    double v;
    bool is_same = l->unwrap == NULL || (l->unwrap->kind == LOT_DICT && l->unwrap->ids == NULL);
    return is_same && unwrapped_at(l, 0, &v) == UNWRAPPED_NONE;
}

/* ---- rows ---- */

static double weight_at(const struct lots *l, size_t i)
{
    return l->lot->weights ? (double)l->lot->weights[i] : 1;
}

/* The record of row i, behind the stages; false: it is filtered out. *has_own: the label to be unwrapped is the row's without the parser. */
static bool run_row(struct lots *l, size_t i, bool *has_own)
{
    const struct lot *lot = l->lot;
    uint32_t class = lot->classes[lot->rows[i]];
    struct event e = { .kind = EVENT_LOG, .severity = (uint8_t)(class % lot->severities), .weight = (float)weight_at(l, i),
                       .time_ns = lot->times[lot->rows[i]], .stream = lot->stream_list[class / lot->severities], .body = SLICE_EMPTY };
    struct record_found found = { lot->is_error, l->plan->query.count, l->values, l->labels };
    struct stage_env env = { .scratch = l->scratch, .only = l->plan->only, .found = &found };
    for (size_t k = 0; !lot->is_error && k < found.count; k++)
        l->values[k] = text_at(&lot->values[k], i, l->scratch);
    record_load(l->r, &e, l->scratch);
    *has_own = l->e && l->e->has_unwrap && record_find(l->r, l->e->unwrap_label) != NULL;
    return logql_stages_run(l->plan->stages, l->r, &env);
}

/* By itself, as if it were the only one. */
static enum status fold_row(struct lots *l, size_t i, struct err *err)
{
    bool has_own;
    arena_reset(l->scratch);
    return run_row(l, i, &has_own) ? l->sink->row(l->sink->arg, l->r, (float)weight_at(l, i), err) : ST_OK;
}

/* What becomes of row i and all that are alike. *is_known false: this one cannot tell; it has been folded. */
static enum status find_outcome(struct lots *l, size_t i, struct outcome *out, bool *is_known, struct err *err)
{
    bool has_own;
    double v = 1;
    uint8_t state = l->e->has_unwrap ? unwrapped_at(l, i, &v) : UNWRAPPED_VALUE;
    *is_known = true;
    *out = (struct outcome){ .kind = OUTCOME_DROP };
    if (!run_row(l, i, &has_own) || (!has_own && l->e->has_unwrap && is_never_unwrapped(l)))
        return ST_OK;
    if (has_own || l->r->error.len) {
        out->kind = OUTCOME_ROW;
        return ST_OK;
    }
    if (state != UNWRAPPED_VALUE) {
        *is_known = false;
        return state == UNWRAPPED_FAULT ? l->sink->row(l->sink->arg, l->r, (float)weight_at(l, i), err) : ST_OK;
    }
    if (l->e->unwrap_filter && !logql_filter_run(l->e->unwrap_filter, l->r, l->scratch))
        return ST_OK;
    out->kind = l->r->error.len ? OUTCOME_ROW : l->e->has_unwrap ? OUTCOME_COLUMN : OUTCOME_CONST;
    out->v = 1;
    return out->kind == OUTCOME_ROW ? ST_OK : l->sink->series(l->sink->arg, l->r, &out->series, err);
}

static enum status fold_known(struct lots *l, const struct outcome *o, size_t i, struct err *err)
{
    double v = o->v;
    switch (o->kind) {
    case OUTCOME_DROP: return ST_OK;
    case OUTCOME_CONST: break;
    case OUTCOME_COLUMN:
        switch ((enum unwrapped)unwrapped_at(l, i, &v)) {
        case UNWRAPPED_NONE: return ST_OK;
        case UNWRAPPED_FAULT: return fold_row(l, i, err);
        case UNWRAPPED_VALUE: break;
        }
        break;
    case OUTCOME_ROW: return fold_row(l, i, err);
    }
    l->sink->add(l->sink->arg, o->series, l->lot->times[l->lot->rows[i]], v, weight_at(l, i));
    return ST_OK;
}

static enum status fold_alike(struct lots *l, size_t i, struct err *err)
{
    uint32_t *memo = memo_of(l, i);
    if (*memo)
        return fold_known(l, &l->outcomes[*memo - 1], i, err);
    struct outcome o;
    bool is_known;
    arena_reset(l->scratch);
    enum status st = find_outcome(l, i, &o, &is_known, err);
    if (st || !is_known)
        return st;
    ARENA_PUSH(l->arena, l->outcomes, l->outcome_count, l->outcome_cap) = o;
    *memo = (uint32_t)l->outcome_count;
    return fold_known(l, &o, i, err);
}

/* ---- lots that are filtered alone ---- */

static bool passes(struct lots *l, size_t i)
{
    bool has_own;
    arena_reset(l->scratch);
    return run_row(l, i, &has_own);
}

void logql_lots_pass(void *arg, const struct lot *lot, uint8_t *is_wanted)
{
    enum { NOT_KNOWN = 0, PASSES = 1, FAILS = 2 };
    struct lots *l = arg;
    arena_reset(l->arena);
    l->lot = lot;
    bool is_keyed = make_keys(l);
    for (size_t i = 0; i < lot->n; i++) {
        uint32_t *memo = is_keyed ? memo_of(l, i) : NULL, known = memo ? *memo : NOT_KNOWN;
        if (known == NOT_KNOWN)
            known = passes(l, i) ? PASSES : FAILS;
        if (memo)
            *memo = known;
        is_wanted[i] = known == PASSES;
    }
}

/* ---- lots that are folded ---- */

/* Is there nothing to unwrap in any row? Its label may come from elsewhere than the parser. */
static bool is_lost(const struct lots *l)
{
    bool is_lost = l->e->has_unwrap && is_never_unwrapped(l) && !slice_eq(l->e->unwrap_label, SLICE("detected_level"));
    for (size_t i = 0; is_lost && i < l->lot->stream_count; i++)
        is_lost = labels_get(l->lot->stream_list[i], l->e->unwrap_label).len == 0;
    return is_lost;
}

enum status logql_lots_fold(struct lots *l, const struct lot *lot, struct err *err)
{
    enum status st = ST_OK;
    arena_reset(l->arena);
    l->lot = lot;
    l->outcomes = NULL;
    l->outcome_count = l->outcome_cap = 0;
    unwrap_column(l);
    if (is_lost(l))
        return ST_OK;
    bool is_keyed = make_keys(l);
    for (size_t i = 0; st == ST_OK && i < lot->n; i++) {
        st = is_keyed ? fold_alike(l, i, err) : fold_row(l, i, err);
    }
    return st;
}
