/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/fuzz_ingest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_ingest(SLICE("otlp_logs"), slice_of(data, size), true);
    fuzz_ingest(SLICE("otlp_logs"), slice_of(data, size), false);
    return 0;
}
