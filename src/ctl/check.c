/* SPDX-License-Identifier: Apache-2.0 */
/* `stoa check config FILE...`, `stoa check rules FILE...`, `stoa check metrics FILE...`, `stoa test promql|logql|traceql FILE...`. */
#include <stdio.h>

#include "alert/review.h"
#include "alert/setup.h"
#include "ctl/commands.h"
#include "logql/logql.h"
#include "logql/script.h"
#include "promql/promql.h"
#include "promql/script.h"
#include "server/config.h"
#include "traceql/script.h"
#include "traceql/traceql.h"

/* One rule file into set, with its review. */
static enum status read_rules(const struct rule_reading *r, struct slice path, struct rule_set *set, struct err *err)
{
    struct buf text;
    struct yaml_node *root;
    buf_init(&text, 0);
    enum status st = fs_read_all(fs_real(), path.ptr, CONFIG_FILE_BYTES_MAX, &text, err);
    if (!st)
        st = yaml_parse(r->arena, path, buf_as_slice(&text), &root, err);
    if (!st)
        st = rule_set_read(r, root, true, set, err);
    buf_free(&text);
    return st;
}

static int check_rules(int count, char **paths)
{
    static const struct query_lang *const langs[] = { &promql_lang, &logql_lang, &traceql_lang };
    struct arena *a = arena_new(0);
    struct rule_reading r = { .arena = a, .langs = langs, .lang_count = COUNT_OF(langs), .interval_ns = RULE_INTERVAL_DEFAULT_NS,
                              .features = UINT32_MAX }; /* what a server takes is its own flag */
    struct rule_set *set = arena_new_of(a, struct rule_set);
    struct review review = { .arena = a, .features = UINT32_MAX };
    struct buf text;
    struct err err;
    enum status st = ST_OK;
    for (int i = 0; i < count && !st; i++)
        st = read_rules(&r, arena_copy(a, slice_str(paths[i])), set, &err);
    if (st) {
        fprintf(stderr, "%s\n", err.text);
        arena_free(a);
        return 1;
    }
    buf_init(&text, 0);
    rule_set_format(set, &text);
    review_rules(&review, set);
    for (size_t i = 0; i < review.count; i++) {
        const struct review_finding *f = &review.list[i];
        buf_printf(&text, "# %.*s:%d: %s: %s: %.*s\n#     %.*s\n", SLICE_FMT(f->rule->file), f->rule->line, f->is_warning ? "warning" : "remark",
                   f->finding, SLICE_FMT(f->text), SLICE_FMT(f->suggestion));
    }
    fwrite(text.ptr, 1, text.len, stdout);
    printf("# rules are good: rules %zu, groups %zu\n", set->rule_count, set->group_count);
    buf_free(&text);
    arena_free(a);
    return 0;
}

/* What the files ask for; of each kind that is there. */
static void print_summary(const struct config *c)
{
    const struct { const char *one, *many; size_t count; } kinds[] = {
        { "scrape job", "scrape jobs", scrape_set_jobs(c->scrapes) },
        { "rule", "rules", c->rules ? c->rules->rule_count : 0 },
        { "rule group", "rule groups", c->rules ? c->rules->group_count : 0 },
        { "receiver", "receivers", c->notify && c->notify->text.len ? c->notify->receiver_count : 0 },
        { "synthetic check", "synthetic checks", c->checks ? c->checks->count : 0 },
        { "listener", "listeners", c->listeners_given ? c->listener_count : 0 },
    };
    size_t shown = 0;
    printf("configuration is good:");
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (kinds[i].count)
            printf("%s %zu %s", shown++ ? "," : "", kinds[i].count, kinds[i].count == 1 ? kinds[i].one : kinds[i].many);
    printf("%s\n", shown ? "" : " no scrape jobs, rules, receivers or checks");
}

int check_command(int argc, char **argv)
{
    struct slice paths[CONFIG_FILES_MAX];
    struct config *c;
    struct err err;
    if (argc >= 3 && slice_eq(slice_str(argv[1]), SLICE("rules")))
        return check_rules(argc - 2, argv + 2);
    if (argc >= 2 && slice_eq(slice_str(argv[1]), SLICE("redaction")))
        return check_redaction(argc - 2, argv + 2);
    if (argc >= 2 && slice_eq(slice_str(argv[1]), SLICE("metrics")))
        return check_metrics(argc - 2, argv + 2);
    if (argc < 3 || !slice_eq(slice_str(argv[1]), SLICE("config")) || argc - 2 > CONFIG_FILES_MAX) {
        fprintf(stderr, "usage: stoa check config FILE...   (1 to %d files)\n       stoa check rules FILE...\n"
                        "       stoa check metrics [--openmetrics|--text] [FILE...]\n"
                        "       stoa check redaction [--profile default|article|off] [-z] < TEXT\n", CONFIG_FILES_MAX);
        return 2;
    }
    for (int i = 2; i < argc; i++)
        paths[i - 2] = slice_str(argv[i]);
    if (config_read(fs_real(), paths, (size_t)argc - 2, UINT32_MAX, &c, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    struct slice lines = buf_as_slice(&c->warnings), line;
    while (slice_next(&lines, '\n', &line))
        printf("warning: %.*s\n", SLICE_FMT(line));
    print_summary(c);
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
    if (slice_eq(what, SLICE("traceql")) && argc > 2)
        return script_main(traceql_script_run, argc - 1, argv + 1);
    if (slice_eq(what, SLICE("patterns")))
        return test_patterns(argc - 1, argv + 1);
    if (slice_eq(what, SLICE("joins")))
        return test_joins(argc - 1, argv + 1);
    fprintf(stderr, "usage: stoa test promql|logql|traceql FILE...\n       stoa test patterns FILE.csv...\n       stoa test joins FILE.json...\n");
    return 2;
}
