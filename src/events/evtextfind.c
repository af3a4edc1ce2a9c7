/* SPDX-License-Identifier: Apache-2.0 */
/* A shape is a row of elements: fixed texts, and variables of which the kind of characters and the greatest length are known.
 * Walking the needle over them once a shape tells where it may be found:
 *
 * (1) nowhere: no text of the shape has it; no column is looked at.
 * (2) inside a fixed text: all texts of the shape have it.
 * (3) inside one variable: its column is searched.
 * (4) across a border of a variable, or in a time: texts that (3) did not find are put together and searched. The walk takes every
 *     variable for any text of its characters, so (4) is taken too often, never too seldom. */
#include "events/evtextfind.h"

enum {
    TEXT_ROOM_FIRST = 16 * KIB, /* longer texts get room for all texts of the column */
    NUMBER_CHARS_MAX = 18,
    DECIMAL_CHARS_MAX = 20,
    IPV4_CHARS_MAX = 15,
    TRACE_ID_CHARS = 32,
    SPAN_ID_CHARS = 16,
    VALUE_ROOM = 256, /* of numbers, addresses, ids */
};

enum chars { CHARS_ANY, CHARS_DIGITS, CHARS_DIGITS_DOT, CHARS_HEX_LOWER, CHARS_HEX_UPPER, CHARS_LETTERS, CHARS_DIGITS_SPACE, CHARS_KINDS };

struct element {
    bool is_fixed;
    struct slice text; /* fixed */
    enum chars chars;
    size_t len_max;
    struct evtext_column *slot; /* NULL: of a time */
};

struct find {
    struct evtext *t;
    struct slice needle;
    bool is_nocase; /* the needle is lower-cased */
    struct arena *a;
    char *room;
    size_t room_len;
    size_t run[CHARS_KINDS];         /* how much of the needle's front is of those characters */
    bool *from, *to;                 /* by bytes of the needle found up to the border at hand */
    bool is_bad;
};

/* What a walk over one shape gave. */
struct walk {
    bool is_all, is_across, is_inside;
    bool *slots; /* may lie inside this slot */
};

static bool in_chars(enum chars chars, char c)
{
    bool is_digit = c >= '0' && c <= '9';
    switch (chars) {
    case CHARS_ANY: return true;
    case CHARS_DIGITS: return is_digit;
    case CHARS_DIGITS_DOT: return is_digit || c == '.';
    case CHARS_HEX_LOWER: return is_digit || (c >= 'a' && c <= 'f');
    case CHARS_HEX_UPPER: return is_digit || (c >= 'A' && c <= 'F');
    case CHARS_LETTERS: return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    case CHARS_DIGITS_SPACE: return is_digit || c == ' ';
    case CHARS_KINDS: break;
    }
    return true;
}

static inline char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Eight bytes at a time: the high bit of each byte that is a capital, moved to where it makes it small. */
static void lower_all(const char *from, size_t n, char *to)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    size_t i = 0;
    for (uint64_t v; i + sizeof v <= n; i += sizeof v) {
        memcpy(&v, from + i, sizeof v);
        uint64_t low = v & 0x7f * ones, from_a = low + (0x80 - 'A') * ones, behind_z = low + (0x7f - 'Z') * ones;
        v |= (~v & (from_a ^ behind_z) & 0x80 * ones) >> 2;
        memcpy(to + i, &v, sizeof v);
    }
    for (; i < n; i++)
        to[i] = lower(from[i]);
}

/* Are n bytes of a text those of the needle? */
static bool is_same(const struct find *f, const char *text, const char *needle, size_t n)
{
    if (!f->is_nocase)
        return n == 0 || memcmp(text, needle, n) == 0;
    for (size_t i = 0; i < n; i++)
        if (lower(text[i]) != needle[i])
            return false;
    return true;
}

