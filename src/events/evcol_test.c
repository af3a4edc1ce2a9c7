/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rand.h"
#include "base/unit.h"
#include "events/evcol.h"
#include "events/evfilter.h"
#include "model/sample.h"

enum { VALUES = 700 };

static int64_t int_any(struct rand *r, unsigned shape, int64_t last)
{
    switch (shape) {
    case 0: return 42;
    case 1: return last + (int64_t)rand_below(r, 1000) * 1000;
    case 2: return (int64_t)rand_u64(r);
    case 3: return rand_one_in(r, 2) ? INT64_MIN : INT64_MAX;
    default: return (int64_t)rand_below(r, 200) - 100;
    }
}

TEST(columns_of_numbers_come_back_exactly)
{
    struct rand r;
    rand_seed(&r, unit_seed());
    int64_t in[VALUES], out[VALUES];
    double doubles[VALUES], doubles_out[VALUES];
    for (unsigned round = 0; round < 200; round++) {
        size_t n = (size_t)rand_below(&r, VALUES);
        for (size_t i = 0; i < n; i++) {
            in[i] = int_any(&r, round % 5, i ? in[i - 1] : 0);
            doubles[i] = round % 2 ? double_of_bits((uint64_t)in[i]) : (double)(in[i] % 100000) / 100;
        }
        struct buf b;
        buf_init(&b, 0);
        evcol_put_ints(&b, in, n);
        evcol_put_doubles(&b, doubles, n);
        struct reader reader = reader_of(buf_as_slice(&b));
        CHECK(evcol_get_ints(&reader, out, n) && evcol_get_doubles(&reader, doubles_out, n) && reader_left(&reader) == 0);
        CHECK(memcmp(in, out, n * sizeof *in) == 0 && memcmp(doubles, doubles_out, n * sizeof *doubles) == 0);
        uint32_t wanted[VALUES];
        size_t count = 0;
        for (size_t i = 0; i < n; i++)
            if (rand_one_in(&r, 1 + round % 9))
                wanted[count++] = (uint32_t)i;
        memset(out, 0xa5, sizeof out);
        reader = reader_of(buf_as_slice(&b));
        CHECK(evcol_get_some_ints(&reader, out, n, wanted, count) && evcol_get_some_doubles(&reader, doubles_out, n, wanted, count) &&
              reader_left(&reader) == 0);
        for (size_t k = 0; k < count; k++)
            CHECK(out[wanted[k]] == in[wanted[k]] && double_bits(doubles_out[wanted[k]]) == double_bits(doubles[wanted[k]]));
        buf_free(&b);
    }
}

TEST(columns_of_strings_and_ids_come_back_exactly)
{
    struct rand r;
    rand_seed(&r, unit_seed());
    for (unsigned round = 0; round < 100; round++) {
        struct arena *a = arena_new(0);
        size_t n = (size_t)rand_below(&r, VALUES);
        struct slice *in = arena_array(a, struct slice, n + 1);
        uint8_t *ids = arena_zalloc(a, n * 16 + 1), *ids_out = arena_alloc(a, n * 16 + 1);
        for (size_t i = 0; i < n; i++) {
            in[i] = arena_printf(a, "%*llu", (int)rand_below(&r, 9), (unsigned long long)rand_below(&r, round % 2 ? 8 : 1000000));
            ids[i * 16] = (uint8_t)rand_below(&r, round % 3 ? 4 : 256);
            ids[i * 16 + 9] = (uint8_t)rand_below(&r, round % 3 ? 4 : 256);
        }
        struct buf b;
        struct evcol_strings out;
        buf_init(&b, 0);
        evcol_put_strings(&b, in, n);
        evcol_put_fixed(&b, ids, 16, n);
        struct reader reader = reader_of(buf_as_slice(&b));
        CHECK(evcol_get_strings(&reader, &out, n, a) && evcol_get_fixed(&reader, ids_out, 16, n, a) && reader_left(&reader) == 0);
        for (size_t i = 0; i < n; i++)
            CHECK(slice_eq(in[i], evcol_string(&out, i)));
        CHECK(memcmp(ids, ids_out, n * 16) == 0);
        buf_free(&b);
        arena_free(a);
    }
}

