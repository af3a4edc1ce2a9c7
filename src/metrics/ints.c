/* SPDX-License-Identifier: Apache-2.0 */
/* Integers as bit planes.
 *
 *     u8 transform | u8 width | zigzag first? | zigzag base | varint divisor? | varint short codes? | bitmap? | planes | last bits?
 *       transform 0  z = (k - base) / divisor                for all n (no first)
 *       transform 1  z = (step - base) / divisor             for n - 1 steps from one to the next, base the least step
 *       transform 2  z = zigzag((step - base) / divisor)     for n - 1 steps, base near the mean step
 *       transform 3  z = (k - i * slope - base) / divisor    for all n, i from 0; the slope stands in place of first
 *       + 4          has a divisor
 *       + 8          sparse: the bitmap says which z are not 0, and only these, less one, follow
 *       + 16         short codes: see (4)
 *
 * (1) Arithmetic wraps modulo 2^64, so any 64-bit pattern survives a transform.
 * (2) Plane b holds bit b of every z, 8 values a byte, so that the quiet high bits become runs for the page's zstd.
 * (3) A divisor counts for more than a good base: memory moves in pages of 4096, counters in hundredths. So the steps are
 *     divided first, and the base is a multiple (but for steps of 3, 13, 23, ...).
 * (4) What is spread evenly over 0 to R - 1 wastes up to a bit in whole bits. With 2^(width - 1) < R < 2^width there are
 *     2^width - R codes to spare: so many of the least numbers, the short ones, get width - 1 bits. Others get these and one
 *     more: of z + short, the high bits stand in the planes, the last ones behind them. */
#include "metrics/ints.h"

enum {
    TRANSFORM_MIN = 0,
    TRANSFORM_DELTA_MIN = 1,
    TRANSFORM_DELTA_MEAN = 2,
    TRANSFORM_LINE = 3, /* clocks, and times with jitter, whose steps have it twice */
    TRANSFORM_MASK = 3,
    TRANSFORM_DIVISOR = 4,
    TRANSFORM_SPARSE = 8,
    TRANSFORM_SHORT = 16,
    TRANSFORM_ALL = 31,
    PAD = 8,           /* planes work on eight values at a time */
    WIDTH_MAX = 64,
    SHORT_WIDTH_MAX = 56, /* short codes are made of these; sums of two stay within 64 bits */
    SHORT_BITS_MIN = 40,  /* gained, or they are not worth their header */
    MEAN_GAIN_SHARE = 32, /* a base of the mean step, whose numbers spread over more codes, must gain so much */
    STILL_SHARE = 4       /* steps of 0 are so many: they are the base, and the rest is sparse */
};

static inline int64_t unzigzag(uint64_t u)
{
    return (int64_t)((u >> 1) ^ (0 - (u & 1)));
}
static inline unsigned bit_length(uint64_t x)
{
    return x ? 64 - (unsigned)__builtin_clzll(x) : 0;
}

/* ---- planes ---- */

/* Byte q holds 8 bits of value q; afterwards byte b holds bit b of the 8 values. Its own inverse. */
static inline uint64_t transpose8(uint64_t x)
{
    uint64_t t = (x ^ (x >> 7)) & 0x00aa00aa00aa00aaull;
    x ^= t ^ (t << 7);
    t = (x ^ (x >> 14)) & 0x0000cccc0000ccccull;
    x ^= t ^ (t << 14);
    t = (x ^ (x >> 28)) & 0x00000000f0f0f0f0ull;
    return x ^ t ^ (t << 28);
}

/* z has room for PAD more, which are zeroed here. */
static uint8_t *planes_put(uint64_t *z, size_t n, unsigned width, uint8_t *to)
{
    size_t stride = (n + 7) / 8;
    memset(z + n, 0, PAD * sizeof *z);
    for (unsigned low = 0; low < width; low += 8) {
        unsigned planes = MIN(width - low, 8u);
        for (size_t i = 0; i < stride; i++) {
            const uint64_t *from = z + 8 * i;
            uint64_t x = 0;
            for (unsigned q = 0; q < 8; q++)
                x |= ((from[q] >> low) & 255) << (8 * q);
            x = transpose8(x);
            for (unsigned b = 0; b < planes; b++)
                to[(low + b) * stride + i] = (uint8_t)(x >> (8 * b));
        }
    }
    return to + width * stride;
}

