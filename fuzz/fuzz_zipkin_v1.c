/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/fuzz_ingest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_ingest(SLICE("zipkin_v1"), data, size);
}
