/* SPDX-License-Identifier: Apache-2.0 */
#include "events/evtext.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "base/unit.h"

enum { ROWS_MAX = 900, STREAMS = 7, SEVERITIES = 25, FILE_BYTES_MAX = 8 * MIB, FILE_LINES_MAX = 16 * KIB };

struct table {
    struct arena *a;
    struct slice *v;
    size_t n;
    int64_t *times, *streams, *severities;
    uint8_t *traces, *spans;
    struct evtext_rows rows;
};

static struct slice hex_of(struct arena *a, const uint8_t *id, size_t n)
{
    char *to = arena_alloc(a, 2 * n + 1);
    for (size_t i = 0; i < n; i++)
        snprintf(to + 2 * i, 3, "%02x", id[i]);
    return slice_of(to, 2 * n);
}

static const char *const words[] = { "started", "stopped", "failed", "retry", "ready" };
#define WORD(r) words[rand_below((r), COUNT_OF(words))]

/* A line of row i: of a few kinds, with what the row knows of itself in it, and oddities. */
static struct slice line_any(struct rand *r, const struct table *t, size_t i, unsigned kinds)
{
    struct arena *a = t->a;
    struct evstamp stamp = { 0 };
    char when[EVSTAMP_BYTES_MAX + 8];
    unsigned u = (unsigned)rand_u64(r), mark = (unsigned)rand_below(r, EVSTAMP_FORMATS) + 1;
    size_t len = evstamp_write(&stamp, (uint8_t)mark, t->times[i], when);
    unsigned ms = (unsigned)(t->times[i] % NS_S / NS_MS);
    switch (rand_below(r, kinds)) {
    case 0: return arena_printf(a, "{\"time\":\"%.*s.%03uZ\",\"level\":\"l%d\",\"n\":%u,\"x\":\"%s\",\"id\":\"%.*s\"}", (int)len, when, ms,
                                (int)t->severities[i], u % 1000, WORD(r), SLICE_FMT(hex_of(a, t->traces + 16 * i, 16)));
    case 1: return arena_printf(a, "ts=%.*s app=svc-%d msg=\"%s %u\" took=%u.%02ums peer=10.%u.%u.7:%u span=%.*s", (int)len, when,
                                (int)t->streams[i], WORD(r), u % 7, u % 90, u % 100, u % 5, u % 256, u % 30000,
                                SLICE_FMT(hex_of(a, t->spans + 8 * i, 8)));
    case 2: return arena_printf(a, "%.*s,%03u %s[%u]: took %u.%03u of 0x%08x at 0%u", (int)len, when, ms, WORD(r), u % 9999,
                                u % 10, u % 1000, u, u % 10);
    case 3: return arena_printf(a, "ID %016llX 12345678901234567890123 00%u 1..2 .5. a1 %u", (unsigned long long)rand_u64(r), u % 10, u);
    case 4: return arena_printf(a, "a rare %c%c shape, \"quoted %u\" \"\" =%u =\"\" \\\" 'x' k= %s",
                                (char)('a' + u % 26), (char)('a' + u / 26 % 26), u, u % 3, WORD(r));
    case 5: return rand_one_in(r, 2) ? SLICE_EMPTY : SLICE("7");
    case 6: return slice_of("with\0zero 1 in it", 17);
    default: {
        size_t n = (size_t)rand_below(r, 60);
        char *to = arena_alloc(a, n + 1);
        static const char some[] = "0123456789abcXYZ .,:;=\"\\{}[]-_/\x80\xff\t\n\r\x01\x0b\x0e";
        for (size_t k = 0; k < n; k++)
            to[k] = rand_one_in(r, 8) ? (char)rand_u64(r) : some[rand_below(r, sizeof some)];
        return slice_of(to, n);
    }
    }
}

static void table_make(struct table *t, struct rand *r, size_t n)
{
    *t = (struct table){ .a = arena_new(0), .n = n };
    t->v = arena_array(t->a, struct slice, n);
    t->times = arena_array(t->a, int64_t, n);
    t->streams = arena_array(t->a, int64_t, n);
    t->severities = arena_array(t->a, int64_t, n);
    t->traces = arena_alloc(t->a, 16 * n);
    t->spans = arena_alloc(t->a, 8 * n);
    rand_bytes(r, t->traces, 16 * n);
    rand_bytes(r, t->spans, 8 * n);
    int64_t at = (int64_t)(rand_u64(r) >> 2);
    for (size_t i = 0; i < n; i++) {
        t->times[i] = at += (int64_t)rand_below(r, 3 * NS_S / 2);
        t->streams[i] = (int64_t)rand_below(r, STREAMS);
        t->severities[i] = (int64_t)rand_below(r, SEVERITIES);
    }
    t->rows = (struct evtext_rows){ t->times, t->streams, t->severities, t->traces, t->spans };
}

