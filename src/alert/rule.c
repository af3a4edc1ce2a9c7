/* SPDX-License-Identifier: Apache-2.0 */
/* Reading rules. Both forms end in rule_finish: the expression is checked in its language, templates are parsed, and the rule
 * gets an id that stays the same over restarts, so that its state and history find it again. The short form becomes a group of
 * its own per file, named "alerts". */
#include "alert/rule.h"

#include "base/date.h"

const struct slice rule_variables[] = {SLICE_INIT("$labels"), SLICE_INIT("$externalLabels"), SLICE_INIT("$externalURL"), SLICE_INIT("$value")};
static_assert(COUNT_OF(rule_variables) == RULE_VARIABLES, "rule.h says how many");
static const struct gotmpl_options rule_template = {
    .variables = rule_variables, .variable_count = RULE_VARIABLES, .functions = &gotmpl_alert_functions};

static const struct slice group_keys[] = {SLICE_INIT("name"),  SLICE_INIT("interval"), SLICE_INIT("query_offset"),
                                          SLICE_INIT("limit"), SLICE_INIT("labels"),   SLICE_INIT("rules"),
                                          SLICE_INIT("lang"),  SLICE_INIT("type"),     SLICE_INIT("partial_response_strategy")};
static const struct slice rule_keys[] = {SLICE_INIT("record"), SLICE_INIT("alert"),  SLICE_INIT("expr"),
                                         SLICE_INIT("for"),    SLICE_INIT("labels"), SLICE_INIT("keep_firing_for"),
                                         SLICE_INIT("lang"),   SLICE_INIT("type"),   SLICE_INIT("annotations")};
static const struct slice article_keys[] = {SLICE_INIT("name"),    SLICE_INIT("condition"),   SLICE_INIT("severity"),
                                            SLICE_INIT("action"),  SLICE_INIT("labels"),      SLICE_INIT("annotations"),
                                            SLICE_INIT("summary"), SLICE_INIT("description"), SLICE_INIT("keep_firing_for")};
static const struct slice file_keys[] = {SLICE_INIT("groups"), SLICE_INIT("alerts"), SLICE_INIT("namespace")};

/* ---- parts of both forms ---- */

static enum status lang_read(const struct rule_reading *r, const struct yaml_node *n, const struct query_lang **out, struct err *err)
{
    struct slice name = SLICE_EMPTY;
    enum status st = yaml_text(n, SLICE("lang"), &name, err);
    if (!st && name.len == 0)
        st = yaml_text(n, SLICE("type"), &name, err);
    if (st || name.len == 0)
        return st;
    if (slice_eq(name, SLICE("prometheus")))
        name = SLICE("promql");
    if (slice_eq(name, SLICE("loki")))
        name = SLICE("logql");
    if (slice_eq(name, SLICE("tempo")))
        name = SLICE("traceql");
    for (size_t i = 0; i < r->lang_count; i++) {
        if (slice_eq(slice_str(r->langs[i]->name), name)) {
            *out = r->langs[i];
            return ST_OK;
        }
    }
    return yaml_fail(n, err, "lang: found \"%.*s\", allowed are promql, logql and traceql", SLICE_FMT(name));
}

/* Adds the pairs of map n to list, a name that is there already is replaced. what: "labels" or "annotations". */
static enum status texts_read(const struct rule_reading *r, const struct yaml_node *n, const char *what, bool is_label, struct rule_text **list,
                              size_t *count, struct err *err)
{
    if (n == NULL)
        return ST_OK;
    if (n->type != YAML_MAP)
        return yaml_fail(n, err, "%s: expected a map of names and texts", what);
    struct rule_text *all = arena_array(r->arena, struct rule_text, *count + n->count + 1);
    if (*count)
        memcpy(all, *list, *count * sizeof *all);
    for (size_t i = 0; i < n->count; i++) {
        const struct yaml_node *item = n->items[i];
        struct slice name = n->keys[i];
        size_t at = 0;
        if (item->type != YAML_SCALAR)
            return yaml_fail(item, err, "%s: %.*s: expected a text", what, SLICE_FMT(name));
        if (!label_name_is_legacy(name) || (is_label && slice_eq(name, SLICE("__name__"))))
            return yaml_fail(item, err, "%s: \"%.*s\" is no label name", what, SLICE_FMT(name));
        while (at < *count && !slice_eq(all[at].name, name))
            at++;
        if (at == RULE_LABELS_MAX)
            return yaml_fail(item, err, "%s: more than %d", what, RULE_LABELS_MAX);
        all[at] = (struct rule_text){.name = name, .text = item->text};
        if (gotmpl_parse(r->arena, item->text, &rule_template, &all[at].tmpl, err))
            return err_prefix(err, "%.*s:%d: %s: %.*s: ", SLICE_FMT(item->file), item->line, what, SLICE_FMT(name));
        *count += at == *count;
    }
    *list = all;
    return ST_OK;
}