static bool has(const struct find *f, struct slice text)
{
    struct slice needle = f->needle;
    if (text.len < needle.len)
        return false;
    if (!f->is_nocase)
        return memmem(text.ptr, text.len, needle.ptr, needle.len) != NULL;
    for (size_t i = 0; i + needle.len <= text.len; i++)
        if (lower(text.ptr[i]) == needle.ptr[0] && is_same(f, text.ptr + i, needle.ptr, needle.len))
            return true;
    return false;
}

/* May the needle's byte c be one of these characters? */
static bool fits(const struct find *f, enum chars chars, char c)
{
    return in_chars(chars, c) || (f->is_nocase && c >= 'a' && c <= 'z' && in_chars(chars, (char)(c - 'a' + 'A')));
}

/* ---- where in a shape ---- */

static struct element element_of(struct evtext_column *c)
{
    struct element e = { .slot = c, .len_max = SIZE_MAX };
    switch ((enum evtext_type)c->type) {
    case EVTEXT_CONST: return (struct element){ .is_fixed = true, .text = c->text };
    case EVTEXT_NUMBER: e.chars = CHARS_DIGITS, e.len_max = NUMBER_CHARS_MAX; break;
    case EVTEXT_DIGITS: e.chars = CHARS_DIGITS, e.len_max = NUMBER_CHARS_MAX; break;
    case EVTEXT_DECIMAL: e.chars = CHARS_DIGITS_DOT, e.len_max = DECIMAL_CHARS_MAX; break;
    case EVTEXT_IPV4: e.chars = CHARS_DIGITS_DOT, e.len_max = IPV4_CHARS_MAX; break;
    case EVTEXT_HEX_LOWER: e.chars = CHARS_HEX_LOWER, e.len_max = c->width; break;
    case EVTEXT_HEX_UPPER: e.chars = CHARS_HEX_UPPER, e.len_max = c->width; break;
    case EVTEXT_TRACE_ID: e.chars = CHARS_HEX_LOWER, e.len_max = TRACE_ID_CHARS; break;
    case EVTEXT_SPAN_ID: e.chars = CHARS_HEX_LOWER, e.len_max = SPAN_ID_CHARS; break;
    case EVTEXT_DICT:
    case EVTEXT_BYTES:
    case EVTEXT_SHAPES:
    case EVTEXT_TYPES:
    case EVTEXT_AFFIX: break;
    }
    return e;
}

static void walk_fixed(struct find *f, struct slice text, struct walk *w)
{
    struct slice needle = f->needle;
    memset(f->to, 0, needle.len + 1);
    for (size_t k = 1; k < needle.len; k++) {
        size_t n = MIN(text.len, needle.len - k);
        if (!f->from[k] || !is_same(f, text.ptr, needle.ptr + k, n))
            continue;
        w->is_across |= k + n == needle.len;
        f->to[k + n] |= k + n < needle.len;
    }
    w->is_all |= has(f, text);
    for (size_t n = 1; n < needle.len && n <= text.len; n++) /* begins n bytes before the text's end */
        f->to[n] |= is_same(f, text.ptr + text.len - n, needle.ptr, n);
}

static void walk_variable(struct find *f, const struct element *e, struct walk *w, size_t slot)
{
    struct slice needle = f->needle;
    memcpy(f->to, f->from, needle.len + 1); /* it may be empty */
    for (size_t k = 1; k < needle.len; k++) {
        if (!f->from[k])
            continue;
        for (size_t n = 1; n <= e->len_max && fits(f, e->chars, needle.ptr[k + n - 1]); n++) {
            f->to[k + n] = true;
            if (k + n == needle.len) {
                w->is_across = true;
                break;
            }
        }
    }
    f->to[needle.len] = false;
    size_t run = MIN(f->run[e->chars], e->len_max);
    for (size_t n = 1; n <= run && n < needle.len; n++)
        f->to[n] = true;
    if (run < needle.len)
        return;
    if (e->slot)
        w->slots[slot] = w->is_inside = true;
    else
        w->is_across = true;
}

