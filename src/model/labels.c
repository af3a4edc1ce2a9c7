/* SPDX-License-Identifier: Apache-2.0 */
/* Label sets as one run of bytes (labels.h has the form).
 *
 * (1) Two sets are equal exactly when their bytes are: varints are minimal, order is fixed, nothing empty is kept.
 * (2) Everything made here is in that form; what comes from outside is asked by labels_check first.
 *
 * Senders sort nearly always, so building looks whether the order is right already and sorts by insertion otherwise:
 * sets are small (LABELS_PER_SERIES_MAX). */
#include "model/labels.h"

#include "base/utf8.h"

#define NAME_LABEL SLICE("__name__")

enum { VARINT_BYTES_MAX = 10, QUOTED_ERROR_BYTES_MAX = 80 };

/* A label may come twice in other forms than the legacy one, so compare by bytes; `__name__` stands first. */
static int name_cmp(struct slice a, struct slice b)
{
    bool a_is_name = slice_eq(a, NAME_LABEL), b_is_name = slice_eq(b, NAME_LABEL);
    if (a_is_name || b_is_name)
        return (int)b_is_name - (int)a_is_name;
    return slice_cmp(a, b);
}

static char *put_lenslice(char *at, struct slice s)
{
    uint64_t n = s.len;
    for (; n >= 0x80; n >>= 7)
        *at++ = (char)(n | 0x80);
    *at++ = (char)n;
    memcpy(at, s.ptr, s.len);
    return at + s.len;
}

/* At most 4 bytes of varint: lengths here are under LABELS_BYTES_MAX. */
static bool take_lenslice(struct slice *rest, struct slice *out)
{
    uint64_t n = 0;
    size_t i = 0;
    for (int shift = 0;; shift += 7) {
        if (i == rest->len || shift > 21)
            return false;
        unsigned char c = (unsigned char)rest->ptr[i++];
        n |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80)
            break;
    }
    if (n > rest->len - i)
        return false;
    *out = slice_of(rest->ptr + i, (size_t)n);
    *rest = slice_of(rest->ptr + i + n, rest->len - i - (size_t)n);
    return true;
}

static enum status label_check(const struct label *l, struct err *err)
{
    struct slice name = utf8_cut(l->name, QUOTED_ERROR_BYTES_MAX);
    if (l->name.len == 0)
        return err_set(err, ST_INVALID, "a label has an empty name (value \"%.*s\")", SLICE_FMT(utf8_cut(l->value, QUOTED_ERROR_BYTES_MAX)));
    if (l->name.len > LABEL_NAME_BYTES_MAX)
        return err_set(err, ST_LIMIT, "label name \"%.*s...\" has %zu bytes, at most %d are allowed", SLICE_FMT(name), l->name.len,
                       LABEL_NAME_BYTES_MAX);
    if (l->value.len > LABEL_VALUE_BYTES_MAX)
        return err_set(err, ST_LIMIT, "label \"%.*s\": the value has %zu bytes, at most %d are allowed", SLICE_FMT(name), l->value.len,
                       LABEL_VALUE_BYTES_MAX);
    if (!utf8_is_valid(l->name))
        return err_set(err, ST_INVALID, "a label name of %zu bytes is not UTF-8", l->name.len);
    if (!utf8_is_valid(l->value))
        return err_set(err, ST_INVALID, "label \"%.*s\": the value is not UTF-8", SLICE_FMT(name));
    return ST_OK;
}

/* Drops empty values, sorts; gives the count that is left. */
static size_t labels_sort(struct label *list, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        struct label l = list[i];
        if (l.value.len == 0 && l.name.len != 0)
            continue;
        size_t at = n++;
        for (; at > 0 && name_cmp(l.name, list[at - 1].name) < 0; at--)
            list[at] = list[at - 1];
        list[at] = l;
    }
    return n;
}

/* Sorted, checked pairs as bytes. */
static struct slice labels_pack(struct arena *a, const struct label *list, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += list[i].name.len + list[i].value.len + 8; /* two varints of at most 4 bytes */
    char *start = arena_alloc(a, bytes), *at = start;
    for (size_t i = 0; i < count; i++)
        at = put_lenslice(put_lenslice(at, list[i].name), list[i].value);
    return slice_of(start, (size_t)(at - start));
}

enum status labels_build(struct arena *a, struct label *list, size_t count, struct slice *out, struct err *err)
{
    if (count > 4 * LABELS_PER_SERIES_MAX) /* before sorting: insertion is quadratic */
        return err_set(err, ST_LIMIT, "a series has %zu labels, at most %d are allowed", count, LABELS_PER_SERIES_MAX);
    size_t n = labels_sort(list, count), bytes = 0;
    if (n > LABELS_PER_SERIES_MAX)
        return err_set(err, ST_LIMIT, "a series has %zu labels, at most %d are allowed", n, LABELS_PER_SERIES_MAX);
    for (size_t i = 0; i < n; i++) {
        enum status st = label_check(&list[i], err);
        if (st)
            return st;
        if (i && slice_eq(list[i].name, list[i - 1].name))
            return err_set(err, ST_INVALID, "label \"%.*s\" comes twice", SLICE_FMT(list[i].name));
        bytes += list[i].name.len + list[i].value.len;
    }
    if (bytes > LABELS_BYTES_MAX - LABELS_PER_SERIES_MAX * 8)
        return err_set(err, ST_LIMIT, "the labels of a series have %zu bytes, at most %d are allowed", bytes,
                       LABELS_BYTES_MAX - LABELS_PER_SERIES_MAX * 8);
    *out = labels_pack(a, list, n);
    return ST_OK;
}

