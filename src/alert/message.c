/* SPDX-License-Identifier: Apache-2.0 */
/* What messages say. Templates see what Alertmanager's see (.Status, .Alerts, .CommonLabels, ...) and what we have besides:
 * .IncidentID, .IncidentURL, .Severity, .Summary, .Description, .RunbookURL, .StartedAt, .EscalationStep, and .Value of an alert.
 *
 * The default texts are templates too, by the names that configurations for Alertmanager call them by. */
#include "alert/notify.h"
#include "base/date.h"
#include "base/num.h"

#define LIST(which)                                                                                                                            \
    "{{ range " which " }}"                                                                                                                          \
    "- {{ .Labels.alertname }}{{ if .Annotations.summary }}: {{ .Annotations.summary }}{{ end }}\n"                                                  \
    "{{ if .Annotations.description }}  {{ .Annotations.description }}\n{{ end }}"                                                                   \
    "{{ if .Value }}  Value: {{ .Value }}\n{{ end }}"                                                                                                \
    "  Started: {{ .StartsAt }}\n"                                                                                                                   \
    "{{ if eq .Status \"resolved\" }}  Ended: {{ .EndsAt }}\n{{ end }}"                                                                              \
    "  Labels:{{ range .Labels.SortedPairs }} {{ .Name }}={{ .Value }}{{ end }}\n"                                                                   \
    "{{ if .Annotations.runbook_url }}  Runbook: {{ .Annotations.runbook_url }}\n{{ end }}"                                                          \
    "{{ if .GeneratorURL }}  Source: {{ .GeneratorURL }}\n{{ end }}"                                                                                 \
    "{{ end }}"

#define ROWS                                                                                                                                         \
    "{{ range .Alerts }}<tr><td style=\"padding:12px 0;border-top:1px solid #ddd\">"                                                                 \
    "<b>{{ .Labels.alertname | html }}</b> {{ .Status }}"                                                                                            \
    "{{ if .Annotations.summary }}<br>{{ .Annotations.summary | html }}{{ end }}"                                                                    \
    "{{ if .Annotations.description }}<br>{{ .Annotations.description | html }}{{ end }}"                                                            \
    "{{ if .Value }}<br>Value: {{ .Value }}{{ end }}"                                                                                                \
    "<br>Started: {{ .StartsAt }}{{ if eq .Status \"resolved\" }}<br>Ended: {{ .EndsAt }}{{ end }}"                                                  \
    "<br><small>{{ range .Labels.SortedPairs }}{{ .Name | html }}={{ .Value | html }} {{ end }}</small>"                                             \
    "{{ if .Annotations.runbook_url }}<br><a href=\"{{ .Annotations.runbook_url | html }}\">Runbook</a>{{ end }}"                                    \
    "{{ if .GeneratorURL }}<br><a href=\"{{ .GeneratorURL | html }}\">Source</a>{{ end }}"                                                           \
    "</td></tr>{{ end }}"

