/* SPDX-License-Identifier: Apache-2.0 */
/* A table by bytes, made by its owner: what it checks are chunks of kilobytes, beside decompression and the network. */
#include "codec/crc32c.h"

#define CRC32C_POLYNOMIAL 0x82f63b78u

void crc32c_init(struct crc32c *c)
{
    for (uint32_t i = 0; i < COUNT_OF(c->table); i++) {
        uint32_t v = i;
        for (int bit = 0; bit < 8; bit++)
            v = v >> 1 ^ (v & 1 ? CRC32C_POLYNOMIAL : 0);
        c->table[i] = v;
    }
}

uint32_t crc32c_of(const struct crc32c *c, struct slice s)
{
    uint32_t v = 0xffffffff;
    for (size_t i = 0; i < s.len; i++)
        v = v >> 8 ^ c->table[(v ^ (uint8_t)s.ptr[i]) & 0xff];
    return ~v;
}
