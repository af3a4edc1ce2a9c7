/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are refused or are values, or times; those encode to bytes that give the same ones. */
#include "fuzz/fuzz.h"
#include "metrics/chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t n = 1 + (data[0] | data[1] << 8) % CHUNK_SAMPLES_MAX;
    struct slice in = slice_of(data + 2, size - 2);
    double v[CHUNK_SAMPLES_MAX], v_back[CHUNK_SAMPLES_MAX];
    int64_t t[CHUNK_SAMPLES_MAX], t_back[CHUNK_SAMPLES_MAX];
    uint8_t out[CHUNK_BYTES_MAX], hint = 0, flags;
    if (chunk_decode_values(in, n, v)) {
        size_t len = chunk_encode_values(v, n, &hint, out, &flags);
        MUST(len <= sizeof out && chunk_decode_values(slice_of(out, len), n, v_back) && memcmp(v, v_back, n * sizeof *v) == 0);
    }
    if (chunk_decode_times(in, n, t)) {
        size_t len = chunk_encode_times(t, n, out);
        MUST(len <= sizeof out && chunk_decode_times(slice_of(out, len), n, t_back) && memcmp(t, t_back, n * sizeof *t) == 0);
    }
    return 0;
}
