/* SPDX-License-Identifier: Apache-2.0 */
#include "events/evtextfind.h"

#include "base/rand.h"
#include "base/unit.h"
#include "events/evpred.h"

enum { LINES_MAX = 400, ROUNDS = 60, NEEDLES = 60, STREAMS = 5, NEEDLE_BYTES_MAX = 30 };

struct lines {
    struct slice v[LINES_MAX];
    int64_t times[LINES_MAX], streams[LINES_MAX];
    uint8_t traces[LINES_MAX * 16];
    struct evtext_rows rows;
    size_t n;
};

static struct slice line_any(struct rand *r, const struct lines *l, size_t i, struct arena *a)
{
    static const char *const verbs[] = { "opened", "closed", "reset by peer", "a1b2", "" };
    static const char some[] = "01aF .,:=\"{}[]-/\x80\t";
    unsigned u = (unsigned)rand_u64(r);
    const char *verb = verbs[rand_below(r, COUNT_OF(verbs))];
    switch (rand_below(r, 7)) {
    case 0: return arena_printf(a, "conn %u %s after %u.%02us from 10.0.%u.%u", u % 900, verb, u % 7, u % 100, u % 3, u % 250);
    case 1: return arena_printf(a, "{\"id\":\"%08x\",\"n\":%u,\"msg\":\"%s user%u\"}", u, u % 12, verb, u % 40);
    case 2: return arena_printf(a, "k=%u%u key=%s key2=\"x %s %u\" 0x%04X", u % 3, u % 4, verb, verb, u % 5, u % 65536);
    case 3: {
        struct evstamp stamp = { 0 };
        char when[EVSTAMP_BYTES_MAX + 8];
        int len = (int)evstamp_write(&stamp, (uint8_t)(1 + rand_below(r, EVSTAMP_FORMATS)), l->times[i], when);
        return arena_printf(a, "%.*s.%03uZ level=%s port=%u", len, when, (unsigned)(l->times[i] / 1000000 % 1000), verb, u % 9);
    }
    case 4: {
        static const char hex[] = "0123456789abcdef";
        char id[32];
        for (size_t k = 0; k < sizeof id; k++)
            id[k] = hex[l->traces[16 * i + k / 2] >> (k % 2 ? 0 : 4) & 15];
        return arena_printf(a, "trace %.32s of req-%u", id, u % 50);
    }
    case 5: return SLICE("7");
    default: {
        size_t n = (size_t)rand_below(r, 40);
        char *to = arena_alloc(a, n + 1);
        for (size_t k = 0; k < n; k++)
            to[k] = some[rand_below(r, sizeof some - 1)];
        return slice_of(to, n);
    }
    }
}

static void lines_any(struct lines *l, struct rand *r, struct arena *a)
{
    l->n = 1 + (size_t)rand_below(r, LINES_MAX);
    for (size_t i = 0; i < l->n; i++) {
        l->times[i] = INT64_C(1700000000000000000) + (int64_t)i * 1000000 + (int64_t)rand_below(r, 1000) * 1000;
        l->streams[i] = (int64_t)rand_below(r, STREAMS);
        for (size_t k = 0; k < 16; k++)
            l->traces[16 * i + k] = (uint8_t)rand_u64(r);
        l->v[i] = line_any(r, l, i, a);
    }
    l->rows = (struct evtext_rows){ .times = l->times, .streams = l->streams, .traces = l->traces };
}

/* A piece of one of the lines; sometimes one byte of it is another. */
static struct slice needle_any(struct rand *r, const struct lines *l, bool is_nocase, struct arena *a)
{
    struct slice line = l->v[rand_below(r, l->n)];
    if (line.len == 0)
        return SLICE("0");
    size_t from = (size_t)rand_below(r, line.len);
    size_t len = 1 + (size_t)rand_below(r, MIN(line.len - from, (size_t)NEEDLE_BYTES_MAX));
    char *to = arena_alloc(a, len);
    memcpy(to, line.ptr + from, len);
    if (rand_one_in(r, 4))
        to[rand_below(r, len)] = (char)('0' + rand_below(r, 60));
    for (size_t k = 0; is_nocase && k < len; k++)
        if (((to[k] >= 'a' && to[k] <= 'z') || (to[k] >= 'A' && to[k] <= 'Z')) && rand_one_in(r, 3))
            to[k] ^= 0x20;
    return slice_of(to, len);
}

static bool line_has(struct slice line, struct slice needle, bool is_nocase)
{
    if (is_nocase)
        return evpred_contains_nocase(line, needle);
    return line.len >= needle.len && memmem(line.ptr, line.len, needle.ptr, needle.len) != NULL;
}

static bool finds_the_same(const struct lines *l, struct slice bytes, struct slice needle, bool is_nocase, struct rand *r, struct arena *a)
{
    struct evtext t;
    struct reader in = reader_of(bytes);
    uint8_t sel[LINES_MAX], asked[LINES_MAX];
    read_u8(&in);
    if (!evtext_open(&t, &in, l->n, &l->rows, NULL, a))
        return false;
    for (size_t i = 0; i < l->n; i++)
        sel[i] = asked[i] = !rand_one_in(r, 10);
    if (!(is_nocase ? evtextfind_nocase : evtextfind)(&t, needle, sel, a))
        return false;
    for (size_t i = 0; i < l->n; i++)
        if (sel[i] != (asked[i] && line_has(l->v[i], needle, is_nocase)))
            return false;
    return true;
}

TEST(a_substring_is_found_in_columns_exactly_where_a_search_of_the_whole_texts_finds_it)
{
    struct rand r;
    struct lines *l = mem_new(struct lines);
    struct evtext_writer *w = evtext_writer_new();
    unsigned as_columns = 0;
    rand_seed(&r, 20231114);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct arena *a = arena_new(0), *scratch = arena_new(0);
        struct buf out;
        buf_init(&out, 0);
        lines_any(l, &r, a);
        evcol_put_texts(&out, l->v, l->n, w, &l->rows, NULL);
        if (*(const uint8_t *)out.ptr == EVCOL_STRING_TEXTS) {
            as_columns++;
            for (unsigned k = 0; k < NEEDLES; k++) {
                bool is_nocase = k % 3 == 0;
                CHECK(finds_the_same(l, buf_as_slice(&out), needle_any(&r, l, is_nocase, scratch), is_nocase, &r, scratch));
                arena_reset(scratch);
            }
        }
        buf_free(&out);
        arena_free(scratch);
        arena_free(a);
    }
    CHECK(as_columns > ROUNDS / 2);
    evtext_writer_free(w);
    mem_free(l);
}
