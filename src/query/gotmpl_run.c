/* SPDX-License-Identifier: Apache-2.0 */
/* Running Go templates: a walk over the tree with a stack of variables. Steps, depth and output are bounded, so a template
 * cannot hang or fill the memory. */
#include "model/labels.h"
#include "query/gotmpl_parts.h"
#include "query/gotmpl_time.h"
#include "query/token.h"

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

struct running {
    const struct gotmpl *t;
    const struct gotmpl_env *env;
    struct buf *out;
    struct err *err;
    struct gotmpl_variable *variables; /* GOTMPL_VARIABLES_MAX of them */
    size_t variable_count;
    unsigned depth;
    size_t steps, arena_bytes; /* of the env's arena before the run */
    enum flow flow;
};

static enum status block_run(struct running *r, const struct tnode *n, const struct gotmpl_value *dot);
static enum status pipe_run(struct running *r, const struct pipe *p, const struct gotmpl_value *dot, struct gotmpl_value *out);

/* Why it failed, by the words of err, with the place in the template when it has a name. */
static enum status fail_at(struct running *r, struct slice source, enum status st)
{
    struct slice text = r->t->text;
    if (r->t->name == NULL || source.ptr < text.ptr || source.ptr > text.ptr + text.len)
        return err_prefix(r->err, "template: "), st;
    struct token_place at = token_place_of(text, (size_t)(source.ptr - text.ptr));
    err_prefix(r->err, "template: %s:%zu:%zu: executing \"%s\" at <%.*s>: ", r->t->name, at.line, at.column - 1, r->t->name, SLICE_FMT(source));
    return st;
}

static enum status fail_text(struct running *r, struct slice source, struct slice why)
{
    err_set(r->err, ST_INVALID, "%.*s", SLICE_FMT(why));
    return fail_at(r, source, ST_INVALID);
}

static struct gotmpl_value whole(const struct running *r, struct gotmpl_value v)
{
    return v.type == GOTMPL_SOURCE ? gotmpl_labels(v.source->all(v.source, r->env->arena)) : v;
}

/* One call. Its texts count too: they are looked at byte by byte. */
static enum status call(struct running *r, struct slice source, const struct gotmpl_function *f, struct gotmpl_value *args, size_t n,
                        struct gotmpl_value *out)
{
    enum { BYTES_PER_STEP = 256 };
    size_t made = f->regex ? f->regex - 1 : f->zone ? f->zone - 1 : SIZE_MAX;
    r->steps += 1 + (made >= n || args[made].type != GOTMPL_TEXT || args[made].re == NULL ? f->steps : 0);
    for (size_t i = 0; i < n; i++) {
        if (args[i].type == GOTMPL_SOURCE)
            args[i] = whole(r, args[i]);
        r->steps += args[i].type == GOTMPL_TEXT ? args[i].text.len / BYTES_PER_STEP : 0;
    }
    if (r->steps > GOTMPL_STEPS_MAX)
        return err_set(r->err, ST_LIMIT, "template: more than %d steps", GOTMPL_STEPS_MAX);
    enum status st = f->run(r->env, args, n, out, r->err);
    if (st && r->t->name)
        err_prefix(r->err, "error calling %.*s: ", SLICE_FMT(f->name));
    if (st)
        return fail_at(r, source, st);
    if (arena_bytes(r->env->arena) - r->arena_bytes > GOTMPL_CALLS_BYTES_MAX)
        return err_set(r->err, ST_LIMIT, "template: its functions made more than %d bytes", GOTMPL_CALLS_BYTES_MAX);
    return ST_OK;
}

/* What a function wants, at a glance: the usual case. */
static inline bool is_fit(char kind, const struct gotmpl_value *v)
{
    return kind == 'a' || (kind == 's' && v->type == GOTMPL_TEXT);
}

static enum status fields_run(struct running *r, const struct operand *o, size_t count, struct gotmpl_value *out)
{
    enum status st = ST_OK;
    for (size_t i = 0; !st && i < count; i++) {
        struct gotmpl_value from = *out;
        st = gotmpl_field(r->env, &from, o->fields[i], out, r->err);
    }
    return st ? fail_at(r, o->source, st) : ST_OK;
}

