/* SPDX-License-Identifier: Apache-2.0 */
/* A record's labels: a small array, searched linearly; a record seldom has more than thirty. */
#include "logql/record.h"

#include "base/date.h"
#include "base/num.h"
#include "codec/hex.h"
#include "query/token.h"

#include <math.h>
#include <stdlib.h>

static const struct slice error_name = SLICE_INIT("__error__"), details_name = SLICE_INIT("__error_details__");

struct slice record_field_label(struct arena *a, struct slice name)
{
    size_t i = 0;
    while (i < name.len && (token_is_alpha(name.ptr[i]) || (i && token_is_digit(name.ptr[i]))))
        i++;
    if (i == name.len)
        return name;
    char *to = arena_alloc(a, name.len + 2);
    size_t n = 0;
    if (token_is_digit(name.ptr[0]))
        to[n++] = '_';
    for (i = 0; i < name.len; i++)
        to[n++] = token_is_alnum(name.ptr[i]) ? name.ptr[i] : '_';
    return slice_of(to, n);
}

static void add(struct record *r, struct slice name, struct slice value, enum label_origin origin)
{
    if (r->count < RECORD_LABELS_MAX && value.len)
        r->labels[r->count++] = (struct record_label){ name, value, origin };
}

static void add_id(struct record *r, struct slice name, const uint8_t *id, size_t n, struct arena *scratch)
{
    char *text = arena_alloc(scratch, 2 * n);
    hex_encode(slice_of(id, n), text);
    add(r, name, slice_of(text, 2 * n), FROM_METADATA);
}

void record_load(struct record *r, const struct event *e, struct arena *scratch)
{
    static const uint8_t none[16];
    struct slice rest = e->stream;
    struct label l;
    r->time_ns = e->time_ns;
    r->line = e->body;
    r->count = 0;
    r->error = r->error_details = SLICE_EMPTY;
    while (labels_next(&rest, &l))
        add(r, l.name, l.value, FROM_STREAM);
    for (uint32_t i = 0; i < e->field_count; i++) {
        struct slice name = record_field_label(scratch, e->fields[i].name);
        if (record_get(r, name).len)
            name = arena_printf(scratch, "%.*s_extracted", SLICE_FMT(name));
        if (record_get(r, name).len == 0)
            add(r, name, field_text(scratch, &e->fields[i]), FROM_METADATA);
    }
    if (e->severity != RECORD_SEVERITY_NONE && record_get(r, SLICE("detected_level")).len == 0)
        add(r, SLICE("detected_level"), severity_name(e->severity), FROM_METADATA);
    if (memcmp(e->trace_id, none, 16) != 0 && record_get(r, SLICE("trace_id")).len == 0)
        add_id(r, SLICE("trace_id"), e->trace_id, 16, scratch);
    if (memcmp(e->span_id, none, 8) != 0 && record_get(r, SLICE("span_id")).len == 0)
        add_id(r, SLICE("span_id"), e->span_id, 8, scratch);
}

const struct record_label *record_find(const struct record *r, struct slice name)
{
    for (size_t i = 0; i < r->count; i++)
        if (slice_eq(r->labels[i].name, name))
            return &r->labels[i];
    return NULL;
}

static struct record_label *find(struct record *r, struct slice name)
{
    return (struct record_label *)record_find(r, name);
}

struct slice record_get(const struct record *r, struct slice name)
{
    const struct record_label *l = record_find(r, name);
    if (l)
        return l->value;
    if (slice_eq(name, error_name))
        return r->error;
    return slice_eq(name, details_name) ? r->error_details : SLICE_EMPTY;
}

void record_set(struct record *r, struct slice name, struct slice value, enum label_origin origin)
{
    struct record_label *l = find(r, name);
    if (slice_eq(name, error_name))
        r->error = value;
    else if (slice_eq(name, details_name))
        r->error_details = value;
    else if (l && value.len == 0)
        record_drop(r, name);
    else if (l)
        *l = (struct record_label){ name, value, origin };
    else
        add(r, name, value, origin);
}

void record_set_empty(struct record *r, struct slice name)
{
    if (find(r, name) == NULL && r->count < RECORD_LABELS_MAX)
        r->labels[r->count++] = (struct record_label){ name, SLICE_EMPTY, FROM_PARSER };
}

void record_drop(struct record *r, struct slice name)
{
    struct record_label *l = find(r, name);
    if (slice_eq(name, error_name))
        r->error = SLICE_EMPTY;
    if (slice_eq(name, details_name))
        r->error_details = SLICE_EMPTY;
    if (l)
        *l = r->labels[--r->count];
}

void record_error(struct record *r, const char *error, struct slice details)
{
    r->error = slice_str(error);
    r->error_details = details;
}

