/* SPDX-License-Identifier: Apache-2.0 */
/* A row's hash, as a number from 0 to 1, is compared with the share to keep: the rows kept at a smaller share are among those kept
 * at a larger one, so services of one trace with different shares still agree on the traces that all of them keep. */
#include "pipeline/sample.h"

#include "base/hash.h"
#include "base/num.h"

#define SAMPLE_SEED 0x53746f6153616d70ull

/* ---- reading ---- */

static enum status read_keep(const struct yaml_node *n, double *keep, struct err *err)
{
    const struct yaml_node *at = yaml_get(n, SLICE("keep"));
    struct slice text = at && at->type == YAML_SCALAR ? slice_trim(at->text) : SLICE_EMPTY;
    bool percent = slice_ends(text, SLICE("%"));
    if (at == NULL)
        return yaml_fail(n, err, "sampling: keep is missing: the share of rows to keep, such as 0.1 or 10%%");
    if (!num_parse_double(percent ? slice_sub(text, 0, text.len - 1) : text, keep) || !(*keep > 0) || *keep > (percent ? 100 : 1))
        return yaml_fail(at, err, "keep: found \"%.*s\", expected a share over 0 and up to 1, or a percentage; to keep nothing write a filter",
                         SLICE_FMT(text));
    *keep /= percent ? 100 : 1;
    return ST_OK;
}

static enum status read_signal(const struct yaml_node *n, struct sample_rule *r, struct err *err)
{
    struct slice text = SLICE_EMPTY;
    enum status st = yaml_text(n, SLICE("signal"), &text, err);
    r->logs = text.len == 0 || slice_eq(text, SLICE("logs"));
    r->traces = text.len == 0 || slice_eq(text, SLICE("traces"));
    if (!st && !r->logs && !r->traces)
        return yaml_fail(yaml_get(n, SLICE("signal")), err, "signal: found \"%.*s\", allowed are logs and traces", SLICE_FMT(text));
    return st;
}

static enum status read_level(const struct yaml_node *n, struct sample_rule *r, struct err *err)
{
    enum { LEVELS_OF_A_NAME = 4 }; /* DEBUG is 5 to 8 */
    struct slice text = SLICE_EMPTY;
    enum status st = yaml_text(n, SLICE("level"), &text, err);
    if (st || text.len == 0)
        return st;
    uint8_t severity = severity_parse(text);
    if (severity == SEVERITY_UNKNOWN)
        return yaml_fail(yaml_get(n, SLICE("level")), err, "level: found \"%.*s\", expected trace, debug, info, warn, error or fatal",
                         SLICE_FMT(text));
    r->level_max = (uint8_t)(severity - (severity - 1) % LEVELS_OF_A_NAME + LEVELS_OF_A_NAME - 1);
    return ST_OK;
}

static enum status read_match(struct arena *a, const struct yaml_node *n, struct sample_rule *r, struct err *err)
{
    struct matcher *list;
    size_t count;
    struct err why;
    enum status st = yaml_text(n, SLICE("match"), &r->match, err);
    if (st || r->match.len == 0)
        return st;
    if (matchers_parse(a, r->match, &list, &count, &why))
        return yaml_fail(yaml_get(n, SLICE("match")), err, "match: %s", why.text);
    matchers_destroy(list, count);
    return ST_OK;
}

static enum status read_rate(const struct yaml_node *n, struct sample_rule *r, struct err *err)
{
    r->burst = -1;
    enum status st = yaml_double(n, SLICE("lines_per_second"), 0, SAMPLE_RATE_MAX, &r->per_second, err);
    if (!st && r->per_second <= 0)
        return yaml_fail(n, err, "rate_limits: lines_per_second is missing: how many lines of a service are kept, over 0");
    if (!st)
        st = yaml_double(n, SLICE("burst"), 1, SAMPLE_RATE_MAX, &r->burst, err);
    if (r->burst < 0)
        r->burst = MAX(1.0, r->per_second * SAMPLE_BURST_SECONDS);
    return st;
}

