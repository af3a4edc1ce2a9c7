/* SPDX-License-Identifier: Apache-2.0 */
/* A page is read family by family: a sample belongs to the family that a TYPE line named it for (a histogram's _bucket, _sum and
 * _count too), or is a family of its own. The labels of the grouping key stand over those of the page, and no `instance` is
 * made up: that is what honor_labels gives for a scraped Pushgateway. */
#include "collect/push_group.h"

#include "base/map.h"
#include "collect/page.h"
#include "collect/push.h"
#include "ingest/prom_page.h"

enum { SAVED_VERSION = 1 };

struct push_group *push_group_new(struct slice tenant, struct slice key)
{
    struct arena *a = arena_new(0);
    struct push_group *g = arena_new_of(a, struct push_group);
    g->arena = a;
    char *name = arena_alloc(a, tenant.len + 1 + key.len);
    memcpy(name, tenant.ptr, tenant.len);
    name[tenant.len] = 0;
    memcpy(name + tenant.len + 1, key.ptr, key.len);
    g->name = slice_of(name, tenant.len + 1 + key.len);
    g->tenant = slice_of(name, tenant.len);
    g->key = slice_of(name + tenant.len + 1, key.len);
    return g;
}

void push_group_free(struct push_group *g)
{
    if (g)
        arena_free(g->arena);
}

size_t push_group_series(const struct push_group *g)
{
    size_t n = 0;
    for (size_t i = 0; i < g->family_count; i++)
        n += g->families[i].count;
    return n;
}

/* ---- reading a page ---- */

struct reading {
    struct push_group *g;
    struct map families, seen; /* name -> index; labels of a series */
    size_t series;
};

static struct push_family *family_put(struct reading *r, struct slice name)
{
    struct push_group *g = r->g;
    uint64_t *at = map_get(&r->families, name);
    if (at)
        return &g->families[*at];
    struct slice copy = arena_copy(g->arena, name);
    *map_put(&r->families, copy, NULL) = g->family_count;
    ARENA_PUSH(g->arena, g->families, g->family_count, g->family_cap) = (struct push_family){ .name = copy, .help = SLICE_EMPTY };
    return &g->families[g->family_count - 1];
}

/* The family whose name, with this ending, the sample has; NULL when there is none of such a type. */
static struct push_family *family_by_ending(struct reading *r, struct slice name, struct slice ending)
{
    if (!slice_ends(name, ending) || name.len == ending.len)
        return NULL;
    uint64_t *at = map_get(&r->families, slice_sub(name, 0, name.len - ending.len));
    return at ? &r->g->families[*at] : NULL;
}

static bool has_parts(enum metric_type t)
{
    return t == METRIC_HISTOGRAM || t == METRIC_SUMMARY || t == METRIC_GAUGEHISTOGRAM;
}

static struct push_family *family_of(struct reading *r, struct slice name)
{
    static const struct slice parts[] = { SLICE_INIT("_bucket"), SLICE_INIT("_sum"), SLICE_INIT("_count") };
    if (map_get(&r->families, name))
        return family_put(r, name);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        struct push_family *f = family_by_ending(r, name, parts[i]);
        if (f && has_parts(f->type))
            return f;
    }
    struct push_family *f = family_by_ending(r, name, SLICE("_total"));
    if (f && f->type == METRIC_COUNTER)
        return f;
    f = family_by_ending(r, name, SLICE("_info"));
    return f && f->type == METRIC_INFO ? f : family_put(r, name);
}

/* name, then the grouping key's labels, then those of the page that the key does not name. */
static enum status series_labels(struct reading *r, const struct promtext_entry *e, enum metric_type type, struct slice *out, struct err *err)
{
    struct label list[PROMTEXT_LABELS_MAX + PUSH_KEY_LABELS_MAX + 1];
    struct slice rest = r->g->key;
    size_t n = 0;
    list[n++] = (struct label){ SLICE("__name__"), e->name };
    for (struct label one; labels_next(&rest, &one);)
        list[n++] = one;
    for (size_t i = 0; i < e->label_count; i++) {
        if (labels_get(r->g->key, e->labels[i].name).len == 0)
            list[n++] = (struct label){ e->labels[i].name, prom_page_label(r->g->arena, type, e->labels[i].name, e->labels[i].value) };
    }
    return labels_build(r->g->arena, list, n, out, err);
}

