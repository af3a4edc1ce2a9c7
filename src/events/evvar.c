/* SPDX-License-Identifier: Apache-2.0 */
/* The form of a column is the first that fits all values: one for all, decimal numbers, hex, decimals with a dot, IPv4, then the same
 * again for what stands between a text that all begin with and one that all end with, a dictionary, shapes again, bytes.
 *
 * Numbers of a dictionary or list that depend on nothing but the row's stream, or its severity, are told once for each of these. */
#include "events/evvar.h"

#include "base/hash.h"

enum { IS_DIGIT = 1, IS_LOWER = 2, IS_UPPER = 4, IS_DECIMAL = 8 };
enum { SAMPLE = 512, SAMPLE_DISTINCT_MAX = 448 /* more in the first SAMPLE values: no dictionary */, LIST_VALUES_MIN = 16,
       SMALL_DICT = 64 /* not worth looking for shapes in */, NEST_BYTES_MIN = 6, NEST_PART = 8, AFFIX_BYTES_MAX = 64,
       WORD_BYTES_MIN = 3, WORD_DIGITS_MIN = 6, HEX_DIGITS_MIN = 4, CONTEXTS_MAX = 64 * KIB };

#define D (IS_DIGIT | IS_LOWER | IS_UPPER | IS_DECIMAL)
#define L IS_LOWER
#define U IS_UPPER
#define P IS_DECIMAL
static const uint8_t CLASS[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, P, 0,
    D, D, D, D, D, D, D, D, D, D, 0, 0, 0, 0, 0, 0,
    0, U, U, U, U, U, U, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, L, L, L, L, L, L, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
#undef D
#undef L
#undef U
#undef P

static inline uint8_t class_of(char c)
{
    return CLASS[(uint8_t)c];
}

static struct buf *head_of(struct evtext_writer *w)
{
    return &w->runs.kinds[RUN_HEAD];
}

/* ---- ids ---- */

static void put_packed(struct evtext_writer *w, const uint32_t *ids, size_t n, unsigned kind, unsigned bits)
{
    size_t per = 8 / bits, bytes = (n + per - 1) / per;
    uint8_t *to = evrun_room(&w->runs, kind, bytes);
    if (to == NULL)
        return;
    memset(to, 0, bytes);
    for (size_t i = 0; i < n; i++)
        to[i / per] |= (uint8_t)(ids[i] << (i % per * bits));
    evrun_done(&w->runs, kind, bytes);
}

static void put_each(struct evtext_writer *w, const uint32_t *ids, size_t n, uint32_t below)
{
    if (below <= 2) {
        put_packed(w, ids, n, RUN_IDS_1, 1);
    } else if (below <= 4) {
        put_packed(w, ids, n, RUN_IDS_2, 2);
    } else if (below <= 16) {
        put_packed(w, ids, n, RUN_IDS_4, 4);
    } else if (below <= 256) {
        put_packed(w, ids, n, RUN_IDS_8, 8);
    } else {
        for (unsigned half = 0; half < 2; half++) {
            unsigned kind = half ? RUN_IDS_HIGH : RUN_IDS_LOW;
            uint8_t *to = evrun_room(&w->runs, kind, n);
            for (size_t i = 0; to && i < n; i++)
                to[i] = (uint8_t)(ids[i] >> 8 * half);
            if (to)
                evrun_done(&w->runs, kind, n);
        }
    }
}

/* The id of each context, when it alone says which; NULL when it does not. */
static uint32_t *by_context(struct evtext_writer *w, const int64_t *contexts, const uint32_t *ids, const uint32_t *rows, size_t n, size_t *count)
{
    int64_t max = 0;
    for (size_t i = 0; i < n; i++)
        max = MAX(max, contexts[rows[i]]);
    *count = (size_t)max + 1;
    if (max == 0 || max > CONTEXTS_MAX || *count > n / 2)
        return NULL;
    uint32_t *map = arena_alloc(w->arena, *count * sizeof *map);
    memset(map, 0xff, *count * sizeof *map);
    for (size_t i = 0; i < n; i++) {
        uint32_t *at = &map[contexts[rows[i]]];
        if (*at == UINT32_MAX)
            *at = ids[i];
        else if (*at != ids[i])
            return NULL;
    }
    for (size_t i = 0; i < *count; i++)
        map[i] = map[i] == UINT32_MAX ? 0 : map[i];
    return map;
}

void evvar_put_ids(struct evtext_writer *w, const uint32_t *ids, const uint32_t *rows, size_t n, uint32_t below)
{
    struct buf *head = head_of(w);
    size_t same = 1;
    while (same < n && ids[same] == ids[0])
        same++;
    if (same >= n) {
        buf_u8(head, EVTEXT_IDS_ALL_ONE);
        buf_varint(head, n ? ids[0] : 0);
        return;
    }
    const int64_t *contexts[2] = { w->rows->streams, w->rows->severities };
    for (int k = 0; k < 2; k++) {
        size_t count;
        uint32_t *map = contexts[k] ? by_context(w, contexts[k], ids, rows, n, &count) : NULL;
        if (map == NULL)
            continue;
        buf_u8(head, k ? EVTEXT_IDS_BY_SEVERITY : EVTEXT_IDS_BY_STREAM);
        buf_varint(head, count);
        put_each(w, map, count, below);
        return;
    }
    buf_u8(head, EVTEXT_IDS_EACH);
    put_each(w, ids, n, below);
}

/* ---- whole numbers ---- */

static unsigned width_of(uint64_t range)
{
    return range ? (71 - (unsigned)__builtin_clzll(range)) / 8 : 0;
}

/* The highest plane packed, when its bytes are small. */
static void put_top(struct evtext_writer *w, const int64_t *v, size_t n, int64_t min, unsigned plane, unsigned bits)
{
    uint32_t *top = arena_array(w->arena, uint32_t, n);
    for (size_t i = 0; i < n; i++)
        top[i] = (uint32_t)(((uint64_t)v[i] - (uint64_t)min) >> 8 * plane);
    put_packed(w, top, n, bits == 1 ? RUN_TOP_1 : bits == 2 ? RUN_TOP_2 : RUN_TOP_4, bits);
}

static void put_planes(struct evtext_writer *w, const int64_t *v, size_t n, int64_t min, uint64_t range)
{
    unsigned width = width_of(range);
    uint64_t highest = width ? range >> 8 * (width - 1) : 0;
    unsigned bits = highest < 2 ? 1 : highest < 4 ? 2 : highest < 16 ? 4 : 8;
    buf_zigzag(head_of(w), min);
    buf_u8(head_of(w), (uint8_t)(width | bits << 4));
    for (unsigned p = 0; p < width; p++) {
        if (p + 1 == width && bits < 8) {
            put_top(w, v, n, min, p, bits);
            break;
        }
        unsigned kind = RUN_PLANE + (width - 1) * 8 + p;
        uint8_t *to = evrun_room(&w->runs, kind, n);
        for (size_t i = 0; to && i < n; i++)
            to[i] = (uint8_t)(((uint64_t)v[i] - (uint64_t)min) >> 8 * p);
        if (to)
            evrun_done(&w->runs, kind, n);
    }
}

static void range_of(const int64_t *v, size_t n, int64_t *min, int64_t *max)
{
    *min = *max = v[0];
    for (size_t i = 1; i < n; i++) {
        *min = MIN(*min, v[i]);
        *max = MAX(*max, v[i]);
    }
}

/* Numbers as places in a list of the different ones. */
static bool put_list(struct evtext_writer *w, const int64_t *v, const uint32_t *rows, size_t n, int64_t min, uint64_t range)
{
    unsigned width = width_of(range);
    size_t max = width <= 2 ? MIN(n / 3, (size_t)256) : MIN(n / 2, (size_t)EVVAR_IDS_MAX - 1), count = 0, cap = 64;
    while (cap < max * 2)
        cap *= 2;
    int64_t *list = arena_array(w->arena, int64_t, max + 1);
    uint32_t *ids = arena_array(w->arena, uint32_t, n), *table = arena_zalloc(w->arena, cap * sizeof *table);
    for (size_t i = 0; i < n; i++) {
        size_t at = (size_t)hash_u64((uint64_t)v[i]) & (cap - 1);
        while (table[at] && list[table[at] - 1] != v[i])
            at = (at + 1) & (cap - 1);
        if (table[at] == 0) {
            if (count == max || (i < SAMPLE && count == SAMPLE_DISTINCT_MAX))
                return false;
            list[count] = v[i];
            table[at] = (uint32_t)++count;
        }
        ids[i] = table[at] - 1;
    }
    buf_u8(head_of(w), EVTEXT_INTS_LIST);
    buf_varint(head_of(w), count);
    put_planes(w, list, count, min, range);
    evvar_put_ids(w, ids, rows, n, (uint32_t)count);
    return true;
}

static bool put_steps(struct evtext_writer *w, const int64_t *v, size_t n, unsigned width)
{
    int64_t *step = arena_array(w->arena, int64_t, n), min, max;
    for (size_t i = 1; i < n; i++)
        step[i - 1] = (int64_t)((uint64_t)v[i] - (uint64_t)v[i - 1]);
    range_of(step, n - 1, &min, &max);
    if (width_of((uint64_t)max - (uint64_t)min) >= width)
        return false;
    buf_u8(head_of(w), EVTEXT_INTS_STEPS);
    buf_zigzag(head_of(w), v[0]);
    put_planes(w, step, n - 1, min, (uint64_t)max - (uint64_t)min);
    return true;
}

/* Does the row's stream, or its severity, alone say which number? */
static bool is_of_context(struct evtext_writer *w, const int64_t *v, const uint32_t *rows, size_t n)
{
    enum { SLOTS = 256 }; /* contexts are few, or this is not worth asking */
    const int64_t *contexts[2] = { w->rows->streams, w->rows->severities };
    for (int k = 0; k < 2; k++) {
        int64_t known[SLOTS];
        bool is_known[SLOTS] = { false };
        size_t i = 0;
        for (; contexts[k] && i < n; i++) {
            int64_t c = contexts[k][rows[i]];
            if (c >= SLOTS || (is_known[c] && known[c] != v[i]))
                break;
            is_known[c] = true;
            known[c] = v[i];
        }
        if (contexts[k] && i == n)
            return true;
    }
    return false;
}

static void put_ints(struct evtext_writer *w, const int64_t *v, const uint32_t *rows, size_t n)
{
    int64_t min, max;
    range_of(v, n, &min, &max);
    unsigned width = width_of((uint64_t)max - (uint64_t)min);
    if (width == 0) {
        buf_u8(head_of(w), EVTEXT_INTS_CONST);
        buf_zigzag(head_of(w), min);
        return;
    }
    if (width > 1 && n >= LIST_VALUES_MIN && (put_steps(w, v, n, width) || put_list(w, v, rows, n, min, (uint64_t)max - (uint64_t)min)))
        return;
    if (width == 1 && n >= LIST_VALUES_MIN && is_of_context(w, v, rows, n) && put_list(w, v, rows, n, min, (uint64_t)max - (uint64_t)min))
        return;
    buf_u8(head_of(w), EVTEXT_INTS_PLANES);
    put_planes(w, v, n, min, (uint64_t)max - (uint64_t)min);
}

/* ---- typed columns ---- */

struct form { /* what all values have in common */
    uint8_t classes;
    bool has_zeros; /* leading ones */
    size_t len_min, len_max;
};

static struct form form_of(const struct slice *v, size_t n)
{
    struct form f = { 0xff, false, v[0].len, v[0].len };
    for (size_t i = 0; i < n; i++) {
        size_t len = v[i].len;
        if (f.classes) {
            const char *s = v[i].ptr;
            uint8_t classes = f.classes;
            for (size_t k = 0; k < len; k++)
                classes &= class_of(s[k]);
            f.classes = classes;
        }
        f.has_zeros |= len > 1 && v[i].ptr[0] == '0';
        f.len_min = MIN(f.len_min, len);
        f.len_max = MAX(f.len_max, len);
    }
    f.classes = f.len_min ? f.classes : 0;
    return f;
}

static bool decimal_of(struct slice s, size_t behind, int64_t *out)
{
    if (s.len < behind + 2 || s.len > EVVAR_DIGITS_MAX + 1 || (s.ptr[0] == '0' && s.len != behind + 2))
        return false;
    int64_t v = 0;
    for (size_t k = 0; k < s.len; k++) {
        if ((s.ptr[k] == '.') != (k + behind + 1 == s.len))
            return false;
        v = s.ptr[k] == '.' ? v : v * 10 + (s.ptr[k] - '0');
    }
    *out = v;
    return true;
}

static bool ipv4_of(struct slice s, int64_t *out)
{
    int64_t v = 0;
    size_t at = 0;
    for (int part = 0; part < 4; part++) {
        size_t from = at;
        int64_t octet = 0;
        for (; at < s.len && s.ptr[at] != '.' && at - from < 3; at++)
            octet = octet * 10 + (s.ptr[at] - '0');
        bool is_last = part == 3;
        if (at == from || octet > 255 || (s.ptr[from] == '0' && at - from > 1) || (at == s.len) != is_last)
            return false;
        if (!is_last && s.ptr[at++] != '.')
            return false;
        v = v << 8 | octet;
    }
    *out = v;
    return true;
}

/* Of a hex digit: letters are 0x40 higher than 'digit' 1. */
static inline unsigned nibble(char c)
{
    return ((unsigned)c & 15) + ((unsigned)c >> 6) * 9;
}

static void put_hex(struct evtext_writer *w, const struct slice *v, size_t n, size_t width)
{
    size_t bytes = (width + 1) / 2;
    uint8_t *at = evrun_room(&w->runs, RUN_HEX, bytes * n);
    if (at == NULL)
        return;
    for (size_t i = 0; i < n; i++) {
        const char *s = v[i].ptr;
        uint8_t *to = at + i * bytes;
        for (size_t k = 0; k < width / 2; k++)
            to[k] = (uint8_t)(nibble(s[2 * k]) << 4 | nibble(s[2 * k + 1]));
        if (width % 2)
            to[width / 2] = (uint8_t)(nibble(s[width - 1]) << 4);
    }
    evrun_done(&w->runs, RUN_HEX, bytes * n);
}

/* Do all values tell this id of their row, in hex? */
static bool is_row_id(const struct evvar *c, const struct slice *v, const uint8_t *ids, size_t width)
{
    for (size_t i = 0; i < c->n; i++) {
        const uint8_t *id = ids + c->rows[i] * width;
        for (size_t k = 0; k < width; k++)
            if ((nibble(v[i].ptr[2 * k]) << 4 | nibble(v[i].ptr[2 * k + 1])) != id[k])
                return false;
    }
    return true;
}

static void put_type(struct evtext_writer *w, enum evtext_type type, const struct slice *affix)
{
    struct buf *head = head_of(w);
    buf_u8(head, (uint8_t)(type | (affix ? EVTEXT_AFFIX : 0)));
    if (affix) {
        buf_lenslice(head, affix[0]);
        buf_lenslice(head, affix[1]);
    }
}

static bool put_decimals(struct evtext_writer *w, const struct evvar *c, const struct slice *v, int64_t *ints, const struct slice *affix)
{
    const char *dot = memchr(v[0].ptr, '.', v[0].len);
    size_t behind = dot ? v[0].len - (size_t)(dot - v[0].ptr) - 1 : 0, i = 0;
    while (behind && i < c->n && decimal_of(v[i], behind, &ints[i]))
        i++;
    bool is_decimal = behind && i == c->n;
    for (i = 0; !is_decimal && i < c->n; i++)
        if (!ipv4_of(v[i], &ints[i]))
            return false;
    put_type(w, is_decimal ? EVTEXT_DECIMAL : EVTEXT_IPV4, affix);
    if (is_decimal)
        buf_u8(head_of(w), (uint8_t)behind);
    put_ints(w, ints, c->rows, c->n);
    return true;
}

static bool put_numbers(struct evtext_writer *w, const struct evvar *c, const struct slice *v, const struct form *f, int64_t *ints,
                        const struct slice *affix)
{
    if (f->len_max > EVVAR_DIGITS_MAX || (f->has_zeros && f->len_min != f->len_max))
        return false;
    for (size_t i = 0; i < c->n; i++) {
        int64_t number = 0;
        for (size_t k = 0; k < v[i].len; k++)
            number = number * 10 + (v[i].ptr[k] - '0');
        ints[i] = number;
    }
    put_type(w, f->has_zeros ? EVTEXT_DIGITS : EVTEXT_NUMBER, affix);
    if (f->has_zeros)
        buf_u8(head_of(w), (uint8_t)f->len_min);
    put_ints(w, ints, c->rows, c->n);
    return true;
}

static bool put_typed(struct evtext_writer *w, const struct evvar *c, const struct slice *v, const struct form *f, const struct slice *affix)
{
    int64_t *ints = f->classes & IS_DECIMAL ? arena_array(w->arena, int64_t, c->n) : NULL;
    if (f->classes & IS_DIGIT && put_numbers(w, c, v, f, ints, affix))
        return true;
    bool is_hex = f->classes & (IS_LOWER | IS_UPPER) && f->len_min == f->len_max && f->len_min >= HEX_DIGITS_MIN &&
                  f->len_min <= EVVAR_HEX_DIGITS_MAX;
    if (!is_hex)
        return f->classes & IS_DECIMAL && put_decimals(w, c, v, ints, affix);
    const uint8_t *ids = f->len_min == 32 ? w->rows->traces : f->len_min == 16 ? w->rows->spans : NULL;
    if (ids && f->classes & IS_LOWER && is_row_id(c, v, ids, f->len_min / 2)) {
        put_type(w, f->len_min == 32 ? EVTEXT_TRACE_ID : EVTEXT_SPAN_ID, affix);
        return true;
    }
    put_type(w, f->classes & IS_LOWER ? EVTEXT_HEX_LOWER : EVTEXT_HEX_UPPER, affix);
    buf_u8(head_of(w), (uint8_t)f->len_min);
    put_hex(w, v, c->n, f->len_min);
    return true;
}

/* What stands between a text all begin with and one all end with, neither with a digit next to what is between. */
static bool put_affixed(struct evtext_writer *w, const struct evvar *c, size_t len_min)
{
    const struct slice first = c->v[0];
    size_t before = MIN(len_min, (size_t)AFFIX_BYTES_MAX), behind = before;
    for (size_t i = 1; i < c->n && (before || behind); i++) {
        const struct slice s = c->v[i];
        size_t k = 0;
        while (k < before && s.ptr[k] == first.ptr[k])
            k++;
        before = k;
        for (k = 0; k < behind && s.ptr[s.len - 1 - k] == first.ptr[first.len - 1 - k];)
            k++;
        behind = k;
    }
    while (before && class_of(first.ptr[before - 1]) & IS_DECIMAL)
        before--;
    while (behind && class_of(first.ptr[first.len - behind]) & IS_DECIMAL)
        behind--;
    if (before + behind == 0 || before + behind >= len_min)
        return false;
    struct slice *middle = arena_array(w->arena, struct slice, c->n);
    for (size_t i = 0; i < c->n; i++)
        middle[i] = slice_of(c->v[i].ptr + before, c->v[i].len - before - behind);
    struct slice affix[2] = { slice_of(first.ptr, before), slice_of(first.ptr + first.len - behind, behind) };
    struct form f = form_of(middle, c->n);
    return put_typed(w, c, middle, &f, affix);
}

/* ---- dictionaries and bytes ---- */

/* Different values in order of appearance; false when there are too many to be worth it. */
static bool dict_of(struct evtext_writer *w, const struct evvar *c, struct slice **dict, uint32_t *ids, size_t *count)
{
    size_t max = MIN(c->n * 2 / 3, (size_t)EVVAR_IDS_MAX - 1), cap = 64;
    while (cap < max * 2)
        cap *= 2;
    *count = 0;
    *dict = arena_array(w->arena, struct slice, max + 1);
    uint32_t *table = arena_zalloc(w->arena, cap * sizeof *table);
    for (size_t i = 0; i < c->n; i++) {
        size_t at = (size_t)hash64(c->v[i], 0) & (cap - 1);
        while (table[at] && !slice_eq((*dict)[table[at] - 1], c->v[i]))
            at = (at + 1) & (cap - 1);
        if (table[at] == 0) {
            if (*count == max || (i < SAMPLE && *count == SAMPLE_DISTINCT_MAX))
                return false;
            (*dict)[*count] = c->v[i];
            table[at] = (uint32_t)++*count;
        }
        ids[i] = table[at] - 1;
    }
    return true;
}

static void put_bytes(struct evtext_writer *w, const struct slice *v, size_t n, unsigned kind)
{
    int64_t *lens = arena_array(w->arena, int64_t, n + 1);
    uint32_t *places = arena_zalloc(w->arena, (n + 1) * sizeof *places);
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        lens[i] = (int64_t)v[i].len;
        total += v[i].len;
    }
    int64_t min, max;
    range_of(lens, n, &min, &max);
    buf_u8(head_of(w), max == min ? EVTEXT_INTS_CONST : EVTEXT_INTS_PLANES);
    if (max == min)
        buf_zigzag(head_of(w), min);
    else
        put_planes(w, lens, n, min, (uint64_t)max - (uint64_t)min);
    buf_varint(head_of(w), total);
    char *at = (char *)evrun_room(&w->runs, kind, total);
    for (size_t i = 0; at && i < n; i++) {
        if (v[i].len)
            memcpy(at, v[i].ptr, v[i].len);
        at += v[i].len;
    }
    if (at && total)
        evrun_done(&w->runs, kind, total);
}

