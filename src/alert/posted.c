/* SPDX-License-Identifier: Apache-2.0 */
/* Each group is one value of the state, as it was sent. A change reads all of them into a new set, which is checked as a whole; only
 * then is the change written, and the new set handed on.
 *
 * `lock` is held while the set is handed on, so that sets come in the order of their changes. */
#include "alert/posted.h"

#include "base/date.h"
#include "sys/thread.h"

static const struct slice key_prefix = SLICE_INIT("rules/posted/");
enum { KEY_BREAK = '\n' }; /* between namespace and name, which have none */
static_assert(2 * POSTED_NAME_BYTES_MAX + 32 <= KV_KEY_BYTES_MAX, "both names and the prefix");

struct posted_rules {
    struct kv *kv;
    struct log *log;
    const struct query_lang *const *langs;
    size_t lang_count;
    uint32_t features;
    struct mutex lock;
    struct arena *arena; /* of set */
    struct rule_set *set;
    void (*changed)(void *arg, const struct rule_set *set);
    void *arg;
};

/* ---- reading ---- */

/* The group stands in a tree of its own, as if it were the only one of a file. */
static enum status read_group(const struct posted_rules *p, struct arena *a, struct slice space, struct slice text, struct rule_set *set,
                              struct err *err)
{
    struct rule_reading r = {
        .arena = a, .langs = p->langs, .lang_count = p->lang_count, .interval_ns = RULE_INTERVAL_DEFAULT_NS, .features = p->features};
    struct yaml_node *group, *list = arena_new_of(a, struct yaml_node), *file = arena_new_of(a, struct yaml_node);
    struct yaml_node **items = arena_array(a, struct yaml_node *, 2);
    static const struct slice key = SLICE_INIT("groups");
    enum status st = yaml_parse(a, arena_copy(a, space), arena_copy(a, text), &group, err);
    if (st)
        return st;
    items[0] = group;
    items[1] = list;
    *list = (struct yaml_node){.type = YAML_SEQUENCE, .line = 1, .column = 1, .file = group->file, .items = &items[0], .count = 1};
    struct slice *keys = arena_array(a, struct slice, 1);
    keys[0] = key;
    *file = (struct yaml_node){.type = YAML_MAP, .line = 1, .column = 1, .file = group->file, .keys = keys, .items = &items[1], .count = 1};
    size_t before = set->group_count;
    st = rule_set_read(&r, file, false, set, err);
    for (size_t i = before; !st && i < set->group_count; i++)
        for (size_t k = 0; k < set->groups[i].rule_count; k++) /* groups of two namespaces may have one name */
            set->groups[i].rules[k].id = hash_u64(set->groups[i].rules[k].id ^ hash64(space, 1));
    return st;
}

static bool name_is_good(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.ptr[i] < ' ')
            return false;
    return name.len > 0 && name.len <= POSTED_NAME_BYTES_MAX;
}

static struct slice key_of(struct arena *a, struct slice space, struct slice name)
{
    return arena_printf(a, "%.*s%.*s%c%.*s", SLICE_FMT(key_prefix), SLICE_FMT(space), KEY_BREAK, SLICE_FMT(name));
}

static void key_read(struct slice key, struct slice *space, struct slice *name)
{
    slice_cut(slice_skip(key, key_prefix.len), KEY_BREAK, space, name);
}

/* What is kept, but for what a change takes away: all of a namespace (name empty), or one group. */
static enum status read_kept(const struct posted_rules *p, struct arena *a, struct slice without_space, struct slice without_name,
                             struct rule_set *set, size_t *left_out, struct err *err)
{
    struct kv_pair *pairs;
    size_t n;
    *left_out = 0;
    enum status st = kv_list(p->kv, key_prefix, a, &pairs, &n, err);
    for (size_t i = 0; i < n && !st; i++) {
        struct slice space, name;
        struct err why;
        key_read(pairs[i].key, &space, &name);
        if (slice_eq(space, without_space) && (without_name.len == 0 || slice_eq(name, without_name))) {
            ++*left_out;
            continue;
        }
        struct rule_set one = *set;
        if (read_group(p, a, space, pairs[i].value, &one, &why))
            log_line(p->log, LOG_WARNING, "a kept group of rules cannot be read and is left out", "namespace=\"%.*s\" group=\"%.*s\" error=\"%s\"",
                     SLICE_FMT(space), SLICE_FMT(name), why.text);
        else
            *set = one;
    }
    return st;
}

