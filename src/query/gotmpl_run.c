/* SPDX-License-Identifier: Apache-2.0 */
/* Running Go templates: a walk over the tree with a stack of variables. Steps, depth and output are bounded, so a template
 * cannot hang or fill the memory. */
#include "query/gotmpl_parts.h"
#include "model/labels.h"

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

struct running {
    const struct gotmpl *t;
    const struct gotmpl_env *env;
    struct buf *out;
    struct err *err;
    struct gotmpl_variable variables[GOTMPL_VARIABLES_MAX];
    size_t variable_count;
    unsigned depth;
    size_t steps, arena_bytes; /* of the env's arena before the run */
    enum flow flow;
};

static enum status block_run(struct running *r, const struct tnode *n, struct gotmpl_value dot);
static enum status pipe_run(struct running *r, const struct pipe *p, struct gotmpl_value dot, struct gotmpl_value *out);

/* One call. Its texts count too: they are looked at byte by byte. */
static enum status call(struct running *r, const struct gotmpl_function *f, const struct gotmpl_value *args, size_t n, struct gotmpl_value *out)
{
    enum { BYTES_PER_STEP = 256 };
    r->steps += 1 + f->steps;
    for (size_t i = 0; i < n; i++)
        r->steps += args[i].type == GOTMPL_TEXT ? args[i].text.len / BYTES_PER_STEP : 0;
    if (r->steps > GOTMPL_STEPS_MAX)
        return err_set(r->err, ST_LIMIT, "template: more than %d steps", GOTMPL_STEPS_MAX);
    enum status st = f->run(r->env, args, n, out, r->err);
    if (!st && arena_bytes(r->env->arena) - r->arena_bytes > GOTMPL_CALLS_BYTES_MAX)
        st = err_set(r->err, ST_LIMIT, "template: its functions made more than %d bytes", GOTMPL_CALLS_BYTES_MAX);
    return st;
}

static enum status operand_run(struct running *r, const struct operand *o, struct gotmpl_value dot, struct gotmpl_value *out)
{
    enum status st = ST_OK;
    switch (o->kind) {
    case OPERAND_DOT:
        *out = dot;
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
        st = o->function->args_min > 0
                 ? err_set(r->err, ST_INVALID, "template: wrong number of arguments for %.*s", SLICE_FMT(o->function->name))
                 : call(r, o->function, NULL, 0, out);
        break;
    case OPERAND_VALUE:
        *out = o->value;
        break;
    case OPERAND_PIPE:
        st = pipe_run(r, o->pipe, dot, out);
        break;
    }
    for (size_t i = 0; !st && i < o->field_count; i++) {
        struct gotmpl_value from = *out;
        st = gotmpl_field(r->env, &from, o->fields[i], out, r->err);
    }
    return st;
}

static enum status command_run(struct running *r, const struct command *c, struct gotmpl_value dot, const struct gotmpl_value *last,
                               struct gotmpl_value *out)
{
    struct gotmpl_value args[GOTMPL_ARGS_MAX + 1];
    size_t n = 0;
    if (c->args[0].kind != OPERAND_FUNCTION)
        return operand_run(r, &c->args[0], dot, out);
    for (size_t i = 1; i < c->count; i++) {
        enum status st = operand_run(r, &c->args[i], dot, &args[n++]);
        if (st)
            return st;
    }
    if (last)
        args[n++] = *last;
    struct gotmpl_value got = {0};
    enum status st = call(r, c->args[0].function, args, n, &got);
    for (size_t i = 0; !st && i < c->args[0].field_count; i++) {
        struct gotmpl_value from = got;
        st = gotmpl_field(r->env, &from, c->args[0].fields[i], &got, r->err);
    }
    *out = got;
    return st;
}

static enum status set_variable(struct running *r, struct slice name, struct gotmpl_value v)
{
    if (r->variable_count == GOTMPL_VARIABLES_MAX)
        return err_set(r->err, ST_LIMIT, "template: more than %d variables", GOTMPL_VARIABLES_MAX);
    r->variables[r->variable_count++] = (struct gotmpl_variable){name, v};
    return ST_OK;
}

static enum status commands_run(struct running *r, const struct pipe *p, struct gotmpl_value dot, struct gotmpl_value *out)
{
    struct gotmpl_value last = {0};
    if (++r->depth > GOTMPL_DEPTH_MAX * 2)
        return err_set(r->err, ST_LIMIT, "template: nested more than %d deep", GOTMPL_DEPTH_MAX * 2);
    for (const struct command *c = p->first; c; c = c->next) {
        struct gotmpl_value got = {0};
        enum status st = command_run(r, c, dot, c == p->first ? NULL : &last, &got);
        if (st)
            return st;
        last = got;
    }
    r->depth--;
    *out = last;
    return ST_OK;
}

static enum status pipe_run(struct running *r, const struct pipe *p, struct gotmpl_value dot, struct gotmpl_value *out)
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

static enum status range_run(struct running *r, const struct tnode *n, struct gotmpl_value dot)
{
    struct gotmpl_value v = {0};
    size_t known = r->variable_count;
    enum status st = commands_run(r, n->pipe, dot, &v);
    if (st)
        return st;
    if (v.type != GOTMPL_LIST && v.type != GOTMPL_MAP && v.type != GOTMPL_LABELS && v.type != GOTMPL_INT && v.type != GOTMPL_NIL)
        return err_set(r->err, ST_INVALID, "template: range over what is no list or map");
    size_t count = v.type == GOTMPL_LABELS ? labels_count(v.text) : v.type == GOTMPL_INT ? (size_t)MAX(v.i, (int64_t)0) : v.count;
    if (v.type == GOTMPL_NIL || count == 0)
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
        st = st ? st : block_run(r, n->body, item);
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

static enum status template_run(struct running *r, const struct tnode *n, struct gotmpl_value dot)
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
        st = st ? st : block_run(r, r->t->defines[i - 1].body, v);
        r->variable_count = known;
        return st;
    }
    return err_set(r->err, ST_INVALID, "template: there is no template \"%.*s\"", SLICE_FMT(n->text));
}

static enum status node_run(struct running *r, const struct tnode *n, struct gotmpl_value dot)
{
    struct gotmpl_value v = {0};
    enum status st = ST_OK;
    size_t known = r->variable_count;
    switch (n->kind) {
    case TNODE_TEXT:
        buf_slice(r->out, n->text);
        break;
    case TNODE_PIPE:
        st = pipe_run(r, n->pipe, dot, &v);
        if (!st && n->pipe->name_count == 0)
            gotmpl_print(&v, r->out);
        break;
    case TNODE_IF:
    case TNODE_WITH:
        st = pipe_run(r, n->pipe, dot, &v);
        if (!st && gotmpl_truth(&v))
            st = block_run(r, n->body, n->kind == TNODE_WITH ? v : dot);
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

static enum status block_run(struct running *r, const struct tnode *n, struct gotmpl_value dot)
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
    struct running r = {.t = t, .env = env, .out = out, .err = err, .arena_bytes = arena_bytes(env->arena)};
    enum status st = set_variable(&r, SLICE("$"), env->dot);
    for (size_t i = 0; !st && i < env->variable_count; i++)
        st = set_variable(&r, env->variables[i].name, env->variables[i].value);
    return st ? st : block_run(&r, t->first, env->dot);
}