static void planes_get(const uint8_t *from, size_t n, unsigned width, uint64_t *z)
{
    size_t stride = (n + 7) / 8;
    if (width == 0)
        memset(z, 0, stride * 8 * sizeof *z);
    for (unsigned low = 0; low < width; low += 8) {
        unsigned planes = MIN(width - low, 8u);
        const uint8_t *base = from + low * stride;
        for (size_t i = 0; i < stride; i++) {
            uint64_t x = 0;
            for (unsigned b = 0; b < planes; b++)
                x |= (uint64_t)base[b * stride + i] << (8 * b);
            x = transpose8(x);
            uint64_t *to = z + 8 * i;
            if (low == 0)
                for (unsigned q = 0; q < 8; q++)
                    to[q] = (x >> (8 * q)) & 255;
            else
                for (unsigned q = 0; q < 8; q++)
                    to[q] |= ((x >> (8 * q)) & 255) << low;
        }
    }
}

/* ---- transforms ---- */

static uint64_t gcd_of(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* What all are multiples of: *odd << the returned shift. 1 << 0 when there is nothing, or all are 0. */
static unsigned divisor_of(const int64_t *step, size_t n, uint64_t *odd)
{
    uint64_t all = 0, g = 0;
    for (size_t i = 0; i < n; i++)
        all |= (uint64_t)step[i]; /* of a negative number the lowest bits are those of the positive one */
    unsigned shift = all ? (unsigned)__builtin_ctzll(all) : 0;
    for (size_t i = 0; i < n && g != 1; i++) {
        uint64_t x = (step[i] < 0 ? 0 - (uint64_t)step[i] : (uint64_t)step[i]) >> shift;
        if (x && (g == 0 || x % g))
            g = gcd_of(x, g);
    }
    *odd = g ? g : 1;
    return shift;
}

/* Divides what are multiples; returns the divisor. */
static uint64_t divide(int64_t *step, size_t n)
{
    uint64_t odd;
    unsigned shift = divisor_of(step, n, &odd);
    if (shift > 0)
        for (size_t i = 0; i < n; i++)
            step[i] >>= shift;
    if (odd > 1)
        for (size_t i = 0; i < n; i++)
            step[i] /= (int64_t)odd;
    return odd << shift;
}

struct transformed {
    uint64_t z[INTS_MAX + PAD];
    size_t n;
    unsigned transform;
    uint64_t base, slope, divisor;
};

/* What the choice is made from: at[i] is the sum of the steps before i; steps are divided already. */
struct shape {
    const int64_t *at, *step;
    size_t n;
    int64_t least, step_least, mean, slope, line_least;
    uint64_t range, step_range; /* largest less least */
    uint64_t bits[4]; /* of all results of a transform together */
};

/* Four times what a number of 0 to range takes in short codes (4). */
static uint64_t quarter_bits(uint64_t range)
{
    if (range >= UINT16_MAX)
        return (uint64_t)bit_length(range) * 4;
    uint64_t square = (range + 1) * (range + 1);
    return bit_length(square * square - 1);
}

/* How far numbers are from a line of the mean step, rounded. Bits of steps add up to less than planes of them take, so a line may
 * have a bit more a number, if it has the smaller range by a quarter. */
static void shape_line(struct shape *s)
{
    int64_t steps = (int64_t)s->n - 1, most = 0;
    s->slope = s->at[steps] / steps;
    s->slope += s->at[steps] % steps * 2 >= steps;
    s->line_least = 0;
    for (size_t i = 0; i < s->n; i++) {
        int64_t off = (int64_t)((uint64_t)s->at[i] - (uint64_t)s->slope * i);
        s->line_least = MIN(s->line_least, off);
        most = MAX(most, off);
    }
    uint64_t range = (uint64_t)most - (uint64_t)s->line_least;
    bool is_narrow = range + range / 4 <= MIN(s->range, s->step_range);
    s->bits[TRANSFORM_LINE] = is_narrow ? s->n * (MAX(quarter_bits(range), 4u) - 4) / 4 : UINT64_MAX;
}

static void shape_of(const int64_t *at, const int64_t *step, size_t n, struct shape *s)
{
    *s = (struct shape){ .at = at, .step = step, .n = n, .step_least = n > 1 ? INT64_MAX : 0 };
    size_t still = 0;
    int64_t most = 0, step_most = INT64_MIN;
    for (size_t i = 1; i < n; i++) {
        s->least = MIN(s->least, at[i]);
        most = MAX(most, at[i]);
        s->step_least = MIN(s->step_least, step[i - 1]);
        step_most = MAX(step_most, step[i - 1]);
        still += step[i - 1] == 0;
    }
    s->range = (uint64_t)most - (uint64_t)s->least;
    s->step_range = (uint64_t)step_most - (uint64_t)s->step_least;
    /* A mean of steps whose sum wrapped means nothing, but it is still only a base: (1). */
    s->mean = n > 1 && still < n / STILL_SHARE ? at[n - 1] / (int64_t)(n - 1) : 0;
    uint64_t bits[3] = { bit_length(0 - (uint64_t)s->least), 0, 0 };
    for (size_t i = 1; i < n; i++) {
        bits[0] += bit_length((uint64_t)at[i] - (uint64_t)s->least);
        bits[1] += bit_length((uint64_t)step[i - 1] - (uint64_t)s->step_least);
        bits[2] += bit_length(ints_zigzag((int64_t)((uint64_t)step[i - 1] - (uint64_t)s->mean)));
    }
    bits[2] += bits[2] / MEAN_GAIN_SHARE;
    memcpy(s->bits, bits, sizeof bits);
    if (n > 1)
        shape_line(s);
}

/* The transform whose results have the fewest bits together. */
static void transform_apply(const struct shape *s, struct transformed *out)
{
    unsigned best = TRANSFORM_MIN;
    for (unsigned i = 1; i < COUNT_OF(s->bits) && s->n > 1; i++)
        best = s->bits[i] < s->bits[best] ? i : best;
    bool is_of_steps = best == TRANSFORM_DELTA_MIN || best == TRANSFORM_DELTA_MEAN;
    out->transform = best;
    out->n = is_of_steps ? s->n - 1 : s->n;
    out->slope = best == TRANSFORM_LINE ? (uint64_t)s->slope : 0;
    const int64_t bases[] = { s->least, s->step_least, s->mean, s->line_least };
    out->base = (uint64_t)bases[best];
    if (!is_of_steps)
        for (size_t i = 0; i < out->n; i++)
            out->z[i] = (uint64_t)s->at[i] - out->slope * i - out->base;
    else
        for (size_t i = 0; i < out->n; i++)
            out->z[i] = (uint64_t)s->step[i] - out->base;
    if (best == TRANSFORM_DELTA_MEAN)
        for (size_t i = 0; i < out->n; i++)
            out->z[i] = ints_zigzag((int64_t)out->z[i]);
}

/* (3) */
static void transform(const int64_t *k, size_t n, bool may_divide, struct transformed *out)
{
    int64_t at[INTS_MAX], step[INTS_MAX];
    step[0] = 0; /* of one number */
    for (size_t i = 1; i < n; i++)
        step[i - 1] = (int64_t)((uint64_t)k[i] - (uint64_t)k[i - 1]);
    out->divisor = may_divide ? divide(step, n - 1) : 1;
    at[0] = 0;
    for (size_t i = 1; i < n; i++)
        at[i] = (int64_t)((uint64_t)at[i - 1] + (uint64_t)step[i - 1]);
    struct shape s;
    shape_of(at, step, n, &s);
    transform_apply(&s, out);
    out->base *= out->divisor;
    out->slope *= out->divisor;
    if (out->transform == TRANSFORM_MIN || out->transform == TRANSFORM_LINE)
        out->base += (uint64_t)k[0];
    if (out->transform == TRANSFORM_DELTA_MIN && may_divide)
        out->divisor *= divide((int64_t *)out->z, out->n); /* steps of 3, 13, 23, ... */
}

/* ---- short codes (4) ---- */

/* How many codes are to be short; 0: none, for it would gain nothing. */
static uint64_t short_choose(const uint64_t *z, size_t n, unsigned width, uint64_t most)
{
    if (width < 2 || width > SHORT_WIDTH_MAX)
        return 0;
    uint64_t spare = (1ull << width) - 1 - most, half = 1ull << (width - 1), longer = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
        longer += z[i] >= spare;
        high += z[i] >= half;
    }
    /* The highest plane may be quiet enough for zstd: 4 p (1 - p) is near what is left of it then. */
    bool is_even = longer * n < 4 * high * (n - high);
    return spare > 0 && is_even && longer + SHORT_BITS_MIN < n ? spare : 0;
}

