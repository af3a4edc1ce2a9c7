/* SPDX-License-Identifier: Apache-2.0 */
/* Reading Go templates. The text is cut into runs of plain text and actions ({{ ... }}, with trim marks); an action is a control
 * word or a pipeline. Blocks nest by recursion: block_read reads nodes up to the `end` or `else` that closes it. Variables are
 * checked against what is in scope where they stand, so that a wrong name is found when the file is loaded.
 *
 * Arguments that are constants are brought into the form that their function wants here, and patterns among them are compiled; what
 * cannot be brought into it is a fault of the command, which is told at once, or in strict templates when it runs, as Go does. */
#include "query/gotmpl.h"

#include "base/num.h"
#include "base/utf8.h"
#include "codec/regex.h"
#include "query/gotmpl_parts.h"
#include "query/gotmpl_time.h"
#include "query/token.h"

enum closer { CLOSER_EOF, CLOSER_END, CLOSER_ELSE };

struct reading {
    struct arena *a;
    struct gotmpl *t;
    const struct gotmpl_options *opt;
    struct slice text, rest; /* all of it; what is not read yet */
    struct slice action;     /* what is left of the action being read */
    struct slice names[GOTMPL_VARIABLES_MAX];
    size_t name_count;
    unsigned depth, loops;
    bool trim_left; /* the last action ended with -}} */
    struct err *err;
};

static enum status block_read(struct reading *r, struct tnode **out, enum closer *closer);
static enum status pipe_read(struct reading *r, bool in_parens, struct pipe **out);

static enum status fail(struct reading *r, const char *what, struct slice word)
{
    size_t offset = r->action.ptr ? (size_t)(r->action.ptr - r->text.ptr) : r->text.len - r->rest.len;
    size_t line = token_place_of(r->text, offset).line;
    struct slice at = r->opt->name ? arena_printf(r->a, "%s:%zu", r->opt->name, line) : arena_printf(r->a, "line %zu", line);
    return err_set(r->err, ST_INVALID, "template: %.*s: %s%s%.*s%s", SLICE_FMT(at), what, word.len ? " \"" : "", SLICE_FMT(word),
                   word.len ? "\"" : "");
}

static void skip_space(struct reading *r)
{
    while (r->action.len && token_is_space(r->action.ptr[0]))
        r->action = slice_skip(r->action, 1);
}

static bool accept(struct reading *r, struct slice text)
{
    skip_space(r);
    if (!slice_starts(r->action, text))
        return false;
    r->action = slice_skip(r->action, text.len);
    return true;
}

/* The identifier at the front, taken; empty when there is none. */
static struct slice take_word(struct reading *r)
{
    skip_space(r);
    size_t n = token_ident(r->action, false);
    struct slice word = slice_sub(r->action, 0, n);
    r->action = slice_skip(r->action, n);
    return word;
}

static struct slice peek_word(struct reading *r)
{
    skip_space(r);
    return slice_sub(r->action, 0, token_ident(r->action, false));
}

static bool is_known(const struct reading *r, struct slice name)
{
    for (size_t i = r->name_count; i > 0; i--)
        if (slice_eq(r->names[i - 1], name))
            return true;
    return false;
}

static enum status fields_read(struct reading *r, struct operand *o)
{
    while (r->action.len > 1 && r->action.ptr[0] == '.' && token_is_alpha(r->action.ptr[1])) {
        r->action = slice_skip(r->action, 1);
        size_t n = token_ident(r->action, false);
        ARENA_PUSH(r->a, o->fields, o->field_count, o->field_cap) = slice_sub(r->action, 0, n);
        r->action = slice_skip(r->action, n);
    }
    return ST_OK;
}

