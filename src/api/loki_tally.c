/* SPDX-License-Identifier: Apache-2.0 */
/* Counting is the engine's, by stream and step, from its directory where a block has one stream and from two columns elsewhere. The
 * number of bytes stands in no column, so lines are looked at: as many of each of SLICES pieces of the window, and then some of those
 * keys that have the most lines and were not met: files are by stream, so that the first lines of a piece are of few streams. The
 * work is the same for any number of lines. Keys still not met have the mean of all others. */
#include "api/loki_tally.h"

#include "base/map.h"
#include "base/num.h"

enum {
    SLICES = 16,
    KEYS_MAX = 100 * 1000,
    KEYS_LOOKED_FOR_MAX = 64,
    KEY_LINES = 1000,    /* looked at of each of them */
    KEY_LINES_FEW = 100, /* a key with fewer was not met */
    NOT_OURS = 0         /* the group of streams that are not asked for */
};

struct key_sum {
    struct slice key, stream; /* stream: one of its */
    double lines, bytes;      /* looked at */
    double counted;
    bool is_looked_for;
};

struct tally {
    const struct loki_tally *t;
    struct loki_tallies *out;
    struct arena *scratch;
    struct map streams, index; /* a stream -> its group; a key -> its group */
    struct key_sum *keys;      /* by group; the first one is NOT_OURS */
    size_t count, cap;
    double lines;              /* looked at */
    uint64_t blocks;
};

uint64_t loki_line_bytes(const struct event *e)
{
    uint64_t n = e->body.len;
    for (uint32_t i = 0; i < e->field_count; i++) {
        const struct field *f = &e->fields[i];
        if (f->scope == SCOPE_RECORD)
            n += f->name.len + (f->type == FIELD_STRING || f->type == FIELD_BYTES || f->type == FIELD_JSON ? f->text.len : sizeof f->i);
    }
    return n;
}

/* The predicate of the selector lets the store skip what cannot match; each row is asked again. */
enum status loki_lines_open(const struct loki_tally *t, struct events_query *eq, struct loki_lines *out, struct err *err)
{
    const struct query_lang *lang = t->q->api->logql;
    struct engine *engine = t->q->api->engine;
    enum status st = ST_OK;
    *out = (struct loki_lines){ 0 };
    eq->kinds = 1u << EVENT_LOG;
    if (t->matcher_count && eq->pred == NULL) {
        st = lang->rows_open(t->text, &out->rows, err);
        if (!st && lang->rows_pred)
            eq->pred = lang->rows_pred(out->rows, t->q->arena);
    }
    if (!st)
        st = engine->ops->events(engine, &t->q->ctx, eq, &out->it, &out->did, err);
    if (st)
        loki_lines_close(t, out);
    return st;
}

void loki_lines_close(const struct loki_tally *t, struct loki_lines *l)
{
    if (l->it)
        l->it->ops->close(l->it);
    if (l->rows)
        t->q->api->logql->rows_close(l->rows);
    *l = (struct loki_lines){ 0 };
}

/* ---- keys ---- */

static uint32_t group_new(struct tally *x, struct slice key, struct slice stream)
{
    if (x->count > KEYS_MAX) {
        x->out->is_over = true;
        return NOT_OURS;
    }
    struct slice copy = arena_copy(x->t->q->arena, key);
    *map_put(&x->index, copy, NULL) = x->count;
    ARENA_PUSH(x->t->q->arena, x->keys, x->count, x->cap) = (struct key_sum){ .key = copy, .stream = stream };
    return (uint32_t)(x->count - 1);
}

static uint32_t group_of(struct tally *x, struct slice stream)
{
    uint64_t *at = map_get(&x->streams, stream);
    if (at)
        return (uint32_t)*at;
    uint32_t group = NOT_OURS;
    struct slice copy = arena_copy(x->t->q->arena, stream);
    if (matchers_match(x->t->matchers, x->t->matcher_count, stream)) {
        struct slice key = x->t->key(x->t->arg, stream, x->scratch);
        uint64_t *known = key.len ? map_get(&x->index, key) : NULL;
        group = known ? (uint32_t)*known : key.len ? group_new(x, key, copy) : NOT_OURS;
        arena_reset(x->scratch);
    }
    *map_put(&x->streams, copy, NULL) = group;
    return group;
}

/* ---- looking at some ---- */

static void look_at(struct tally *x, const struct event *e)
{
    uint32_t group = group_of(x, e->stream);
    double bytes = (double)loki_line_bytes(e);
    if (group == NOT_OURS)
        return;
    x->keys[group].lines++;
    x->keys[group].bytes += bytes;
    x->lines++;
}