static uint8_t *short_put(uint64_t *z, size_t n, unsigned width, uint64_t spare, uint8_t *to)
{
    uint64_t last[INTS_MAX / 64] = { 0 };
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        bool is_long = z[i] >= spare;
        uint64_t code = z[i] + spare;
        last[count / 64 % COUNT_OF(last)] |= (uint64_t)(is_long & code & 1) << count % 64;
        count += is_long;
        z[i] = is_long ? code >> 1 : z[i];
    }
    to = planes_put(z, n, width - 1, to);
    memcpy(to, last, (count + 7) / 8);
    return to + (count + 7) / 8;
}

/* Behind the planes: z has the high bits. */
static bool short_get(struct reader *r, uint64_t *z, size_t n, uint64_t spare)
{
    uint64_t last[INTS_MAX / 64 + 1] = { 0 };
    size_t at = 0;
    memcpy(last, r->at, MIN(reader_left(r), (size_t)INTS_MAX / 8));
    for (size_t i = 0; i < n; i++) {
        uint64_t u = z[i], is_long = u >= spare, bit = last[at / 64] >> at % 64 & 1;
        z[i] = u + ((u - spare + bit) & (0 - is_long));
        at += is_long;
    }
    size_t bytes = (at + 7) / 8;
    if (reader_left(r) < bytes)
        return false;
    r->at += bytes;
    return true;
}

