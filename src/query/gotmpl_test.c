/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/unit.h"
#include "model/labels.h"
#include "query/gotmpl.h"

static const struct slice names[] = {SLICE_INIT("$labels"), SLICE_INIT("$value")};
static const struct gotmpl_options options = {.variables = names, .variable_count = COUNT_OF(names), .functions = &gotmpl_alert_functions};

static struct slice labels_of(struct arena *a, const char *text)
{
    struct slice out;
    struct err err;
    CHECK(!labels_parse(a, slice_str(text), &out, &err));
    return out;
}

static enum status on_query(void *arg, struct slice text, struct gotmpl_value *out, struct err *err)
{
    struct arena *a = arg;
    struct gotmpl_value *items = arena_array(a, struct gotmpl_value, 2);
    if (!slice_eq(text, SLICE("up")))
        return err_set(err, ST_INVALID, "no such query");
    items[0] = gotmpl_sample(a, labels_of(a, "up{instance=\"b\"}"), 1);
    items[1] = gotmpl_sample(a, labels_of(a, "up{instance=\"a\"}"), 0);
    *out = (struct gotmpl_value){.type = GOTMPL_LIST, .items = items, .count = 2};
    return ST_OK;
}

/* What text gives with $value v and labels instance "h:9100", job "node"; "parse: ..." or "run: ..." when it fails. */
static void check(const char *text, double v, const char *want)
{
    static const struct slice keys[] = {SLICE_INIT("Labels"), SLICE_INIT("Value")};
    struct arena *a = arena_new(0);
    struct gotmpl *t;
    struct buf out;
    struct err err;
    struct gotmpl_value labels = gotmpl_labels(labels_of(a, "{instance=\"h:9100\",job=\"node\"}"));
    struct gotmpl_value items[] = {labels, gotmpl_float(v)};
    struct gotmpl_variable variables[] = {{names[0], labels}, {names[1], gotmpl_float(v)}};
    struct gotmpl_env env = {.arena = a,
                             .dot = {.type = GOTMPL_MAP, .items = items, .keys = keys, .count = 2},
                             .variables = variables,
                             .variable_count = COUNT_OF(variables),
                             .external_url = SLICE("http://h:1/p"),
                             .query = on_query,
                             .arg = a};
    buf_init(&out, GOTMPL_OUT_BYTES_MAX);
    enum status st = gotmpl_parse(a, slice_str(text), &options, &t, &err);
    if (st)
        buf_printf(&out, "parse: %s", err.text);
    else if (gotmpl_run(t, &env, &out, &err)) {
        buf_reset(&out);
        buf_printf(&out, "run: %s", err.text);
    }
    CHECK_STR(buf_as_slice(&out), want);
    buf_free(&out);
    arena_free(a);
}

TEST(labels_and_the_value_stand_in_texts)
{
    check("{{ $labels.instance }} of {{ .Labels.job }} is {{ $value }}", 92.5, "h:9100 of node is 92.5");
    check("{{$labels.nosuch}}|{{ .Value }}", 1e6, "|1e+06");
    check("{{ $value }} {{ 0.00001 }} {{ 999999.0 }} {{ -0.5 }}", 1073741824, "1.073741824e+09 1e-05 999999 -0.5");
    check("{{ index $labels \"job\" }} {{ len $labels }}", 0, "node 2");
    check("no action at all", 0, "no action at all");
}

TEST(numbers_are_made_readable)
{
    check("{{ humanize $value }}", 1234567, "1.235M");
    check("{{ $value | humanize }}", 0.0012, "1.2m");
    check("{{ humanize1024 $value }}", 1048576, "1Mi");
    check("{{ humanizeDuration $value }}", 90061, "1d 1h 1m 1s");
    check("{{ humanizeDuration $value }} {{ humanizeDuration 59.5 }} {{ humanizeDuration 0 }} {{ humanizeDuration -3600 }}", 0.25,
          "250ms 59.5s 0s -1h 0m 0s");
    check("{{ humanizePercentage $value }}", 0.0512, "5.12%");
    check("{{ humanizeTimestamp $value }}", 1435065584.128, "2015-06-23 13:19:44.128 +0000 UTC");
    check("{{ humanize $value }}", NAN, "NaN");
    check("{{ humanize \"2000\" }}", 0, "2k");
    check("{{ humanize \"x\" }}", 0, "run: template: humanize wants a number");
}

TEST(printf_formats_as_go_does)
{
    check("{{ printf \"%.2f|%6.1f|%s|%q|%d|%v|%5d|%-4d|%x\" $value 2.25 \"a\" \"b\" 7 true 3 4 255 }}", 92.456,
          "92.46|   2.2|a|\"b\"|7|true|    3|4   |ff");
    check("{{ printf \"%d\" $value }}", 5, "%!d(float64=5)");
    check("{{ printf \"%s %s\" \"a\" }}", 0, "a %!s(MISSING)");
    check("{{ $value | printf \"%.0f%%\" }}", 12.4, "12%");
}

