/* SPDX-License-Identifier: Apache-2.0 */
/* The other direction of evtext.c and evvar.c. RUN_HEAD is read through at once: it says what each column is and where its bytes
 * lie; they are decompressed when a column is first used.
 *
 * (1) Every count that room is made for is that of values the column has, which never are more than the block's rows but for
 *     lists, which are no longer than their column. */
#include "events/evtext.h"

#include "events/evvar.h"

enum { TOTAL_BYTES_MAX = 64 * MIB, SHAPES_MAX = 8192, NUMBER_BYTES_MAX = 20 };

static const int64_t POWERS[EVVAR_DIGITS_MAX + 1] = {
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000, 1000000000000, 10000000000000,
    100000000000000, 1000000000000000, 10000000000000000, 100000000000000000, 1000000000000000000,
};

struct opening {
    struct evtext *t;
    struct reader head;
    bool is_bad;
};

/* ---- places ---- */

static void open_each(struct opening *o, struct evtext_ids *ids, size_t n)
{
    uint32_t below = ids->below;
    unsigned kind = below <= 2 ? RUN_IDS_1 : below <= 4 ? RUN_IDS_2 : below <= 16 ? RUN_IDS_4 : below <= 256 ? RUN_IDS_8 : RUN_IDS_LOW;
    size_t per = below <= 2 ? 8 : below <= 4 ? 4 : below <= 16 ? 2 : 1;
    ids->count = n;
    ids->low = evrun_next(o->t->in, &o->head, kind, (n + per - 1) / per);
    if (below > 256)
        ids->high = evrun_next(o->t->in, &o->head, RUN_IDS_HIGH, n);
}

static void open_ids(struct opening *o, struct evtext_ids *ids, size_t n, uint32_t below)
{
    *ids = (struct evtext_ids){ .form = read_u8(&o->head), .below = below };
    if (ids->form == EVTEXT_IDS_ALL_ONE) {
        ids->count = (size_t)read_varint(&o->head); /* the id */
        o->is_bad |= ids->count >= below;
    } else if (ids->form == EVTEXT_IDS_EACH) {
        open_each(o, ids, n);
    } else {
        uint64_t count = read_varint(&o->head);
        bool has_context = ids->form == EVTEXT_IDS_BY_STREAM ? o->t->rows.streams != NULL : o->t->rows.severities != NULL;
        o->is_bad |= ids->form > EVTEXT_IDS_BY_SEVERITY || !has_context || count > n;
        if (!o->is_bad)
            open_each(o, ids, (size_t)count);
    }
}

static void open_planes(struct opening *o, struct evtext_ints *v, size_t n)
{
    v->min = read_zigzag(&o->head);
    unsigned widths = read_u8(&o->head);
    v->width = widths & 15;
    v->bits = (uint8_t)(widths >> 4);
    v->count = n;
    o->is_bad |= v->width > 8 || (v->bits != 1 && v->bits != 2 && v->bits != 4 && v->bits != 8);
    for (unsigned p = 0; !o->is_bad && p < v->width; p++) {
        if (p + 1 == v->width && v->bits < 8)
            v->planes[p] = evrun_next(o->t->in, &o->head, v->bits == 1 ? RUN_TOP_1 : v->bits == 2 ? RUN_TOP_2 : RUN_TOP_4,
                                      (n * v->bits + 7) / 8);
        else
            v->planes[p] = evrun_next(o->t->in, &o->head, RUN_PLANE + (v->width - 1u) * 8 + p, n);
    }
}

static void open_ints(struct opening *o, struct evtext_ints *v, struct evtext_ids *picks, size_t n)
{
    *v = (struct evtext_ints){ .form = read_u8(&o->head) };
    if (v->form == EVTEXT_INTS_CONST) {
        v->first = read_zigzag(&o->head);
    } else if (v->form == EVTEXT_INTS_PLANES) {
        open_planes(o, v, n);
    } else if (v->form == EVTEXT_INTS_STEPS && n) {
        v->first = read_zigzag(&o->head);
        open_planes(o, v, n - 1);
    } else if (v->form == EVTEXT_INTS_LIST && picks) {
        uint64_t count = read_varint(&o->head);
        o->is_bad |= count == 0 || count > n || count > EVVAR_IDS_MAX;
        if (!o->is_bad) {
            open_planes(o, v, (size_t)count);
            open_ids(o, picks, n, (uint32_t)count);
        }
    } else {
        o->is_bad = true;
    }
}

