/* SPDX-License-Identifier: Apache-2.0 */
/* The shim to std::from_chars and std::to_chars. No exception leaves: neither function throws. */
#include <charconv>
#include <cmath>
#include <cstring>

extern "C" {
#include "base/num.h"
}

template <class T> static bool parse_whole(struct slice s, T *out)
{
    if (s.len && s.ptr[0] == '+')
        s = slice_of(s.ptr + 1, s.len - 1);
    if (s.len == 0 || s.ptr[0] == '+')
        return false;
    auto r = std::from_chars(s.ptr, s.ptr + s.len, *out);
    return r.ec == std::errc() && r.ptr == s.ptr + s.len;
}

extern "C" bool num_parse_u64(struct slice s, uint64_t *out)
{
    return parse_whole(s, out);
}

extern "C" bool num_parse_i64(struct slice s, int64_t *out)
{
    return parse_whole(s, out);
}

extern "C" bool num_parse_double(struct slice s, double *out)
{
    bool negative = false;
    if (s.len && (s.ptr[0] == '+' || s.ptr[0] == '-')) {
        negative = s.ptr[0] == '-';
        s = slice_of(s.ptr + 1, s.len - 1);
    }
    if (s.len == 0 || s.ptr[0] == '+' || s.ptr[0] == '-')
        return false;
    auto format = std::chars_format::general;
    if (s.len > 2 && s.ptr[0] == '0' && (s.ptr[1] | 32) == 'x') {
        s = slice_of(s.ptr + 2, s.len - 2);
        format = std::chars_format::hex;
    }
    double v = 0;
    auto r = std::from_chars(s.ptr, s.ptr + s.len, v, format);
    if (r.ptr != s.ptr + s.len)
        return false;
    if (r.ec == std::errc::result_out_of_range) {
        /* Too large or too small: decide by the decimal exponent's sign, as the value itself is not given. */
        bool tiny = false;
        for (size_t i = 0; i + 1 < s.len; i++)
            if ((s.ptr[i] | 32) == (format == std::chars_format::hex ? 'p' : 'e') && s.ptr[i + 1] == '-')
                tiny = true;
        v = tiny ? 0.0 : HUGE_VAL;
        if (!tiny)
            return false;
    } else if (r.ec != std::errc()) {
        return false;
    }
    *out = negative ? -v : v;
    return true;
}

static size_t special(double v, char *out)
{
    const char *text = std::isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf";
    size_t n = strlen(text);
    memcpy(out, text, n);
    return n;
}

extern "C" size_t num_format_fixed(double v, char *out)
{
    if (!std::isfinite(v))
        return special(v, out);
    auto r = std::to_chars(out, out + NUM_TEXT_BYTES_MAX, v, std::chars_format::fixed);
    return (size_t)(r.ptr - out);
}

extern "C" size_t num_format_short(double v, char *out)
{
    if (!std::isfinite(v))
        return special(v, out);
    /* Go switches to an exponent below 1e-4 and from 1e21 on when the precision is the shortest. */
    double a = std::fabs(v);
    auto format = (a != 0 && (a < 1e-4 || a >= 1e21)) ? std::chars_format::scientific : std::chars_format::fixed;
    auto r = std::to_chars(out, out + NUM_TEXT_BYTES_MAX, v, format);
    return (size_t)(r.ptr - out);
}

extern "C" size_t num_format_i64(int64_t v, char *out)
{
    return (size_t)(std::to_chars(out, out + NUM_TEXT_BYTES_MAX, v).ptr - out);
}

extern "C" size_t num_format_u64(uint64_t v, char *out)
{
    return (size_t)(std::to_chars(out, out + NUM_TEXT_BYTES_MAX, v).ptr - out);
}
