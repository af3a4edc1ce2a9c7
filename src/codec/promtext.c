/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of exposition pages: one pass, one line at a time, nothing copied but texts with escapes.
 *
 *     line    = sample | "# HELP " name " " text | "# TYPE " name " " word | "# UNIT " name " " word | "# EOF"
 *     sample  = name [ "{" label "," ... "}" ] " " value [ " " time ] [ " # {" label ... "} " value [ " " time ] ]
 *     sample  = "{" quoted name [ "," label ... ] "}" " " value ...          names in UTF-8
 *
 * (1) at stands at the start of a line between calls; on an error, too, so that the caller may go on.
 * (2) No function reads beyond line_end, which is the newline or the page's end.
 * (3) In OpenMetrics one space stands between tokens and none elsewhere; 0.0.4 takes any run of spaces and tabs.
 *
 * What a family may hold is the business of promtext_family.c. */
#include "codec/promtext.h"

#include <math.h>

#include "base/num.h"
#include "base/utf8.h"
#include "codec/promtext_family.h"

enum { QUOTE_IN_ERROR_BYTES_MAX = 60, FAST_DIGITS_MAX = 15 };

struct label_list {
    struct promtext_label *list;
    size_t count, cap;
};

struct promtext {
    struct arena *a;
    const char *begin, *at, *end, *line_end;
    size_t line;
    bool openmetrics, eof, over;
    struct label_list labels, exemplar_labels;
    struct promtext_families *families; /* STRICT only */
};

enum { CHAR_NAME = 1, CHAR_DIGIT = 2, CHAR_COLON = 4 };
static const uint8_t char_class[256] = {
    ['0' ... '9'] = CHAR_DIGIT, ['a' ... 'z'] = CHAR_NAME, ['A' ... 'Z'] = CHAR_NAME, ['_'] = CHAR_NAME, [':'] = CHAR_COLON,
};

static const struct slice type_words[] = {
    [PROMTEXT_UNKNOWN] = SLICE_INIT("unknown"),
    [PROMTEXT_COUNTER] = SLICE_INIT("counter"),
    [PROMTEXT_GAUGE] = SLICE_INIT("gauge"),
    [PROMTEXT_HISTOGRAM] = SLICE_INIT("histogram"),
    [PROMTEXT_GAUGEHISTOGRAM] = SLICE_INIT("gaugehistogram"),
    [PROMTEXT_SUMMARY] = SLICE_INIT("summary"),
    [PROMTEXT_INFO] = SLICE_INIT("info"),
    [PROMTEXT_STATESET] = SLICE_INIT("stateset"),
};

const char *promtext_type_name(enum promtext_type type)
{
    return type_words[type].ptr;
}

bool promtext_type_of(struct slice word, enum promtext_type *out)
{
    for (size_t i = 0; i < COUNT_OF(type_words); i++)
        if (slice_eq(word, type_words[i])) {
            *out = (enum promtext_type)i;
            return true;
        }
    *out = PROMTEXT_UNKNOWN;
    return slice_eq(word, SLICE("untyped"));
}

enum promtext_format promtext_format_of(struct slice content_type)
{
    struct slice media, parameters;
    slice_cut(content_type, ';', &media, &parameters);
    return slice_eq_nocase(slice_trim(media), SLICE("application/openmetrics-text")) ? PROMTEXT_OPENMETRICS : PROMTEXT_CLASSIC;
}

struct promtext *promtext_new(struct arena *a, struct slice page, enum promtext_format format)
{
    struct promtext *p = mem_new(struct promtext);
    p->a = a;
    p->begin = p->at = p->line_end = page.len ? page.ptr : "";
    p->end = p->at + page.len;
    p->openmetrics = format != PROMTEXT_CLASSIC;
    if (format == PROMTEXT_OPENMETRICS_STRICT)
        p->families = promtext_families_new(a);
    return p;
}

void promtext_free(struct promtext *p)
{
    if (p == NULL)
        return;
    promtext_families_free(p->families);
    mem_free(p->labels.list);
    mem_free(p->exemplar_labels.list);
    mem_free(p);
}

/* ---- errors ---- */

