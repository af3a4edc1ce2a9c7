/* SPDX-License-Identifier: Apache-2.0 */
/* Conversion holds one entry back: the samples of one classic histogram stand together, so it is complete when an entry of
 * something else comes.
 *
 *     reader -> held -> (absorbed into the open histogram, or given) -> caller
 *
 * (1) What is open has the labels of its first sample without le, copied.
 * (2) Buckets that do not rise are no histogram: then nothing is given for it.
 * (3) Where the page itself has a native histogram of these labels, its classic buckets are not converted. */
#include "ingest/page_source.h"

#include <math.h>

#include "base/hash.h"
#include "base/num.h"
#include "ingest/native.h"
#include "ingest/page_starts.h"
#include "ingest/prom_page.h"

enum { CONVERT_BUCKETS_MAX = 4096 };

struct bound {
    double le, count;
};

/* A classic histogram while its samples pass by. */
struct open {
    bool is_open, has_count, is_broken;
    uint64_t key;
    struct promtext_entry first;
    struct promtext_label *labels;
    struct bound *bounds;
    size_t bound_count, bound_cap;
    struct promtext_exemplar *exemplars;
    size_t exemplar_count, exemplar_cap;
    double count, sum;
};

struct page_source {
    struct arena *a;
    struct page_source_options opt;
    struct promtext *text;
    struct prom_page *proto;
    struct page_starts *starts;
    struct promtext_entry held;
    bool has_held, is_histogram, has_native;
    struct slice family;
    uint64_t native_key; /* (3) of the native histogram that came last */
    struct open open;
};

/* Does the Content-Type say which format it is? */
static bool is_known(struct slice content_type)
{
    struct slice media;
    slice_cut(content_type, ';', &media, &content_type);
    media = slice_trim(media);
    return slice_eq_nocase(media, SLICE("text/plain")) || slice_eq_nocase(media, SLICE("application/openmetrics-text"));
}

struct page_source *page_source_new(struct arena *a, struct slice page, struct slice content_type, const struct page_source_options *opt)
{
    struct page_source *s = mem_new(struct page_source);
    s->a = a;
    s->opt = *opt;
    if (opt->fallback.len && !is_known(content_type) && !prom_page_is(content_type))
        content_type = opt->fallback;
    if (prom_page_is(content_type))
        s->proto = prom_page_new(a, page, &(struct prom_page_options){ opt->native, opt->classic });
    else
        s->text = promtext_new(a, page, promtext_format_of(content_type));
    if (s->text && opt->starts && promtext_format_of(content_type) != PROMTEXT_CLASSIC)
        s->starts = page_starts_new(a, page);
    return s;
}

void page_source_free(struct page_source *s)
{
    if (s == NULL)
        return;
    promtext_free(s->text);
    prom_page_free(s->proto);
    page_starts_free(s->starts);
    mem_free(s);
}

/* ---- conversion ---- */

static uint64_t labels_key(const struct promtext_entry *e)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < e->label_count; i++)
        if (!slice_eq(e->labels[i].name, SLICE("le")))
            sum += hash64(e->labels[i].value, hash64(e->labels[i].name, 0));
    return hash_u64(sum);
}

/* What a sample is to the family's histograms: 'b'ucket, 's'um, 'c'ount, or nothing. */
static char part_of(const struct page_source *s, const struct promtext_entry *e)
{
    static const struct {
        struct slice suffix;
        char part;
    } rows[] = { { SLICE_INIT("_bucket"), 'b' }, { SLICE_INIT("_sum"), 's' }, { SLICE_INIT("_count"), 'c' } };
    if (!s->opt.convert || !s->is_histogram || e->kind != PROMTEXT_SAMPLE || !slice_starts(e->name, s->family))
        return 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (slice_eq(slice_skip(e->name, s->family.len), rows[i].suffix))
            return rows[i].part;
    return 0;
}

/* (1) */
static void open_begin(struct page_source *s, const struct promtext_entry *e, uint64_t key)
{
    struct open *o = &s->open;
    *o = (struct open){ .is_open = true, .key = key, .first = *e };
    o->labels = arena_array(s->a, struct promtext_label, e->label_count + 1);
    size_t n = 0;
    for (size_t i = 0; i < e->label_count; i++)
        if (!slice_eq(e->labels[i].name, SLICE("le")))
            o->labels[n++] = (struct promtext_label){ arena_copy(s->a, e->labels[i].name), arena_copy(s->a, e->labels[i].value) };
    o->first.labels = o->labels;
    o->first.label_count = n;
}

static void exemplar_keep(struct page_source *s, const struct promtext_exemplar *x)
{
    struct open *o = &s->open;
    struct promtext_label *labels = arena_array(s->a, struct promtext_label, x->label_count + 1);
    if (o->exemplar_count == PROMTEXT_EXEMPLARS_MAX)
        return;
    for (size_t i = 0; i < x->label_count; i++)
        labels[i] = (struct promtext_label){ arena_copy(s->a, x->labels[i].name), arena_copy(s->a, x->labels[i].value) };
    struct promtext_exemplar *kept = &ARENA_PUSH(s->a, o->exemplars, o->exemplar_count, o->exemplar_cap);
    *kept = *x;
    kept->labels = labels;
}

