/* SPDX-License-Identifier: Apache-2.0 */
/* Go's text templates as Prometheus and Alertmanager use them: {{ $labels.instance }}, {{ .Value | humanize }}, if, else, range,
 * with, define, template, variables, trim marks, comments, and their functions.
 * https://prometheus.io/docs/prometheus/latest/configuration/template_reference/
 *
 * A template is parsed once into an arena and then run any number of times, by any thread, each with an env of its own. */
#ifndef STOA_QUERY_GOTMPL_H
#define STOA_QUERY_GOTMPL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum {
    GOTMPL_TEXT_BYTES_MAX = 64 * KIB, /* of a template */
    GOTMPL_OUT_BYTES_MAX = 256 * KIB, /* of what one run gives */
    GOTMPL_DEPTH_MAX = 64,            /* of nested blocks, parentheses and template calls */
    GOTMPL_ARGS_MAX = 16,
    GOTMPL_VARIABLES_MAX = 64,
    GOTMPL_STEPS_MAX = 200 * 1000, /* nodes executed in one run */
    GOTMPL_CALLS_BYTES_MAX = 64 * MIB, /* that the functions of one run may take of the arena */
    GOTMPL_LISTS_DEPTH_MAX = 16   /* of lists in lists made by stringSlice and args */
};

enum gotmpl_type { GOTMPL_NIL, GOTMPL_BOOL, GOTMPL_INT, GOTMPL_FLOAT, GOTMPL_TEXT, GOTMPL_LIST, GOTMPL_MAP, GOTMPL_LABELS };

/* A plain value; what it points to must live as long as the run. */
struct gotmpl_value {
    enum gotmpl_type type;
    bool b;
    int64_t i;
    double f;
    struct slice text;                /* TEXT; LABELS: canonical labels, a map whose missing keys are "" */
    unsigned nested;                  /* LIST, MAP made by stringSlice and args: how deep lists stand in lists */
    const struct gotmpl_value *items; /* LIST, MAP */
    const struct slice *keys;         /* MAP: as many as items; LIST: NULL, or names ended by an empty one of fields kept behind the items */
    size_t count;
};

struct gotmpl_value gotmpl_text(struct slice s);
struct gotmpl_value gotmpl_float(double v);
struct gotmpl_value gotmpl_int(int64_t v);
struct gotmpl_value gotmpl_bool(bool v);
struct gotmpl_value gotmpl_labels(struct slice canonical);
/* {"Labels": labels, "Value": v}: what `query` gives a list of; `value`, `label`, `strvalue` and `sortByLabel` take it. */
struct gotmpl_value gotmpl_sample(struct arena *a, struct slice labels, double v);

/* A variable known from the start, name with its '$'. */
struct gotmpl_variable {
    struct slice name;
    struct gotmpl_value value;
};

struct gotmpl_env {
    struct arena *arena;     /* results live here */
    struct gotmpl_value dot; /* . and $ */
    const struct gotmpl_variable *variables;
    size_t variable_count;
    struct slice external_url; /* for externalURL, pathPrefix, graphLink and tableLink; may be empty */
    /* `query`: a LIST of gotmpl_sample. NULL: the function is an error. */
    enum status (*query)(void *arg, struct slice text, struct gotmpl_value *out, struct err *err);
    void *arg;
};

struct gotmpl;

/* Keeps text (it is not copied). names: of the variables a run will know. ST_INVALID: with the line; unknown functions and
 * variables are found here. */
MUST_CHECK enum status gotmpl_parse(struct arena *a, struct slice text, const struct slice *names, size_t name_count, struct gotmpl **out,
                                    struct err *err);
/* Adds the `define`s of library to what t may call by `template`. library must live as long as t. */
void gotmpl_use(struct arena *a, struct gotmpl *t, const struct gotmpl *library);
/* True when it has no actions: its result is its text. */
bool gotmpl_is_plain(const struct gotmpl *t);
/* Appends to out. On failure out holds what came before. */
MUST_CHECK enum status gotmpl_run(const struct gotmpl *t, const struct gotmpl_env *env, struct buf *out, struct err *err);

#endif
