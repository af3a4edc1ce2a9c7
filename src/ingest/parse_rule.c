/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern becomes a regex, so there are two ways to take a line apart: groups of a regex, and a separator. What the parts mean
 * is looked up once, when the rule is read. */
#include "ingest/parse_rule.h"

#include "codec/regex.h"
#include "ingest/times.h"

enum { NAMES_TOLD_BYTES_MAX = 200 };
enum role { ROLE_FIELD, ROLE_NONE, ROLE_TIME, ROLE_LEVEL, ROLE_SERVICE, ROLE_HOST, ROLE_LOGGER, ROLE_PID, ROLE_MESSAGE };
enum time_format { TIME_ANY, TIME_ISO, TIME_SYSLOG, TIME_CLF, TIME_ASCTIME, TIME_UNIX, TIME_FORMATS };

struct part {
    struct slice name;
    enum role role;
};

struct parse_rule {
    struct regex *regex;  /* NULL: cut */
    struct slice separator;
    enum time_format time_format;
    struct part parts[PARSE_FIELDS_MAX];
    size_t count;
};

static enum role role_of(struct slice name)
{
    static const struct {
        struct slice name;
        enum role role;
    } roles[] = {
        { SLICE_INIT("_"), ROLE_NONE },          { SLICE_INIT(""), ROLE_NONE },         { SLICE_INIT("time"), ROLE_TIME },
        { SLICE_INIT("timestamp"), ROLE_TIME },  { SLICE_INIT("level"), ROLE_LEVEL },   { SLICE_INIT("severity"), ROLE_LEVEL },
        { SLICE_INIT("service"), ROLE_SERVICE }, { SLICE_INIT("host"), ROLE_HOST },     { SLICE_INIT("logger"), ROLE_LOGGER },
        { SLICE_INIT("pid"), ROLE_PID },         { SLICE_INIT("message"), ROLE_MESSAGE }, { SLICE_INIT("msg"), ROLE_MESSAGE },
    };
    for (size_t i = 0; i < COUNT_OF(roles); i++)
        if (slice_eq(roles[i].name, name))
            return roles[i].role;
    return ROLE_FIELD;
}

/* ---- reading ---- */

static bool is_capture_name(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] | 0x20) >= 'a' && (s.ptr[i] | 0x20) <= 'z') && s.ptr[i] != '_' && !(i && s.ptr[i] >= '0' && s.ptr[i] <= '9'))
            return false;
    return s.len > 0;
}

/* "<a> [<b>]" as "^(?P<a>.*?) \[(?P<b>.*?)\]"; what stands last takes the rest. */
static enum status pattern_to_regex(const struct yaml_node *n, struct slice pattern, struct buf *out, struct err *err)
{
    bool after_capture = false;
    buf_slice(out, SLICE("(?s)^"));
    for (size_t i = 0; i < pattern.len; i++) {
        size_t end = pattern.ptr[i] == '<' ? slice_find_char(pattern, '>', i) : SIZE_MAX;
        struct slice name = end == SIZE_MAX ? SLICE_EMPTY : slice_sub(pattern, i + 1, end);
        if (!is_capture_name(name)) {
            static const char special[] = "\\.+*?()|[]{}^$";
            if (memchr(special, pattern.ptr[i], sizeof special - 1))
                buf_char(out, '\\');
            buf_char(out, pattern.ptr[i]);
            after_capture = false;
            continue;
        }
        if (after_capture)
            return yaml_fail(n, err, "pattern: <%.*s> stands right behind another part; nothing says where that one ends", SLICE_FMT(name));
        if (slice_eq(name, SLICE("_")))
            buf_slice(out, SLICE("(?:"));
        else
            buf_printf(out, "(?P<%.*s>", SLICE_FMT(name));
        buf_slice(out, end + 1 == pattern.len ? SLICE(".*)") : SLICE(".*?)"));
        after_capture = true;
        i = end;
    }
    return ST_OK;
}

