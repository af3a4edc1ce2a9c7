/* SPDX-License-Identifier: Apache-2.0 */
/* Loki's ruler: /loki/api/v1/rules and, for older clients and Grafana, /api/prom/rules.
 * https://grafana.com/docs/loki/latest/reference/loki-http-api/#ruler
 *
 * Groups that were posted can be changed here; groups of rule files that have LogQL in them are shown, too, under the name of their
 * file, and are changed in it. A namespace may hold slashes, and paths come decoded: what follows /rules/ is a namespace when there
 * is one of that name, otherwise namespace and group. */
#include "alert/eval.h"
#include "alert/posted.h"
#include "api/handlers.h"

#include <stdlib.h>

static const struct slice logql = SLICE_INIT("logql");
enum { ANSWER_BYTES_MAX = 64 * MIB };

static void reply_yaml(struct http_exchange *x, struct buf *out)
{
    if (buf_over(out)) {
        struct err err;
        enum status st = err_set(&err, ST_LIMIT, "the rules take over %d bytes of YAML; ask for one namespace", ANSWER_BYTES_MAX);
        buf_free(out);
        api_fail_text(x, st, &err);
        return;
    }
    http_reply_buf(x, 200, SLICE("application/yaml"), out);
}

/* Rules are evaluated over the tenant "default"; *is_default false: another one is asked for, and has none. */
static enum status tenant_read(struct http_exchange *x, bool *is_default, struct err *err)
{
    struct slice tenant;
    enum status st = api_write_tenant(x, &tenant, err);
    *is_default = !st && slice_eq(tenant, SLICE("default"));
    return st;
}

static bool has_logql(const struct rule_group *g)
{
    for (size_t i = 0; i < g->rule_count; i++)
        if (slice_eq(slice_str(g->rules[i].lang->name), logql))
            return true;
    return false;
}

static bool has_space(const struct rule_set *set, struct slice space)
{
    for (size_t i = 0; i < set->group_count; i++)
        if (slice_eq(set->groups[i].file, space))
            return true;
    return false;
}

static int by_space(const void *a, const void *b)
{
    const struct rule_group *x = a, *y = b;
    int c = slice_cmp(x->file, y->file);
    return c ? c : slice_cmp(x->name, y->name);
}

/* All that can be seen, by namespace and name; in a. */
static struct rule_set *groups_of(struct api *api, struct arena *a)
{
    struct rule_set *posted = posted_rules_copy(api->posted_rules, a), *all = alert_eval_rules(api->alerts, a);
    struct rule_group *list = arena_array(a, struct rule_group, posted->group_count + all->group_count + 1);
    size_t n = 0;
    for (size_t i = 0; i < posted->group_count; i++)
        list[n++] = posted->groups[i];
    for (size_t i = 0; i < all->group_count; i++)
        if (has_logql(&all->groups[i]) && !has_space(posted, all->groups[i].file))
            list[n++] = all->groups[i];
    posted->groups = list;
    posted->group_count = n;
    if (n)
        qsort(list, n, sizeof *list, by_space);
    return posted;
}

static const struct rule_group *find_group(const struct rule_set *set, struct slice space, struct slice name)
{
    for (size_t i = 0; i < set->group_count; i++)
        if (slice_eq(set->groups[i].file, space) && slice_eq(set->groups[i].name, name))
            return &set->groups[i];
    return NULL;
}

/* Where the namespace ends in path, when a group of it stands behind. */
static const struct rule_group *split(const struct rule_set *set, struct slice path, struct slice *space)
{
    for (size_t at = slice_find_char(path, '/', 0); at != SIZE_MAX; at = slice_find_char(path, '/', at + 1)) {
        const struct rule_group *g = find_group(set, slice_sub(path, 0, at), slice_skip(path, at + 1));
        if (g) {
            *space = slice_sub(path, 0, at);
            return g;
        }
    }
    return NULL;
}

static void not_found(struct http_exchange *x, const char *sentence)
{
    struct err err;
    enum status st = err_set(&err, ST_NOT_FOUND, "%s", sentence);
    api_fail_text(x, st, &err);
}

