/* SPDX-License-Identifier: Apache-2.0 */
/* A remote read request of any bytes: its queries and matchers stay within their limits, and each matcher can be asked and told. */
#include "fuzz/fuzz.h"
#include "ingest/prom_read_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prom_read_request *r = mem_new(struct prom_read_request);
    struct slice bytes = slice_of(data, size), external, series;
    struct arena *a = arena_new(0);
    struct buf text;
    struct err err;
    size_t matchers = 0, matched = 0;
    buf_init(&text, 0);
    MUST(labels_parse(a, SLICE("{region=\"eu\"}"), &external, &err) == ST_OK && labels_parse(a, SLICE("up{job=\"node\"}"), &series, &err) == ST_OK);
    enum status st = prom_read_request_parse(a, external, bytes, r, &err);
    MUST(st == ST_OK || st == ST_INVALID || st == ST_LIMIT);
    MUST(r->count <= READ_QUERIES_MAX && fuzz_within(r->func, bytes));
    for (size_t i = 0; i < r->count; i++) {
        matchers += r->queries[i].matcher_count;
        matched += matchers_match(r->queries[i].matchers, r->queries[i].matcher_count, series);
        matchers_format(r->queries[i].matchers, r->queries[i].matcher_count, &text);
    }
    MUST(matchers <= READ_MATCHERS_MAX && matched <= r->count);
    prom_read_request_end(r);
    buf_free(&text);
    arena_free(a);
    mem_free(r);
    return 0;
}
