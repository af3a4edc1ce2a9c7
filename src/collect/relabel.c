/* SPDX-License-Identifier: Apache-2.0 */
/* Each rule joins its source labels by the separator and does its action with the joined text (or, for labelmap, labeldrop
 * and labelkeep, with the names of all labels). Regexes match the whole text. One function an action, in one table.
 *
 * hashmod is MD5's last eight bytes, big-endian, modulo: shards must agree with Prometheus servers beside us. */
#include "collect/relabel.h"

#include <openssl/evp.h>

#include "codec/regex.h"

enum { RULES_MAX = 1000, GROUPS_MAX = 32, MD5_BYTES = 16, EXPANDED_BYTES_MAX = LABELS_BYTES_MAX };

struct compiled {
    const struct relabel_rule *rule;
    struct regex *regex;
};

struct relabel {
    size_t count;
    struct compiled rules[];
};

/* ---- label lists ---- */

struct label_list label_list_new(struct arena *a)
{
    return (struct label_list){ .arena = a };
}

static size_t find(const struct label_list *l, struct slice name)
{
    for (size_t i = 0; i < l->count; i++)
        if (slice_eq(l->list[i].name, name))
            return i;
    return SIZE_MAX;
}

struct slice label_list_get(const struct label_list *l, struct slice name)
{
    size_t i = find(l, name);
    return i == SIZE_MAX ? SLICE_EMPTY : l->list[i].value;
}

bool label_list_has(const struct label_list *l, struct slice name)
{
    return find(l, name) != SIZE_MAX;
}

void label_list_set(struct label_list *l, struct slice name, struct slice value)
{
    size_t i = find(l, name);
    if (value.len == 0 && i != SIZE_MAX)
        l->list[i] = l->list[--l->count];
    else if (value.len && i != SIZE_MAX)
        l->list[i].value = value;
    else if (value.len)
        ARENA_PUSH(l->arena, l->list, l->count, l->cap) = (struct label){ name, value };
}

void label_list_add_all(struct label_list *l, struct slice labels)
{
    for (struct label one; labels_next(&labels, &one);)
        label_list_set(l, one.name, one.value);
}

/* ---- actions: false drops the set ---- */

static struct slice joined(const struct relabel_rule *r, const struct label_list *l)
{
    struct buf text;
    if (r->source_count == 1)
        return label_list_get(l, r->source[0]);
    buf_init(&text, EXPANDED_BYTES_MAX);
    for (size_t i = 0; i < r->source_count; i++) {
        if (i)
            buf_slice(&text, r->separator);
        buf_slice(&text, label_list_get(l, r->source[i]));
    }
    struct slice s = arena_copy(l->arena, buf_as_slice(&text));
    buf_free(&text);
    return s;
}

static struct slice expanded(const struct compiled *c, struct arena *a, struct slice format, const struct slice *groups, size_t count)
{
    struct buf text;
    if (slice_find_char(format, '$', 0) == SIZE_MAX)
        return format;
    buf_init(&text, EXPANDED_BYTES_MAX);
    regex_expand(c->regex, format, groups, count, &text);
    struct slice s = arena_copy(a, buf_as_slice(&text));
    buf_free(&text);
    return s;
}

static bool act_replace(const struct compiled *c, struct label_list *l)
{
    struct slice text = joined(c->rule, l), groups[GROUPS_MAX] = { { 0 } };
    size_t count = MIN(regex_group_count(c->regex) + 1, (size_t)GROUPS_MAX);
    if (!regex_find(c->regex, text, 0, groups, count))
        return true;
    struct slice target = expanded(c, l->arena, c->rule->target, groups, count);
    if (target.len)
        label_list_set(l, target, expanded(c, l->arena, c->rule->replacement, groups, count));
    return true;
}

static bool act_keep(const struct compiled *c, struct label_list *l)
{
    return regex_match(c->regex, joined(c->rule, l));
}

static bool act_drop(const struct compiled *c, struct label_list *l)
{
    return !regex_match(c->regex, joined(c->rule, l));
}

static bool act_keepequal(const struct compiled *c, struct label_list *l)
{
    return slice_eq(joined(c->rule, l), label_list_get(l, c->rule->target));
}

static bool act_dropequal(const struct compiled *c, struct label_list *l)
{
    return !act_keepequal(c, l);
}

static bool act_hashmod(const struct compiled *c, struct label_list *l)
{
    struct slice text = joined(c->rule, l);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    uint64_t last = 0;
    if (EVP_Digest(text.ptr, text.len, digest, &len, EVP_md5(), NULL) != 1 || len != MD5_BYTES)
        return true;
    for (int i = MD5_BYTES / 2; i < MD5_BYTES; i++)
        last = last << 8 | digest[i];
    label_list_set(l, c->rule->target, arena_printf(l->arena, "%llu", (unsigned long long)(last % c->rule->modulus)));
    return true;
}

