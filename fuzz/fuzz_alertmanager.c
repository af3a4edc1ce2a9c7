/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses alerts or a silence, the rest is what is posted: labels that come out are canonical and within their limits,
 * times are in order, and what is refused has a reason. */
#include "api/alertmanager_read.h"
#include "fuzz/fuzz.h"
#include "model/labels.h"

enum { ARENA_BYTES_MAX = 64 * MIB };

static uint64_t read_alerts(struct arena *a, struct slice body)
{
    struct am_alerts got;
    struct err err = { 0 };
    uint64_t sum = 0;
    enum status st = am_alerts_read(a, body, &got, &err);
    MUST(st == ST_OK || err.text[0]);
    if (st)
        return 0;
    MUST(!got.refused || got.why.text[0]);
    MUST(got.count <= ALERTS_POST_MAX);
    for (size_t i = 0; i < got.count; i++) {
        const struct alert_put *p = &got.list[i];
        MUST(labels_check(p->labels) && labels_check(p->annotations));
        MUST(labels_count(p->labels) > 0 && labels_count(p->labels) <= LABELS_PER_SERIES_MAX);
        MUST(!p->starts_ns || !p->ends_ns || p->ends_ns >= p->starts_ns);
        sum += hash64(p->labels, 0) + hash64(p->annotations, 0) + hash64(p->generator_url, 0);
    }
    return sum;
}

static uint64_t read_silence(struct arena *a, struct slice body)
{
    struct silence_put p;
    struct err err = { 0 };
    enum status st = am_silence_read(a, body, &p, &err);
    MUST(st == ST_OK || err.text[0]);
    if (st)
        return 0;
    uint64_t sum = hash64(p.id, 0) + hash64(p.created_by, 0) + hash64(p.comment, 0);
    MUST(p.matcher_count <= SELECTOR_MATCHERS_MAX);
    for (size_t i = 0; i < p.matcher_count; i++)
        sum += hash64(p.matchers[i].name, 0) + hash64(p.matchers[i].value, 0);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    struct slice body = slice_of(data + 1, size - 1);
    uint64_t sum = data[0] % 2 ? read_silence(a, body) : read_alerts(a, body);
    __asm__ volatile("" : : "r"(sum));
    arena_free(a);
    return 0;
}
