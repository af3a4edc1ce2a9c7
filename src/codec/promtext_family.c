/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of OpenMetrics 1.0 about families, metrics and points, held while entries pass by.
 *
 * A page is a row of families, a family a row of metrics (one label set each, without le and quantile), a metric a row of
 * points (one time each), a point a row of samples. So three levels are open at any time, and each is checked when it ends:
 *
 * (1) A family's name, and every name its samples may have, belongs to it alone; it stands once in the page.
 * (2) A metric stands once in its family, with times in all its samples or in none, and times do not go back.
 * (3) A point of a histogram has cumulative buckets up to +Inf, its count agrees, and sum and count come together.
 *
 * Metrics are told apart by a 64-bit hash that does not depend on the order of labels. */
#include "codec/promtext_family.h"

#include <math.h>

#include "base/hash.h"
#include "base/map.h"
#include "base/num.h"
#include "base/utf8.h"

enum { EXEMPLAR_CHARACTERS_MAX = 128, SAMPLE_NAME_BYTES_MAX = 64 * KIB };

enum rule_flags {
    RULE_COUNTS = 1,    /* not NaN, not negative */
    RULE_NOT_NAN = 2,
    RULE_EXEMPLAR = 4,  /* may have one */
    RULE_BUCKET = 8,    /* label le, and (3) */
    RULE_COUNT = 16,    /* equals the +Inf bucket */
    RULE_SUM = 32,
    RULE_QUANTILE = 64, /* label quantile, 0 to 1 */
    RULE_ONE = 128,     /* the value is 1 */
    RULE_STATE = 256,   /* a label of the family's name, and 0 or 1 */
};

struct rule {
    enum promtext_type type;
    struct slice suffix;
    unsigned flags;
};

static const struct rule rules[] = {
    { PROMTEXT_UNKNOWN, SLICE_INIT(""), 0 },
    { PROMTEXT_GAUGE, SLICE_INIT(""), 0 },
    { PROMTEXT_COUNTER, SLICE_INIT("_total"), RULE_COUNTS | RULE_EXEMPLAR },
    { PROMTEXT_COUNTER, SLICE_INIT("_created"), 0 },
    { PROMTEXT_HISTOGRAM, SLICE_INIT("_bucket"), RULE_COUNTS | RULE_EXEMPLAR | RULE_BUCKET },
    { PROMTEXT_HISTOGRAM, SLICE_INIT("_count"), RULE_COUNTS | RULE_COUNT },
    { PROMTEXT_HISTOGRAM, SLICE_INIT("_sum"), RULE_COUNTS | RULE_SUM },
    { PROMTEXT_HISTOGRAM, SLICE_INIT("_created"), 0 },
    { PROMTEXT_GAUGEHISTOGRAM, SLICE_INIT("_bucket"), RULE_COUNTS | RULE_EXEMPLAR | RULE_BUCKET },
    { PROMTEXT_GAUGEHISTOGRAM, SLICE_INIT("_gcount"), RULE_COUNTS | RULE_COUNT },
    { PROMTEXT_GAUGEHISTOGRAM, SLICE_INIT("_gsum"), RULE_NOT_NAN | RULE_SUM },
    { PROMTEXT_SUMMARY, SLICE_INIT(""), RULE_QUANTILE },
    { PROMTEXT_SUMMARY, SLICE_INIT("_count"), RULE_COUNTS },
    { PROMTEXT_SUMMARY, SLICE_INIT("_sum"), RULE_COUNTS },
    { PROMTEXT_SUMMARY, SLICE_INIT("_created"), 0 },
    { PROMTEXT_INFO, SLICE_INIT("_info"), RULE_ONE },
    { PROMTEXT_STATESET, SLICE_INIT(""), RULE_STATE },
};

struct point {
    bool open, has_bucket, has_inf, has_count, has_sum, negative_bucket;
    double le, bucket, count, sum;
};

struct promtext_families {
    struct arena *a;
    struct map names;   /* names of families and samples -> number of their family */
    struct map metrics; /* the current family's metrics: 8 bytes of hash */
    uint64_t number;    /* of the current family; 0: none yet */
    struct slice name, unit;
    enum promtext_type type;
    bool has_help, has_type, has_unit, has_samples, has_metric, timed;
    uint64_t metric; /* hash of the current one */
    double seconds;
    struct point point;
};

struct promtext_families *promtext_families_new(struct arena *a)
{
    struct promtext_families *f = mem_new(struct promtext_families);
    f->a = a;
    map_init(&f->names);
    map_init(&f->metrics);
    return f;
}

