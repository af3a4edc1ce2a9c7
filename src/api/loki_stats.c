/* SPDX-License-Identifier: Apache-2.0 */
/* The statistics of Loki's answers, in Loki's shape. What we measure stands where Loki's part of that work stands: a block of rows
 * is a chunk, and there is one store, so all of it is the querier's. What we have not (ingesters to ask over the network,
 * queues, splits, shards, caches of answers) is 0. docs/manual/loki-api.md lists both. */
#include "api/loki_json.h"

static void put_uint(struct json_writer *w, struct slice key, uint64_t n)
{
    json_key(w, key);
    json_uint(w, n);
}

static void put_double(struct json_writer *w, struct slice key, double n)
{
    json_key(w, key);
    json_double(w, n);
}

static void put_false(struct json_writer *w, struct slice key)
{
    json_key(w, key);
    json_bool(w, false);
}

struct counts {
    double seconds;
    uint64_t bytes, lines, blocks, returned, metadata_bytes, kept;
};

static uint64_t metadata_bytes(struct slice labels)
{
    uint64_t n = 0;
    for (struct label l; labels_next(&labels, &l);)
        n += l.name.len + l.value.len;
    return n;
}

static struct counts counts_of(const struct api_query *q, const struct value *v)
{
    struct counts c = { .seconds = (double)(clock_mono_ns(q->api->clock) - q->start_mono_ns) / 1e9, .bytes = q->ctx.bytes_read,
                        .lines = q->ctx.rows_read, .blocks = q->ctx.blocks_read };
    for (size_t i = 0; v && i < v->stream_count; i++) {
        c.returned += v->streams[i].n;
        for (size_t k = 0; k < v->streams[i].n; k++)
            c.metadata_bytes += metadata_bytes(v->streams[i].lines[k].metadata);
    }
    c.kept = c.returned;
    c.returned += v ? v->series_count + (v->type == VALUE_SCALAR) : 0;
    return c;
}

static void put_summary(struct json_writer *w, const struct counts *c)
{
    double per_second = c->seconds > 0 ? 1 / c->seconds : 0;
    json_key(w, SLICE("summary"));
    json_object_begin(w);
    put_uint(w, SLICE("bytesProcessedPerSecond"), (uint64_t)((double)c->bytes * per_second));
    put_uint(w, SLICE("linesProcessedPerSecond"), (uint64_t)((double)c->lines * per_second));
    put_uint(w, SLICE("totalBytesProcessed"), c->bytes);
    put_uint(w, SLICE("totalLinesProcessed"), c->lines);
    put_double(w, SLICE("execTime"), c->seconds);
    put_double(w, SLICE("queueTime"), 0);
    put_uint(w, SLICE("subqueries"), 0);
    put_uint(w, SLICE("totalEntriesReturned"), c->returned);
    put_uint(w, SLICE("splits"), 0);
    put_uint(w, SLICE("shards"), 0);
    put_uint(w, SLICE("totalPostFilterLines"), c->kept);
    put_uint(w, SLICE("totalStructuredMetadataBytesProcessed"), c->metadata_bytes);
    json_object_end(w);
}

/* c NULL: a store that we have not. */
static void put_store(struct json_writer *w, const struct counts *c)
{
    static const struct counts none = { 0 };
    c = c ? c : &none;
    json_key(w, SLICE("store"));
    json_object_begin(w);
    put_uint(w, SLICE("totalChunksRef"), c->blocks);
    put_uint(w, SLICE("totalChunksDownloaded"), c->blocks);
    put_uint(w, SLICE("chunksDownloadTime"), 0);
    put_false(w, SLICE("queryReferencedStructuredMetadata"));
    json_key(w, SLICE("chunk"));
    json_object_begin(w);
    put_uint(w, SLICE("headChunkBytes"), 0);
    put_uint(w, SLICE("headChunkLines"), 0);
    put_uint(w, SLICE("decompressedBytes"), c->bytes);
    put_uint(w, SLICE("decompressedLines"), c->lines);
    put_uint(w, SLICE("compressedBytes"), 0);
    put_uint(w, SLICE("totalDuplicates"), 0);
    put_uint(w, SLICE("postFilterLines"), c->kept);
    put_uint(w, SLICE("headChunkStructuredMetadataBytes"), 0);
    put_uint(w, SLICE("decompressedStructuredMetadataBytes"), c->metadata_bytes);
    json_object_end(w);
    put_uint(w, SLICE("chunkRefsFetchTime"), 0);
    put_uint(w, SLICE("congestionControlLatency"), 0);
    put_uint(w, SLICE("pipelineWrapperFilteredLines"), 0);
    json_object_end(w);
}

static void put_caches(struct json_writer *w)
{
    static const struct slice caches[] = { SLICE_INIT("chunk"), SLICE_INIT("index"), SLICE_INIT("result"), SLICE_INIT("statsResult"),
                                           SLICE_INIT("volumeResult"), SLICE_INIT("seriesResult"), SLICE_INIT("labelResult"),
                                           SLICE_INIT("instantMetricResult") };
    static const struct slice keys[] = { SLICE_INIT("entriesFound"), SLICE_INIT("entriesRequested"), SLICE_INIT("entriesStored"),
                                         SLICE_INIT("bytesReceived"), SLICE_INIT("bytesSent"), SLICE_INIT("requests"), SLICE_INIT("downloadTime"),
                                         SLICE_INIT("queryLengthServed") };
    json_key(w, SLICE("cache"));
    json_object_begin(w);
    for (size_t i = 0; i < COUNT_OF(caches); i++) {
        json_key(w, caches[i]);
        json_object_begin(w);
        for (size_t k = 0; k < COUNT_OF(keys); k++)
            put_uint(w, keys[k], 0);
        json_object_end(w);
    }
    json_object_end(w);
}

void loki_stats_put(struct json_writer *w, const struct api_query *q, const struct value *v)
{
    struct counts c = counts_of(q, v);
    json_key(w, SLICE("stats"));
    json_object_begin(w);
    put_summary(w, &c);
    json_key(w, SLICE("querier"));
    json_object_begin(w);
    put_store(w, &c);
    json_object_end(w);
    json_key(w, SLICE("ingester"));
    json_object_begin(w);
    put_uint(w, SLICE("totalReached"), 0);
    put_uint(w, SLICE("totalChunksMatched"), 0);
    put_uint(w, SLICE("totalBatches"), 0);
    put_uint(w, SLICE("totalLinesSent"), 0);
    put_store(w, NULL);
    json_object_end(w);
    put_caches(w);
    json_key(w, SLICE("index"));
    json_object_begin(w);
    put_uint(w, SLICE("totalChunks"), c.blocks);
    put_uint(w, SLICE("postFilterChunks"), c.blocks);
    put_uint(w, SLICE("shardsDuration"), 0);
    put_false(w, SLICE("usedBloomFilters"));
    json_object_end(w);
    json_object_end(w);
}
