/* SPDX-License-Identifier: Apache-2.0 */
/* Go's text templates: {{ $labels.instance }}, {{ .Value | humanize }}, if, else, range, with, define, template, variables, trim
 * marks, comments. Who uses them brings the functions beside Go's own: alerts those of Prometheus and Alertmanager (gotmpl_alert.c),
 * https://prometheus.io/docs/prometheus/latest/configuration/template_reference/, and LogQL's formats those of Loki.
 *
 * A template is parsed once into an arena and then run any number of times, by any thread, each with an env of its own. */
#ifndef STOA_QUERY_GOTMPL_H
#define STOA_QUERY_GOTMPL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct regex;
struct zone;
struct gotmpl;
struct gotmpl_env;

enum {
    GOTMPL_TEXT_BYTES_MAX = 64 * KIB,  /* of a template */
    GOTMPL_OUT_BYTES_MAX = 256 * KIB,  /* of what one run of an alert's template gives */
    GOTMPL_RESULT_BYTES_MAX = 2 * MIB, /* of what one function gives */
    GOTMPL_DEPTH_MAX = 64,             /* of nested blocks, parentheses and template calls */
    GOTMPL_ARGS_MAX = 16,
    GOTMPL_VARIABLES_MAX = 64,
    GOTMPL_STEPS_MAX = 200 * 1000,     /* nodes executed in one run; long texts given to functions count as more */
    GOTMPL_CALLS_BYTES_MAX = 64 * MIB, /* that the functions of one run may take of the arena */
    GOTMPL_LISTS_DEPTH_MAX = 16        /* of lists in lists made by stringSlice, args and fromJson */
};

enum gotmpl_type {
    GOTMPL_NIL,
    GOTMPL_BOOL,
    GOTMPL_INT,
    GOTMPL_FLOAT,
    GOTMPL_TEXT,
    GOTMPL_LIST,
    GOTMPL_MAP,
    GOTMPL_LABELS,
    GOTMPL_TIME,
    GOTMPL_SOURCE
};

/* A plain value; what it points to must live as long as the run. */
struct gotmpl_value {
    enum gotmpl_type type;
    bool is_wide;    /* INT: Go's int64, which is no int where a function wants one */
    bool is_open;    /* MAP: keys that are not there are nil, and no error; NIL: it was in such a map, and has no fields */
    uint16_t nested; /* LIST, MAP made by functions: how deep lists stand in lists */
    union {
        bool b;
        int64_t i;
        double f;
        struct {
            struct slice text;       /* TEXT; LABELS: canonical labels, a map whose missing keys are "" */
            union { /* TEXT that is a constant: what it was made into when the template was read, or NULL */
                const struct regex *re;
                const struct zone *zone;
            };
        };
        struct {
            const struct gotmpl_value *items; /* LIST, MAP */
            const struct slice *keys; /* MAP: as many as items; LIST: NULL, or names ended by an empty one of fields kept behind the items */
            size_t count;
        };
        const struct gotmpl_time *time;     /* gotmpl_time.h */
        const struct gotmpl_source *source;
    };
};

/* Labels that are looked up where they are: a map like LABELS, which it becomes when more than a label of it is asked for. */
struct gotmpl_source {
    struct slice (*get)(const struct gotmpl_source *s, struct slice name); /* empty: there is none */
    struct slice (*all)(const struct gotmpl_source *s, struct arena *a);   /* canonical labels */
};

static inline struct gotmpl_value gotmpl_text(struct slice s)
{
    return (struct gotmpl_value){.type = GOTMPL_TEXT, .text = s};
}
static inline struct gotmpl_value gotmpl_float(double v)
{
    return (struct gotmpl_value){.type = GOTMPL_FLOAT, .f = v};
}
static inline struct gotmpl_value gotmpl_int(int64_t v)
{
    return (struct gotmpl_value){.type = GOTMPL_INT, .i = v};
}
static inline struct gotmpl_value gotmpl_int64(int64_t v)
{
    return (struct gotmpl_value){.type = GOTMPL_INT, .is_wide = true, .i = v};
}
static inline struct gotmpl_value gotmpl_bool(bool v)
{
    return (struct gotmpl_value){.type = GOTMPL_BOOL, .b = v};
}
struct gotmpl_value gotmpl_labels(struct slice canonical);
/* {"Labels": labels, "Value": v}: what `query` gives a list of; `value`, `label`, `strvalue` and `sortByLabel` take it. */
struct gotmpl_value gotmpl_sample(struct arena *a, struct slice labels, double v);

