/* SPDX-License-Identifier: Apache-2.0 */
/* Native histograms as scripts write them: {{schema:0 count:3 sum:4.5 buckets:[1 2]}}, words in any order, each once. Both
 * sides are one span, from offset and n_offset on. */
#include <math.h>

#include "promql/script.h"
#include "query/token.h"

enum word {
    WORD_SCHEMA, WORD_COUNT, WORD_SUM, WORD_ZERO, WORD_WIDTH, WORD_BOUNDS, WORD_BUCKETS, WORD_OFFSET, WORD_BELOW, WORD_BELOW_OFFSET, WORD_HINT,
    WORD_COUNT_OF
};

static const struct slice words[WORD_COUNT_OF] = {
    SLICE_INIT("schema"), SLICE_INIT("count"), SLICE_INIT("sum"), SLICE_INIT("z_bucket"), SLICE_INIT("z_bucket_w"), SLICE_INIT("custom_values"),
    SLICE_INIT("buckets"), SLICE_INIT("offset"), SLICE_INIT("n_buckets"), SLICE_INIT("n_offset"), SLICE_INIT("counter_reset_hint")
};
static const struct slice hints[] = { SLICE_INIT("unknown"), SLICE_INIT("reset"), SLICE_INIT("not_reset"), SLICE_INIT("gauge") };

static bool take_number(struct slice *rest, double *out)
{
    size_t n;
    if (!script_number(*rest, out, &n))
        return false;
    *rest = slice_skip(*rest, n);
    return true;
}

static bool take_whole(struct slice *rest, int32_t *out)
{
    double v;
    if (!take_number(rest, &v) || v != trunc(v) || fabs(v) > HISTOGRAM_INDEX_MAX)
        return false;
    *out = (int32_t)v;
    return true;
}

static bool take_list(struct arena *a, struct slice *rest, double **out, uint32_t *count)
{
    size_t cap = 0, n = 0;
    if (rest->len == 0 || rest->ptr[0] != '[')
        return false;
    for (*rest = slice_trim(slice_skip(*rest, 1)); rest->len && rest->ptr[0] != ']'; *rest = slice_trim(*rest)) {
        double v;
        if (n == HISTOGRAM_BUCKETS_MAX || !take_number(rest, &v))
            return false;
        ARENA_PUSH(a, *out, n, cap) = v;
    }
    *rest = slice_skip(*rest, 1);
    *count = (uint32_t)n;
    return true;
}

static bool take_hint(struct slice *rest, uint8_t *out)
{
    size_t n = token_ident(*rest, false);
    for (size_t i = 0; i < COUNT_OF(hints); i++)
        if (slice_eq(slice_sub(*rest, 0, n), hints[i])) {
            *out = (uint8_t)i;
            *rest = slice_skip(*rest, n);
            return true;
        }
    return false;
}

static bool take_value(struct arena *a, struct slice *rest, enum word word, struct histogram *h, int32_t *offsets)
{
    int32_t schema = 0;
    bool ok;
    switch (word) {
    case WORD_SCHEMA:
        ok = take_whole(rest, &schema) && schema >= INT8_MIN && schema <= INT8_MAX;
        h->schema = (int8_t)schema;
        return ok;
    case WORD_COUNT:
        return take_number(rest, &h->count);
    case WORD_SUM:
        return take_number(rest, &h->sum);
    case WORD_ZERO:
        return take_number(rest, &h->zero_count);
    case WORD_WIDTH:
        return take_number(rest, &h->zero_threshold);
    case WORD_BOUNDS:
        return take_list(a, rest, &h->bounds, &h->bound_count);
    case WORD_BUCKETS:
        return take_list(a, rest, &h->positive.buckets, &h->positive.bucket_count);
    case WORD_BELOW:
        return take_list(a, rest, &h->negative.buckets, &h->negative.bucket_count);
    case WORD_OFFSET:
        return take_whole(rest, &offsets[0]);
    case WORD_BELOW_OFFSET:
        return take_whole(rest, &offsets[1]);
    case WORD_HINT:
        return take_hint(rest, &h->hint);
    case WORD_COUNT_OF:
        break;
    }
    return false;
}

static void set_span(struct arena *a, struct histogram_side *side, int32_t offset)
{
    if (side->bucket_count == 0)
        return;
    side->spans = arena_new_of(a, struct histogram_span);
    side->spans[0] = (struct histogram_span){ offset, side->bucket_count };
    side->span_count = 1;
}

bool script_histogram(struct arena *a, struct slice *rest, struct histogram **out, bool *tells_hint)
{
    struct histogram *h = arena_new_of(a, struct histogram);
    int32_t offsets[2] = { 0, 0 };
    bool is_told[WORD_COUNT_OF] = { 0 };
    *rest = slice_trim(slice_skip(*rest, 2));
    while (!slice_starts(*rest, SLICE("}}"))) {
        size_t n = token_ident(*rest, false), i = 0;
        while (i < WORD_COUNT_OF && !slice_eq(slice_sub(*rest, 0, n), words[i]))
            i++;
        if (i == WORD_COUNT_OF || is_told[i] || n == rest->len || rest->ptr[n] != ':')
            return false;
        is_told[i] = true;
        *rest = slice_skip(*rest, n + 1);
        if (!take_value(a, rest, (enum word)i, h, offsets))
            return false;
        if (rest->len == 0 || (!token_is_space(rest->ptr[0]) && rest->ptr[0] != '}'))
            return false;
        *rest = slice_trim(*rest);
    }
    *rest = slice_skip(*rest, 2);
    set_span(a, &h->positive, offsets[0]);
    set_span(a, &h->negative, offsets[1]);
    *out = h;
    *tells_hint = is_told[WORD_HINT];
    return true;
}
