/* SPDX-License-Identifier: Apache-2.0 */
/* Most variables need no look at their values: a column of numbers has neither quotes nor blanks. Of texts the bytes are looked at in one
 * run, those of a dictionary once an entry; only where that finds something in the way, value by value. */
#include "events/evfieldcol.h"

enum { ROOM_BYTES = 16 * KIB, EXACT_INT_MAX_BITS = 53 };

/* Value i at room; false when there is no room for it, or it is damaged. */
static bool value_at(struct evtext *t, struct evtext_column *c, size_t i, char *room, struct slice *out)
{
    size_t len = evtext_value(t, c, i, room, ROOM_BYTES);
    *out = slice_of(room, len == SIZE_MAX ? 0 : len);
    return len != SIZE_MAX;
}

/* ---- is a whole column what roles ask for? ---- */

/* For many bytes: those that no role has anything against. The roles that look at single bytes alone. */
static bool is_clean_run(const char *at, size_t n, unsigned roles)
{
    uint8_t has_low = 0, has_blank = 0, has_quote = 0, has_backslash = 0, has_high = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)at[i];
        has_low |= c < ' ';
        has_blank |= c == ' ';
        has_quote |= c == '"';
        has_backslash |= c == '\\';
        has_high |= c >= 0x80;
    }
    bool is_string = roles & (EVFIELD_STRING | EVFIELD_QUOTED);
    return !(is_string && has_low | has_quote | has_backslash | has_high) && !(roles & EVFIELD_WORD && has_low | has_blank) &&
           !(roles & EVFIELD_PLAIN && has_backslash);
}

static bool is_clean_slice(struct slice s, unsigned roles)
{
    return is_clean_run(s.ptr, s.len, roles);
}

static bool is_clean_column(struct evtext *t, struct evtext_column *c, unsigned roles);

static bool is_clean_shapes(struct evtext *t, struct evtext_texts *x, unsigned roles)
{
    for (size_t s = 0; s < x->shape_count; s++) {
        struct evtext_shape *shape = &x->shapes[s];
        for (size_t k = 0; s && k <= shape->slot_count; k++)
            if (!is_clean_slice(shape->pieces[k], roles))
                return false;
        for (size_t k = 0; shape->rows && k < shape->slot_count; k++)
            if (!is_clean_column(t, &shape->slots[k], roles))
                return false;
    }
    return true;
}

/* False: it has to be seen value by value, or does not parse. */
static bool is_clean_column(struct evtext *t, struct evtext_column *c, unsigned roles)
{
    bool is_plain = c->before.len + c->behind.len == 0;
    if (roles & EVFIELD_NUMBER)
        return is_plain && (c->type == EVTEXT_NUMBER || c->type == EVTEXT_DECIMAL);
    if (!is_clean_slice(c->before, roles) || !is_clean_slice(c->behind, roles))
        return false;
    bool is_text = c->type == EVTEXT_CONST || c->type == EVTEXT_DICT || c->type == EVTEXT_BYTES || c->type == EVTEXT_SHAPES;
    if (!is_text)
        return c->type == EVTEXT_NUMBER || c->type == EVTEXT_IPV4 || c->width > 0 || c->type >= EVTEXT_TRACE_ID;
    if (roles & EVFIELD_FILLED || (c->type != EVTEXT_CONST && !evtext_load(t, c)))
        return false;
    if (c->type == EVTEXT_CONST)
        return is_clean_slice(c->text, roles);
    if (c->type == EVTEXT_SHAPES)
        return is_clean_shapes(t, c->texts, roles);
    size_t n = c->type == EVTEXT_DICT ? c->dict_count : c->n;
    return is_clean_run(c->chars, n ? c->ends[n - 1] : 0, roles);
}

/* ---- value by value ---- */

static struct slice joined(struct arena *a, struct slice x, struct slice y, struct slice z)
{
    char *to = arena_alloc(a, x.len + y.len + z.len + 1);
    size_t n = 0;
    const struct slice all[] = { x, y, z };
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if (all[i].len)
            memcpy(to + n, all[i].ptr, all[i].len);
        n += all[i].len;
    }
    return slice_of(to, n);
}

