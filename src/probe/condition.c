/* SPDX-License-Identifier: Apache-2.0 */
/* A condition is: subject, comparison, value.
 *
 * Subjects are rows of a table: numbers (status), durations (latency and its phases), texts (body, header NAME), JSON
 * (json PATH) and days (certificate days). Comparisons are rows too, with the kinds of subject they go with. A value is a
 * quoted text, /a regex/, a [list], or the rest of the line as it stands, so that most need no quotes. In JSON a value
 * compares as its text; both sides are numbers: as numbers. */
#include "probe/condition.h"

#include <stdio.h>

#include "base/date.h"
#include "base/num.h"
#include "codec/json.h"
#include "codec/regex.h"

enum subject_kind { KIND_NUMBER = 1, KIND_DURATION = 2, KIND_TEXT = 4, KIND_JSON = 8, KIND_DAYS = 16 };

enum subject { ON_STATUS, ON_LATENCY, ON_DNS, ON_CONNECT, ON_TLS, ON_REQUEST, ON_FIRST_BYTE, ON_TRANSFER, ON_BODY, ON_HEADER, ON_JSON,
               ON_CERTIFICATE };

static const struct {
    struct slice name;
    enum subject subject;
    enum subject_kind kind;
} subjects[] = {
    { SLICE_INIT("status"), ON_STATUS, KIND_NUMBER },          { SLICE_INIT("latency"), ON_LATENCY, KIND_DURATION },
    { SLICE_INIT("dns"), ON_DNS, KIND_DURATION },              { SLICE_INIT("connect"), ON_CONNECT, KIND_DURATION },
    { SLICE_INIT("tls"), ON_TLS, KIND_DURATION },              { SLICE_INIT("request"), ON_REQUEST, KIND_DURATION },
    { SLICE_INIT("first_byte"), ON_FIRST_BYTE, KIND_DURATION }, { SLICE_INIT("transfer"), ON_TRANSFER, KIND_DURATION },
    { SLICE_INIT("body"), ON_BODY, KIND_TEXT },                { SLICE_INIT("header"), ON_HEADER, KIND_TEXT },
    { SLICE_INIT("json"), ON_JSON, KIND_JSON },                { SLICE_INIT("certificate"), ON_CERTIFICATE, KIND_DAYS },
};
static const char subject_names[] = "status, latency, dns, connect, tls, request, first_byte, transfer, body, "
                                    "header NAME, json .PATH, certificate days";

enum compare { CMP_EQ, CMP_NE, CMP_LE, CMP_GE, CMP_LT, CMP_GT, CMP_IN, CMP_CONTAINS, CMP_MATCHES, CMP_EXISTS };
enum { KIND_COUNTS = KIND_NUMBER | KIND_DURATION | KIND_DAYS, KIND_TEXTS = KIND_TEXT | KIND_JSON, KIND_ANY = KIND_COUNTS | KIND_TEXTS };

/* Longer ones stand before those they begin with. */
static const struct {
    struct slice name;
    enum compare compare;
    unsigned kinds;
} compares[] = {
    { SLICE_INIT("=="), CMP_EQ, KIND_ANY },
    { SLICE_INIT("!="), CMP_NE, KIND_ANY },
    { SLICE_INIT("<="), CMP_LE, KIND_COUNTS | KIND_JSON },
    { SLICE_INIT(">="), CMP_GE, KIND_COUNTS | KIND_JSON },
    { SLICE_INIT("<"), CMP_LT, KIND_COUNTS | KIND_JSON },
    { SLICE_INIT(">"), CMP_GT, KIND_COUNTS | KIND_JSON },
    { SLICE_INIT("in"), CMP_IN, KIND_NUMBER | KIND_TEXTS },
    { SLICE_INIT("contains"), CMP_CONTAINS, KIND_TEXTS },
    { SLICE_INIT("matches"), CMP_MATCHES, KIND_TEXTS },
    { SLICE_INIT("exists"), CMP_EXISTS, KIND_TEXTS },
};