static void filter_values(struct evtext_writer *w, const struct slice *v, size_t n, const struct form *f)
{
    size_t least = f->classes & IS_DIGIT ? WORD_DIGITS_MIN : WORD_BYTES_MIN;
    for (size_t i = 0; w->filter && f->len_max >= least && i < n; i++)
        evfilter_add_text(w->filter, v[i]);
}

static void put_strings(struct evtext_writer *w, const struct evvar *c, const struct form *f)
{
    uint32_t *ids = arena_array(w->arena, uint32_t, c->n);
    struct slice *dict;
    size_t count;
    bool has_dict = c->n >= 4 && dict_of(w, c, &dict, ids, &count), is_small = has_dict && count <= SMALL_DICT;
    size_t shapes_max = (has_dict ? count : c->n) / NEST_PART;
    if (c->may_nest && !is_small && f->len_max >= NEST_BYTES_MIN && shapes_max) {
        size_t mark = head_of(w)->len;
        put_type(w, EVTEXT_SHAPES, NULL);
        if (evtext_put_texts(w, c, false, shapes_max))
            return;
        head_of(w)->len = mark;
    }
    put_type(w, has_dict ? EVTEXT_DICT : EVTEXT_BYTES, NULL);
    if (has_dict) {
        buf_varint(head_of(w), count);
        put_bytes(w, dict, count, RUN_DICT);
        evvar_put_ids(w, ids, c->rows, c->n, (uint32_t)count);
        filter_values(w, dict, count, f);
    } else {
        put_bytes(w, c->v, c->n, c->is_whole ? RUN_WHOLE : RUN_BYTES);
        filter_values(w, c->v, c->n, f);
    }
}

void evvar_put(struct evtext_writer *w, const struct evvar *c)
{
    size_t same = 1, mark = head_of(w)->len;
    while (same < c->n && slice_eq(c->v[same], c->v[0]))
        same++;
    struct form f = form_of(c->v, same == c->n ? 1 : c->n);
    if (same == c->n) {
        put_type(w, EVTEXT_CONST, NULL);
        buf_lenslice(head_of(w), c->v[0]);
        filter_values(w, c->v, 1, &f);
    } else if (!c->is_whole && ((f.classes && put_typed(w, c, c->v, &f, NULL)) || put_affixed(w, c, f.len_min))) {
        if (head_of(w)->ptr[mark] != EVTEXT_IPV4) /* its parts are too short to be words */
            filter_values(w, c->v, c->n, &f);
    } else {
        put_strings(w, c, &f);
    }
}