static void step(struct find *f, const struct element *e, struct walk *w, size_t slot)
{
    if (e->is_fixed && e->text.len == 0)
        return;
    if (e->is_fixed)
        walk_fixed(f, e->text, w);
    else
        walk_variable(f, e, w, slot);
    bool *t = f->from;
    f->from = f->to;
    f->to = t;
}

/* How evstamp writes a mark: 9 a digit, _ a digit or a space, A a letter; everything else is itself. */
static struct slice stamp_form(uint8_t mark)
{
    switch (mark) {
    case 1: return SLICE("9999-99-99T99:99:99");
    case 2: return SLICE("9999-99-99 99:99:99");
    case 3: return SLICE("99/AAA/9999:99:99:99");
    case 4: return SLICE("AAA _9 99:99:99");
    case 5: return SLICE("9999/99/99 99:99:99");
    case 6: return SLICE("AAA AAA _9 99:99:99 9999");
    case 7: return SLICE("999999 999999");
    case EVSTAMP_MS: return SLICE("999");
    case EVSTAMP_US: return SLICE("999999");
    default: return SLICE("999999999");
    }
}

static void step_stamp(struct find *f, struct slice form, struct walk *w)
{
    for (size_t i = 0, n; i < form.len; i += n) {
        char c = form.ptr[i];
        struct element e = { .text = slice_of(form.ptr + i, 1) };
        for (n = 1; i + n < form.len && form.ptr[i + n] == c;)
            n++;
        e.len_max = n;
        e.is_fixed = c != '9' && c != '_' && c != 'A';
        e.chars = c == '9' ? CHARS_DIGITS : c == '_' ? CHARS_DIGITS_SPACE : CHARS_LETTERS;
        if (e.is_fixed)
            n = 1;
        step(f, &e, w, 0);
    }
}

/* A piece with times in it. */
static void step_times(struct find *f, struct slice piece, struct walk *w)
{
    for (size_t i = 0, n; i < piece.len; i += n) {
        struct element e = { .is_fixed = true };
        for (n = 0; i + n < piece.len && !evstamp_is_mark((uint8_t)piece.ptr[i + n]);)
            n++;
        e.text = slice_of(piece.ptr + i, n);
        step(f, &e, w, 0);
        if (i + n < piece.len)
            step_stamp(f, stamp_form((uint8_t)piece.ptr[i + n++]), w);
    }
}

static struct walk walk_shape(struct find *f, const struct evtext_shape *s, bool is_whole)
{
    struct walk w = { .slots = arena_zalloc(f->a, s->slot_count + 1) };
    memset(f->from, 0, f->needle.len + 1);
    for (size_t k = 0;; k++) {
        struct element piece = { .is_fixed = true, .text = is_whole ? SLICE_EMPTY : s->pieces[k] };
        if (!is_whole && s->has_time[k])
            step_times(f, piece.text, &w);
        else
            step(f, &piece, &w, k);
        if (k == s->slot_count)
            return w;
        struct evtext_column *c = &s->slots[k];
        struct element before = { .is_fixed = true, .text = c->before }, behind = { .is_fixed = true, .text = c->behind };
        struct element value = element_of(c);
        step(f, &before, &w, k);
        step(f, &value, &w, k);
        step(f, &behind, &w, k);
    }
}

/* ---- in a column ---- */

static void find_in_texts(struct find *f, struct evtext_texts *x, const uint32_t *rows, uint8_t *sel);

/* Values lie in one run; a find may lie across two of them. */
static bool find_in_run(struct find *f, const char *chars, const uint32_t *ends, size_t n, uint8_t *found)
{
    size_t total = n ? ends[n - 1] : 0, i = 0;
    struct slice needle = f->needle;
    const char *hit;
    bool any = false;
    if (f->is_nocase) {
        char *small = arena_alloc(f->a, total + 1);
        lower_all(chars, total, small);
        chars = small;
    }
    const char *at = chars, *end = chars + total;
    while ((size_t)(end - at) >= needle.len && (hit = memmem(at, (size_t)(end - at), needle.ptr, needle.len)) != NULL) {
        size_t offset = (size_t)(hit - chars);
        while (ends[i] <= offset)
            i++;
        bool is_inside = offset + needle.len <= ends[i];
        found[i] |= is_inside;
        any |= is_inside;
        at = is_inside ? chars + ends[i] : hit + 1;
    }
    return any;
}

