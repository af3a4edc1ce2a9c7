/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of templates. */
#ifndef STOA_LOGQL_TEMPLATE_FUNCTION_H
#define STOA_LOGQL_TEMPLATE_FUNCTION_H

#include "base/arena.h"

enum { TEMPLATE_ARGS_MAX = 8 };

struct template_function {
    struct slice name;
    size_t args_min, args_max;
    /* False when it cannot take these values. *out lives in a, or is a part of a value. */
    bool (*run)(struct arena *a, const struct slice *values, size_t count, struct slice *out);
};

/* NULL: there is none of that name. */
const struct template_function *template_function_find(struct slice name);

#endif
