/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "alert/dispatch_parts.h"
#include "base/date.h"
#include "base/unit.h"
#include "net/mail.h"

struct reading {
    struct arena *a;
    struct dispatch_config *c;
    struct buf warnings;
    struct err err;
};

static enum status read_text(struct reading *r, const char *text)
{
    struct yaml_node *root;
    *r = (struct reading){.a = arena_new(0)};
    buf_init(&r->warnings, 0);
    enum status st = yaml_parse(r->a, SLICE("am.yml"), slice_str(text), &root, &r->err);
    return st ? st : dispatch_config_read(r->a, root, &r->c, &r->warnings, &r->err);
}

static void reading_free(struct reading *r)
{
    dispatch_config_free(r->c);
    buf_free(&r->warnings);
    arena_free(r->a);
}

#define TREE                                                                                                                                         \
    "route:\n  receiver: root\n  group_by: [a]\n  routes:\n"                                                                                         \
    "  - match: {team: db}\n    receiver: db\n    continue: true\n    routes:\n"                                       \
    "    - matchers: ['sev=~\"crit.*\"']\n      receiver: db-page\n"        \
    "  - match_re: {team: 'd.*'}\n    receiver: d\n    group_by: ['...']\n    group_wait: 1s\n"                                                      \
    "receivers: [{name: root}, {name: db}, {name: db-page}, {name: d}]\n"

/* The receivers that labels reach, in order. */
static struct slice reached(struct reading *r, const char *labels)
{
    const struct route *found[8];
    struct slice canonical, out = SLICE_EMPTY;
    CHECK(!labels_parse(r->a, slice_str(labels), &canonical, &r->err));
    size_t n = route_match(r->c->root, canonical, found, COUNT_OF(found));
    for (size_t i = 0; i < n; i++)
        out = arena_printf(r->a, "%.*s%s%.*s", SLICE_FMT(out), i ? " " : "", SLICE_FMT(found[i]->receiver->name));
    return out;
}

TEST(the_deepest_route_that_matches_takes_an_alert_and_continue_asks_the_next_too)
{
    struct reading r;
    CHECK(!read_text(&r, TREE));
    CHECK_STR(reached(&r, "{x=\"y\"}"), "root");
    CHECK_STR(reached(&r, "{team=\"db\"}"), "db d");
    CHECK_STR(reached(&r, "{team=\"db\",sev=\"critical\"}"), "db-page d");
    CHECK_STR(reached(&r, "{team=\"dx\"}"), "d");
    reading_free(&r);
}

TEST(a_route_has_from_its_parent_what_it_does_not_say)
{
    struct reading r;
    CHECK(!read_text(&r, TREE));
    const struct route *db = &r.c->root->children[0], *d = &r.c->root->children[1];
    CHECK_STR(db->group_by[0], "a");
    CHECK_INT(db->group_wait_ns, GROUP_WAIT_DEFAULT_NS);
    CHECK_INT(d->group_wait_ns, NS_S);
    CHECK(d->group_by_all);
    CHECK_STR(db->children[0].path, "{}/{team=\"db\"}/{sev=~\"crit.*\"}");
    reading_free(&r);
}

static void refused(const char *text, const char *want)
{
    struct reading r;
    CHECK_INT(read_text(&r, text), ST_INVALID);
    if (!slice_contains(slice_str(r.err.text), slice_str(want)))
        CHECK_STR(slice_str(r.err.text), want);
    reading_free(&r);
}

TEST(mistakes_are_told_with_their_line)
{
    refused("route:\n  receiver: a\n  gruop_by: [x]\nreceivers: [{name: a}]\n", "am.yml:3: unknown key \"gruop_by\"; did you mean \"group_by\"?");
    refused("route: {receiver: on-cal}\nreceivers: [{name: on-call}]\n", "there is no receiver \"on-cal\"; did you mean \"on-call\"?");
    refused("route: {receiver: a, escalate: [{receiver: a}]}\nreceivers: [{name: a}]\n", "after: expected how long to wait");
    refused("route: {receiver: a}\nreceivers: [{name: a}, {name: a}]\n", "there are two with the name \"a\"");
    refused("route: {receiver: a, mute_time_intervals: [x]}\nreceivers: [{name: a}]\n", "there is no time interval \"x\"");
    refused("route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs: [{url: 'ftp://x'}]\n", "url: expected http://HOST/PATH");
    refused("route: {receiver: a}\nreceivers:\n- name: a\n  email_configs: [{to: 'x y@z', from: a@b.c, smarthost: 'h:25'}]\n", "is no mail address");
    refused("route: {receiver: a}\nreceivers:\n- name: a\n  slack_configs: [{api_url: 'http://x', title: '{{ .Status }'}]\n", "title: ");
    refused("inhibit_rules: [{source_matchers: ['a=b']}]\n", "a rule needs source_matchers and target_matchers");
    refused("time_intervals: [{name: n, time_intervals: [{weekdays: [funday]}]}]\n", "weekdays: found \"funday\"");
}

static void matchers_are(const char *text, const char *want)
{
    struct arena *a = arena_new(0);
    struct matcher *list;
    size_t n;
    struct err err;
    struct buf b;
    buf_init(&b, 0);
    if (alert_matchers_read(a, slice_str(text), &list, &n, &err)) {
        buf_slice(&b, SLICE("error"));
    } else {
        matchers_format(list, n, &b);
        matchers_destroy(list, n);
    }
    CHECK_STR(buf_as_slice(&b), want);
    buf_free(&b);
    arena_free(a);
}

