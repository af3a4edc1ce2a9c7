/* SPDX-License-Identifier: Apache-2.0 */
/* A variable is a run of letters and digits with a digit in it; the rest of a text, with a zero byte for each variable, is
 * its shape. Rows of one shape share columns, one a variable, each in the form that fits all its values. Shape 0 is a text
 * kept as it is, for rows whose shape is rare.
 *
 * (1) The rule looks at nothing but the text, so the same text always gives the same shape.
 * (2) A text with a zero byte has shape 0. */
#include "events/evshape.h"

#include "base/map.h"
#include "events/evcol.h"

enum {
    SLOTS_MAX = 64,          /* variables of a text; what comes later is part of the shape */
    SHAPE_ROWS_MIN = 4,      /* fewer rows: shape 0 */
    SHAPES_MAX = 4096,
    NUMBER_DIGITS_MAX = 18,
    HEX_DIGITS_MAX = 64,
    RAW_PART = 2,            /* not worth it when over 1 / RAW_PART of the rows have shape 0 */
    TOTAL_BYTES_MAX = 64 * MIB,
};

struct span {
    uint32_t from, len;
};

struct shape {
    struct slice text;
    size_t rows, slot_count;
    uint32_t number;         /* in the file; 0: rare */
    struct slice *values;    /* slot-major: values[slot * rows + i] */
    size_t filled;
};

static inline bool is_digit(uint8_t c)
{
    return (uint8_t)(c - '0') < 10;
}

static inline bool is_word(uint8_t c)
{
    return (uint8_t)((c | 0x20) - 'a') < 26 || is_digit(c);
}

/* Writes text's shape to to (room for text.len + 1) and gives its length; SIZE_MAX for a text that has none (2). */
static size_t shape_of(struct slice text, char *to, struct span *slots, uint32_t *slot_count)
{
    size_t n = 0;
    uint32_t count = 0;
    for (size_t i = 0; i < text.len;) {
        size_t from = i;
        unsigned digits = 0;
        for (; i < text.len && is_word((uint8_t)text.ptr[i]); i++) {
            to[n + i - from] = text.ptr[i];
            digits |= is_digit((uint8_t)text.ptr[i]);
        }
        if (digits && count < SLOTS_MAX) {
            slots[count++] = (struct span){ (uint32_t)from, (uint32_t)(i - from) };
            to[n++] = 0;
        } else {
            n += i - from;
        }
        for (; i < text.len && !is_word((uint8_t)text.ptr[i]); i++) {
            if (text.ptr[i] == 0)
                return SIZE_MAX;
            to[n++] = text.ptr[i];
        }
    }
    *slot_count = count;
    return n;
}

/* ---- variables out ---- */

struct form { /* what all values of a slot have in common */
    bool is_number, is_digits, is_lower, is_upper;
    size_t width;
};

static struct form form_of(const struct slice *v, size_t n)
{
    struct form f = { true, true, true, true, v[0].len };
    for (size_t i = 0; i < n; i++) {
        bool same_width = v[i].len == f.width, digits = true, lower = true, upper = true;
        for (size_t k = 0; k < v[i].len; k++) {
            char c = v[i].ptr[k];
            digits = digits && is_digit((uint8_t)c);
            lower = lower && (is_digit((uint8_t)c) || (c >= 'a' && c <= 'f'));
            upper = upper && (is_digit((uint8_t)c) || (c >= 'A' && c <= 'F'));
        }
        f.is_number = f.is_number && digits && v[i].len <= NUMBER_DIGITS_MAX && (v[i].ptr[0] != '0' || v[i].len == 1);
        f.is_digits = f.is_digits && digits && same_width && v[i].len <= NUMBER_DIGITS_MAX;
        f.is_lower = f.is_lower && lower && same_width && v[i].len <= HEX_DIGITS_MAX;
        f.is_upper = f.is_upper && upper && same_width && v[i].len <= HEX_DIGITS_MAX;
    }
    return f;
}

