/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as 16 bytes in network order, so that a range is two comparisons. */
#include <arpa/inet.h>

#include "logql/ast.h"

enum { ADDRESS_TEXT_BYTES_MAX = 46 };

static bool address_parse(struct slice s, uint8_t out[16], bool *is_v4)
{
    char text[ADDRESS_TEXT_BYTES_MAX + 1];
    if (s.len == 0 || s.len > ADDRESS_TEXT_BYTES_MAX)
        return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = 0;
    *is_v4 = true;
    memset(out, 0, 10);
    out[10] = out[11] = 0xff;
    if (inet_pton(AF_INET, text, out + 12) == 1)
        return true;
    *is_v4 = false;
    return inet_pton(AF_INET6, text, out) == 1;
}

bool ip_range_parse(struct slice text, struct ip_range *out)
{
    struct slice left, right;
    bool v4, v4_to;
    if (slice_cut(text, '/', &left, &right)) {
        int bits = 0;
        if (!address_parse(left, out->from, &v4) || right.len == 0 || right.len > 3)
            return false;
        for (size_t i = 0; i < right.len; i++) {
            if (right.ptr[i] < '0' || right.ptr[i] > '9')
                return false;
            bits = bits * 10 + right.ptr[i] - '0';
        }
        if (bits > (v4 ? 32 : 128))
            return false;
        bits += v4 ? 96 : 0;
        memcpy(out->to, out->from, 16);
        for (int i = bits; i < 128; i++) {
            out->from[i / 8] &= (uint8_t)~(0x80 >> i % 8);
            out->to[i / 8] |= (uint8_t)(0x80 >> i % 8);
        }
        return true;
    }
    if (slice_cut(text, '-', &left, &right))
        return address_parse(left, out->from, &v4) && address_parse(right, out->to, &v4_to) && v4 == v4_to && memcmp(out->from, out->to, 16) <= 0;
    if (!address_parse(text, out->from, &v4))
        return false;
    memcpy(out->to, out->from, 16);
    return true;
}

/* text is one address. */
static bool ip_is_in(const struct ip_range *r, struct slice text)
{
    uint8_t address[16];
    bool v4;
    return address_parse(text, address, &v4) && memcmp(address, r->from, 16) >= 0 && memcmp(address, r->to, 16) <= 0;
}

static bool address_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '.' || c == ':';
}

bool ip_line_has(const struct ip_range *r, struct slice line)
{
    for (size_t i = 0; i < line.len;) {
        size_t start = i;
        while (i < line.len && address_char(line.ptr[i]))
            i++;
        struct slice word = slice_sub(line, start, i);
        /* "10.0.0.1:80" and a sentence's full stop. */
        struct slice head, tail;
        while (word.len && (word.ptr[word.len - 1] == '.' || word.ptr[word.len - 1] == ':'))
            word.len--;
        if (word.len && (ip_is_in(r, word) || (slice_cut(word, ':', &head, &tail) && ip_is_in(r, head))))
            return true;
        i++;
    }
    return false;
}