/* ---- functions ---- */

enum gotmpl_call { GOTMPL_CALL_PLAIN, GOTMPL_CALL_AND, GOTMPL_CALL_OR };

struct gotmpl_function {
    struct slice name;
    size_t args_min, args_max;
    /* What each argument must be, as Go checks it: s text, i int, f float64, t time, a anything; the last letter stands for all further ones.
     * NULL: anything, the function looks itself. */
    const char *params;
    enum status (*run)(const struct gotmpl_env *env, const struct gotmpl_value *v, size_t n, struct gotmpl_value *out, struct err *err);
    size_t steps;             /* what a call counts as, besides the one of every call */
    size_t regex, zone;       /* 1 + which argument is a regular expression, a time zone; 0: none */
    enum gotmpl_call lazily;  /* and, or: no further than what decides */
};
struct gotmpl_functions {
    const struct gotmpl_function *list;
    size_t count;
    const struct gotmpl_functions *next; /* further ones, or NULL */
};
extern const struct gotmpl_functions gotmpl_alert_functions;

#define GOTMPL_FUNCTION(name)                                                                                                                   \
    static enum status name(const struct gotmpl_env *env, const struct gotmpl_value *v, size_t n, struct gotmpl_value *out, struct err *err)

/* Ends a function that wrote its result to b: frees b. ST_LIMIT: b is over. */
enum status gotmpl_give(const struct gotmpl_env *env, struct buf *b, struct gotmpl_value *out, struct err *err);
/* What Go's fmt prints by %v. Nothing more is printed once out is over its limit. */
void gotmpl_print(const struct gotmpl_value *v, struct buf *out);
bool gotmpl_truth(const struct gotmpl_value *v);
bool gotmpl_number(const struct gotmpl_value *v, double *out); /* numbers, and text that reads as one */
/* As Go's strconv.ParseInt reads it with base 0: 7, -0x1f, 0b1, 017, 0o17, 1_000. */
bool gotmpl_int_parse(struct slice text, int64_t *out);
enum gotmpl_case { GOTMPL_UPPER, GOTMPL_LOWER, GOTMPL_TITLE };
/* Of every letter that has the other case in one letter. */
struct slice gotmpl_change_case(struct arena *a, struct slice text, enum gotmpl_case to);
/* White space by Unicode: the length of the one at the start of s, 0 when there is none. */
size_t gotmpl_space(struct slice s);
/* As in a query string: a space is '+'. */
void gotmpl_url_escape(struct slice text, struct buf *out);

/* ---- templates ---- */

struct gotmpl_options {
    const char *name;              /* of the template, in errors as Go words them; NULL: short ones */
    const struct slice *variables; /* that a run will know, with their '$' */
    size_t variable_count;
    const struct gotmpl_functions *functions; /* beside Go's own */
    /* Exactly Go: calls with wrong arguments fail when they run and not when they are read, int and float64 are not compared. */
    bool is_strict;
    /* Compiles a pattern that stands in the template, and keeps it as long as that; ST_LIMIT: there are too many. Any other
     * failure is told when the template runs. NULL: patterns are compiled when it runs. */
    enum status (*regex)(void *arg, struct slice pattern, struct regex **out, struct err *err);
    void *arg;
};

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
    void *arg;     /* of query, and of the functions that the caller brought */
    size_t *steps; /* what the run took is added; may be NULL */
    bool is_strict; /* as in the options that the template was read with */
};

/* Keeps text (it is not copied) and what opt points to. ST_INVALID: with the line; unknown functions and variables are found here. */
MUST_CHECK enum status gotmpl_parse(struct arena *a, struct slice text, const struct gotmpl_options *opt, struct gotmpl **out, struct err *err);
/* Adds the `define`s of library to what t may call by `template`. library must live as long as t. */
void gotmpl_use(struct arena *a, struct gotmpl *t, const struct gotmpl *library);
/* True when it has no actions: its result is its text. */
bool gotmpl_is_plain(const struct gotmpl *t);
/* True when it is {{.name}} and no more. */
bool gotmpl_is_field(const struct gotmpl *t, struct slice *name);
/* Appends to out. On failure out holds what came before. */
MUST_CHECK enum status gotmpl_run(const struct gotmpl *t, const struct gotmpl_env *env, struct buf *out, struct err *err);

#endif