struct condition {
    struct arena *arena;
    struct slice text;
    enum subject subject;
    enum subject_kind kind;
    struct slice name; /* of the header; the path of JSON */
    struct slice parts[CONDITION_PATH_PARTS_MAX]; /* of the path; "[0]" keeps its bracket */
    size_t part_count;
    enum compare compare;
    bool is_not, is_pick;
    struct slice values[CONDITION_LIST_MAX]; /* one, but for `in` */
    size_t value_count;
    int64_t value_ns;
    double value_number;
    struct regex *regex;
};

struct cursor {
    struct slice all;
    size_t at;
};

static enum status fail(const struct cursor *c, const char *what, const char *allowed, struct err *err)
{
    struct slice rest = slice_sub(c->all, c->at, MIN(c->all.len, c->at + 40));
    return err_set(err, ST_INVALID, "condition \"%.*s\": column %zu: %s, found %s%.*s%s%s%s", SLICE_FMT(slice_sub(c->all, 0, 160)), c->at + 1, what,
                   rest.len ? "\"" : "the end", SLICE_FMT(rest), rest.len ? "\"" : "", allowed ? "; allowed: " : "", allowed ? allowed : "");
}

static struct slice rest_of(struct cursor *c)
{
    while (c->at < c->all.len && (c->all.ptr[c->at] == ' ' || c->all.ptr[c->at] == '\t'))
        c->at++;
    return slice_skip(c->all, c->at);
}

static bool is_word_char(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_' || ch == '-';
}

static struct slice word_of(struct cursor *c)
{
    struct slice rest = rest_of(c);
    size_t n = 0;
    while (n < rest.len && is_word_char(rest.ptr[n]))
        n++;
    return slice_sub(rest, 0, n);
}

/* ---- parsing ---- */

/* .a.b[0].["odd name"] into parts; the cursor stands behind it. */
static enum status parse_path(struct condition *d, struct cursor *c, struct err *err)
{
    struct slice rest = rest_of(c);
    size_t start = c->at;
    if (rest.len == 0 || rest.ptr[0] != '.')
        return fail(c, "expected a path such as .user.name or .items[0].id", NULL, err);
    while (c->at < c->all.len && (c->all.ptr[c->at] == '.' || c->all.ptr[c->at] == '[')) {
        bool bracket = c->all.ptr[c->at] == '[';
        size_t from = ++c->at, to;
        if (!bracket) {
            while (c->at < c->all.len && is_word_char(c->all.ptr[c->at]))
                c->at++;
            to = c->at;
            if (to == from)
                continue; /* "." alone is the whole document, ".[" leads to a bracket */
        } else {
            to = slice_find_char(c->all, ']', from);
            if (to == SIZE_MAX || to == from)
                return fail(c, "expected [0] or [\"name\"]", NULL, err);
            c->at = to + 1;
        }
        struct slice part = slice_sub(c->all, from, to);
        uint64_t index;
        if (bracket && part.len >= 2 && part.ptr[0] == '"' && part.ptr[part.len - 1] == '"') {
            part = slice_sub(part, 1, part.len - 1);
        } else if (bracket) {
            if (!num_parse_u64(part, &index))
                return fail(c, "expected [0] or [\"name\"] in the path", NULL, err);
            part = slice_sub(c->all, from - 1, to);
        }
        if (d->part_count == CONDITION_PATH_PARTS_MAX)
            return err_set(err, ST_LIMIT, "condition \"%.*s\": the path has more than %d parts", SLICE_FMT(slice_sub(c->all, 0, 160)),
                           CONDITION_PATH_PARTS_MAX);
        d->parts[d->part_count++] = part;
    }
    d->name = slice_sub(c->all, start, c->at);
    return ST_OK;
}

static enum status parse_subject(struct condition *d, struct cursor *c, struct err *err)
{
    struct slice word = word_of(c);
    size_t i = 0;
    while (i < COUNT_OF(subjects) && !slice_eq(subjects[i].name, word))
        i++;
    if (i == COUNT_OF(subjects))
        return fail(c, "expected what is to be looked at", subject_names, err);
    c->at += word.len;
    d->subject = subjects[i].subject;
    d->kind = subjects[i].kind;
    if (d->subject == ON_JSON)
        return parse_path(d, c, err);
    if (d->subject == ON_HEADER) {
        d->name = word_of(c);
        if (d->name.len == 0)
            return fail(c, "expected a header's name", NULL, err);
        c->at += d->name.len;
    }
    if (d->subject == ON_CERTIFICATE) {
        word = word_of(c);
        if (!slice_eq(word, SLICE("days")))
            return fail(c, "expected \"days\" after \"certificate\"", NULL, err);
        c->at += word.len;
    }
    return ST_OK;
}