static uint64_t rule_id(const struct rule_group *g, const struct rule *rule)
{
    struct buf b;
    buf_init(&b, 0);
    buf_lenslice(&b, g->name);
    buf_u8(&b, (uint8_t)rule->kind);
    buf_lenslice(&b, rule->name);
    for (size_t i = 0; i < rule->label_count; i++) {
        buf_lenslice(&b, rule->labels[i].name);
        buf_lenslice(&b, rule->labels[i].text);
    }
    uint64_t id = hash64(buf_as_slice(&b), 0);
    /* Two rules that look the same are told apart by their order. */
    for (size_t i = 0; i < g->rule_count; i++)
        if (g->rules[i].id == id)
            id = hash_u64(id + 1);
    buf_free(&b);
    return id;
}

static enum status rule_finish(const struct rule_reading *r, const struct yaml_node *n, struct rule *rule, struct rule_group *g,
                               struct rule_set *set, struct err *err)
{
    enum value_type type = VALUE_NONE;
    const char *key = rule->condition.len ? "condition" : "expr";
    if (rule->lang->check(rule->expr, r->features, &type, err))
        return err_prefix(err, "%.*s:%d: %s of %.*s: ", SLICE_FMT(n->file), n->line, key, SLICE_FMT(rule->name));
    /* LogQL calls whatever gives numbers a matrix; asked at one time, it gives a vector. */
    bool is_promql = slice_eq(slice_str(rule->lang->name), SLICE("promql"));
    if (type != VALUE_VECTOR && type != VALUE_SCALAR && (is_promql || type != VALUE_MATRIX))
        return yaml_fail(n, err, "%s of %.*s: gives %s; allowed are instant vectors and numbers", key, SLICE_FMT(rule->name),
                         type == VALUE_STREAMS  ? "log lines"
                         : type == VALUE_MATRIX ? "a range vector"
                         : type == VALUE_NONE   ? "traces"
                                                : "a text");
    if (set->rule_count == RULES_MAX)
        return yaml_fail(n, err, "more than %d rules", RULES_MAX);
    rule->file = n->file;
    rule->line = n->line;
    rule->expr_hash = hash64(rule->expr, rule->for_ns > 0);
    rule->id = rule_id(g, rule);
    ARENA_PUSH(r->arena, g->rules, g->rule_count, g->rule_cap) = *rule;
    set->rule_count++;
    return ST_OK;
}

/* ---- Prometheus's form ---- */

static enum status alert_keys_read(const struct rule_reading *r, const struct yaml_node *n, struct rule *rule, struct err *err)
{
    enum status st = yaml_duration(n, SLICE("for"), &rule->for_ns, err);
    if (!st)
        st = yaml_duration(n, SLICE("keep_firing_for"), &rule->keep_firing_ns, err);
    return st ? st : texts_read(r, yaml_get(n, SLICE("annotations")), "annotations", false, &rule->annotations, &rule->annotation_count, err);
}

static enum status rule_read(const struct rule_reading *r, const struct yaml_node *n, const struct yaml_node *group, struct rule_group *g,
                             struct rule_set *set, struct err *err)
{
    struct rule rule = {.lang = r->langs[0]};
    struct slice record = SLICE_EMPTY, alert = SLICE_EMPTY;
    if (n->type != YAML_MAP)
        return yaml_fail(n, err, "rules: expected a map with alert or record, and expr");
    enum status st = yaml_only(n, rule_keys, COUNT_OF(rule_keys), err);
    if (!st)
        st = yaml_text(n, SLICE("record"), &record, err);
    if (!st)
        st = yaml_text(n, SLICE("alert"), &alert, err);
    if (!st)
        st = yaml_text(n, SLICE("expr"), &rule.expr, err);
    if (!st && (record.len > 0) == (alert.len > 0))
        return yaml_fail(n, err, "a rule wants either alert or record, found %s", record.len ? "both" : "none");
    rule.kind = record.len ? RULE_RECORD : RULE_ALERT;
    rule.name = record.len ? record : alert;
    rule.expr = slice_trim(rule.expr);
    if (!st && rule.expr.len == 0)
        return yaml_fail(n, err, "rule %.*s: expr is missing", SLICE_FMT(rule.name));
    if (!st && record.len && !metric_name_is_legacy(record))
        return yaml_fail(n, err, "record: \"%.*s\" is no metric name", SLICE_FMT(record));
    if (!st && record.len && (yaml_get(n, SLICE("for")) || yaml_get(n, SLICE("annotations")) || yaml_get(n, SLICE("keep_firing_for"))))
        return yaml_fail(n, err, "record %.*s: for, keep_firing_for and annotations belong to alerts", SLICE_FMT(record));
    if (!st)
        st = lang_read(r, group, &rule.lang, err);
    if (!st)
        st = lang_read(r, n, &rule.lang, err);
    if (!st)
        st = texts_read(r, yaml_get(group, SLICE("labels")), "labels", true, &rule.labels, &rule.label_count, err);
    if (!st)
        st = texts_read(r, yaml_get(n, SLICE("labels")), "labels", true, &rule.labels, &rule.label_count, err);
    if (!st && alert.len)
        st = alert_keys_read(r, n, &rule, err);
    return st ? st : rule_finish(r, n, &rule, g, set, err);
}