/* Digits of all values in one run, each as long as the other. */
static void find_in_hex(struct find *f, const struct evtext_column *c, uint8_t *found)
{
    const char *alphabet = c->type == EVTEXT_HEX_UPPER && !f->is_nocase ? "0123456789ABCDEF" : "0123456789abcdef";
    size_t width = c->width, bytes = (width + 1) / 2, total = c->n * width;
    char *run = arena_alloc(f->a, total + 2), *to = run;
    for (size_t i = 0; i < c->n; i++, to = run + i * width) /* a last half byte is written over by the next value */
        for (size_t k = 0; k < bytes; k++) {
            *to++ = alphabet[c->packed[i * bytes + k] >> 4];
            *to++ = alphabet[c->packed[i * bytes + k] & 15];
        }
    const char *at = run, *end = run + total, *hit;
    while ((size_t)(end - at) >= f->needle.len && (hit = memmem(at, (size_t)(end - at), f->needle.ptr, f->needle.len)) != NULL) {
        size_t offset = (size_t)(hit - run), i = offset / width;
        bool is_inside = offset + f->needle.len <= (i + 1) * width;
        found[i] |= is_inside;
        at = is_inside ? run + (i + 1) * width : hit + 1;
    }
}

/* found[i]: value i has the needle, which lies inside what the column stores. wanted may be 0 where nobody asks. */
static void find_in_column(struct find *f, struct evtext_column *c, const uint8_t *wanted, uint8_t *found)
{
    if (!evtext_load(f->t, c)) {
        f->is_bad = true;
        return;
    }
    if (c->type == EVTEXT_BYTES) {
        find_in_run(f, c->chars, c->ends, c->n, found);
    } else if (c->type == EVTEXT_HEX_LOWER || c->type == EVTEXT_HEX_UPPER) {
        find_in_hex(f, c, found);
    } else if (c->type == EVTEXT_DICT) {
        uint8_t *is_hit = arena_zalloc(f->a, c->dict_count + 1);
        bool any = find_in_run(f, c->chars, c->ends, c->dict_count, is_hit);
        for (size_t i = 0; any && i < c->n; i++)
            found[i] |= is_hit[c->ids[i]];
    } else if (c->type == EVTEXT_SHAPES) {
        uint8_t *sel = arena_alloc(f->a, c->n + 1);
        bool *from = f->from, *to = f->to;
        memcpy(sel, wanted, c->n);
        find_in_texts(f, c->texts, c->rows, sel);
        f->from = from, f->to = to;
        for (size_t i = 0; i < c->n; i++)
            found[i] |= sel[i];
    } else {
        char room[VALUE_ROOM];
        struct evtext_column bare = *c;
        bare.before = bare.behind = SLICE_EMPTY;
        for (size_t i = 0; i < c->n; i++) {
            if (!wanted[i] || found[i])
                continue;
            size_t len = evtext_value(f->t, &bare, i, room, sizeof room);
            f->is_bad |= len == SIZE_MAX;
            found[i] = len != SIZE_MAX && has(f, slice_of(room, len));
        }
    }
}

/* ---- texts ---- */

/* Text i of x, of that row of the block, put together. */
static bool has_whole(struct find *f, struct evtext_texts *x, size_t i, uint32_t row)
{
    size_t len = evtext_text_of(f->t, x, i, row, f->room, f->room_len);
    if (len == SIZE_MAX && f->room_len < f->t->bytes) {
        f->room_len = f->t->bytes;
        f->room = arena_alloc(f->a, f->room_len);
        len = evtext_text_of(f->t, x, i, row, f->room, f->room_len);
    }
    f->is_bad |= len == SIZE_MAX;
    return len != SIZE_MAX && has(f, slice_of(f->room, len));
}

