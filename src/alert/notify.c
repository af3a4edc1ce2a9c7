/* SPDX-License-Identifier: Apache-2.0 */
/* Receivers as configured: the keys of one are those of the table's rows. Integrations that Alertmanager knows and we do not
 * serve become a warning by name. */
#include "alert/notify.h"

static const struct notifier *const table[] = {&notifier_webhook, &notifier_email, &notifier_slack, &notifier_pagerduty};

static const struct slice unserved[] = {
    SLICE_INIT("opsgenie_configs"), SLICE_INIT("victorops_configs"), SLICE_INIT("pushover_configs"), SLICE_INIT("sns_configs"),
    SLICE_INIT("telegram_configs"), SLICE_INIT("webex_configs"),     SLICE_INIT("wechat_configs"),   SLICE_INIT("discord_configs"),
    SLICE_INIT("msteams_configs"),  SLICE_INIT("msteamsv2_configs"), SLICE_INIT("jira_configs"),     SLICE_INIT("rocketchat_configs"),
    SLICE_INIT("incidentio_configs"), SLICE_INIT("mattermost_configs"),
};

static enum status integrations_read(const struct setup_reading *r, const struct notifier *kind, const struct yaml_node *n, struct receiver *to,
                                     struct err *err)
{
    const struct yaml_node *list = yaml_get(n, kind->key);
    if (list == NULL)
        return ST_OK;
    if (list->type != YAML_SEQUENCE)
        return yaml_fail(list, err, "%.*s: expected a list", SLICE_FMT(kind->key));
    for (size_t i = 0; i < list->count; i++) {
        if (to->count == INTEGRATIONS_MAX)
            return yaml_fail(list, err, "receiver %.*s: more than %d integrations", SLICE_FMT(to->name), INTEGRATIONS_MAX);
        struct integration *in = &to->integrations[to->count];
        *in = (struct integration){.notifier = kind, .index = i, .send_resolved = kind->send_resolved};
        if (list->items[i]->type != YAML_MAP)
            return yaml_fail(list->items[i], err, "%.*s: expected a map of keys", SLICE_FMT(kind->key));
        enum status st = yaml_bool(list->items[i], SLICE("send_resolved"), &in->send_resolved, err);
        if (!st)
            st = kind->read(r, list->items[i], &in->settings, err);
        if (st)
            return st;
        to->count++;
    }
    return ST_OK;
}

static enum status receiver_read(const struct setup_reading *r, const struct yaml_node *n, struct receiver *out, struct err *err)
{
    struct slice keys[1 + COUNT_OF(table) + COUNT_OF(unserved)] = {SLICE_INIT("name")};
    size_t count = 1;
    for (size_t i = 0; i < COUNT_OF(table); i++)
        keys[count++] = table[i]->key;
    for (size_t i = 0; i < COUNT_OF(unserved); i++)
        keys[count++] = unserved[i];
    *out = (struct receiver){.integrations = arena_zalloc(r->arena, INTEGRATIONS_MAX * sizeof *out->integrations)};
    enum status st = yaml_only(n, keys, count, err);
    if (!st)
        st = yaml_text(n, keys[0], &out->name, err);
    if (!st && out->name.len == 0)
        return yaml_fail(n, err, "receivers: a receiver needs a name");
    for (size_t i = 0; !st && i < COUNT_OF(table); i++)
        st = integrations_read(r, table[i], n, out, err);
    for (size_t i = 0; !st && i < n->count; i++)
        for (size_t k = 0; k < COUNT_OF(unserved); k++)
            if (slice_eq(n->keys[i], unserved[k]))
                buf_printf(r->warnings, "%.*s:%d: receiver %.*s: %.*s is known but not served by this version; nothing is sent there\n",
                           SLICE_FMT(n->file), n->key_lines[i], SLICE_FMT(out->name), SLICE_FMT(n->keys[i]));
    return st;
}

enum status receivers_read(struct setup_reading *r, const struct yaml_node *list, struct receiver **out, size_t *count, struct err *err)
{
    enum status st = ST_OK;
    if (list->type != YAML_SEQUENCE || list->count > RECEIVERS_MAX)
        return yaml_fail(list, err, "receivers: expected a list of at most %d", RECEIVERS_MAX);
    *out = arena_zalloc(r->arena, list->count * sizeof **out + 1);
    *count = list->count;
    for (size_t i = 0; !st && i < list->count; i++) {
        st = receiver_read(r, list->items[i], &(*out)[i], err);
        for (size_t k = 0; !st && k < i; k++)
            if (slice_eq((*out)[k].name, (*out)[i].name))
                return yaml_fail(list->items[i], err, "receivers: there are two with the name \"%.*s\"", SLICE_FMT((*out)[i].name));
    }
    return st;
}
