/* SPDX-License-Identifier: Apache-2.0 */
/* The article's three patterns, by hand, with Python's result to the byte:
 *
 *     \b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Z|a-z]{2,}\b         [REDACTED_EMAIL]
 *     \b\d{4}[\s-]?\d{4}[\s-]?\d{4}[\s-]?\d{4}\b                  [REDACTED_CC]
 *     api[_-]?key["\']?\s*[:=]\s*["\']?[A-Za-z0-9_-]+             api_key=[REDACTED]
 *
 * A backtracking engine takes the leftmost start and, there, the first way that fits with greedy repeats: in the first
 * pattern only the dot before the last part and the length of that part are a choice; the others have none. `\b`, `\d`
 * and `\s` mean Unicode's letters, digits and spaces in Python, so the characters beside a match are looked at whole. */
#include "base/utf8.h"
#include "codec/regex.h"
#include "pipeline/redact_scan.h"

enum { CARD_GROUPS = 4, CARD_GROUP_DIGITS = 4, CHAR_BYTES_MAX = 4, TLD_CHARS_MIN = 2 };

static bool ascii_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool word_byte(char c)
{
    return ascii_alnum(c) || c == '_';
}

static bool local_char(char c)
{
    return ascii_alnum(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-';
}

static bool domain_char(char c)
{
    return ascii_alnum(c) || c == '.' || c == '-';
}

static bool tld_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '|';
}

/* Length of the character at at; a byte that begins none stands alone. */
static size_t char_at(struct slice text, size_t at)
{
    size_t n = utf8_char(slice_skip(text, at));
    return n ? n : 1;
}

/* Python's \w at at. */
static bool is_word(const struct redact_words *w, struct slice text, size_t at)
{
    if (at >= text.len)
        return false;
    unsigned char c = (unsigned char)text.ptr[at];
    if (c < 0x80)
        return word_byte((char)c);
    return utf8_char(slice_skip(text, at)) && regex_match(w->alnum, slice_sub(text, at, at + char_at(text, at)));
}

static bool is_word_before(const struct redact_words *w, struct slice text, size_t at)
{
    for (size_t back = 1; back <= CHAR_BYTES_MAX && back <= at; back++)
        if (utf8_char(slice_skip(text, at - back)) == back)
            return is_word(w, text, at - back);
    return false;
}

static bool is_boundary(const struct redact_words *w, struct slice text, size_t at)
{
    return is_word_before(w, text, at) != is_word(w, text, at);
}

/* Length of Python's \d at at; 0 when there is none. */
static size_t digit_at(const struct redact_words *w, struct slice text, size_t at)
{
    if (at >= text.len)
        return 0;
    char c = text.ptr[at];
    if ((unsigned char)c < 0x80)
        return c >= '0' && c <= '9';
    size_t n = utf8_char(slice_skip(text, at));
    return n && regex_match(w->digit, slice_sub(text, at, at + n)) ? n : 0;
}

