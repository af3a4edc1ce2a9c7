/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions in plain words: "cpu_usage > 90 for 5 minutes". A name of the table below becomes a query over what Stoa collects
 * itself or over the usual HTTP metrics; any other left side is a metric or a query of its own. Names in percent take "90", and
 * "90%", to be the same; any other left side takes "5%" to be 0.05. */
#include "alert/rule.h"
#include "base/date.h"
#include "base/num.h"
#include "query/token.h"

enum { CONDITION_BYTES_MAX = 4096 };
#define FOR_MAX_NS (100 * 365 * NS_DAY)

#define DISKS      "job=\"node\",fstype!~\"tmpfs|ramfs|squashfs|overlay|iso9660\""
#define LATENCY(q) "histogram_quantile(" q ", sum by (job, le) (rate(http_request_duration_seconds_bucket[2m])))"

const struct article_name article_names[] = {
    {SLICE_INIT("cpu_usage"), SLICE_INIT("100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{job=\"node\",mode=\"idle\"}[2m])))"),
     SLICE_INIT("percent")},
    {SLICE_INIT("memory_usage"),
     SLICE_INIT("100 * (1 - node_memory_MemAvailable_bytes{job=\"node\"} / node_memory_MemTotal_bytes{job=\"node\"})"), SLICE_INIT("percent")},
    {SLICE_INIT("swap_usage"), SLICE_INIT("100 * (1 - node_memory_SwapFree_bytes{job=\"node\"} / node_memory_SwapTotal_bytes{job=\"node\"})"),
     SLICE_INIT("percent")},
    {SLICE_INIT("disk_usage"), SLICE_INIT("100 * (1 - node_filesystem_avail_bytes{" DISKS "} / node_filesystem_size_bytes{" DISKS "})"),
     SLICE_INIT("percent")},
    {SLICE_INIT("load_average"), SLICE_INIT("node_load1{job=\"node\"}"), SLICE_INIT("count")},
    {SLICE_INIT("error_rate"),
     SLICE_INIT("100 * sum by (job) (rate(http_requests_total{status=~\"5..\"}[2m])) / sum by (job) (rate(http_requests_total[2m]))"),
     SLICE_INIT("percent")},
    {SLICE_INIT("request_rate"), SLICE_INIT("sum by (job) (rate(http_requests_total[2m]))"), SLICE_INIT("per second")},
    {SLICE_INIT("latency_p50"), SLICE_INIT(LATENCY("0.5")), SLICE_INIT("seconds")},
    {SLICE_INIT("latency_p90"), SLICE_INIT(LATENCY("0.9")), SLICE_INIT("seconds")},
    {SLICE_INIT("latency_p95"), SLICE_INIT(LATENCY("0.95")), SLICE_INIT("seconds")},
    {SLICE_INIT("latency_p99"), SLICE_INIT(LATENCY("0.99")), SLICE_INIT("seconds")},
};
const size_t article_name_count = COUNT_OF(article_names);

static const struct {
    struct slice name;
    int64_t ns;
} time_units[] = {
    {SLICE_INIT("ms"), NS_MS},      {SLICE_INIT("millisecond"), NS_MS}, {SLICE_INIT("s"), NS_S},        {SLICE_INIT("sec"), NS_S},
    {SLICE_INIT("second"), NS_S},   {SLICE_INIT("m"), 60 * NS_S},       {SLICE_INIT("min"), 60 * NS_S}, {SLICE_INIT("minute"), 60 * NS_S},
    {SLICE_INIT("h"), 3600 * NS_S}, {SLICE_INIT("hour"), 3600 * NS_S},  {SLICE_INIT("d"), NS_DAY},      {SLICE_INIT("day"), NS_DAY},
    {SLICE_INIT("w"), 7 * NS_DAY},  {SLICE_INIT("week"), 7 * NS_DAY},
};
/* What may stand behind a threshold; percent is dealt with by itself. */
static const struct {
    struct slice name;
    double factor;
} value_units[] = {
    {SLICE_INIT("ms"), 1e-3},          {SLICE_INIT("s"), 1},        {SLICE_INIT("B"), 1},
    {SLICE_INIT("KB"), 1e3},           {SLICE_INIT("MB"), 1e6},     {SLICE_INIT("GB"), 1e9},
    {SLICE_INIT("TB"), 1e12},          {SLICE_INIT("KiB"), 1024.0}, {SLICE_INIT("MiB"), 1048576.0},
    {SLICE_INIT("GiB"), 1073741824.0},
};

static enum status fail(struct err *err, struct slice text, const char *why, struct slice found)
{
    return err_set(err, ST_INVALID, "condition \"%.*s\": %s \"%.*s\"; allowed is NAME > NUMBER[%%|ms|s|MB|...] [for 5 minutes]", SLICE_FMT(text),
                   why, SLICE_FMT(found));
}

/* The length of the number at the front, sign and exponent included. */
static size_t number_length(struct slice s)
{
    size_t sign = s.len && (s.ptr[0] == '-' || s.ptr[0] == '+'), n = 0;
    struct slice rest = slice_skip(s, sign);
    while (n < rest.len &&
           (token_is_digit(rest.ptr[n]) || rest.ptr[n] == '.' ||
            ((rest.ptr[n] == 'e' || rest.ptr[n] == 'E') && n + 1 < rest.len && (token_is_digit(rest.ptr[n + 1]) || rest.ptr[n + 1] == '-')) ||
            (rest.ptr[n] == '-' && n && (rest.ptr[n - 1] == 'e' || rest.ptr[n - 1] == 'E'))))
        n++;
    return n ? sign + n : 0;
}