TEST(matchers_may_do_without_quotes_and_braces)
{
    matchers_are("a=b", "{a=\"b\"}");
    matchers_are(" {a=\"b\" , c!=d, } ", "{a=\"b\",c!=\"d\"}");
    matchers_are("a=~\"x|y\", b!~z", "{a=~\"x|y\",b!~\"z\"}");
    matchers_are("a=", "{a=\"\"}");
    matchers_are("a=\"q\\\"\\n\"", "{a=\"q\\\"\\n\"}");
    matchers_are("a", "error");
    matchers_are("a=\"b", "error");
    matchers_are("{a=b", "error");
    matchers_are("a=~\"(\"", "error");
    matchers_are("=b", "error");
}

static bool holds(const char *yaml, const char *time)
{
    struct reading r;
    int64_t ns;
    struct slice text = slice_of(NULL, 0);
    CHECK(!read_text(&r, yaml));
    text = slice_str(time);
    CHECK(date_parse_rfc3339(text, &ns));
    bool is_in = interval_holds(&r.c->intervals[0], ns);
    reading_free(&r);
    return is_in;
}

#define INTERVAL(parts) "time_intervals: [{name: n, time_intervals: [{" parts "}]}]\n"

TEST(time_intervals_know_times_days_months_and_years)
{
    CHECK(holds(INTERVAL("weekdays: ['monday:friday'], times: [{start_time: '09:00', end_time: '17:00'}]"), "2026-11-20T09:00:00Z"));
    CHECK(!holds(INTERVAL("weekdays: ['monday:friday'], times: [{start_time: '09:00', end_time: '17:00'}]"), "2026-11-20T17:00:00Z"));
    CHECK(!holds(INTERVAL("weekdays: ['monday:friday']"), "2026-11-22T12:00:00Z"));
    CHECK(holds(INTERVAL("days_of_month: ['-1']"), "2026-02-28T12:00:00Z"));
    CHECK(!holds(INTERVAL("days_of_month: ['-1']"), "2026-02-27T12:00:00Z"));
    CHECK(holds(INTERVAL("months: ['november:december'], years: ['2026']"), "2026-11-22T12:00:00Z"));
    CHECK(!holds(INTERVAL("months: ['1:3']"), "2026-11-22T12:00:00Z"));
}

TEST(time_intervals_know_places_with_their_summer)
{
    const char *berlin = INTERVAL("times: [{start_time: '09:00', end_time: '10:00'}], location: Europe/Berlin");
    CHECK(holds(berlin, "2026-01-15T08:30:00Z"));
    CHECK(!holds(berlin, "2026-01-15T07:30:00Z"));
    CHECK(holds(berlin, "2026-07-15T07:30:00Z"));
    CHECK(holds(berlin, "1995-07-15T07:30:00Z"));
    CHECK(holds(INTERVAL("times: [{start_time: '09:00', end_time: '10:00'}], location: Australia/Sydney"), "2026-01-15T22:30:00Z"));
    refused(INTERVAL("location: Europe/Atlantis"), "is not known to this system");
    refused(INTERVAL("location: ../../etc/passwd"), "allowed is UTC or a name such as Europe/Berlin");
}

TEST(mail_headers_let_nothing_through)
{
    struct buf b;
    buf_init(&b, 0);
    mail_put_header(&b, SLICE("Subject"), SLICE("a\r\nBcc: x@y"));
    CHECK(slice_starts(buf_as_slice(&b), SLICE("Subject: =?utf-8?B?")));
    CHECK(!slice_contains(buf_as_slice(&b), SLICE("Bcc")));
    buf_reset(&b);
    mail_put_header(&b, SLICE("X: y\r\nBcc"), SLICE("v"));
    CHECK_INT(b.len, 0);
    mail_put_header(&b, SLICE("Subject"), SLICE("plain words"));
    CHECK_STR(buf_as_slice(&b), "Subject: plain words\r\n");
    buf_free(&b);
    CHECK(mail_address_is_valid(SLICE("a.b+c@example.com")));
    CHECK(!mail_address_is_valid(SLICE("a@b>\r\nRCPT TO:<c@d")));
    CHECK(!mail_address_is_valid(SLICE("@b")));
    CHECK(!mail_address_is_valid(SLICE("a@")));
    CHECK(!mail_address_is_valid(SLICE("")));
}

TEST(a_fingerprint_is_fnv_1a_of_names_and_values_each_ended_by_ff)
{
    struct arena *a = arena_new(0);
    struct slice labels;
    struct err err;
    /* Empty: FNV-1a's offset basis. */
    CHECK_STR(notice_fingerprint(a, alert_fingerprint(SLICE_EMPTY)), "cbf29ce484222325");
    CHECK(!labels_parse(a, SLICE("{alertname=\"Disk\",host=\"a\"}"), &labels, &err));
    CHECK_STR(notice_fingerprint(a, alert_fingerprint(labels)), "a8bf4a756d420bc6");
    arena_free(a);
}

TEST(what_of_tls_config_is_not_served_is_told)
{
    struct reading r;
    CHECK(!read_text(&r, "route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs:\n  - url: http://x/\n    http_config:\n"
                         "      tls_config: {min_version: TLS13}\n"));
    CHECK_STR(buf_as_slice(&r.warnings), "am.yml:7: tls_config: min_version is known but not served by this version\n");
    reading_free(&r);
}
