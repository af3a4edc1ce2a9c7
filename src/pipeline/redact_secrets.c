/* SPDX-License-Identifier: Apache-2.0 */
/* The default profile: one pass over the text that stops only where a secret can begin.
 *
 * (1) ':' and '=' end a key: the word before them is looked up among the names of secrets, and the value behind is taken out.
 * (2) A digit at the start of a run may begin a card number.
 * (3) A few letters at the start of a word may begin a token of known shape, or a PEM block.
 * Everything else costs one look into a table of 256 bytes a character. What was taken out is replaced by a mark, the key and
 * the quotes stay, so JSON stays JSON and logfmt stays logfmt. */
#include "pipeline/redact_scan.h"

enum {
    NAME_BYTES_MAX = 64,     /* of a key; longer ones are none */
    LAST_LETTERS = 3,        /* see may_be_secret */
    KEY_GAP_BYTES_MAX = 4,   /* quotes, backslashes and blanks between key and sign */
    NUMBER_DIGITS_SHORT = 6, /* token=512 is a count, not a token */
    CARD_DIGITS_MIN = 13,
    CARD_DIGITS_MAX = 19,
    TOKEN_PART_BYTES_MIN = 8,
    PEM_BYTES_MAX = 16 * KIB
};

/* What can begin a secret at a byte. For tokens and PEM the byte behind it must have the same bit: letters are everywhere, pairs are not. */
enum { MAY_SIGN = 1, MAY_DIGIT = 2, MAY_PEM = 4, MAY_TOKEN_E = 8, MAY_TOKEN_A = 16, MAY_TOKEN_G = 32, MAY_TOKEN_X = 64, MAY_TOKEN_SR = 128 };
static const uint8_t may_begin[256] = {
    [':'] = MAY_SIGN, ['='] = MAY_SIGN, ['0'] = MAY_DIGIT, ['1'] = MAY_DIGIT, ['2'] = MAY_DIGIT, ['3'] = MAY_DIGIT, ['4'] = MAY_DIGIT,
    ['5'] = MAY_DIGIT, ['6'] = MAY_DIGIT, ['7'] = MAY_DIGIT, ['8'] = MAY_DIGIT, ['9'] = MAY_DIGIT, ['e'] = MAY_TOKEN_E, ['A'] = MAY_TOKEN_A,
    ['g'] = MAY_TOKEN_G, ['x'] = MAY_TOKEN_X, ['s'] = MAY_TOKEN_SR, ['r'] = MAY_TOKEN_SR, ['-'] = MAY_PEM,
};
static const uint8_t may_follow[256] = {
    ['-'] = MAY_PEM, ['y'] = MAY_TOKEN_E, ['K'] = MAY_TOKEN_A, ['S'] = MAY_TOKEN_A, ['I'] = MAY_TOKEN_A, ['h'] = MAY_TOKEN_G,
    ['l'] = MAY_TOKEN_G, ['o'] = MAY_TOKEN_X, ['k'] = MAY_TOKEN_SR, ['t'] = MAY_TOKEN_SR,
};

static bool alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool word_char(char c)
{
    return alnum(c) || c == '_' || c == '-';
}

static bool in_set(char c, struct slice set)
{
    return memchr(set.ptr, c, set.len) != NULL;
}

/* ---- names ---- */

/* Without '_', '-', '.', and blanks, in small letters. whole: only the name itself; else also as the end of a longer one. */
static const struct {
    struct slice name;
    bool whole;
} secret_names[] = {
    { SLICE_INIT("password"), false }, { SLICE_INIT("passwd"), false }, { SLICE_INIT("passphrase"), false },
    { SLICE_INIT("pwd"), true }, { SLICE_INIT("pass"), true }, { SLICE_INIT("secret"), false },
    { SLICE_INIT("secretkey"), false }, { SLICE_INIT("token"), false }, { SLICE_INIT("apikey"), false },
    { SLICE_INIT("accesskey"), false }, { SLICE_INIT("privatekey"), false }, { SLICE_INIT("signingkey"), false },
    { SLICE_INIT("accesskeyid"), false }, { SLICE_INIT("authorization"), false }, { SLICE_INIT("cookie"), false },
    { SLICE_INIT("credentials"), false }, { SLICE_INIT("encryptionkey"), false }, { SLICE_INIT("cvv"), true },
    { SLICE_INIT("cvc"), true }, { SLICE_INIT("licensekey"), false }, { SLICE_INIT("ddapikey"), false },
    { SLICE_INIT("connectionstring"), false },
};