TEST(damaged_columns_are_refused_or_parsed_but_never_harm)
{
    struct rand r;
    rand_seed(&r, unit_seed());
    for (unsigned round = 0; round < 3000; round++) {
        struct arena *a = arena_new(0);
        struct slice in[40];
        int64_t ints[40];
        struct evcol_strings out;
        for (size_t i = 0; i < 40; i++)
            in[i] = arena_printf(a, "%u", (unsigned)rand_below(&r, round % 2 ? 4 : 100000));
        struct buf b;
        buf_init(&b, 0);
        evcol_put_strings(&b, in, 40);
        b.ptr[rand_below(&r, b.len)] ^= (char)(1 << rand_below(&r, 8));
        struct reader reader = reader_of(slice_of(b.ptr, (size_t)rand_below(&r, b.len + 1)));
        if (evcol_get_strings(&reader, &out, 40, a))
            for (size_t i = 0; i < 40; i++)
                CHECK(evcol_string(&out, i).len <= b.len);
        reader = reader_of(buf_as_slice(&b));
        (void)evcol_get_ints(&reader, ints, 40);
        buf_free(&b);
        arena_free(a);
    }
}

static bool has_all(struct slice filter, struct slice needle, bool is_whole, struct arena *a)
{
    size_t count;
    bool is_bad, all = true;
    const uint64_t *words = evfilter_words(needle, is_whole, a, &count);
    for (size_t i = 0; i < count; i++)
        all = all && evfilter_has(filter, words[i], &is_bad) && !is_bad;
    return all;
}

static bool has_grams(struct slice filter, struct slice needle, struct arena *a, size_t *count)
{
    bool is_bad, all = true;
    const uint64_t *grams = evfilter_grams(needle, a, count);
    for (size_t i = 0; i < *count; i++)
        all = all && evfilter_has(filter, grams[i], &is_bad) && !is_bad;
    return all;
}

TEST(a_filter_never_denies_a_part_of_a_text_it_has)
{
    struct rand r;
    rand_seed(&r, unit_seed());
    struct arena *a = arena_new(0);
    struct evfilter_set set;
    struct buf b;
    struct slice lines[300];
    evfilter_init(&set);
    buf_init(&b, 0);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        lines[i] = arena_printf(a, "User-%llx asked /v%u/item%06u and WAITED", (unsigned long long)rand_u64(&r), (unsigned)(i % 9), (unsigned)i);
        evfilter_add_text(&set, lines[i]);
        evfilter_add_value(&set, evfilter_name_seed(SLICE("key")), lines[i]);
    }
    evfilter_build(&set, &b);
    for (size_t i = 0; i < 5000; i++) {
        struct slice line = lines[rand_below(&r, COUNT_OF(lines))];
        size_t from = (size_t)rand_below(&r, line.len);
        CHECK(has_all(buf_as_slice(&b), slice_sub(line, from, from + (size_t)rand_below(&r, 60)), false, a));
        CHECK(has_all(buf_as_slice(&b), line, true, a));
    }
    static const struct {
        const char *part;
        size_t grams;
        bool is_there;
    } parts[] = {
        { "user", 1, true }, { "WAIT", 1, true }, { "AITE", 1, true }, { "sked", 1, true }, { "asked /v", 2, true }, { "item0000", 1, true },
        { "abed", 0, true }, { "use", 0, true }, { "1234567", 0, true }, { "waiter", 3, false }, { "unasked", 4, false }, { "quicksilver", 8, false },
        { "gdeadbee", 1, false }, { "deadbeeg", 1, false }, { "\xe2\x84\xaa", 1, false }, { "\xc5\xbf", 1, false }, { "us-er", 0, true },
    };
    CHECK(evfilter_has_grams(buf_as_slice(&b)));
    unsigned taken = 0; /* a filter may take one in a hundred for there that is not */
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        size_t count;
        bool has = has_grams(buf_as_slice(&b), slice_str(parts[i].part), a, &count);
        CHECK(has || !parts[i].is_there);
        taken += has && !parts[i].is_there;
        CHECK_INT(count, parts[i].grams);
    }
    CHECK(taken <= 2);
    unsigned wrong = 0;
    for (unsigned i = 0; i < 1000; i++)
        wrong += has_all(buf_as_slice(&b), arena_printf(a, " absent%07u ", i), false, a);
    CHECK(wrong < 50);
    buf_free(&b);
    evfilter_free(&set);
    arena_free(a);
}