static void open_bytes(struct opening *o, struct evtext_column *c, size_t n, unsigned kind)
{
    open_ints(o, &c->lens, NULL, n);
    uint64_t total = read_varint(&o->head);
    o->is_bad |= total > TOTAL_BYTES_MAX;
    if (!o->is_bad)
        c->bytes = evrun_next(o->t->in, &o->head, kind, (size_t)total);
}

static void open_texts(struct opening *o, struct evtext_texts *x, const uint32_t *rows, size_t n, bool is_inner);

static void open_column(struct opening *o, struct evtext_column *c, const uint32_t *rows, size_t n, bool is_whole, bool is_inner)
{
    unsigned type = read_u8(&o->head);
    *c = (struct evtext_column){ .type = (uint8_t)(type & ~(unsigned)EVTEXT_AFFIX), .n = n, .rows = rows, .before = SLICE_EMPTY,
                                 .behind = SLICE_EMPTY };
    if (type & EVTEXT_AFFIX) {
        c->before = read_lenslice(&o->head);
        c->behind = read_lenslice(&o->head);
    }
    if (c->type == EVTEXT_CONST) {
        c->text = read_lenslice(&o->head);
    } else if (c->type <= EVTEXT_IPV4) {
        c->width = c->type == EVTEXT_DIGITS || c->type == EVTEXT_DECIMAL ? read_u8(&o->head) : 0;
        o->is_bad |= c->width > EVVAR_DIGITS_MAX;
        open_ints(o, &c->numbers, &c->picks, n);
    } else if (c->type <= EVTEXT_HEX_UPPER) {
        c->width = read_u8(&o->head);
        o->is_bad |= c->width > EVVAR_HEX_DIGITS_MAX;
        c->bytes = evrun_next(o->t->in, &o->head, RUN_HEX, (c->width + 1) / 2 * n);
    } else if (c->type == EVTEXT_DICT) {
        uint64_t count = read_varint(&o->head);
        o->is_bad |= count == 0 || count > n || count > EVVAR_IDS_MAX;
        c->dict_count = (size_t)count;
        if (!o->is_bad)
            open_bytes(o, c, c->dict_count, RUN_DICT);
        if (!o->is_bad)
            open_ids(o, &c->picks, n, (uint32_t)count);
    } else if (c->type == EVTEXT_BYTES) {
        open_bytes(o, c, n, is_whole ? RUN_WHOLE : RUN_BYTES);
    } else if (c->type == EVTEXT_SHAPES && !is_inner) {
        c->texts = arena_new_of(o->t->arena, struct evtext_texts);
        open_texts(o, c->texts, rows, n, true);
    } else {
        o->is_bad |= c->type != EVTEXT_TRACE_ID && c->type != EVTEXT_SPAN_ID;
        o->is_bad |= (c->type == EVTEXT_TRACE_ID ? o->t->rows.traces : o->t->rows.spans) == NULL;
    }
    o->is_bad |= o->head.bad;
}

/* ---- resolving ---- */

/* Inlined with bits known. */
static inline void unpack(const uint8_t *from, unsigned bits, size_t n, uint32_t *out)
{
    size_t per = 8 / bits, whole = n / per * per;
    uint32_t mask = (1u << bits) - 1;
    for (size_t i = 0; i < whole; i += per)
        for (size_t k = 0; k < per; k++)
            out[i + k] = (uint32_t)from[i / per] >> k * bits & mask;
    for (size_t i = whole; i < n; i++)
        out[i] = (uint32_t)from[i / per] >> (i - whole) * bits & mask;
}

static bool load_each(struct evtext *t, const struct evtext_ids *ids, uint32_t *out)
{
    const uint8_t *low = evrun_bytes(t->in, ids->low), *high = ids->below > 256 ? evrun_bytes(t->in, ids->high) : low;
    uint32_t most = 0;
    if (low == NULL || high == NULL)
        return false;
    if (ids->below <= 2)
        unpack(low, 1, ids->count, out);
    else if (ids->below <= 4)
        unpack(low, 2, ids->count, out);
    else if (ids->below <= 16)
        unpack(low, 4, ids->count, out);
    else
        for (size_t i = 0; i < ids->count; i++)
            out[i] = low[i];
    for (size_t i = 0; ids->below > 256 && i < ids->count; i++)
        out[i] |= (uint32_t)high[i] << 8;
    for (size_t i = 0; i < ids->count; i++)
        most = MAX(most, out[i]);
    return ids->count == 0 || most < ids->below;
}