TEST(conditions_loops_and_variables_work)
{
    check("{{ if gt $value 90.0 }}high{{ else if gt $value 50.0 }}middle{{ else }}low{{ end }}", 60, "middle");
    check("{{ if and (eq $labels.job \"node\") (not false) }}y{{ end }}", 0, "y");
    check("{{ range $i, $e := query \"up\" }}{{ $i }}={{ $e.Labels.instance }}:{{ .Value }} {{ end }}", 0, "0=b:1 1=a:0 ");
    check("{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}", 0, "instance=h:9100;job=node;");
    check("{{ range .Labels.SortedPairs }}{{ .Name }}>{{ .Value }} {{ end }}", 0, "instance>h:9100 job>node ");
    check("{{ range query \"up\" | sortByLabel \"instance\" }}{{ .Labels.instance }}{{ break }}{{ end }}", 0, "a");
    check("{{ with query \"up\" }}{{ . | first | value }}{{ . | first | label \"instance\" }}{{ end }}", 0, "1b");
    check("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", 0, "2");
    check("a {{- /* a comment }} */ -}} b {{- \" c \" -}} d", 0, "ab c d");
    check("{{ define \"t\" }}<{{ .arg0 }},{{ .arg1 }}>{{ end }}{{ template \"t\" (args 1 \"z\") }}", 0, "<1,z>");
}

TEST(texts_are_changed_by_functions)
{
    check("{{ toUpper \"ab\" }} {{ toLower \"AB\" }} {{ title \"disk is full\" }}", 0, "AB ab Disk Is Full");
    check("{{ reReplaceAll \"(.*):(.*)\" \"$2-$1\" $labels.instance }} {{ match \"^h\" $labels.instance }}", 0, "9100-h true");
    check("{{ stripPort $labels.instance }} {{ stripDomain \"a.b.c:80\" }} {{ pathPrefix }} {{ externalURL }}", 0, "h a:80 /p http://h:1/p");
    check("{{ join \", \" (stringSlice \"a\" \"b\") }}", 0, "a, b");
    check("{{ graphLink \"up == 0\" }}", 0, "/graph?g0.expr=up+%3D%3D+0&g0.tab=0");
}

TEST(wrong_templates_are_found_when_they_are_read)
{
    check("a\n{{ nosuch 1 }}", 0, "parse: template: line 2: function \"nosuch\" not defined");
    check("{{ $nosuch }}", 0, "parse: template: line 1: there is no variable \"$nosuch\"");
    check("{{ if true }}x", 0, "parse: template: line 1: a block without {{ end }}");
    check("{{ end }}", 0, "parse: template: line 1: {{ end }} without a block");
    check("x {{ $value", 0, "parse: template: line 1: unclosed action, {{ without }}");
    check("{{ humanize }}", 0, "parse: template: line 1: wrong number of arguments for \"humanize\"");
    check("{{ .Nosuch }}", 0, "run: template: can't evaluate field Nosuch in type map[string]interface {}");
}

TEST(a_template_cannot_run_for_ever)
{
    check("{{ define \"t\" }}{{ template \"t\" . }}{{ end }}{{ template \"t\" . }}", 0, "run: template: more than 64 variables");
    check("{{ range 1000000 }}{{ end }}x", 0, "run: template: more than 200000 steps");
}

TEST(a_template_cannot_fill_the_memory_or_the_stack)
{
    check("{{ $x := \"\" }}{{ range 199000 }}{{ $x = stringSlice $x }}{{ end }}{{ $x }}", 0, "run: template: lists nested more than 16 deep");
    check("{{ $x := \"a\" }}{{ range 15 }}{{ $x = stringSlice $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x }}{{ end }}{{ len (print $x) }}", 0,
          "run: template: a result is longer than allowed");
    check("{{ $x := printf \"%1000s\" \"\" }}{{ range 6 }}{{ $x = print $x $x }}{{ end }}{{ range 190000 }}{{ $y := toUpper $x }}{{ end }}", 0,
          "run: template: more than 200000 steps");
    check("{{ range 190000 }}{{ $y := match \"a\" \"a\" }}{{ end }}", 0, "run: template: more than 200000 steps");
}

TEST(characters_are_printed_whatever_their_number)
{
    check("{{ printf \"%c%c%3c|%c|%c\" 65 8364 66 -1 1114112 }}", 0, "A\xe2\x82\xac  B|\xef\xbf\xbd|\xef\xbf\xbd");
}

TEST(a_label_of_the_name_labels_is_no_sample)
{
    struct arena *a = arena_new(0);
    struct gotmpl *t;
    struct buf out;
    struct err err;
    struct gotmpl_env env = {.arena = a, .dot = gotmpl_labels(labels_of(a, "{Labels=\"\\u00ff\\u00ff\\u00ffx\"}"))};
    buf_init(&out, GOTMPL_OUT_BYTES_MAX);
    CHECK_INT(gotmpl_parse(a, SLICE("{{ label \"a\" . }}"), &options, &t, &err), ST_OK);
    CHECK_INT(gotmpl_run(t, &env, &out, &err), ST_INVALID);
    buf_free(&out);
    arena_free(a);
}

TEST(a_break_belongs_to_a_loop_of_its_own_template)
{
    check("{{ range 2 }}{{ define \"t\" }}{{ break }}{{ end }}{{ end }}", 0, "parse: template: line 1: outside of a range: \"break\"");
}