void promtext_families_free(struct promtext_families *f)
{
    if (f == NULL)
        return;
    map_free(&f->names);
    map_free(&f->metrics);
    mem_free(f);
}

/* ---- points and metrics ---- */

static enum status point_fail(size_t line, struct slice name, const char *what, struct err *err)
{
    return err_set(err, ST_INVALID, "line %zu: the point of \"%.*s\" that ends here %s", line, (int)MIN(name.len, (size_t)100), name.ptr, what);
}

/* (3) */
static enum status point_end(struct promtext_families *f, size_t line, struct err *err)
{
    struct point p = f->point;
    bool gauge = f->type == PROMTEXT_GAUGEHISTOGRAM;
    f->point = (struct point){ 0 };
    if (!p.open || (f->type != PROMTEXT_HISTOGRAM && !gauge))
        return ST_OK;
    if (!p.has_inf)
        return point_fail(line, f->name, "has no bucket le=\"+Inf\"", err);
    if (p.has_count && p.count != p.bucket)
        return point_fail(line, f->name, "has a count that differs from its bucket le=\"+Inf\"", err);
    if (p.has_sum && !p.has_count)
        return point_fail(line, f->name, "has a sum and no count", err);
    if (p.has_count && !p.has_sum && !p.negative_bucket)
        return point_fail(line, f->name, "has a count and no sum", err);
    if (p.has_sum && p.negative_bucket && !gauge)
        return point_fail(line, f->name, "has a sum and a bucket below zero", err);
    if (p.has_sum && p.sum < 0 && !p.negative_bucket)
        return point_fail(line, f->name, "has a sum below zero and no bucket below zero", err);
    return ST_OK;
}

static bool names_the_point(const struct promtext_families *f, struct slice label, unsigned flags)
{
    return (flags & RULE_BUCKET && slice_eq(label, SLICE("le"))) || (flags & RULE_QUANTILE && slice_eq(label, SLICE("quantile"))) ||
           (flags & RULE_STATE && slice_eq(label, f->name));
}

static uint64_t metric_hash(const struct promtext_families *f, const struct promtext_entry *e, unsigned flags)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < e->label_count; i++)
        if (!names_the_point(f, e->labels[i].name, flags) && e->labels[i].value.len)
            sum += hash64(e->labels[i].value, hash64(e->labels[i].name, 0));
    return hash_u64(sum);
}

/* (2) */
static enum status check_metric(struct promtext_families *f, const struct promtext_entry *e, unsigned flags, double seconds, struct err *err)
{
    uint64_t metric = metric_hash(f, e, flags);
    if (f->has_metric && f->metric == metric) {
        if (f->timed != e->has_time)
            return point_fail(e->line, e->name, "has a time in some samples and none in others", err);
        if (!e->has_time || seconds == f->seconds || f->type == PROMTEXT_INFO)
            return ST_OK;
        if (seconds < f->seconds)
            return err_set(err, ST_INVALID, "line %zu: the time goes back within one metric", e->line);
        f->seconds = seconds;
        return point_end(f, e->line, err);
    }
    enum status st = point_end(f, e->line, err);
    bool added = true;
    map_put(&f->metrics, arena_copy(f->a, slice_of(&metric, sizeof metric)), &added);
    if (!added && !st)
        st = err_set(err, ST_INVALID, "line %zu: samples of one metric of \"%.*s\" stand apart", e->line, (int)MIN(f->name.len, (size_t)100),
                     f->name.ptr);
    f->has_metric = true;
    f->metric = metric;
    f->timed = e->has_time;
    f->seconds = seconds;
    return st;
}

/* ---- families ---- */

static enum status family_end(struct promtext_families *f, size_t line, struct err *err)
{
    enum status st = point_end(f, line, err);
    if (!st && f->has_unit && f->unit.len) {
        bool ends = slice_ends(f->name, f->unit) && f->name.len > f->unit.len && f->name.ptr[f->name.len - f->unit.len - 1] == '_';
        if (!ends)
            st = err_set(err, ST_INVALID, "line %zu: family \"%.*s\" has the unit \"%.*s\" and does not end in it", line,
                         (int)MIN(f->name.len, (size_t)100), f->name.ptr, (int)MIN(f->unit.len, (size_t)100), f->unit.ptr);
        else if (f->type == PROMTEXT_INFO || f->type == PROMTEXT_STATESET)
            st = err_set(err, ST_INVALID, "line %zu: family \"%.*s\" has a unit, and its type has none", line, (int)MIN(f->name.len, (size_t)100),
                         f->name.ptr);
    }
    return st;
}