static enum status read_regex(struct arena *a, const struct yaml_node *n, struct slice regex, bool is_pattern, struct parse_rule *rule,
                              struct err *err)
{
    const struct yaml_node *at = yaml_get(n, is_pattern ? SLICE("pattern") : SLICE("regex"));
    struct err why;
    struct buf text;
    buf_init(&text, REGEX_PATTERN_BYTES_MAX);
    enum status st = is_pattern ? pattern_to_regex(at, regex, &text, err) : ST_OK;
    if (!st && regex_compile(&rule->regex, is_pattern ? buf_as_slice(&text) : regex, 0, &why))
        st = yaml_fail(at, err, "%s: %s", is_pattern ? "pattern" : "regex", why.text);
    buf_free(&text);
    if (st)
        return st;
    size_t named = 0;
    rule->count = regex_group_count(rule->regex);
    if (rule->count > PARSE_FIELDS_MAX)
        return yaml_fail(at, err, "%zu parts, at most %d are taken", rule->count, PARSE_FIELDS_MAX);
    for (size_t i = 0; i < rule->count; i++) {
        rule->parts[i].name = arena_copy(a, regex_group_name(rule->regex, i + 1));
        named += rule->parts[i].name.len > 0;
    }
    if (named == 0)
        return yaml_fail(at, err, "no part has a name, such as %s", is_pattern ? "<message>" : "(?P<message>.*)");
    return ST_OK;
}

static enum status read_cut(struct arena *a, const struct yaml_node *n, struct parse_rule *rule, struct err *err)
{
    struct slice *fields;
    enum status st = yaml_texts(a, n, SLICE("fields"), &fields, &rule->count, err);
    if (!st && (rule->count == 0 || rule->count > PARSE_FIELDS_MAX))
        return yaml_fail(n, err, "cut: fields names 1 to %d parts, found %zu", PARSE_FIELDS_MAX, rule->count);
    for (size_t i = 0; i < rule->count && !st; i++)
        rule->parts[i].name = fields[i];
    return st;
}

static enum status read_time_format(const struct yaml_node *n, struct parse_rule *rule, struct err *err)
{
    static const struct slice names[TIME_FORMATS] = { SLICE_INIT(""), SLICE_INIT("iso"), SLICE_INIT("syslog"), SLICE_INIT("clf"),
                                                      SLICE_INIT("asctime"), SLICE_INIT("unix") };
    struct slice text = SLICE_EMPTY;
    enum status st = yaml_text(n, SLICE("time_format"), &text, err);
    for (int i = 0; i < TIME_FORMATS && !st; i++)
        if (slice_eq(names[i], text)) {
            rule->time_format = (enum time_format)i;
            return ST_OK;
        }
    return st ? st : yaml_fail(yaml_get(n, SLICE("time_format")), err, "time_format: found \"%.*s\", allowed are iso, syslog, clf, asctime and unix",
                               SLICE_FMT(text));
}

enum status parse_rule_read(struct arena *a, const struct yaml_node *n, struct parse_rule **out, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("regex"), SLICE_INIT("pattern"), SLICE_INIT("cut"), SLICE_INIT("fields"),
                                         SLICE_INIT("time_format") };
    struct parse_rule *rule = arena_new_of(a, struct parse_rule);
    struct slice regex = SLICE_EMPTY, pattern = SLICE_EMPTY, cut = SLICE_EMPTY, *const texts[] = { &regex, &pattern, &cut };
    if (n->type != YAML_MAP)
        return yaml_fail(n, err, "parse: expected {regex: ...}, {pattern: ...} or {cut: ..., fields: [...]}");
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    for (size_t i = 0; i < COUNT_OF(texts) && !st; i++)
        st = yaml_text(n, keys[i], texts[i], err);
    if (!st)
        st = read_time_format(n, rule, err);
    if (!st && (regex.len > 0) + (pattern.len > 0) + (cut.len > 0) != 1)
        return yaml_fail(n, err, "parse: expected one of regex, pattern and cut");
    if (!st && cut.len == 0 && yaml_get(n, SLICE("fields")))
        return yaml_fail(yaml_get(n, SLICE("fields")), err, "fields: belongs to cut; a regex and a pattern name their parts themselves");
    rule->separator = cut;
    if (!st)
        st = cut.len ? read_cut(a, n, rule, err) : read_regex(a, n, regex.len ? regex : pattern, pattern.len > 0, rule, err);
    for (size_t i = 0; i < rule->count && !st; i++)
        rule->parts[i].role = role_of(rule->parts[i].name);
    if (st)
        parse_rule_close(rule);
    else
        *out = rule;
    return st;
}