/* A text in quotes (with \" and \\), or up to one of stops, or to the end. */
static enum status parse_text(struct condition *d, struct cursor *c, const char *stops, struct slice *out, struct err *err)
{
    struct slice rest = rest_of(c);
    if (rest.len && (rest.ptr[0] == '"' || rest.ptr[0] == '\'')) {
        char *to = arena_alloc(d->arena, rest.len);
        size_t n = 0, i = 1;
        for (; i < rest.len && rest.ptr[i] != rest.ptr[0]; i++) {
            if (rest.ptr[i] == '\\' && rest.ptr[0] == '"' && i + 1 < rest.len)
                i++;
            to[n++] = rest.ptr[i];
        }
        if (i >= rest.len)
            return fail(c, "the text does not end", "a closing quote", err);
        c->at += i + 1;
        *out = slice_of(to, n);
        return ST_OK;
    }
    size_t n = 0;
    while (n < rest.len && (stops == NULL || strchr(stops, rest.ptr[n]) == NULL))
        n++;
    *out = slice_trim(slice_sub(rest, 0, n));
    if (out->len == 0)
        return fail(c, "expected a value", NULL, err);
    c->at += n;
    return ST_OK;
}

static enum status parse_regex(struct condition *d, struct cursor *c, struct err *err)
{
    struct slice rest = rest_of(c);
    struct err why;
    unsigned flags = REGEX_DOTALL;
    size_t end = rest.len;
    if (rest.len < 2 || rest.ptr[0] != '/')
        return fail(c, "expected a regex in slashes", "/re/ or /re/i", err);
    while (end > 1 && rest.ptr[end - 1] != '/')
        end--;
    struct slice after = slice_trim(slice_skip(rest, end));
    if (end <= 2 || (after.len && !slice_eq(after, SLICE("i"))))
        return fail(c, "expected a regex in slashes", "/re/ or /re/i", err);
    if (after.len)
        flags |= REGEX_NOCASE;
    if (regex_compile(&d->regex, slice_sub(rest, 1, end - 1), flags, &why))
        return err_set(err, ST_INVALID, "condition \"%.*s\": column %zu: %s", SLICE_FMT(slice_sub(c->all, 0, 160)), c->at + 1, why.text);
    c->at = c->all.len;
    return ST_OK;
}

static enum status parse_list(struct condition *d, struct cursor *c, struct err *err)
{
    struct slice rest = rest_of(c);
    if (rest.len == 0 || rest.ptr[0] != '[')
        return fail(c, "expected a list", "[200, 204]", err);
    c->at++;
    for (;;) {
        if (d->value_count == CONDITION_LIST_MAX)
            return err_set(err, ST_LIMIT, "condition \"%.*s\": the list has more than %d values", SLICE_FMT(slice_sub(c->all, 0, 160)),
                           CONDITION_LIST_MAX);
        enum status st = parse_text(d, c, ",]", &d->values[d->value_count], err);
        if (st)
            return st;
        d->value_count++;
        rest = rest_of(c);
        if (rest.len == 0 || (rest.ptr[0] != ',' && rest.ptr[0] != ']'))
            return fail(c, "the list does not end", "]", err);
        c->at++;
        if (rest.ptr[0] == ']')
            return ST_OK;
    }
}

