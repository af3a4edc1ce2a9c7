/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of routes: which receiver gets an alert, and how it is grouped on the way. A child has from its parent what it does
 * not say itself: receiver, grouping, times and escalation; not mute and active times, as with Alertmanager. */
#include "alert/setup.h"

static const struct slice route_keys[] = {
    SLICE_INIT("receiver"),       SLICE_INIT("group_by"),        SLICE_INIT("continue"),          SLICE_INIT("match"),
    SLICE_INIT("match_re"),       SLICE_INIT("matchers"),        SLICE_INIT("group_wait"),        SLICE_INIT("group_interval"),
    SLICE_INIT("repeat_interval"), SLICE_INIT("mute_time_intervals"), SLICE_INIT("active_time_intervals"), SLICE_INIT("routes"),
    SLICE_INIT("escalate"),
};

/* ---- matchers ---- */

static void keep(struct dispatch_config *c, struct matcher *list, size_t count)
{
    size_t n = c->owned_count;
    ARENA_PUSH(c->arena, c->owned, n, c->owned_cap) = list;
    ARENA_PUSH(c->arena, c->owned_counts, c->owned_count, c->owned_counts_cap) = count;
}

struct adding {
    struct dispatch_config *c;
    struct matcher *list;
    size_t count, cap;
};

static enum status add_map(struct adding *to, const struct yaml_node *n, enum match_op op, struct err *err)
{
    if (n && n->type != YAML_MAP)
        return yaml_fail(n, err, "expected a map of label: value");
    for (size_t i = 0; n && i < n->count; i++) {
        struct matcher m;
        struct err why;
        if (n->items[i]->type != YAML_SCALAR)
            return yaml_fail(n->items[i], err, "expected a text as the value of label %.*s", SLICE_FMT(n->keys[i]));
        if (matcher_init(&m, op, n->keys[i], n->items[i]->text, &why))
            return yaml_fail(n->items[i], err, "%s", why.text);
        ARENA_PUSH(to->c->arena, to->list, to->count, to->cap) = m;
        struct matcher *kept = arena_new_of(to->c->arena, struct matcher);
        *kept = m;
        keep(to->c, kept, 1);
    }
    return ST_OK;
}

static enum status add_list(struct adding *to, const struct yaml_node *n, struct slice key, struct err *err)
{
    struct slice *texts = NULL;
    size_t count = 0;
    const struct yaml_node *list = yaml_get(n, key);
    if (list == NULL)
        return ST_OK;
    enum status st = yaml_texts(to->c->arena, n, key, &texts, &count, err);
    for (size_t i = 0; !st && i < count; i++) {
        struct matcher *found = NULL;
        size_t found_count = 0;
        struct err why;
        const struct yaml_node *at = list->type == YAML_SEQUENCE ? list->items[i] : list;
        if (alert_matchers_read(to->c->arena, texts[i], &found, &found_count, &why))
            return yaml_fail(at, err, "%s", why.text);
        keep(to->c, found, found_count);
        for (size_t k = 0; k < found_count; k++)
            ARENA_PUSH(to->c->arena, to->list, to->count, to->cap) = found[k];
    }
    return st;
}

enum status matcher_keys_read(struct dispatch_config *c, const struct yaml_node *n, struct slice list_key, struct slice match_key,
                              struct slice re_key, struct matcher **out, size_t *count, struct err *err)
{
    struct adding to = {.c = c};
    enum status st = add_map(&to, yaml_get(n, match_key), MATCH_EQ, err);
    if (!st)
        st = add_map(&to, yaml_get(n, re_key), MATCH_RE, err);
    if (!st)
        st = add_list(&to, n, list_key, err);
    *out = to.list;
    *count = to.count;
    return st;
}

/* ---- one route ---- */