/* (1) Claims name + suffix for the current family. */
static enum status claim(struct promtext_families *f, struct slice suffix, size_t line, struct err *err)
{
    bool added;
    struct slice name = f->name;
    if (suffix.len)
        name = arena_printf(f->a, "%.*s%.*s", SLICE_FMT(f->name), SLICE_FMT(suffix));
    uint64_t *owner = map_put(&f->names, name, &added);
    if (added)
        *owner = f->number;
    if (*owner != f->number)
        return err_set(err, ST_INVALID, "line %zu: the name \"%.*s\" belongs to a family that stands above", line, (int)MIN(name.len, (size_t)100),
                       name.ptr);
    return ST_OK;
}

static enum status claim_all(struct promtext_families *f, size_t line, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        enum status st = rules[i].type == f->type ? claim(f, rules[i].suffix, line, err) : ST_OK;
        if (st)
            return st;
    }
    return ST_OK;
}

static enum status family_begin(struct promtext_families *f, struct slice name, size_t line, struct err *err)
{
    enum status st = f->number ? family_end(f, line, err) : ST_OK;
    f->number++;
    f->name = name;
    f->unit = SLICE_EMPTY;
    f->type = PROMTEXT_UNKNOWN;
    f->has_help = f->has_type = f->has_unit = f->has_samples = f->has_metric = false;
    map_clear(&f->metrics);
    if (!st && name.len > SAMPLE_NAME_BYTES_MAX)
        st = err_set(err, ST_LIMIT, "line %zu: name of %zu bytes, at most %d are allowed", line, name.len, (int)SAMPLE_NAME_BYTES_MAX);
    return st ? st : claim(f, SLICE_EMPTY, line, err);
}

static enum status take_meta(struct promtext_families *f, const struct promtext_entry *e, struct err *err)
{
    bool *has = e->kind == PROMTEXT_HELP ? &f->has_help : e->kind == PROMTEXT_TYPE ? &f->has_type : &f->has_unit;
    if (f->number == 0 || !slice_eq(f->name, e->name)) {
        enum status st = family_begin(f, e->name, e->line, err);
        if (st)
            return st;
    }
    if (f->has_samples)
        return err_set(err, ST_INVALID, "line %zu: HELP, TYPE and UNIT of a family stand before its samples", e->line);
    if (*has)
        return err_set(err, ST_INVALID, "line %zu: family \"%.*s\" has this line twice", e->line, (int)MIN(f->name.len, (size_t)100), f->name.ptr);
    *has = true;
    if (e->kind == PROMTEXT_UNIT)
        f->unit = e->text;
    if (e->kind != PROMTEXT_TYPE)
        return ST_OK;
    f->type = e->type;
    return claim_all(f, e->line, err);
}

/* ---- samples ---- */

static const struct rule *find_rule(const struct promtext_families *f, struct slice name)
{
    if (f->number == 0 || !slice_starts(name, f->name))
        return NULL;
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        if (rules[i].type == f->type && slice_eq(rules[i].suffix, slice_skip(name, f->name.len)))
            return &rules[i];
    return NULL;
}

static const struct promtext_label *find_label(const struct promtext_entry *e, struct slice name)
{
    for (size_t i = 0; i < e->label_count; i++)
        if (slice_eq(e->labels[i].name, name))
            return &e->labels[i];
    return NULL;
}

static enum status label_fail(const struct promtext_entry *e, struct slice label, const char *expected, struct err *err)
{
    const struct promtext_label *l = find_label(e, label);
    return err_set(err, ST_INVALID, "line %zu: label \"%.*s\": %s \"%.*s\", expected %s", e->line, (int)MIN(label.len, (size_t)60), label.ptr,
                   l ? "found" : "is missing", l ? (int)MIN(l->value.len, (size_t)60) : 0, l ? l->value.ptr : "", expected);
}

static enum status value_fail(const struct promtext_entry *e, const char *expected, struct err *err)
{
    return err_set(err, ST_INVALID, "line %zu: a sample of \"%.*s\" is %g, expected %s", e->line, (int)MIN(e->name.len, (size_t)100), e->name.ptr,
                   e->value, expected);
}

static enum status check_labels_once(const struct promtext_entry *e, struct err *err)
{
    for (size_t i = 1; i < e->label_count; i++)
        for (size_t k = 0; k < i; k++)
            if (slice_eq(e->labels[i].name, e->labels[k].name))
                return err_set(err, ST_INVALID, "line %zu: label \"%.*s\" stands twice", e->line, (int)MIN(e->labels[i].name.len, (size_t)100),
                               e->labels[i].name.ptr);
    return ST_OK;
}

