/* SPDX-License-Identifier: Apache-2.0 */
/* Plain text as it comes, and the same with lines that belong together joined: all of its bytes must be there, in order. */
#include "fuzz/fuzz_ingest.h"

#include "ingest/join.h"

static void join_all(struct slice text)
{
    static const struct join_rule automatic = { .mode = JOIN_AUTO };
    while (text.len) {
        bool is_open;
        size_t n = join_next(&automatic, text, 4096, &is_open);
        MUST(n > 0 && n <= text.len);
        MUST(n == text.len || text.ptr[n - 1] == '\n');
        text = slice_skip(text, n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    join_all(slice_of(data, size));
    return fuzz_ingest(SLICE("lines"), data, size);
}