/* "line 3, column 7: expected a value, found "x y"": from at to the line's end. */
static enum status fail_at(const struct promtext *p, const char *line_start, const char *at, const char *expected, struct err *err)
{
    size_t column = (size_t)(at - line_start) + 1;
    if (at >= p->line_end)
        return err_set(err, ST_INVALID, "line %zu, column %zu: expected %s, found the line's end", p->line, column, expected);
    struct slice found = utf8_cut(slice_of(at, (size_t)(p->line_end - at)), QUOTE_IN_ERROR_BYTES_MAX);
    return err_set(err, ST_INVALID, "line %zu, column %zu: expected %s, found \"%.*s\"", p->line, column, expected, SLICE_FMT(found));
}

static enum status fail(const struct promtext *p, const char *expected, struct err *err)
{
    const char *start = p->at;
    while (start > p->begin && start[-1] != '\n')
        start--;
    return fail_at(p, start, p->at, expected, err);
}

/* ---- tokens: each moves p->at, never beyond the line ---- */

static bool at_char(const struct promtext *p, char c)
{
    return p->at < p->line_end && *p->at == c;
}

static bool take_char(struct promtext *p, char c)
{
    if (!at_char(p, c))
        return false;
    p->at++;
    return true;
}

static void skip_blanks(struct promtext *p)
{
    while (p->at < p->line_end && (*p->at == ' ' || *p->at == '\t'))
        p->at++;
}

/* (3) What stands between two tokens: true when there was something. */
static bool take_gap(struct promtext *p)
{
    const char *start = p->at;
    if (p->openmetrics)
        return take_char(p, ' ');
    skip_blanks(p);
    return p->at > start;
}

/* Blanks where none are needed. */
static void take_slack(struct promtext *p)
{
    if (!p->openmetrics)
        skip_blanks(p);
}

static struct slice take_word(struct promtext *p)
{
    const char *start = p->at;
    while (p->at < p->line_end && *p->at != ' ' && *p->at != '\t')
        p->at++;
    return slice_of(start, (size_t)(p->at - start));
}

/* [a-zA-Z_][a-zA-Z0-9_]*, with ':' too when extra is CHAR_COLON; empty when there is none. */
static struct slice take_name(struct promtext *p, uint8_t extra)
{
    const char *start = p->at, *at = start;
    uint8_t allowed = CHAR_NAME | extra;
    while (at < p->line_end && char_class[(uint8_t)*at] & allowed) {
        at++;
        allowed = CHAR_NAME | CHAR_DIGIT | extra;
    }
    p->at = at;
    return slice_of(start, (size_t)(at - start));
}

/* \\ and \n, and \" when quote; any other backslash stays as it is. */
static struct slice unescape(struct arena *a, struct slice s, bool quote)
{
    if (s.len == 0 || memchr(s.ptr, '\\', s.len) == NULL)
        return s;
    char *to = arena_alloc(a, s.len);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        char next = s.ptr[i] == '\\' && i + 1 < s.len ? s.ptr[i + 1] : 0;
        if (next == '\\' || next == 'n' || (next == '"' && quote)) {
            to[n++] = next == 'n' ? '\n' : next;
            i++;
        } else {
            to[n++] = s.ptr[i];
        }
    }
    return slice_of(to, n);
}

/* A text in quotes; p->at stands on the first quote. */
static enum status take_quoted(struct promtext *p, struct slice *out, struct err *err)
{
    const char *start = p->at + 1, *at = start;
    bool escaped = false;
    while (at < p->line_end && *at != '"') {
        if (*at == '\\' && at + 1 < p->line_end) {
            escaped = true;
            at++;
        }
        at++;
    }
    if (at >= p->line_end)
        return fail(p, "a closing quote", err);
    *out = slice_of(start, (size_t)(at - start));
    if (escaped)
        *out = unescape(p->a, *out, true);
    p->at = at + 1;
    return ST_OK;
}

/* ---- numbers ---- */

/* Up to 15 digits with at most one point are exact as digits / 10^k: both are doubles without error, so the division is
 * rounded once. Everything else goes to the library. */
