/* SPDX-License-Identifier: Apache-2.0 */
#include "model/trace_context.h"

#include "base/buf.h"
#include "codec/hex.h"

/* Where the parts of a traceparent stand. */
enum { VERSION_AT = 0, TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53, VERSION_NONE = 0xff };

/* ---- traceparent ---- */

static bool read_lower_hex(struct slice text, size_t at, uint8_t *out, size_t n)
{
    for (size_t i = at; i < at + 2 * n; i++)
        if (text.ptr[i] >= 'A' && text.ptr[i] <= 'F')
            return false;
    return hex_decode(slice_sub(text, at, at + 2 * n), out);
}

static bool is_zero(const uint8_t *id, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= id[i];
    return any == 0;
}

bool trace_parent_read(struct slice text, struct trace_parent *out)
{
    struct trace_parent p;
    text = slice_trim(text);
    if (text.len < TRACE_PARENT_BYTES || text.ptr[TRACE_AT - 1] != '-' || text.ptr[SPAN_AT - 1] != '-' || text.ptr[FLAGS_AT - 1] != '-')
        return false;
    if (!read_lower_hex(text, VERSION_AT, &p.version, 1) || !read_lower_hex(text, TRACE_AT, p.trace_id, sizeof p.trace_id) ||
        !read_lower_hex(text, SPAN_AT, p.span_id, sizeof p.span_id) || !read_lower_hex(text, FLAGS_AT, &p.flags, 1))
        return false;
    bool has_more = text.len > TRACE_PARENT_BYTES;
    if (p.version == VERSION_NONE || (has_more && (p.version == 0 || text.ptr[TRACE_PARENT_BYTES] != '-')))
        return false;
    if (is_zero(p.trace_id, sizeof p.trace_id) || is_zero(p.span_id, sizeof p.span_id))
        return false;
    *out = p;
    return true;
}

void trace_parent_write(const uint8_t trace_id[16], const uint8_t span_id[8], uint8_t flags, char out[TRACE_PARENT_BYTES])
{
    memcpy(out, "00-", 3);
    hex_encode(slice_of(trace_id, 16), out + TRACE_AT);
    out[SPAN_AT - 1] = '-';
    hex_encode(slice_of(span_id, 8), out + SPAN_AT);
    out[FLAGS_AT - 1] = '-';
    hex_encode(slice_of(&flags, 1), out + FLAGS_AT);
}

/* ---- tracestate ---- */

static bool is_key(struct slice key)
{
    if (key.len == 0 || key.len > TRACE_STATE_KEY_BYTES_MAX)
        return false;
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        bool is_first_char = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!is_first_char && (i == 0 || (c != '_' && c != '-' && c != '*' && c != '/' && c != '@')))
            return false;
    }
    return true;
}

static bool is_value(struct slice value)
{
    if (value.len == 0 || value.len > TRACE_STATE_VALUE_BYTES_MAX)
        return false;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < ' ' || value.ptr[i] > '~' || value.ptr[i] == ',' || value.ptr[i] == '=')
            return false;
    return value.ptr[value.len - 1] != ' ';
}

static bool is_known(const struct slice *keys, size_t count, struct slice key)
{
    for (size_t i = 0; i < count; i++)
        if (slice_eq(keys[i], key))
            return true;
    return false;
}

struct slice trace_state_read(struct arena *a, struct slice text)
{
    struct slice keys[TRACE_STATE_MEMBERS_MAX], member, key, value;
    struct buf out;
    size_t count = 0;
    bool ok = true;
    buf_init(&out, 0); /* at most as long as text, and 32 members */
    while (ok && slice_next(&text, ',', &member)) {
        member = slice_trim(member);
        if (member.len == 0)
            continue; /* a list may have empty places */
        ok = slice_cut(member, '=', &key, &value) && is_key(key) && is_value(value) && count < TRACE_STATE_MEMBERS_MAX;
        if (!ok || is_known(keys, count, key))
            continue;
        keys[count++] = key;
        if (count > 1)
            buf_char(&out, ',');
        buf_slice(&out, member);
    }
    struct slice state = ok ? arena_copy(a, buf_as_slice(&out)) : SLICE_EMPTY;
    buf_free(&out);
    return state;
}