static enum status read_within(const struct yaml_node *n, struct sample_rule *r, struct err *err)
{
    r->window_ns = SAMPLE_WITHIN_DEFAULT_SECONDS * NS_S;
    enum status st = yaml_duration(n, SLICE("within"), &r->window_ns, err);
    if (!st && (r->window_ns < NS_S || r->window_ns > SAMPLE_WITHIN_SECONDS_MAX * NS_S))
        return yaml_fail(yaml_get(n, SLICE("within")), err, "within: allowed are 1s to %ds", SAMPLE_WITHIN_SECONDS_MAX);
    return st;
}

/* The lists of a configuration, by kind. The last keys are a kind's own. */
static const struct {
    struct slice list;
    const char *one;
    struct slice own[2];
} kinds[SAMPLE_KINDS] = {
    [SAMPLE_FILTER] = { SLICE_INIT("filters"), "filter", { SLICE_INIT("signal"), SLICE_INIT("signal") } },
    [SAMPLE_SHARE] = { SLICE_INIT("sampling"), "sampling", { SLICE_INIT("signal"), SLICE_INIT("keep") } },
    [SAMPLE_DUPLICATES] = { SLICE_INIT("duplicates"), "duplicates", { SLICE_INIT("within"), SLICE_INIT("within") } },
    [SAMPLE_RATE] = { SLICE_INIT("rate_limits"), "rate limit", { SLICE_INIT("lines_per_second"), SLICE_INIT("burst") } },
};

static enum status read_own(const struct yaml_node *n, struct sample_rule *r, struct err *err)
{
    r->logs = true;
    enum status st = r->kind <= SAMPLE_SHARE ? read_signal(n, r, err) : ST_OK;
    if (st || r->kind == SAMPLE_FILTER)
        return st;
    return r->kind == SAMPLE_SHARE ? read_keep(n, &r->keep, err) : r->kind == SAMPLE_RATE ? read_rate(n, r, err) : read_within(n, r, err);
}

static enum status read_rule(struct arena *a, const struct yaml_node *n, enum sample_kind kind, size_t number, struct sample_rule *r, struct err *err)
{
    const struct slice keys[] = { SLICE("name"), SLICE("service"), SLICE("contains"), SLICE("match"), SLICE("level"), kinds[kind].own[0],
                                  kinds[kind].own[1] };
    *r = (struct sample_rule){ .kind = kind, .service = SLICE_EMPTY, .match = SLICE_EMPTY, .contains = SLICE_EMPTY };
    r->name = arena_printf(a, "%s %zu", kinds[kind].one, number);
    if (n->type != YAML_MAP)
        return yaml_fail(n, err, "%.*s: expected a list of rules", SLICE_FMT(kinds[kind].list));
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    struct slice *const texts[] = { &r->name, &r->service, &r->contains };
    for (size_t i = 0; i < COUNT_OF(texts) && !st; i++)
        st = yaml_text(n, keys[i], texts[i], err);
    if (!st)
        st = read_match(a, n, r, err);
    if (!st)
        st = read_level(n, r, err);
    if (!st)
        st = read_own(n, r, err);
    if (!st && kind == SAMPLE_FILTER && r->service.len + r->match.len + r->contains.len + r->level_max == 0)
        return yaml_fail(n, err, "filters: a rule without service, match, contains or level would drop everything");
    return st;
}

enum status sample_config_read(struct arena *a, const struct yaml_node *root, struct sample_config **out, struct buf *warnings, struct err *err)
{
    struct sample_config *c = arena_new_of(a, struct sample_config);
    enum status st = ST_OK;
    (void)warnings;
    c->list = arena_array(a, struct sample_rule, SAMPLE_RULES_MAX);
    for (size_t k = 0; k < COUNT_OF(kinds) && !st; k++) {
        const struct yaml_node *n = yaml_get(root, kinds[k].list);
        if (n && n->type != YAML_SEQUENCE)
            return yaml_fail(n, err, "%.*s: expected a list of rules", SLICE_FMT(kinds[k].list));
        if (n && n->count + c->count > SAMPLE_RULES_MAX)
            return yaml_fail(n, err, "filters, sampling, duplicates and rate_limits: more than %d rules", SAMPLE_RULES_MAX);
        for (size_t i = 0; n && i < n->count && !st; i++) {
            st = read_rule(a, n->items[i], (enum sample_kind)k, i + 1, &c->list[c->count], err);
            c->count += !st;
        }
    }
    if (!st)
        *out = c;
    return st;
}

