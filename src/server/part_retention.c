/* SPDX-License-Identifier: Apache-2.0 */
/* Retention classes, filters and shares follow the configuration: the engine gives the classes their numbers, the pipeline gives them
 * to rows. The folders of `storage` are those of the start. */
#include "pipeline/pipeline.h"
#include "server/state.h"

struct engine_class *retention_classes(const struct class_config *from, struct arena *a)
{
    struct engine_class *list = arena_array(a, struct engine_class, from->count + 1);
    for (size_t i = 0; i < from->count; i++) {
        const struct class_policy *p = &from->list[i];
        list[i] = (struct engine_class){ .name = p->name, .retention_ns = p->retention_ns, .storage = (enum storage)p->storage,
                                         .is_of_metrics = p->kind == CLASS_METRICS,
                                         .rollup = p->kind == CLASS_METRICS_5M   ? ROLLUP_5M
                                                   : p->kind == CLASS_METRICS_1H ? ROLLUP_1H
                                                                                 : ROLLUP_NONE };
    }
    return list;
}

static enum status apply(struct server *s, struct err *err)
{
    const struct class_config *from = s->config->classes;
    struct pipeline_rules *rules = pipeline_rules_new(from, s->config->samples);
    rules->retention_ns = s->config->retention_ns;
    struct engine_class *list = retention_classes(rules->classes, rules->arena);
    enum status st = s->engine->ops->set_classes(s->engine, list, from->count, err);
    for (size_t i = 0; i < from->count && !st; i++)
        rules->classes->list[i].id = list[i].id;
    if (st)
        snap_drop(&rules->snap);
    else
        pipeline_set_rules(s->pipeline, rules);
    return st;
}

enum status part_retention_prepare(struct server *s, struct err *err)
{
    enum status st = apply(s, err);
    if (st)
        err_prefix(err, "retention_policies: ");
    return st;
}

void part_retention_reload(struct server *s)
{
    struct err err;
    if (apply(s, &err))
        log_line(&s->log, LOG_ERROR, "the retention policies cannot be changed; those before stay in force", "error=\"%s\"", err.text);
    for (int i = 0; i < CLASS_STORAGE_COUNT; i++)
        if (!slice_eq(s->config->classes->dirs[i], s->first->classes->dirs[i]))
            buf_printf(&s->config->warnings, "storage: the folder of %s changes at the next start\n", class_storage_name((enum class_storage)i));
}