static bool load_ids(struct evtext *t, const struct evtext_ids *ids, const uint32_t *rows, size_t n, uint32_t *out)
{
    if (ids->form == EVTEXT_IDS_EACH)
        return load_each(t, ids, out);
    if (ids->form == EVTEXT_IDS_ALL_ONE) {
        for (size_t i = 0; i < n; i++)
            out[i] = (uint32_t)ids->count;
        return true;
    }
    const int64_t *contexts = ids->form == EVTEXT_IDS_BY_STREAM ? t->rows.streams : t->rows.severities;
    uint32_t *map = arena_array(t->arena, uint32_t, ids->count + 1);
    if (!load_each(t, ids, map))
        return false;
    for (size_t i = 0; i < n; i++) {
        int64_t context = contexts[rows[i]];
        if ((uint64_t)context >= ids->count)
            return false;
        out[i] = map[context];
    }
    return true;
}

static bool load_planes(struct evtext *t, const struct evtext_ints *v, int64_t *out)
{
    for (size_t i = 0; i < v->count; i++)
        out[i] = v->min;
    for (unsigned p = 0; p < v->width; p++) {
        const uint8_t *plane = evrun_bytes(t->in, v->planes[p]);
        if (plane == NULL)
            return false;
        if (p + 1 < v->width || v->bits == 8) {
            for (size_t i = 0; i < v->count; i++)
                out[i] = (int64_t)((uint64_t)out[i] + ((uint64_t)plane[i] << 8 * p));
            continue;
        }
        unsigned per = 8 / v->bits, mask = (1u << v->bits) - 1;
        for (size_t i = 0; i < v->count; i++)
            out[i] = (int64_t)((uint64_t)out[i] + ((uint64_t)(plane[i / per] >> (i % per * v->bits) & mask) << 8 * p));
    }
    return true;
}

static bool load_ints(struct evtext *t, const struct evtext_ints *v, const struct evtext_ids *picks, const uint32_t *rows, size_t n, int64_t *out)
{
    if (v->form == EVTEXT_INTS_CONST) {
        for (size_t i = 0; i < n; i++)
            out[i] = v->first;
        return true;
    }
    if (v->form == EVTEXT_INTS_PLANES)
        return load_planes(t, v, out);
    if (v->form == EVTEXT_INTS_STEPS) {
        if (!load_planes(t, v, out + 1))
            return false;
        out[0] = v->first;
        for (size_t i = 1; i < n; i++)
            out[i] = (int64_t)((uint64_t)out[i] + (uint64_t)out[i - 1]);
        return true;
    }
    int64_t *list = arena_array(t->arena, int64_t, v->count);
    uint32_t *ids = arena_array(t->arena, uint32_t, n);
    if (!load_planes(t, v, list) || !load_ids(t, picks, rows, n, ids))
        return false;
    for (size_t i = 0; i < n; i++)
        out[i] = list[ids[i]];
    return true;
}

static bool load_ends(struct evtext *t, struct evtext_column *c, size_t n)
{
    int64_t *lens = arena_array(t->arena, int64_t, n);
    uint32_t *ends = arena_array(t->arena, uint32_t, n);
    c->chars = (const char *)evrun_bytes(t->in, c->bytes);
    if (c->chars == NULL || !load_ints(t, &c->lens, NULL, c->rows, n, lens))
        return false;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if ((uint64_t)lens[i] > c->bytes.len - at)
            return false;
        at += (size_t)lens[i];
        ends[i] = (uint32_t)at;
    }
    c->ends = ends;
    return at == c->bytes.len;
}

static bool load_dict(struct evtext *t, struct evtext_column *c)
{
    if (!load_ends(t, c, c->dict_count))
        return false;
    struct slice *dict = arena_array(t->arena, struct slice, c->dict_count);
    uint32_t *ids = arena_array(t->arena, uint32_t, c->n);
    for (size_t i = 0; i < c->dict_count; i++) {
        uint32_t from = i ? c->ends[i - 1] : 0;
        dict[i] = slice_of(c->chars + from, c->ends[i] - from);
    }
    c->dict = dict;
    c->ids = ids;
    return load_ids(t, &c->picks, c->rows, c->n, ids);
}

