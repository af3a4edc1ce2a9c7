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
#include "query/script_events.h"

enum { LOGQL_SCRIPT_POINTS_MAX = 100 * 1000 };

/* A script_run_fn; there are no features. */
MUST_CHECK enum status logql_script_run(struct slice name, struct slice text, uint32_t features, struct script_result *result, struct buf *out,
                                        struct err *err);

/* A log record into an engine in memory. Copies all of it. Metadata are canonical labels. The record's level is nobody's: no detected_level is
 * made of it. */
void logql_memory_add(struct script_events *m, struct slice stream, int64_t time_ns, struct slice line, struct slice metadata);

#endif