static bool fast_number(struct slice s, double *out)
{
    static const double tens[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15 };
    size_t digits = 0, behind = 0;
    uint64_t v = 0;
    bool negative = s.len && s.ptr[0] == '-', point = false;
    for (size_t i = negative; i < s.len; i++) {
        char c = s.ptr[i];
        if (c >= '0' && c <= '9') {
            v = v * 10 + (uint64_t)(c - '0');
            digits++;
            behind += point;
        } else if (c == '.' && !point) {
            point = true;
        } else {
            return false;
        }
        if (digits > FAST_DIGITS_MAX)
            return false;
    }
    if (digits == 0)
        return false;
    double d = (double)v / tens[behind];
    *out = negative ? -d : d;
    return true;
}

/* Both formats write decimal numbers, NaN and Inf (in any case); hexadecimal and underscores are Go's own. */
static bool parse_number(struct slice s, double *out)
{
    if (fast_number(s, out))
        return true;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i] | 32;
        if (c == 'x' || c == '(' || s.ptr[i] == '_')
            return false;
    }
    return num_parse_double(s, out);
}

static enum status take_number(struct promtext *p, const char *what, double *out, struct err *err)
{
    const char *start = p->at;
    struct slice word = take_word(p);
    if (word.len && parse_number(word, out))
        return ST_OK;
    p->at = start;
    return fail(p, what, err);
}

static enum status take_time(struct promtext *p, double *seconds, int64_t *t_ms, struct err *err)
{
    const char *start = p->at;
    double s;
    if (!p->openmetrics) {
        struct slice word = take_word(p);
        *seconds = 0;
        if (num_parse_i64(word, t_ms))
            return ST_OK;
        p->at = start;
        return fail(p, "a time in whole milliseconds", err);
    }
    enum status st = take_number(p, "a time in seconds", &s, err);
    if (st)
        return st;
    if (!isfinite(s)) {
        p->at = start;
        return fail(p, "a finite time in seconds", err);
    }
    double ms = nearbyint(s * 1000);
    *seconds = s;
    *t_ms = ms >= 9.2e18 ? INT64_MAX : ms <= -9.2e18 ? INT64_MIN : (int64_t)ms;
    return ST_OK;
}

/* ---- labels ---- */

static enum status add_label(struct promtext *p, struct label_list *l, struct slice name, struct slice value, struct err *err)
{
    if (l->count == PROMTEXT_LABELS_MAX)
        return err_set(err, ST_LIMIT, "line %zu: over %d labels in one set, which is the limit", p->line, (int)PROMTEXT_LABELS_MAX);
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->list = mem_realloc(l->list, l->cap * sizeof *l->list);
    }
    l->list[l->count++] = (struct promtext_label){ name, value };
    return ST_OK;
}

/* One piece between commas: name="value", "name"="value", or the quoted name of the metric itself (when metric is given). */
static enum status take_label(struct promtext *p, struct label_list *l, struct slice *metric, struct err *err)
{
    struct slice name, value;
    bool quoted = at_char(p, '"');
    enum status st = ST_OK;
    if (quoted)
        st = take_quoted(p, &name, err);
    else
        name = take_name(p, 0);
    if (st)
        return st;
    if (name.len == 0)
        return fail(p, "a label's name", err);
    take_slack(p);
    if (quoted && metric && metric->len == 0 && !at_char(p, '=')) {
        *metric = name;
        return ST_OK;
    }
    if (!take_char(p, '='))
        return fail(p, "'=' behind a label's name", err);
    take_slack(p);
    if (!at_char(p, '"'))
        return fail(p, "a label's value in double quotes", err);
    st = take_quoted(p, &value, err);
    return st ? st : add_label(p, l, name, value, err);
}

/* p->at stands on '{'. */
static enum status take_labels(struct promtext *p, struct label_list *l, struct slice *metric, struct err *err)
{
    l->count = 0;
    p->at++;
    take_slack(p);
    if (take_char(p, '}'))
        return ST_OK;
    for (;;) {
        enum status st = take_label(p, l, metric, err);
        if (st)
            return st;
        take_slack(p);
        if (take_char(p, '}'))
            return ST_OK;
        if (!take_char(p, ','))
            return fail(p, "',' or '}' behind a label", err);
        take_slack(p);
        if (!p->openmetrics && take_char(p, '}'))
            return ST_OK;
    }
}