static void find_in_shape(struct find *f, struct evtext_texts *x, struct evtext_shape *s, const struct walk *w, const uint32_t *texts,
                          const uint32_t *rows, uint8_t *sel)
{
    uint8_t *wanted = arena_alloc(f->a, s->rows), *found = arena_zalloc(f->a, s->rows);
    bool any = false;
    for (size_t i = 0; i < s->rows; i++)
        any |= wanted[i] = sel[texts[i]];
    for (size_t k = 0; any && w->is_inside && k < s->slot_count; k++)
        if (w->slots[k])
            find_in_column(f, &s->slots[k], wanted, found);
    for (size_t i = 0; any && i < s->rows; i++)
        sel[texts[i]] = wanted[i] && (found[i] || (w->is_across && has_whole(f, x, texts[i], rows ? rows[texts[i]] : texts[i])));
}

/* Of each shape its texts. */
static uint32_t **list_texts(struct find *f, const struct evtext_texts *x)
{
    uint32_t *at = arena_array(f->a, uint32_t, x->n + 1), **of_shape = arena_array(f->a, uint32_t *, x->shape_count);
    for (size_t s = 0; s < x->shape_count; s++) {
        of_shape[s] = at;
        at += x->shapes[s].rows;
    }
    for (size_t i = 0; i < x->n; i++)
        of_shape[x->of[i]][x->pos[i]] = (uint32_t)i;
    return of_shape;
}

/* rows: of the block, by text; NULL: text i is row i. */
static void find_in_texts(struct find *f, struct evtext_texts *x, const uint32_t *rows, uint8_t *sel)
{
    struct walk *walks = arena_zalloc(f->a, x->shape_count * sizeof *walks);
    uint8_t *keeps = arena_zalloc(f->a, x->shape_count);
    uint32_t **of_shape = NULL;
    bool any_kept = false, any_not = false;
    for (size_t s = 0; s < x->shape_count; s++) {
        if (x->shapes[s].rows == 0)
            continue;
        walks[s] = walk_shape(f, &x->shapes[s], s == 0);
        keeps[s] = walks[s].is_all || walks[s].is_across || walks[s].is_inside;
        any_kept |= keeps[s];
        any_not |= !keeps[s];
    }
    if (!any_kept)
        memset(sel, 0, x->n);
    for (size_t i = 0; any_kept && any_not && i < x->n; i++)
        sel[i] &= keeps[x->of[i]];
    for (size_t s = 0; s < x->shape_count; s++) {
        if (!keeps[s] || walks[s].is_all)
            continue;
        if (rows && of_shape == NULL)
            of_shape = list_texts(f, x);
        find_in_shape(f, x, &x->shapes[s], &walks[s], rows ? of_shape[s] : x->shapes[s].of_rows, rows, sel);
    }
}

static bool find(struct find *f, uint8_t *sel)
{
    f->room_len = TEXT_ROOM_FIRST;
    f->room = arena_alloc(f->a, f->room_len);
    f->from = arena_zalloc(f->a, f->needle.len + 1);
    f->to = arena_zalloc(f->a, f->needle.len + 1);
    for (unsigned chars = CHARS_ANY; chars < CHARS_KINDS; chars++)
        while (f->run[chars] < f->needle.len && fits(f, (enum chars)chars, f->needle.ptr[f->run[chars]]))
            f->run[chars]++;
    find_in_texts(f, &f->t->all, NULL, sel);
    return !f->is_bad;
}

bool evtextfind(struct evtext *t, struct slice needle, uint8_t *sel, struct arena *scratch)
{
    struct find f = { .t = t, .needle = needle, .a = scratch };
    return find(&f, sel);
}

bool evtextfind_nocase(struct evtext *t, struct slice needle, uint8_t *sel, struct arena *scratch)
{
    char *small = arena_alloc(scratch, needle.len + 1);
    lower_all(needle.ptr, needle.len, small);
    struct find f = { .t = t, .needle = slice_of(small, needle.len), .is_nocase = true, .a = scratch };
    return find(&f, sel);
}