static bool act_labelmap(const struct compiled *c, struct label_list *l)
{
    /* Over what was there before: labels made here are not mapped again. */
    size_t n = l->count;
    struct label *before = arena_array(l->arena, struct label, n + 1);
    if (n)
        memcpy(before, l->list, n * sizeof *before);
    for (size_t i = 0; i < n; i++) {
        struct slice groups[GROUPS_MAX] = { { 0 } };
        size_t count = MIN(regex_group_count(c->regex) + 1, (size_t)GROUPS_MAX);
        if (!regex_find(c->regex, before[i].name, 0, groups, count))
            continue;
        struct slice name = expanded(c, l->arena, c->rule->replacement, groups, count);
        if (name.len)
            label_list_set(l, name, before[i].value);
    }
    return true;
}

static void remove_names(const struct compiled *c, struct label_list *l, bool matching)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++)
        if (regex_match(c->regex, l->list[i].name) != matching)
            l->list[kept++] = l->list[i];
    l->count = kept;
}

static bool act_labeldrop(const struct compiled *c, struct label_list *l)
{
    remove_names(c, l, true);
    return true;
}

static bool act_labelkeep(const struct compiled *c, struct label_list *l)
{
    remove_names(c, l, false);
    return true;
}

static void set_cased(const struct compiled *c, struct label_list *l, char first, char last, int shift)
{
    struct slice text = arena_copy(l->arena, joined(c->rule, l));
    char *at = (char *)(uintptr_t)text.ptr;
    for (size_t i = 0; i < text.len; i++)
        if (at[i] >= first && at[i] <= last)
            at[i] = (char)(at[i] + shift);
    label_list_set(l, c->rule->target, text);
}

static bool act_lowercase(const struct compiled *c, struct label_list *l)
{
    set_cased(c, l, 'A', 'Z', 'a' - 'A');
    return true;
}

static bool act_uppercase(const struct compiled *c, struct label_list *l)
{
    set_cased(c, l, 'a', 'z', 'A' - 'a');
    return true;
}

/* In the order of enum relabel_action. */
static const struct {
    struct slice name;
    bool (*act)(const struct compiled *c, struct label_list *l);
    bool needs_target;
    bool names_only; /* works on the names: source_labels and target_label have no meaning */
} actions[] = {
    { SLICE_INIT("replace"), act_replace, true, false },      { SLICE_INIT("keep"), act_keep, false, false },
    { SLICE_INIT("drop"), act_drop, false, false },           { SLICE_INIT("keepequal"), act_keepequal, true, false },
    { SLICE_INIT("dropequal"), act_dropequal, true, false },  { SLICE_INIT("hashmod"), act_hashmod, true, false },
    { SLICE_INIT("labelmap"), act_labelmap, false, false },   { SLICE_INIT("labeldrop"), act_labeldrop, false, true },
    { SLICE_INIT("labelkeep"), act_labelkeep, false, true },  { SLICE_INIT("lowercase"), act_lowercase, true, false },
    { SLICE_INIT("uppercase"), act_uppercase, true, false },
};

/* ---- reading ---- */

static enum status read_action(const struct yaml_node *n, struct relabel_rule *r, struct err *err)
{
    struct slice word = SLICE("replace"), known[COUNT_OF(actions)];
    enum status st = yaml_text(n, SLICE("action"), &word, err);
    if (st)
        return st;
    for (size_t i = 0; i < COUNT_OF(actions); i++) {
        known[i] = actions[i].name;
        if (slice_eq_nocase(word, actions[i].name)) {
            r->action = (enum relabel_action)i;
            return ST_OK;
        }
    }
    struct slice near = yaml_suggest(word, known, COUNT_OF(known));
    return yaml_fail(yaml_get(n, SLICE("action")), err, "action: found \"%.*s\"%s%.*s%s; allowed are replace, keep, drop, keepequal, dropequal, "
                     "hashmod, labelmap, labeldrop, labelkeep, lowercase and uppercase", SLICE_FMT(slice_sub(word, 0, 60)),
                     near.len ? "; did you mean \"" : "", SLICE_FMT(near), near.len ? "\"?" : "");
}