void parse_rule_close(struct parse_rule *rule)
{
    if (rule == NULL)
        return;
    regex_free(rule->regex);
    rule->regex = NULL;
}

/* ---- lines ---- */

static bool take_time(enum time_format format, struct slice s, int64_t received_ns, int32_t zone_offset_s, int64_t *out)
{
    struct civil c;
    bool any = format == TIME_ANY;
    if ((any || format == TIME_UNIX || format == TIME_ISO) && time_parse(s, zone_offset_s, out))
        return true;
    struct slice rest = s;
    bool taken = (any || format == TIME_ISO) && time_take_iso(&rest, &c);
    if (!taken && (any || format == TIME_CLF))
        taken = time_take_clf(&rest, &c);
    if (!taken && (any || format == TIME_ASCTIME))
        taken = time_take_asctime(&rest, &c);
    if (!taken && (any || format == TIME_SYSLOG) && time_take_syslog(&rest, &c)) {
        civil_guess_year(&c, received_ns);
        taken = true;
    }
    if (taken)
        *out = civil_ns(&c, zone_offset_s);
    return taken;
}

static void part_apply(const struct parse_rule *rule, const struct part *part, struct slice value, int64_t received_ns, int32_t zone_offset_s,
                       struct recognised *r, struct field *fields, uint32_t *count)
{
    int64_t t;
    uint8_t severity;
    value = slice_trim(value);
    if (value.len == 0)
        return;
    switch (part->role) {
    case ROLE_TIME:
        if (take_time(rule->time_format, value, received_ns, zone_offset_s, &t))
            r->time_ns = t;
        break;
    case ROLE_LEVEL:
        severity = severity_parse(value);
        r->severity = severity ? severity : r->severity;
        break;
    case ROLE_SERVICE: r->service = value; break;
    case ROLE_HOST: r->host = value; break;
    case ROLE_LOGGER: r->logger = value; break;
    case ROLE_PID: r->pid = value; break;
    case ROLE_MESSAGE: r->message = value; break;
    case ROLE_NONE: break;
    case ROLE_FIELD:
        fields[(*count)++] = (struct field){ .scope = SCOPE_RECORD, .type = FIELD_STRING, .name = part->name, .text = value };
        break;
    }
}

/* The parts of a line; false: it has another number of them. */
static bool cut_parts(const struct parse_rule *rule, struct slice line, struct slice *out)
{
    for (size_t i = 0; i + 1 < rule->count; i++) {
        size_t end = slice_find(line, rule->separator, 0);
        if (end == SIZE_MAX)
            return false;
        out[i] = slice_sub(line, 0, end);
        line = slice_skip(line, end + rule->separator.len);
    }
    out[rule->count - 1] = line;
    return true;
}

bool parse_rule_apply(const struct parse_rule *rule, struct slice line, int64_t received_ns, int32_t zone_offset_s, struct recognised *r,
                      struct field *fields, uint32_t *count)
{
    struct slice groups[PARSE_FIELDS_MAX + 1], *parts = groups + 1;
    *count = 0;
    if (rule->regex ? !regex_find(rule->regex, line, 0, groups, rule->count + 1) : !cut_parts(rule, line, parts))
        return false;
    for (size_t i = 0; i < rule->count; i++)
        part_apply(rule, &rule->parts[i], parts[i], received_ns, zone_offset_s, r, fields, count);
    return true;
}

const struct parse_rule *parse_rules_find(const struct parse_rules *rules, struct slice name, struct err *err)
{
    struct buf known;
    buf_init(&known, 0);
    for (size_t i = 0; i < rules->count; i++) {
        if (slice_eq(rules->list[i].name, name)) {
            buf_free(&known);
            return rules->list[i].rule;
        }
        buf_printf(&known, "%s%.*s", i ? ", " : "", SLICE_FMT(rules->list[i].name));
    }
    struct slice list = known.len ? slice_sub(buf_as_slice(&known), 0, MIN(known.len, (size_t)NAMES_TOLD_BYTES_MAX)) : SLICE("none");
    err_set(err, ST_INVALID, "parser: found \"%.*s\", the configuration's logs: parsers: has %.*s",
            SLICE_FMT(slice_sub(name, 0, MIN(name.len, (size_t)NAMES_TOLD_BYTES_MAX))), SLICE_FMT(list));
    buf_free(&known);
    return NULL;
}
