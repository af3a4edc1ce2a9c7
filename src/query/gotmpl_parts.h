/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of gotmpl: the tree that gotmpl.c makes and gotmpl_run.c walks, and the table of functions. */
#ifndef STOA_QUERY_GOTMPL_PARTS_H
#define STOA_QUERY_GOTMPL_PARTS_H

#include "query/gotmpl.h"

struct gotmpl_function {
    struct slice name;
    size_t args_min, args_max;
    enum status (*run)(const struct gotmpl_env *env, const struct gotmpl_value *v, size_t n, struct gotmpl_value *out, struct err *err);
    size_t steps; /* what a call counts as, besides the one of every call */
};

enum operand_kind { OPERAND_DOT, OPERAND_VARIABLE, OPERAND_FUNCTION, OPERAND_VALUE, OPERAND_PIPE };

struct operand {
    enum operand_kind kind;
    struct slice name; /* VARIABLE */
    const struct gotmpl_function *function;
    struct gotmpl_value value;
    struct pipe *pipe;
    struct slice *fields; /* .a.b behind it */
    size_t field_count, field_cap;
};

struct command {
    struct operand args[GOTMPL_ARGS_MAX];
    size_t count;
    struct command *next;
};

struct pipe {
    struct slice names[2]; /* $i, $e := ... */
    size_t name_count;
    bool is_assignment; /* = and not := */
    struct command *first;
};

enum tnode_kind { TNODE_TEXT, TNODE_PIPE, TNODE_IF, TNODE_WITH, TNODE_RANGE, TNODE_TEMPLATE, TNODE_BREAK, TNODE_CONTINUE };

struct tnode {
    enum tnode_kind kind;
    struct tnode *next;
    struct slice text; /* TEXT; TEMPLATE: its name */
    struct pipe *pipe;
    struct tnode *body, *otherwise;
};

struct define {
    struct slice name;
    struct tnode *body;
};

struct gotmpl {
    struct tnode *first;
    struct define *defines;
    size_t define_count, define_cap;
};

/* NULL: none of that name. */
const struct gotmpl_function *gotmpl_function_find(struct slice name);
/* gotmpl_text.c: printing and numbers. Nothing more is printed once out is over its limit. */
void gotmpl_print(const struct gotmpl_value *v, struct buf *out);
enum status gotmpl_printf(const struct gotmpl_env *env, const struct gotmpl_value *v, size_t n, struct gotmpl_value *out, struct err *err);
bool gotmpl_truth(const struct gotmpl_value *v);
bool gotmpl_number(const struct gotmpl_value *v, double *out); /* numbers, and text that reads as one */
/* out.field; ST_INVALID when there is none. */
enum status gotmpl_field(const struct gotmpl_env *env, const struct gotmpl_value *v, struct slice name, struct gotmpl_value *out,
                         struct err *err);

#endif