/* (3) while the buckets pass by. */
static enum status check_bucket(struct promtext_families *f, const struct promtext_entry *e, struct err *err)
{
    const struct promtext_label *l = find_label(e, SLICE("le"));
    struct point *p = &f->point;
    double le;
    bool inf = l && slice_eq(l->value, SLICE("+Inf"));
    if (l == NULL || !num_parse_double(l->value, &le) || isnan(le) || (isinf(le) && !inf))
        return label_fail(e, SLICE("le"), "a number or +Inf", err);
    if (p->has_bucket && le <= p->le)
        return label_fail(e, SLICE("le"), "a bound above that of the bucket before", err);
    if (p->has_bucket && e->value < p->bucket)
        return value_fail(e, "at least what the bucket before has", err);
    p->has_bucket = true;
    p->has_inf = inf;
    p->negative_bucket |= le < 0;
    p->le = le;
    p->bucket = e->value;
    return ST_OK;
}

static enum status check_value(struct promtext_families *f, const struct promtext_entry *e, unsigned flags, struct err *err)
{
    double q = 0;
    if (flags & (RULE_COUNTS | RULE_NOT_NAN) && isnan(e->value))
        return value_fail(e, "a number", err);
    if (flags & RULE_COUNTS && e->value < 0)
        return value_fail(e, "nothing below zero", err);
    if (flags & RULE_ONE && e->value != 1)
        return value_fail(e, "1", err);
    if (flags & RULE_STATE && e->value != 0 && e->value != 1)
        return value_fail(e, "0 or 1", err);
    if (flags & RULE_STATE && find_label(e, f->name) == NULL)
        return label_fail(e, f->name, "the name of a state", err);
    if (flags & RULE_QUANTILE) {
        const struct promtext_label *l = find_label(e, SLICE("quantile"));
        if (l == NULL || !num_parse_double(l->value, &q) || !(q >= 0 && q <= 1))
            return label_fail(e, SLICE("quantile"), "a number from 0 to 1", err);
        if (e->value < 0)
            return value_fail(e, "nothing below zero", err);
    }
    if (flags & RULE_COUNT) {
        f->point.has_count = true;
        f->point.count = e->value;
    }
    if (flags & RULE_SUM) {
        f->point.has_sum = true;
        f->point.sum = e->value;
    }
    return flags & RULE_BUCKET ? check_bucket(f, e, err) : ST_OK;
}

static enum status check_exemplar(const struct promtext_entry *e, unsigned flags, struct err *err)
{
    size_t characters = 0;
    if (!e->has_exemplar)
        return ST_OK;
    if (!(flags & RULE_EXEMPLAR))
        return err_set(err, ST_INVALID, "line %zu: only counters' totals and histograms' buckets may have an exemplar", e->line);
    for (size_t i = 0; i < e->exemplar.label_count; i++)
        characters += utf8_count(e->exemplar.labels[i].name) + utf8_count(e->exemplar.labels[i].value);
    if (characters > EXEMPLAR_CHARACTERS_MAX)
        return err_set(err, ST_LIMIT, "line %zu: an exemplar's labels have %zu characters, at most %d are allowed", e->line, characters,
                       (int)EXEMPLAR_CHARACTERS_MAX);
    return ST_OK;
}

static enum status take_sample(struct promtext_families *f, const struct promtext_entry *e, double seconds, struct err *err)
{
    const struct rule *rule = find_rule(f, e->name);
    enum status st = ST_OK;
    if (rule == NULL) {
        st = family_begin(f, e->name, e->line, err);
        rule = &rules[0];
    }
    if (!st)
        st = check_labels_once(e, err);
    if (!st)
        st = check_metric(f, e, rule->flags, seconds, err);
    f->has_samples = true;
    f->point.open = true;
    if (!st)
        st = check_value(f, e, rule->flags, err);
    return st ? st : check_exemplar(e, rule->flags, err);
}

enum status promtext_families_entry(struct promtext_families *f, const struct promtext_entry *e, double seconds, struct err *err)
{
    return e->kind == PROMTEXT_SAMPLE ? take_sample(f, e, seconds, err) : take_meta(f, e, err);
}

enum status promtext_families_end(struct promtext_families *f, size_t line, struct err *err)
{
    return f->number ? family_end(f, line, err) : ST_OK;
}
