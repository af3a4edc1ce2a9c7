/* SPDX-License-Identifier: Apache-2.0 */
/* Names and lines are nearly always ASCII: eight bytes at a time until one is not. */
#include "base/utf8.h"

static bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

size_t utf8_char(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    if (s.len == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        return s.len >= 2 && is_tail(p[1]) ? 2 : 0;
    if ((p[0] & 0xf0) == 0xe0) {
        if (s.len < 3 || !is_tail(p[1]) || !is_tail(p[2]))
            return 0;
        bool overlong = p[0] == 0xe0 && p[1] < 0xa0, surrogate = p[0] == 0xed && p[1] >= 0xa0;
        return overlong || surrogate ? 0 : 3;
    }
    if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        if (s.len < 4 || !is_tail(p[1]) || !is_tail(p[2]) || !is_tail(p[3]))
            return 0;
        bool overlong = p[0] == 0xf0 && p[1] < 0x90, too_large = p[0] == 0xf4 && p[1] >= 0x90;
        return overlong || too_large ? 0 : 4;
    }
    return 0;
}

bool utf8_is_valid(struct slice s)
{
    const uint64_t high_bits = 0x8080808080808080ull;
    while (s.len) {
        uint64_t word;
        while (s.len >= sizeof word && (memcpy(&word, s.ptr, sizeof word), (word & high_bits) == 0)) {
            s.ptr += sizeof word;
            s.len -= sizeof word;
        }
        if (s.len == 0)
            return true;
        size_t n = utf8_char(s);
        if (n == 0)
            return false;
        s.ptr += n;
        s.len -= n;
    }
    return true;
}

struct slice utf8_cut(struct slice s, size_t bytes_max)
{
    if (s.len <= bytes_max)
        return s;
    size_t n = bytes_max;
    for (int back = 0; back < 3 && n > 0 && is_tail((unsigned char)s.ptr[n]); back++)
        n--;
    return slice_of(s.ptr, n);
}

size_t utf8_put(uint32_t c, char out[4])
{
    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        c = 0xfffd;
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

size_t utf8_decode(struct slice s, uint32_t *out)
{
    static const unsigned char lead_bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    size_t n = utf8_char(s);
    if (n == 0)
        return 0;
    uint32_t c = (unsigned char)s.ptr[0] & lead_bits[n];
    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)s.ptr[i] & 0x3f);
    *out = c;
    return n;
}

/* Length of what one U+FFFD stands for at the start of s, which is not empty and starts with no character: the bytes that
 * some character could have begun with. */
static size_t broken_bytes(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    if (p[0] < 0xc2 || p[0] > 0xf4 || s.len < 2)
        return 1;
    /* The second byte is the one whose range depends on the first. */
    unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[0] < 0xe0 || p[1] < low || p[1] > high)
        return 1;
    bool of_four = p[0] >= 0xf0;
    return of_four && s.len > 2 && is_tail(p[2]) ? 3 : 2;
}

size_t utf8_count(struct slice s)
{
    size_t count = 0;
    for (; s.len; count++) {
        size_t n = utf8_char(s);
        s = slice_skip(s, n ? n : broken_bytes(s));
    }
    return count;
}

void utf8_repair(struct slice s, struct buf *out)
{
    const char *good = s.ptr;
    while (s.len) {
        size_t n = utf8_char(s);
        if (n == 0) {
            buf_put(out, good, (size_t)(s.ptr - good));
            buf_slice(out, SLICE("\xef\xbf\xbd"));
            n = broken_bytes(s);
            good = s.ptr + n;
        }
        s = slice_skip(s, n);
    }
    buf_put(out, good, (size_t)(s.ptr - good));
}
