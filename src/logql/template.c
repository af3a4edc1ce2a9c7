/* SPDX-License-Identifier: Apache-2.0 */
/* The templates of line_format and label_format: text with {{ }} actions. An action is a pipeline of calls:
 *
 *     {{ .label }}   {{ .label | ToUpper }}   {{ printf "%s-%s" .a .b }}   {{ default "none" .a }}
 *     {{ __line__ }} {{ __timestamp__ }}
 *
 * The result of a call is the last argument of the next one, as in Go. Control words (if, range, with, ...) and functions
 * outside of the table are an error when the query is read, by name. */
#include "base/date.h"
#include "logql/record.h"
#include "logql/template_function.h"
#include "query/token.h"

enum { TEMPLATE_CALLS_MAX = 16, TEMPLATE_RUN_BYTES_MAX = 16 * MIB /* of all that one run makes on the way */ };

enum arg_kind { ARG_TEXT, ARG_LABEL, ARG_LINE, ARG_TIME };

struct arg {
    enum arg_kind kind;
    struct slice text; /* a literal, or the label's name */
};

struct call {
    const struct template_function *function; /* NULL: just the one argument */
    struct arg args[TEMPLATE_ARGS_MAX];
    size_t count;
};

struct node {
    struct node *next;
    struct slice text; /* when there are no calls */
    struct call *calls;
    size_t call_count;
};

struct template {
    struct node *first;
};

/* ---- reading ---- */

static size_t word_length(struct slice s)
{
    size_t n = 0;
    while (n < s.len && (token_is_alnum(s.ptr[n]) || s.ptr[n] == '.' || s.ptr[n] == '-'))
        n++;
    return n;
}

static enum status read_arg(struct arena *a, struct slice *rest, struct call *c, struct err *err)
{
    size_t n;
    if (c->count == TEMPLATE_ARGS_MAX)
        return err_set(err, ST_LIMIT, "template: more than %d arguments", TEMPLATE_ARGS_MAX);
    if (rest->ptr[0] == '"' || rest->ptr[0] == '`') {
        n = token_string(*rest, err);
        if (n == 0)
            return ST_INVALID;
        struct arg *text = &c->args[c->count++];
        text->kind = ARG_TEXT;
        enum status st = token_unquote(a, slice_sub(*rest, 0, n), &text->text, err);
        *rest = slice_skip(*rest, n);
        return st;
    }
    n = word_length(*rest);
    struct slice word = slice_sub(*rest, 0, n);
    if (n == 0)
        return err_set(err, ST_INVALID, "template: unexpected '%c'", rest->ptr[0]);
    *rest = slice_skip(*rest, n);
    if (word.ptr[0] == '.' && word.len > 1) {
        c->args[c->count++] = (struct arg){ ARG_LABEL, slice_skip(word, 1) };
    } else if (token_is_digit(word.ptr[0]) || word.ptr[0] == '-') {
        c->args[c->count++] = (struct arg){ ARG_TEXT, word };
    } else if (slice_eq(word, SLICE("__line__"))) {
        c->args[c->count++] = (struct arg){ ARG_LINE, word };
    } else if (slice_eq(word, SLICE("__timestamp__"))) {
        c->args[c->count++] = (struct arg){ ARG_TIME, word };
    } else if (c->function || c->count) {
        return err_set(err, ST_INVALID, "template: unexpected \"%.*s\"", SLICE_FMT(word));
    } else {
        c->function = template_function_find(word);
        if (c->function == NULL)
            return err_set(err, ST_UNSUPPORTED, "template: function \"%.*s\" is not defined", SLICE_FMT(word));
    }
    return ST_OK;
}

static enum status read_action(struct arena *a, struct slice text, struct node *n, struct err *err)
{
    n->calls = arena_zalloc(a, TEMPLATE_CALLS_MAX * sizeof *n->calls);
    struct call *c = &n->calls[n->call_count++];
    c->function = NULL;
    for (;;) {
        text = slice_trim(text);
        if (text.len == 0)
            break;
        if (text.ptr[0] == '|') {
            if (n->call_count == TEMPLATE_CALLS_MAX)
                return err_set(err, ST_LIMIT, "template: more than %d calls in a row", TEMPLATE_CALLS_MAX);
            c = &n->calls[n->call_count++];
            c->function = NULL;
            text = slice_skip(text, 1);
            continue;
        }
        enum status st = read_arg(a, &text, c, err);
        if (st)
            return st;
    }
    for (size_t i = 0; i < n->call_count; i++) {
        size_t given = n->calls[i].count + (i > 0);
        const struct template_function *f = n->calls[i].function;
        if (f ? given < f->args_min || given > f->args_max : given != 1)
            return err_set(err, ST_INVALID, "template: wrong number of arguments%s%.*s: %zu", f ? " for " : "", f ? (int)f->name.len : 0,
                           f ? f->name.ptr : "", given);
    }
    return ST_OK;
}

enum status template_parse(struct arena *a, struct slice text, struct template **out, struct err *err)
{
    struct template *t = arena_new_of(a, struct template);
    struct node **tail = &t->first;
    while (text.len) {
        struct node *n = arena_new_of(a, struct node);
        size_t open = slice_find(text, SLICE("{{"), 0);
        *tail = n;
        tail = &n->next;
        if (open != 0) {
            n->text = slice_sub(text, 0, open);
            text = slice_skip(text, MIN(open, text.len));
            continue;
        }
        size_t close = slice_find(text, SLICE("}}"), 2);
        if (close == SIZE_MAX)
            return err_set(err, ST_INVALID, "template: unclosed action, \"{{\" without \"}}\"");
        enum status st = read_action(a, slice_sub(text, 2, close), n, err);
        if (st)
            return st;
        text = slice_skip(text, close + 2);
    }
    *out = t;
    return ST_OK;
}

/* ---- running ---- */

static struct slice arg_value(const struct arg *g, struct arena *a, const struct record *r)
{
    switch (g->kind) {
    case ARG_TEXT: return g->text;
    case ARG_LABEL: return record_get(r, g->text);
    case ARG_LINE: return r->line;
    case ARG_TIME: {
        char text[DATE_TEXT_BYTES_MAX];
        return arena_copy(a, slice_of(text, date_format_rfc3339(r->time_ns, 0, DATE_DIGITS_SHORTEST, text)));
    }
    }
    return SLICE_EMPTY;
}

bool template_run(const struct template *t, struct arena *a, const struct record *r, struct buf *out, const char **why)
{
    size_t before = arena_bytes(a);
    for (const struct node *n = t->first; n && !buf_over(out); n = n->next) {
        struct slice value = n->text;
        for (size_t i = 0; i < n->call_count; i++) {
            struct slice values[TEMPLATE_ARGS_MAX + 1];
            const struct call *c = &n->calls[i];
            size_t count = 0;
            for (size_t k = 0; k < c->count; k++)
                values[count++] = arg_value(&c->args[k], a, r);
            if (i > 0)
                values[count++] = value;
            if (c->function == NULL) {
                value = values[0];
            } else if (!c->function->run(a, values, count, &value)) {
                *why = "a template function cannot take these values";
                return false;
            }
            if (arena_bytes(a) - before > TEMPLATE_RUN_BYTES_MAX) {
                *why = "the template needs too much memory";
                return false;
            }
        }
        buf_slice(out, value);
    }
    *why = "the result is too long";
    return !buf_over(out);
}
