/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes are cut into chunks of about twice the square root of their number:
 *
 *     u32 checksum of each chunk ... | XOR of all chunks (the last one padded with zeros) | u64 checksum of the above
 *
 * A chunk that does not check is the XOR of all others and the parity. So a flipped byte, or a torn run within one chunk,
 * costs nothing; more is for the frame's own checksum to refuse. */
#include "store/parity.h"

#include "base/hash.h"

enum { CHUNK_BYTES_MIN = 64 };

static size_t chunk_bytes(size_t n)
{
    size_t c = CHUNK_BYTES_MIN;
    while (c * c / 4 < n)
        c += c / 4 & ~(size_t)7;
    return c;
}

static size_t chunk_count(size_t n, size_t chunk)
{
    return (n + chunk - 1) / chunk;
}

size_t parity_bytes(size_t n)
{
    size_t chunk = chunk_bytes(n);
    return chunk_count(n, chunk) * 4 + chunk + 8;
}

static void xor_into(char *to, const char *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (char)(to[i] ^ from[i]);
}

static uint32_t chunk_sum(const char *data, size_t n, uint64_t seed)
{
    return (uint32_t)hash64(slice_of(data, n), seed);
}

void parity_put(struct slice data, uint64_t seed, char *to)
{
    size_t chunk = chunk_bytes(data.len), count = chunk_count(data.len, chunk);
    char *parity = to + count * 4;
    memset(parity, 0, chunk);
    for (size_t i = 0; i < count; i++) {
        size_t n = MIN(chunk, data.len - i * chunk);
        uint32_t sum = chunk_sum(data.ptr + i * chunk, n, seed);
        for (size_t k = 0; k < 4; k++)
            to[i * 4 + k] = (char)(sum >> (8 * k));
        xor_into(parity, data.ptr + i * chunk, n);
    }
    uint64_t all = hash64(slice_of(to, count * 4 + chunk), seed);
    for (size_t k = 0; k < 8; k++)
        parity[chunk + k] = (char)(all >> (8 * k));
}

static uint64_t get_le(const char *from, size_t bytes)
{
    uint64_t v = 0;
    for (size_t k = 0; k < bytes; k++)
        v |= (uint64_t)(uint8_t)from[k] << (8 * k);
    return v;
}

bool parity_check(const char *parity, size_t n, uint64_t seed)
{
    size_t chunk = chunk_bytes(n), len = chunk_count(n, chunk) * 4 + chunk;
    return get_le(parity + len, 8) == hash64(slice_of(parity, len), seed);
}

bool parity_repair(char *data, size_t n, uint64_t seed, const char *parity)
{
    size_t chunk = chunk_bytes(n), count = chunk_count(n, chunk), bad = count;
    if (!parity_check(parity, n, seed))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (chunk_sum(data + i * chunk, MIN(chunk, n - i * chunk), seed) == (uint32_t)get_le(parity + i * 4, 4))
            continue;
        if (bad < count)
            return false;
        bad = i;
    }
    if (bad == count)
        return false;
    memcpy(data + bad * chunk, parity + count * 4, MIN(chunk, n - bad * chunk));
    for (size_t i = 0; i < count; i++)
        if (i != bad) {
            size_t len = MIN(chunk, n - i * chunk);
            xor_into(data + bad * chunk, data + i * chunk, MIN(len, n - bad * chunk));
        }
    return true;
}