static struct rule_set *set_new(struct arena *a)
{
    struct rule_set *set = arena_new_of(a, struct rule_set);
    set->external_labels = SLICE_EMPTY;
    return set;
}

/* ---- life ---- */

enum status posted_rules_open(struct posted_rules **out, struct kv *kv, struct log *log, const struct query_lang *const *langs, size_t lang_count,
                              uint32_t features, struct err *err)
{
    struct posted_rules *p = mem_new(struct posted_rules);
    size_t left_out;
    *p = (struct posted_rules){.kv = kv, .log = log, .langs = langs, .lang_count = lang_count, .features = features, .arena = arena_new(0)};
    p->set = set_new(p->arena);
    mutex_init(&p->lock);
    enum status st = read_kept(p, p->arena, SLICE_EMPTY, SLICE_EMPTY, p->set, &left_out, err);
    if (st)
        posted_rules_close(p);
    else
        *out = p;
    return st;
}

void posted_rules_close(struct posted_rules *p)
{
    if (p == NULL)
        return;
    arena_free(p->arena);
    mutex_destroy(&p->lock);
    mem_free(p);
}

void posted_rules_watch(struct posted_rules *p, void (*changed)(void *arg, const struct rule_set *set), void *arg)
{
    p->changed = changed;
    p->arg = arg;
}

const struct rule_set *posted_rules_set(const struct posted_rules *p)
{
    return p->set;
}

struct rule_set *posted_rules_copy(struct posted_rules *p, struct arena *a)
{
    mutex_lock(&p->lock);
    struct rule_set *copy = rule_set_copy(a, p->set);
    mutex_unlock(&p->lock);
    return copy;
}

/* ---- changes ---- */

/* Takes a. Under lock. */
static void take(struct posted_rules *p, struct arena *a, struct rule_set *set)
{
    struct arena *old = p->arena;
    p->arena = a;
    p->set = set;
    if (p->changed)
        p->changed(p->arg, set);
    arena_free(old);
}

static enum status put(struct posted_rules *p, struct arena *a, struct slice space, struct slice text, struct rule_set *set, struct err *err)
{
    struct rule_set *alone = set_new(a);
    size_t replaced;
    enum status st = read_group(p, a, space, text, alone, err);
    if (st)
        return st;
    struct slice name = alone->groups[0].name;
    if (!name_is_good(name))
        return err_set(err, ST_INVALID, "group name: found %zu bytes; allowed are 1 to %d, without control characters", name.len,
                       POSTED_NAME_BYTES_MAX);
    st = read_kept(p, a, space, name, set, &replaced, err);
    if (!st && set->group_count >= POSTED_GROUPS_MAX)
        st = err_set(err, ST_LIMIT, "group %.*s: %d groups of rules are kept, which is the limit", SLICE_FMT(name), POSTED_GROUPS_MAX);
    if (!st)
        st = read_group(p, a, space, text, set, err);
    return st ? st : kv_put(p->kv, key_of(a, space, name), text, err);
}

enum status posted_rules_put(struct posted_rules *p, struct slice space, struct slice text, struct err *err)
{
    if (!name_is_good(space))
        return err_set(err, ST_INVALID, "namespace: found %zu bytes; allowed are 1 to %d, without control characters", space.len,
                       POSTED_NAME_BYTES_MAX);
    if (text.len > POSTED_GROUP_BYTES_MAX)
        return err_set(err, ST_LIMIT, "group of rules: found %zu bytes, at most %d are allowed", text.len, POSTED_GROUP_BYTES_MAX);
    struct arena *a = arena_new(0);
    struct rule_set *set = set_new(a);
    mutex_lock(&p->lock);
    enum status st = put(p, a, space, text, set, err);
    if (st)
        arena_free(a);
    else
        take(p, a, set);
    mutex_unlock(&p->lock);
    return st;
}

