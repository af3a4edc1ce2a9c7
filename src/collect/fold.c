/* SPDX-License-Identifier: Apache-2.0 */
/* The list of names is an immutable value that scrapes take a reference of, so a reload never meets a scrape half-way.
 * The report is one map under a lock: a page tells once a metric, not once a sample. */
#include "collect/fold.h"

#include <stdlib.h>

#include "base/map.h"

struct fold {
    struct snap_cell rules;
    struct mutex lock;
    struct arena *arena;
    struct map index; /* job \n instance \n metric -> index into list, plus 1 */
    struct fold_report *list;
    size_t count, cap;
    uint64_t number;
};

static const struct slice default_labels[] = { SLICE_INIT("correlation_id"), SLICE_INIT("x_correlation_id"), SLICE_INIT("request_id"),
                                               SLICE_INIT("trace_id"), SLICE_INIT("span_id") };

/* ---- configuration ---- */

static enum status check_labels(const struct yaml_node *n, const struct fold_config *c, struct err *err)
{
    static const struct slice needed[] = { SLICE_INIT("__name__"), SLICE_INIT("job"), SLICE_INIT("instance"), SLICE_INIT("le"),
                                           SLICE_INIT("quantile") };
    if (c->label_count > FOLD_LABELS_MAX)
        return yaml_fail(n, err, "correlation: %zu labels, at most %d are allowed", c->label_count, FOLD_LABELS_MAX);
    for (size_t i = 0; i < c->label_count; i++) {
        if (!label_name_is_legacy(c->labels[i]))
            return yaml_fail(n, err, "correlation: \"%.*s\" is no label name", SLICE_FMT(c->labels[i]));
        for (size_t k = 0; k < COUNT_OF(needed); k++)
            if (slice_eq(c->labels[i], needed[k]))
                return yaml_fail(n, err, "correlation: label %.*s tells series apart and cannot be folded", SLICE_FMT(needed[k]));
    }
    return ST_OK;
}

enum status fold_config_read(struct arena *a, const struct yaml_node *root, struct fold_config **out, struct buf *warnings, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("labels"), SLICE_INIT("fold") };
    const struct yaml_node *n = yaml_get(root, SLICE("correlation"));
    struct fold_config *c = arena_new_of(a, struct fold_config);
    (void)warnings;
    *c = (struct fold_config){ default_labels, COUNT_OF(default_labels), true };
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st && yaml_get(n, keys[0])) {
        struct slice *labels;
        st = yaml_texts(a, n, keys[0], &labels, &c->label_count, err);
        c->labels = labels;
    }
    if (!st)
        st = yaml_bool(n, keys[1], &c->on, err);
    if (!st)
        st = check_labels(yaml_get(n, keys[0]), c, err);
    if (!st)
        *out = c;
    return st;
}

/* ---- rules ---- */

static void rules_free(struct snap *s)
{
    struct fold_rules *r = (struct fold_rules *)s;
    arena_free(r->arena);
    mem_free(r);
}

bool fold_rules_has(const struct fold_rules *r, struct slice name)
{
    for (size_t i = 0; i < r->label_count; i++)
        if (slice_eq(r->labels[i], name))
            return true;
    return false;
}

struct fold *fold_new(void)
{
    static const struct fold_config usual = { default_labels, COUNT_OF(default_labels), true };
    struct fold *f = mem_new(struct fold);
    mutex_init(&f->lock);
    mutex_init(&f->rules.lock);
    f->arena = arena_new(0);
    map_init(&f->index);
    fold_configure(f, &usual);
    return f;
}

void fold_free(struct fold *f)
{
    if (f == NULL)
        return;
    snap_drop(f->rules.value);
    mutex_destroy(&f->rules.lock);
    mutex_destroy(&f->lock);
    map_free(&f->index);
    arena_free(f->arena);
    mem_free(f);
}

