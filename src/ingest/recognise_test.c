/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/recognise.h"

#include "base/unit.h"
#include "ingest/times.h"
#include "model/event.h"

enum { NOW_S = 1795363200 /* 2026-11-22T16:00:00Z */ };

static struct recognised of(const char *line)
{
    struct recognised r;
    recognise(slice_str(line), NOW_S * NS_S, 0, &r);
    return r;
}

TEST(recognise_reads_the_format_with_a_service_in_brackets)
{
    struct recognised r = of("2025-01-15 10:30:45 ERROR [auth-service] Login failed");
    CHECK_STR(r.format, "dated");
    CHECK_INT(r.time_ns, 1736937045 * NS_S);
    CHECK_INT(r.severity, SEVERITY_ERROR);
    CHECK_STR(r.service, "auth-service");
    CHECK_STR(r.message, "Login failed");
}

TEST(recognise_takes_a_thread_in_brackets_for_no_service)
{
    CHECK_STR(of("2025-01-15 10:30:45,100 INFO [main] org.x.App: up").service, "");
    CHECK_STR(of("2025-01-15 10:30:45,100 INFO [main] org.x.App: up").logger, "org.x.App");
    CHECK_STR(of("2025-01-15 10:30:45 WARN [pool-1-thread-2] slow").service, "");
    CHECK_STR(of("2025-01-15 10:30:45 WARN [1234] slow").pid, "1234");
}

TEST(recognise_takes_both_ids_of_a_traceparent_unless_a_trace_is_named)
{
#define CONTEXT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    struct recognised r = of("{\"msg\":\"x\",\"traceparent\":\"" CONTEXT "\"}");
    CHECK_STR(r.trace, "4bf92f3577b34da6a3ce929d0e0e4736");
    CHECK_STR(r.span, "00f067aa0ba902b7");
    CHECK_STR(of("level=info msg=x traceparent=" CONTEXT).span, "00f067aa0ba902b7");
    CHECK_STR(of("{\"trace_id\":\"ab\",\"traceparent\":\"" CONTEXT "\"}").span, "");
    CHECK_STR(of("{\"msg\":\"x\",\"traceparent\":\"ff" CONTEXT "\"}").trace, "");
#undef CONTEXT
}

TEST(recognise_names_each_format)
{
    static const struct {
        const char *line, *format;
        uint8_t severity;
        const char *service;
    } lines[] = {
        { "{\"level\":\"error\",\"service\":\"a\"}", "json", SEVERITY_ERROR, "a" },
        { "{\"level\":\"error\"", "plain", SEVERITY_ERROR, "" },
        { "{}", "json", 0, "" },
        { "level=warn msg=x", "logfmt", SEVERITY_WARN, "" },
        { "a=1 b=2", "plain", 0, "" },
        { "<13>1 2026-01-01T00:00:00Z h app - - - text", "syslog5424", 10, "app" },
        { "<30>Nov 22 13:16:01 h cron[1]: ran", "syslog", SEVERITY_INFO, "cron" },
        { "Nov  2 13:16:01 h /usr/sbin/x: ran", "syslog", 0, "/usr/sbin/x" },
        { "2026-01-01T00:00:00+00:00 h kernel: [1.0] WARNING: cpu", "syslog", SEVERITY_WARN, "kernel" },
        { "2026-01-01T00:00:00Z INFO main: hello", "dated", SEVERITY_INFO, "" },
        { "::1 - - [22/Nov/2026:13:16:01 +0100] \"GET / HTTP/1.1\" 404 0", "access", SEVERITY_WARN, "" },
        { "I1122 13:16:01.000001 7 a.go:1] m", "klog", SEVERITY_INFO, "" },
        { "CRITICAL:root:m", "python", 22, "" },
        { "[Sun Dec 04 04:47:44 2005] [error] mod_jk", "dated", SEVERITY_ERROR, "" },
        { "2016-09-28 04:30:30, Info   CBS  Loaded", "dated", SEVERITY_INFO, "" },
        { "2026-01-01 00:00:00.1 UTC [99] LOG:  ready", "dated", SEVERITY_INFO, "" },
        { "15:30:00.123 [main] ERROR com.shop.Cart - boom", "clock", SEVERITY_ERROR, "" },
        { "[15:30:00 WRN] boom", "clock", SEVERITY_WARN, "" },
        { "15:30:00 later", "clock", 0, "" },
        { "15:30 later", "plain", 0, "" },
        { "E, [2026-01-01T00:00:00.123456 #42] ERROR -- shop: boom", "ruby", SEVERITY_ERROR, "" },
        { "[Mon Nov 23 02:31:07.123456 2026] [core:error] [pid 7] boom", "dated", SEVERITY_ERROR, "" },
        { "[2026-01-01 00:00:00] production.ERROR: boom", "dated", SEVERITY_ERROR, "" },
        { "update-alternatives 2026-01-01 00:00:00: run", "dated", 0, "update-alternatives" },
        { "", "plain", 0, "" },
        { "[", "plain", 0, "" },
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct recognised r = of(lines[i].line);
        if (!slice_eq(r.format, slice_str(lines[i].format)) || r.severity != lines[i].severity || !slice_eq(r.service, slice_str(lines[i].service)))
            unit_fail(__FILE__, __LINE__, lines[i].line);
    }
}