/* The last three letters of every name above: most keys of a line are told from a secret's by them alone. */
#define LAST3(a, b, c) ((uint32_t)(a) << 16 | (uint32_t)(b) << 8 | (uint32_t)(c))

static bool may_be_secret(struct slice name)
{
    while (name.len && !alnum(name.ptr[name.len - 1]))
        name.len--;
    if (name.len < 3)
        return false;
    const char *end = name.ptr + name.len;
    switch (LAST3(end[-3] | 0x20, end[-2] | 0x20, end[-1] | 0x20)) {
    case LAST3('o', 'r', 'd'): /* password */
    case LAST3('s', 'w', 'd'): /* passwd */
    case LAST3('a', 's', 'e'): /* passphrase */
    case LAST3('p', 'w', 'd'):
    case LAST3('a', 's', 's'):
    case LAST3('r', 'e', 't'): /* secret */
    case LAST3('k', 'e', 'y'):
    case LAST3('k', 'e', 'n'): /* token */
    case LAST3('y', 'i', 'd'): /* accesskeyid */
    case LAST3('i', 'o', 'n'): /* authorization */
    case LAST3('k', 'i', 'e'): /* cookie */
    case LAST3('a', 'l', 's'): /* credentials */
    case LAST3('c', 'v', 'v'):
    case LAST3('c', 'v', 'c'):
    case LAST3('i', 'n', 'g'): return true; /* connectionstring */
    default: return end[-3] == '_' || end[-2] == '_' || end[-3] == '-' || end[-2] == '-'; /* key_id and the like: look closer */
    }
}

bool redact_name_is_secret(struct slice name)
{
    char flat[NAME_BYTES_MAX];
    size_t n = 0;
    if (!may_be_secret(name))
        return false;
    if (name.len > NAME_BYTES_MAX)
        name = slice_skip(name, name.len - NAME_BYTES_MAX);
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (alnum(c))
            flat[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        else if (c == '.' || c == '/')
            n = 0; /* only the last part of a dotted name counts */
        else if (c != '_' && c != '-' && c != ' ')
            return false;
    }
    struct slice s = slice_of(flat, n);
    for (size_t i = 0; i < COUNT_OF(secret_names); i++)
        if (secret_names[i].whole ? slice_eq(s, secret_names[i].name) : slice_ends(s, secret_names[i].name))
            return true;
    return false;
}

/* ---- scanning ---- */

struct scan {
    struct slice text;
    struct buf *out;
    size_t done;      /* written or taken out up to here */
    uint64_t *counts; /* never NULL */
    bool changed;
    /* What was looked for ahead once is not looked for again, so that a hostile line costs no square of its length. */
    struct {
        size_t from, to;
    } bare[2];                  /* the value and the line looked at last: they end at to for every place from from on */
    size_t jwt_from;            /* no JWT begins before this place */
};

/* Where the value at at ends that is not in quotes. */
static size_t bare_end(struct scan *s, size_t at, bool to_line_end)
{
    struct slice ends = to_line_end ? SLICE("\n\r\"") : SLICE("\n\r\" \t,;&}])");
    size_t end = s->bare[to_line_end].to;
    if (at >= s->bare[to_line_end].from && at <= end && end)
        return end;
    for (end = at; end < s->text.len && !in_set(s->text.ptr[end], ends); end++)
        ;
    s->bare[to_line_end].from = at;
    s->bare[to_line_end].to = end;
    return end;
}