/* ---- lines ---- */

/* p->at stands behind the sample's value and time, on "# ". */
static enum status take_exemplar(struct promtext *p, struct promtext_entry *out, struct err *err)
{
    struct promtext_exemplar *e = &out->exemplar;
    double seconds;
    if (!take_char(p, '#') || !take_char(p, ' ') || !at_char(p, '{'))
        return fail(p, "an exemplar: # {labels} value", err);
    enum status st = take_labels(p, &p->exemplar_labels, NULL, err);
    if (st)
        return st;
    if (!take_gap(p))
        return fail(p, "a space and the exemplar's value", err);
    st = take_number(p, "an exemplar's value", &e->value, err);
    if (st)
        return st;
    e->labels = p->exemplar_labels.list;
    e->label_count = p->exemplar_labels.count;
    if (p->at < p->line_end) {
        p->at++;
        e->has_time = true;
        st = take_time(p, &seconds, &e->t_ms, err);
    }
    out->has_exemplar = true;
    return st;
}

/* Name and labels; p->at stands behind the gap that follows. */
static enum status take_series(struct promtext *p, struct promtext_entry *out, struct err *err)
{
    const char *start = p->at;
    p->labels.count = 0;
    out->kind = PROMTEXT_SAMPLE;
    out->name = take_name(p, CHAR_COLON);
    const char *series_end = p->at;
    take_slack(p);
    bool braces = at_char(p, '{');
    if (out->name.len == 0 && !braces)
        return fail(p, "a metric's name", err);
    if (braces) {
        enum status st = take_labels(p, &p->labels, &out->name, err);
        if (st)
            return st;
        series_end = p->at;
    }
    if (out->name.len == 0)
        return fail_at(p, start, start, "a metric's name before or in the braces", err);
    out->labels = p->labels.list;
    out->label_count = p->labels.count;
    out->series = slice_of(start, (size_t)(series_end - start));
    bool gap = take_gap(p);
    if (!gap && (p->openmetrics || (!braces && p->at == series_end)))
        return fail(p, braces ? "a space and the sample's value" : "'{' or a space and the sample's value", err);
    return ST_OK;
}

static enum status take_sample(struct promtext *p, struct promtext_entry *out, double *seconds, struct err *err)
{
    enum status st = take_series(p, out, err);
    if (!st)
        st = take_number(p, "a sample's value", &out->value, err);
    if (st)
        return st;
    bool gap = take_gap(p);
    bool timed = p->openmetrics ? gap && !at_char(p, '#') : p->at < p->line_end;
    if (timed) {
        st = take_time(p, seconds, &out->t_ms, err);
        if (st)
            return st;
        out->has_time = true;
        gap = take_gap(p);
    }
    if (p->openmetrics && gap)
        st = take_exemplar(p, out, err);
    if (!st && p->at < p->line_end)
        st = fail(p, "the line's end", err);
    return st;
}

static enum status take_meta_name(struct promtext *p, struct slice *out, struct err *err)
{
    if (at_char(p, '"')) {
        enum status st = take_quoted(p, out, err);
        if (st || out->len)
            return st;
    } else {
        *out = take_name(p, CHAR_COLON);
    }
    return out->len ? ST_OK : fail(p, "a metric's name", err);
}

static enum status take_type(struct promtext *p, struct promtext_entry *out, struct err *err)
{
    struct slice word = slice_of(p->at, (size_t)(p->line_end - p->at));
    if (!p->openmetrics)
        word = slice_trim(word);
    if (promtext_type_of(word, &out->type) && !(p->openmetrics && slice_eq(word, SLICE("untyped"))))
        return ST_OK;
    return fail(p, "a type: counter, gauge, histogram, gaugehistogram, summary, info, stateset or unknown", err);
}

