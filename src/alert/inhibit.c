/* SPDX-License-Identifier: Apache-2.0 */
/* Inhibition: while a source fires, targets with the same values of the labels in `equal` are not told.
 *
 * For each rule there is an index of the firing sources by those values, made anew when alerts have come or gone. An alert that
 * is source and target of a rule is kept still only by sources that are not: else it would keep itself still. */
#include "alert/dispatch_parts.h"

struct inhibit_index {
    struct arena *arena;
    struct map *pure, *both; /* a pair for each rule: values -> fingerprint; both: sources that are targets too */
    size_t count;
};

void inhibit_free(struct dispatch *d)
{
    struct inhibit_index *x = d->inhibit;
    for (size_t i = 0; x && i < x->count; i++) {
        map_free(&x->pure[i]);
        map_free(&x->both[i]);
    }
    if (x)
        arena_free(x->arena);
    d->inhibit = NULL;
}

static void index_make(struct dispatch *d)
{
    struct arena *a = arena_new(0);
    const struct dispatch_config *c = d->config;
    struct map_entry *e;
    inhibit_free(d);
    struct inhibit_index *x = d->inhibit = arena_new_of(a, struct inhibit_index);
    x->arena = a;
    x->count = c->inhibit_count;
    x->pure = arena_zalloc(a, x->count * sizeof *x->pure + 1);
    x->both = arena_zalloc(a, x->count * sizeof *x->both + 1);
    for (size_t r = 0; r < x->count; r++) {
        const struct inhibit_rule *rule = &c->inhibit[r];
        map_init(&x->pure[r]);
        map_init(&x->both[r]);
        for (size_t i = 0; (e = map_each(&d->alerts, &i)) != NULL;) {
            const struct alert *s = (const struct alert *)(uintptr_t)e->value;
            if (!s->is_firing || !matchers_match(rule->source, rule->source_count, s->labels))
                continue;
            bool is_both = matchers_match(rule->target, rule->target_count, s->labels);
            struct slice values = labels_only(a, s->labels, rule->equal, rule->equal_count);
            *map_put(is_both ? &x->both[r] : &x->pure[r], values, NULL) = s->fingerprint;
        }
    }
    d->is_inhibit_stale = false;
}

bool inhibit_mutes(struct dispatch *d, struct slice labels, uint64_t *by)
{
    const struct dispatch_config *c = d->config;
    if (c->inhibit_count == 0)
        return false;
    if (d->is_inhibit_stale || d->inhibit == NULL)
        index_make(d);
    struct arena *a = arena_new(0);
    uint64_t *found = NULL;
    for (size_t r = 0; r < c->inhibit_count && found == NULL; r++) {
        const struct inhibit_rule *rule = &c->inhibit[r];
        if (!matchers_match(rule->target, rule->target_count, labels))
            continue;
        struct slice values = labels_only(a, labels, rule->equal, rule->equal_count);
        found = map_get(&d->inhibit->pure[r], values);
        if (found == NULL && !matchers_match(rule->source, rule->source_count, labels))
            found = map_get(&d->inhibit->both[r], values);
    }
    if (found && by)
        *by = *found;
    arena_free(a);
    return found != NULL;
}