static enum status number_read(struct reading *r, struct operand *o)
{
    size_t n = 0;
    bool is_hex = r->action.len > 1 && r->action.ptr[0] == '0' && (r->action.ptr[1] | 32) == 'x';
    while (n < r->action.len) {
        char c = r->action.ptr[n], before = n ? (char)(r->action.ptr[n - 1] | 32) : 0;
        bool is_sign = (c == '-' || c == '+') && (n == 0 || before == 'p' || (before == 'e' && !is_hex));
        if (!token_is_alnum(c) && c != '.' && !is_sign)
            break;
        n++;
    }
    struct slice text = slice_sub(r->action, 0, n), digits = text;
    bool is_negative = n && text.ptr[0] == '-';
    if (n && (is_negative || text.ptr[0] == '+'))
        digits = slice_skip(digits, 1);
    int64_t i;
    double f;
    if (gotmpl_int_parse(text, &i))
        o->value = gotmpl_int(i);
    else if (token_number_parse(digits, &f))
        o->value = gotmpl_float(is_negative ? -f : f);
    else
        return fail(r, "bad number syntax:", text);
    r->action = slice_skip(r->action, n);
    return ST_OK;
}

static enum status string_read(struct reading *r, struct operand *o)
{
    size_t n = token_string(r->action, r->err);
    struct slice text;
    if (n == 0)
        return err_prefix(r->err, "template: ");
    enum status st = token_unquote(r->a, slice_sub(r->action, 0, n), &text, r->err);
    if (st)
        return err_prefix(r->err, "template: ");
    o->value = gotmpl_text(text);
    if (r->action.ptr[0] == '\'') { /* a character constant is its number */
        uint32_t c;
        size_t used = utf8_decode(text, &c);
        if (used == 0 || used != text.len)
            return fail(r, "not one character:", slice_sub(r->action, 0, n));
        o->value = gotmpl_int(c);
    }
    r->action = slice_skip(r->action, n);
    return ST_OK;
}

static enum status word_read(struct reading *r, struct operand *o)
{
    struct slice word = take_word(r);
    if (slice_eq(word, SLICE("true")) || slice_eq(word, SLICE("false"))) {
        o->value = gotmpl_bool(word.ptr[0] == 't');
        return ST_OK;
    }
    if (slice_eq(word, SLICE("nil")))
        return ST_OK;
    o->kind = OPERAND_FUNCTION;
    o->function = gotmpl_function_find(r->opt->functions, word);
    if (o->function == NULL)
        o->function = gotmpl_function_find(&gotmpl_builtins, word);
    if (o->function)
        return ST_OK;
    return fail(r, arena_printf(r->a, "function \"%.*s\" not defined", SLICE_FMT(word)).ptr, SLICE_EMPTY);
}

static enum status operand_read(struct reading *r, struct operand *o)
{
    char c = r->action.ptr[0], next = r->action.len > 1 ? r->action.ptr[1] : 0;
    const char *from = r->action.ptr;
    enum status st = ST_OK;
    *o = (struct operand){.kind = OPERAND_VALUE};
    if (c == '"' || c == '`' || c == '\'') {
        st = string_read(r, o);
    } else if (c == '$') {
        size_t n = 1 + token_ident(slice_skip(r->action, 1), false);
        o->kind = OPERAND_VARIABLE;
        r->t->has_variables = true;
        o->name = slice_sub(r->action, 0, n);
        if (!is_known(r, o->name))
            return fail(r, "there is no variable", o->name);
        r->action = slice_skip(r->action, n);
    } else if (c == '.' && !token_is_digit(next)) {
        o->kind = OPERAND_DOT;
        if (!token_is_alpha(next))
            r->action = slice_skip(r->action, 1);
    } else if (token_is_digit(c) || c == '.' || ((c == '-' || c == '+') && (token_is_digit(next) || next == '.'))) {
        st = number_read(r, o);
    } else if (c == '(') {
        r->action = slice_skip(r->action, 1);
        o->kind = OPERAND_PIPE;
        st = pipe_read(r, true, &o->pipe);
        if (!st && !accept(r, SLICE(")")))
            return fail(r, "a ( without )", SLICE_EMPTY);
    } else if (token_is_alpha(c)) {
        st = word_read(r, o);
    } else {
        return fail(r, "unexpected", slice_sub(r->action, 0, 1));
    }
    if (!st)
        st = fields_read(r, o);
    o->source = slice_of(from, (size_t)(r->action.ptr - from));
    return st;
}