/* pred NULL: of the selector. */
static enum status look_in(struct tally *x, int64_t from_ns, int64_t to_ns, const struct pred *pred, size_t left, struct err *err)
{
    struct events_query eq = { .start_ns = from_ns, .end_ns = to_ns, .want = WANT_BODY | WANT_FIELDS | WANT_STREAM, .order = ORDER_NONE,
                               .pred = pred };
    struct loki_lines l;
    struct event_block block;
    enum status st = loki_lines_open(x->t, &eq, &l, err);
    if (st)
        return st;
    while (left && (st = l.it->ops->next(l.it, &block, err)) == ST_OK && (st = engine_ctx_check(&x->t->q->ctx, err)) == ST_OK) {
        double before = x->lines;
        for (size_t i = 0; i < block.n && left; i++, left--)
            look_at(x, &block.rows[i]);
        x->blocks += x->lines > before;
    }
    loki_lines_close(x->t, &l);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status look(struct tally *x, struct err *err)
{
    int64_t length = sat_sub(x->t->end_ns, x->t->start_ns), piece = MAX(length / SLICES, (int64_t)1);
    enum status st = ST_OK;
    for (int i = 0; i < SLICES && !st; i++) {
        int64_t from = sat_add(x->t->start_ns, i * piece), to = i == SLICES - 1 ? x->t->end_ns : sat_add(from, piece);
        if (from < x->t->end_ns)
            st = look_in(x, from, to, NULL, TALLY_LINES_MAX / SLICES / 2, err);
    }
    return st;
}

/* Rows of streams with all labels of this one. */
static struct pred *pred_of(struct arena *a, struct slice stream)
{
    struct pred *all = arena_new_of(a, struct pred);
    *all = (struct pred){ .op = PRED_AND, .kids = arena_array(a, struct pred *, LABELS_PER_SERIES_MAX) };
    for (struct label l; all->kid_count < LABELS_PER_SERIES_MAX && labels_next(&stream, &l);) {
        struct pred *one = all->kids[all->kid_count++] = arena_new_of(a, struct pred);
        *one = (struct pred){ .op = PRED_EQ, .column = COL_STREAM, .name = l.name, .type = FIELD_STRING, .text = l.value };
    }
    return all;
}

static struct key_sum *largest_unmet(struct tally *x)
{
    struct key_sum *best = NULL;
    for (size_t i = NOT_OURS + 1; i < x->count; i++) {
        struct key_sum *k = &x->keys[i];
        bool is_met = k->is_looked_for || k->lines >= KEY_LINES_FEW || k->lines >= k->counted;
        if (!is_met && (best == NULL || k->counted > best->counted))
            best = k;
    }
    return best;
}

static enum status look_for_unmet(struct tally *x, struct err *err)
{
    enum status st = ST_OK;
    for (int i = 0; i < KEYS_LOOKED_FOR_MAX && !st; i++) {
        struct key_sum *k = largest_unmet(x);
        if (k == NULL)
            break;
        k->is_looked_for = true;
        st = look_in(x, x->t->start_ns, x->t->end_ns, pred_of(x->t->q->arena, k->stream), KEY_LINES, err);
    }
    return st;
}

/* ---- counting all ---- */

static enum status count_group(void *arg, const struct event *e, uint32_t *group, struct err *err)
{
    (void)err;
    *group = group_of(arg, e->stream);
    return ST_OK;
}

static bool looks_at_none(void *arg, struct slice field)
{
    (void)arg;
    (void)field;
    return false;
}

static void take_count(struct tally *x, const struct event_count *c)
{
    struct loki_tallies *out = x->out;
    if (c->group == NOT_OURS)
        return;
    x->keys[c->group].counted += c->count;
    out->lines += c->count;
    ARENA_PUSH(x->t->q->arena, out->rows, out->count, out->cap) = (struct loki_tally_row){ x->keys[c->group].key, c->group, c->time_ns, c->count, 0 };
}

/* Over the keys that were met, by their lines. */
static double mean_of_all(const struct tally *x)
{
    double lines = 0, bytes = 0;
    for (size_t i = NOT_OURS + 1; i < x->count; i++)
        if (x->keys[i].lines > 0) {
            lines += x->keys[i].counted;
            bytes += x->keys[i].counted * x->keys[i].bytes / x->keys[i].lines;
        }
    return lines > 0 ? bytes / lines : 0;
}

static void fill_bytes(struct tally *x)
{
    double mean = mean_of_all(x);
    for (size_t i = 0; i < x->out->count; i++) {
        struct loki_tally_row *r = &x->out->rows[i];
        const struct key_sum *k = &x->keys[r->group];
        r->bytes = r->lines * (k->lines > 0 ? k->bytes / k->lines : mean);
        x->out->bytes += r->bytes;
    }
}

static enum status count(struct tally *x, struct err *err)
{
    const struct loki_tally *t = x->t;
    int64_t length = MAX(sat_sub(t->end_ns, t->start_ns), (int64_t)1);
    struct events_count_by by = { .step_ns = t->step_ns ? t->step_ns : length, .origin_ns = { t->start_ns, t->start_ns }, .group = count_group,
                                  .looks_at = looks_at_none, .arg = x };
    struct events_query eq = { .start_ns = t->start_ns, .end_ns = t->end_ns, .want = WANT_STREAM, .order = ORDER_NONE, .count_by = &by };
    struct loki_lines l;
    struct event_block block;
    enum status st = loki_lines_open(t, &eq, &l, err);
    if (st)
        return st;
    if (!(l.did & ENGINE_DID_COUNT))
        st = ST_UNSUPPORTED;
    while (!st && (st = l.it->ops->next(l.it, &block, err)) == ST_OK && (st = engine_ctx_check(&t->q->ctx, err)) == ST_OK)
        for (size_t i = 0; i < block.n; i++)
            take_count(x, &block.counts[i]);
    loki_lines_close(t, &l);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status loki_tally_estimate(const struct loki_tally *t, struct loki_tallies *out, struct err *err)
{
    struct tally x = { .t = t, .out = out, .scratch = arena_new(0) };
    *out = (struct loki_tallies){ 0 };
    map_init(&x.streams);
    map_init(&x.index);
    ARENA_PUSH(t->q->arena, x.keys, x.count, x.cap) = (struct key_sum){ 0 };
    enum status st = look(&x, err);
    if (!st)
        st = count(&x, err);
    if (!st)
        st = look_for_unmet(&x, err);
    fill_bytes(&x);
    out->keys = x.count - 1;
    out->looked_at = (uint64_t)x.lines;
    out->chunks = x.lines > 0 ? MAX((double)x.blocks * out->lines / x.lines, 1.0) : 0;
    map_free(&x.streams);
    map_free(&x.index);
    arena_free(x.scratch);
    return st;
}