static void take_out(struct scan *s, size_t from, size_t to, struct slice mark, enum redact_detector d)
{
    buf_slice(s->out, slice_sub(s->text, s->done, from));
    buf_slice(s->out, mark);
    s->done = to;
    s->counts[d]++;
    s->changed = true;
}

static bool in_key_gap(char c)
{
    return c == '"' || c == '\'' || c == '\\' || c == ' ';
}

/* The key that ends before the sign at at: quotes and blanks are stepped over. Empty: there is none, or its last letters say that
 * it is no secret's. */
static struct slice key_before(struct slice text, size_t at)
{
    size_t end = at, gap = 0;
    while (end > 0 && gap < KEY_GAP_BYTES_MAX && in_key_gap(text.ptr[end - 1])) {
        end--;
        gap++;
    }
    size_t start = end;
    if (end && alnum(text.ptr[end - 1]) && !may_be_secret(slice_sub(text, end > LAST_LETTERS ? end - LAST_LETTERS : 0, end)))
        return SLICE_EMPTY;
    while (start > 0 && end - start < NAME_BYTES_MAX && word_char(text.ptr[start - 1]))
        start--;
    return slice_sub(text, start, end);
}

static bool is_placeholder(struct slice v)
{
    static const struct slice words[] = { SLICE_INIT("null"), SLICE_INIT("nil"), SLICE_INIT("none"), SLICE_INIT("true"), SLICE_INIT("false"),
                                          SLICE_INIT("undefined"), SLICE_INIT("required"), SLICE_INIT("missing"), SLICE_INIT("invalid"),
                                          SLICE_INIT("expired") };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (slice_eq_nocase(v, words[i]))
            return true;
    return slice_starts(v, SLICE("[REDACTED"));
}

static bool is_short_number(struct slice v)
{
    for (size_t i = 0; i < v.len; i++)
        if (!is_digit(v.ptr[i]))
            return false;
    return v.len < NUMBER_DIGITS_SHORT;
}

/* A value in quotes (escaped ones too: \"...\") or up to a blank, comma, or closing sign. */
static void value_bounds(struct scan *s, size_t at, bool to_line_end, size_t *from, size_t *to)
{
    struct slice text = s->text;
    size_t slashes = 0;
    while (at + slashes < text.len && text.ptr[at + slashes] == '\\')
        slashes++;
    size_t q = at + slashes;
    if (q < text.len && (text.ptr[q] == '"' || text.ptr[q] == '\'')) {
        char quote = text.ptr[q];
        size_t end = q + 1;
        for (; end < text.len && text.ptr[end] != '\n'; end++) {
            size_t back = 0;
            if (text.ptr[end] != quote)
                continue;
            while (end - back > q + 1 && text.ptr[end - back - 1] == '\\')
                back++;
            if (back <= slashes) {
                end -= back;
                break;
            }
        }
        *from = q + 1;
        *to = end;
        return;
    }
    *from = at;
    *to = bare_end(s, at, to_line_end);
}

static bool ends_nocase(struct slice s, struct slice end)
{
    return s.len >= end.len && slice_eq_nocase(slice_skip(s, s.len - end.len), end);
}

/* "Bearer x", "Basic x", "AWS4-HMAC-SHA256 Credential=..., ...": the scheme stays. */
static void take_authorization(struct scan *s, size_t from, size_t to)
{
    size_t word = from;
    while (word < to && word_char(s->text.ptr[word]))
        word++;
    if (word < to && s->text.ptr[word] == ' ' && word > from)
        from = word + 1;
    if (to > from && !is_placeholder(slice_sub(s->text, from, to)))
        take_out(s, from, to, SLICE("[REDACTED]"), REDACT_AUTHORIZATION);
}