static unsigned nibble(char c)
{
    return is_digit((uint8_t)c) ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

static void put_hex(struct buf *out, const struct slice *v, size_t n, size_t width)
{
    size_t bytes = (width + 1) / 2;
    uint8_t *at = (uint8_t *)buf_room(out, bytes * n);
    if (at == NULL)
        return;
    memset(at, 0, bytes * n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < width; k++)
            at[i * bytes + k / 2] |= (uint8_t)(nibble(v[i].ptr[k]) << (k % 2 ? 0 : 4));
    buf_added(out, bytes * n);
}

static void put_slot(struct buf *out, const struct slice *v, size_t n)
{
    struct form f = form_of(v, n);
    if (f.is_number || f.is_digits) {
        int64_t *ints = mem_alloc(n * sizeof *ints);
        for (size_t i = 0; i < n; i++) {
            ints[i] = 0;
            for (size_t k = 0; k < v[i].len; k++)
                ints[i] = ints[i] * 10 + (v[i].ptr[k] - '0');
        }
        buf_u8(out, f.is_number ? EVSHAPE_NUMBER : EVSHAPE_DIGITS);
        if (!f.is_number)
            buf_u8(out, (uint8_t)f.width);
        evcol_put_ints(out, ints, n);
        mem_free(ints);
    } else if (f.is_lower || f.is_upper) {
        buf_u8(out, f.is_lower ? EVSHAPE_HEX_LOWER : EVSHAPE_HEX_UPPER);
        buf_u8(out, (uint8_t)f.width);
        put_hex(out, v, n, f.width);
    } else {
        buf_u8(out, EVSHAPE_STRINGS);
        evcol_put_words(out, v, n);
    }
}

/* ---- shapes out ---- */

struct making {
    struct arena *a;
    struct map index;
    struct shape *shapes;
    size_t count, cap, kept;
    uint32_t *of_row;
    struct span **slots;     /* by row */
    char *room;
};

static void find_shapes(struct making *m, const struct slice *v, size_t n)
{
    struct span slots[SLOTS_MAX];
    m->shapes = NULL;
    ARENA_PUSH(m->a, m->shapes, m->count, m->cap) = (struct shape){ .text = slice_of("", 1), .slot_count = 1 };
    for (size_t i = 0; i < n; i++) {
        uint32_t slot_count;
        size_t len = shape_of(v[i], m->room, slots, &slot_count);
        m->of_row[i] = 0;
        if (len == SIZE_MAX)
            continue;
        m->slots[i] = arena_array(m->a, struct span, slot_count + 1);
        memcpy(m->slots[i], slots, slot_count * sizeof *slots);
        struct slice text = slice_of(m->room, len);
        uint64_t *at = map_get(&m->index, text);
        if (at == NULL) {
            bool added;
            struct slice kept = arena_copy(m->a, text);
            at = map_put(&m->index, kept, &added);
            *at = m->count;
            ARENA_PUSH(m->a, m->shapes, m->count, m->cap) = (struct shape){ .text = kept, .slot_count = slot_count };
        }
        m->of_row[i] = (uint32_t)*at;
        m->shapes[*at].rows++;
    }
}

/* Numbers the shapes worth keeping; rows of the others fall to shape 0. */
static void keep_shapes(struct making *m, size_t n)
{
    m->kept = 1;
    for (size_t s = 1; s < m->count; s++)
        if (m->shapes[s].rows >= SHAPE_ROWS_MIN && m->kept < SHAPES_MAX)
            m->shapes[s].number = (uint32_t)m->kept++;
    m->shapes[0].rows = 0;
    for (size_t i = 0; i < n; i++) {
        if (m->shapes[m->of_row[i]].number == 0)
            m->of_row[i] = 0;
        m->shapes[0].rows += m->of_row[i] == 0;
    }
    for (size_t s = 0; s < m->count; s++)
        if (s == 0 || m->shapes[s].number)
            m->shapes[s].values = arena_array(m->a, struct slice, m->shapes[s].rows * m->shapes[s].slot_count + 1);
}

static void fill_values(struct making *m, const struct slice *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct shape *s = &m->shapes[m->of_row[i]];
        const struct span whole = { 0, (uint32_t)v[i].len }, *slots = s->number ? m->slots[i] : &whole;
        for (size_t k = 0; k < s->slot_count; k++)
            s->values[k * s->rows + s->filled] = slice_of(v[i].ptr + slots[k].from, slots[k].len);
        s->filled++;
    }
}

static void put_all(const struct making *m, struct buf *out, size_t n, size_t total)
{
    int64_t *ids = mem_alloc((n + 1) * sizeof *ids);
    buf_varint(out, total);
    buf_varint(out, m->kept);
    for (size_t s = 1; s < m->count; s++)
        if (m->shapes[s].number)
            buf_lenslice(out, m->shapes[s].text);
    for (size_t i = 0; i < n; i++)
        ids[i] = m->shapes[m->of_row[i]].number;
    evcol_put_ints(out, ids, n);
    mem_free(ids);
    evcol_put_plain(out, m->shapes[0].values, m->shapes[0].rows);
    for (size_t s = 1; s < m->count; s++)
        for (size_t k = 0; m->shapes[s].number && k < m->shapes[s].slot_count; k++)
            put_slot(out, m->shapes[s].values + k * m->shapes[s].rows, m->shapes[s].rows);
}

bool evshape_put(struct buf *out, const struct slice *v, size_t n)
{
    size_t total = 0, longest = 0;
    for (size_t i = 0; i < n; i++) {
        total += v[i].len;
        longest = MAX(longest, v[i].len);
    }
    if (total > TOTAL_BYTES_MAX / 2)
        return false;
    struct making m = { .a = arena_new(0) };
    map_init(&m.index);
    m.room = mem_alloc(longest + 1);
    m.of_row = arena_array(m.a, uint32_t, n + 1);
    m.slots = arena_array(m.a, struct span *, n + 1);
    find_shapes(&m, v, n);
    keep_shapes(&m, n);
    bool is_worth = m.shapes[0].rows <= n / RAW_PART;
    if (is_worth) {
        fill_values(&m, v, n);
        put_all(&m, out, n, total);
    }
    mem_free(m.room);
    map_free(&m.index);
    arena_free(m.a);
    return is_worth;
}

/* ---- in ---- */

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
