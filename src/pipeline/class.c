/* SPDX-License-Identifier: Apache-2.0 */
/* Which policy a record takes, the first that fits:
 *
 * (1) policies with `match`, in the order of the file, by the record's stream;
 * (2) audit_logs, when the record says that it is one (is_audit);
 * (3) of the LEVEL_logs the highest level that is not above the record's own: WARN goes to info_logs where there is no
 *     warn_logs. Below the lowest it takes the lowest. A record without a level counts as INFO;
 * (4) logs; for spans traces. */
#include "pipeline/class.h"

#include "base/num.h"
#include "model/body_field.h"

#define DAY_NS (86400 * NS_S)

static const char *const storage_names[CLASS_STORAGE_COUNT] = { "local", "cloud", "archive" };

const char *class_storage_name(enum class_storage s)
{
    return storage_names[s];
}

/* ---- reading ---- */

/* The kind a name stands for. False: none. */
static bool kind_of_name(struct slice name, struct class_policy *p)
{
    static const struct {
        struct slice name;
        enum class_kind kind;
    } known[] = { { SLICE_INIT("audit_logs"), CLASS_AUDIT }, { SLICE_INIT("logs"), CLASS_LOGS }, { SLICE_INIT("traces"), CLASS_TRACES },
                  { SLICE_INIT("metrics"), CLASS_METRICS }, { SLICE_INIT("metrics_5m"), CLASS_METRICS_5M },
                  { SLICE_INIT("metrics_1h"), CLASS_METRICS_1H } };
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (slice_eq(known[i].name, name)) {
            p->kind = known[i].kind;
            return true;
        }
    p->kind = CLASS_LEVEL;
    p->severity = slice_ends(name, SLICE("_logs")) ? severity_parse(slice_sub(name, 0, name.len - SLICE("_logs").len)) : SEVERITY_UNKNOWN;
    return p->severity != SEVERITY_UNKNOWN;
}

static enum status unknown_name(const struct yaml_node *map, size_t i, struct err *err)
{
    static const struct slice names[] = { SLICE_INIT("debug_logs"), SLICE_INIT("info_logs"),  SLICE_INIT("warn_logs"), SLICE_INIT("error_logs"),
                                          SLICE_INIT("fatal_logs"), SLICE_INIT("trace_logs"), SLICE_INIT("critical_logs"), SLICE_INIT("audit_logs"),
                                          SLICE_INIT("logs"),       SLICE_INIT("traces"),     SLICE_INIT("metrics"),
                                          SLICE_INIT("metrics_5m"), SLICE_INIT("metrics_1h") };
    struct slice near = yaml_suggest(map->keys[i], names, COUNT_OF(names));
    return err_set(err, ST_INVALID,
                   "%.*s:%d: retention policy \"%.*s\" says by its name for no rows%s%.*s%s; allowed are LEVEL_logs, audit_logs, logs, traces, "
                   "metrics, metrics_5m and metrics_1h, and any other name with `match`",
                   SLICE_FMT(map->items[i]->file), map->key_lines[i], SLICE_FMT(map->keys[i]), near.len ? " (did you mean \"" : "", SLICE_FMT(near),
                   near.len ? "\"?)" : "");
}

/* $0.10, 0.10, 0.10 EUR. */
static enum status read_cost(const struct yaml_node *n, double *cost, struct slice *currency, struct err *err)
{
    const struct yaml_node *at = yaml_get(n, SLICE("cost_per_gb"));
    if (at == NULL)
        return ST_OK;
    struct slice text = at->type == YAML_SCALAR ? slice_trim(at->text) : SLICE_EMPTY;
    size_t from = 0, to;
    while (from < text.len && !(text.ptr[from] >= '0' && text.ptr[from] <= '9') && text.ptr[from] != '.' && text.ptr[from] != '-')
        from++;
    for (to = from; to < text.len && ((text.ptr[to] >= '0' && text.ptr[to] <= '9') || text.ptr[to] == '.' || text.ptr[to] == '-');)
        to++;
    struct slice before = slice_trim(slice_sub(text, 0, from)), behind = slice_trim(slice_skip(text, to));
    struct slice sign = before.len ? before : behind;
    if (!num_parse_double(slice_sub(text, from, to), cost) || *cost < 0 || (before.len && behind.len) || sign.len > CLASS_CURRENCY_BYTES_MAX)
        return yaml_fail(at, err, "cost_per_gb: found \"%.*s\", expected a price such as $0.10 or 0.10", SLICE_FMT(text));
    if (sign.len && currency->len && !slice_eq(sign, *currency))
        return yaml_fail(at, err, "cost_per_gb: found a price in %.*s, one before is in %.*s; all must be in one currency", SLICE_FMT(sign),
                         SLICE_FMT(*currency));
    if (sign.len)
        *currency = sign;
    return ST_OK;
}

