/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/rules.h"

static void rules_free(struct snap *snap)
{
    struct pipeline_rules *r = (struct pipeline_rules *)snap;
    class_config_unbind(r->classes);
    sample_config_unbind(r->samples);
    arena_free(r->arena);
    mem_free(r);
}

struct pipeline_rules *pipeline_rules_new(const struct class_config *classes, const struct sample_config *samples)
{
    static const struct class_config no_classes = { .currency = SLICE_INIT("") };
    static const struct sample_config no_samples = { NULL, 0 };
    struct pipeline_rules *r = mem_new(struct pipeline_rules);
    snap_init(&r->snap, rules_free);
    r->arena = arena_new(0);
    r->classes = class_config_bind(r->arena, classes ? classes : &no_classes);
    r->samples = sample_config_bind(r->arena, samples ? samples : &no_samples);
    return r;
}