/* The password of scheme://user:password@host, at being the ':' of "://". False: there is none. */
static bool take_url_password(struct scan *s, size_t at)
{
    struct slice t = s->text;
    size_t user = at + 3, colon, end;
    for (colon = user; colon < t.len && !in_set(t.ptr[colon], SLICE(":/@ \t\n\"")); colon++)
        ;
    if (colon == t.len || t.ptr[colon] != ':')
        return false;
    for (end = colon + 1; end < t.len && !in_set(t.ptr[end], SLICE("@/ \t\n\"")); end++)
        ;
    if (end == t.len || t.ptr[end] != '@' || end == colon + 1 || is_placeholder(slice_sub(t, colon + 1, end)))
        return false;
    take_out(s, colon + 1, end, SLICE("[REDACTED]"), REDACT_URL_PASSWORD);
    return true;
}

static void at_sign(struct scan *s, size_t at)
{
    struct slice t = s->text, key;
    if (t.ptr[at] == ':' && at + 1 < t.len && t.ptr[at + 1] == '/' && slice_starts(slice_skip(t, at), SLICE("://"))) {
        take_url_password(s, at);
        return;
    }
    key = key_before(t, at);
    if (key.len == 0 || !redact_name_is_secret(key))
        return;
    size_t value = at + 1, from, to;
    while (value < t.len && (t.ptr[value] == ' ' || t.ptr[value] == '=' || t.ptr[value] == '>'))
        value++;
    /* Both hold blanks; a cookie only as a header, where it fills the line. */
    bool to_line_end = ends_nocase(key, SLICE("authorization")) || (t.ptr[at] == ':' && ends_nocase(key, SLICE("cookie")));
    value_bounds(s, value, to_line_end, &from, &to);
    struct slice v = slice_sub(t, from, to);
    if (from < s->done || v.len == 0 || is_placeholder(v))
        return;
    if (ends_nocase(key, SLICE("authorization")))
        take_authorization(s, from, to);
    else if (!(ends_nocase(key, SLICE("token")) && is_short_number(v)))
        take_out(s, from, to, SLICE("[REDACTED]"), REDACT_KEY_VALUE);
}

/* ---- cards ---- */

/* Issuer ranges by first digits: Visa 4; Mastercard 51-55, 2221-2720; American Express 34, 37; Discover 6011, 644-649, 65;
 * Diners 300-305, 36, 38-39; JCB 3528-3589; Maestro 50, 56-58, 63, 67; UnionPay 62. */
static const struct {
    uint32_t first, last, digits; /* a range of the first so many digits */
    uint8_t len_min, len_max;
} issuers[] = {
    { 4, 4, 1, 13, 19 },       { 51, 55, 2, 16, 16 }, { 2221, 2720, 4, 16, 16 }, { 34, 34, 2, 15, 15 }, { 37, 37, 2, 15, 15 },
    { 6011, 6011, 4, 16, 19 }, { 644, 649, 3, 16, 19 }, { 65, 65, 2, 16, 19 },   { 300, 305, 3, 14, 19 }, { 36, 36, 2, 14, 19 },
    { 38, 39, 2, 16, 19 },     { 3528, 3589, 4, 16, 19 }, { 50, 50, 2, 13, 19 }, { 56, 58, 2, 13, 19 }, { 63, 63, 2, 13, 19 },
    { 67, 67, 2, 13, 19 },     { 62, 62, 2, 16, 19 },
};

static bool luhn(const uint8_t *d, size_t n)
{
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned v = d[n - 1 - i];
        if (i % 2)
            v = v * 2 > 9 ? v * 2 - 9 : v * 2;
        sum += v;
    }
    return sum % 10 == 0;
}

static bool is_card(const uint8_t *d, size_t n)
{
    if (n < CARD_DIGITS_MIN || n > CARD_DIGITS_MAX || !luhn(d, n))
        return false;
    for (size_t i = 0; i < COUNT_OF(issuers); i++) {
        uint32_t head = 0;
        for (uint32_t k = 0; k < issuers[i].digits; k++)
            head = head * 10 + d[k];
        if (head >= issuers[i].first && head <= issuers[i].last && n >= issuers[i].len_min && n <= issuers[i].len_max)
            return true;
    }
    return false;
}

