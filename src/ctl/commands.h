/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the program, each a function that gives the exit code: 0 done, 1 failed, 2 wrong usage.
 * argv[0] is the command's own name. */
#ifndef STOA_CTL_COMMANDS_H
#define STOA_CTL_COMMANDS_H

#include "base/err.h"
#include "base/slice.h"

int query_command(int argc, char **argv);
/* The answer of --correlate: 0 when anything was found. */
int correlate_print(struct slice body);
/* The answer of --cardinality. */
int cardinality_print(struct slice body);
/* The answer of --running. */
int running_print(struct slice body);
/* The answer of --patterns. */
int patterns_print(struct slice body);
/* The answer of --traces. */
int traces_print(struct slice body);
/* Does the query give numbers? False: it does not parse, err says why. */
bool traces_is_metrics(struct slice query, bool *out, struct err *err);
int services_command(int argc, char **argv);
int tail_command(int argc, char **argv);
int agent_command(int argc, char **argv);
int check_command(int argc, char **argv);
int check_redaction(int argc, char **argv); /* behind "check redaction" */
int check_metrics(int argc, char **argv);   /* behind "check metrics" */
int test_patterns(int argc, char **argv);   /* behind "test patterns" */
int test_joins(int argc, char **argv);      /* behind "test joins" */
int test_command(int argc, char **argv);
int user_command(int argc, char **argv);
int token_command(int argc, char **argv);
int audit_command(int argc, char **argv);
int erase_command(int argc, char **argv);
int import_command(int argc, char **argv);
int export_command(int argc, char **argv);
/* Behind "export --logs". What is empty is the server's default. */
struct export_logs_asked {
    struct slice url, tenant, start, end, format, query;
    bool is_search;
};
int export_logs(const struct export_logs_asked *o);
int version_command(int argc, char **argv);

#endif