bool evtext_load(struct evtext *t, struct evtext_column *c)
{
    if (c->is_loaded)
        return !c->is_bad;
    bool ok = true;
    if (c->type >= EVTEXT_NUMBER && c->type <= EVTEXT_IPV4) {
        int64_t *ints = arena_array(t->arena, int64_t, c->n);
        c->ints = ints;
        ok = load_ints(t, &c->numbers, &c->picks, c->rows, c->n, ints);
    } else if (c->type == EVTEXT_HEX_LOWER || c->type == EVTEXT_HEX_UPPER) {
        c->packed = evrun_bytes(t->in, c->bytes);
        ok = c->packed != NULL;
    } else if (c->type == EVTEXT_DICT) {
        ok = load_dict(t, c);
    } else if (c->type == EVTEXT_BYTES) {
        ok = load_ends(t, c, c->n);
    }
    c->is_loaded = true;
    c->is_bad = !ok;
    return ok;
}

/* ---- texts ---- */

static void cut_pieces(struct evtext_shape *s, struct arena *a)
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
    s->has_time = arena_zalloc(a, (s->slot_count + 1) * sizeof *s->has_time);
    for (size_t k = 0; k <= s->slot_count; k++)
        for (size_t i = 0; i < s->pieces[k].len; i++)
            s->has_time[k] |= evstamp_is_mark((uint8_t)s->pieces[k].ptr[i]);
}

static void open_shape_texts(struct opening *o, struct evtext_texts *x)
{
    struct arena *a = o->t->arena;
    x->shapes[0] = (struct evtext_shape){ .text = SLICE_EMPTY, .slot_count = 1 };
    for (size_t s = 1; s < x->shape_count && !o->is_bad; s++) {
        uint64_t len = read_varint(&o->head);
        struct evrun run = evrun_next(o->t->in, &o->head, RUN_SHAPES, len > TOTAL_BYTES_MAX ? SIZE_MAX : (size_t)len);
        const uint8_t *bytes = o->head.bad ? NULL : evrun_bytes(o->t->in, run);
        o->is_bad |= bytes == NULL;
        if (bytes == NULL)
            return;
        x->shapes[s] = (struct evtext_shape){ .text = slice_of(bytes, (size_t)len) };
        cut_pieces(&x->shapes[s], a);
    }
}

static void open_texts(struct opening *o, struct evtext_texts *x, const uint32_t *rows, size_t n, bool is_inner)
{
    struct arena *a = o->t->arena;
    uint64_t count = read_varint(&o->head);
    if (o->head.bad || count == 0 || count > SHAPES_MAX) {
        o->is_bad = true;
        return;
    }
    *x = (struct evtext_texts){ .n = n, .shape_count = (size_t)count };
    x->shapes = arena_zalloc(a, (size_t)count * sizeof *x->shapes);
    x->of = arena_array(a, uint32_t, n);
    x->pos = arena_array(a, uint32_t, n);
    open_shape_texts(o, x);
    struct evtext_ids ids;
    if (!o->is_bad)
        open_ids(o, &ids, n, (uint32_t)count);
    if (o->is_bad || o->head.bad || !load_ids(o->t, &ids, rows, n, x->of)) {
        o->is_bad = true;
        return;
    }
    uint32_t *all = arena_array(a, uint32_t, n + 1), **of_shape = arena_array(a, uint32_t *, (size_t)count), *at = all;
    uint32_t *counts = arena_zalloc(a, (size_t)count * sizeof *counts);
    for (size_t i = 0; i < n; i++)
        x->pos[i] = counts[x->of[i]]++;
    for (size_t s = 0; s < count; s++) {
        of_shape[s] = at;
        x->shapes[s].of_rows = at;
        x->shapes[s].rows = counts[s];
        at += counts[s];
    }
    for (size_t i = 0; i < n; i++)
        of_shape[x->of[i]][x->pos[i]] = rows[i];
    for (size_t s = 0; s < count && !o->is_bad; s++) {
        struct evtext_shape *shape = &x->shapes[s];
        shape->slots = arena_zalloc(a, (shape->slot_count + 1) * sizeof *shape->slots);
        for (size_t k = 0; k < shape->slot_count && !o->is_bad && (s || shape->rows); k++)
            open_column(o, &shape->slots[k], of_shape[s], shape->rows, s == 0, is_inner);
    }
}