/* o with the first field_count of its fields. */
static enum status operand_run(struct running *r, const struct operand *o, size_t field_count, const struct gotmpl_value *dot,
                               struct gotmpl_value *out)
{
    enum status st = ST_OK;
    if (o->kind == OPERAND_DOT && field_count == 1 && dot->type == GOTMPL_SOURCE) { /* the usual one */
        *out = gotmpl_text(dot->source->get(dot->source, o->fields[0]));
        return ST_OK;
    }
    switch (o->kind) {
    case OPERAND_DOT:
        *out = *dot;
        break;
    case OPERAND_VARIABLE: {
        size_t i = r->variable_count;
        while (i > 0 && !slice_eq(r->variables[i - 1].name, o->name))
            i--;
        if (i == 0)
            return err_set(r->err, ST_INVALID, "template: variable %.*s has no value here", SLICE_FMT(o->name));
        *out = r->variables[i - 1].value;
        break;
    }
    case OPERAND_FUNCTION:
        if (o->function->args_min > 0) {
            bool is_open_ended = o->function->args_min < o->function->args_max;
            struct slice why = arena_printf(r->env->arena, "wrong number of args for %.*s: want %s%zu got 0", SLICE_FMT(o->function->name),
                                            is_open_ended ? "at least " : "", o->function->args_min);
            st = fail_text(r, o->source, why);
            break;
        }
        *out = (struct gotmpl_value){0};
        st = call(r, o->source, o->function, NULL, 0, out);
        break;
    case OPERAND_VALUE:
        *out = o->value;
        break;
    case OPERAND_PIPE:
        st = pipe_run(r, o->pipe, dot, out);
        break;
    }
    return st || field_count == 0 ? st : fields_run(r, o, field_count, out);
}

/* and, or: arguments until one decides. */
static enum status lazy_run(struct running *r, const struct command *c, const struct gotmpl_value *dot, const struct gotmpl_value *last,
                            struct gotmpl_value *out)
{
    bool stops_at = c->args[0].function->lazily == GOTMPL_CALL_OR;
    struct gotmpl_value piped = last ? *last : (struct gotmpl_value){0}; /* out may be where it is */
    for (size_t i = 1; i < c->count; i++) {
        enum status st = operand_run(r, &c->args[i], c->args[i].field_count, dot, out);
        if (st || (gotmpl_truth(out) == stops_at))
            return st;
    }
    if (last)
        *out = piped;
    return ST_OK;
}

static enum status call_run(struct running *r, const struct command *c, const struct gotmpl_value *dot, const struct gotmpl_value *last,
                            struct gotmpl_value *out)
{
    struct gotmpl_value args[GOTMPL_ARGS_MAX + 1];
    const struct gotmpl_function *f = c->args[0].function;
    struct slice why;
    size_t n = 0;
    for (size_t i = 1; i < c->count; i++) {
        enum status st = operand_run(r, &c->args[i], c->args[i].field_count, dot, &args[n++]);
        if (st)
            return st;
    }
    if (last)
        args[n++] = *last;
    for (size_t i = 0, k = 0; f->params && i < n; i++) {
        char kind = f->params[k];
        k += f->params[k + 1] != 0;
        bool is_checked = is_fit(kind, &args[i]) || (i + 1 < c->count && c->args[i + 1].kind == OPERAND_VALUE);
        if (!is_checked && !gotmpl_param(r->env->arena, kind, SLICE_EMPTY, &args[i], &why))
            return fail_text(r, c->args[i + 1 < c->count ? i + 1 : 0].source, why);
    }
    *out = (struct gotmpl_value){0};
    return call(r, c->source, f, args, n, out);
}

/* value.Name with arguments: only times have such. */
static enum status method_run(struct running *r, const struct command *c, const struct gotmpl_value *dot, const struct gotmpl_value *last,
                              struct gotmpl_value *out)
{
    struct gotmpl_value args[GOTMPL_ARGS_MAX + 2];
    const struct operand *o = &c->args[0];
    struct slice name = o->fields[o->field_count - 1], why;
    size_t n = 1;
    enum status st = operand_run(r, o, o->field_count - 1, dot, &args[0]);
    const struct gotmpl_function *f = !st && args[0].type == GOTMPL_TIME ? gotmpl_function_find(&gotmpl_time_methods, name) : NULL;
    if (!st && f == NULL)
        st = fail_text(r, o->source, arena_printf(r->env->arena, "%.*s is not a method but has arguments", SLICE_FMT(name)));
    for (size_t i = 1; !st && i < c->count; i++)
        st = operand_run(r, &c->args[i], c->args[i].field_count, dot, &args[n++]);
    if (!st && last)
        args[n++] = *last;
    if (!st && (n < f->args_min || n > f->args_max))
        st = fail_text(r, o->source, arena_printf(r->env->arena, "wrong number of args for %.*s: want %zu got %zu", SLICE_FMT(name), f->args_min - 1,
                                                  n - 1));
    for (size_t i = 1; !st && i < n; i++)
        if (!gotmpl_param(r->env->arena, gotmpl_param_kind(f->params, i), SLICE_EMPTY, &args[i], &why))
            st = fail_text(r, o->source, why);
    return st ? st : call(r, c->source, f, args, n, out);
}