static enum status group_push(const struct rule_reading *r, const struct yaml_node *n, struct slice name, struct rule_set *set,
                              struct rule_group **out, struct err *err)
{
    for (size_t i = 0; i < set->group_count; i++)
        if (slice_eq(set->groups[i].name, name) && slice_eq(set->groups[i].file, n->file))
            return yaml_fail(n, err, "groups: the name \"%.*s\" stands twice in this file", SLICE_FMT(name));
    if (set->group_count == RULE_GROUPS_MAX)
        return yaml_fail(n, err, "groups: more than %d", RULE_GROUPS_MAX);
    ARENA_PUSH(r->arena, set->groups, set->group_count, set->group_cap) =
        (struct rule_group){.name = name, .file = n->file, .interval_ns = r->interval_ns, .query_offset_ns = r->query_offset_ns};
    *out = &set->groups[set->group_count - 1];
    return ST_OK;
}

static enum status group_read(const struct rule_reading *r, const struct yaml_node *n, struct rule_set *set, struct err *err)
{
    struct slice name = SLICE_EMPTY;
    struct rule_group *g;
    int64_t limit = 0;
    if (n->type != YAML_MAP)
        return yaml_fail(n, err, "groups: expected a map with name and rules");
    enum status st = yaml_only(n, group_keys, COUNT_OF(group_keys), err);
    if (!st)
        st = yaml_text(n, SLICE("name"), &name, err);
    if (!st && name.len == 0)
        return yaml_fail(n, err, "groups: a group wants a name");
    if (!st)
        st = group_push(r, n, name, set, &g, err);
    if (!st)
        st = yaml_duration(n, SLICE("interval"), &g->interval_ns, err);
    if (!st)
        st = yaml_duration(n, SLICE("query_offset"), &g->query_offset_ns, err);
    if (!st)
        st = yaml_int(n, SLICE("limit"), 0, INT32_MAX, &limit, err);
    if (st)
        return st;
    g->limit = (size_t)limit;
    g->interval_ns = g->interval_ns ? g->interval_ns : r->interval_ns;
    if (g->interval_ns < RULE_INTERVAL_MIN_NS)
        return yaml_fail(n, err, "interval: found less than 100ms, which is the least allowed");
    const struct yaml_node *rules = yaml_get(n, SLICE("rules"));
    if (rules && rules->type != YAML_SEQUENCE)
        return yaml_fail(rules, err, "rules: expected a list");
    for (size_t i = 0; rules && i < rules->count && !st; i++)
        st = rule_read(r, rules->items[i], n, &set->groups[set->group_count - 1], set, err);
    return st;
}

/* ---- short form ---- */

static enum status label_set(const struct rule_reading *r, struct rule_text **list, size_t *count, struct slice name, struct slice text,
                             struct err *err)
{
    struct rule_text *all = arena_array(r->arena, struct rule_text, *count + 1);
    if (*count)
        memcpy(all, *list, *count * sizeof *all);
    all[*count] = (struct rule_text){.name = name, .text = text};
    *list = all;
    return gotmpl_parse(r->arena, text, &rule_template, &all[(*count)++].tmpl, err);
}

