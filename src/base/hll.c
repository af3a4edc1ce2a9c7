/* SPDX-License-Identifier: Apache-2.0 */
/* The histogram of register values is kept beside the registers, so that an estimate looks at 21 counters and not at 4096
 * registers. Names follow Ertl's paper: C_k is with[k], q is HLL_RUN_BITS, m is HLL_REGISTERS. */
#include "base/hll.h"

#include <math.h>

void hll_init(struct hll *h)
{
    memset(h, 0, sizeof *h);
    h->with[0] = HLL_REGISTERS;
}

bool hll_add(struct hll *h, uint32_t hash)
{
    uint32_t at = hash >> HLL_RUN_BITS & (HLL_REGISTERS - 1), run = hash & ((1u << HLL_RUN_BITS) - 1);
    uint8_t value = (uint8_t)(run ? __builtin_clz(run) - (32 - HLL_RUN_BITS) + 1 : HLL_RUN_BITS + 1);
    if (h->registers[at] >= value)
        return false;
    h->with[h->registers[at]]--;
    h->with[value]++;
    h->registers[at] = value;
    h->is_stale = true;
    return true;
}

/* The part of registers that are still 0. x < 1. */
static double sigma(double x)
{
    double y = 1, z = x, before;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (z != before);
    return z;
}

/* The part of registers whose run was longer than a hash can tell. */
static double tau(double x)
{
    double y = 1, z = 1 - x, before;
    if (x <= 0 || x >= 1)
        return 0;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (z != before);
    return z / 3;
}

uint64_t hll_count(struct hll *h)
{
    const double m = HLL_REGISTERS;
    if (!h->is_stale)
        return h->count;
    double z = m * tau(1 - h->with[HLL_RUN_BITS + 1] / m);
    for (int k = HLL_RUN_BITS; k >= 1; k--)
        z = 0.5 * (z + h->with[k]);
    z += m * sigma(h->with[0] / m);
    h->count = (uint64_t)llround(m * m / (2 * log(2) * z));
    h->is_stale = false;
    return h->count;
}