static enum status command_run(struct running *r, const struct command *c, const struct gotmpl_value *dot, const struct gotmpl_value *last,
                               struct gotmpl_value *out)
{
    const struct operand *first = &c->args[0];
    if (c->fault.len)
        return fail_text(r, c->fault_at, c->fault);
    if (first->kind == OPERAND_FUNCTION && first->field_count == 0)
        return first->function->lazily ? lazy_run(r, c, dot, last, out) : call_run(r, c, dot, last, out);
    if (c->count == 1 && last == NULL)
        return operand_run(r, first, first->field_count, dot, out);
    return method_run(r, c, dot, last, out);
}

static enum status set_variable(struct running *r, struct slice name, struct gotmpl_value v)
{
    if (r->variable_count == GOTMPL_VARIABLES_MAX)
        return err_set(r->err, ST_LIMIT, "template: more than %d variables", GOTMPL_VARIABLES_MAX);
    r->variables[r->variable_count++] = (struct gotmpl_variable){name, v};
    return ST_OK;
}

static enum status commands_run(struct running *r, const struct pipe *p, const struct gotmpl_value *dot, struct gotmpl_value *out)
{
    if (++r->depth > GOTMPL_DEPTH_MAX * 2)
        return err_set(r->err, ST_LIMIT, "template: nested more than %d deep", GOTMPL_DEPTH_MAX * 2);
    for (const struct command *c = p->first; c; c = c->next) {
        enum status st = command_run(r, c, dot, c == p->first ? NULL : out, out);
        if (st)
            return st;
    }
    r->depth--;
    if (out->type == GOTMPL_NIL)
        out->is_open = false;
    return ST_OK;
}

static enum status pipe_run(struct running *r, const struct pipe *p, const struct gotmpl_value *dot, struct gotmpl_value *out)
{
    enum status st = commands_run(r, p, dot, out);
    if (!st && p->is_assignment) {
        size_t i = r->variable_count;
        while (i > 0 && !slice_eq(r->variables[i - 1].name, p->names[0]))
            i--;
        if (i)
            r->variables[i - 1].value = *out;
    } else if (!st && p->name_count) {
        st = set_variable(r, p->names[0], *out);
    }
    return st;
}

/* Item i of what is ranged over: key and value. */
static struct gotmpl_value item_of(const struct gotmpl_value *v, size_t i, struct gotmpl_value *key)
{
    if (v->type == GOTMPL_INT) {
        *key = gotmpl_int((int64_t)i);
        return *key;
    }
    if (v->type == GOTMPL_LABELS) {
        struct slice rest = v->text;
        struct label l = {0};
        for (size_t k = 0; k <= i; k++)
            labels_next(&rest, &l);
        *key = gotmpl_text(l.name);
        return gotmpl_text(l.value);
    }
    *key = v->type == GOTMPL_MAP ? gotmpl_text(v->keys[i]) : gotmpl_int((int64_t)i);
    return v->items[i];
}

static enum status range_run(struct running *r, const struct tnode *n, const struct gotmpl_value *dot)
{
    struct gotmpl_value v = {0};
    size_t known = r->variable_count;
    enum status st = commands_run(r, n->pipe, dot, &v);
    if (st)
        return st;
    v = whole(r, v);
    bool is_list = v.type == GOTMPL_LIST || v.type == GOTMPL_MAP;
    if (!is_list && v.type != GOTMPL_LABELS && v.type != GOTMPL_INT && v.type != GOTMPL_NIL) {
        struct buf shown;
        buf_init(&shown, ERR_TEXT_BYTES_MAX);
        gotmpl_print(&v, &shown);
        err_set(r->err, ST_INVALID, "range can't iterate over %.*s", SLICE_FMT(buf_as_slice(&shown)));
        buf_free(&shown);
        return fail_at(r, n->pipe->first->args[0].source, ST_INVALID);
    }
    size_t count = v.type == GOTMPL_LABELS ? labels_count(v.text) : v.type == GOTMPL_INT ? (size_t)MAX(v.i, (int64_t)0) : is_list ? v.count : 0;
    if (count == 0)
        return block_run(r, n->otherwise, dot);
    for (size_t i = 0; i < count; i++) {
        struct gotmpl_value key, item = item_of(&v, i, &key);
        if (++r->steps > GOTMPL_STEPS_MAX)
            return err_set(r->err, ST_LIMIT, "template: more than %d steps", GOTMPL_STEPS_MAX);
        if (n->pipe->name_count == 1)
            st = set_variable(r, n->pipe->names[0], item);
        if (n->pipe->name_count == 2) {
            st = set_variable(r, n->pipe->names[0], key);
            st = st ? st : set_variable(r, n->pipe->names[1], item);
        }
        st = st ? st : block_run(r, n->body, &item);
        r->variable_count = known;
        if (st)
            return st;
        bool ends = r->flow == FLOW_BREAK;
        r->flow = FLOW_ON;
        if (ends)
            break;
    }
    return ST_OK;
}

