/* SPDX-License-Identifier: Apache-2.0 */
/* A condition in plain words is refused with a sentence, or becomes an expression and a time that is not negative. */
#include "alert/rule.h"
#include "fuzz/fuzz.h"
#include "promql/promql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(0);
    struct article_condition c = { 0 };
    struct err err = { .text = "" };
    enum value_type type;
    if (article_condition_read(a, slice_of(data, size), &c, &err) == ST_OK) {
        MUST(c.expr.len > 0 && c.for_ns >= 0);
        if (promql_lang.check(c.expr, 0, &type, &err))
            MUST(err.text[0]);
    } else {
        MUST(err.text[0]);
    }
    arena_free(a);
    return 0;
}