/* The entries of a dictionary as values: with what stands before and behind all. */
static const struct slice *entries_of(const struct evtext_column *c, struct arena *a)
{
    if (c->before.len + c->behind.len == 0)
        return c->dict;
    struct slice *list = arena_array(a, struct slice, c->dict_count);
    for (size_t i = 0; i < c->dict_count; i++)
        list[i] = joined(a, c->before, c->dict[i], c->behind);
    return list;
}

static bool check_column(const struct evfield_lines *l, struct evtext_column *c, unsigned roles, uint8_t *is_bad, struct arena *a)
{
    char room[ROOM_BYTES];
    struct slice v;
    if (is_clean_column(l->t, c, roles))
        return true;
    if (!evtext_load(l->t, c))
        return false;
    if (c->type == EVTEXT_DICT) {
        const struct slice *entries = entries_of(c, a);
        uint8_t *bad = arena_alloc(a, c->dict_count);
        for (size_t i = 0; i < c->dict_count; i++)
            bad[i] = !evfield_fits(entries[i], roles);
        for (size_t i = 0; i < l->n; i++)
            is_bad[i] |= bad[c->ids[l->pos[i]]];
        return true;
    }
    bool is_stored = c->type == EVTEXT_BYTES && c->before.len + c->behind.len == 0;
    for (size_t i = 0; is_stored && i < l->n; i++) {
        uint32_t from = l->pos[i] ? c->ends[l->pos[i] - 1] : 0;
        is_bad[i] |= !evfield_fits(slice_of(c->chars + from, c->ends[l->pos[i]] - from), roles);
    }
    for (size_t i = 0; !is_stored && i < l->n; i++)
        if (!is_bad[i])
            is_bad[i] = !value_at(l->t, c, l->pos[i], room, &v) || !evfield_fits(v, roles);
    return true;
}

bool evfield_check(const struct evfield_lines *l, const struct evfield_plan *plan, uint8_t *is_bad, struct arena *a)
{
    memset(is_bad, 0, l->n);
    for (size_t k = 0; k < l->shape->slot_count; k++)
        if (plan->roles[k] && !check_column(l, &l->shape->slots[k], plan->roles[k], is_bad, a))
            return false;
    return true;
}

/* ---- values ---- */

static void set_const(struct lot_values *out, struct slice text, struct arena *a)
{
    struct slice *dict = arena_new_of(a, struct slice);
    *dict = text;
    *out = (struct lot_values){ .kind = LOT_DICT, .dict = dict, .dict_count = 1 };
}

/* False: some are too large to be halves of an exact quotient. */
static bool set_ints(const struct evfield_lines *l, const struct evtext_column *c, bool is_number, struct lot_values *out, struct arena *a)
{
    bool has_digits = c->type == EVTEXT_DECIMAL;
    uint64_t all = 0;
    const int64_t *ints = c->ints;
    if (!l->is_all) {
        int64_t *some = arena_array(a, int64_t, l->n);
        for (size_t i = 0; i < l->n; i++)
            some[i] = c->ints[l->pos[i]];
        ints = some;
    }
    for (size_t i = 0; i < l->n; i++)
        all |= (uint64_t)ints[i];
    *out = (struct lot_values){ .kind = LOT_NUMBERS, .ints = ints, .digits = has_digits ? c->width : 0,
                                .width = c->type == EVTEXT_DIGITS ? c->width : 0, .is_shortest = is_number };
    return (int64_t)all >= 0 && (!has_digits || all >> EXACT_INT_MAX_BITS == 0);
}