/* A run of digits with one blank or dash between some of them. Gives where the run ends. */
static size_t at_digit(struct scan *s, size_t at)
{
    struct slice t = s->text;
    uint8_t digits[CARD_DIGITS_MAX + 1];
    size_t n = 0, end = at, last = at;
    while (end < t.len && is_digit(t.ptr[end]))
        end++;
    bool goes_on = end + 1 < t.len && (t.ptr[end] == ' ' || t.ptr[end] == '-') && is_digit(t.ptr[end + 1]);
    if (end - at < CARD_DIGITS_MIN && !goes_on)
        return end; /* as nearly all are */
    end = at;
    for (; end < t.len && n <= CARD_DIGITS_MAX; end++) {
        if (is_digit(t.ptr[end])) {
            digits[n++] = (uint8_t)(t.ptr[end] - '0');
            last = end + 1;
        } else if ((t.ptr[end] != ' ' && t.ptr[end] != '-') || end + 1 == t.len || !is_digit(t.ptr[end + 1])) {
            break;
        }
    }
    bool alone = (at == 0 || (!alnum(t.ptr[at - 1]) && t.ptr[at - 1] != '_' && t.ptr[at - 1] != '.')) &&
                 (last == t.len || (!alnum(t.ptr[last]) && t.ptr[last] != '_'));
    if (alone && at >= s->done && is_card(digits, n))
        take_out(s, at, last, SLICE("[REDACTED_CC]"), REDACT_CARD);
    return last;
}

/* ---- tokens of known shape ---- */

static const struct {
    struct slice prefix;
    uint8_t len_min, len_max; /* of what follows; len_max 255: any */
    bool upper;               /* only capitals and digits follow */
} shapes[] = {
    { SLICE_INIT("AKIA"), 16, 16, true },       { SLICE_INIT("ASIA"), 16, 16, true },        { SLICE_INIT("AIza"), 35, 35, false },
    { SLICE_INIT("ghp_"), 36, 255, false },     { SLICE_INIT("gho_"), 36, 255, false },      { SLICE_INIT("ghs_"), 36, 255, false },
    { SLICE_INIT("ghu_"), 36, 255, false },     { SLICE_INIT("glpat-"), 20, 255, false },    { SLICE_INIT("xoxb-"), 20, 255, false },
    { SLICE_INIT("xoxp-"), 20, 255, false },    { SLICE_INIT("xoxa-"), 20, 255, false },     { SLICE_INIT("xoxs-"), 20, 255, false },
    { SLICE_INIT("sk_live_"), 16, 255, false }, { SLICE_INIT("rk_live_"), 16, 255, false },  { SLICE_INIT("sk-"), 32, 255, false },
    { SLICE_INIT("stoa_"), 40, 255, false },
};

/* The first two letters of the shapes above and of a JWT. */
static bool is_token_start(const char *p)
{
    switch (p[0]) {
    case 'e': return p[1] == 'y';
    case 's': return p[1] == 'k' || p[1] == 't';
    case 'r': return p[1] == 'k';
    case 'g': return p[1] == 'h' || p[1] == 'l';
    case 'x': return p[1] == 'o';
    case 'A': return p[1] == 'K' || p[1] == 'S' || p[1] == 'I';
    default: return false;
    }
}

/* How many characters of a token stand at at; no more than max are looked at. */
static size_t run_of(struct slice t, size_t at, bool upper, size_t max)
{
    size_t end = at, stop = at + MIN(max, t.len - at);
    while (end < stop && (upper ? (t.ptr[end] >= 'A' && t.ptr[end] <= 'Z') || is_digit(t.ptr[end]) : word_char(t.ptr[end])))
        end++;
    return end - at;
}

/* header.payload.signature, each base64url, the first two beginning with {". When there is none, there is none either that
 * begins later in the same run of characters: it would have to go on behind that run in the same way. */
