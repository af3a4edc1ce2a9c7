/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/num.h"
#include "base/utf8.h"
#include "codec/json.h"

#define EXPONENT_FROM 1e21 /* where num_format_short() changes over */

void json_writer_init(struct json_writer *w, struct buf *out)
{
    w->out = out;
    w->comma = false;
    w->null_not_nan = false;
}

static void before(struct json_writer *w)
{
    if (w->comma)
        buf_char(w->out, ',');
    w->comma = true;
}

void json_object_begin(struct json_writer *w)
{
    before(w);
    buf_char(w->out, '{');
    w->comma = false;
}

void json_object_end(struct json_writer *w)
{
    buf_char(w->out, '}');
    w->comma = true;
}

void json_array_begin(struct json_writer *w)
{
    before(w);
    buf_char(w->out, '[');
    w->comma = false;
}

void json_array_end(struct json_writer *w)
{
    buf_char(w->out, ']');
    w->comma = true;
}

static void put_control(struct buf *out, uint8_t c)
{
    static const char digits[] = "0123456789abcdef";
    const char *named = c == '\n' ? "\\n" : c == '\t' ? "\\t" : c == '\r' ? "\\r" : NULL;
    if (named) {
        buf_put(out, named, 2);
        return;
    }
    char text[6] = { '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] };
    buf_put(out, text, sizeof text);
}

static void put_text(struct buf *out, struct slice s)
{
    size_t start = 0, i = 0;
    buf_char(out, '"');
    while (i < s.len) {
        uint8_t c = (uint8_t)s.ptr[i];
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            i++;
            continue;
        }
        size_t n = c >= 0x80 ? utf8_char(slice_skip(s, i)) : 0;
        if (n) {
            i += n;
            continue;
        }
        buf_put(out, s.ptr + start, i - start);
        if (c >= 0x80)
            buf_slice(out, SLICE("\xef\xbf\xbd"));
        else if (c < 0x20)
            put_control(out, c);
        else {
            buf_char(out, '\\');
            buf_char(out, (char)c);
        }
        start = ++i;
    }
    buf_slice(out, slice_skip(s, start));
    buf_char(out, '"');
}

void json_key(struct json_writer *w, struct slice key)
{
    before(w);
    put_text(w->out, key);
    buf_char(w->out, ':');
    w->comma = false;
}

void json_string(struct json_writer *w, struct slice s)
{
    before(w);
    put_text(w->out, s);
}

void json_int(struct json_writer *w, int64_t v)
{
    char text[NUM_TEXT_BYTES_MAX];
    json_raw(w, slice_of(text, num_format_i64(v, text)));
}

void json_uint(struct json_writer *w, uint64_t v)
{
    char text[NUM_TEXT_BYTES_MAX];
    json_raw(w, slice_of(text, num_format_u64(v, text)));
}

/* Readers take digits alone for a whole number, which has no -0 and at most 64 bits: such values get a point. */
static bool wants_point(double v)
{
    return (v == 0 && signbit(v)) || (fabs(v) >= 0x1p63 && fabs(v) < EXPONENT_FROM);
}

void json_double(struct json_writer *w, double v)
{
    char text[NUM_TEXT_BYTES_MAX + 2];
    size_t n = num_format_short(v, text);
    if (wants_point(v)) {
        text[n++] = '.';
        text[n++] = '0';
    }
    if (isfinite(v))
        json_raw(w, slice_of(text, n));
    else if (w->null_not_nan)
        json_raw(w, SLICE("null"));
    else
        json_string(w, slice_of(text, n));
}

void json_bool(struct json_writer *w, bool v)
{
    json_raw(w, v ? SLICE("true") : SLICE("false"));
}

void json_raw(struct json_writer *w, struct slice json)
{
    before(w);
    buf_slice(w->out, json);
}
