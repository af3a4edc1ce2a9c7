/* SPDX-License-Identifier: Apache-2.0 */
/* The default profile: one pass over the text that stops only where a secret can begin.
 *
 * (1) ':' and '=' end a key: the word before them is looked up among the names of secrets, and the value behind is taken out.
 * (2) A digit at the start of a run may begin a card number.
 * (3) A few letters at the start of a word may begin a token of known shape, or a PEM block.
 * Where that may be is found 64 bytes at a time, as bits. What was taken out is replaced by a mark, the key and
 * the quotes stay, so JSON stays JSON and logfmt stays logfmt. */
#include "pipeline/redact_scan.h"

#include "base/byte16.h"

enum {
    NAME_BYTES_MAX = 64,     /* of a key; longer ones are none */
    LAST_LETTERS = 4,        /* see may_be_secret */
    KEY_GAP_BYTES_MAX = 4,   /* quotes, backslashes and blanks between key and sign */
    NUMBER_DIGITS_SHORT = 6, /* token=512 is a count, not a token */
    SCHEME_BYTES_MAX = 16,   /* of what stays before credentials: AWS4-HMAC-SHA256 */
    CARD_DIGITS_MIN = 13,
    CARD_DIGITS_MAX = 19,
    TOKEN_PART_BYTES_MIN = 8,
    PEM_BYTES_MAX = 16 * KIB
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
    case LAST3('_' | 0x20, 'i', 'd'): return name.len > 3 && (end[-4] | 0x20) == 'y'; /* access_key_id, and no trace_id or span_id */
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

/* No scheme is as long as a token, or has as many digits as a card. */
static bool is_scheme(struct slice word)
{
    size_t digits = 0;
    for (size_t i = 0; i < word.len; i++)
        digits += is_digit(word.ptr[i]);
    return word.len && word.len <= SCHEME_BYTES_MAX && alnum(word.ptr[0]) && !is_digit(word.ptr[0]) && digits < CARD_DIGITS_MIN;
}

/* "Bearer x", "Basic x", "AWS4-HMAC-SHA256 Credential=..., ...": the scheme stays. */
static void take_authorization(struct scan *s, size_t from, size_t to)
{
    size_t word = from;
    while (word < to && word_char(s->text.ptr[word]))
        word++;
    if (word < to && s->text.ptr[word] == ' ' && is_scheme(slice_sub(s->text, from, word)))
        from = word + 1;
    if (to > from && !is_placeholder(slice_sub(s->text, from, to)))
        take_out(s, from, to, SLICE("[REDACTED]"), REDACT_AUTHORIZATION);
}

static void at_sign(struct scan *s, size_t at);
static size_t at_digit(struct scan *s, size_t at);
static size_t at_token(struct scan *s, size_t at);

/* A user may be a secret as well: https://ghp_...:x-oauth-basic@github.com. */
static void look_in_user(struct scan *s, size_t at, size_t to)
{
    struct slice t = s->text;
    while (at < to) {
        char c = t.ptr[at], before = t.ptr[at - 1]; /* the last '/' before it */
        size_t next = at + 1;
        if (c == '=')
            at_sign(s, at);
        else if (is_digit(c) && !is_digit(before))
            next = at_digit(s, at);
        else if (!alnum(before) && before != '_')
            next = at_token(s, at);
        at = MAX(next, s->done);
    }
}

/* The password of scheme://user:password@host, at being the ':' of "://". False: there is none. */
static bool take_url_password(struct scan *s, size_t at)
{
    struct slice t = s->text;
    size_t user = at + 3, colon, end;
    for (colon = user; colon < t.len && !in_set(t.ptr[colon], SLICE(":/@[ \t\n\"")); colon++)
        ; /* '[' begins a mark, or an address of IPv6 */
    if (colon == t.len || t.ptr[colon] != ':')
        return false;
    for (end = colon + 1; end < t.len && !in_set(t.ptr[end], SLICE("@/ \t\n\"")); end++)
        ;
    if (end == t.len || t.ptr[end] != '@' || end == colon + 1 || is_placeholder(slice_sub(t, colon + 1, end)))
        return false;
    look_in_user(s, user, colon);
    if (s->done <= colon + 1)
        take_out(s, colon + 1, end, SLICE("[REDACTED]"), REDACT_URL_PASSWORD);
    return true;
}

/* The last letter of the names above and the one before it, by bits: d, e, s, t, y, n, v and c, g. '_' and '-' may stand before any. */
static const uint8_t last_letter[256] = {
    ['d'] = 1, ['e'] = 2, ['s'] = 4, ['t'] = 8, ['y'] = 16, ['n'] = 32, ['v'] = 64, ['c'] = 64, ['g'] = 128,
    ['D'] = 1, ['E'] = 2, ['S'] = 4, ['T'] = 8, ['Y'] = 16, ['N'] = 32, ['V'] = 64, ['C'] = 64, ['G'] = 128,
};
static const uint8_t letter_before[256] = {
    ['r'] = 1, ['w'] = 1, ['i'] = 1 + 2, ['s'] = 2 + 4, ['l'] = 4, ['e'] = 8 + 16 + 32, ['o'] = 32, ['v'] = 64, ['n'] = 128,
    ['R'] = 1, ['W'] = 1, ['I'] = 1 + 2, ['S'] = 2 + 4, ['L'] = 4, ['E'] = 8 + 16 + 32, ['O'] = 32, ['V'] = 64, ['N'] = 128,
    ['_'] = 255, ['-'] = 255,
};

/* As nearly all signs do not, told from few bytes: may it end a secret's name, or begin "://"? */
static bool may_end_key(struct slice t, size_t at)
{
    size_t end = at && t.ptr[at - 1] == '"' ? at - 1 : at;
    if (end < 2)
        return true;
    uint8_t last = (uint8_t)t.ptr[end - 1], before = (uint8_t)t.ptr[end - 2];
    return (last_letter[last] & letter_before[before]) || !alnum((char)last) || (at + 1 < t.len && t.ptr[at + 1] == '/');
}

static void at_sign(struct scan *s, size_t at)
{
    struct slice t = s->text, key;
    if (!may_end_key(t, at))
        return;
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

/* In groups a card's number is written by four first (4-4-4-4, 4-6-5, 4-4-4-4-3): dates, times and process ids are not. */
static bool is_grouped_as_card(const uint8_t *groups, size_t count)
{
    bool good = count == 1 || groups[0] == 4;
    for (size_t i = 1; i + 1 < count; i++)
        good = good && (groups[i] == 4 || groups[i] == 6);
    return good;
}

/* What stands before the digits: part of a word or of a number of another kind, as in blk_-5646135484319709? */
static bool goes_into(struct slice t, size_t at)
{
    if (at && t.ptr[at - 1] == '-' && at > 1)
        return t.ptr[at - 2] == '_';
    return at && (alnum(t.ptr[at - 1]) || t.ptr[at - 1] == '_' || t.ptr[at - 1] == '.');
}

/* A run of digits with one blank or dash between some of them. Gives where to look on: a card may begin in the next group. */
static size_t at_digit(struct scan *s, size_t at)
{
    struct slice t = s->text;
    uint8_t digits[CARD_DIGITS_MAX + 1], groups[CARD_DIGITS_MAX + 1] = {0};
    size_t n = 0, group = 0, end = at, last = at;
    while (end < t.len && is_digit(t.ptr[end]))
        end++;
    bool goes_on = end + 1 < t.len && (t.ptr[end] == ' ' || t.ptr[end] == '-') && is_digit(t.ptr[end + 1]);
    if (end - at < CARD_DIGITS_MIN && !goes_on)
        return end; /* as nearly all are */
    size_t first_end = end;
    for (end = at; end < t.len && n <= CARD_DIGITS_MAX; end++) {
        if (is_digit(t.ptr[end])) {
            digits[n++] = (uint8_t)(t.ptr[end] - '0');
            groups[group]++;
            last = end + 1;
        } else if ((t.ptr[end] != ' ' && t.ptr[end] != '-') || end + 1 == t.len || !is_digit(t.ptr[end + 1])) {
            break;
        } else {
            group++;
        }
    }
    bool alone = !goes_into(t, at) && (last == t.len || (!alnum(t.ptr[last]) && t.ptr[last] != '_'));
    if (!alone || at < s->done || !is_grouped_as_card(groups, group + 1) || !is_card(digits, n))
        return first_end;
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

/* Where in a window of the text a secret may begin: bit i is byte i. */
struct window {
    uint64_t signs, digits, others; /* digits: first of a run as long as a card's number; others: tokens and PEM blocks */
};

enum { WINDOW_BYTES = 64 };

/* The first two letters of the shapes above and of a JWT, and two dashes. */
static byte16 pairs_of(byte16 v, byte16 next)
{
    byte16 e = byte16_eq(v, 'e') & byte16_eq(next, 'y');
    byte16 sr = (byte16_eq(v, 's') & byte16_eq(next, 't')) | ((byte16_eq(v, 's') | byte16_eq(v, 'r')) & byte16_eq(next, 'k'));
    byte16 g = byte16_eq(v, 'g') & (byte16_eq(next, 'h') | byte16_eq(next, 'l'));
    byte16 x = byte16_eq(v, 'x') & byte16_eq(next, 'o');
    byte16 a = byte16_eq(v, 'A') & (byte16_eq(next, 'K') | byte16_eq(next, 'S') | byte16_eq(next, 'I'));
    byte16 dash = byte16_eq(v, '-') & byte16_eq(next, '-');
    return e | sr | g | x | a | dash;
}

/* Bits that begin a run of CARD_DIGITS_MIN bits, as far as the window tells: behind it all may be set. */
static uint64_t runs_of_13(uint64_t bits)
{
    unsigned __int128 x = bits | ~(unsigned __int128)0 << WINDOW_BYTES;
    x &= x >> 1;
    x &= x >> 2;
    x &= x >> 4;
    return (uint64_t)(x & x >> 5);
}

/* The window at p, of which one byte more can be read. is_digit_before: is the byte before it one? */
static struct window window_at(const char *p, bool is_digit_before)
{
    struct window w = { 0 };
    uint64_t digits = 0, gaps = 0;
    for (int i = 0; i < WINDOW_BYTES; i += 16) {
        byte16 v = byte16_load(p + i), next = byte16_load(p + i + 1);
        w.signs |= (uint64_t)byte16_bits(byte16_eq(v, ':') | byte16_eq(v, '=')) << i;
        digits |= (uint64_t)byte16_bits(byte16_in(v, '0', '9')) << i;
        gaps |= (uint64_t)byte16_bits(byte16_eq(v, ' ') | byte16_eq(v, '-')) << i;
        w.others |= (uint64_t)byte16_bits(pairs_of(v, next)) << i;
    }
    w.digits = digits & ~(digits << 1 | is_digit_before) & runs_of_13(digits | gaps);
    return w;
}

/* Looks closer at a place; gives where to go on, behind it. */
static size_t at_place(struct scan *s, size_t at, const struct window *w, uint64_t bit)
{
    const char *p = s->text.ptr + at;
    if (w->signs & bit) {
        at_sign(s, at);
        return at + 1;
    }
    if (w->digits & bit)
        return at_digit(s, at);
    if (*p == '-')
        return at_dash(s, at);
    return at == 0 || (!alnum(p[-1]) && p[-1] != '_') ? at_token(s, at) : at + 1;
}

bool redact_secrets(struct slice text, struct buf *out, uint64_t *counts)
{
    uint64_t ignored[REDACT_DETECTOR_COUNT] = { 0 };
    struct scan s = { .text = text, .out = out, .counts = counts ? counts : ignored };
    size_t next = 0; /* nothing before it is looked at any more */
    for (size_t start = 0; start < text.len; start += WINDOW_BYTES) {
        char last[WINDOW_BYTES + 1] = { 0 };
        size_t left = text.len - start;
        if (left < sizeof last)
            memcpy(last, text.ptr + start, left);
        struct window w = window_at(left < sizeof last ? last : text.ptr + start, start && is_digit(text.ptr[start - 1]));
        for (uint64_t bits = w.signs | w.digits | w.others; bits; bits &= bits - 1) {
            size_t at = start + (size_t)__builtin_ctzll(bits);
            if (at >= next)
                next = MAX(at_place(&s, at, &w, bits & -bits), s.done);
        }
    }
    if (s.changed)
        buf_slice(out, slice_skip(text, s.done));
    return s.changed;
}
