/* SPDX-License-Identifier: Apache-2.0 */
/* `stoa import`: samples of elsewhere into a running server. It may be run again: a sample that is there already stays one. */
#include "ctl/import.h"

#include <stdio.h>

#include "base/date.h"
#include "ctl/commands.h"

static const char usage[] =
    "usage: stoa import [--url http://127.0.0.1:7862] [--tenant NAME] [--label NAME=VALUE]... SOURCE\n"
    "  prometheus DIR             a block, or a folder with blocks: a data folder or a snapshot of Prometheus\n"
    "  openmetrics FILE           OpenMetrics (ends with # EOF) or the text format, with times\n"
    "  csv FILE [--metric NAME]   first line: time,value,metric and labels\n"
    "Samples older than the server's retention are counted and left out.\n";

struct asked {
    struct send_options send;
    struct send_label extra[SEND_EXTRA_MAX];
    struct slice kind, path, metric;
};

static bool read_arguments(int argc, char **argv, struct asked *q)
{
    char **kept = mem_alloc((size_t)(argc + 1) * sizeof *kept);
    struct slice words[2], name, value;
    size_t count = 0;
    int n = 0;
    bool good = true;
    for (int i = 0; i < argc && good; i++) {
        if (!slice_eq(slice_str(argv[i]), SLICE("--label"))) {
            kept[n++] = argv[i];
            continue;
        }
        good = i + 1 < argc && q->send.extra_count < SEND_EXTRA_MAX && slice_cut(slice_str(argv[i + 1]), '=', &name, &value) && name.len;
        if (good)
            q->extra[q->send.extra_count++] = (struct send_label){ name, value };
        i++;
    }
    const struct account_flag flags[] = { { "--url", &q->send.url }, { "--tenant", &q->send.tenant }, { "--metric", &q->metric } };
    good = good && account_flags(n, kept, flags, COUNT_OF(flags), words, COUNT_OF(words), &count) && count == 2;
    mem_free(kept);
    q->kind = words[0];
    q->path = words[1];
    q->send.extra = q->extra;
    return good;
}

static void tell(const struct send_counts *c)
{
    char from[DATE_TEXT_BYTES_MAX], to[DATE_TEXT_BYTES_MAX];
    printf("%llu samples of %llu series", (unsigned long long)c->samples, (unsigned long long)c->series);
    if (c->samples > 0) {
        int n = (int)date_format_rfc3339(c->min_ms * NS_MS, 0, 0, from), m = (int)date_format_rfc3339(c->max_ms * NS_MS, 0, 0, to);
        printf(", %.*s to %.*s", n, from, m, to);
    }
    printf("\n");
    if (c->skipped_old > 0)
        printf("%llu samples were left out: they are older than the server keeps samples\n", (unsigned long long)c->skipped_old);
}

int import_command(int argc, char **argv)
{
    struct asked q = { .send = { .url = SLICE("http://127.0.0.1:7862"), .tenant = SLICE_EMPTY, .what = "import" }, .metric = SLICE_EMPTY };
    struct send *s = NULL;
    struct err err;
    if (!read_arguments(argc, argv, &q)) {
        fputs(usage, stderr);
        return 2;
    }
    enum status st = send_open(&s, &q.send, &err);
    if (!st && slice_eq(q.kind, SLICE("prometheus")))
        st = import_prometheus(s, q.path, &err);
    else if (!st && slice_eq(q.kind, SLICE("openmetrics")))
        st = import_text(s, q.path, &err);
    else if (!st && slice_eq(q.kind, SLICE("csv")))
        st = import_csv(s, q.path, q.metric, &err);
    else if (!st) {
        fputs(usage, stderr);
        send_free(s);
        return 2;
    }
    if (!st)
        st = send_end(s, &err);
    if (s) {
        struct send_counts counts = send_counts(s);
        tell(&counts);
    }
    if (st)
        fprintf(stderr, "stoa import: %.*s: %s\n", SLICE_FMT(q.path), err.text);
    send_free(s);
    return st ? 1 : 0;
}
