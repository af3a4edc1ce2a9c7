/* SPDX-License-Identifier: Apache-2.0 */
/* Regexes over bodies, in memory, in parts and in merged parts, against the regex alone. */
#include "base/unit.h"
#include "codec/regex.h"
#include "events/evworld.h"

enum { ROUNDS = 4, ROWS = 1500 };

static size_t naive_count(const struct world *w, const struct regex *re)
{
    size_t count = 0;
    for (size_t i = 0; i < w->count; i++)
        count += !w->rows[i].is_dead && w->rows[i].tenant == 0 && regex_match(re, w->rows[i].e.body);
    return count;
}

/* Lines of a few shapes; words with letters that stand for others when case is left aside. */
static struct slice body_any(struct rand *r, struct arena *a)
{
    static const char *const words[] = { "task", "TASK", "ta\xc5\xbf\xe2\x84\xaa", "timeout", "Timeout", "refused", "gr\xc3\xbc\xc3\x9f" "e" };
    const char *word = words[rand_below(r, COUNT_OF(words))];
    unsigned u = (unsigned)rand_u64(r);
    switch (rand_below(r, 3)) {
    case 0: return arena_printf(a, "worker %u: %s of %08x after %ums", u % 9, word, u, u % 5000);
    case 1: return arena_printf(a, "{\"status\":%u,\"msg\":\"%s %s\",\"id\":\"%04X\"}", 200 + u % 400, word, words[u % COUNT_OF(words)], u % 65536);
    default: return arena_printf(a, "level=%s status=%u path=/api/v%u/%s", u % 2 ? "info" : "ERROR", 500 + u % 7, u % 4, word);
    }
}

TEST(a_regex_selects_the_same_lines_from_columns_as_from_the_lines)
{
    static const char *const patterns[] = {
        "(?i)task", "(?i)TIMEOUT|refused", "time(out)? of", "status=50[0-3]", "[a-z]+efused", "error.*/api/v[12]", "(?i)error.*/API/v[12]",
        "timeout|refused|task", "gr\xc3\xbc\xc3\x9f" "e", "(?i)gr\xc3\x9c", "of [0-9a-f]{4}00", "\"id\":\"[0-9A-F]*7F",
        "^worker 3", "\\btask\\b", "T(?i)ask",
        "\\x{17f}", "[^a]ask", "after .*9ms$", "nothing of this|nor of that",
    };
    struct world *w = mem_new(struct world);
    world_open(w);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct event *list = arena_array(w->arena, struct event, ROWS);
        for (size_t i = 0; i < ROWS; i++) {
            list[i] = world_event(w, w->arena);
            list[i].body = body_any(&w->rand, w->arena);
        }
        world_append(w, 0, list, ROWS);
        if (round)
            world_flush(w);
        if (round == 2)
            world_merge(w);
        for (size_t k = 0; k < COUNT_OF(patterns); k++) {
            struct arena *a = arena_new(0);
            struct err err = { 0 };
            struct regex *re = NULL;
            CHECK_INT(regex_compile(&re, slice_str(patterns[k]), 0, &err), ST_OK);
            struct pred p = { .op = PRED_RE, .column = COL_BODY, .scope = -1, .text = slice_str(patterns[k]), .re = re };
            struct events_query q = world_query_all();
            q.pred = &p;
            CHECK_INT(world_scan(w, 1, &q, a).count, naive_count(w, re));
            regex_free(re);
            arena_free(a);
        }
    }
    world_close(w);
    mem_free(w);
}