static enum status template_run(struct running *r, const struct tnode *n, const struct gotmpl_value *dot)
{
    struct gotmpl_value v = {0};
    enum status st = n->pipe ? pipe_run(r, n->pipe, dot, &v) : ST_OK;
    if (st)
        return st;
    for (size_t i = r->t->define_count; i > 0; i--) {
        if (!slice_eq(r->t->defines[i - 1].name, n->text))
            continue;
        size_t known = r->variable_count;
        st = set_variable(r, SLICE("$"), v);
        st = st ? st : block_run(r, r->t->defines[i - 1].body, &v);
        r->variable_count = known;
        return st;
    }
    return err_set(r->err, ST_INVALID, "template: there is no template \"%.*s\"", SLICE_FMT(n->text));
}

static void result_print(struct running *r, const struct gotmpl_value *v)
{
    struct gotmpl_value all = whole(r, *v);
    if (all.type == GOTMPL_NIL)
        buf_slice(r->out, SLICE("<no value>"));
    else
        gotmpl_print(&all, r->out);
}

static enum status node_run(struct running *r, const struct tnode *n, const struct gotmpl_value *dot)
{
    struct gotmpl_value v = {0};
    enum status st = ST_OK;
    size_t known = r->variable_count;
    switch (n->kind) {
    case TNODE_TEXT:
        buf_slice(r->out, n->text);
        break;
    case TNODE_FIELD:
    case TNODE_PIPE:
        if (n->kind == TNODE_FIELD && dot->type == GOTMPL_SOURCE) {
            buf_slice(r->out, dot->source->get(dot->source, n->text));
            break;
        }
        st = pipe_run(r, n->pipe, dot, &v);
        if (!st && n->pipe->name_count == 0)
            result_print(r, &v);
        break;
    case TNODE_IF:
    case TNODE_WITH:
        st = pipe_run(r, n->pipe, dot, &v);
        if (!st && gotmpl_truth(&v))
            st = block_run(r, n->body, n->kind == TNODE_WITH ? &v : dot);
        else if (!st)
            st = block_run(r, n->otherwise, dot);
        r->variable_count = known;
        break;
    case TNODE_RANGE:
        st = range_run(r, n, dot);
        break;
    case TNODE_TEMPLATE:
        st = template_run(r, n, dot);
        break;
    case TNODE_BREAK:
        r->flow = FLOW_BREAK;
        break;
    case TNODE_CONTINUE:
        r->flow = FLOW_CONTINUE;
        break;
    }
    return st;
}

static enum status block_run(struct running *r, const struct tnode *n, const struct gotmpl_value *dot)
{
    size_t known = r->variable_count;
    enum status st = ST_OK;
    if (++r->depth > GOTMPL_DEPTH_MAX * 2)
        return err_set(r->err, ST_LIMIT, "template: nested more than %d deep", GOTMPL_DEPTH_MAX * 2);
    for (; n && !st && r->flow == FLOW_ON; n = n->next) {
        if (++r->steps > GOTMPL_STEPS_MAX)
            return err_set(r->err, ST_LIMIT, "template: more than %d steps", GOTMPL_STEPS_MAX);
        st = node_run(r, n, dot);
        if (!st && buf_over(r->out))
            return err_set(r->err, ST_LIMIT, "template: the result is longer than allowed");
    }
    r->depth--;
    r->variable_count = known;
    return st;
}

enum status gotmpl_run(const struct gotmpl *t, const struct gotmpl_env *env, struct buf *out, struct err *err)
{
    struct gotmpl_variable variables[GOTMPL_VARIABLES_MAX];
    struct running r = {.t = t, .env = env, .out = out, .err = err, .variables = variables, .arena_bytes = arena_bytes(env->arena)};
    enum status st = t->has_variables ? set_variable(&r, SLICE("$"), env->dot) : ST_OK;
    for (size_t i = 0; !st && t->has_variables && i < env->variable_count; i++)
        st = set_variable(&r, env->variables[i].name, env->variables[i].value);
    if (!st)
        st = block_run(&r, t->first, &env->dot);
    if (env->steps)
        *env->steps += r.steps;
    return st;
}
