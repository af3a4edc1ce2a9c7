/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a board: what is taken is a board again with the same uid and title, and its second reading changes nothing. */
#include "api/board_check.h"
#include "fuzz/fuzz.h"
#include "logql/logql.h"
#include "promql/promql.h"

enum { ARENA_BYTES_MAX = 256 * MIB, WARNINGS_BYTES_MAX = 4 * MIB };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct board_langs langs = { &promql_lang, &logql_lang };
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    struct buf warnings;
    struct err err = { 0 };
    struct slice json, again;
    struct board_summary first, second;
    buf_init(&warnings, WARNINGS_BYTES_MAX);
    enum status st = board_prepare(a, slice_of(data, size), SLICE("fuzz"), &langs, &json, &warnings, &err);
    MUST(st == ST_OK || err.text[0]);
    if (!st) {
        MUST(board_summary_read(a, json, &first));
        MUST(slice_eq(first.uid, SLICE("fuzz")));
        buf_reset(&warnings);
        MUST(board_prepare(a, json, SLICE("fuzz"), &langs, &again, &warnings, &err) == ST_OK);
        MUST(board_summary_read(a, again, &second));
        MUST(slice_eq(first.uid, second.uid) && slice_eq(first.title, second.title) && first.tag_count == second.tag_count);
        MUST(slice_eq(json, again));
    }
    buf_free(&warnings);
    arena_free(a);
    return 0;
}
