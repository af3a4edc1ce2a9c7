/* SPDX-License-Identifier: Apache-2.0 */
/* Sixteen bytes at a time, for scanners that ask the same of every byte. A comparison gives 0 or 255 in each place; its bits say
 * where. Vectors are GCC's and clang's own, so any processor will do; x86-64 has an instruction for the bits. */
#ifndef STOA_BASE_BYTE16_H
#define STOA_BASE_BYTE16_H

#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

typedef uint8_t byte16 __attribute__((vector_size(16)));

static inline byte16 byte16_load(const char *p)
{
    byte16 v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline byte16 byte16_eq(byte16 v, char c)
{
    return (byte16)(v == (uint8_t)c);
}

/* first <= v <= last */
static inline byte16 byte16_in(byte16 v, char first, char last)
{
    return (byte16)((byte16)(v - (uint8_t)first) <= (uint8_t)(last - first));
}

/* Bit i: byte i of a comparison is 255. */
static inline uint32_t byte16_bits(byte16 is)
{
#ifdef __SSE2__
    return (uint32_t)_mm_movemask_epi8((__m128i)is);
#else
    uint32_t bits = 0;
    for (int i = 0; i < 16; i++)
        bits |= (uint32_t)(is[i] & 1) << i;
    return bits;
#endif
}

#endif
