/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/posted.h"
#include "alert/alert_fake.h"
#include "base/unit.h"

#define ONE "name: one\ninterval: 30s\nrules:\n  - alert: A\n    expr: up\n    for: 5m\n    labels: {team: \"a b\"}\n"
#define TWO "name: two\nrules:\n  - record: r\n    expr: up\n"

static const struct query_lang *const langs[] = {&fake_lang};

struct watch {
    size_t calls, groups;
};

static void changed(void *arg, const struct rule_set *set)
{
    struct watch *w = arg;
    w->calls++;
    w->groups = set->group_count;
}

static struct posted_rules *open_rules(struct fake *f, struct watch *w)
{
    struct posted_rules *p = NULL;
    struct err err;
    CHECK(!posted_rules_open(&p, f->kv, &f->log, langs, 1, 0, &err));
    posted_rules_watch(p, changed, w);
    return p;
}

/* "space/name space/name" */
static struct slice names(struct posted_rules *p, struct arena *a)
{
    struct rule_set *set = posted_rules_copy(p, a);
    struct slice out = SLICE_EMPTY;
    for (size_t i = 0; i < set->group_count; i++)
        out = arena_printf(a, "%.*s%s%.*s/%.*s", SLICE_FMT(out), i ? " " : "", SLICE_FMT(set->groups[i].file), SLICE_FMT(set->groups[i].name));
    return out;
}

static enum status put(struct posted_rules *p, const char *space, const char *text, struct err *err)
{
    return posted_rules_put(p, slice_str(space), slice_str(text), err);
}

TEST(posted_groups_are_kept_replaced_and_removed)
{
    struct fake f;
    struct watch w = {0};
    struct err err;
    fake_init(&f, 1000 * NS_S);
    struct posted_rules *p = open_rules(&f, &w);
    CHECK(!put(p, "x/y", ONE, &err) && !put(p, "x/y", TWO, &err) && !put(p, "z", ONE, &err) && !put(p, "z", ONE, &err));
    CHECK(w.calls == 4 && w.groups == 3);
    posted_rules_close(p);
    p = open_rules(&f, &w);
    CHECK_STR(names(p, f.arena), "x/y/one x/y/two z/one");
    const struct rule_set *set = posted_rules_set(p);
    CHECK(set->groups[0].rules[0].id != set->groups[2].rules[0].id);
    CHECK(!posted_rules_remove(p, SLICE("x/y"), SLICE("one"), &err));
    CHECK_STR(names(p, f.arena), "x/y/two z/one");
    CHECK_INT(posted_rules_remove(p, SLICE("x/y"), SLICE("one"), &err), ST_NOT_FOUND);
    CHECK(!posted_rules_remove(p, SLICE("z"), SLICE_EMPTY, &err));
    CHECK_INT(posted_rules_remove(p, SLICE("z"), SLICE_EMPTY, &err), ST_NOT_FOUND);
    CHECK(w.calls == 6 && w.groups == 1);
    posted_rules_close(p);
    p = open_rules(&f, &w);
    CHECK_STR(names(p, f.arena), "x/y/two");
    posted_rules_close(p);
    fake_free(&f);
}

TEST(a_posted_group_with_a_fault_changes_nothing_and_the_fault_is_named)
{
    struct fake f;
    struct watch w = {0};
    struct err err;
    fake_init(&f, 1000 * NS_S);
    struct posted_rules *p = open_rules(&f, &w);
    CHECK(!put(p, "z", ONE, &err));
    CHECK_INT(put(p, "z", "name: one\nrules:\n  - alert: B\n    expr: up !\n", &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), "z:3: expr of B: 1:1: parse error: unexpected !");
    CHECK_INT(put(p, "z", "rules: []\n", &err), ST_INVALID);
    CHECK_INT(put(p, "z", "- 1\n", &err), ST_INVALID);
    CHECK_INT(put(p, "z", "name: \"a\\nb\"\nrules: []\n", &err), ST_INVALID);
    CHECK_INT(put(p, "", ONE, &err), ST_INVALID);
    CHECK_INT(put(p, "a\nb", ONE, &err), ST_INVALID);
    CHECK_INT(w.calls, 1);
    CHECK_STR(names(p, f.arena), "z/one");
    CHECK_STR(posted_rules_copy(p, f.arena)->groups[0].rules[0].name, "A");
    posted_rules_close(p);
    fake_free(&f);
}

TEST(a_kept_group_that_no_longer_parses_is_left_out_and_can_be_replaced)
{
    struct fake f;
    struct watch w = {0};
    struct err err;
    fake_init(&f, 1000 * NS_S);
    CHECK(!kv_put(f.kv, SLICE("rules/posted/z\none"), SLICE("name: one\nrules: 5\n"), &err));
    CHECK(!kv_put(f.kv, SLICE("rules/posted/z\ntwo"), SLICE(TWO), &err));
    struct posted_rules *p = open_rules(&f, &w);
    CHECK_STR(names(p, f.arena), "z/two");
    CHECK(!put(p, "z", ONE, &err));
    CHECK_STR(names(p, f.arena), "z/two z/one");
    posted_rules_close(p);
    fake_free(&f);
}

TEST(a_group_as_yaml_reads_back_as_the_same_group)
{
    struct fake f;
    struct watch w = {0};
    struct err err;
    struct buf text, again;
    fake_init(&f, 1000 * NS_S);
    buf_init(&text, 0);
    buf_init(&again, 0);
    struct posted_rules *p = open_rules(&f, &w);
    CHECK(!put(p, "z", ONE, &err));
    posted_rules_format(&posted_rules_set(p)->groups[0], slice_str(fake_lang.name), 0, false, &text);
    CHECK_STR(buf_as_slice(&text), "name: \"one\"\ninterval: 30s\nrules:\n    - alert: \"A\"\n      expr: \"up\"\n      for: 5m\n      labels:\n"
                                   "          team: \"a b\"\n");
    CHECK(!posted_rules_put(p, SLICE("y"), buf_as_slice(&text), &err));
    posted_rules_format(posted_rules_copy(p, f.arena)->groups + 1, slice_str(fake_lang.name), 0, false, &again);
    CHECK(slice_eq(buf_as_slice(&again), buf_as_slice(&text)));
    posted_rules_close(p);
    buf_free(&text);
    buf_free(&again);
    fake_free(&f);
}