const struct slice message_defaults = SLICE_INIT(
    "{{ define \"__title\" }}[{{ .Status | toUpper }}{{ if eq .Status \"firing\" }}:{{ .FiringCount }}{{ end }}] "
    "{{ if .Summary }}{{ .Summary }}{{ else }}{{ range .GroupLabels.SortedPairs }}{{ .Value }} {{ end }}{{ end }}{{ end }}"
    "{{ define \"__subject\" }}{{ template \"__title\" . }}{{ end }}"
    "{{ define \"__alertmanager\" }}Stoa{{ end }}{{ define \"__alertmanagerURL\" }}{{ .ExternalURL }}{{ end }}"
    "{{ define \"__text_alert_list\" }}" LIST(".") "{{ end }}"
    "{{ define \"__head\" }}{{ if .EscalationStep }}Nobody has acknowledged this yet (escalation {{ .EscalationStep }}).\n{{ end }}"
    "Incident: {{ .IncidentURL }}\nSeverity: {{ .Severity }}\nStarted: {{ .StartedAt }}\n{{ end }}"
    "{{ define \"slack.default.title\" }}{{ template \"__title\" . }}{{ end }}"
    "{{ define \"slack.default.fallback\" }}{{ template \"__title\" . }} {{ .IncidentURL }}{{ end }}"
    "{{ define \"slack.default.titlelink\" }}{{ .IncidentURL }}{{ end }}"
    "{{ define \"slack.default.text\" }}{{ template \"__head\" . }}" LIST(".Alerts") "{{ end }}"
    "{{ define \"slack.default.username\" }}Stoa{{ end }}{{ define \"slack.default.pretext\" }}{{ end }}"
    "{{ define \"slack.default.footer\" }}{{ end }}{{ define \"slack.default.iconemoji\" }}{{ end }}{{ define \"slack.default.iconurl\" }}{{ end }}"
    "{{ define \"pagerduty.default.description\" }}{{ template \"__title\" . }}{{ end }}"
    "{{ define \"pagerduty.default.client\" }}Stoa{{ end }}{{ define \"pagerduty.default.clientURL\" }}{{ .IncidentURL }}{{ end }}"
    "{{ define \"pagerduty.default.instances\" }}{{ template \"__text_alert_list\" . }}{{ end }}"
    "{{ define \"email.default.subject\" }}{{ template \"__title\" . }}{{ end }}"
    "{{ define \"email.default.text\" }}{{ template \"__title\" . }}\n\n{{ template \"__head\" . }}\n" LIST(".Alerts")
    "{{ if .HiddenCount }}and {{ .HiddenCount }} more: see the incident\n{{ end }}{{ end }}"
    "{{ define \"email.default.html\" }}<!DOCTYPE html><html><body style=\"font-family:sans-serif;max-width:720px\">"
    "<h2 style=\"color:{{ if eq .Status \"firing\" }}#b3261e{{ else }}#1e7b34{{ end }}\">{{ .TitleHTML }}</h2>"
    "{{ if .EscalationStep }}<p><b>Nobody has acknowledged this yet (escalation {{ .EscalationStep }}).</b></p>{{ end }}"
    "<p><a href=\"{{ .IncidentURL | html }}\">Open the incident</a><br>Severity: {{ .Severity | html }}<br>Started: {{ .StartedAt }}</p>"
    "<table style=\"width:100%;border-collapse:collapse\">" ROWS "</table>"
    "{{ if .HiddenCount }}<p>and {{ .HiddenCount }} more: see the incident</p>{{ end }}</body></html>{{ end }}");

struct slice notice_time(struct arena *a, int64_t ns)
{
    char text[DATE_TEXT_BYTES_MAX];
    /* Milliseconds are enough, and what every parser takes. */
    return arena_copy(a, slice_of(text, date_format_rfc3339(ns / NS_MS * NS_MS, 0, DATE_DIGITS_SHORTEST, text)));
}

struct slice notice_number(struct arena *a, double v)
{
    char text[NUM_TEXT_BYTES_MAX];
    if (v != v)
        return SLICE_EMPTY;
    return arena_copy(a, slice_of(text, num_format_short(v, text)));
}

struct slice notice_fingerprint(struct arena *a, uint64_t fingerprint)
{
    return arena_printf(a, "%016llx", (unsigned long long)fingerprint);
}

struct slice notice_title(const struct notice *n)
{
    if (n->is_firing)
        return arena_printf(n->arena, "[FIRING:%zu] %.*s", n->firing, SLICE_FMT(n->summary));
    return arena_printf(n->arena, "[RESOLVED] %.*s", SLICE_FMT(n->summary));
}

static struct slice html(struct arena *a, struct slice s)
{
    struct buf b;
    buf_init(&b, 0);
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
            buf_printf(&b, "&#%d;", c);
        else
            buf_char(&b, c);
    }
    struct slice out = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
    return out;
}

static struct gotmpl_value map_of(struct arena *a, const struct slice *keys, const struct gotmpl_value *values, size_t count)
{
    struct gotmpl_value *items = arena_array(a, struct gotmpl_value, count);
    memcpy(items, values, count * sizeof *items);
    return (struct gotmpl_value){.type = GOTMPL_MAP, .items = items, .keys = keys, .count = count};
}

static struct gotmpl_value alert_value(struct arena *a, const struct notice_alert *al)
{
    static const struct slice keys[] = {SLICE_INIT("Status"), SLICE_INIT("Labels"),       SLICE_INIT("Annotations"), SLICE_INIT("StartsAt"),
                                        SLICE_INIT("EndsAt"), SLICE_INIT("GeneratorURL"), SLICE_INIT("Fingerprint"), SLICE_INIT("Value")};
    const struct gotmpl_value values[] = {
        gotmpl_text(al->ends_ns ? SLICE("resolved") : SLICE("firing")),
        gotmpl_labels(al->labels),
        gotmpl_labels(al->annotations),
        gotmpl_text(notice_time(a, al->starts_ns)),
        gotmpl_text(al->ends_ns ? notice_time(a, al->ends_ns) : SLICE("0001-01-01T00:00:00Z")),
        gotmpl_text(al->generator_url),
        gotmpl_text(notice_fingerprint(a, al->fingerprint)),
        gotmpl_text(notice_number(a, al->value)),
    };
    static_assert(COUNT_OF(keys) == COUNT_OF(values), "a value for each key");
    return map_of(a, keys, values, COUNT_OF(keys));
}