static bool is_as_before(struct fold *f, const struct fold_config *c)
{
    if (f->rules.value == NULL)
        return false;
    struct fold_rules *r = fold_rules_take(f);
    bool same = r->on == c->on && r->label_count == c->label_count;
    for (size_t i = 0; same && i < c->label_count; i++)
        same = slice_eq(r->labels[i], c->labels[i]);
    snap_drop(&r->snap);
    return same;
}

void fold_configure(struct fold *f, const struct fold_config *c)
{
    if (is_as_before(f, c))
        return;
    struct fold_rules *r = mem_new(struct fold_rules);
    snap_init(&r->snap, rules_free);
    r->arena = arena_new(0);
    r->number = ++f->number;
    r->on = c->on && c->label_count > 0;
    for (size_t i = 0; i < c->label_count && i < FOLD_LABELS_MAX; i++)
        r->labels[r->label_count++] = arena_copy(r->arena, c->labels[i]);
    snap_publish(&f->rules, &r->snap);
}

struct fold_rules *fold_rules_take(struct fold *f)
{
    return (struct fold_rules *)snap_get(&f->rules);
}

/* ---- the report ---- */

/* Nothing is kept of a metric that was told before: the arena does not grow with every page. */
static struct fold_report *report_of(struct fold *f, const struct fold_report *r)
{
    struct buf key;
    buf_init(&key, 0);
    buf_printf(&key, "%.*s\n%.*s\n%.*s", SLICE_FMT(r->job), SLICE_FMT(r->instance), SLICE_FMT(r->metric));
    uint64_t *at = map_get(&f->index, buf_as_slice(&key));
    struct fold_report *known = at ? &f->list[*at - 1] : NULL;
    bool is_full = f->count == FOLD_REPORTS_MAX;
    if (known == NULL && !is_full)
        *map_put(&f->index, arena_copy(f->arena, buf_as_slice(&key)), NULL) = f->count + 1;
    buf_free(&key);
    if (known || is_full)
        return known;
    struct fold_report *fresh = &ARENA_PUSH(f->arena, f->list, f->count, f->cap);
    *fresh = (struct fold_report){ .job = arena_copy(f->arena, r->job), .instance = arena_copy(f->arena, r->instance),
                                   .metric = arena_copy(f->arena, r->metric), .labels = arena_copy(f->arena, r->labels), .since_ms = r->last_ms };
    return fresh;
}

void fold_tell(struct fold *f, const struct fold_report *r)
{
    mutex_lock(&f->lock);
    struct fold_report *at = report_of(f, r);
    if (at) {
        at->how = r->how; /* a constant text */
        if (!slice_eq(at->labels, r->labels))
            at->labels = arena_copy(f->arena, r->labels);
        at->series = r->series;
        at->into = r->into;
        at->last_ms = r->last_ms;
        at->exemplars += r->exemplars;
        at->exemplars_left += r->exemplars_left;
    }
    mutex_unlock(&f->lock);
}

static int report_order(const void *a, const void *b)
{
    const struct fold_report *x = a, *y = b;
    int order = slice_cmp(x->job, y->job);
    if (order == 0)
        order = slice_cmp(x->instance, y->instance);
    return order ? order : slice_cmp(x->metric, y->metric);
}

void fold_reports(struct fold *f, struct arena *a, struct fold_report **out, size_t *count)
{
    mutex_lock(&f->lock);
    struct fold_report *list = arena_array(a, struct fold_report, f->count + 1);
    *count = f->count;
    for (size_t i = 0; i < f->count; i++) {
        list[i] = f->list[i];
        list[i].job = arena_copy(a, list[i].job);
        list[i].instance = arena_copy(a, list[i].instance);
        list[i].metric = arena_copy(a, list[i].metric);
        list[i].labels = arena_copy(a, list[i].labels);
    }
    mutex_unlock(&f->lock);
    qsort(list, *count, sizeof *list, report_order);
    *out = list;
}
