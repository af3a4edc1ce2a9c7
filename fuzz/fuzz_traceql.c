/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/fuzz.h"
#include "traceql/ast.h"

/* What parses has a canonical form, which is its own canonical form; a field stands alone as well. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size);
    struct arena *a = arena_new(0);
    struct traceql *q, *again;
    struct tql_field f;
    struct err err;
    struct buf once, twice;
    buf_init(&once, 0);
    buf_init(&twice, 0);
    if (traceql_parse(a, text, &q, &err) == ST_OK) {
        traceql_format_query(q, &once);
        if (once.len <= QUERY_TEXT_BYTES_MAX) {
            MUST(traceql_parse(a, buf_as_slice(&once), &again, &err) == ST_OK);
            traceql_format_query(again, &twice);
            MUST(slice_eq(buf_as_slice(&once), buf_as_slice(&twice)));
            traceql_free(again);
        }
        traceql_free(q);
    }
    buf_reset(&once);
    buf_reset(&twice);
    if (traceql_field_of(a, text, &f)) {
        traceql_format_field(&f, &once);
        MUST(once.len > QUERY_TEXT_BYTES_MAX || traceql_field_of(a, buf_as_slice(&once), &f));
        traceql_format_field(&f, &twice);
        MUST(slice_eq(buf_as_slice(&once), buf_as_slice(&twice)));
    }
    buf_free(&once);
    buf_free(&twice);
    arena_free(a);
    return 0;
}