/* "5 minutes", "90s", "1h30m". */
static bool duration_read(struct slice text, int64_t *out_ns)
{
    int64_t ms;
    double count;
    if (duration_parse_prom(text, &ms)) {
        *out_ns = sat_mul(ms, NS_MS);
        return ms >= 0;
    }
    size_t n = number_length(text);
    struct slice unit = slice_trim(slice_skip(text, n));
    if (n == 0 || !num_parse_double(slice_sub(text, 0, n), &count) || !(count >= 0 && count < 1e6))
        return false;
    for (size_t i = 0; i < COUNT_OF(time_units); i++) {
        struct slice name = time_units[i].name;
        bool plural = unit.len == name.len + 1 && (unit.ptr[name.len] | 32) == 's' && name.len > 1;
        if (slice_eq_nocase(slice_sub(unit, 0, unit.len - plural), name)) {
            double ns = count * (double)time_units[i].ns;
            *out_ns = ns < (double)FOR_MAX_NS ? (int64_t)ns : FOR_MAX_NS;
            return ns <= (double)FOR_MAX_NS;
        }
    }
    return false;
}

/* The last comparison outside of quotes and brackets: where it starts, and its length; 0 when there is none. */
static size_t comparison_find(struct slice s, size_t *at)
{
    size_t found = 0;
    int depth = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i], next = i + 1 < s.len ? s.ptr[i + 1] : 0;
        if (c == '"' || c == '\'' || c == '`') {
            size_t n = token_string(slice_skip(s, i), NULL);
            i += n ? n - 1 : 0;
        } else if (c == '(' || c == '{' || c == '[') {
            depth++;
        } else if (c == ')' || c == '}' || c == ']') {
            depth--;
        } else if (depth == 0 && (c == '>' || c == '<' || ((c == '=' || c == '!') && next == '='))) {
            *at = i;
            found = next == '=' ? 2 : 1;
            i += found - 1;
        }
    }
    return found;
}

/* The threshold behind the comparison. */
static enum status threshold_read(struct slice whole, struct slice text, bool in_percent, double *out, struct err *err)
{
    size_t n = number_length(text);
    struct slice unit = slice_trim(slice_skip(text, n));
    if (n == 0 || !num_parse_double(slice_sub(text, 0, n), out))
        return fail(err, whole, "no number behind the comparison but", text);
    if (unit.len == 0)
        return ST_OK;
    if (slice_eq(unit, SLICE("%")) || slice_eq_nocase(unit, SLICE("percent"))) {
        *out /= in_percent ? 1 : 100;
        return ST_OK;
    }
    for (size_t i = 0; i < COUNT_OF(value_units); i++) {
        if (slice_eq(value_units[i].name, unit)) {
            *out *= value_units[i].factor;
            return ST_OK;
        }
    }
    return fail(err, whole, "unknown unit", unit);
}

enum status article_condition_read(struct arena *a, struct slice text, struct article_condition *out, struct err *err)
{
    struct slice whole = slice_trim(text), body = whole;
    char number[NUM_TEXT_BYTES_MAX];
    double threshold;
    size_t at = 0, op;
    out->for_ns = 0;
    if (whole.len > CONDITION_BYTES_MAX)
        return err_set(err, ST_LIMIT, "condition: %zu bytes, at most %d are allowed", whole.len, CONDITION_BYTES_MAX);
    op = comparison_find(body, &at);
    if (op == 0)
        return fail(err, whole, "no comparison (> >= < <= == !=) in", whole);
    struct slice left = slice_trim(slice_sub(body, 0, at)), right = slice_trim(slice_skip(body, at + op));
    size_t for_at = slice_find(right, SLICE(" for "), 0);
    if (for_at != SIZE_MAX) {
        struct slice duration = slice_trim(slice_skip(right, for_at + 5));
        if (!duration_read(duration, &out->for_ns))
            return fail(err, whole, "no duration behind \"for\" but", duration);
        right = slice_trim(slice_sub(right, 0, for_at));
    }
    const struct article_name *known = NULL;
    for (size_t i = 0; i < article_name_count && known == NULL; i++)
        known = slice_eq(article_names[i].name, left) ? &article_names[i] : NULL;
    if (left.len == 0)
        return fail(err, whole, "no name before the comparison in", whole);
    enum status st = threshold_read(whole, right, known && slice_eq(known->what, SLICE("percent")), &threshold, err);
    if (st)
        return st;
    size_t n = num_format_short(threshold, number);
    /* and, or and unless bind weaker than a comparison: the whole left side is meant. */
    bool is_loose = slice_contains(left, SLICE(" or ")) || slice_contains(left, SLICE(" and ")) || slice_contains(left, SLICE(" unless "));
    out->expr = arena_printf(a, "%s%.*s%s %.*s %.*s", is_loose ? "(" : "", SLICE_FMT(known ? known->expr : left), is_loose ? ")" : "", (int)op,
                             whole.ptr + at, (int)n, number);
    return ST_OK;
}