static size_t jwt_end(struct scan *s, size_t at)
{
    struct slice t = s->text;
    size_t first_run_end = 0;
    if (at < s->jwt_from)
        return 0;
    for (size_t part = 0; part < 3; part++) {
        size_t n = part == 2 || slice_starts(slice_skip(t, at), SLICE("eyJ")) ? run_of(t, at, false, SIZE_MAX) : 0;
        first_run_end = part ? first_run_end : at + n;
        at += n;
        if (n < TOKEN_PART_BYTES_MIN || (part < 2 && (at == t.len || t.ptr[at++] != '.'))) {
            s->jwt_from = first_run_end;
            return 0;
        }
    }
    return at;
}

static size_t at_token(struct scan *s, size_t at)
{
    struct slice rest = slice_skip(s->text, at);
    size_t end = at + 1;
    size_t jwt = slice_starts(rest, SLICE("eyJ")) ? jwt_end(s, at) : 0;
    if (jwt) {
        take_out(s, at, jwt, SLICE("[REDACTED_TOKEN]"), REDACT_TOKEN);
        return jwt;
    }
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        if (!slice_starts(rest, shapes[i].prefix))
            continue;
        size_t n = run_of(s->text, at + shapes[i].prefix.len, shapes[i].upper, shapes[i].len_max == 255 ? SIZE_MAX : shapes[i].len_max + 1u);
        if (n < shapes[i].len_min || (shapes[i].len_max != 255 && n > shapes[i].len_max))
            continue;
        end = at + shapes[i].prefix.len + n;
        take_out(s, at, end, SLICE("[REDACTED_TOKEN]"), REDACT_TOKEN);
        return end;
    }
    return end;
}

/* -----BEGIN ... PRIVATE KEY----- to its end, or to the text's when it is cut. */
static size_t at_dash(struct scan *s, size_t at)
{
    struct slice rest = slice_skip(s->text, at);
    if (!slice_starts(rest, SLICE("-----BEGIN ")))
        return at + 1;
    size_t line = MIN(slice_find_char(slice_sub(rest, 0, NAME_BYTES_MAX), '\n', 0), (size_t)NAME_BYTES_MAX);
    size_t title = slice_find(slice_sub(rest, 0, line), SLICE("PRIVATE KEY"), 0);
    if (title == SIZE_MAX)
        return at + 1;
    size_t end = slice_find(slice_sub(rest, 0, PEM_BYTES_MAX), SLICE("-----END "), title);
    size_t line_end = end == SIZE_MAX ? SIZE_MAX : slice_find(rest, SLICE("-----"), end + 9);
    end = at + (line_end == SIZE_MAX ? rest.len : line_end + 5);
    take_out(s, at, end, SLICE("[REDACTED_PRIVATE_KEY]"), REDACT_PRIVATE_KEY);
    return end;
}

bool redact_secrets(struct slice text, struct buf *out, uint64_t *counts)
{
    uint64_t ignored[REDACT_DETECTOR_COUNT] = { 0 };
    struct scan s = { .text = text, .out = out, .counts = counts ? counts : ignored };
    for (size_t i = 0; i < text.len;) {
        uint8_t follow = i + 1 < text.len ? may_follow[(unsigned char)text.ptr[i + 1]] : 0;
        uint8_t may = may_begin[(unsigned char)text.ptr[i]] & (follow | MAY_SIGN | MAY_DIGIT);
        if (may == 0) {
            i++;
            continue;
        }
        size_t next = i + 1;
        if (may & MAY_SIGN) {
            at_sign(&s, i);
        } else if (may & MAY_DIGIT) {
            next = at_digit(&s, i);
        } else if (!(may & MAY_PEM)) {
            if (is_token_start(text.ptr + i) && (i == 0 || (!alnum(text.ptr[i - 1]) && text.ptr[i - 1] != '_')))
                next = at_token(&s, i);
        } else {
            next = at_dash(&s, i);
        }
        i = MAX(next, s.done);
    }
    if (s.changed)
        buf_slice(out, slice_skip(text, s.done));
    return s.changed;
}
