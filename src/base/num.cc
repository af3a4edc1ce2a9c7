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
    if (s.len && s.ptr[0] == '+') {
        s = slice_of(s.ptr + 1, s.len - 1);
        if (s.len && s.ptr[0] == '-')
            return false;
    }
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

static bool is_digit(char c, bool hex)
{
    return (c >= '0' && c <= '9') || (hex && (c | 32) >= 'a' && (c | 32) <= 'f');
}

/* Of a number that is well formed and too large or too small for a double, which the library does not say: the place of
 * its first digit but 0, seen from the point, with the exponent added. */
static bool is_tiny(struct slice s, bool hex)
{
    const int64_t exponent_max = INT32_MAX;
    int64_t before = 0, zeros = 0, exponent = 0;
    bool point = false, seen = false;
    size_t i = 0;
    for (; i < s.len && (s.ptr[i] == '.' || is_digit(s.ptr[i], hex)); i++) {
        if (s.ptr[i] == '.') {
            point = true;
            continue;
        }
        zeros += point && !seen && s.ptr[i] == '0';
        seen = seen || s.ptr[i] != '0';
        before += seen && !point;
    }
    int64_t digit = hex ? 4 : 1;
    bool down = i + 1 < s.len && s.ptr[i + 1] == '-';
    for (i++; i < s.len; i++)
        if (s.ptr[i] >= '0' && s.ptr[i] <= '9' && exponent < exponent_max)
            exponent = exponent * 10 + (s.ptr[i] - '0');
    return (before - zeros) * digit + (down ? -exponent : exponent) < 0;
}

extern "C" bool num_parse_double(struct slice s, double *out)
{
    bool negative = false;
    if (s.len && (s.ptr[0] == '+' || s.ptr[0] == '-')) {
        negative = s.ptr[0] == '-';
        s = slice_of(s.ptr + 1, s.len - 1);
    }
    bool hex = s.len > 2 && s.ptr[0] == '0' && (s.ptr[1] | 32) == 'x';
    if (hex)
        s = slice_of(s.ptr + 2, s.len - 2);
    /* The library would take a sign here, a word behind 0x, and nan(...). */
    if (s.len == 0 || s.ptr[0] == '+' || s.ptr[0] == '-' || s.ptr[s.len - 1] == ')' || (hex && s.ptr[0] != '.' && !is_digit(s.ptr[0], hex)))
        return false;
    double v = 0;
    auto r = std::from_chars(s.ptr, s.ptr + s.len, v, hex ? std::chars_format::hex : std::chars_format::general);
    if (r.ptr != s.ptr + s.len)
        return false;
    if (r.ec == std::errc::result_out_of_range && is_tiny(s, hex))
        v = 0;
    else if (r.ec != std::errc())
        return false;
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