/* A constant as its function wants it. */
static enum status constant_fit(struct reading *r, struct command *c, size_t i)
{
    const struct gotmpl_function *f = c->args[0].function;
    struct operand *o = &c->args[i];
    struct regex *re;
    if (o->kind != OPERAND_VALUE || o->field_count)
        return ST_OK;
    if (f->params && !gotmpl_param(r->a, gotmpl_param_kind(f->params, i - 1), o->source, &o->value, &c->fault)) {
        c->fault_at = o->source;
        return ST_OK;
    }
    if (f->zone == i && o->value.type == GOTMPL_TEXT)
        o->value.zone = gotmpl_zone(r->a, o->value.text);
    if (f->regex != i || o->value.type != GOTMPL_TEXT || r->opt->regex == NULL)
        return ST_OK;
    enum status st = r->opt->regex(r->opt->arg, o->value.text, &re, r->err);
    if (st == ST_OK)
        o->value.re = re;
    return st == ST_LIMIT ? err_prefix(r->err, "template: ") : ST_OK;
}

/* What can be judged of a command as it stands there. position: from 0 in its pipeline. */
static enum status command_check(struct reading *r, size_t position, struct command *c)
{
    const struct operand *first = &c->args[0];
    const struct gotmpl_function *f = first->function;
    size_t given = c->count - 1 + (position > 0);
    bool is_call = first->kind == OPERAND_FUNCTION && first->field_count == 0;
    enum status st = ST_OK;
    c->fault_at = first->source;
    if (position > 0 && (first->kind == OPERAND_VALUE || (first->kind == OPERAND_DOT && first->field_count == 0)))
        return fail(r, "non executable command in pipeline:", first->source);
    if (first->kind == OPERAND_VALUE && first->value.type == GOTMPL_NIL) {
        c->fault = SLICE("nil is not a command");
    } else if (is_call && (given < f->args_min || given > f->args_max)) {
        if (!r->opt->is_strict)
            return fail(r, "wrong number of arguments for", f->name);
        c->fault = f->args_min == f->args_max || given > f->args_max
                       ? arena_printf(r->a, "wrong number of args for %.*s: want %zu got %zu", SLICE_FMT(f->name), f->args_max, given)
                       : arena_printf(r->a, "wrong number of args for %.*s: want at least %zu got %zu", SLICE_FMT(f->name), f->args_min, given);
    } else if (!is_call && given) {
        if (!r->opt->is_strict)
            return fail(r, "only a function takes arguments", SLICE_EMPTY);
        if (first->field_count == 0)
            c->fault = arena_printf(r->a, "can't give argument to non-function %.*s", SLICE_FMT(first->source));
    }
    for (size_t i = 1; !st && is_call && i < c->count && c->fault.len == 0; i++)
        st = constant_fit(r, c, i);
    if (!st && c->fault.len && !r->opt->is_strict)
        st = fail(r, c->fault.ptr, SLICE_EMPTY);
    return st;
}

/* A command: a function with arguments, or one operand. */
static enum status command_read(struct reading *r, size_t position, struct command **out)
{
    struct command *c = arena_new_of(r->a, struct command);
    struct operand args[GOTMPL_ARGS_MAX];
    c->fault = SLICE_EMPTY;
    for (;;) {
        skip_space(r);
        if (r->action.len == 0 || r->action.ptr[0] == '|' || r->action.ptr[0] == ')')
            break;
        if (c->count == GOTMPL_ARGS_MAX)
            return fail(r, "too many arguments", SLICE_EMPTY);
        enum status st = operand_read(r, &args[c->count++]);
        if (st)
            return st;
    }
    if (c->count == 0)
        return fail(r, "an empty command", SLICE_EMPTY);
    c->args = arena_array(r->a, struct operand, c->count);
    memcpy(c->args, args, c->count * sizeof *args);
    const struct slice *last = &args[c->count - 1].source;
    c->source = slice_of(args[0].source.ptr, (size_t)(last->ptr + last->len - args[0].source.ptr));
    *out = c;
    return command_check(r, position, c);
}