static enum status receiver_of(const struct dispatch_config *c, const struct yaml_node *at, struct slice name, const struct receiver **out,
                               struct err *err)
{
    *out = receiver_find(c, name);
    if (*out)
        return ST_OK;
    struct slice *names = arena_array(c->arena, struct slice, c->receiver_count + 1);
    for (size_t i = 0; i < c->receiver_count; i++)
        names[i] = c->receivers[i].name;
    struct slice near = yaml_suggest(name, names, c->receiver_count);
    return yaml_fail(at, err, "there is no receiver \"%.*s\"%s%.*s%s", SLICE_FMT(name), near.len ? "; did you mean \"" : "", SLICE_FMT(near),
                     near.len ? "\"?" : "");
}

static enum status group_by_read(struct dispatch_config *c, const struct yaml_node *n, struct route *r, struct err *err)
{
    const struct yaml_node *at = yaml_get(n, SLICE("group_by"));
    if (at == NULL)
        return ST_OK;
    enum status st = yaml_texts(c->arena, n, SLICE("group_by"), &r->group_by, &r->group_by_count, err);
    r->group_by_all = false;
    for (size_t i = 0; !st && i < r->group_by_count; i++) {
        if (slice_eq(r->group_by[i], SLICE("...")))
            r->group_by_all = true;
        for (size_t k = 0; k < i; k++)
            if (slice_eq(r->group_by[i], r->group_by[k]))
                return yaml_fail(at, err, "group_by: label %.*s stands there twice", SLICE_FMT(r->group_by[i]));
    }
    if (!st && r->group_by_all && r->group_by_count > 1)
        return yaml_fail(at, err, "group_by: \"...\" means all labels; it stands alone");
    return !st && r->group_by_count > ROUTE_GROUP_BY_MAX ? yaml_fail(at, err, "group_by: more than %d labels", ROUTE_GROUP_BY_MAX) : st;
}

static enum status times_read(const struct yaml_node *n, struct route *r, struct err *err)
{
    enum status st = yaml_duration(n, SLICE("group_wait"), &r->group_wait_ns, err);
    if (!st)
        st = yaml_duration(n, SLICE("group_interval"), &r->group_interval_ns, err);
    if (!st)
        st = yaml_duration(n, SLICE("repeat_interval"), &r->repeat_interval_ns, err);
    if (!st && r->group_interval_ns < NS_S)
        return yaml_fail(yaml_get(n, SLICE("group_interval")), err, "group_interval: found less than 1s, which is the least allowed");
    if (!st && r->repeat_interval_ns < NS_S)
        return yaml_fail(yaml_get(n, SLICE("repeat_interval")), err, "repeat_interval: found less than 1s, which is the least allowed");
    return st;
}

static enum status intervals_of(struct dispatch_config *c, const struct yaml_node *n, struct slice key, const struct interval ***out,
                                size_t *count, struct err *err)
{
    struct slice *names = NULL;
    if (yaml_get(n, key) == NULL)
        return ST_OK;
    enum status st = yaml_texts(c->arena, n, key, &names, count, err);
    *out = arena_array(c->arena, const struct interval *, *count + 1);
    for (size_t i = 0; !st && i < *count; i++) {
        (*out)[i] = NULL;
        for (size_t k = 0; k < c->interval_count; k++)
            if (slice_eq(c->intervals[k].name, names[i]))
                (*out)[i] = &c->intervals[k];
        if ((*out)[i] == NULL)
            return yaml_fail(yaml_get(n, key), err, "%.*s: there is no time interval \"%.*s\"", SLICE_FMT(key), SLICE_FMT(names[i]));
    }
    return st;
}