/* Strings "job N of NAME took 00NNNN, id HEX" as version 1 wrote them, and some without a shape. */
static void put_old_shapes(struct buf *out, const struct slice *whole, size_t n, struct rand *r)
{
    int64_t ids[VALUES], numbers[VALUES], digits[VALUES], steps = 0;
    struct slice names[VALUES];
    size_t rows = 0, bytes = 0, others = 0;
    for (size_t i = 0; i < n; i++) {
        ids[i] = i % 5 != 0;
        others += !ids[i];
        numbers[rows] = steps += (int64_t)rand_below(r, 3);
        digits[rows] = (int64_t)rand_below(r, 1000000);
        names[rows] = rand_one_in(r, 2) ? SLICE("x1") : SLICE("y22");
        bytes += ids[i] ? SLICE("job  of  took 000000, id abcdef").len + names[rows].len : whole[i / 5].len;
        for (int64_t v = numbers[rows]; ids[i] && v >= 10; v /= 10)
            bytes++;
        bytes += (size_t)ids[i];
        rows += (size_t)ids[i];
    }
    buf_u8(out, EVCOL_STRING_SHAPES);
    buf_varint(out, bytes);
    buf_varint(out, 2);
    buf_lenslice(out, slice_of("job \0 of \0 took \0, id \0", 23));
    evcol_put_ints(out, ids, n);
    evcol_put_plain(out, whole, others);
    buf_u8(out, 1);
    evcol_put_ints(out, numbers, rows);
    buf_u8(out, 0);
    evcol_put_words(out, names, rows);
    buf_u8(out, 2);
    buf_u8(out, 6);
    evcol_put_ints(out, digits, rows);
    buf_u8(out, 3);
    buf_u8(out, 6);
    for (size_t i = 0; i < rows; i++)
        buf_put(out, "\xab\xcd\xef", 3);
}

TEST(shapes_of_older_parts_are_read_and_damage_does_no_harm)
{
    struct rand r;
    rand_seed(&r, unit_seed());
    for (unsigned round = 0; round < 60; round++) {
        struct arena *a = arena_new(0);
        size_t n = 64 + (size_t)rand_below(&r, VALUES - 64);
        struct slice *whole = arena_array(a, struct slice, n);
        for (size_t i = 0; i < n; i++)
            whole[i] = i % 2 ? SLICE_EMPTY : slice_of("with\0zero", 9);
        struct buf b;
        struct evcol_strings out;
        buf_init(&b, 0);
        put_old_shapes(&b, whole, n, &r);
        struct reader reader = reader_of(buf_as_slice(&b));
        CHECK(evcol_get_strings(&reader, &out, n, a) && reader_left(&reader) == 0);
        for (size_t i = 0; i < n; i++)
            CHECK(i % 5 ? slice_starts(evcol_string(&out, i), SLICE("job ")) && slice_ends(evcol_string(&out, i), SLICE(", id abcdef"))
                        : slice_eq(evcol_string(&out, i), whole[i / 5]));
        for (int k = 0; k < 40; k++) {
            size_t at = (size_t)rand_below(&r, b.len);
            char old = b.ptr[at];
            b.ptr[at] ^= (char)(1 << rand_below(&r, 8));
            reader = reader_of(slice_of(b.ptr, rand_one_in(&r, 4) ? (size_t)rand_below(&r, b.len) : b.len));
            if (evcol_get_strings(&reader, &out, n, a))
                CHECK(evcol_string(&out, n - 1).len <= 64 * MIB);
            b.ptr[at] = old;
        }
        buf_free(&b);
        arena_free(a);
    }
}
