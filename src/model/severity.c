/* SPDX-License-Identifier: Apache-2.0 */
/* Severity: words to numbers and back, and what a line of text says about itself. */
#include "model/event.h"

enum {
    SEVERITY_INFO2 = 10,
    SEVERITY_CRITICAL = 22,
    SEVERITY_TEXT_BYTES_MAX = 16,
    SEVERITY_SCAN_BYTES = 192,   /* of a plain line: further in, a word is talk, not a level */
    SEVERITY_KEY_SCAN_BYTES = 4 * KIB
};

/* Words as syslog, Go, Java, Python, JavaScript, .NET, glog and databases write them. */
static const struct {
    struct slice word;
    uint8_t severity;
} severity_words[] = {
    { SLICE_INIT("info"), SEVERITY_INFO },         { SLICE_INIT("error"), SEVERITY_ERROR },
    { SLICE_INIT("warn"), SEVERITY_WARN },         { SLICE_INIT("warning"), SEVERITY_WARN },
    { SLICE_INIT("debug"), SEVERITY_DEBUG },       { SLICE_INIT("trace"), SEVERITY_TRACE },
    { SLICE_INIT("fatal"), SEVERITY_FATAL },       { SLICE_INIT("critical"), SEVERITY_CRITICAL },
    { SLICE_INIT("notice"), SEVERITY_INFO2 },      { SLICE_INIT("err"), SEVERITY_ERROR },
    { SLICE_INIT("crit"), SEVERITY_CRITICAL },     { SLICE_INIT("alert"), SEVERITY_CRITICAL },
    { SLICE_INIT("emerg"), SEVERITY_FATAL },       { SLICE_INIT("emergency"), SEVERITY_FATAL },
    { SLICE_INIT("panic"), SEVERITY_FATAL },       { SLICE_INIT("severe"), SEVERITY_ERROR },
    { SLICE_INIT("information"), SEVERITY_INFO },  { SLICE_INIT("informational"), SEVERITY_INFO },
    { SLICE_INIT("verbose"), SEVERITY_TRACE },     { SLICE_INIT("fine"), SEVERITY_DEBUG },
    { SLICE_INIT("finer"), SEVERITY_TRACE },       { SLICE_INIT("finest"), SEVERITY_TRACE },
    { SLICE_INIT("failure"), SEVERITY_ERROR },     { SLICE_INIT("log"), SEVERITY_INFO },
    { SLICE_INIT("dbg"), SEVERITY_DEBUG },         { SLICE_INIT("inf"), SEVERITY_INFO },
    { SLICE_INIT("wrn"), SEVERITY_WARN },          { SLICE_INIT("trc"), SEVERITY_TRACE },
    { SLICE_INIT("dbug"), SEVERITY_DEBUG },        { SLICE_INIT("eror"), SEVERITY_ERROR },
    { SLICE_INIT("ftl"), SEVERITY_FATAL },
    { SLICE_INIT("dpanic"), SEVERITY_FATAL },      { SLICE_INIT("silly"), SEVERITY_TRACE },
    { SLICE_INIT("t"), SEVERITY_TRACE },           { SLICE_INIT("d"), SEVERITY_DEBUG },
    { SLICE_INIT("i"), SEVERITY_INFO },            { SLICE_INIT("w"), SEVERITY_WARN },
    { SLICE_INIT("e"), SEVERITY_ERROR },           { SLICE_INIT("f"), SEVERITY_FATAL },
    { SLICE_INIT("c"), SEVERITY_CRITICAL },        { SLICE_INIT("n"), SEVERITY_INFO2 },
};

/* Most words that are asked about are no level, and begin with another letter than those do. */
static bool may_begin(char c)
{
    switch (c | 0x20) {
    case 'a': case 'c': case 'd': case 'e': case 'f': case 'i': case 'l': case 'n': case 'p': case 's': case 't': case 'v': case 'w': return true;
    default: return false;
    }
}

uint8_t severity_parse(struct slice text)
{
    text = slice_trim(text);
    if (text.len == 0 || text.len > SEVERITY_TEXT_BYTES_MAX || !may_begin(text.ptr[0]))
        return SEVERITY_UNKNOWN;
    /* OpenTelemetry's short names carry a number: WARN2. */
    char last = text.ptr[text.len - 1];
    uint8_t more = 0;
    if (text.len > 4 && last >= '2' && last <= '4') {
        more = (uint8_t)(last - '1');
        text.len--;
    }
    for (size_t i = 0; i < COUNT_OF(severity_words); i++)
        if (slice_eq_nocase(text, severity_words[i].word))
            return (uint8_t)(severity_words[i].severity + (severity_words[i].severity % 4 == 1 ? more : 0));
    return SEVERITY_UNKNOWN;
}

struct slice severity_name(uint8_t severity)
{
    static const struct slice names[] = { SLICE_INIT("trace"), SLICE_INIT("debug"), SLICE_INIT("info"),
                                          SLICE_INIT("warn"),  SLICE_INIT("error"), SLICE_INIT("fatal") };
    if (severity == SEVERITY_UNKNOWN || severity > SEVERITY_FATAL + 3)
        return SLICE("unknown");
    if (severity == SEVERITY_CRITICAL)
        return SLICE("critical");
    return names[(severity - 1) / 4];
}