/* Length of Python's \s at at: what str.isspace() says. */
static size_t space_at(struct slice text, size_t at)
{
    uint32_t c = 0;
    size_t n = utf8_decode(slice_skip(text, at), &c);
    bool is_space = (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
                    c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
    return n && is_space ? n : 0;
}

/* ---- e-mail ---- */

/* Where the match ends that has its '@' at at; 0 when there is none. */
static size_t email_end(const struct redact_words *w, struct slice text, size_t at)
{
    size_t domain = at + 1, end = domain;
    while (end < text.len && domain_char(text.ptr[end]))
        end++;
    for (size_t dot = end; dot-- > domain + 1;) {
        if (text.ptr[dot] != '.')
            continue;
        size_t tld = dot + 1, last = tld;
        while (last < text.len && tld_char(text.ptr[last]))
            last++;
        for (; last >= tld + TLD_CHARS_MIN; last--)
            if (is_boundary(w, text, last))
                return last;
    }
    return 0;
}

uint64_t redact_article_email(const struct redact_words *w, struct slice text, struct buf *out)
{
    uint64_t found = 0;
    size_t done = 0, from = 0; /* written up to done; matches start at from or later */
    for (size_t at = slice_find_char(text, '@', 0); at < text.len; at = slice_find_char(text, '@', at + 1)) {
        size_t start = at;
        while (start > from && local_char(text.ptr[start - 1]))
            start--;
        while (start < at && !is_boundary(w, text, start))
            start++;
        size_t end = start < at ? email_end(w, text, at) : 0;
        if (end == 0)
            continue;
        buf_slice(out, slice_sub(text, done, start));
        buf_slice(out, SLICE("[REDACTED_EMAIL]"));
        found++;
        done = from = end;
        at = end - 1;
    }
    if (found)
        buf_slice(out, slice_skip(text, done));
    return found;
}

/* ---- card ---- */

static size_t card_end(const struct redact_words *w, struct slice text, size_t at)
{
    for (size_t group = 0; group < CARD_GROUPS; group++) {
        if (group && at < text.len)
            at += text.ptr[at] == '-' ? 1 : space_at(text, at);
        for (size_t i = 0; i < CARD_GROUP_DIGITS; i++) {
            size_t n = digit_at(w, text, at);
            if (n == 0)
                return 0;
            at += n;
        }
    }
    return is_boundary(w, text, at) ? at : 0;
}

/* Text without a long run of digits and bytes beyond ASCII holds no card: the usual case, told in one pass. */
static bool may_hold_card(struct slice text)
{
    size_t digits = 0;
    for (size_t i = 0; i < text.len; i++)
        digits += (text.ptr[i] >= '0' && text.ptr[i] <= '9') || (unsigned char)text.ptr[i] >= 0x80;
    return digits >= CARD_GROUPS * CARD_GROUP_DIGITS;
}

uint64_t redact_article_card(const struct redact_words *w, struct slice text, struct buf *out)
{
    uint64_t found = 0;
    size_t done = 0;
    if (!may_hold_card(text))
        return 0;
    for (size_t at = 0; at < text.len;) {
        unsigned char c = (unsigned char)text.ptr[at];
        bool is_digit = c >= '0' && c <= '9';
        /* Most characters begin no card, and need no look at what Unicode says of them. */
        if (c < 0x80 && (!is_digit || (at > 0 && word_byte(text.ptr[at - 1])))) {
            at++;
            continue;
        }
        size_t end = digit_at(w, text, at) && is_boundary(w, text, at) ? card_end(w, text, at) : 0;
        if (end == 0) {
            at += char_at(text, at);
            continue;
        }
        buf_slice(out, slice_sub(text, done, at));
        buf_slice(out, SLICE("[REDACTED_CC]"));
        found++;
        done = at = end;
    }
    if (found)
        buf_slice(out, slice_skip(text, done));
    return found;
}

/* ---- api key ---- */

static size_t skip_spaces(struct slice text, size_t at)
{
    for (size_t n; at < text.len && (n = space_at(text, at)) != 0;)
        at += n;
    return at;
}

static size_t skip_one(struct slice text, size_t at, char a, char b)
{
    return at + (at < text.len && (text.ptr[at] == a || text.ptr[at] == b));
}

/* at: of "api". */
static size_t api_key_end(struct slice text, size_t at)
{
    at = skip_one(text, at + 3, '_', '-');
    if (!slice_starts(slice_skip(text, at), SLICE("key")))
        return 0;
    at = skip_spaces(text, skip_one(text, at + 3, '"', '\''));
    size_t sign = at;
    at = skip_one(text, at, ':', '=');
    if (at == sign)
        return 0;
    at = skip_one(text, skip_spaces(text, at), '"', '\'');
    size_t value = at;
    while (at < text.len && (ascii_alnum(text.ptr[at]) || text.ptr[at] == '_' || text.ptr[at] == '-'))
        at++;
    return at > value ? at : 0;
}

uint64_t redact_article_api_key(const struct redact_words *w, struct slice text, struct buf *out)
{
    (void)w;
    uint64_t found = 0;
    size_t done = 0;
    for (size_t at = slice_find(text, SLICE("api"), 0); at < text.len;) {
        size_t end = api_key_end(text, at);
        if (end) {
            buf_slice(out, slice_sub(text, done, at));
            buf_slice(out, SLICE("api_key=[REDACTED]"));
            found++;
            done = end;
        }
        at = slice_find(text, SLICE("api"), end ? end : at + 1);
    }
    if (found)
        buf_slice(out, slice_skip(text, done));
    return found;
}