/* Numbers, durations and days are read once, here. */
static enum status parse_value(struct condition *d, struct cursor *c, struct err *err)
{
    if (d->compare == CMP_EXISTS)
        return ST_OK;
    if (d->compare == CMP_MATCHES)
        return parse_regex(d, c, err);
    if (d->compare == CMP_IN) {
        enum status st = parse_list(d, c, err);
        double v;
        for (size_t i = 0; !st && i < d->value_count && d->kind == KIND_NUMBER; i++)
            if (!num_parse_double(d->values[i], &v))
                return err_set(err, ST_INVALID, "condition \"%.*s\": \"%.*s\" in the list is no number", SLICE_FMT(slice_sub(c->all, 0, 160)),
                               SLICE_FMT(d->values[i]));
        return st;
    }
    (void)rest_of(c);
    struct cursor before = *c;
    enum status st = parse_text(d, c, NULL, &d->values[0], err);
    d->value_count = 1;
    if (st)
        return st;
    if (d->kind == KIND_DURATION && !duration_parse_go(d->values[0], &d->value_ns))
        return fail(&before, "expected a duration", "500ms, 2s, 1m30s", err);
    if ((d->kind == KIND_NUMBER || d->kind == KIND_DAYS) && !num_parse_double(d->values[0], &d->value_number))
        return fail(&before, "expected a number", NULL, err);
    return ST_OK;
}

static enum status parse_compare(struct condition *d, struct cursor *c, struct err *err)
{
    static const char for_texts[] = "==, !=, contains, matches, in, exists, and \"not\" before the last four";
    static const char for_json[] = "==, !=, <, <=, >, >=, contains, matches, in, exists";
    static const char for_counts[] = "==, !=, <, <=, >, >=";
    static const char for_status[] = "==, !=, <, <=, >, >=, in [200, 204]";
    const char *allowed = d->kind == KIND_TEXT ? for_texts : d->kind == KIND_JSON ? for_json : d->kind == KIND_NUMBER ? for_status : for_counts;
    struct slice word = word_of(c);
    if (slice_eq(word, SLICE("not"))) {
        d->is_not = true;
        c->at += word.len;
    }
    struct slice rest = rest_of(c);
    word = word_of(c);
    for (size_t i = 0; i < COUNT_OF(compares); i++) {
        bool fits = word.len ? slice_eq(compares[i].name, word) : slice_starts(rest, compares[i].name);
        if (!fits)
            continue;
        if (!(compares[i].kinds & d->kind) || (d->is_not && compares[i].compare < CMP_IN))
            break;
        d->compare = compares[i].compare;
        c->at += compares[i].name.len;
        return ST_OK;
    }
    return fail(c, "expected a comparison", allowed, err);
}

static struct condition *condition_new(struct slice text)
{
    struct condition *d = mem_new(struct condition);
    d->arena = arena_new(0);
    d->text = text;
    return d;
}

void condition_free(struct condition *c)
{
    if (c == NULL)
        return;
    regex_free(c->regex);
    arena_free(c->arena);
    mem_free(c);
}

static enum status parse(struct slice text, bool is_pick, struct condition **out, struct err *err)
{
    if (text.len > CONDITION_TEXT_BYTES_MAX)
        return err_set(err, ST_LIMIT, "a condition has %zu bytes, at most %d are allowed", text.len, CONDITION_TEXT_BYTES_MAX);
    struct condition *d = condition_new(text);
    struct cursor c = { text, 0 };
    d->is_pick = is_pick;
    enum status st = parse_subject(d, &c, err);
    if (!st && !is_pick)
        st = parse_compare(d, &c, err);
    if (!st && !is_pick)
        st = parse_value(d, &c, err);
    if (!st && is_pick && d->subject == ON_BODY && rest_of(&c).len)
        st = parse_regex(d, &c, err);
    if (!st && is_pick && d->kind == KIND_DURATION)
        st = err_set(err, ST_INVALID, "save \"%.*s\": a duration cannot be saved; allowed: json .PATH, header NAME, body, body /re(group)/, status",
                     SLICE_FMT(text));
    if (!st && rest_of(&c).len)
        st = fail(&c, "expected the end", NULL, err);
    if (st) {
        condition_free(d);
        return st;
    }
    *out = d;
    return ST_OK;
}

enum status condition_parse(struct slice text, struct condition **out, struct err *err)
{
    return parse(text, false, out, err);
}

enum status pick_parse(struct slice text, struct condition **out, struct err *err)
{
    return parse(text, true, out, err);
}

struct slice condition_text(const struct condition *c)
{
    return c->text;
}

/* ---- looking at an answer ---- */