/* severity becomes a label, summary and description annotations. */
static enum status article_texts_read(const struct rule_reading *r, const struct yaml_node *n, struct rule *rule, struct err *err)
{
    static const struct slice notes[] = {SLICE_INIT("summary"), SLICE_INIT("description")};
    struct slice severity = SLICE_EMPTY;
    enum status st = texts_read(r, yaml_get(n, SLICE("labels")), "labels", true, &rule->labels, &rule->label_count, err);
    if (!st)
        st = texts_read(r, yaml_get(n, SLICE("annotations")), "annotations", false, &rule->annotations, &rule->annotation_count, err);
    if (!st)
        st = yaml_text(n, SLICE("severity"), &severity, err);
    if (!st && severity.len)
        st = label_set(r, &rule->labels, &rule->label_count, SLICE("severity"), severity, err);
    for (size_t i = 0; i < COUNT_OF(notes) && !st; i++) {
        struct slice text = SLICE_EMPTY;
        st = yaml_text(n, notes[i], &text, err);
        if (!st && text.len)
            st = label_set(r, &rule->annotations, &rule->annotation_count, notes[i], text, err);
    }
    return st;
}

static enum status article_read(const struct rule_reading *r, const struct yaml_node *n, struct rule_group *g, struct rule_set *set,
                                struct err *err)
{
    struct rule rule = {.lang = r->langs[0]};
    struct article_condition c;
    if (n->type != YAML_MAP)
        return yaml_fail(n, err, "alerts: expected a map with name and condition");
    enum status st = yaml_only(n, article_keys, COUNT_OF(article_keys), err);
    if (!st)
        st = yaml_text(n, SLICE("name"), &rule.name, err);
    if (!st)
        st = yaml_text(n, SLICE("condition"), &rule.condition, err);
    if (!st)
        st = yaml_text(n, SLICE("action"), &rule.receiver, err);
    if (!st)
        st = yaml_duration(n, SLICE("keep_firing_for"), &rule.keep_firing_ns, err);
    if (!st && (rule.name.len == 0 || rule.condition.len == 0))
        return yaml_fail(n, err, "alerts: an alert wants a name and a condition");
    if (!st && article_condition_read(r->arena, rule.condition, &c, err))
        return err_prefix(err, "%.*s:%d: alert %.*s: ", SLICE_FMT(n->file), n->line, SLICE_FMT(rule.name));
    if (!st)
        st = article_texts_read(r, n, &rule, err);
    if (st)
        return st;
    rule.expr = c.expr;
    rule.for_ns = c.for_ns;
    return rule_finish(r, n, &rule, g, set, err);
}

static enum status articles_read(const struct rule_reading *r, const struct yaml_node *n, struct rule_set *set, struct err *err)
{
    struct rule_group *g = NULL;
    enum status st = ST_OK;
    if (n->type != YAML_SEQUENCE)
        return yaml_fail(n, err, "alerts: expected a list of {name, condition, severity, action}");
    for (size_t i = 0; i < n->count && !st; i++) {
        const struct yaml_node *item = n->items[i];
        /* `alerts` of several files add up to one list: a group for each file. */
        for (g = NULL; g == NULL && !st;) {
            for (size_t k = 0; k < set->group_count && g == NULL; k++)
                if (slice_eq(set->groups[k].name, SLICE("alerts")) && slice_eq(set->groups[k].file, item->file))
                    g = &set->groups[k];
            if (g == NULL)
                st = group_push(r, item, SLICE("alerts"), set, &g, err);
        }
        if (!st)
            st = article_read(r, item, g, set, err);
    }
    return st;
}

/* ---- all of it ---- */

enum status rule_globals_read(struct rule_reading *r, const struct yaml_node *root, struct rule_set *set, struct err *err)
{
    const struct yaml_node *n = yaml_get(root, SLICE("global")), *labels = yaml_get(n, SLICE("external_labels"));
    enum status st = yaml_duration(n, SLICE("evaluation_interval"), &r->interval_ns, err);
    if (!st)
        st = yaml_duration(n, SLICE("rule_query_offset"), &r->query_offset_ns, err);
    if (st)
        return st;
    r->interval_ns = r->interval_ns ? r->interval_ns : RULE_INTERVAL_DEFAULT_NS;
    if (r->interval_ns < RULE_INTERVAL_MIN_NS)
        return yaml_fail(n, err, "evaluation_interval: found less than 100ms, which is the least allowed");
    if (labels == NULL)
        return ST_OK;
    if (labels->type != YAML_MAP)
        return yaml_fail(labels, err, "external_labels: expected a map of names and texts");
    struct label *list = arena_array(r->arena, struct label, labels->count + 1);
    for (size_t i = 0; i < labels->count; i++)
        list[i] = (struct label){labels->keys[i], labels->items[i]->text};
    st = labels_build(r->arena, list, labels->count, &set->external_labels, err);
    return st ? err_prefix(err, "%.*s:%d: external_labels: ", SLICE_FMT(labels->file), labels->line) : ST_OK;
}

