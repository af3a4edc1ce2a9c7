/* SPDX-License-Identifier: Apache-2.0 */
/* Hexadecimal, base64, percent-encoding. */
#include "codec/hex.h"
#include "codec/url.h"

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void hex_encode(struct slice bytes, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t b = (uint8_t)bytes.ptr[i];
        out[2 * i] = digits[b >> 4];
        out[2 * i + 1] = digits[b & 15];
    }
}

bool hex_decode(struct slice digits, uint8_t *out)
{
    if (digits.len % 2)
        return false;
    for (size_t i = 0; i < digits.len; i += 2) {
        int hi = digit_of(digits.ptr[i]), lo = digit_of(digits.ptr[i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        out[i / 2] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

void base64_encode(struct slice bytes, struct buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *b = (const uint8_t *)bytes.ptr;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t v = (uint32_t)b[i] << 16 | (left > 1 ? (uint32_t)b[i + 1] << 8 : 0) | (left > 2 ? b[i + 2] : 0);
        buf_char(out, digits[v >> 18]);
        buf_char(out, digits[v >> 12 & 63]);
        buf_char(out, left > 1 ? digits[v >> 6 & 63] : '=');
        buf_char(out, left > 2 ? digits[v & 63] : '=');
    }
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

bool base64_decode(struct slice text, struct buf *out)
{
    uint32_t bits = 0;
    int have = 0;
    bool whole = text.len % 4 == 0;
    for (int padding = 0; whole && padding < 2 && text.len && text.ptr[text.len - 1] == '='; padding++)
        text.len--;
    if (text.len % 4 == 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int d = base64_digit(text.ptr[i]);
        if (d < 0)
            return false;
        bits = bits << 6 | (uint32_t)d;
        have += 6;
        if (have >= 8) {
            have -= 8;
            buf_u8(out, (uint8_t)(bits >> have));
        }
    }
    return !buf_over(out);
}

bool url_next_pair(struct slice *rest, struct slice *key, struct slice *value)
{
    struct slice pair;
    while (slice_next(rest, '&', &pair))
        if (pair.len) {
            slice_cut(pair, '=', key, value);
            return true;
        }
    return false;
}

enum status url_decode(struct arena *a, struct slice text, bool plus, struct slice *out, struct err *err)
{
    size_t i = 0, n = 0;
    while (i < text.len && text.ptr[i] != '%' && !(plus && text.ptr[i] == '+'))
        i++;
    *out = text;
    if (i == text.len)
        return ST_OK;
    char *to = arena_alloc(a, text.len + 1);
    for (i = 0; i < text.len; i++) {
        if (text.ptr[i] == '%') {
            int hi = i + 2 < text.len ? digit_of(text.ptr[i + 1]) : -1, lo = i + 2 < text.len ? digit_of(text.ptr[i + 2]) : -1;
            if (hi < 0 || lo < 0)
                return err_set(err, ST_INVALID, "bad escape at byte %zu of \"%.*s\": expected %% and two hexadecimal digits", i,
                               (int)MIN(text.len, (size_t)100), text.ptr);
            to[n++] = (char)(hi << 4 | lo);
            i += 2;
        } else {
            to[n++] = plus && text.ptr[i] == '+' ? ' ' : text.ptr[i];
        }
    }
    *out = slice_of(to, n);
    return ST_OK;
}

void url_encode(struct slice text, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
        if (plain) {
            buf_char(out, c);
        } else {
            buf_char(out, '%');
            buf_char(out, digits[(uint8_t)c >> 4]);
            buf_char(out, digits[(uint8_t)c & 15]);
        }
    }
}
