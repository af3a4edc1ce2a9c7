/* SPDX-License-Identifier: Apache-2.0 */
/* What parts of version 1 have in the place of texts (evtext.c); nothing writes it any more. A variable is a run of letters and digits
 * with a digit in it; the rest of a text, with a zero byte for each variable, is its shape. Rows of one shape share columns, one a
 * variable, each in the form that fits all its values. Shape 0 is a text kept as it is. */
#include "events/evshape.h"

#include "events/evcol.h"

enum {
    SHAPES_MAX = 4096,
    NUMBER_DIGITS_MAX = 18,
    HEX_DIGITS_MAX = 64,
    TOTAL_BYTES_MAX = 64 * MIB,
};

struct slot {
    unsigned codec;
    size_t width;
    int64_t *ints;
    struct slice packed;
    struct evcol_strings strings;
};

struct known { /* a shape while reading */
    struct slice text;
    size_t slot_count, rows, at;
    struct slot *slots;
    struct slice *pieces;    /* slot_count + 1: what stands before each variable, and after the last */
};

static bool get_slot(struct reader *r, size_t n, struct arena *a, struct slot *s)
{
    *s = (struct slot){ .codec = read_u8(r) };
    if (s->codec == EVSHAPE_STRINGS)
        return evcol_get_words(r, &s->strings, n, a);
    if (s->codec > EVSHAPE_HEX_UPPER)
        return false;
    if (s->codec != EVSHAPE_NUMBER)
        s->width = read_u8(r);
    if (s->codec == EVSHAPE_NUMBER || s->codec == EVSHAPE_DIGITS) {
        s->ints = arena_array(a, int64_t, n + 1);
        return s->width <= NUMBER_DIGITS_MAX && evcol_get_ints(r, s->ints, n);
    }
    s->packed = read_bytes(r, (s->width + 1) / 2 * n);
    return !r->bad && s->width <= HEX_DIGITS_MAX;
}

static size_t write_hex(const struct slot *s, size_t i, char *to, size_t room)
{
    const char *alphabet = s->codec == EVSHAPE_HEX_LOWER ? "0123456789abcdef" : "0123456789ABCDEF";
    const uint8_t *at = (const uint8_t *)s->packed.ptr + (s->width + 1) / 2 * i;
    if (s->width > room)
        return SIZE_MAX;
    for (size_t k = 0; k < s->width; k++)
        to[k] = alphabet[at[k / 2] >> (k % 2 ? 0 : 4) & 15];
    return s->width;
}

/* Value i of the slot at to; returns its length, SIZE_MAX when there is no room or the value is impossible. */
static size_t write_value(const struct slot *s, size_t i, char *to, size_t room)
{
    char digits[NUMBER_DIGITS_MAX + 2];
    size_t len = 0;
    if (s->codec == EVSHAPE_STRINGS) {
        struct slice text = evcol_string(&s->strings, i);
        if (text.len > room)
            return SIZE_MAX;
        memcpy(to, text.ptr, text.len);
        return text.len;
    }
    if (s->codec == EVSHAPE_HEX_LOWER || s->codec == EVSHAPE_HEX_UPPER)
        return write_hex(s, i, to, room);
    uint64_t v = (uint64_t)s->ints[i];
    for (; v || len == 0 || len < s->width; v /= 10) {
        if (len > NUMBER_DIGITS_MAX)
            return SIZE_MAX;
        digits[len++] = (char)('0' + v % 10);
    }
    if (len > room)
        return SIZE_MAX;
    for (size_t k = 0; k < len; k++)
        to[k] = digits[len - 1 - k];
    return len;
}

static bool write_row(struct known *s, char *to, size_t total, size_t *out)
{
    size_t at = *out;
    for (size_t k = 0;; k++) {
        struct slice piece = s->pieces[k];
        if (piece.len > total - at)
            return false;
        memcpy(to + at, piece.ptr, piece.len);
        at += piece.len;
        if (k == s->slot_count)
            break;
        size_t len = write_value(&s->slots[k], s->at, to + at, total - at);
        if (len == SIZE_MAX)
            return false;
        at += len;
    }
    s->at++;
    *out = at;
    return true;
}

static void cut_pieces(struct known *s, struct arena *a)
{
    struct slice rest = s->text, piece;
    for (size_t i = 0; i < s->text.len; i++)
        s->slot_count += s->text.ptr[i] == 0;
    s->pieces = arena_array(a, struct slice, s->slot_count + 1);
    for (size_t k = 0; k < s->slot_count; k++) {
        slice_cut(rest, 0, &piece, &rest);
        s->pieces[k] = piece;
    }
    s->pieces[s->slot_count] = rest;
}

static bool get_shapes(struct reader *r, struct known *list, size_t count, const int64_t *ids, size_t n, struct arena *a)
{
    for (size_t i = 0; i < n; i++) {
        if ((uint64_t)ids[i] >= count)
            return false;
        list[ids[i]].rows++;
    }
    for (size_t s = 0; s < count; s++) {
        list[s].slots = arena_array(a, struct slot, list[s].slot_count + 1);
        if (s == 0) {
            list[s].slots[0] = (struct slot){ .codec = EVSHAPE_STRINGS };
            if (!evcol_get_plain(r, &list[s].slots[0].strings, list[s].rows, a))
                return false;
            continue;
        }
        for (size_t k = 0; k < list[s].slot_count; k++)
            if (list[s].rows == 0 || !get_slot(r, list[s].rows, a, &list[s].slots[k]))
                return false;
    }
    return true;
}

bool evshape_get(struct reader *r, size_t n, struct arena *a, const char **bytes, const uint32_t **ends)
{
    uint64_t total = read_varint(r), count = read_varint(r);
    if (r->bad || total > TOTAL_BYTES_MAX || count == 0 || count > SHAPES_MAX)
        return false;
    struct arena *scratch = arena_new(0);
    struct known *list = arena_zalloc(scratch, (size_t)count * sizeof *list);
    int64_t *ids = arena_array(scratch, int64_t, n + 1);
    for (uint64_t s = 0; s < count; s++) {
        list[s].text = s ? read_lenslice(r) : slice_of("", 1);
        cut_pieces(&list[s], scratch);
    }
    char *to = arena_alloc(a, (size_t)total + 1);
    uint32_t *at_end = arena_array(a, uint32_t, n + 1);
    size_t at = 0;
    bool ok = !r->bad && evcol_get_ints(r, ids, n) && get_shapes(r, list, (size_t)count, ids, n, scratch);
    for (size_t i = 0; ok && i < n; i++) {
        ok = write_row(&list[ids[i]], to, (size_t)total, &at);
        at_end[i] = (uint32_t)at;
    }
    arena_free(scratch);
    *bytes = to;
    *ends = at_end;
    return ok && at == total;
}