static enum status escalate_read(struct dispatch_config *c, const struct yaml_node *n, struct route *r, struct err *err)
{
    static const struct slice keys[] = {SLICE_INIT("receiver"), SLICE_INIT("after")};
    const struct yaml_node *list = yaml_get(n, SLICE("escalate"));
    if (list == NULL)
        return ST_OK;
    if (list->type != YAML_SEQUENCE || list->count > ESCALATION_STEPS_MAX)
        return yaml_fail(list, err, "escalate: expected a list of {receiver, after}, at most %d", ESCALATION_STEPS_MAX);
    r->escalate = arena_zalloc(c->arena, list->count * sizeof *r->escalate + 1);
    r->escalate_count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        struct slice name = SLICE_EMPTY;
        enum status st = yaml_only(list->items[i], keys, COUNT_OF(keys), err);
        if (!st)
            st = yaml_text(list->items[i], keys[0], &name, err);
        if (!st)
            st = yaml_duration(list->items[i], keys[1], &r->escalate[i].after_ns, err);
        if (!st && r->escalate[i].after_ns < NS_S)
            return yaml_fail(list->items[i], err, "escalate: after: expected how long to wait for somebody to acknowledge, at least 1s");
        if (!st)
            st = receiver_of(c, list->items[i], name, &r->escalate[i].receiver, err);
        if (st)
            return st;
    }
    return ST_OK;
}

static struct slice path_of(struct dispatch_config *c, const struct route *r)
{
    struct buf b;
    buf_init(&b, 0);
    if (r->parent) {
        buf_slice(&b, r->parent->path);
        buf_char(&b, '/');
    }
    matchers_format(r->matchers, r->matcher_count, &b);
    struct slice path = arena_copy(c->arena, buf_as_slice(&b));
    buf_free(&b);
    return path;
}

static enum status read_one(struct dispatch_config *c, const struct yaml_node *n, int depth, size_t *total, struct route *r, struct err *err)
{
    struct slice name = SLICE_EMPTY;
    const struct yaml_node *routes = yaml_get(n, SLICE("routes"));
    enum status st = yaml_only(n, route_keys, COUNT_OF(route_keys), err);
    if (!st && (depth > ROUTE_DEPTH_MAX || ++*total > ROUTES_MAX))
        return yaml_fail(n, err, "routes: more than %d, or deeper than %d", ROUTES_MAX, ROUTE_DEPTH_MAX);
    if (!st)
        st = yaml_text(n, SLICE("receiver"), &name, err);
    if (!st && name.len)
        st = receiver_of(c, yaml_get(n, SLICE("receiver")), name, &r->receiver, err);
    if (!st && r->receiver == NULL)
        return yaml_fail(n, err, "route: the first route needs a receiver");
    if (!st)
        st = matcher_keys_read(c, n, SLICE("matchers"), SLICE("match"), SLICE("match_re"), &r->matchers, &r->matcher_count, err);
    if (!st && r->parent == NULL && r->matcher_count)
        return yaml_fail(n, err, "route: the first route takes every alert; matchers belong into routes below it");
    if (!st)
        st = group_by_read(c, n, r, err);
    if (!st)
        st = times_read(n, r, err);
    if (!st)
        st = yaml_bool(n, SLICE("continue"), &r->continues, err);
    if (!st)
        st = intervals_of(c, n, SLICE("mute_time_intervals"), &r->mute, &r->mute_count, err);
    if (!st)
        st = intervals_of(c, n, SLICE("active_time_intervals"), &r->active, &r->active_count, err);
    if (!st)
        st = escalate_read(c, n, r, err);
    if (!st && routes && routes->type != YAML_SEQUENCE)
        return yaml_fail(routes, err, "routes: expected a list");
    if (st)
        return st;
    r->path = path_of(c, r);
    r->child_count = routes ? routes->count : 0;
    r->children = arena_zalloc(c->arena, r->child_count * sizeof *r->children + 1);
    for (size_t i = 0; !st && i < r->child_count; i++) {
        struct route *child = &r->children[i];
        *child = (struct route){.parent = r,
                                .receiver = r->receiver,
                                .group_by = r->group_by,
                                .group_by_count = r->group_by_count,
                                .group_by_all = r->group_by_all,
                                .group_wait_ns = r->group_wait_ns,
                                .group_interval_ns = r->group_interval_ns,
                                .repeat_interval_ns = r->repeat_interval_ns,
                                .escalate = r->escalate,
                                .escalate_count = r->escalate_count};
        st = read_one(c, routes->items[i], depth + 1, total, child, err);
    }
    return st;
}

