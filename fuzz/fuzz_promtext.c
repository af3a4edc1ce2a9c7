/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte picks the format. What one format takes, the laxer ones take with the same samples. */
#include "codec/promtext.h"
#include "fuzz/fuzz.h"

static void check_sample(const struct promtext_entry *e, struct slice page)
{
    MUST(e->name.len > 0);
    MUST(fuzz_within(e->series, page) && e->series.len > 0);
    MUST(e->label_count <= PROMTEXT_LABELS_MAX);
    for (size_t i = 0; i < e->label_count; i++)
        MUST(e->labels[i].name.len > 0);
    MUST(!e->has_exemplar || e->exemplar.label_count <= PROMTEXT_LABELS_MAX);
}

/* How many samples up to the first error, or the whole page. */
static size_t read_page(struct slice page, enum promtext_format format, bool *good)
{
    struct arena *a = arena_new(0);
    struct promtext *p = promtext_new(a, page, format);
    struct promtext_entry e;
    struct err err;
    size_t samples = 0, calls = 0, lines = 1, good_samples = 0;
    for (size_t i = 0; i < page.len; i++)
        lines += page.ptr[i] == '\n';
    *good = true;
    for (;;) {
        enum status st = promtext_next(p, &e, &err);
        MUST(++calls <= lines + 2); /* an error moves on, too */
        if (st) {
            MUST(st == ST_INVALID || st == ST_LIMIT);
            *good = false;
            continue;
        }
        if (e.kind == PROMTEXT_END)
            break;
        if (e.kind == PROMTEXT_SAMPLE) {
            check_sample(&e, page);
            samples++;
            good_samples += *good;
        }
    }
    promtext_free(p);
    arena_free(a);
    return *good ? samples : good_samples;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool classic, plain, strict;
    struct slice page = slice_of(data, size);
    read_page(page, PROMTEXT_CLASSIC, &classic);
    size_t n_plain = read_page(page, PROMTEXT_OPENMETRICS, &plain);
    size_t n_strict = read_page(page, PROMTEXT_OPENMETRICS_STRICT, &strict);
    MUST(!strict || (plain && n_plain == n_strict));
    return 0;
}
