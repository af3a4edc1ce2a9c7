/* SPDX-License-Identifier: Apache-2.0 */
/* Query scripts in the language Loki tests itself with (load, clear, eval), and one more command for log lines:
 *
 *     load
 *       {app="a"} "line {{.i}}" @ 10s [repeat every 10s for 3] [metadata k="v"]
 *     eval instant at 60s count_over_time({app="a"}[1m])
 *       {app="a"} 3
 *     eval range from 0 to 60s step 30s rate({app="a"}[1m])
 *       {app="a"} _ 1+2x1
 *     eval lines from 0 to 60s limit 2 forward {app="a"}
 *       {app="a", k="v"} "line 0" @ 10s
 *
 * https://github.com/grafana/loki/blob/main/pkg/logql/internal/logqltest/README.md */
#ifndef STOA_LOGQL_SCRIPT_H
#define STOA_LOGQL_SCRIPT_H

#include "query/script.h"

enum { LOGQL_SCRIPT_POINTS_MAX = 100 * 1000 };

/* A script_run_fn; there are no features. */
MUST_CHECK enum status logql_script_run(struct slice name, struct slice text, uint32_t features, struct script_result *result, struct buf *out,
                                        struct err *err);

/* ---- the engine in memory: log records alone; predicates are applied, so that what is pushed down is proved as well ---- */

struct logql_memory;
struct logql_memory *logql_memory_new(void);
void logql_memory_free(struct logql_memory *m); /* accepts NULL */
struct engine *logql_memory_door(struct logql_memory *m);
/* Copies all of it. Metadata are canonical labels. The record's level is nobody's: no detected_level is made of it. */
void logql_memory_add(struct logql_memory *m, struct slice stream, int64_t time_ns, struct slice line, struct slice metadata);
void logql_memory_clear(struct logql_memory *m);

#endif