/* .Alerts: a list that also has .Firing and .Resolved. */
static struct gotmpl_value alerts_value(const struct notice *n)
{
    static const struct slice names[] = {SLICE_INIT("Firing"), SLICE_INIT("Resolved"), SLICE_INIT("")};
    size_t shown = MIN(n->count, (size_t)NOTIFY_ALERTS_SHOWN_MAX), firing = MIN(n->firing, shown);
    struct gotmpl_value *items = arena_array(n->arena, struct gotmpl_value, shown + 2);
    for (size_t i = 0; i < shown; i++)
        items[i] = alert_value(n->arena, &n->alerts[i]);
    items[shown] = (struct gotmpl_value){.type = GOTMPL_LIST, .items = items, .count = firing};
    items[shown + 1] = (struct gotmpl_value){.type = GOTMPL_LIST, .items = items + firing, .count = shown - firing};
    return (struct gotmpl_value){.type = GOTMPL_LIST, .items = items, .keys = names, .count = shown};
}

void notice_data_make(struct notice *n)
{
    static const struct slice keys[] = {
        SLICE_INIT("Receiver"),    SLICE_INIT("Status"),            SLICE_INIT("Alerts"),         SLICE_INIT("GroupLabels"),
        SLICE_INIT("CommonLabels"), SLICE_INIT("CommonAnnotations"), SLICE_INIT("ExternalURL"),   SLICE_INIT("GroupKey"),
        SLICE_INIT("IncidentID"),  SLICE_INIT("IncidentURL"),       SLICE_INIT("Severity"),       SLICE_INIT("Summary"),
        SLICE_INIT("Description"), SLICE_INIT("RunbookURL"),        SLICE_INIT("StartedAt"),      SLICE_INIT("EscalationStep"),
        SLICE_INIT("FiringCount"), SLICE_INIT("ResolvedCount"),     SLICE_INIT("HiddenCount"),    SLICE_INIT("TitleHTML"),
    };
    const struct gotmpl_value values[] = {
        gotmpl_text(n->receiver),
        gotmpl_text(n->is_firing ? SLICE("firing") : SLICE("resolved")),
        alerts_value(n),
        gotmpl_labels(n->group_labels),
        gotmpl_labels(n->common_labels),
        gotmpl_labels(n->common_annotations),
        gotmpl_text(n->external_url),
        gotmpl_text(n->group_key),
        gotmpl_text(n->incident_id),
        gotmpl_text(n->incident_url),
        gotmpl_text(n->severity),
        gotmpl_text(n->summary),
        gotmpl_text(n->description),
        gotmpl_text(n->runbook_url),
        gotmpl_text(notice_time(n->arena, n->started_ns)),
        gotmpl_int((int64_t)n->escalation_step),
        gotmpl_int((int64_t)n->firing),
        gotmpl_int((int64_t)(n->count - n->firing)),
        gotmpl_int(n->count > NOTIFY_ALERTS_SHOWN_MAX ? (int64_t)n->count - NOTIFY_ALERTS_SHOWN_MAX : 0),
        gotmpl_text(html(n->arena, notice_title(n))),
    };
    static_assert(COUNT_OF(keys) == COUNT_OF(values), "a value for each key");
    n->data = map_of(n->arena, keys, values, COUNT_OF(keys));
}

struct slice notice_text(const struct notice *n, const struct message_text *t)
{
    struct gotmpl_env env = {.arena = n->arena, .dot = n->data, .external_url = n->external_url};
    struct buf b;
    struct err err;
    if (t->tmpl == NULL || t->text.len == 0)
        return SLICE_EMPTY;
    buf_init(&b, GOTMPL_OUT_BYTES_MAX);
    enum status st = gotmpl_run(t->tmpl, &env, &b, &err);
    struct slice out = st ? arena_printf(n->arena, "%.*s (the text configured failed: %s)", SLICE_FMT(notice_title(n)), err.text)
                          : arena_copy(n->arena, buf_as_slice(&b));
    buf_free(&b);
    return out;
}