bool answer_header(struct slice headers, struct slice name, struct slice *value)
{
    struct slice line, head, tail;
    while (slice_next(&headers, '\n', &line))
        if (slice_cut(line, ':', &head, &tail) && slice_eq_nocase(head, name)) {
            *value = slice_trim(tail);
            return true;
        }
    return false;
}

/* The JSON value at the path as text: strings as they are, the rest as JSON. */
static enum status json_at(const struct condition *c, const struct answer_view *v, struct arena *a, struct slice *out, struct err *err)
{
    struct json_parser *p = json_parser_new();
    struct json_value at, item;
    struct err why;
    enum status st = ST_OK;
    if (json_parse(p, v->body, &at, &why))
        st = err_set(err, ST_INVALID, "the body is no JSON: %s", why.text);
    for (size_t i = 0; !st && i < c->part_count; i++) {
        struct slice part = c->parts[i];
        bool found = false;
        if (part.len && part.ptr[0] == '[') {
            uint64_t index = 0, n = 0;
            (void)num_parse_u64(slice_sub(part, 1, part.len - (part.ptr[part.len - 1] == ']')), &index);
            for (struct json_iter it = json_array(at); !found && json_array_next(&it, &item); n++)
                found = n == index;
        } else {
            found = json_get(at, part, &item);
        }
        if (found)
            at = item;
        else
            st = err_set(err, ST_NOT_FOUND, "the body has no %.*s", SLICE_FMT(c->name));
    }
    if (!st && json_type(at) == JSON_STRING) {
        *out = arena_copy(a, json_get_string(at));
    } else if (!st) {
        struct buf text;
        buf_init(&text, 0);
        json_write_value(at, &text);
        *out = arena_copy(a, buf_as_slice(&text));
        buf_free(&text);
    }
    json_parser_free(p);
    return st;
}

static enum status text_at(const struct condition *c, const struct answer_view *v, struct arena *a, struct slice *out, struct err *err)
{
    if (c->subject == ON_JSON)
        return json_at(c, v, a, out, err);
    if (c->subject == ON_BODY) {
        *out = v->body;
        return ST_OK;
    }
    if (!answer_header(v->headers, c->name, out))
        return err_set(err, ST_NOT_FOUND, "the answer has no header %.*s", SLICE_FMT(c->name));
    return ST_OK;
}

static int64_t duration_at(const struct condition *c, const struct answer_view *v)
{
    switch (c->subject) {
    case ON_LATENCY: return v->total_ns;
    case ON_DNS: return v->resolve_ns;
    case ON_CONNECT: return v->connect_ns;
    case ON_TLS: return v->tls_ns;
    case ON_REQUEST: return v->request_ns;
    case ON_FIRST_BYTE: return v->first_byte_ns;
    case ON_TRANSFER: return v->transfer_ns;
    case ON_STATUS:
    case ON_BODY:
    case ON_HEADER:
    case ON_JSON:
    case ON_CERTIFICATE: break;
    }
    return 0;
}

static bool holds(enum compare compare, int order)
{
    switch (compare) {
    case CMP_EQ: return order == 0;
    case CMP_NE: return order != 0;
    case CMP_LE: return order <= 0;
    case CMP_GE: return order >= 0;
    case CMP_LT: return order < 0;
    case CMP_GT: return order > 0;
    case CMP_IN:
    case CMP_CONTAINS:
    case CMP_MATCHES:
    case CMP_EXISTS: break;
    }
    return false;
}

static int order_of(double a, double b)
{
    return a < b ? -1 : a > b;
}

/* As numbers when both are. */
static int order_texts(struct slice a, struct slice b)
{
    double x, y;
    if (num_parse_double(a, &x) && num_parse_double(b, &y))
        return order_of(x, y);
    return slice_cmp(a, b);
}

static enum status not_so(const struct condition *c, struct slice found, struct err *err)
{
    bool cut = found.len > 80;
    return err_set(err, ST_INVALID, "expected %.*s, found %.*s%s", SLICE_FMT(slice_sub(c->text, 0, 200)), SLICE_FMT(slice_sub(found, 0, 80)),
                   cut ? "..." : found.len ? "" : "nothing");
}