/* "$x :=", "$i, $e :=", "$x =" at the front; nothing is taken when there is none. */
static enum status declaration_read(struct reading *r, struct pipe *p)
{
    struct slice before = r->action;
    skip_space(r);
    while (r->action.len && r->action.ptr[0] == '$' && p->name_count < COUNT_OF(p->names)) {
        size_t n = 1 + token_ident(slice_skip(r->action, 1), false);
        p->names[p->name_count++] = slice_sub(r->action, 0, n);
        r->action = slice_skip(r->action, n);
        if (!accept(r, SLICE(",")))
            break;
        skip_space(r);
    }
    bool declares = p->name_count && accept(r, SLICE(":="));
    if (!declares && p->name_count == 1 && accept(r, SLICE("="))) {
        p->is_assignment = true;
        return is_known(r, p->names[0]) ? ST_OK : fail(r, "there is no variable", p->names[0]);
    }
    if (!declares) {
        p->name_count = 0;
        r->action = before;
    }
    return ST_OK;
}

static enum status pipe_read(struct reading *r, bool in_parens, struct pipe **out)
{
    struct pipe *p = arena_new_of(r->a, struct pipe);
    struct command **tail = &p->first;
    size_t position = 0;
    if (++r->depth > GOTMPL_DEPTH_MAX)
        return err_set(r->err, ST_LIMIT, "template: nested more than %d deep", GOTMPL_DEPTH_MAX);
    enum status st = in_parens ? ST_OK : declaration_read(r, p);
    do {
        if (!st)
            st = command_read(r, position++, tail);
        if (!st)
            tail = &(*tail)->next;
    } while (!st && accept(r, SLICE("|")));
    if (!st && !in_parens && r->action.len)
        st = fail(r, "unexpected", slice_sub(r->action, 0, 1));
    for (size_t i = 0; !st && !p->is_assignment && i < p->name_count; i++) {
        if (r->name_count == GOTMPL_VARIABLES_MAX)
            return err_set(r->err, ST_LIMIT, "template: more than %d variables", GOTMPL_VARIABLES_MAX);
        r->names[r->name_count++] = p->names[i];
    }
    r->depth--;
    *out = p;
    return st;
}

/* Cuts the next run of text and, behind it, the next action. False at the end of the template: text is all that was left. */
static enum status cut(struct reading *r, struct slice *text, bool *has_action)
{
    size_t open = slice_find(r->rest, SLICE("{{"), 0);
    *text = slice_sub(r->rest, 0, MIN(open, r->rest.len));
    *has_action = open != SIZE_MAX;
    bool was_trimmed = r->trim_left;
    r->trim_left = false;
    r->action = SLICE_EMPTY;
    r->action.ptr = NULL;
    if (*has_action) {
        r->rest = slice_skip(r->rest, open + 2);
        bool trims = r->rest.len > 1 && r->rest.ptr[0] == '-' && token_is_space(r->rest.ptr[1]);
        if (trims) {
            r->rest = slice_skip(r->rest, 1);
            while (text->len && token_is_space(text->ptr[text->len - 1]))
                text->len--;
        }
        /* "}}" in a string or a comment does not end the action. */
        size_t at = 0;
        while (at + 1 < r->rest.len && !(r->rest.ptr[at] == '}' && r->rest.ptr[at + 1] == '}')) {
            struct slice here = slice_skip(r->rest, at);
            size_t n = 1;
            if (slice_starts(here, SLICE("/*"))) {
                size_t end = slice_find(here, SLICE("*/"), 2);
                n = end == SIZE_MAX ? here.len : end + 2;
            } else if (here.ptr[0] == '"' || here.ptr[0] == '`' || here.ptr[0] == '\'') {
                n = token_string(here, r->err);
                n = n ? n : here.len;
            }
            at += n;
        }
        if (at + 1 >= r->rest.len)
            return fail(r, "unclosed action, {{ without }}", SLICE_EMPTY);
        r->action = slice_sub(r->rest, 0, at);
        r->rest = slice_skip(r->rest, at + 2);
        if (r->action.len > 1 && slice_ends(r->action, SLICE("-")) && token_is_space(r->action.ptr[r->action.len - 2])) {
            r->action.len--;
            r->trim_left = true;
        }
    } else {
        r->rest = SLICE_EMPTY;
    }
    while (was_trimmed && text->len && token_is_space(text->ptr[0]))
        *text = slice_skip(*text, 1);
    return ST_OK;
}