static enum status read_storage(const struct yaml_node *n, enum class_storage *out, struct err *err)
{
    struct slice names[CLASS_STORAGE_COUNT], text = SLICE("local");
    enum status st = yaml_text(n, SLICE("storage"), &text, err);
    for (int i = 0; i < CLASS_STORAGE_COUNT; i++) {
        names[i] = slice_str(storage_names[i]);
        if (slice_eq(names[i], text))
            *out = (enum class_storage)i;
        else if (i == 0)
            *out = CLASS_STORAGE_COUNT;
    }
    if (st || *out != CLASS_STORAGE_COUNT)
        return st;
    struct slice near = yaml_suggest(text, names, COUNT_OF(names));
    return yaml_fail(yaml_get(n, SLICE("storage")), err, "storage: found \"%.*s\"%s%.*s%s, allowed are local, cloud and archive", SLICE_FMT(text),
                     near.len ? " (did you mean \"" : "", SLICE_FMT(near), near.len ? "\"?)" : "");
}

static enum status read_match(struct arena *a, const struct yaml_node *n, struct class_policy *p, struct err *err)
{
    struct matcher *list;
    size_t count;
    struct err why;
    enum status st = yaml_text(n, SLICE("match"), &p->match, err);
    if (st)
        return st;
    p->kind = CLASS_MATCH;
    if (matchers_parse(a, p->match, &list, &count, &why))
        return yaml_fail(yaml_get(n, SLICE("match")), err, "match: %s", why.text);
    matchers_destroy(list, count);
    return count ? ST_OK : yaml_fail(yaml_get(n, SLICE("match")), err, "match: a selector such as {service_name=\"x\"} is needed");
}

static enum status read_policy(struct arena *a, const struct yaml_node *map, size_t i, struct class_config *c, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("retention_days"), SLICE_INIT("storage"), SLICE_INIT("cost_per_gb"), SLICE_INIT("match") };
    const struct yaml_node *n = map->items[i];
    struct class_policy *p = &c->list[c->count];
    double days = 0;
    *p = (struct class_policy){ .name = map->keys[i], .match = SLICE_EMPTY };
    if (n->type != YAML_MAP)
        return yaml_fail(n, err, "retention policy %.*s: expected retention_days, storage and cost_per_gb", SLICE_FMT(p->name));
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st && slice_eq(p->name, SLICE("default")))
        return yaml_fail(n, err, "retention policy \"default\": rows of no policy are kept as `retention` says");
    if (!st && yaml_get(n, SLICE("match")))
        st = read_match(a, n, p, err);
    else if (!st && !kind_of_name(p->name, p))
        st = unknown_name(map, i, err);
    if (!st && yaml_get(n, keys[0]) == NULL)
        return yaml_fail(n, err, "retention policy %.*s: retention_days is missing", SLICE_FMT(p->name));
    if (!st)
        st = yaml_double(n, keys[0], 0.04, CLASS_RETENTION_DAYS_MAX, &days, err);
    if (!st)
        st = read_storage(n, &p->storage, err);
    if (!st)
        st = read_cost(n, &p->cost_per_gb, &c->currency, err);
    p->retention_ns = (int64_t)(days * (double)DAY_NS);
    c->count += !st;
    return st;
}

enum status class_config_read(struct arena *a, const struct yaml_node *root, struct class_config **out, struct buf *warnings, struct err *err)
{
    /* tsdb and exemplars are Prometheus's, for a storage that is not ours. */
    static const struct slice dir_keys[] = { SLICE_INIT("local"), SLICE_INIT("cloud"), SLICE_INIT("archive"), SLICE_INIT("tsdb"),
                                             SLICE_INIT("exemplars") };
    const struct yaml_node *map = yaml_get(root, SLICE("retention_policies")), *storage = yaml_get(root, SLICE("storage"));
    struct class_config *c = arena_new_of(a, struct class_config);
    enum status st = ST_OK;
    c->currency = SLICE_EMPTY;
    for (int i = 0; i < CLASS_STORAGE_COUNT; i++)
        c->dirs[i] = SLICE_EMPTY;
    if (map && map->type != YAML_MAP)
        return yaml_fail(map, err, "retention_policies: expected a map of policies by name");
    if (map && map->count > CLASS_POLICIES_MAX)
        return yaml_fail(map, err, "retention_policies: found %zu policies, at most %d are allowed", map->count, CLASS_POLICIES_MAX);
    c->list = arena_array(a, struct class_policy, (map ? map->count : 0) + 1);
    for (size_t i = 0; map && i < map->count && !st; i++)
        st = read_policy(a, map, i, c, err);
    if (!st)
        st = yaml_only(storage, dir_keys, COUNT_OF(dir_keys), err);
    for (size_t i = 0; i < CLASS_STORAGE_COUNT && !st; i++)
        st = yaml_text(storage, dir_keys[i], &c->dirs[i], err);
    for (size_t i = CLASS_STORAGE_COUNT; i < COUNT_OF(dir_keys) && !st; i++)
        if (yaml_get(storage, dir_keys[i]))
            buf_printf(warnings, "%.*s:%d: \"storage: %.*s\" is known but not served by this version\n", SLICE_FMT(storage->file), storage->line,
                       SLICE_FMT(dir_keys[i]));
    if (!st)
        *out = c;
    return st;
}