static void absorb(struct page_source *s, const struct promtext_entry *e, char part)
{
    struct open *o = &s->open;
    double le = 0;
    if (part == 's')
        o->sum = e->value;
    if (part == 'c') {
        o->count = e->value;
        o->has_count = true;
    }
    if (part != 'b')
        return;
    bool has_le = false;
    for (size_t i = 0; i < e->label_count; i++)
        if (slice_eq(e->labels[i].name, SLICE("le")))
            has_le = num_parse_double(e->labels[i].value, &le) && !isnan(le);
    o->is_broken |= !has_le || o->bound_count == CONVERT_BUCKETS_MAX;
    if (o->is_broken)
        return;
    ARENA_PUSH(s->a, o->bounds, o->bound_count, o->bound_cap) = (struct bound){ le, e->value };
    for (size_t i = o->bound_count - 1; i > 0 && o->bounds[i - 1].le > o->bounds[i].le; i--) {
        struct bound swap = o->bounds[i];
        o->bounds[i] = o->bounds[i - 1];
        o->bounds[i - 1] = swap;
    }
    if (e->has_exemplar)
        exemplar_keep(s, &e->exemplar);
}

/* NULL: (2). */
static struct histogram *open_histogram(struct page_source *s)
{
    struct open *o = &s->open;
    struct histogram *h = arena_new_of(s->a, struct histogram);
    struct native_bucket *list = arena_array(s->a, struct native_bucket, o->bound_count + 2);
    struct err err;
    double before = 0;
    size_t n = 0;
    h->schema = HISTOGRAM_SCHEMA_CUSTOM;
    h->bounds = arena_array(s->a, double, o->bound_count + 1);
    if (o->bound_count && isinf(o->bounds[o->bound_count - 1].le)) {
        double all = o->bounds[--o->bound_count].count;
        o->count = o->has_count ? MAX(o->count, all) : all;
    }
    for (size_t i = 0; i < o->bound_count; i++, n++) {
        bool is_twice = i && o->bounds[i].le == o->bounds[i - 1].le;
        if (is_twice || !(o->bounds[i].count >= before) || isinf(o->bounds[i].le))
            return NULL;
        list[n] = (struct native_bucket){ (int64_t)i, o->bounds[i].count - before };
        h->bounds[i] = o->bounds[i].le;
        before = o->bounds[i].count;
    }
    if (o->is_broken || !(o->count >= before) || isinf(o->count))
        return NULL;
    list[n++] = (struct native_bucket){ (int64_t)o->bound_count, o->count - before };
    h->bound_count = (uint32_t)o->bound_count;
    h->count = o->count;
    h->sum = o->sum;
    return native_side(s->a, list, n, 0, &h->positive, &err) || histogram_check(h, &err) ? NULL : h;
}

/* The open histogram's entry; false when there is none. */
static bool open_end(struct page_source *s, struct promtext_entry *out)
{
    struct open *o = &s->open;
    struct histogram *h = open_histogram(s);
    o->is_open = false;
    if (h == NULL)
        return false;
    struct buf key;
    buf_init(&key, 0);
    buf_slice(&key, s->family);
    buf_char(&key, '\n'); /* no line of a page has one */
    for (size_t i = 0; i < o->first.label_count; i++) {
        buf_lenslice(&key, o->labels[i].name);
        buf_lenslice(&key, o->labels[i].value);
    }
    *out = o->first;
    out->name = s->family;
    out->series = arena_copy(s->a, buf_as_slice(&key));
    out->value = histogram_box(h);
    out->has_exemplar = false;
    out->more = o->exemplars;
    out->more_count = o->exemplar_count;
    buf_free(&key);
    return true;
}

/* ---- entries ---- */

/* Whether held is given to the caller. */
static bool take_held(struct page_source *s, char part, uint64_t key)
{
    struct promtext_entry *e = &s->held;
    if (e->kind == PROMTEXT_TYPE) {
        s->family = e->name;
        s->is_histogram = e->type == PROMTEXT_HISTOGRAM;
        s->has_native = false;
    }
    if (e->kind == PROMTEXT_SAMPLE && is_histogram(e->value)) {
        s->has_native = true;
        s->native_key = labels_key(e);
    }
    if (!part)
        return true;
    if (!s->open.is_open)
        open_begin(s, e, key);
    absorb(s, e, part);
    return s->opt.classic;
}

enum status page_source_next(struct page_source *s, struct promtext_entry *out, struct err *err)
{
    for (;;) {
        if (!s->has_held) {
            enum status st = s->proto ? prom_page_next(s->proto, &s->held, err) : promtext_next(s->text, &s->held, err);
            if (st)
                return st;
            s->has_held = s->starts == NULL || page_starts_entry(s->starts, &s->held);
            if (!s->has_held)
                continue;
        }
        char part = part_of(s, &s->held);
        uint64_t key = part ? labels_key(&s->held) : 0;
        if (part && s->has_native && key == s->native_key)
            part = 0; /* (3) */
        if (s->open.is_open && (!part || key != s->open.key)) {
            if (open_end(s, out))
                return ST_OK;
            continue;
        }
        s->has_held = false;
        *out = s->held;
        if (take_held(s, part, key))
            return ST_OK;
    }
}