uint8_t severity_of_syslog(unsigned level)
{
    static const uint8_t levels[] = { SEVERITY_FATAL, SEVERITY_CRITICAL, SEVERITY_CRITICAL, SEVERITY_ERROR,
                                      SEVERITY_WARN,  SEVERITY_INFO2,    SEVERITY_INFO,     SEVERITY_DEBUG };
    return level < COUNT_OF(levels) ? levels[level] : SEVERITY_UNKNOWN;
}

/* ---- a line's own words ---- */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Behind a key: `="x"`, `=x`, `":"x"`, `":30` (bunyan and pino count in tens). */
static uint8_t severity_of_value(struct slice s)
{
    while (s.len && (s.ptr[0] == '"' || s.ptr[0] == ' ' || s.ptr[0] == ':' || s.ptr[0] == '='))
        s = slice_skip(s, 1);
    size_t n = 0;
    while (n < s.len && n < SEVERITY_TEXT_BYTES_MAX && is_word(s.ptr[n]))
        n++;
    struct slice word = slice_sub(s, 0, n);
    if (n == 2 && word.ptr[1] == '0' && word.ptr[0] >= '1' && word.ptr[0] <= '6')
        return (uint8_t)(1 + 4 * (word.ptr[0] - '1'));
    return n && (word.ptr[0] < '0' || word.ptr[0] > '9') ? severity_parse(word) : SEVERITY_UNKNOWN;
}

static bool is_key(char c)
{
    return is_word(c) || c == '.';
}

static bool is_level_key(struct slice key)
{
    static const struct slice keys[] = { SLICE_INIT("level"), SLICE_INIT("severity"), SLICE_INIT("lvl"), SLICE_INIT("levelname"),
                                         SLICE_INIT("loglevel"), SLICE_INIT("log.level"), SLICE_INIT("severity_text") };
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (slice_eq(key, keys[i]))
            return true;
    return false;
}

/* Keys are found by the part they share, and then read whole. Each part has a 'v', which is rare. */
struct key_part {
    struct slice text;
    size_t v; /* where */
};

static size_t part_find(struct slice line, const struct key_part *part, size_t at)
{
    for (at += part->v; at < line.len; at++) {
        const char *v = memchr(line.ptr + at, 'v', line.len - at);
        if (v == NULL)
            return SIZE_MAX;
        at = (size_t)(v - line.ptr);
        if (slice_starts(slice_skip(line, at - part->v), part->text))
            return at - part->v;
    }
    return SIZE_MAX;
}

static uint8_t severity_by_key(struct slice line)
{
    static const struct key_part parts[] = { { SLICE_INIT("level"), 2 }, { SLICE_INIT("severity"), 2 }, { SLICE_INIT("lvl"), 1 } };
    line.len = MIN(line.len, (size_t)SEVERITY_KEY_SCAN_BYTES);
    for (size_t k = 0; k < COUNT_OF(parts); k++) {
        for (size_t at = 0; (at = part_find(line, &parts[k], at)) != SIZE_MAX; at++) {
            size_t from = at, to = at + parts[k].text.len;
            while (from > 0 && is_key(line.ptr[from - 1]))
                from--;
            while (to < line.len && is_key(line.ptr[to]))
                to++;
            struct slice after = slice_skip(line, to);
            bool quoted = from > 0 && line.ptr[from - 1] == '"';
            bool json = quoted && after.len > 1 && after.ptr[0] == '"' && (after.ptr[1] == ':' || after.ptr[1] == ' ');
            bool logfmt = !quoted && after.len && after.ptr[0] == '=';
            uint8_t severity = (json || logfmt) && is_level_key(slice_sub(line, from, to)) ? severity_of_value(after) : SEVERITY_UNKNOWN;
            if (severity)
                return severity;
            at = to - 1; /* on behind this key */
        }
    }
    return SEVERITY_UNKNOWN;
}

/* A whole word that is a level and looks like one: in capitals, in brackets, or in front of a colon. */
static uint8_t severity_by_word(struct slice line)
{
    line.len = MIN(line.len, (size_t)SEVERITY_SCAN_BYTES);
    for (size_t i = 0; i < line.len; i++) {
        size_t from = i, upper = 0;
        while (i < line.len && is_word(line.ptr[i])) {
            upper += line.ptr[i] >= 'A' && line.ptr[i] <= 'Z';
            i++;
        }
        size_t n = i - from;
        if (n < 3 || n > SEVERITY_TEXT_BYTES_MAX)
            continue;
        char before = from ? line.ptr[from - 1] : ' ', after = i < line.len ? line.ptr[i] : ' ';
        bool bracketed = (before == '[' && after == ']') || (before == '<' && after == '>') || (before == '(' && after == ')');
        bool led = after == ':' && (before == ' ' || before == '[');
        bool path = before == '/' || before == '.' || before == '-' || after == '/' || after == '-';
        if ((upper != n || path) && !bracketed && !led)
            continue;
        uint8_t severity = severity_parse(slice_sub(line, from, i));
        if (severity)
            return severity;
    }
    return SEVERITY_UNKNOWN;
}

uint8_t severity_detect(struct slice line)
{
    uint8_t severity = severity_by_key(line);
    return severity ? severity : severity_by_word(line);
}
