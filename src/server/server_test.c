/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/unit.h"
#include "pipeline/pipeline.h"
#include "query/lang.h"
#include "server/config.h"
#include "server/config_text.h"
#include "server/flags.h"
#include "server/telemetry.h"

/* ---- flags ---- */

TEST(flags_take_every_file_of_the_environment_unless_the_command_line_has_one)
{
    struct flags f;
    struct err err;
    char *none[] = { "serve" }, *one[] = { "serve", "--config", "d.yml" };
    setenv("STOA_CONFIG", "a.yml:b.yml::c.yml", 1);
    CHECK_INT(flags_read(1, none, &f, &err), ST_OK);
    CHECK_INT(f.config_count, 3);
    CHECK_STR(f.configs[1], "b.yml");
    CHECK_STR(f.configs[2], "c.yml");
    flags_free(&f);
    CHECK_INT(flags_read(3, one, &f, &err), ST_OK);
    CHECK_INT(f.config_count, 1);
    CHECK_STR(f.configs[0], "d.yml");
    flags_free(&f);
}

TEST(flags_name_features_as_prometheus_does)
{
    struct flags f;
    struct err err;
    char *many[] = { "serve", "--enable-feature=promql-experimental-functions,native-histograms", "--enable-feature", "type-and-unit-labels" };
    char *refused[] = { "serve", "--enable-feature=use-start-timestamps" };
    char *unknown[] = { "serve", "--enable-feature=promql-telepathy" };
    CHECK_INT(flags_read(4, many, &f, &err), ST_OK);
    CHECK_INT(f.features, FEATURE_DURATION_EXPR | FEATURE_EXPERIMENTAL_FUNCTIONS | FEATURE_TYPE_AND_UNIT_LABELS);
    CHECK_STR(f.feature_names, "promql-experimental-functions,native-histograms,type-and-unit-labels");
    flags_free(&f);
    CHECK_INT(flags_read(2, unknown, &f, &err), ST_INVALID);
    CHECK(slice_contains(slice_str(err.text), SLICE("unknown feature \"promql-telepathy\"")));
    flags_free(&f);
    CHECK_INT(flags_read(2, refused, &f, &err), ST_UNSUPPORTED);
    CHECK(slice_contains(slice_str(err.text), SLICE("use-start-timestamps is not served: samples are stored without")));
    flags_free(&f);
}

TEST(flags_refuse_more_files_in_the_environment_than_are_allowed)
{
    struct flags f;
    struct err err;
    char *none[] = { "serve" };
    struct buf list;
    buf_init(&list, 0);
    for (int i = 0; i <= FLAG_CONFIGS_MAX; i++)
        buf_printf(&list, "%d.yml:", i);
    buf_char(&list, 0);
    setenv("STOA_CONFIG", list.ptr, 1);
    CHECK_INT(flags_read(1, none, &f, &err), ST_INVALID);
    flags_free(&f);
    buf_free(&list);
}

/* ---- the configuration as it is shown ---- */

static void check_text(const char *yaml, const char *shown)
{
    struct arena *a = arena_new(0);
    struct yaml_node *root;
    struct err err;
    CHECK_INT(yaml_parse(a, SLICE("t.yml"), slice_str(yaml), &root, &err), ST_OK);
    struct slice text = config_text(a, root);
    CHECK_STR(text, shown);
    CHECK_INT(yaml_parse(a, SLICE("shown.yml"), text, &root, &err), ST_OK);
    CHECK_STR(config_text(a, root), shown);
    arena_free(a);
}

TEST(config_text_is_the_same_configuration)
{
    check_text("a: 5s # note\nb: [x, \"y: z\", {c: [], d: {}}]\ne:\n", "a: 5s\nb:\n  - x\n  - \"y: z\"\n  -\n    c: []\n    d: {}\ne: \n");
    check_text("a: |\n  two\n  lines\n", "a: \"two\\nlines\\n\"\n");
}

TEST(config_text_hides_secrets_however_they_are_written)
{
    check_text("basic_auth: {username: u, password: 'p\\x', password_file: f}\n",
               "basic_auth:\n  username: u\n  password: <secret>\n  password_file: f\n");
    check_text("x: &it hush\nbearer_token: *it\ncredentials: >\n  folded\n", "x: hush\nbearer_token: <secret>\ncredentials: <secret>\n");
    check_text("headers: {Authorization: Bearer x, X-Api-Key: k, Cookie: a=b, Accept: t}\n",
               "headers:\n  Authorization: <secret>\n  X-Api-Key: <secret>\n  Cookie: <secret>\n  Accept: t\n");
    check_text("receivers: [{name: a, webhook_configs: [{url: http://h/k}]}]\n",
               "receivers:\n  -\n    name: a\n    webhook_configs:\n      -\n        url: <secret>\n");
    check_text("params: {token: [a, b]}\n", "params:\n  token:\n    - <secret>\n    - <secret>\n");
    check_text("proxy_url: http://me:pw@proxy:3128/x\nurl: http://host:80/a@b\n",
               "proxy_url: http://me:<secret>@proxy:3128/x\nurl: http://host:80/a@b\n");
    check_text("tls_config: {key: \"-----BEGIN\", key_file: k.pem}\n", "tls_config:\n  key: <secret>\n  key_file: k.pem\n");
}

/* ---- own telemetry ---- */

/* An engine that logs while it appends, as the store may. */
struct rig {
    struct engine engine;
    struct telemetry *telemetry;
    size_t appends, events;
};

static enum status on_append(struct engine *e, struct batch *b, struct append_ack ack, struct err *err)
{
    struct rig *r = (struct rig *)e;
    r->appends++;
    r->events += b->event_count;
    telemetry_line(r->telemetry, 5, LOG_INFO, SLICE("while appending"), SLICE_EMPTY);
    batch_drop(b);
    ack.done(ack.arg, ST_OK, NULL);
    return ST_OK;
}

static void on_stats(struct engine *e, struct engine_stats *out)
{
    memset(out, 0, sizeof *out);
}

TEST(telemetry_takes_lines_while_it_stops_and_drops_what_comes_after)
{
    static const struct engine_ops ops = { .name = "test", .append = on_append, .stats = on_stats };
    struct err err;
    struct clock *clock = clock_real();
    struct log log = { .clock = clock, .fd = -1 };
    struct rig r = { .engine = { .ops = &ops } };
    struct pipeline *pipeline = pipeline_new(NULL);
    struct self *self = self_new(clock, NULL, NULL);
    struct api api = { .engine = &r.engine, .clock = clock, .log = &log, .self = self, .pipeline = pipeline };
    r.telemetry = telemetry_new(clock, SLICE("h"));
    telemetry_line(r.telemetry, 1, LOG_INFO, SLICE("first"), SLICE_EMPTY);
    CHECK_INT(telemetry_start(r.telemetry, &api, &err), ST_OK);
    telemetry_stop(r.telemetry);
    CHECK(r.events >= 2); /* the first line, and the one that came while it was appended */
    size_t appends = r.appends;
    for (int i = 0; i < TELEMETRY_WAITING_MAX + 3; i++)
        telemetry_line(r.telemetry, 1, LOG_INFO, SLICE("late"), SLICE_EMPTY);
    CHECK(atomic_load(&api.telemetry_dropped) >= 3);
    telemetry_free(r.telemetry);
    CHECK_INT(r.appends, appends);
    self_free(self);
    pipeline_free(pipeline);
}