/* ---- sparse ---- */

/* Leaves what is not 0, less one, in z, and writes the bitmap. */
static uint8_t *sparse_put(uint64_t *z, size_t n, uint8_t *to)
{
    size_t count = 0, bytes = (n + 7) / 8;
    memset(to, 0, bytes);
    for (size_t i = 0; i < n; i++) {
        bool is_there = z[i] != 0;
        to[i / 8] |= (uint8_t)(is_there << i % 8);
        z[count] = z[i] - 1;
        count += is_there;
    }
    return to + bytes;
}

static size_t sparse_count(const uint8_t *bitmap, size_t n)
{
    uint64_t words[INTS_MAX / 64] = { 0 };
    size_t count = 0;
    memcpy(words, bitmap, (n + 7) / 8);
    for (size_t i = 0; i < COUNT_OF(words); i++)
        count += (size_t)__builtin_popcountll(words[i]);
    return count;
}

/* Spreads count numbers to n places, from the end, so that none is written over before it is read. z[-1] may be read. */
static void sparse_get(const uint8_t *bitmap, uint64_t *z, size_t count, size_t n)
{
    const uint64_t *from = z + count;
    for (size_t at = (n + 7) / 8; at-- > 0;) {
        unsigned bits = bitmap[at];
        uint64_t *to = z + 8 * at;
        if (bits == 0) {
            memset(to, 0, 8 * sizeof *to);
            continue;
        }
        for (unsigned q = 8; q-- > 0;) {
            uint64_t is_there = bits >> q & 1;
            from -= is_there;
            to[q] = (*from + 1) & (0 - is_there);
        }
    }
}

/* ---- integers ---- */