bool evtext_open(struct evtext *t, struct reader *r, size_t n, const struct evtext_rows *rows, struct zstd_ctx *zstd, struct arena *a)
{
    struct opening o = { .t = t };
    *t = (struct evtext){ .arena = a };
    if (rows)
        t->rows = *rows;
    t->in = evrun_open(r, zstd, a, &o.head);
    if (t->in == NULL || n > EVCOL_VALUES_MAX)
        return false;
    uint64_t total = read_varint(&o.head);
    t->bytes = (size_t)total;
    uint32_t *numbers = arena_array(a, uint32_t, n + 1);
    for (size_t i = 0; i < n; i++)
        numbers[i] = (uint32_t)i;
    if (total <= TOTAL_BYTES_MAX)
        open_texts(&o, &t->all, numbers, n, false);
    return total <= TOTAL_BYTES_MAX && !o.is_bad && !o.head.bad;
}

/* ---- values ---- */

static size_t write_slice(struct slice s, char *to, size_t room)
{
    if (s.len > room)
        return SIZE_MAX;
    if (s.len)
        memcpy(to, s.ptr, s.len);
    return s.len;
}

/* v with at least width digits. */
static size_t write_number(uint64_t v, size_t width, char *to, size_t room)
{
    size_t len = 1;
    for (uint64_t power = 10; len < NUMBER_BYTES_MAX - 1 && v >= power; power *= 10)
        len++;
    len += len == NUMBER_BYTES_MAX - 1 && v >= 10000000000000000000u;
    len = MAX(len, width);
    if (len > room)
        return SIZE_MAX;
    for (size_t k = len; k-- > 0; v /= 10)
        to[k] = (char)('0' + v % 10);
    return len;
}

static size_t write_decimal(uint64_t v, unsigned behind, char *to, size_t room)
{
    uint64_t power = (uint64_t)POWERS[behind];
    size_t len = write_number(v / power, 1, to, room);
    if (len == SIZE_MAX || len == room)
        return SIZE_MAX;
    to[len++] = '.';
    size_t more = write_number(v % power, behind, to + len, room - len);
    return more == SIZE_MAX ? SIZE_MAX : len + more;
}

static size_t write_ipv4(uint64_t v, char *to, size_t room)
{
    size_t len = 0;
    for (int part = 3; part >= 0; part--) {
        size_t more = write_number(v >> 8 * part & 255, 1, to + len, room - len);
        if (more == SIZE_MAX)
            return SIZE_MAX;
        len += more;
        if (part && len == room)
            return SIZE_MAX;
        if (part)
            to[len++] = '.';
    }
    return len;
}

static size_t write_hex(const uint8_t *bytes, size_t width, bool is_upper, char *to, size_t room)
{
    const char *alphabet = is_upper ? "0123456789ABCDEF" : "0123456789abcdef";
    if (width > room)
        return SIZE_MAX;
    for (size_t k = 0; k < width; k++)
        to[k] = alphabet[bytes[k / 2] >> (k % 2 ? 0 : 4) & 15];
    return width;
}

static size_t write_text(struct evtext *t, struct evtext_texts *x, size_t i, uint32_t row, char *to, size_t room);

static size_t write_middle(struct evtext *t, struct evtext_column *c, size_t i, char *to, size_t room)
{
    switch ((enum evtext_type)c->type) {
    case EVTEXT_CONST:
        return write_slice(c->text, to, room);
    case EVTEXT_NUMBER:
        return write_number((uint64_t)c->ints[i], 1, to, room);
    case EVTEXT_DIGITS:
        return write_number((uint64_t)c->ints[i], c->width, to, room);
    case EVTEXT_DECIMAL:
        return write_decimal((uint64_t)c->ints[i], c->width, to, room);
    case EVTEXT_IPV4:
        return write_ipv4((uint64_t)c->ints[i], to, room);
    case EVTEXT_HEX_LOWER:
    case EVTEXT_HEX_UPPER:
        return write_hex(c->packed + (c->width + 1) / 2 * i, c->width, c->type == EVTEXT_HEX_UPPER, to, room);
    case EVTEXT_DICT:
        return write_slice(c->dict[c->ids[i]], to, room);
    case EVTEXT_BYTES: {
        uint32_t from = i ? c->ends[i - 1] : 0;
        return write_slice(slice_of(c->chars + from, c->ends[i] - from), to, room);
    }
    case EVTEXT_SHAPES:
        return write_text(t, c->texts, i, c->rows[i], to, room);
    case EVTEXT_TRACE_ID:
        return write_hex(t->rows.traces + 16 * (size_t)c->rows[i], 32, false, to, room);
    case EVTEXT_SPAN_ID:
        return write_hex(t->rows.spans + 8 * (size_t)c->rows[i], 16, false, to, room);
    case EVTEXT_TYPES:
    case EVTEXT_AFFIX:
        break;
    }
    return SIZE_MAX;
}

