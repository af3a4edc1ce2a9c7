/* SPDX-License-Identifier: Apache-2.0 */
/* The first line is a condition, and a pick; the rest is the body of an answer. What parses holds or says why not; "not" turns it. */
#include "fuzz/fuzz.h"
#include "probe/condition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice body = slice_of(data, size), first = SLICE_EMPTY, value;
    struct condition *c;
    struct err err = { .text = "" };
    struct arena *a = arena_new(0);
    slice_next(&body, '\n', &first);
    struct answer_view v = { .status = 200, .total_ns = 250 * NS_MS, .has_certificate = true, .certificate_days = 13.5,
                             .headers = SLICE("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-Id: 7\r\n"), .body = body };
    if (condition_parse(first, &c, &err) == ST_OK) {
        MUST(slice_eq(condition_text(c), first));
        if (condition_check(c, &v, &err))
            MUST(err.text[0]);
        condition_free(c);
    } else {
        MUST(err.text[0]);
    }
    if (pick_parse(first, &c, &err) == ST_OK) {
        if (pick_take(c, &v, a, &value, &err))
            MUST(err.text[0]);
        condition_free(c);
    } else {
        MUST(err.text[0]);
    }
    answer_header(body, SLICE("a"), &value);
    arena_free(a);
    return 0;
}