struct sample_config *sample_config_bind(struct arena *a, const struct sample_config *from)
{
    struct sample_config *c = arena_new_of(a, struct sample_config);
    c->list = arena_array(a, struct sample_rule, from->count + 1);
    c->count = from->count;
    for (size_t i = 0; i < c->count; i++) {
        const struct sample_rule *o = &from->list[i];
        struct sample_rule *r = &c->list[i];
        *r = (struct sample_rule){ .name = arena_copy(a, o->name), .service = arena_copy(a, o->service), .match = arena_copy(a, o->match),
                                   .contains = arena_copy(a, o->contains), .level_max = o->level_max, .logs = o->logs, .traces = o->traces,
                                   .keep = o->keep, .kind = o->kind,
                                   .per_second = o->per_second, .burst = o->burst, .window_ns = o->window_ns };
        if (r->match.len) {
            enum status st = matchers_parse(a, r->match, &r->matchers, &r->matcher_count, NULL);
            assert(st == ST_OK); /* it did when it was read */
        }
    }
    return c;
}

void sample_config_unbind(struct sample_config *c)
{
    for (size_t i = 0; i < c->count; i++)
        matchers_destroy(c->list[i].matchers, c->list[i].matcher_count);
    c->count = 0;
}

void sample_config_continue(struct sample_config *c, const struct sample_config *before)
{
    for (size_t i = 0; i < c->count; i++)
        for (size_t k = 0; k < before->count; k++)
            if (slice_eq(c->list[i].name, before->list[k].name)) {
                atomic_store(&c->list[i].kept, atomic_load(&before->list[k].kept));
                atomic_store(&c->list[i].dropped, atomic_load(&before->list[k].dropped));
            }
}

/* ---- deciding ---- */

bool sample_rule_fits(const struct sample_rule *r, const struct event *e)
{
    bool is_span = e->kind == EVENT_SPAN;
    uint8_t severity = e->severity ? e->severity : SEVERITY_INFO;
    if ((e->kind != EVENT_LOG && !is_span) || !(is_span ? r->traces : r->logs))
        return false;
    if (r->level_max && (is_span || severity > r->level_max))
        return false;
    if (r->service.len && !slice_eq(r->service, e->service))
        return false;
    if (r->match.len && !matchers_match(r->matchers, r->matcher_count, e->stream))
        return false;
    return r->contains.len == 0 || slice_contains(e->body, r->contains);
}

/* From 0 to under 1. */
static double place_of(const struct event *e)
{
    uint64_t h = event_has_trace(e) ? hash64(slice_of(e->trace_id, sizeof e->trace_id), SAMPLE_SEED)
                                    : hash64(e->body, hash64(e->stream, SAMPLE_SEED ^ (uint64_t)e->time_ns));
    return (double)(h >> 11) * 0x1p-53;
}

bool sample_event(struct sample_config *c, struct event *e)
{
    for (size_t i = 0; i < c->count; i++) {
        struct sample_rule *r = &c->list[i];
        if (r->kind > SAMPLE_SHARE || !sample_rule_fits(r, e))
            continue;
        bool keep = r->kind == SAMPLE_SHARE && place_of(e) < r->keep;
        atomic_fetch_add_explicit(keep ? &r->kept : &r->dropped, 1, memory_order_relaxed);
        if (keep)
            e->weight = (float)(e->weight / r->keep);
        return keep;
    }
    return true;
}
