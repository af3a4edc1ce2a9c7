/* SPDX-License-Identifier: Apache-2.0 */
/* What the runners of query scripts share: a script is lines, its cases are queries with what is expected of them. Each
 * language reads its own kind of script (promql/script.h, logql/script.h). One thread. */
#ifndef STOA_QUERY_SCRIPT_H
#define STOA_QUERY_SCRIPT_H

#include "query/lang.h"

enum { SCRIPT_BYTES_MAX = 8 * MIB, SCRIPT_RESULT_BYTES_MAX = 256 * MIB };

/* Those that Prometheus's own scripts assume: all but one, which changes what infos say. */
#define SCRIPT_FEATURES (UINT32_MAX & ~(uint32_t)FEATURE_TYPE_AND_UNIT_LABELS)

struct script_result {
    size_t passed, failed;
};

/* Runs one script and adds to result. features: enum query_feature, for languages that have them. A few lines per case
 * that fails, with what was expected and what came, go to out. ST_INVALID: the script itself cannot be read; err names the line. */
typedef enum status script_run_fn(struct slice name, struct slice text, uint32_t features, struct script_result *result, struct buf *out,
                                  struct err *err);

/* Runs the script in a file. ST_LIMIT: it has more than SCRIPT_BYTES_MAX. */
MUST_CHECK enum status script_run_file(script_run_fn *run, const char *path, uint32_t features, struct script_result *result,
                                       struct buf *out, struct err *err);
/* `stoa test LANGUAGE FILE...`: argv[0] is no file. Ends with "N passed, N failed"; 0 when none failed, else 1. SCRIPT_FEATURES are on. */
int script_main(script_run_fn *run, int argc, char **argv);

/* Takes the word at the front of *rest, and the blanks around it; empty at the end. */
struct slice script_take_word(struct slice *rest);

/* What a query came to. All of it but err lives in the arena it was run with. */
struct script_answer {
    enum status st;
    struct err err;
    struct value value;
    struct slice infos, warnings; /* sentences, each ended by '\n' */
};

/* Runs a query as the tenant "default", without a deadline. */
void script_ask(const struct query_lang *lang, struct engine *engine, struct arena *a, struct slice query, const struct query_params *p,
                bool is_range, struct script_answer *out);
/* Both tell a person, a line for each series or log line: "    got: {a="b"} 1@60s". */
void script_tell_answer(const struct script_answer *answer, struct buf *out);
void script_tell_scalar(const char *what, double v, struct buf *out);

#endif
