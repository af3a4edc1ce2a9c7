/* SPDX-License-Identifier: Apache-2.0 */
/* Castagnoli's CRC-32, for the formats of others that have it; our own files use XXH3. */
#ifndef STOA_CODEC_CRC32C_H
#define STOA_CODEC_CRC32C_H

#include "base/slice.h"

struct crc32c {
    uint32_t table[256];
};
void crc32c_init(struct crc32c *c);
uint32_t crc32c_of(const struct crc32c *c, struct slice s);

#endif