/* The first route of the tree that says a receiver. */
static const struct route *route_to(const struct route *r, const struct receiver *receiver)
{
    if (r->receiver == receiver)
        return r;
    for (size_t i = 0; i < r->child_count; i++) {
        const struct route *found = route_to(&r->children[i], receiver);
        if (found)
            return found;
    }
    return NULL;
}

/* An alert that names its receiver is grouped and escalated as the receiver's own route says; without one, as the root
 * groups, and by name where that groups nothing. */
static void direct_make(struct dispatch_config *c)
{
    static const struct slice by_name[] = {SLICE_INIT("alertname")};
    c->direct = arena_zalloc(c->arena, c->receiver_count * sizeof *c->direct + 1);
    for (size_t i = 0; i < c->receiver_count; i++) {
        struct route *d = &c->direct[i];
        const struct route *like = route_to(c->root, &c->receivers[i]);
        *d = like ? *like : *c->root;
        d->receiver = &c->receivers[i];
        d->matchers = NULL;
        d->children = NULL;
        d->matcher_count = d->child_count = 0;
        if (like == NULL) {
            d->escalate_count = d->mute_count = d->active_count = 0;
            if (d->group_by_count == 0) {
                d->group_by = (struct slice *)by_name;
                d->group_by_count = 1;
            }
        }
        struct buf b;
        buf_init(&b, 0);
        buf_slice(&b, SLICE("{action="));
        text_put_quoted(d->receiver->name, &b);
        buf_char(&b, '}');
        d->path = arena_copy(c->arena, buf_as_slice(&b));
        buf_free(&b);
    }
}

enum status route_read(struct dispatch_config *c, const struct yaml_node *n, struct err *err)
{
    static const struct slice by_name[] = {SLICE_INIT("alertname")};
    struct route *root = c->root = arena_new_of(c->arena, struct route);
    size_t total = 0;
    enum status st = ST_OK;
    *root = (struct route){.group_wait_ns = GROUP_WAIT_DEFAULT_NS,
                           .group_interval_ns = GROUP_INTERVAL_DEFAULT_NS,
                           .repeat_interval_ns = REPEAT_INTERVAL_DEFAULT_NS};
    if (n) {
        st = read_one(c, n, 0, &total, root, err);
    } else { /* no routes: everything goes to the first receiver, a group for each name */
        root->receiver = &c->receivers[0];
        root->group_by = (struct slice *)by_name;
        root->group_by_count = 1;
        root->path = SLICE("{}");
    }
    if (!st)
        direct_make(c);
    return st;
}

/* ---- using it ---- */

static size_t match_below(const struct route *r, struct slice labels, const struct route **out, size_t max)
{
    size_t n = 0;
    if (max == 0 || !matchers_match(r->matchers, r->matcher_count, labels))
        return 0;
    for (size_t i = 0; i < r->child_count; i++) {
        size_t found = match_below(&r->children[i], labels, out + n, max - n);
        n += found;
        if (found && !r->children[i].continues)
            break;
    }
    if (n == 0)
        out[n++] = r;
    return n;
}

size_t route_match(const struct route *root, struct slice labels, const struct route **out, size_t max)
{
    return match_below(root, labels, out, max);
}

struct slice route_group_labels(struct arena *a, const struct route *r, struct slice labels)
{
    return r->group_by_all ? arena_copy(a, labels) : labels_only(a, labels, r->group_by, r->group_by_count);
}

bool route_is_muted(const struct route *r, int64_t wall_ns)
{
    bool active = r->active_count == 0;
    for (size_t i = 0; i < r->mute_count; i++)
        if (interval_holds(r->mute[i], wall_ns))
            return true;
    for (size_t i = 0; i < r->active_count; i++)
        active = active || interval_holds(r->active[i], wall_ns);
    return !active;
}