static enum status sample_read(struct reading *r, const struct promtext_entry *e, struct err *err)
{
    struct slice labels;
    bool added;
    if (slice_eq(e->name, SLICE("push_time_seconds")) || slice_eq(e->name, SLICE("push_failure_time_seconds")))
        return ST_OK; /* ours to tell */
    if (e->has_time)
        return err_set(err, ST_INVALID, "line %zu: a pushed sample must have no time of its own, found %lld ms", e->line, (long long)e->t_ms);
    if (r->series++ == PUSH_SERIES_PER_GROUP_MAX)
        return err_set(err, ST_LIMIT, "line %zu: more than %d series in one push", e->line, PUSH_SERIES_PER_GROUP_MAX);
    struct push_family *f = family_of(r, e->name);
    if (series_labels(r, e, f->type, &labels, err))
        return err_prefix(err, "line %zu: ", e->line);
    map_put(&r->seen, labels, &added);
    if (!added)
        return err_set(err, ST_INVALID, "line %zu: series %.*s comes twice", e->line, SLICE_FMT(slice_sub(e->series, 0, 120)));
    ARENA_PUSH(r->g->arena, f->series, f->count, f->cap) = (struct push_series){ labels, e->value };
    return ST_OK;
}

static void family_read(struct reading *r, const struct promtext_entry *e)
{
    struct push_family *f = family_put(r, e->name);
    if (e->kind == PROMTEXT_HELP)
        f->help = arena_copy(r->g->arena, e->text);
    if (e->kind == PROMTEXT_TYPE)
        f->type = page_metric_type(e->type);
}

enum status push_group_read(struct push_group *g, struct slice page, struct slice content_type, bool *is_page, struct err *err)
{
    struct reading r = { .g = g };
    struct promtext_entry e;
    struct arena *texts = arena_new(0);
    struct promtext *p = promtext_new(texts, page, promtext_format_of(content_type));
    map_init(&r.families);
    map_init(&r.seen);
    enum status st = promtext_next(p, &e, err);
    *is_page = !st;
    while (!st && e.kind != PROMTEXT_END) {
        if (e.kind == PROMTEXT_SAMPLE)
            st = sample_read(&r, &e, err);
        else
            family_read(&r, &e);
        if (st)
            break;
        st = promtext_next(p, &e, err);
        *is_page = !st;
    }
    map_free(&r.families);
    map_free(&r.seen);
    promtext_free(p);
    arena_free(texts);
    return st;
}

void push_group_inherit(struct push_group *g, const struct push_group *from)
{
    struct map names;
    map_init(&names);
    for (size_t i = 0; i < g->family_count; i++)
        map_put(&names, g->families[i].name, NULL);
    for (size_t i = 0; i < from->family_count; i++) {
        const struct push_family *f = &from->families[i];
        if (map_get(&names, f->name))
            continue;
        struct push_family copy = { .name = arena_copy(g->arena, f->name), .help = arena_copy(g->arena, f->help), .type = f->type };
        for (size_t k = 0; k < f->count; k++)
            ARENA_PUSH(g->arena, copy.series, copy.count, copy.cap) =
                (struct push_series){ arena_copy(g->arena, f->series[k].labels), f->series[k].value };
        ARENA_PUSH(g->arena, g->families, g->family_count, g->family_cap) = copy;
    }
    map_free(&names);
}

/* ---- as samples ---- */

static void put_own(const struct push_group *g, struct slice name, double value, int64_t t_ms, struct batch *b)
{
    batch_series(b, labels_with(b->arena, g->key, SLICE("__name__"), name));
    batch_sample(b, t_ms, value);
}

void push_group_samples(const struct push_group *g, int64_t t_ms, bool is_end, struct batch *b)
{
    double end = double_of_bits(STALE_NAN_BITS);
    for (size_t i = 0; i < g->family_count; i++)
        for (size_t k = 0; k < g->families[i].count; k++) {
            batch_series(b, arena_copy(b->arena, g->families[i].series[k].labels));
            batch_sample(b, t_ms, is_end ? end : g->families[i].series[k].value);
        }
    put_own(g, SLICE("push_time_seconds"), is_end ? end : (double)g->pushed_ms / 1000, t_ms, b);
    put_own(g, SLICE("push_failure_time_seconds"), is_end ? end : (double)g->failed_ms / 1000, t_ms, b);
}

