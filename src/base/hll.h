/* SPDX-License-Identifier: Apache-2.0 */
/* HyperLogLog: how many different things were added, from their hashes, in 4 KiB however many there are.
 *
 * HLL_REGISTERS registers keep the longest run of zeros seen among the hashes that fell to them; the estimate is Ertl's
 * ("New cardinality estimation algorithms for HyperLogLog sketches", 2017), which needs no tables and has no bump between
 * small and large counts. Its standard error is 1.04 / sqrt(HLL_REGISTERS): 1.6 %. Adding the same thing again changes nothing. */
#ifndef STOA_BASE_HLL_H
#define STOA_BASE_HLL_H

#include "base/base.h"

enum {
    HLL_BITS = 12,                      /* of a hash choose the register */
    HLL_REGISTERS = 1 << HLL_BITS,      /* a byte each */
    HLL_RUN_BITS = 19,                  /* of a hash tell the run of zeros: counts up to 2^31 */
    HLL_HASH_BITS = HLL_BITS + HLL_RUN_BITS
};

struct hll {
    uint8_t registers[HLL_REGISTERS];
    uint16_t with[HLL_RUN_BITS + 2];    /* how many registers hold each value */
    uint64_t count;                     /* the last estimate */
    bool is_stale;                      /* registers have changed since */
};

void hll_init(struct hll *h);
/* hash: the low HLL_HASH_BITS count, and must be well mixed. True when a register changed. */
bool hll_add(struct hll *h, uint32_t hash);
/* The estimate. Costs about a microsecond when something changed, else nothing. */
uint64_t hll_count(struct hll *h);

#endif