static enum status check_text(const struct condition *c, const struct answer_view *v, struct err *err)
{
    struct arena *a = arena_new(0);
    struct slice found = SLICE_EMPTY;
    struct err why;
    enum status st = text_at(c, v, a, &found, &why);
    bool ok = !st;
    if (!st) {
        switch (c->compare) {
        case CMP_CONTAINS: ok = slice_contains(found, c->values[0]); break;
        case CMP_MATCHES: ok = regex_match(c->regex, found); break;
        case CMP_EXISTS: break;
        case CMP_IN:
            ok = false;
            for (size_t i = 0; i < c->value_count; i++)
                ok = ok || order_texts(found, c->values[i]) == 0;
            break;
        case CMP_EQ:
        case CMP_NE:
        case CMP_LE:
        case CMP_GE:
        case CMP_LT:
        case CMP_GT:
            ok = holds(c->compare, c->subject == ON_JSON ? order_texts(found, c->values[0]) : slice_cmp(found, c->values[0]));
            break;
        }
    }
    /* What is absent is not equal to anything, and does not contain anything; but a body that is no JSON fails all. */
    if (st == ST_NOT_FOUND && c->compare == CMP_NE)
        ok = true;
    if (st != ST_INVALID && c->is_not)
        ok = !ok;
    if (ok)
        st = ST_OK;
    else if (st)
        st = err_set(err, ST_INVALID, "expected %.*s: %s", SLICE_FMT(slice_sub(c->text, 0, 200)), why.text);
    else
        st = not_so(c, found, err);
    arena_free(a);
    return st;
}

static enum status check_status(const struct condition *c, const struct answer_view *v, struct err *err)
{
    char text[NUM_TEXT_BYTES_MAX];
    bool ok = c->compare == CMP_IN ? false : holds(c->compare, order_of(v->status, c->value_number));
    double one;
    for (size_t i = 0; c->compare == CMP_IN && i < c->value_count; i++)
        ok = ok || (num_parse_double(c->values[i], &one) && one == v->status);
    if (c->is_not)
        ok = !ok;
    return ok ? ST_OK : not_so(c, slice_of(text, num_format_i64(v->status, text)), err);
}

enum status condition_check(const struct condition *c, const struct answer_view *v, struct err *err)
{
    char text[NUM_TEXT_BYTES_MAX];
    assert(!c->is_pick);
    switch (c->kind) {
    case KIND_NUMBER: return check_status(c, v, err);
    case KIND_TEXT:
    case KIND_JSON: return check_text(c, v, err);
    case KIND_DAYS:
        if (!v->has_certificate)
            return err_set(err, ST_INVALID, "expected %.*s: the answer came without TLS", SLICE_FMT(slice_sub(c->text, 0, 200)));
        if (holds(c->compare, order_of(v->certificate_days, c->value_number)))
            return ST_OK;
        return not_so(c, slice_of(text, (size_t)snprintf(text, sizeof text, "%.1f days", v->certificate_days)), err);
    case KIND_DURATION: {
        int64_t found = duration_at(c, v);
        if (holds(c->compare, found < c->value_ns ? -1 : found > c->value_ns))
            return ST_OK;
        return not_so(c, slice_of(text, duration_format_go(found, text)), err);
    }
    }
    return ST_OK;
}

enum status pick_take(const struct condition *c, const struct answer_view *v, struct arena *a, struct slice *out, struct err *err)
{
    struct slice groups[2] = { SLICE_EMPTY, SLICE_EMPTY };
    assert(c->is_pick);
    if (c->subject == ON_STATUS) {
        *out = arena_printf(a, "%d", v->status);
        return ST_OK;
    }
    if (c->subject == ON_CERTIFICATE) {
        *out = arena_printf(a, "%.0f", v->certificate_days);
        return ST_OK;
    }
    enum status st = text_at(c, v, a, out, err);
    if (st || c->regex == NULL) {
        *out = st ? SLICE_EMPTY : arena_copy(a, *out);
        return st;
    }
    size_t want = regex_group_count(c->regex) ? 1 : 0;
    if (!regex_find(c->regex, *out, 0, groups, want + 1) || groups[want].ptr == NULL)
        return err_set(err, ST_NOT_FOUND, "the body has nothing that fits %.*s", SLICE_FMT(c->text));
    *out = arena_copy(a, groups[want]);
    return ST_OK;
}
