/* SPDX-License-Identifier: Apache-2.0 */
#include "server/config_global.h"

/* How Alertmanager's keys begin; Prometheus has none like them. */
static const struct slice beginnings[] = {
    SLICE_INIT("resolve_timeout"), SLICE_INIT("http_config"), SLICE_INIT("smtp_"),     SLICE_INIT("slack_"),  SLICE_INIT("pagerduty_"),
    SLICE_INIT("opsgenie_"),       SLICE_INIT("victorops_"),  SLICE_INIT("telegram_"), SLICE_INIT("webex_"),  SLICE_INIT("wechat_"),
    SLICE_INIT("jira_"),           SLICE_INIT("rocketchat_"),
};

static bool is_for_notification(struct slice key)
{
    for (size_t i = 0; i < COUNT_OF(beginnings); i++)
        if (slice_starts(key, beginnings[i]))
            return true;
    return false;
}

static bool is_mixed(const struct yaml_node *file)
{
    static const struct slice keys[] = {SLICE_INIT("scrape_configs"), SLICE_INIT("scrape_config_files"), SLICE_INIT("rule_files"),
                                        SLICE_INIT("groups"),         SLICE_INIT("alerts"),              SLICE_INIT("alerting"),
                                        SLICE_INIT("remote_write"),   SLICE_INIT("remote_read")};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (yaml_get(file, keys[i]))
            return true;
    return false;
}

/* The keys of n that are, or are not, about notification. */
static struct yaml_node *part_of(struct arena *a, const struct yaml_node *n, bool for_notification)
{
    struct yaml_node *to = arena_new_of(a, struct yaml_node);
    *to = *n;
    to->count = 0;
    to->keys = arena_array(a, struct slice, n->count + 1);
    to->key_lines = arena_array(a, int, n->count + 1);
    to->items = (struct yaml_node **)arena_alloc(a, (n->count + 1) * sizeof(struct yaml_node *));
    for (size_t i = 0; i < n->count; i++) {
        if (is_for_notification(n->keys[i]) != for_notification)
            continue;
        to->keys[to->count] = n->keys[i];
        to->key_lines[to->count] = n->key_lines[i];
        to->items[to->count++] = n->items[i];
    }
    return to;
}

static void key_add(struct arena *a, struct yaml_node *file, struct slice key, int line, struct yaml_node *item)
{
    size_t n = file->count++;
    file->keys = arena_grow(a, file->keys, n * sizeof *file->keys, (n + 1) * sizeof *file->keys);
    file->key_lines = arena_grow(a, file->key_lines, n * sizeof *file->key_lines, (n + 1) * sizeof *file->key_lines);
    file->items = (struct yaml_node **)arena_grow(a, file->items, n * sizeof(struct yaml_node *), (n + 1) * sizeof(struct yaml_node *));
    file->keys[n] = key;
    file->key_lines[n] = line;
    file->items[n] = item;
}

void config_split_global(struct arena *a, struct yaml_node *file)
{
    if (yaml_get(file, SLICE("route")) == NULL && yaml_get(file, SLICE("receivers")) == NULL)
        return;
    for (size_t i = 0; i < file->count; i++) {
        if (!slice_eq(file->keys[i], SLICE("global")) || file->items[i]->type != YAML_MAP)
            continue;
        if (!is_mixed(file)) {
            file->keys[i] = SLICE("alertmanager_global");
            return;
        }
        struct yaml_node *ours = part_of(a, file->items[i], true);
        file->items[i] = part_of(a, file->items[i], false);
        if (ours->count)
            key_add(a, file, SLICE("alertmanager_global"), file->key_lines[i], ours);
        return;
    }
}