struct slice labels_build_wide(struct arena *a, struct label *list, size_t count)
{
    size_t n = labels_sort(list, count), kept = 0;
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || !slice_eq(list[i].name, list[kept - 1].name))
            list[kept++] = list[i];
    return labels_pack(a, list, kept);
}

bool labels_next(struct slice *rest, struct label *out)
{
    return rest->len && take_lenslice(rest, &out->name) && take_lenslice(rest, &out->value);
}

size_t labels_count(struct slice labels)
{
    size_t n = 0;
    for (struct label l; labels_next(&labels, &l);)
        n++;
    return n;
}

struct slice labels_get(struct slice labels, struct slice name)
{
    for (struct label l; labels_next(&labels, &l);)
        if (slice_eq(l.name, name))
            return l.value;
    return SLICE_EMPTY;
}

int labels_cmp(struct slice a, struct slice b)
{
    for (;;) {
        struct label x, y;
        bool has_x = labels_next(&a, &x), has_y = labels_next(&b, &y);
        if (!has_x || !has_y)
            return (int)has_x - (int)has_y;
        int order = slice_eq(x.name, y.name) ? 0 : name_cmp(x.name, y.name);
        if (order == 0)
            order = slice_cmp(x.value, y.value);
        if (order != 0)
            return order;
    }
}

struct hash128 labels_hash(struct slice labels, uint64_t seed)
{
    return hash128(labels, seed);
}

static size_t varint_bytes(size_t n)
{
    return n < 0x80 ? 1 : n < 0x4000 ? 2 : n < 0x200000 ? 3 : 4;
}

bool labels_check(struct slice bytes)
{
    struct slice rest = bytes, before = SLICE_EMPTY;
    size_t n = 0;
    if (bytes.len > LABELS_BYTES_MAX + LABELS_ADDED_MAX * (LABEL_NAME_BYTES_MAX + LABEL_VALUE_BYTES_MAX))
        return false;
    while (rest.len) {
        struct label l;
        size_t had = rest.len;
        if (!labels_next(&rest, &l) || label_check(&l, NULL) || l.value.len == 0 || ++n > LABELS_PER_SERIES_MAX + LABELS_ADDED_MAX)
            return false;
        if (had - rest.len != varint_bytes(l.name.len) + l.name.len + varint_bytes(l.value.len) + l.value.len)
            return false; /* a varint that is longer than needed */
        if (n > 1 && name_cmp(before, l.name) >= 0)
            return false;
        before = l.name;
    }
    return true;
}

static bool is_listed(struct slice name, const struct slice *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_eq(name, names[i]))
            return true;
    return false;
}

static struct slice labels_pick(struct arena *a, struct slice labels, const struct slice *names, size_t count, bool listed)
{
    char *start = arena_alloc(a, labels.len), *at = start;
    struct slice rest = labels;
    for (struct label l; labels_next(&rest, &l);)
        if (is_listed(l.name, names, count) == listed)
            at = put_lenslice(put_lenslice(at, l.name), l.value);
    return slice_of(start, (size_t)(at - start));
}

struct slice labels_without(struct arena *a, struct slice labels, const struct slice *names, size_t count)
{
    return labels_pick(a, labels, names, count, false);
}

struct slice labels_only(struct arena *a, struct slice labels, const struct slice *names, size_t count)
{
    return labels_pick(a, labels, names, count, true);
}

struct slice labels_with(struct arena *a, struct slice labels, struct slice name, struct slice value)
{
    char *start = arena_alloc(a, labels.len + name.len + value.len + 2 * VARINT_BYTES_MAX), *at = start;
    bool is_put = value.len == 0;
    struct slice rest = labels;
    for (struct label l; labels_next(&rest, &l);) {
        int order = name_cmp(l.name, name);
        if (order >= 0 && !is_put) {
            at = put_lenslice(put_lenslice(at, name), value);
            is_put = true;
        }
        if (order != 0)
            at = put_lenslice(put_lenslice(at, l.name), l.value);
    }
    if (!is_put)
        at = put_lenslice(put_lenslice(at, name), value);
    return slice_of(start, (size_t)(at - start));
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool name_is_legacy(struct slice name, bool colon)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!is_letter(c) && !(i > 0 && c >= '0' && c <= '9') && !(colon && c == ':'))
            return false;
    }
    return name.len != 0;
}

bool label_name_is_legacy(struct slice name)
{
    return name_is_legacy(name, false);
}

bool metric_name_is_legacy(struct slice name)
{
    return name_is_legacy(name, true);
}
