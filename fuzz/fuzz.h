/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets share. Each takes any bytes and must hold what it asserts; nothing else is an outcome. */
#ifndef STOA_FUZZ_FUZZ_H
#define STOA_FUZZ_FUZZ_H

#include "base/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Holds in every build, and names what did not hold. */
#define MUST(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            __builtin_trap();                                                                                          \
    } while (0)

/* A part lies within the whole. */
static inline bool fuzz_within(struct slice part, struct slice whole)
{
    return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

#endif