uint8_t *ints_put(const int64_t *k, size_t n, bool may_divide, uint8_t *to)
{
    struct transformed x;
    transform(k, n, may_divide, &x);
    uint64_t most = 0, there = 0;
    for (size_t i = 0; i < x.n; i++) {
        most = MAX(most, x.z[i]);
        there += x.z[i] != 0;
    }
    unsigned width = bit_length(most), sparse_width = most > 0 ? bit_length(most - 1) : 0;
    bool is_sparse = width > 1 && 4 * x.n + there * quarter_bits(most - 1) < x.n * quarter_bits(most);
    uint8_t *head = to++, *width_at = to++;
    if (x.transform != TRANSFORM_MIN)
        to = ints_put_varint(to, ints_zigzag(x.transform == TRANSFORM_LINE ? (int64_t)x.slope : k[0]));
    to = ints_put_varint(to, ints_zigzag((int64_t)x.base));
    if (x.divisor > 1)
        to = ints_put_varint(to, x.divisor);
    uint8_t bitmap[INTS_MAX / 8];
    size_t bitmap_bytes = 0;
    if (is_sparse) {
        bitmap_bytes = (size_t)(sparse_put(x.z, x.n, bitmap) - bitmap);
        x.n = there;
        most--;
        width = sparse_width;
    }
    uint64_t spare = short_choose(x.z, x.n, width, most);
    if (spare)
        to = ints_put_varint(to, spare);
    memcpy(to, bitmap, bitmap_bytes);
    to += bitmap_bytes;
    *head = (uint8_t)(x.transform | (x.divisor > 1 ? TRANSFORM_DIVISOR : 0) | (is_sparse ? TRANSFORM_SPARSE : 0) | (spare ? TRANSFORM_SHORT : 0));
    *width_at = (uint8_t)width;
    return spare ? short_put(x.z, x.n, width, spare, to) : planes_put(x.z, x.n, width, to);
}

/* The n numbers z. z[-1] is the caller's too. */
static bool coded_get(struct reader *r, unsigned head, unsigned width, size_t n, uint64_t *z)
{
    uint64_t spare = head & TRANSFORM_SHORT ? read_varint(r) : 0;
    const uint8_t *bitmap = NULL;
    size_t count = n, bytes = (n + 7) / 8;
    if (r->bad || (spare && (width < 2 || width > SHORT_WIDTH_MAX || spare >= 1ull << (width - 1))))
        return false;
    if (head & TRANSFORM_SPARSE) {
        if (reader_left(r) < bytes || (n % 8 && r->at[bytes - 1] >> n % 8))
            return false;
        bitmap = r->at;
        r->at += bytes;
        count = sparse_count(bitmap, n);
    }
    width -= spare > 0;
    bytes = width * ((count + 7) / 8);
    if (reader_left(r) < bytes)
        return false;
    planes_get(r->at, count, width, z);
    r->at += bytes;
    if (spare && !short_get(r, z, count, spare))
        return false;
    if (bitmap)
        sparse_get(bitmap, z, count, n);
    return true;
}

bool ints_get(struct reader *r, size_t n, int64_t *k)
{
    unsigned head = read_u8(r), width = read_u8(r), transform = head & TRANSFORM_MASK;
    if (width > WIDTH_MAX || head > TRANSFORM_ALL)
        return false;
    uint64_t at = transform == TRANSFORM_MIN ? 0 : (uint64_t)read_zigzag(r);
    uint64_t base = (uint64_t)read_zigzag(r), divisor = head & TRANSFORM_DIVISOR ? read_varint(r) : 1;
    size_t m = transform == TRANSFORM_MIN || transform == TRANSFORM_LINE ? n : n - 1;
    uint64_t room[1 + INTS_MAX + PAD], *z = room + 1;
    room[0] = 0;
    if (!coded_get(r, head, width, m, z))
        return false;
    switch (transform) {
    case TRANSFORM_MIN:
        for (size_t i = 0; i < n; i++)
            k[i] = (int64_t)(z[i] * divisor + base);
        break;
    case TRANSFORM_LINE:
        for (size_t i = 0; i < n; i++)
            k[i] = (int64_t)(z[i] * divisor + at * i + base);
        break;
    case TRANSFORM_DELTA_MIN:
        k[0] = (int64_t)at;
        for (size_t i = 0; i < m; i++)
            k[i + 1] = (int64_t)(at += z[i] * divisor + base);
        break;
    default:
        k[0] = (int64_t)at;
        for (size_t i = 0; i < m; i++)
            k[i + 1] = (int64_t)(at += (uint64_t)unzigzag(z[i]) * divisor + base);
        break;
    }
    return true;
}