size_t evtext_value(struct evtext *t, struct evtext_column *c, size_t i, char *to, size_t room)
{
    if (!c->is_loaded)
        evtext_load(t, c);
    if (c->is_bad || c->before.len + c->behind.len > room)
        return SIZE_MAX;
    if (c->before.len + c->behind.len == 0)
        return write_middle(t, c, i, to, room);
    memcpy(to, c->before.ptr, c->before.len);
    size_t len = write_middle(t, c, i, to + c->before.len, room - c->before.len - c->behind.len);
    if (len == SIZE_MAX)
        return SIZE_MAX;
    memcpy(to + c->before.len + len, c->behind.ptr, c->behind.len);
    return c->before.len + len + c->behind.len;
}

size_t evtext_piece(struct evtext *t, struct slice piece, uint32_t row, char *to, size_t room)
{
    size_t at = 0;
    for (size_t k = 0; k < piece.len; k++) {
        if (!evstamp_is_mark((uint8_t)piece.ptr[k])) {
            if (at == room)
                return SIZE_MAX;
            to[at++] = piece.ptr[k];
            continue;
        }
        char text[EVSTAMP_BYTES_MAX + 8];
        size_t len = t->rows.times ? evstamp_write(&t->stamp, (uint8_t)piece.ptr[k], t->rows.times[row], text) : SIZE_MAX;
        if (len > room - at)
            return SIZE_MAX;
        memcpy(to + at, text, len);
        at += len;
    }
    return at;
}

static size_t write_text(struct evtext *t, struct evtext_texts *x, size_t i, uint32_t row, char *to, size_t room)
{
    struct evtext_shape *s = &x->shapes[x->of[i]];
    if (x->of[i] == 0)
        return evtext_value(t, &s->slots[0], x->pos[i], to, room);
    size_t at = 0;
    for (size_t k = 0;; k++) {
        size_t len = s->has_time[k] ? evtext_piece(t, s->pieces[k], row, to + at, room - at) : write_slice(s->pieces[k], to + at, room - at);
        if (len == SIZE_MAX)
            return SIZE_MAX;
        at += len;
        if (k == s->slot_count)
            return at;
        len = evtext_value(t, &s->slots[k], x->pos[i], to + at, room - at);
        if (len == SIZE_MAX)
            return SIZE_MAX;
        at += len;
    }
}

size_t evtext_text(struct evtext *t, size_t i, char *to, size_t room)
{
    return write_text(t, &t->all, i, (uint32_t)i, to, room);
}

size_t evtext_text_of(struct evtext *t, struct evtext_texts *x, size_t i, uint32_t row, char *to, size_t room)
{
    return write_text(t, x, i, row, to, room);
}

bool evtext_some(struct evtext *t, const uint32_t *wanted, size_t count, struct arena *a, const char **bytes, const uint32_t **ends)
{
    char *to = arena_alloc(a, t->bytes + 1);
    uint32_t *list = arena_array(a, uint32_t, t->all.n + 1);
    size_t at = 0;
    for (size_t k = 0; k < count; k++) {
        size_t i = wanted[k], len = i < t->all.n ? evtext_text(t, i, to + at, t->bytes - at) : SIZE_MAX;
        if (len == SIZE_MAX)
            return false;
        if (i)
            list[i - 1] = (uint32_t)at;
        at += len;
        list[i] = (uint32_t)at;
    }
    *bytes = to;
    *ends = list;
    return true;
}

bool evtext_all(struct evtext *t, struct arena *a, const char **bytes, const uint32_t **ends)
{
    char *to = arena_alloc(a, t->bytes + 1);
    uint32_t *list = arena_array(a, uint32_t, t->all.n + 1);
    size_t at = 0;
    for (size_t i = 0; i < t->all.n; i++) {
        size_t len = evtext_text(t, i, to + at, t->bytes - at);
        if (len == SIZE_MAX)
            return false;
        at += len;
        list[i] = (uint32_t)at;
    }
    *bytes = to;
    *ends = list;
    return at == t->bytes;
}