static enum status remove_kept(struct posted_rules *p, struct arena *a, struct slice space, struct slice name, struct err *err)
{
    struct kv_pair *pairs;
    size_t n;
    enum status st = kv_hold(p->kv, err);
    if (st)
        return st;
    st = kv_list(p->kv, key_prefix, a, &pairs, &n, err);
    for (size_t i = 0; !st && i < n; i++) {
        struct slice s, g;
        key_read(pairs[i].key, &s, &g);
        if (slice_eq(s, space) && (name.len == 0 || slice_eq(g, name)))
            st = kv_delete(p->kv, pairs[i].key, err);
    }
    struct err ignored;
    enum status end = kv_release(p->kv, st == ST_OK, st ? &ignored : err);
    return st ? st : end;
}

enum status posted_rules_remove(struct posted_rules *p, struct slice space, struct slice name, struct err *err)
{
    struct arena *a = arena_new(0);
    struct rule_set *set = set_new(a);
    size_t gone = 0;
    mutex_lock(&p->lock);
    enum status st = read_kept(p, a, space, name, set, &gone, err);
    if (!st && gone == 0)
        st = err_set(err, ST_NOT_FOUND, name.len ? "group does not exist" : "no rule groups found");
    if (!st)
        st = remove_kept(p, a, space, name, err);
    if (st)
        arena_free(a);
    else
        take(p, a, set);
    mutex_unlock(&p->lock);
    return st;
}

/* ---- as YAML ---- */

static void put_indent(struct buf *out, unsigned n)
{
    while (n--)
        buf_char(out, ' ');
}

static void put_line(struct buf *out, unsigned indent, const char *key, struct slice text)
{
    put_indent(out, indent);
    buf_printf(out, "%s: ", key);
    text_put_quoted(text, out);
    buf_char(out, '\n');
}

static void put_duration(struct buf *out, unsigned indent, const char *key, int64_t ns)
{
    char text[DURATION_TEXT_BYTES_MAX];
    if (ns == 0)
        return;
    put_indent(out, indent);
    buf_printf(out, "%s: %.*s\n", key, (int)duration_format_prom(ns / NS_MS, text), text);
}

static void put_texts(struct buf *out, unsigned indent, const char *what, const struct rule_text *list, size_t count)
{
    if (count == 0)
        return;
    put_indent(out, indent);
    buf_printf(out, "%s:\n", what);
    for (size_t i = 0; i < count; i++) {
        put_indent(out, indent + 4);
        buf_printf(out, "%.*s: ", SLICE_FMT(list[i].name));
        text_put_quoted(list[i].text, out);
        buf_char(out, '\n');
    }
}

static void put_rule(struct buf *out, unsigned indent, const struct rule *r, struct slice lang)
{
    put_indent(out, indent - 2);
    buf_slice(out, SLICE("- "));
    put_line(out, 0, r->kind == RULE_ALERT ? "alert" : "record", r->name);
    put_line(out, indent, "expr", r->expr);
    if (!slice_eq(slice_str(r->lang->name), lang))
        put_line(out, indent, "lang", slice_str(r->lang->name));
    put_duration(out, indent, "for", r->for_ns);
    put_duration(out, indent, "keep_firing_for", r->keep_firing_ns);
    put_texts(out, indent, "labels", r->labels, r->label_count);
    put_texts(out, indent, "annotations", r->annotations, r->annotation_count);
}

void posted_rules_format(const struct rule_group *g, struct slice lang, unsigned indent, bool is_item, struct buf *out)
{
    put_indent(out, indent);
    if (is_item)
        buf_slice(out, SLICE("- "));
    indent += is_item ? 2 : 0;
    put_line(out, 0, "name", g->name);
    put_duration(out, indent, "interval", g->interval_ns);
    put_duration(out, indent, "query_offset", g->query_offset_ns);
    if (g->limit) {
        put_indent(out, indent);
        buf_printf(out, "limit: %zu\n", g->limit);
    }
    put_indent(out, indent);
    buf_slice(out, g->rule_count ? SLICE("rules:\n") : SLICE("rules: []\n"));
    for (size_t i = 0; i < g->rule_count; i++)
        put_rule(out, indent + 6, &g->rules[i], lang);
}
