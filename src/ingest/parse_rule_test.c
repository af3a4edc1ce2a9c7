/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/parse_rule.h"

#include "base/unit.h"

struct fixture {
    struct arena *a;
    struct parse_rule *rule;
    struct recognised r;
    struct field fields[PARSE_FIELDS_MAX];
    uint32_t count;
    struct err err;
};

static enum status read_rule(struct fixture *f, const char *text)
{
    struct yaml_node *root;
    *f = (struct fixture){ .a = arena_new(0) };
    enum status st = yaml_parse(f->a, SLICE("p.yml"), slice_str(text), &root, &f->err);
    return st ? st : parse_rule_read(f->a, root, &f->rule, &f->err);
}

static bool apply(struct fixture *f, const char *line)
{
    recognise(slice_str(line), NS_S, 0, &f->r);
    return parse_rule_apply(f->rule, slice_str(line), NS_S, 0, &f->r, f->fields, &f->count);
}

static void end(struct fixture *f)
{
    parse_rule_close(f->rule);
    arena_free(f->a);
}

TEST(parse_rule_by_a_regex)
{
    struct fixture f;
    CHECK_INT(read_rule(&f, "regex: '^(?P<level>\\w+)/(\\d+) (?P<time>\\d+) (?P<service>\\S+) order=(?P<order>\\S*) "
                            "(?P<message>.*)'\ntime_format: unix"), ST_OK);
    CHECK(apply(&f, "warn/3 1736937045 cart order=77 no stock"));
    CHECK_INT(f.r.severity, SEVERITY_WARN);
    CHECK_INT(f.r.time_ns, 1736937045 * NS_S);
    CHECK_STR(f.r.service, "cart");
    CHECK_STR(f.r.message, "no stock");
    CHECK_INT(f.count, 1);
    CHECK_STR(f.fields[0].name, "order");
    CHECK_STR(f.fields[0].text, "77");
    CHECK(!apply(&f, "something else"));
    end(&f);
}

TEST(parse_rule_by_a_pattern)
{
    struct fixture f;
    CHECK_INT(read_rule(&f, "pattern: '[<time>] (<level>) <service>: <_>=<n>; <message>'"), ST_OK);
    CHECK(apply(&f, "[2025-01-15 10:30:45] (ERROR) auth.api: tries=3; locked (a|b)"));
    CHECK_INT(f.r.time_ns, 1736937045 * NS_S);
    CHECK_INT(f.r.severity, SEVERITY_ERROR);
    CHECK_STR(f.r.service, "auth.api");
    CHECK_STR(f.fields[0].text, "3");
    CHECK_STR(f.r.message, "locked (a|b)");
    CHECK(!apply(&f, "[2025-01-15 10:30:45] ERROR auth: no"));
    end(&f);
}

TEST(parse_rule_by_a_separator)
{
    struct fixture f;
    CHECK_INT(read_rule(&f, "cut: ' | '\nfields: [time, level, _, user, message]\ntime_format: clf"), ST_OK);
    CHECK(apply(&f, "15/Jan/2025:10:30:45 +0000 | INFO | x | 7 | a | b"));
    CHECK_INT(f.r.time_ns, 1736937045 * NS_S);
    CHECK_STR(f.r.message, "a | b");
    CHECK_INT(f.count, 1);
    CHECK_STR(f.fields[0].text, "7");
    CHECK(!apply(&f, "15/Jan/2025:10:30:45 +0000 | INFO"));
    end(&f);
}

TEST(parse_rule_tells_what_is_wrong_and_where)
{
    static const struct {
        const char *text, *word;
    } wrong[] = { { "regex: '('", "p.yml:1" }, { "regex: 'x'", "no part has a name" },      { "pattern: '<a><b>'", "<b>" },
                  { "cut: '|'", "fields" },           { "regex: '(?P<a>x)'\npattern: '<a>'", "one of" },
                  { "pattern: '<a>'\nfields: [a]", "belongs to cut" }, { "pattern: '<a>'\ntime_format: french", "asctime" },
                  { "patern: '<a>'", "pattern" } };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct fixture f;
        CHECK(read_rule(&f, wrong[i].text) != ST_OK);
        CHECK(slice_contains(slice_str(f.err.text), slice_str(wrong[i].word)));
        end(&f);
    }
}
