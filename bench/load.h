/* SPDX-License-Identifier: Apache-2.0 */
/* The load of the benchmark: a small HTTP sender, and the kinds of load. The same arguments give the same bytes,
 * so that every server is sent the same. */
#ifndef STOA_BENCH_LOAD_H
#define STOA_BENCH_LOAD_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/rand.h"

/* One kept-alive connection to 127.0.0.1. A failure ends the program with a sentence: a benchmark has nobody to tell. */
struct sender {
    int fd;
    uint16_t port;
    struct slice path, headers; /* headers: whole lines, each with its end */
    struct buf in, packed;
    uint64_t requests, plain_bytes, sent_bytes;
};

void fail(const char *fmt, ...) __attribute__((noreturn)) PRINTF_LIKE(1, 2);
void sender_open(struct sender *s, uint16_t port, const char *path, const char *headers);
void sender_close(struct sender *s);
/* Sends and waits for the answer, which must be 2xx. */
void sender_post(struct sender *s, struct slice body, bool with_snappy);

/* One file per load. Numbers as the command line has them; each prints one JSON object on stdout. */
struct metrics_load {
    uint16_t port;
    const char *page;      /* file with a scrape's body */
    unsigned instances, scrapes, interval_ms, jitter_ms;
    int64_t start_ms;
};
void load_metrics(const struct metrics_load *load);
void load_logs(uint16_t port, uint64_t lines, int64_t start_ns, int64_t span_ns, const char *copy_file);
/* Requests made of given log files into a file, and the lines into another. */
struct corpus_load {
    const char *request_file, *copy_file;
    uint64_t lines;
    int64_t start_ns, span_ns;
    char *const *files; /* none: all is JSON */
    size_t file_count;
};
void load_corpus(const struct corpus_load *load);
void load_push(uint16_t port, const char *request_file);
struct spans_load {
    uint16_t port;
    uint64_t spans;
    int64_t start_ns, span_ns;
    const char *sample_file; /* gets the bodies of the first requests, as long as they fit in sample_bytes; NULL: none */
    uint64_t sample_bytes;
};
void load_spans(const struct spans_load *load);

#endif
