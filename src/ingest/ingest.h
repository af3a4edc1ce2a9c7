/* SPDX-License-Identifier: Apache-2.0 */
/* Decoders: the bytes of a request become rows of a batch. Pure: no socket, no store, no clock.
 *
 * What can be kept of a request is kept: a bad series, record or span is left out, counted by kind, and the first
 * reason of its kind is told (a protocol's "partial success"). Only a body that is no such message at all is an error. */
#ifndef STOA_INGEST_INGEST_H
#define STOA_INGEST_INGEST_H

#include "model/batch.h"
#include "model/ingest_result.h"

enum { INGEST_START_GAP_MS_MAX = 5 * 60 * 1000 }; /* a start further before a sample says nothing to rates */

struct otlp_options;
struct join_rule;
struct parse_rule;
struct elastic_bulk;
struct splunk_hec;

/* Whether a series has no sample of start_ms or later yet; it has one of t_ms now. NULL: none has. */
struct ingest_starts {
    void *arg;
    bool (*is_new)(void *arg, struct slice labels, int64_t start_ms, int64_t t_ms);
};

struct ingest_header {
    struct slice name, value; /* names in any case */
};

/* What a decoder may know beside the body. Everything borrowed for the call. */
struct ingest_ctx {
    int64_t received_ns;
    struct slice peer;        /* address of the sender, or the file's name */
    struct slice tenant;      /* empty: "default" */
    const struct ingest_header *headers;
    size_t header_count;
    int32_t zone_offset_s;    /* local time minus UTC: for lines that tell no zone */
    const struct otlp_options *otlp; /* NULL: as Prometheus does it by default */
    bool takes_deltas;        /* deltas may go into the batch (batch_series.delta): who decodes adds them up */
    bool start_zero;          /* where a counter is told to have begun, a sample of 0 is made */
    struct ingest_starts starts; /* asked for each such */
    struct elastic_bulk *elastic; /* elastic_bulk: what it is told and tells of each item; NULL: nobody asks */
    struct splunk_hec *splunk;    /* splunk_hec: the same of its request */
    struct slice stream;      /* lines: canonical labels of what they came from; copied */
    const struct join_rule *join; /* lines: which belong together; NULL: each is a record */
    const struct parse_rule *parse; /* lines: how they are read; NULL: as they look */
};

/* The header's value, or the empty slice. */
struct slice ingest_header(const struct ingest_ctx *ctx, struct slice name);

/* Fills out from body, which must outlive out (rows of most protocols point into it). out->tenant and ->received_ns are set by ingest_decode.
 * ST_INVALID: no message of this protocol. ST_LIMIT: over BATCH_ROWS_MAX rows or the arena's maximum. */
typedef enum status ingest_decoder(const struct ingest_ctx *ctx, struct slice body, struct batch *out, struct ingest_result *result,
                                   struct err *err);

struct ingest_protocol {
    struct slice name;       /* "prometheus_remote_write", "loki_push", "otlp_metrics", ... */
    size_t body_bytes_max;   /* after decompression */
    bool snappy_block;       /* protobuf bodies come as a snappy block even when no header says so */
    bool keeps_body;         /* rows point into the body, so it moves into the batch's arena */
    ingest_decoder *decode;
};

extern const struct ingest_protocol ingest_protocols[];
extern const size_t ingest_protocol_count;
/* NULL when there is none of that name. */
const struct ingest_protocol *ingest_protocol_find(struct slice name);

/* What a server calls: takes Content-Encoding (gzip, deflate, zstd, snappy; found by its magic when the header is missing or
 * wrong) off body, copies it into the batch's arena where rows point into it, and decodes. Borrows body and ctx for the call
 * only. *result is cleared.
 * ST_INVALID: does not decompress. ST_UNSUPPORTED: another encoding. ST_LIMIT: larger than body_bytes_max, or as above. */
MUST_CHECK enum status ingest_decode(const struct ingest_protocol *protocol, const struct ingest_ctx *ctx, struct slice body, struct batch *out,
                                     struct ingest_result *result, struct err *err);

/* Whether the start of a sample of t_ms becomes a 0. */
bool ingest_start_is_zero(const struct ingest_ctx *ctx, struct slice labels, int64_t start_ms, int64_t t_ms);

/* True when the body is JSON: by Content-Type, or by its first byte when the header says neither JSON nor protobuf. */
bool ingest_is_json(const struct ingest_ctx *ctx, struct slice body);
/* ST_LIMIT when the batch is over its rows or its memory. */
MUST_CHECK enum status ingest_check(const struct batch *b, struct err *err);

/* Which of the two remote write protocols a Content-Type asks for; empty: a message we do not know. */
struct slice prom_write_protocol(struct slice content_type);

ingest_decoder prom_write_decode, prom_write2_decode, loki_push_decode, otlp_metrics_decode, otlp_logs_decode, otlp_traces_decode, lines_decode,
    elastic_bulk_decode, splunk_hec_decode, zipkin_decode, zipkin_v1_decode, jaeger_thrift_decode;

#endif