static void put_spaces(struct http_exchange *x, const struct rule_set *set, struct slice only)
{
    struct buf out;
    struct slice last = SLICE_EMPTY;
    buf_init(&out, ANSWER_BYTES_MAX);
    for (size_t i = 0; i < set->group_count; i++) {
        const struct rule_group *g = &set->groups[i];
        if (only.len && !slice_eq(only, g->file))
            continue;
        if (!slice_eq(last, g->file)) {
            text_put_quoted(g->file, &out);
            buf_slice(&out, SLICE(":\n"));
            last = g->file;
        }
        posted_rules_format(g, logql, 4, true, &out);
    }
    reply_yaml(x, &out);
}

void loki_rules_get(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct slice path = api_path_part(x, SLICE("path")), space;
    struct err err;
    bool is_default;
    enum status st = tenant_read(x, &is_default, &err);
    if (st) {
        api_fail_text(x, st, &err);
        return;
    }
    bool works = is_default && api->posted_rules && api->alerts;
    const struct rule_set none = { 0 }, *set = works ? groups_of(api, http_arena(x)) : &none;
    bool is_space = path.len == 0 ? set->group_count > 0 : has_space(set, path);
    if (is_space) {
        put_spaces(x, set, path);
        return;
    }
    const struct rule_group *g = split(set, path, &space);
    if (g == NULL) {
        not_found(x, slice_find_char(path, '/', 0) == SIZE_MAX ? "no rule groups found" : "group does not exist");
        return;
    }
    struct buf out;
    buf_init(&out, ANSWER_BYTES_MAX);
    posted_rules_format(g, logql, 0, false, &out);
    reply_yaml(x, &out);
}

/* What the answers to both changes have in common. */
static enum status change_begin(struct api *api, struct http_exchange *x, struct slice path, struct err *err)
{
    bool is_default;
    enum status st = tenant_read(x, &is_default, err);
    if (!st && (api->posted_rules == NULL || api->alerts == NULL))
        st = err_set(err, ST_UNAVAILABLE, "rules are not evaluated here");
    if (!st && !is_default)
        st = err_set(err, ST_INVALID, "header X-Scope-OrgID: rules are evaluated over tenant \"default\" alone");
    if (!st && path.len == 0)
        st = err_set(err, ST_INVALID, "a namespace must be provided in the request");
    return st;
}

static bool is_of_file(struct api *api, struct http_exchange *x, struct slice space)
{
    return has_space(alert_eval_rules(api->alerts, http_arena(x)), space) && !has_space(posted_rules_copy(api->posted_rules, http_arena(x)), space);
}

static void change_end(struct http_exchange *x, enum status st, const struct err *err)
{
    if (st)
        api_fail_text(x, st == ST_LIMIT ? ST_INVALID : st, err);
    else
        http_reply(x, 202, SLICE("application/json"), SLICE("{\"status\":\"success\",\"data\":null,\"errorType\":\"\",\"error\":\"\"}"));
}

static enum status of_file(struct slice space, struct err *err)
{
    return err_set(err, ST_INVALID, "namespace \"%.*s\" is a rule file of the configuration: change it there", SLICE_FMT(space));
}

void loki_rules_post(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct slice space = api_path_part(x, SLICE("path"));
    struct err err;
    enum status st = change_begin(api, x, space, &err);
    if (!st && is_of_file(api, x, space))
        st = of_file(space, &err);
    if (!st)
        st = posted_rules_put(api->posted_rules, space, http_body(x), &err);
    change_end(x, st, &err);
}

void loki_rules_delete(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct slice path = api_path_part(x, SLICE("path")), space = path, name = SLICE_EMPTY;
    struct err err;
    enum status st = change_begin(api, x, path, &err);
    if (!st) {
        const struct rule_set *set = groups_of(api, http_arena(x));
        const struct rule_group *g = has_space(set, path) ? NULL : split(set, path, &space);
        name = g ? g->name : SLICE_EMPTY;
        if (!has_space(set, path) && g == NULL)
            st = err_set(&err, ST_NOT_FOUND, slice_find_char(path, '/', 0) == SIZE_MAX ? "no rule groups found" : "group does not exist");
        else if (is_of_file(api, x, space))
            st = of_file(space, &err);
    }
    if (!st)
        st = posted_rules_remove(api->posted_rules, space, name, &err);
    change_end(x, st, &err);
}
