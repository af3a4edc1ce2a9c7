/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/fuzz_query.h"
#include "logql/logql.h"
#include "logql/search.h"

/* Any text: read, told as LogQL (which must parse), and run over rows of every kind of line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const lines[] = { "{\"a\":{\"b\":[1,\"x\"]},\"took\":\"2s\",\"n\":5}", "a=1 b=\"x y\" took=1.5s size=2KB n=3", "", "a=",
                                         "GET /p 200 10.0.0.7 \xff\xfe" };
    struct slice text = slice_of(data, size);
    struct query_rows *rows;
    struct buf logql;
    struct err err;
    buf_init(&logql, 0);
    if (search_lang.format(text, 0, &logql, &err) == ST_OK) {
        enum value_type type;
        enum status st = logql_lang.check(buf_as_slice(&logql), 0, &type, &err);
        MUST(st == ST_OK || st == ST_LIMIT);
    }
    if (search_lang.rows_open(text, &rows, &err) == ST_OK) {
        struct arena *a = arena_new(0);
        for (size_t i = 0; i < COUNT_OF(lines); i++) {
            struct slice labels;
            struct value_line line;
            struct event e = { .kind = EVENT_LOG, .severity = (uint8_t)(i * 5), .body = slice_str(lines[i]), .service = SLICE("web") };
            (void)search_lang.rows_take(rows, &e, a, &labels, &line);
        }
        arena_free(a);
        search_lang.rows_close(rows);
    }
    buf_free(&logql);
    return 0;
}