static void hide_some(struct table *t, struct rand *r)
{
    struct evtext_rows *rows = &t->rows;
    rows->times = rand_one_in(r, 4) ? NULL : rows->times;
    rows->streams = rand_one_in(r, 4) ? NULL : rows->streams;
    rows->severities = rand_one_in(r, 4) ? NULL : rows->severities;
    rows->traces = rand_one_in(r, 4) ? NULL : rows->traces;
    rows->spans = rand_one_in(r, 4) ? NULL : rows->spans;
}

static bool read_all(const struct table *t, struct slice bytes, const char **chars, const uint32_t **ends)
{
    struct evtext *x = arena_new_of(t->a, struct evtext);
    struct reader r = reader_of(bytes);
    return evtext_open(x, &r, t->n, &t->rows, NULL, t->a) && evtext_all(x, t->a, chars, ends) && reader_left(&r) == 0;
}

static bool filter_knows(const struct evfilter_set *set, struct slice text, struct arena *a)
{
    struct buf b;
    bool bad, knows = true;
    size_t count;
    buf_init(&b, 0);
    evfilter_build(set, &b);
    const uint64_t *list = evfilter_words(text, true, a, &count);
    for (size_t i = 0; i < count; i++)
        knows = knows && evfilter_has(buf_as_slice(&b), list[i], &bad);
    list = evfilter_grams(text, a, &count);
    for (size_t i = 0; i < count; i++)
        knows = knows && evfilter_has(buf_as_slice(&b), list[i], &bad);
    buf_free(&b);
    return knows;
}

/* Whether it was worth it; what came back is checked. */
static bool there_and_back(struct table *t, struct evtext_writer *w, struct buf *out)
{
    struct evfilter_set set;
    const char *chars;
    const uint32_t *ends;
    evfilter_init(&set);
    bool is_worth = evtext_put(w, out, t->v, t->n, &t->rows, &set);
    if (is_worth)
        CHECK(read_all(t, buf_as_slice(out), &chars, &ends));
    else
        CHECK_INT(out->len, 0);
    for (size_t i = 0; is_worth && i < t->n; i++)
        CHECK(slice_eq(t->v[i], slice_of(chars + (i ? ends[i - 1] : 0), ends[i] - (i ? ends[i - 1] : 0))));
    for (size_t i = 0; is_worth && i < t->n; i += 37)
        CHECK(filter_knows(&set, t->v[i], t->a));
    evfilter_free(&set);
    return is_worth;
}

TEST(texts_of_any_bytes_come_back_exactly_and_their_words_are_in_the_filter)
{
    struct rand r;
    rand_seed(&r, unit_seed());
    struct evtext_writer *w = evtext_writer_new();
    unsigned worth = 0;
    for (unsigned round = 0; round < 120; round++) {
        struct table t;
        struct buf out;
        table_make(&t, &r, 1 + (size_t)rand_below(&r, ROWS_MAX));
        for (size_t i = 0; i < t.n; i++)
            t.v[i] = line_any(&r, &t, i, 1 + round % 10);
        hide_some(&t, &r);
        buf_init(&out, 0);
        worth += there_and_back(&t, w, &out);
        buf_free(&out);
        arena_free(t.a);
    }
    CHECK(worth > 60);
    evtext_writer_free(w);
}

TEST(damaged_texts_are_refused_or_parsed_but_never_harm)
{
    struct rand r;
    rand_seed(&r, unit_seed());
    struct evtext_writer *w = evtext_writer_new();
    for (unsigned round = 0; round < 40; round++) {
        struct table t;
        struct buf out;
        const char *chars;
        const uint32_t *ends;
        table_make(&t, &r, 16 + (size_t)rand_below(&r, 80)); /* few rows: nothing is compressed, damage gets far */
        for (size_t i = 0; i < t.n; i++)
            t.v[i] = line_any(&r, &t, i, 1 + round % 4);
        buf_init(&out, 0);
        bool is_worth = evtext_put(w, &out, t.v, t.n, &t.rows, NULL);
        for (unsigned k = 0; is_worth && k < 200; k++) {
            char old[3];
            size_t at = (size_t)rand_below(&r, out.len - 2);
            memcpy(old, out.ptr + at, sizeof old);
            out.ptr[at + rand_below(&r, 3)] ^= (char)(1 << rand_below(&r, 8));
            if (read_all(&t, slice_of(out.ptr, rand_one_in(&r, 4) ? (size_t)rand_below(&r, out.len) : out.len), &chars, &ends))
                CHECK(ends[t.n - 1] <= 64 * MIB);
            memcpy(out.ptr + at, old, sizeof old);
        }
        buf_free(&out);
        arena_free(t.a);
    }
    evtext_writer_free(w);
}

