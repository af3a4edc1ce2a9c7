/* SPDX-License-Identifier: Apache-2.0 */
/* The two spellings of a length of time that the world we serve uses: Prometheus's and Go's (declared in date.h). */
#include "base/date.h"
#include "base/num.h"

struct unit {
    struct slice name;
    int64_t size;
    bool only_exact; /* written only when nothing is left over: 90d says more than 12w6d */
};

/* In milliseconds, largest first: the order in which they must stand. */
static const struct unit prom_units[] = {
    { SLICE_INIT("y"), 365 * MS_DAY, true },  { SLICE_INIT("w"), 7 * MS_DAY, true },
    { SLICE_INIT("d"), MS_DAY, false },       { SLICE_INIT("h"), 3600 * 1000, false },
    { SLICE_INIT("m"), 60 * 1000, false },    { SLICE_INIT("s"), 1000, false },
    { SLICE_INIT("ms"), 1, false },
};

/* In nanoseconds. The micro sign has two code points, and people type either. */
static const struct unit go_units[] = {
    { SLICE_INIT("ns"), 1, false },
    { SLICE_INIT("us"), 1000, false },
    { SLICE_INIT("\xc2\xb5s"), 1000, false },
    { SLICE_INIT("\xce\xbcs"), 1000, false },
    { SLICE_INIT("ms"), 1000000, false },
    { SLICE_INIT("s"), 1000000000, false },
    { SLICE_INIT("m"), 60000000000, false },
    { SLICE_INIT("h"), 3600000000000, false },
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct slice take_digits(struct slice *rest)
{
    size_t n = 0;
    while (n < rest->len && is_digit(rest->ptr[n]))
        n++;
    struct slice digits = slice_sub(*rest, 0, n);
    *rest = slice_skip(*rest, n);
    return digits;
}

/* The unit's name runs to the next digit or point. */
static const struct unit *take_unit(struct slice *rest, const struct unit *units, size_t count)
{
    size_t n = 0;
    while (n < rest->len && !is_digit(rest->ptr[n]) && rest->ptr[n] != '.')
        n++;
    struct slice name = slice_sub(*rest, 0, n);
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(name, units[i].name)) {
            *rest = slice_skip(*rest, n);
            return &units[i];
        }
    }
    return NULL;
}

bool duration_parse_prom(struct slice text, int64_t *out_ms)
{
    const int64_t max_ms = INT64_MAX / NS_MS;
    const struct unit *last = NULL;
    int64_t sum = 0;
    if (slice_eq(text, SLICE("0"))) {
        *out_ms = 0;
        return true;
    }
    if (text.len == 0)
        return false;
    while (text.len > 0) {
        struct slice digits = take_digits(&text);
        int64_t count, part;
        const struct unit *u = take_unit(&text, prom_units, COUNT_OF(prom_units));
        if (u == NULL || (last && u <= last) || !num_parse_i64(digits, &count))
            return false;
        if (__builtin_mul_overflow(count, u->size, &part) || __builtin_add_overflow(sum, part, &sum) || sum > max_ms)
            return false;
        last = u;
    }
    *out_ms = sum;
    return true;
}

static size_t put_text(char *out, size_t at, struct slice s)
{
    memcpy(out + at, s.ptr, s.len);
    return at + s.len;
}

size_t duration_format_prom(int64_t ms, char *out)
{
    if (ms == 0)
        return put_text(out, 0, SLICE("0s"));
    size_t n = 0;
    uint64_t left = (uint64_t)ms;
    if (ms < 0) {
        out[n++] = '-';
        left = 0 - left;
    }
    for (size_t i = 0; i < COUNT_OF(prom_units); i++) {
        uint64_t size = (uint64_t)prom_units[i].size, count = left / size;
        if (count == 0 || (prom_units[i].only_exact && left % size != 0))
            continue;
        n += num_format_u64(count, out + n);
        n = put_text(out, n, prom_units[i].name);
        left -= count * size;
    }
    return n;
}

/* The fraction's digits as a part of unit, cut below a nanosecond. */
static uint64_t fraction_of(struct slice digits, uint64_t unit)
{
    enum { DIGITS_MAX = 18 };
    unsigned __int128 value = 0, scale = 1;
    for (size_t i = 0; i < digits.len && i < DIGITS_MAX; i++) {
        value = value * 10 + (unsigned)(digits.ptr[i] - '0');
        scale *= 10;
    }
    return (uint64_t)(value * unit / scale);
}

/* One number with its unit: "2h", "1.5s", ".5s". */
static bool take_go_part(struct slice *rest, uint64_t *out)
{
    struct slice whole = take_digits(rest), fraction = SLICE_EMPTY;
    uint64_t count = 0, part;
    if (rest->len && rest->ptr[0] == '.') {
        *rest = slice_skip(*rest, 1);
        fraction = take_digits(rest);
    }
    if (whole.len + fraction.len == 0 || (whole.len && !num_parse_u64(whole, &count)))
        return false;
    const struct unit *u = take_unit(rest, go_units, COUNT_OF(go_units));
    if (u == NULL || __builtin_mul_overflow(count, (uint64_t)u->size, &part))
        return false;
    return !__builtin_add_overflow(part, fraction_of(fraction, (uint64_t)u->size), out);
}

bool duration_parse_go(struct slice text, int64_t *out_ns)
{
    bool negative = text.len && text.ptr[0] == '-';
    uint64_t sum = 0, part;
    if (text.len && (text.ptr[0] == '-' || text.ptr[0] == '+'))
        text = slice_skip(text, 1);
    if (slice_eq(text, SLICE("0"))) {
        *out_ns = 0;
        return true;
    }
    if (text.len == 0)
        return false;
    while (text.len > 0)
        if (!take_go_part(&text, &part) || __builtin_add_overflow(sum, part, &sum))
            return false;
    /* The negative side reaches one further. */
    if (sum > (uint64_t)INT64_MAX + negative)
        return false;
    *out_ns = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}

/* v / 10^decimals without trailing zeros. */
static size_t put_decimal(char *out, size_t at, uint64_t v, int decimals)
{
    uint64_t scale = 1;
    for (int i = 0; i < decimals; i++)
        scale *= 10;
    at += num_format_u64(v / scale, out + at);
    uint64_t left = v % scale;
    if (left == 0)
        return at;
    out[at++] = '.';
    while (left > 0) {
        scale /= 10;
        out[at++] = (char)('0' + left / scale);
        left %= scale;
    }
    return at;
}

size_t duration_format_go(int64_t ns, char *out)
{
    if (ns == 0)
        return put_text(out, 0, SLICE("0s"));
    size_t n = 0;
    uint64_t v = (uint64_t)ns;
    if (ns < 0) {
        out[n++] = '-';
        v = 0 - v;
    }
    if (v < 1000)
        return put_text(out, put_decimal(out, n, v, 0), SLICE("ns"));
    if (v < 1000000)
        return put_text(out, put_decimal(out, n, v, 3), SLICE("\xc2\xb5s"));
    if (v < (uint64_t)NS_S)
        return put_text(out, put_decimal(out, n, v, 6), SLICE("ms"));
    uint64_t minutes = v / (60 * (uint64_t)NS_S);
    if (minutes >= 60) {
        n += num_format_u64(minutes / 60, out + n);
        n = put_text(out, n, SLICE("h"));
    }
    if (minutes > 0) {
        n += num_format_u64(minutes % 60, out + n);
        n = put_text(out, n, SLICE("m"));
    }
    return put_text(out, put_decimal(out, n, v % (60 * (uint64_t)NS_S), 9), SLICE("s"));
}
