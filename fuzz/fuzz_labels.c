/* SPDX-License-Identifier: Apache-2.0 */
/* Label text and label bytes from outside. What is read and written again must be the same labels. */
#include "fuzz/fuzz.h"
#include "model/labels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(0);
    struct slice labels, again;
    (void)labels_check(slice_of(data, size));
    if (labels_parse(a, slice_of(data, size), &labels, NULL) == ST_OK) {
        struct buf text;
        buf_init(&text, 0);
        labels_format(labels, &text);
        MUST(labels_check(labels));
        MUST(labels_parse(a, buf_as_slice(&text), &again, NULL) == ST_OK && slice_eq(labels, again));
        buf_free(&text);
    }
    arena_free(a);
    return 0;
}
