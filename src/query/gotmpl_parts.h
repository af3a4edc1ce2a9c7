/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of gotmpl: the tree that gotmpl.c makes and gotmpl_run.c walks, and the table of functions. */
#ifndef STOA_QUERY_GOTMPL_PARTS_H
#define STOA_QUERY_GOTMPL_PARTS_H

#include "query/gotmpl.h"

enum operand_kind { OPERAND_DOT, OPERAND_VARIABLE, OPERAND_FUNCTION, OPERAND_VALUE, OPERAND_PIPE };

struct operand {
    enum operand_kind kind;
    struct slice source; /* its own text in the template */
    struct slice name; /* VARIABLE */
    const struct gotmpl_function *function;
    struct gotmpl_value value;
    struct pipe *pipe;
    struct slice *fields; /* .a.b behind it */
    size_t field_count, field_cap;
};

struct command {
    struct operand *args;
    size_t count;
    struct slice source;
    /* Why it cannot be run, found when it was read; empty: it can. */
    struct slice fault, fault_at;
    struct command *next;
};

struct pipe {
    struct slice names[2]; /* $i, $e := ... */
    size_t name_count;
    bool is_assignment; /* = and not := */
    struct command *first;
};

enum tnode_kind { TNODE_TEXT, TNODE_FIELD, TNODE_PIPE, TNODE_IF, TNODE_WITH, TNODE_RANGE, TNODE_TEMPLATE, TNODE_BREAK, TNODE_CONTINUE };

struct tnode {
    enum tnode_kind kind;
    struct tnode *next;
    struct slice text; /* TEXT; FIELD: {{.text}}; TEMPLATE: its name */
    struct pipe *pipe;
    struct tnode *body, *otherwise;
};

struct define {
    struct slice name;
    struct tnode *body;
};

struct gotmpl {
    struct slice text;
    const char *name;   /* NULL: short errors */
    bool has_variables; /* any is named */
    struct tnode *first;
    struct define *defines;
    size_t define_count, define_cap;
};

/* Go's own. */
extern const struct gotmpl_functions gotmpl_builtins;
/* NULL: none of that name. */
const struct gotmpl_function *gotmpl_function_find(const struct gotmpl_functions *set, struct slice name);
/* One argument as parameter `kind` of a function takes it; source: its text when it is a constant, else empty. False: *why. */
bool gotmpl_param(struct arena *a, char kind, struct slice source, struct gotmpl_value *v, struct slice *why);
/* The letter of params that argument i stands for. */
char gotmpl_param_kind(const char *params, size_t i);
const char *gotmpl_type_name(const struct gotmpl_value *v); /* as Go calls it */
/* gotmpl_printf.c */
enum status gotmpl_printf(const struct gotmpl_env *env, const struct gotmpl_value *v, size_t n, struct gotmpl_value *out, struct err *err);
/* out.field; ST_INVALID when there is none. */
enum status gotmpl_field(const struct gotmpl_env *env, const struct gotmpl_value *v, struct slice name, struct gotmpl_value *out,
                         struct err *err);

#endif
