/* SPDX-License-Identifier: Apache-2.0 */
/* `stoa check metrics [--openmetrics|--text] [FILE...]`: what is wrong with pages of metrics, as `promtool check metrics` tells it. A page
 * is OpenMetrics when it says "# EOF"; such a page is held to all of the specification.
 *
 * Exit codes: 0 good, 1 a page does not parse, 3 it parses and its names could be better. */
#include <stdio.h>

#include "codec/promtext.h"
#include "ctl/commands.h"
#include "sys/file.h"

enum { PAGE_BYTES_MAX = 256 * MIB, READ_BYTES = 64 * KIB, EXIT_BROKEN = 1, EXIT_USAGE = 2, EXIT_REMARKS = 3 };

struct family {
    struct slice name, help;
    enum promtext_type type;
    bool has_samples;
};

struct check {
    struct arena *arena;
    const char *path;
    struct family family; /* the one being read */
    size_t families, samples, remarks;
};

static bool is_openmetrics(struct slice page)
{
    return slice_ends(slice_trim(page), SLICE("# EOF"));
}

static void remark(struct check *c, const char *what)
{
    c->remarks++;
    fprintf(stderr, "%s: %.*s: %s\n", c->path, SLICE_FMT(c->family.name), what);
}

/* Conventions of https://prometheus.io/docs/practices/naming/. */
static void family_end(struct check *c, bool openmetrics)
{
    const struct family *f = &c->family;
    bool is_total = slice_ends(f->name, SLICE("_total"));
    if (f->name.len == 0)
        return;
    c->families++;
    if (f->help.len == 0)
        remark(c, "no help text");
    if (!openmetrics && f->type == PROMTEXT_COUNTER && !is_total)
        remark(c, "a counter's name should end in \"_total\"");
    if (f->type != PROMTEXT_COUNTER && f->type != PROMTEXT_UNKNOWN && is_total)
        remark(c, "only a counter's name should end in \"_total\"");
    if (f->type != PROMTEXT_UNKNOWN && f->type != PROMTEXT_HISTOGRAM && slice_ends(f->name, SLICE("_bucket")))
        remark(c, "only a histogram's name should have the suffix \"_bucket\"");
    if (slice_ends(f->name, SLICE("_milliseconds")) || slice_ends(f->name, SLICE("_ms")))
        remark(c, "use the base unit \"seconds\"");
    for (size_t i = 1; i < f->name.len; i++)
        if (f->name.ptr[i] >= 'A' && f->name.ptr[i] <= 'Z' && f->name.ptr[i - 1] >= 'a' && f->name.ptr[i - 1] <= 'z') {
            remark(c, "names are written in snake_case");
            break;
        }
}

static void entry_add(struct check *c, const struct promtext_entry *e, bool openmetrics)
{
    if (e->kind == PROMTEXT_SAMPLE) {
        c->samples++;
        return;
    }
    if (!slice_eq(e->name, c->family.name)) {
        family_end(c, openmetrics);
        c->family = (struct family){ .name = e->name, .help = SLICE_EMPTY };
    }
    if (e->kind == PROMTEXT_HELP)
        c->family.help = e->text;
    if (e->kind == PROMTEXT_TYPE)
        c->family.type = e->type;
}

/* openmetrics: -1 by the page. */
static int check_page(const char *path, struct slice page, int openmetrics)
{
    struct check c = { .arena = arena_new(0), .path = path, .family = { .name = SLICE_EMPTY, .help = SLICE_EMPTY } };
    struct promtext_entry e = { .kind = PROMTEXT_SAMPLE };
    struct err err;
    bool strict = openmetrics < 0 ? is_openmetrics(page) : openmetrics;
    struct promtext *p = promtext_new(c.arena, page, strict ? PROMTEXT_OPENMETRICS_STRICT : PROMTEXT_CLASSIC);
    enum status st = ST_OK;
    while (!st && e.kind != PROMTEXT_END) {
        st = promtext_next(p, &e, &err);
        if (!st && e.kind != PROMTEXT_END)
            entry_add(&c, &e, strict);
    }
    if (!st)
        family_end(&c, strict);
    promtext_free(p);
    if (st)
        fprintf(stderr, "%s: %s\n", path, err.text);
    else
        printf("%s: %s: %zu families, %zu samples\n", path, strict ? "OpenMetrics" : "text", c.families, c.samples);
    arena_free(c.arena);
    return st ? EXIT_BROKEN : c.remarks ? EXIT_REMARKS : 0;
}

static int check_file(const char *path, int openmetrics)
{
    struct buf text;
    struct err err;
    buf_init(&text, 0);
    int code = EXIT_BROKEN;
    if (fs_read_all(fs_real(), path, PAGE_BYTES_MAX, &text, &err))
        fprintf(stderr, "%s\n", err.text);
    else
        code = check_page(path, buf_as_slice(&text), openmetrics);
    buf_free(&text);
    return code;
}

static int check_input(int openmetrics)
{
    struct buf text;
    size_t n;
    buf_init(&text, PAGE_BYTES_MAX);
    do {
        char piece[READ_BYTES];
        n = fread(piece, 1, sizeof piece, stdin);
        buf_put(&text, piece, n);
    } while (n && !buf_over(&text));
    int code = EXIT_BROKEN;
    if (buf_over(&text))
        fprintf(stderr, "standard input: over %d bytes, which is the limit\n", PAGE_BYTES_MAX);
    else
        code = check_page("standard input", buf_as_slice(&text), openmetrics);
    buf_free(&text);
    return code;
}

int check_metrics(int argc, char **argv)
{
    int openmetrics = -1, code = 0, files = 0;
    for (int i = 0; i < argc; i++) {
        struct slice arg = slice_str(argv[i]);
        if (slice_eq(arg, SLICE("--openmetrics")) || slice_eq(arg, SLICE("--text"))) {
            openmetrics = slice_eq(arg, SLICE("--openmetrics"));
        } else if (slice_starts(arg, SLICE("--"))) {
            fprintf(stderr, "usage: stoa check metrics [--openmetrics|--text] [FILE...]\n");
            return EXIT_USAGE;
        } else {
            int one = check_file(argv[i], openmetrics);
            code = code == EXIT_BROKEN ? code : one ? one : code;
            files++;
        }
    }
    return files ? code : check_input(openmetrics);
}