TEST(what_a_row_knows_of_itself_is_not_stored_in_its_text)
{
    struct rand r;
    rand_seed(&r, unit_seed());
    struct table t;
    struct buf out;
    table_make(&t, &r, ROWS_MAX);
    t.times[0] = 1763856000 * NS_S;
    for (size_t i = 0; i < t.n; i++) {
        t.times[i] = t.times[0] + (int64_t)i * NS_MS;
        struct evstamp stamp = { 0 };
        char when[EVSTAMP_BYTES_MAX + 8];
        size_t len = evstamp_write(&stamp, 1, t.times[i], when);
        t.v[i] = arena_printf(t.a, "{\"time\":\"%.*s.%03uZ\",\"app\":\"app-%d\",\"level\":\"%d-x\",\"trace\":\"%.*s\"}", (int)len, when,
                              (unsigned)(i % 1000), (int)t.streams[i], (int)t.severities[i], SLICE_FMT(hex_of(t.a, t.traces + 16 * i, 16)));
    }
    buf_init(&out, 0);
    struct evtext_writer *w = evtext_writer_new();
    CHECK(there_and_back(&t, w, &out));
    CHECK(out.len < t.n); /* less than a byte a line, which has 100 */
    evtext_writer_free(w);
    buf_free(&out);
    arena_free(t.a);
}

/* Each type of column alone, so that a value is also the last that there is room for. */
TEST(values_alone_come_back_exactly)
{
    static const char *const forms[] = { "%1$u", "%2$08u", "%1$u.%3$03u", "10.%4$u.%5$u.7", "%2$08x", "%2$08X", "user-%1$u",
                                         "%1$u.%3$03ums", "a%1$ub%4$u", "k=%1$u", "\"%1$u\"", "%4$u and %5$u" };
    struct rand r;
    rand_seed(&r, unit_seed());
    struct evtext_writer *w = evtext_writer_new();
    for (size_t f = 0; f < COUNT_OF(forms); f++) {
        struct table t;
        struct buf out;
        table_make(&t, &r, 1 + (size_t)rand_below(&r, ROWS_MAX));
        for (size_t i = 0; i < t.n; i++) {
            char text[64];
            unsigned u = (unsigned)rand_u64(&r);
            int len = snprintf(text, sizeof text, forms[f], u % 70000, u, u % 1000, u % 256, u / 256 % 256);
            t.v[i] = arena_copy(t.a, slice_of(text, (size_t)len));
        }
        buf_init(&out, 0);
        CHECK(there_and_back(&t, w, &out) || t.n < 8);
        buf_free(&out);
        arena_free(t.a);
    }
    evtext_writer_free(w);
}

TEST(a_text_of_quotes_and_backslashes_alone_takes_no_longer_than_others)
{
    struct evtok t;
    size_t n = 1 * MIB;
    char *text = mem_alloc(n);
    for (size_t i = 0; i < n; i++)
        text[i] = i % 2 ? '"' : '\\';
    evtok_init(&t, n, NULL);
    CHECK(evtok_cut(&t, slice_of(text, n), true, NULL) <= n + EVTOK_VARIABLES_MAX);
    evtok_free(&t);
    mem_free(text);
}

static void check_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return;
    char *bytes = mem_alloc(FILE_BYTES_MAX);
    struct slice rest = slice_of(bytes, fread(bytes, 1, FILE_BYTES_MAX, f)), line;
    struct evtext_writer *w = evtext_writer_new();
    struct rand r;
    fclose(f);
    rand_seed(&r, unit_seed());
    while (rest.len) {
        struct table t;
        struct buf out;
        table_make(&t, &r, FILE_LINES_MAX);
        for (t.n = 0; t.n < FILE_LINES_MAX && rest.len; t.n++) {
            if (!slice_cut(rest, '\n', &line, &rest)) {
                line = rest;
                rest = SLICE_EMPTY;
            }
            t.v[t.n] = line;
        }
        buf_init(&out, 0);
        there_and_back(&t, w, &out);
        buf_free(&out);
        arena_free(t.a);
    }
    evtext_writer_free(w);
    mem_free(bytes);
}

static void check_folder(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.' && e->d_type == DT_DIR)
            check_folder(path);
        else if (e->d_name[0] != '.')
            check_file(path);
    }
    if (d)
        closedir(d);
}

/* STOA_TEST_LOGS names a folder of log files, if there is one. */
TEST(files_of_log_come_back_exactly)
{
    const char *dir = getenv("STOA_TEST_LOGS");
    if (dir)
        check_folder(dir);
}