/* if, with, range: the control word is taken. `else if` becomes a nested block in otherwise. */
static enum status branch_read(struct reading *r, struct tnode *n)
{
    enum closer closer;
    size_t known = r->name_count;
    bool is_loop = n->kind == TNODE_RANGE;
    if (r->depth > GOTMPL_DEPTH_MAX / 2)
        return err_set(r->err, ST_LIMIT, "template: blocks nested more than %d deep", GOTMPL_DEPTH_MAX / 2);
    enum status st = pipe_read(r, false, &n->pipe);
    r->depth++;
    r->loops += is_loop;
    if (!st)
        st = block_read(r, &n->body, &closer);
    r->loops -= is_loop;
    if (!st && closer == CLOSER_ELSE) {
        struct slice word = peek_word(r);
        bool is_if = slice_eq(word, SLICE("if")), is_with = slice_eq(word, SLICE("with"));
        if (is_if || is_with) {
            take_word(r);
            n->otherwise = arena_new_of(r->a, struct tnode);
            n->otherwise->kind = is_if ? TNODE_IF : TNODE_WITH;
            st = branch_read(r, n->otherwise);
            closer = CLOSER_END;
        } else if (r->action.len) {
            st = fail(r, "unexpected after else:", r->action);
        } else {
            st = block_read(r, &n->otherwise, &closer);
        }
    }
    if (!st && closer != CLOSER_END)
        st = fail(r, closer == CLOSER_EOF ? "a block without {{ end }}" : "a second else", SLICE_EMPTY);
    r->depth--;
    r->name_count = known;
    return st;
}

static enum status define_read(struct reading *r, bool is_block, struct tnode *n)
{
    struct operand name = {.kind = OPERAND_VALUE};
    struct tnode *body = NULL;
    enum closer closer;
    skip_space(r);
    if (r->action.len == 0 || (r->action.ptr[0] != '"' && r->action.ptr[0] != '`'))
        return fail(r, "define and block want a name in quotes", SLICE_EMPTY);
    enum status st = string_read(r, &name);
    if (!st && is_block)
        st = pipe_read(r, false, &n->pipe);
    size_t known = r->name_count;
    unsigned loops = r->loops;
    r->loops = 0; /* it is called from elsewhere: a break has no loop here */
    r->depth++;
    if (!st && r->depth > GOTMPL_DEPTH_MAX / 2)
        st = err_set(r->err, ST_LIMIT, "template: blocks nested more than %d deep", GOTMPL_DEPTH_MAX / 2);
    if (!st)
        st = block_read(r, &body, &closer);
    r->depth--;
    r->loops = loops;
    r->name_count = known;
    if (!st && closer != CLOSER_END)
        st = fail(r, "a define without {{ end }}", SLICE_EMPTY);
    if (st)
        return st;
    ARENA_PUSH(r->a, r->t->defines, r->t->define_count, r->t->define_cap) = (struct define){name.value.text, body};
    n->text = name.value.text;
    return ST_OK;
}

static enum status template_read(struct reading *r, struct tnode *n)
{
    struct operand name = {.kind = OPERAND_VALUE};
    skip_space(r);
    if (r->action.len == 0 || (r->action.ptr[0] != '"' && r->action.ptr[0] != '`'))
        return fail(r, "template wants a name in quotes", SLICE_EMPTY);
    enum status st = string_read(r, &name);
    n->text = name.value.text;
    skip_space(r);
    return st || r->action.len == 0 ? st : pipe_read(r, false, &n->pipe);
}