enum status rule_set_read(const struct rule_reading *r, const struct yaml_node *root, bool only, struct rule_set *set, struct err *err)
{
    const struct yaml_node *groups = yaml_get(root, SLICE("groups")), *alerts = yaml_get(root, SLICE("alerts"));
    enum status st = only ? yaml_only(root, file_keys, COUNT_OF(file_keys), err) : ST_OK;
    if (!st && groups && groups->type != YAML_SEQUENCE)
        return yaml_fail(groups, err, "groups: expected a list of groups of rules");
    for (size_t i = 0; groups && i < groups->count && !st; i++)
        st = group_read(r, groups->items[i], set, err);
    if (!st && alerts)
        st = articles_read(r, alerts, set, err);
    return st;
}

static struct rule_text *texts_copy(struct arena *a, const struct rule_text *list, size_t count)
{
    struct rule_text *copy = arena_array(a, struct rule_text, count + 1);
    for (size_t i = 0; i < count; i++)
        copy[i] = (struct rule_text){.name = arena_copy(a, list[i].name), .text = arena_copy(a, list[i].text)};
    return copy;
}

static struct rule rule_copy(struct arena *a, const struct rule *from)
{
    struct rule r = *from;
    struct slice *const texts[] = {&r.name, &r.expr, &r.condition, &r.receiver, &r.file};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        *texts[i] = arena_copy(a, *texts[i]);
    r.labels = texts_copy(a, from->labels, from->label_count);
    r.annotations = texts_copy(a, from->annotations, from->annotation_count);
    return r;
}

struct rule_set *rule_set_copy(struct arena *a, const struct rule_set *set)
{
    struct rule_set *copy = arena_new_of(a, struct rule_set);
    *copy = *set;
    copy->external_labels = arena_copy(a, set->external_labels);
    copy->groups = arena_array(a, struct rule_group, set->group_count + 1);
    for (size_t i = 0; i < set->group_count; i++) {
        const struct rule_group *from = &set->groups[i];
        struct rule_group *g = &copy->groups[i];
        *g = *from;
        g->name = arena_copy(a, from->name);
        g->file = arena_copy(a, from->file);
        g->rules = arena_array(a, struct rule, from->rule_count + 1);
        for (size_t k = 0; k < from->rule_count; k++)
            g->rules[k] = rule_copy(a, &from->rules[k]);
    }
    return copy;
}

/* ---- as a rule file ---- */

static void put_texts(struct buf *out, const char *what, const struct rule_text *list, size_t count)
{
    if (count)
        buf_printf(out, "        %s:\n", what);
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "          %.*s: ", SLICE_FMT(list[i].name));
        text_put_quoted(list[i].text, out);
        buf_char(out, '\n');
    }
}

static void put_duration(struct buf *out, const char *key, int64_t ns)
{
    char text[DURATION_TEXT_BYTES_MAX];
    if (ns)
        buf_printf(out, "%s: %.*s\n", key, (int)duration_format_prom(ns / NS_MS, text), text);
}

void rule_set_format(const struct rule_set *set, struct buf *out)
{
    buf_slice(out, SLICE("groups:\n"));
    for (size_t i = 0; i < set->group_count; i++) {
        const struct rule_group *g = &set->groups[i];
        buf_slice(out, SLICE("  - name: "));
        text_put_quoted(g->name, out);
        buf_char(out, '\n');
        put_duration(out, "    interval", g->interval_ns);
        put_duration(out, "    query_offset", g->query_offset_ns);
        if (g->limit)
            buf_printf(out, "    limit: %zu\n", g->limit);
        buf_slice(out, SLICE("    rules:\n"));
        for (size_t k = 0; k < g->rule_count; k++) {
            const struct rule *r = &g->rules[k];
            if (r->condition.len)
                buf_printf(out, "      # %.*s%s%.*s\n", SLICE_FMT(r->condition), r->receiver.len ? " -> " : "", SLICE_FMT(r->receiver));
            buf_printf(out, "      - %s: %.*s\n        expr: ", r->kind == RULE_ALERT ? "alert" : "record", SLICE_FMT(r->name));
            text_put_quoted(r->expr, out);
            buf_char(out, '\n');
            if (!slice_eq(slice_str(r->lang->name), SLICE("promql")))
                buf_printf(out, "        lang: %s\n", r->lang->name);
            put_duration(out, "        for", r->for_ns);
            put_duration(out, "        keep_firing_for", r->keep_firing_ns);
            put_texts(out, "labels", r->labels, r->label_count);
            put_texts(out, "annotations", r->annotations, r->annotation_count);
        }
    }
}