struct class_config *class_config_bind(struct arena *a, const struct class_config *from)
{
    struct class_config *c = arena_new_of(a, struct class_config);
    c->currency = arena_copy(a, from->currency);
    for (int i = 0; i < CLASS_STORAGE_COUNT; i++)
        c->dirs[i] = arena_copy(a, from->dirs[i]);
    c->list = arena_array(a, struct class_policy, from->count + 1);
    c->count = from->count;
    for (size_t i = 0; i < c->count; i++) {
        struct class_policy *p = &c->list[i];
        *p = from->list[i];
        p->name = arena_copy(a, p->name);
        p->match = arena_copy(a, p->match);
        p->matchers = NULL;
        p->matcher_count = 0;
        if (p->kind == CLASS_MATCH) {
            enum status st = matchers_parse(a, p->match, &p->matchers, &p->matcher_count, NULL);
            assert(st == ST_OK); /* it did when it was read */
        }
    }
    return c;
}

void class_config_unbind(struct class_config *c)
{
    for (size_t i = 0; i < c->count; i++)
        matchers_destroy(c->list[i].matchers, c->list[i].matcher_count);
    c->count = 0;
}

/* ---- choosing ---- */

static bool says_true(struct slice text)
{
    return slice_eq_nocase(text, SLICE("true")) || slice_eq(text, SLICE("1")) || slice_eq_nocase(text, SLICE("yes"));
}

/* Our own kind; or log_type (log.type, type) = audit, or audit = true: in the stream, in a field, in a line of JSON or logfmt. */
static bool is_audit(const struct event *e, struct arena *scratch)
{
    static const struct slice types[] = { SLICE_INIT("log_type"), SLICE_INIT("log.type"), SLICE_INIT("logger_type") };
    const struct field *f;
    if (e->kind == EVENT_AUDIT)
        return true;
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (slice_eq_nocase(labels_get(e->stream, types[i]), SLICE("audit")) ||
            ((f = event_field(e, types[i])) != NULL && slice_eq_nocase(field_text(scratch, f), SLICE("audit"))))
            return true;
    if (says_true(labels_get(e->stream, SLICE("audit"))) || ((f = event_field(e, SLICE("audit"))) != NULL && says_true(field_text(scratch, f))))
        return true;
    return slice_contains(e->body, SLICE("audit")) && (body_field_is(e->body, SLICE("log_type"), SLICE("audit"), scratch) ||
                                                        body_field_is(e->body, SLICE("audit"), SLICE("true"), scratch));
}

static const struct class_policy *first_of_kind(const struct class_config *c, enum class_kind kind)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->list[i].kind == kind)
            return &c->list[i];
    return NULL;
}

static const struct class_policy *of_level(const struct class_config *c, uint8_t severity)
{
    const struct class_policy *best = NULL, *lowest = NULL;
    for (size_t i = 0; i < c->count; i++) {
        const struct class_policy *p = &c->list[i];
        if (p->kind != CLASS_LEVEL)
            continue;
        if (p->severity <= severity && (best == NULL || p->severity > best->severity))
            best = p;
        if (lowest == NULL || p->severity < lowest->severity)
            lowest = p;
    }
    return best ? best : lowest;
}

uint16_t class_of_event(const struct class_config *c, const struct event *e, struct arena *scratch)
{
    const struct class_policy *p = NULL;
    for (size_t i = 0; i < c->count && p == NULL; i++)
        if (c->list[i].kind == CLASS_MATCH && matchers_match(c->list[i].matchers, c->list[i].matcher_count, e->stream))
            p = &c->list[i];
    if (p == NULL && e->kind == EVENT_SPAN)
        p = first_of_kind(c, CLASS_TRACES);
    if (p == NULL && (e->kind == EVENT_LOG || e->kind == EVENT_AUDIT)) {
        const struct class_policy *audit = first_of_kind(c, CLASS_AUDIT);
        p = audit && is_audit(e, scratch) ? audit : of_level(c, e->severity ? e->severity : SEVERITY_INFO);
        p = p ? p : first_of_kind(c, CLASS_LOGS);
    }
    return p ? p->id : 0;
}
