/* SPDX-License-Identifier: Apache-2.0 */
#include "correlate/form.h"

#include "base/utf8.h"
#include "codec/hex.h"

enum { TRACE_DIGITS = 32, SPAN_DIGITS = 16 };

static void add(struct correlate_result *out, struct slice form)
{
    for (size_t i = 0; i < out->form_count; i++)
        if (slice_eq(out->forms[i], form))
            return;
    if (out->form_count < CORRELATE_FORMS_MAX)
        out->forms[out->form_count++] = form;
}

/* Without dashes, in lower case; the empty slice when it is no hex of a length that ids have. */
static struct slice digits_of(struct arena *a, struct slice id)
{
    char *out = arena_alloc(a, id.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        if (c == '-' && (i == 8 || i == 13 || i == 18 || i == 23) && id.len == TRACE_DIGITS + 4)
            continue;
        bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (!is_hex)
            return SLICE_EMPTY;
        out[n++] = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
    }
    return n == TRACE_DIGITS || n == SPAN_DIGITS ? slice_of(out, n) : SLICE_EMPTY;
}

static struct slice upper(struct arena *a, struct slice s)
{
    char *out = arena_alloc(a, s.len + 1);
    for (size_t i = 0; i < s.len; i++)
        out[i] = s.ptr[i] >= 'a' && s.ptr[i] <= 'f' ? (char)(s.ptr[i] - 'a' + 'A') : s.ptr[i];
    return slice_of(out, s.len);
}

enum status form_read(struct arena *a, struct slice id, struct correlate_result *out, struct form_ids *ids, struct err *err)
{
    *ids = (struct form_ids){ 0 };
    id = slice_trim(id);
    if (id.len < CORRELATE_ID_BYTES_MIN || id.len > CORRELATE_ID_BYTES_MAX || !utf8_is_valid(id))
        return err_set(err, ST_INVALID, "id: found %zu bytes, expected UTF-8 text of %d to %d bytes", id.len, CORRELATE_ID_BYTES_MIN,
                       CORRELATE_ID_BYTES_MAX);
    add(out, arena_copy(a, id));
    struct slice d = digits_of(a, id);
    if (d.len == 0)
        return ST_OK;
    add(out, d);
    if (d.len == SPAN_DIGITS) {
        ids->has_span = hex_decode(d, ids->span);
        ids->has_trace = hex_decode(d, ids->trace + sizeof ids->trace - sizeof ids->span); /* a trace id of 64 bits */
        return ST_OK;
    }
    struct slice dashed = arena_printf(a, "%.*s-%.*s-%.*s-%.*s-%.*s", 8, d.ptr, 4, d.ptr + 8, 4, d.ptr + 12, 4, d.ptr + 16, 12, d.ptr + 20);
    add(out, dashed);
    add(out, upper(a, dashed));
    add(out, upper(a, d));
    ids->has_trace = hex_decode(d, ids->trace);
    return ST_OK;
}
