/* SPDX-License-Identifier: Apache-2.0 */
/* `stoa check config FILE...`, `stoa test promql FILE...` and `stoa test logql FILE...`. */
#include <stdio.h>

#include "ctl/commands.h"
#include "logql/script.h"
#include "promql/script.h"
#include "server/config.h"

int check_command(int argc, char **argv)
{
    struct slice paths[CONFIG_FILES_MAX];
    struct config *c;
    struct err err;
    if (argc < 3 || !slice_eq(slice_str(argv[1]), SLICE("config")) || argc - 2 > CONFIG_FILES_MAX) {
        fprintf(stderr, "usage: stoa check config FILE...   (1 to %d files)\n", CONFIG_FILES_MAX);
        return 2;
    }
    for (int i = 2; i < argc; i++)
        paths[i - 2] = slice_str(argv[i]);
    if (config_read(fs_real(), paths, (size_t)argc - 2, &c, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    struct slice lines = buf_as_slice(&c->warnings), line;
    while (slice_next(&lines, '\n', &line))
        printf("warning: %.*s\n", SLICE_FMT(line));
    printf("configuration is good: %zu scrape jobs\n", scrape_set_jobs(c->scrapes));
    config_free(c);
    return 0;
}

int test_command(int argc, char **argv)
{
    struct slice what = slice_str(argc > 1 ? argv[1] : "");
    if (slice_eq(what, SLICE("promql")) && argc > 2)
        return script_main(promql_script_run, argc - 1, argv + 1);
    if (slice_eq(what, SLICE("logql")) && argc > 2)
        return script_main(logql_script_run, argc - 1, argv + 1);
    fprintf(stderr, "usage: stoa test promql|logql FILE...\n");
    return 2;
}