static int by_name(const void *a, const void *b)
{
    return slice_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/* Canonical form without the limits of stored series: an answer may have more labels, or longer ones. */
static void join(struct arena *a, struct label *list, size_t n, struct slice *out)
{
    struct buf b;
    buf_init(&b, 0);
    qsort(list, n, sizeof *list, by_name);
    for (size_t i = 0; i < n; i++) {
        buf_lenslice(&b, list[i].name);
        buf_lenslice(&b, list[i].value);
    }
    *out = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
}

struct slice record_labels(const struct record *r, int origin, struct arena *a)
{
    struct label list[RECORD_LABELS_MAX + 2];
    size_t n = 0;
    struct slice out;
    for (size_t i = 0; i < r->count; i++)
        if (origin < 0 || (int)r->labels[i].origin == origin)
            list[n++] = (struct label){ r->labels[i].name, r->labels[i].value };
    if (origin < 0 || origin == FROM_PARSER) {
        if (r->error.len)
            list[n++] = (struct label){ error_name, r->error };
        if (r->error_details.len)
            list[n++] = (struct label){ details_name, r->error_details };
    }
    join(a, list, n, &out);
    return out;
}

struct slice record_labels_only(const struct record *r, const struct slice *names, size_t count, struct arena *a)
{
    struct label list[RECORD_LABELS_MAX];
    size_t n = 0;
    struct slice out;
    for (size_t i = 0; count && i < r->count; i++) {
        size_t k = 0;
        while (k < count && !slice_eq(names[k], r->labels[i].name))
            k++;
        if (k < count)
            list[n++] = (struct label){ r->labels[i].name, r->labels[i].value };
    }
    if (n == 0)
        return SLICE_EMPTY;
    join(a, list, n, &out);
    return out;
}

/* Digits, dots and commas at the front. */
static size_t digits_of(struct slice text)
{
    size_t n = 0;
    while (n < text.len && (token_is_digit(text.ptr[n]) || text.ptr[n] == '.' || text.ptr[n] == ','))
        n++;
    return n;
}

static bool size_unit(struct slice unit, double *bytes)
{
    static const char letters[] = "kmgtpe";
    *bytes = 1;
    if (unit.len == 0 || slice_eq_nocase(unit, SLICE("b")))
        return true;
    for (size_t i = 0; letters[i]; i++) {
        *bytes *= 1000;
        if ((unit.ptr[0] | 0x20) != letters[i])
            continue;
        struct slice rest = slice_skip(unit, 1);
        if (rest.len && (rest.ptr[0] | 0x20) == 'i') {
            *bytes = ldexp(1, 10 * (int)(i + 1));
            rest = slice_skip(rest, 1);
        }
        return rest.len == 0 || slice_eq_nocase(rest, SLICE("b"));
    }
    return false;
}

static bool size_parse(struct slice text, double *out)
{
    enum { DIGITS_MAX = 64 };
    char digits[DIGITS_MAX];
    size_t n = digits_of(text), count = 0;
    double unit;
    for (size_t i = 0; i < n; i++) {
        if (count == DIGITS_MAX)
            return false;
        if (text.ptr[i] != ',')
            digits[count++] = text.ptr[i];
    }
    if (!num_parse_double(slice_of(digits, count), out) || !size_unit(slice_trim(slice_skip(text, n)), &unit))
        return false;
    *out = trunc(*out * unit);
    return true;
}

struct slice logql_value_fault(struct slice text, enum unwrap_as as, struct arena *a)
{
    int len = (int)MIN(text.len, (size_t)100);
    int64_t ms;
    switch (as) {
    case UNWRAP_DURATION:
        if (duration_parse_prom(text, &ms))
            return arena_printf(a, "time: unknown unit in duration \"%.*s\": allowed are h, m, s, ms, us and ns", len, text.ptr);
        return arena_printf(a, "time: invalid duration \"%.*s\"", len, text.ptr);
    case UNWRAP_BYTES:
        len = (int)MIN(digits_of(text), (size_t)100);
        if (len && (size_t)len < text.len)
            return arena_printf(a, "unhandled size name: %.*s", (int)MIN(text.len - (size_t)len, (size_t)100), text.ptr + len);
        break;
    case UNWRAP_NUMBER: break;
    }
    return arena_printf(a, "strconv.ParseFloat: parsing \"%.*s\": invalid syntax", len, text.ptr);
}

bool logql_value_parse(struct slice text, enum unwrap_as as, double *out)
{
    int64_t ns;
    switch (as) {
    case UNWRAP_NUMBER:
        return num_parse_double(text, out);
    case UNWRAP_DURATION:
        if (!duration_parse_go(text, &ns))
            return false;
        *out = (double)ns / 1e9;
        return true;
    case UNWRAP_BYTES:
        return size_parse(text, out);
    }
    return false;
}
