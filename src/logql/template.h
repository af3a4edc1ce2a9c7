/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of LogQL's templates: what a line gives them, and the tables of functions. */
#ifndef STOA_LOGQL_TEMPLATE_H
#define STOA_LOGQL_TEMPLATE_H

#include "logql/record.h"
#include "query/gotmpl.h"

/* env->arg of the functions. */
struct template_data {
    struct gotmpl_source source; /* first: the labels as a value */
    const struct record_label *labels;
    size_t count;
    struct slice error, error_details, line;
    int64_t time_ns;
    struct stage_env *env;
};

extern const struct gotmpl_functions template_text_functions, template_number_functions, template_time_functions;

#endif