TEST(recognise_takes_a_clock_near_the_arrival)
{
    CHECK_INT(of("15:30:00.5 [main] INFO a.B - x").time_ns, (NOW_S - 1800) * NS_S + NS_S / 2);
    CHECK_STR(of("15:30:00.5 [main] INFO a.B - x").logger, "a.B");
    CHECK_STR(of("{\"asctime\": \"2026-01-01 00:00:00,100\", \"name\": \"a.b\", \"levelname\": \"INFO\", \"message\": \"x\"}").logger, "a.b");
    CHECK_STR(of("{\"level\": \"info\", \"name\": \"ann\"}").logger, "");
    CHECK_INT(of("16:30:00 x").time_ns, (NOW_S + 1800) * NS_S);
    CHECK_INT(of("03:30:00 x").time_ns, 0);
    struct recognised r;
    recognise(SLICE("00:10:00 x"), NOW_S * NS_S + 7 * 3600 * NS_S + 50 * 60 * NS_S, 0, &r); /* at 23:50 */
    CHECK_INT(r.time_ns, (NOW_S + 8 * 3600 + 600) * NS_S);
    CHECK_STR(of("E, [2026-01-01T00:00:00 #42] ERROR -- shop: boom").logger, "shop");
    CHECK_STR(of("E, [2026-01-01T00:00:00 #42] ERROR -- shop: boom").pid, "42");
    CHECK_STR(of("[2026-01-01 00:00:00] production.ERROR: boom").logger, "production");
}

TEST(recognise_gives_the_year_that_a_line_leaves_out)
{
    CHECK_INT(of("Nov 22 13:16:01 h a: x").time_ns, 1795353361 * NS_S);
    CHECK_INT(of("Dec 31 23:59:59 h a: x").time_ns, 1767225599 * NS_S); /* last year's */
    CHECK_INT(of("Nov 23 01:00:00 h a: x").time_ns, 1795395600 * NS_S); /* a clock ahead by hours */
}

TEST(times_are_read_to_the_nanosecond_with_any_zone)
{
    int64_t ns;
    CHECK(time_parse(SLICE("2026-01-01T00:00:00.123456789Z"), 0, &ns));
    CHECK_INT(ns, 1767225600123456789);
    CHECK(time_parse(SLICE("2026-01-01T01:30:00+01:30"), 0, &ns));
    CHECK_INT(ns, 1767225600 * NS_S);
    CHECK(time_parse(SLICE("2026/01/01 02:00:00"), 7200, &ns));
    CHECK_INT(ns, 1767225600 * NS_S);
    CHECK(time_parse(SLICE("2026-01-01 00:00:00 -0100"), 0, &ns));
    CHECK_INT(ns, 1767229200 * NS_S);
    CHECK(time_parse(SLICE("1969-12-31T23:59:59Z"), 0, &ns));
    CHECK_INT(ns, -NS_S);
    CHECK(!time_parse(SLICE("2026-02-30T00:00:00Z"), 0, &ns) && !time_parse(SLICE("2026-01-01T24:00:00Z"), 0, &ns));
    CHECK(!time_parse(SLICE("2026-01-01T00:00:00Zx"), 0, &ns) && !time_parse(SLICE_EMPTY, 0, &ns));
}

TEST(times_as_numbers_tell_their_unit_by_size)
{
    int64_t ns;
    static const char *const texts[] = { "1767225600", "1767225600000", "1767225600000000", "1767225600000000000", "1767225600.0" };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        CHECK(time_parse(slice_str(texts[i]), 0, &ns));
        CHECK_INT(ns, 1767225600 * NS_S);
    }
    CHECK(time_parse(SLICE("1767225600.25"), 0, &ns));
    CHECK_INT(ns, 1767225600250000000);
    CHECK(!time_parse(SLICE("0"), 0, &ns) && !time_parse(SLICE("-5"), 0, &ns) && !time_parse(SLICE("1e30"), 0, &ns));
}