void push_group_ends(const struct push_group *g, const struct push_group *old, int64_t t_ms, struct batch *b)
{
    struct map kept;
    map_init(&kept);
    for (size_t i = 0; i < g->family_count; i++)
        for (size_t k = 0; k < g->families[i].count; k++)
            map_put(&kept, g->families[i].series[k].labels, NULL);
    for (size_t i = 0; i < old->family_count; i++)
        for (size_t k = 0; k < old->families[i].count; k++)
            if (!map_get(&kept, old->families[i].series[k].labels)) {
                batch_series(b, arena_copy(b->arena, old->families[i].series[k].labels));
                batch_sample(b, t_ms, double_of_bits(STALE_NAN_BITS));
            }
    map_free(&kept);
}

void push_group_metadata(const struct push_group *g, struct batch *b)
{
    for (size_t i = 0; i < g->family_count; i++)
        if (g->families[i].help.len || g->families[i].type != METRIC_UNKNOWN)
            batch_metadata(b, arena_copy(b->arena, g->families[i].name), g->families[i].type, arena_copy(b->arena, g->families[i].help), SLICE_EMPTY);
    batch_metadata(b, SLICE("push_time_seconds"), METRIC_GAUGE, SLICE("Last Unix time when changing this group succeeded."), SLICE_EMPTY);
    batch_metadata(b, SLICE("push_failure_time_seconds"), METRIC_GAUGE, SLICE("Last Unix time when changing this group failed."), SLICE_EMPTY);
}

/* ---- as bytes: version, tenant, key, times, families with their series ---- */

void push_group_save(const struct push_group *g, struct buf *out)
{
    buf_u8(out, SAVED_VERSION);
    buf_lenslice(out, g->tenant);
    buf_lenslice(out, g->key);
    buf_zigzag(out, g->pushed_ms);
    buf_zigzag(out, g->failed_ms);
    buf_varint(out, g->family_count);
    for (size_t i = 0; i < g->family_count; i++) {
        const struct push_family *f = &g->families[i];
        buf_lenslice(out, f->name);
        buf_lenslice(out, f->help);
        buf_u8(out, (uint8_t)f->type);
        buf_varint(out, f->count);
        for (size_t k = 0; k < f->count; k++) {
            buf_lenslice(out, f->series[k].labels);
            buf_u64(out, double_bits(f->series[k].value));
        }
    }
}

static bool family_load(struct reader *r, struct push_group *g, struct push_family *f)
{
    f->name = arena_copy(g->arena, read_lenslice(r));
    f->help = arena_copy(g->arena, read_lenslice(r));
    f->type = (enum metric_type)read_u8(r);
    uint64_t n = read_varint(r);
    if (r->bad || n > PUSH_SERIES_PER_GROUP_MAX || f->type > METRIC_GAUGEHISTOGRAM)
        return false;
    for (uint64_t k = 0; k < n; k++) {
        struct slice labels = arena_copy(g->arena, read_lenslice(r));
        double value = double_of_bits(read_u64(r));
        if (r->bad || !labels_check(labels))
            return false;
        ARENA_PUSH(g->arena, f->series, f->count, f->cap) = (struct push_series){ labels, value };
    }
    return true;
}

struct push_group *push_group_load(struct slice bytes)
{
    struct reader r = reader_of(bytes);
    uint8_t version = read_u8(&r);
    struct slice tenant = read_lenslice(&r), key = read_lenslice(&r);
    if (r.bad || version != SAVED_VERSION || !tenant_is_valid(tenant) || !labels_check(key))
        return NULL;
    struct push_group *g = push_group_new(tenant, key);
    g->pushed_ms = read_zigzag(&r);
    g->failed_ms = read_zigzag(&r);
    g->bytes = bytes.len;
    uint64_t n = read_varint(&r);
    bool good = !r.bad && n <= PUSH_BODY_BYTES_MAX;
    for (uint64_t i = 0; good && i < n; i++) {
        struct push_family f = { .name = SLICE_EMPTY };
        good = family_load(&r, g, &f);
        ARENA_PUSH(g->arena, g->families, g->family_count, g->family_cap) = f;
    }
    if (good && !r.bad)
        return g;
    push_group_free(g);
    return NULL;
}
