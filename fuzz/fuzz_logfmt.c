/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs that were read are written and read again as the same pairs. */
#include "codec/logfmt.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(0);
    struct buf out;
    struct slice line = slice_of(data, size), rest = line, key, value, key2, value2;
    bool has, has2, bad = false, bad2 = false;
    size_t pairs = 0, again = 0;
    buf_init(&out, 0);
    while (logfmt_next(&rest, a, &key, &value, &has, &bad)) {
        MUST(key.len > 0 && fuzz_within(key, line) && fuzz_within(rest, line));
        MUST(has || value.len == 0);
        logfmt_put(&out, key, value);
        pairs++;
    }
    MUST(pairs <= size);
    struct slice first = line, second = buf_as_slice(&out);
    while (logfmt_next(&second, a, &key2, &value2, &has2, &bad2)) {
        MUST(logfmt_next(&first, a, &key, &value, &has, &bad));
        MUST(slice_eq(key, key2) && slice_eq(value, value2));
        again++;
    }
    MUST(!bad2 && again == pairs);
    buf_free(&out);
    arena_free(a);
    return 0;
}