static enum status check_rule(const struct yaml_node *n, const struct relabel_rule *r, struct err *err)
{
    struct slice name = actions[r->action].name;
    struct regex *regex;
    struct err why;
    if (actions[r->action].needs_target && r->target.len == 0)
        return yaml_fail(n, err, "action %.*s needs target_label", SLICE_FMT(name));
    if (r->action == RELABEL_HASHMOD && r->modulus == 0)
        return yaml_fail(n, err, "action hashmod needs modulus, 1 or more");
    if (actions[r->action].names_only && (r->source_count || r->target.len || r->modulus))
        return yaml_fail(n, err, "action %.*s takes regex alone, no source_labels, target_label or modulus", SLICE_FMT(name));
    if ((r->action == RELABEL_KEEPEQUAL || r->action == RELABEL_DROPEQUAL) && (yaml_get(n, SLICE("regex")) || r->modulus))
        return yaml_fail(n, err, "action %.*s takes source_labels and target_label alone", SLICE_FMT(name));
    if (regex_compile(&regex, r->regex, REGEX_ANCHORED, &why))
        return yaml_fail(yaml_get(n, SLICE("regex")) ? yaml_get(n, SLICE("regex")) : n, err, "regex: %s", why.text);
    size_t groups = regex_group_count(regex) + 1;
    regex_free(regex);
    if (groups > GROUPS_MAX)
        return yaml_fail(n, err, "regex: found %zu groups, at most %d are allowed", groups - 1, GROUPS_MAX - 1);
    return ST_OK;
}

static enum status read_rule(struct arena *a, const struct yaml_node *n, struct relabel_rule *r, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("source_labels"), SLICE_INIT("separator"), SLICE_INIT("target_label"), SLICE_INIT("regex"),
                                         SLICE_INIT("modulus"), SLICE_INIT("replacement"), SLICE_INIT("action") };
    int64_t modulus = 0;
    *r = (struct relabel_rule){ .separator = SLICE(";"), .regex = SLICE("(.*)"), .replacement = SLICE("$1"), .target = SLICE_EMPTY };
    if (n->type != YAML_MAP)
        return yaml_fail(n, err, "expected a relabelling rule: a map such as {source_labels: [job], target_label: team}");
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = yaml_texts(a, n, keys[0], &r->source, &r->source_count, err);
    if (!st)
        st = yaml_text(n, keys[1], &r->separator, err);
    if (!st)
        st = yaml_text(n, keys[2], &r->target, err);
    if (!st)
        st = yaml_text(n, keys[3], &r->regex, err);
    if (!st)
        st = yaml_int(n, keys[4], 0, INT64_MAX, &modulus, err);
    if (!st)
        st = yaml_text(n, keys[5], &r->replacement, err);
    if (!st)
        st = read_action(n, r, err);
    r->modulus = (uint64_t)modulus;
    return st ? st : check_rule(n, r, err);
}

enum status relabel_read(struct arena *a, const struct yaml_node *n, struct slice key, struct relabel_rule **out, size_t *count, struct err *err)
{
    const struct yaml_node *list = yaml_get(n, key);
    *out = NULL;
    *count = 0;
    if (list == NULL)
        return ST_OK;
    if (list->type != YAML_SEQUENCE)
        return yaml_fail(list, err, "%.*s: expected a list of rules", SLICE_FMT(key));
    if (list->count > RULES_MAX)
        return yaml_fail(list, err, "%.*s: found %zu rules, at most %d are allowed", SLICE_FMT(key), list->count, RULES_MAX);
    struct relabel_rule *rules = arena_array(a, struct relabel_rule, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        enum status st = read_rule(a, list->items[i], &rules[i], err);
        if (st)
            return st;
    }
    *out = rules;
    *count = list->count;
    return ST_OK;
}

struct slice relabel_action_name(enum relabel_action action)
{
    return actions[action].name;
}

/* ---- running ---- */

enum status relabel_new(struct relabel **out, const struct relabel_rule *rules, size_t count, struct err *err)
{
    struct relabel *r = mem_zalloc(sizeof *r + count * sizeof r->rules[0]);
    for (size_t i = 0; i < count; i++) {
        r->rules[i].rule = &rules[i];
        enum status st = regex_compile(&r->rules[i].regex, rules[i].regex, REGEX_ANCHORED, err);
        if (st) {
            relabel_free(r);
            return st;
        }
        r->count++;
    }
    *out = r;
    return ST_OK;
}

void relabel_free(struct relabel *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->count; i++)
        regex_free(r->rules[i].regex);
    mem_free(r);
}

bool relabel_step(const struct relabel *r, size_t i, struct label_list *l)
{
    return actions[r->rules[i].rule->action].act(&r->rules[i], l);
}

bool relabel_run(const struct relabel *r, struct label_list *l)
{
    for (size_t i = 0; i < r->count; i++)
        if (!relabel_step(r, i, l))
            return false;
    return true;
}