static bool set_dict(const struct evfield_lines *l, struct evtext_column *c, bool is_number, struct lot_values *out, struct arena *a)
{
    const struct slice *entries = entries_of(c, a);
    struct slice *dict = arena_array(a, struct slice, c->dict_count);
    uint32_t *ids = l->is_all ? NULL : arena_array(a, uint32_t, l->n);
    for (size_t i = 0; i < c->dict_count; i++)
        dict[i] = is_number && evfield_fits(entries[i], EVFIELD_NUMBER) ? evfield_number(entries[i], a) : entries[i];
    for (size_t i = 0; ids && i < l->n; i++)
        ids[i] = c->ids[l->pos[i]];
    *out = (struct lot_values){ .kind = LOT_DICT, .ids = ids ? ids : c->ids, .dict = dict, .dict_count = c->dict_count };
    return true;
}

/* Line i's part of the shape's text; false when it is damaged. */
static bool put_together(const struct evfield_lines *l, const struct evfield_leaf *leaf, size_t i, struct buf *to)
{
    enum { PIECE_ROOM = 64 };
    struct slice raw = slice_sub(l->shape->text, leaf->from, leaf->to);
    uint32_t row = l->rows[l->pos[i]];
    size_t slot = leaf->slot;
    buf_reset(to);
    for (size_t k = 0; k < raw.len; k++) {
        uint8_t c = (uint8_t)raw.ptr[k];
        if (c != 0 && !evstamp_is_mark(c)) {
            buf_char(to, raw.ptr[k]);
            continue;
        }
        for (size_t want = PIECE_ROOM;; want *= 4) {
            char *room = buf_room(to, want);
            if (room == NULL || want > l->t->bytes + ROOM_BYTES * 4)
                return false;
            size_t len = c ? evtext_piece(l->t, slice_of(raw.ptr + k, 1), row, room, want) :
                             evtext_value(l->t, &l->shape->slots[slot], l->pos[i], room, want);
            if (len == SIZE_MAX)
                continue;
            buf_added(to, len);
            break;
        }
        slot += c == 0;
    }
    return true;
}

static bool set_texts(const struct evfield_lines *l, const struct evfield_leaf *leaf, struct lot_values *out, struct arena *a)
{
    struct slice *texts = arena_array(a, struct slice, l->n + 1);
    struct buf b;
    bool ok = true;
    buf_init(&b, 0);
    for (size_t i = 0; ok && i < l->n; i++) {
        ok = put_together(l, leaf, i, &b);
        texts[i] = arena_copy(a, buf_as_slice(&b));
        if (leaf->is_number)
            texts[i] = evfield_number(texts[i], a);
    }
    buf_free(&b);
    *out = (struct lot_values){ .kind = LOT_TEXTS, .texts = texts };
    return ok;
}

bool evfield_values(const struct evfield_lines *l, const struct evfield_leaf *leaf, struct lot_values *out, struct arena *a)
{
    struct slice raw = slice_sub(l->shape->text, leaf->from, leaf->to);
    bool is_const = true;
    for (size_t i = 0; i < raw.len; i++)
        is_const &= raw.ptr[i] != 0 && !evstamp_is_mark((uint8_t)raw.ptr[i]);
    if (!leaf->is_there || is_const) {
        set_const(out, leaf->is_there ? raw : SLICE_EMPTY, a);
        return true;
    }
    if (raw.len > 1 || raw.ptr[0] != 0)
        return set_texts(l, leaf, out, a);
    struct evtext_column *c = &l->shape->slots[leaf->slot];
    if (!evtext_load(l->t, c))
        return false;
    if (c->type == EVTEXT_CONST) {
        struct slice text = joined(a, c->before, c->text, c->behind);
        set_const(out, leaf->is_number ? evfield_number(text, a) : text, a);
        return true;
    }
    if (c->type == EVTEXT_DICT)
        return set_dict(l, c, leaf->is_number, out, a);
    bool is_int = c->type == EVTEXT_NUMBER || c->type == EVTEXT_DIGITS || c->type == EVTEXT_DECIMAL;
    if (is_int && c->before.len + c->behind.len == 0 && set_ints(l, c, leaf->is_number, out, a))
        return true;
    return set_texts(l, leaf, out, a);
}
