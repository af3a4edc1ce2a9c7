/* SPDX-License-Identifier: Apache-2.0 */
/* The page is read twice when it has such lines at all: first for them alone, then by the caller.
 *
 *     family and labels without le -> start
 *
 * (1) Only families that a TYPE calls counter, histogram or summary have starts; elsewhere NAME_created is a name like others.
 * (2) A summary's quantiles count nothing, so they have no start.
 * (3) A page that is broken somewhere has the starts before that place: whoever reads it on says what is wrong. */
#include "ingest/page_starts.h"

#include <math.h>

#include "base/hash.h"
#include "base/map.h"
#include "base/num.h"

static const struct slice suffix = SLICE_INIT("_created");

struct start {
    uint64_t key;
    int64_t t_ms;
};

struct family {
    struct slice name;
    enum promtext_type type;
};

struct page_starts {
    struct arena *a;
    struct map index; /* key -> t_ms */
    struct family family;
};

static void family_entry(struct family *f, const struct promtext_entry *e)
{
    if (e->kind == PROMTEXT_TYPE)
        *f = (struct family){ e->name, e->type };
}

/* (1) */
static bool family_has(const struct family *f, struct slice name)
{
    bool counts = f->type == PROMTEXT_COUNTER || f->type == PROMTEXT_HISTOGRAM || f->type == PROMTEXT_SUMMARY;
    return counts && slice_starts(name, f->name);
}

static bool is_start(const struct family *f, const struct promtext_entry *e)
{
    return family_has(f, e->name) && slice_eq(slice_skip(e->name, f->name.len), suffix);
}

/* Of one metric, whatever the order of its labels. */
static uint64_t metric_key(const struct family *f, const struct promtext_entry *e)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < e->label_count; i++)
        if (!slice_eq(e->labels[i].name, SLICE("le")))
            sum += hash64(e->labels[i].value, hash64(e->labels[i].name, 0));
    return hash_u64(sum ^ hash64(f->name, 1));
}

static void start_put(struct page_starts *s, const struct family *f, const struct promtext_entry *e)
{
    if (!(e->value > 0) || e->value > (double)INT64_MAX / 1000)
        return;
    struct start *kept = arena_new_of(s->a, struct start);
    *kept = (struct start){ metric_key(f, e), (int64_t)round(e->value * 1000) };
    *map_put(&s->index, slice_of(&kept->key, sizeof kept->key), NULL) = (uint64_t)kept->t_ms;
}

struct page_starts *page_starts_new(struct arena *a, struct slice page)
{
    struct promtext_entry e;
    struct family f = { .name = SLICE_EMPTY };
    struct err err;
    if (!slice_contains(page, suffix))
        return NULL;
    struct page_starts *s = mem_new(struct page_starts);
    *s = (struct page_starts){ .a = a, .family = { .name = SLICE_EMPTY } };
    map_init(&s->index);
    struct promtext *p = promtext_new(a, page, PROMTEXT_OPENMETRICS);
    while (promtext_next(p, &e, &err) == ST_OK && e.kind != PROMTEXT_END) { /* (3) */
        family_entry(&f, &e);
        if (e.kind == PROMTEXT_SAMPLE && is_start(&f, &e))
            start_put(s, &f, &e);
    }
    promtext_free(p);
    return s;
}

void page_starts_free(struct page_starts *s)
{
    if (s)
        map_free(&s->index);
    mem_free(s);
}

bool page_starts_entry(struct page_starts *s, struct promtext_entry *e)
{
    family_entry(&s->family, e);
    if (e->kind != PROMTEXT_SAMPLE || !family_has(&s->family, e->name))
        return true;
    if (is_start(&s->family, e))
        return false;
    if (s->family.type == PROMTEXT_SUMMARY && e->name.len == s->family.name.len) /* (2) */
        return true;
    uint64_t key = metric_key(&s->family, e), *at = map_get(&s->index, slice_of(&key, sizeof key));
    e->start_ms = at ? (int64_t)*at : 0;
    return true;
}
