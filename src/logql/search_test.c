/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unit.h"
#include "logql/search.h"

struct line {
    struct slice service, body;
    uint8_t severity;
};

/* Which of the lines a search takes, as a text of their letters: "ac". */
static struct slice found(struct slice text, char out[16])
{
    static const struct line lines[] = {
        { SLICE_INIT("shop"), SLICE_INIT("Payment failed: connection reset by peer"), SEVERITY_ERROR },
        { SLICE_INIT("shop"), SLICE_INIT("{\"msg\":\"paid\",\"user\":\"ann\",\"amount\":120,\"took\":\"1.6s\",\"http.status\":200}"), SEVERITY_INFO },
        { SLICE_INIT("web-1"), SLICE_INIT("msg=\"slow query\" user=bob amount=7 size=3MB status=504"), SEVERITY_WARN },
        { SLICE_INIT("web-2"), SLICE_INIT("GET http://x/a?b=c at 12:30:45 health (ok)"), 0 },
    };
    struct query_rows *rows;
    struct err err;
    size_t n = 0;
    if (search_lang.rows_open(text, &rows, &err)) {
        CHECK_STR(slice_str(err.text), "");
        return SLICE_EMPTY;
    }
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct label l = { SLICE("service_name"), lines[i].service };
        struct event e = { .kind = EVENT_LOG, .severity = lines[i].severity, .service = lines[i].service, .body = lines[i].body, .weight = 1 };
        struct slice labels;
        struct value_line line;
        CHECK(labels_build(a, &l, 1, &e.stream, &err) == ST_OK);
        if (search_lang.rows_take(rows, &e, a, &labels, &line))
            out[n++] = (char)('a' + i);
    }
    arena_free(a);
    search_lang.rows_close(rows);
    out[n] = 0;
    return slice_of(out, n);
}

#define FINDS(text, which)                                                     \
    do {                                                                       \
        char out[16];                                                          \
        CHECK_STR(found(SLICE(text), out), which);                           \
    } while (0)

TEST(search_finds_words_in_any_case_and_all_of_them)
{
    FINDS("", "abcd");
    FINDS("PAYMENT", "a");
    FINDS("payment reset", "a");
    FINDS("payment slow", "");
    FINDS("\"connection reset\"", "a");
    FINDS("\"reset connection\"", "");
    FINDS("payment OR slow", "ac");
    FINDS("-payment", "bcd");
    FINDS("NOT payment AND NOT slow", "bd");
    FINDS("(payment OR slow) -user", "a");
    FINDS("-(payment OR slow)", "bd");
    FINDS("con*tion", "a");
    FINDS("pay*reset", ""); /* a star stays within a word */
    FINDS("(ok)", "bd");
    FINDS("http://x/a", "d");
    FINDS("12:30:45", "d");
}

TEST(search_finds_fields_wherever_they_stand)
{
    FINDS("user:ann", "b");
    FINDS("user=bob", "c");
    FINDS("user:*", "bc");
    FINDS("user:a*", "b");
    FINDS("user!=ann", "acd");
    FINDS("-user:*", "ad");
    FINDS("msg:\"slow query\"", "c");
    FINDS("service:shop", "ab");
    FINDS("service:web-*", "cd");
    FINDS("service_name:shop amount>100", "b");
    FINDS("amount<100", "c");
    FINDS("amount>=7 amount<=120", "bc");
    FINDS("http.status:200", "b");
    FINDS("took>1500ms", "b");
    FINDS("took>2s", "");
    FINDS("size>2MB", "c");
    FINDS("status>=500 OR payment", "ac");
}

TEST(search_knows_the_order_of_levels)
{
    FINDS("level:error", "a");
    FINDS("level:ERR", "a");
    FINDS("level>=warn", "ac");
    FINDS("level<warn", "b");
    FINDS("level:unknown", "d");
    FINDS("-level:info", "acd");
}

static void check_logql(struct slice text, const char *want)
{
    struct buf out;
    struct err err = { 0 };
    buf_init(&out, 0);
    enum status st = search_lang.format(text, 0, &out, &err);
    CHECK_STR(st ? slice_str(err.text) : buf_as_slice(&out), want);
    buf_free(&out);
}

TEST(search_is_told_as_logql_where_that_says_the_same)
{
    check_logql(SLICE("timeout"), "{service_name=~\".+\"} |~ \"(?i)timeout\"");
    check_logql(SLICE("service:shop timeout -health"), "{service_name=\"shop\"} |~ \"(?i)timeout\" !~ \"(?i)health\"");
    check_logql(SLICE("service:web-* a.b OR c"), "LogQL cannot say this: OR between things of different kinds");
    check_logql(SLICE("service:web-* (a.b OR c)"), "{service_name=~\"web-.*\"} |~ \"(?i)a\\\\.b\" or \"(?i)c\"");
    check_logql(SLICE("level>=error x"), "{service_name=~\".+\"} |~ \"(?i)x\" | detected_level=~\"error|fatal|critical\"");
    check_logql(SLICE("-level:info"), "{service_name=~\".+\"} | detected_level!=\"info\"");
    check_logql(SLICE("user:ann"), "LogQL cannot say this: the field user is looked for in lines of any format");
}

static void check_refused(struct slice text, const char *why)
{
    enum value_type type;
    struct err err = { 0 };
    CHECK(search_lang.check(text, 0, &type, &err) == ST_INVALID);
    CHECK_STR(slice_str(err.text), why);
}

TEST(search_names_what_it_cannot_read_and_where)
{
    check_refused(SLICE("a \"b"), "1:3: a quote is not closed");
    check_refused(SLICE("a (b"), "1:3: a bracket is not closed");
    check_refused(SLICE("a) b"), "1:2: a bracket closes that was not opened");
    check_refused(SLICE("a OR"), "1:5: OR stands between two things");
    check_refused(SLICE("OR a"), "1:1: OR stands between two things");
    check_refused(SLICE("()"), "1:2: there is nothing between the brackets");
    check_refused(SLICE("NOT"), "1:4: something must follow NOT");
    check_refused(SLICE("status>x"), "1:1: \"x\" is compared with a field and is no number, duration or size");
    check_refused(SLICE("level:loud"), "1:1: \"loud\" is no level: trace, debug, info, warn, error, critical, fatal are");
}