/* One action into n; n stays TNODE_TEXT when there is nothing to do. */
static enum status action_read(struct reading *r, struct tnode *n, enum closer *closer)
{
    static const struct {
        struct slice word;
        enum tnode_kind kind;
    } branches[] = {{SLICE_INIT("if"), TNODE_IF}, {SLICE_INIT("with"), TNODE_WITH}, {SLICE_INIT("range"), TNODE_RANGE}};
    struct slice word = peek_word(r);
    if (slice_starts(r->action, SLICE("/*")))
        return ST_OK;
    for (size_t i = 0; i < COUNT_OF(branches); i++) {
        if (slice_eq(word, branches[i].word)) {
            take_word(r);
            n->kind = branches[i].kind;
            return branch_read(r, n);
        }
    }
    if (slice_eq(word, SLICE("end")) || slice_eq(word, SLICE("else"))) {
        take_word(r);
        skip_space(r);
        *closer = word.len == 3 ? CLOSER_END : CLOSER_ELSE;
        return ST_OK;
    }
    bool is_block = slice_eq(word, SLICE("block"));
    if (is_block || slice_eq(word, SLICE("define"))) {
        take_word(r);
        n->kind = is_block ? TNODE_TEMPLATE : TNODE_TEXT;
        enum status st = define_read(r, is_block, n);
        if (!is_block)
            n->text = SLICE_EMPTY;
        return st;
    }
    if (slice_eq(word, SLICE("template"))) {
        take_word(r);
        n->kind = TNODE_TEMPLATE;
        return template_read(r, n);
    }
    if (slice_eq(word, SLICE("break")) || slice_eq(word, SLICE("continue"))) {
        n->kind = word.ptr[0] == 'b' ? TNODE_BREAK : TNODE_CONTINUE;
        return r->loops ? ST_OK : fail(r, "outside of a range:", word);
    }
    n->kind = TNODE_PIPE;
    enum status st = pipe_read(r, false, &n->pipe);
    const struct command *c = st ? NULL : n->pipe->first;
    if (c && c->next == NULL && n->pipe->name_count == 0 && c->count == 1 && c->args[0].kind == OPERAND_DOT && c->args[0].field_count == 1) {
        n->kind = TNODE_FIELD;
        n->text = c->args[0].fields[0];
    }
    return st;
}

static enum status block_read(struct reading *r, struct tnode **out, enum closer *closer)
{
    struct tnode **tail = out;
    *out = NULL;
    *closer = CLOSER_EOF;
    for (;;) {
        struct slice text;
        bool has_action;
        enum status st = cut(r, &text, &has_action);
        if (st)
            return st;
        if (text.len) {
            *tail = arena_new_of(r->a, struct tnode);
            (*tail)->text = text;
            tail = &(*tail)->next;
        }
        if (!has_action)
            return ST_OK;
        enum closer found = CLOSER_EOF;
        struct tnode *n = arena_new_of(r->a, struct tnode);
        st = action_read(r, n, &found);
        if (st)
            return st;
        if (found != CLOSER_EOF) {
            *closer = found;
            return ST_OK;
        }
        *tail = n;
        tail = &n->next;
    }
}

enum status gotmpl_parse(struct arena *a, struct slice text, const struct gotmpl_options *opt, struct gotmpl **out, struct err *err)
{
    struct reading r = {.a = a, .t = arena_new_of(a, struct gotmpl), .opt = opt, .text = text, .rest = text, .err = err};
    enum closer closer;
    if (text.len > GOTMPL_TEXT_BYTES_MAX)
        return err_set(err, ST_LIMIT, "template: %zu bytes, at most %d are allowed", text.len, GOTMPL_TEXT_BYTES_MAX);
    r.t->text = text;
    r.t->name = opt->name;
    r.names[r.name_count++] = SLICE("$");
    for (size_t i = 0; i < opt->variable_count && r.name_count < GOTMPL_VARIABLES_MAX; i++)
        r.names[r.name_count++] = opt->variables[i];
    enum status st = block_read(&r, &r.t->first, &closer);
    if (!st && closer != CLOSER_EOF)
        st = fail(&r, closer == CLOSER_END ? "{{ end }} without a block" : "{{ else }} without a block", SLICE_EMPTY);
    if (!st)
        *out = r.t;
    return st;
}

void gotmpl_use(struct arena *a, struct gotmpl *t, const struct gotmpl *library)
{
    for (size_t i = 0; i < library->define_count; i++)
        ARENA_PUSH(a, t->defines, t->define_count, t->define_cap) = library->defines[i];
    t->has_variables |= library->has_variables;
}

bool gotmpl_is_plain(const struct gotmpl *t)
{
    for (const struct tnode *n = t->first; n; n = n->next)
        if (n->kind != TNODE_TEXT)
            return false;
    return true;
}

bool gotmpl_is_field(const struct gotmpl *t, struct slice *name)
{
    bool is_field = t->first && t->first->next == NULL && t->first->kind == TNODE_FIELD;
    if (is_field)
        *name = t->first->text;
    return is_field;
}