static enum promtext_kind kind_of(struct slice word)
{
    static const struct {
        struct slice word;
        enum promtext_kind kind;
    } words[] = {
        { SLICE_INIT("HELP"), PROMTEXT_HELP },
        { SLICE_INIT("TYPE"), PROMTEXT_TYPE },
        { SLICE_INIT("UNIT"), PROMTEXT_UNIT },
    };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (slice_eq(word, words[i].word))
            return words[i].kind;
    return PROMTEXT_END;
}

/* p->at stands on '#'. *comment: there was nothing for the caller in this line. */
static enum status take_meta(struct promtext *p, struct promtext_entry *out, bool *comment, struct err *err)
{
    p->at++;
    bool gap = take_gap(p);
    const char *start = p->at;
    out->kind = kind_of(take_word(p));
    *comment = !p->openmetrics && (!gap || out->kind == PROMTEXT_END || out->kind == PROMTEXT_UNIT);
    if (*comment)
        return ST_OK;
    if (!gap || out->kind == PROMTEXT_END) {
        p->at = start;
        return fail(p, "HELP, TYPE, UNIT or EOF behind '# '", err);
    }
    if (!take_gap(p))
        return fail(p, "a space and a metric's name", err);
    enum status st = take_meta_name(p, &out->name, err);
    if (st)
        return st;
    if (!take_gap(p) && (p->openmetrics || out->kind == PROMTEXT_TYPE || p->at < p->line_end))
        return fail(p, "a space and the text behind a metric's name", err);
    if (out->kind == PROMTEXT_TYPE)
        return take_type(p, out, err);
    out->text = unescape(p->a, slice_of(p->at, (size_t)(p->line_end - p->at)), p->openmetrics);
    return ST_OK;
}

/* Sets line_end to the end of the line at p->at, without a carriage return in 0.0.4. Gives the next line's start. */
static const char *find_line_end(struct promtext *p)
{
    const char *newline = memchr(p->at, '\n', (size_t)(p->end - p->at));
    const char *line_end = newline ? newline : p->end;
    p->line++;
    if (!p->openmetrics && line_end > p->at && line_end[-1] == '\r')
        line_end--;
    p->line_end = line_end;
    return newline ? newline + 1 : p->end;
}

static enum status at_page_end(struct promtext *p, struct err *err)
{
    bool missing = p->openmetrics && !p->eof && !p->over;
    p->over = true; /* said once */
    return missing ? err_set(err, ST_INVALID, "line %zu: the page ends without \"# EOF\"", p->line + 1) : ST_OK;
}

/* The line "# EOF" ended before next: nothing may follow. */
static enum status take_eof(struct promtext *p, const char *next, struct err *err)
{
    enum status st = ST_OK;
    p->eof = true;
    if (next < p->end) {
        p->line++;
        p->line_end = p->end;
        st = fail_at(p, next, next, "nothing behind \"# EOF\"", err);
    } else if (p->families) {
        st = promtext_families_end(p->families, p->line, err);
    }
    p->at = p->end;
    return st;
}

enum status promtext_next(struct promtext *p, struct promtext_entry *out, struct err *err)
{
    while (p->at < p->end) {
        enum status st;
        bool comment = false;
        double seconds = 0;
        const char *next = find_line_end(p);
        struct slice line = slice_of(p->at, (size_t)(p->line_end - p->at));
        *out = (struct promtext_entry){ .line = p->line };
        if (p->openmetrics && slice_eq(line, SLICE("# EOF"))) {
            st = take_eof(p, next, err);
            if (st)
                return st;
            break;
        }
        take_slack(p);
        if (!p->openmetrics && p->at == p->line_end) {
            p->at = next;
            continue;
        }
        if (p->families && !utf8_is_valid(line))
            st = err_set(err, ST_INVALID, "line %zu: not UTF-8", p->line);
        else
            st = at_char(p, '#') ? take_meta(p, out, &comment, err) : take_sample(p, out, &seconds, err);
        p->at = next; /* (1) */
        if (!st && !comment && p->families)
            st = promtext_families_entry(p->families, out, seconds, err);
        if (st || !comment)
            return st;
    }
    *out = (struct promtext_entry){ .kind = PROMTEXT_END, .line = p->line };
    return at_page_end(p, err);
}
