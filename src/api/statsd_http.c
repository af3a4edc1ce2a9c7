/* SPDX-License-Identifier: Apache-2.0 */
/* DogStatsD by HTTP, as tracers send it to an agent that they reach by HTTP, and our own numbers about StatsD. */
#include "api/handlers.h"
#include "codec/compress.h"
#include "collect/statsd.h"
#include "net/udp.h"

void statsd_http_post(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct slice tenant, body;
    struct buf room;
    struct err err;
    uint64_t lost = 0;
    buf_init(&room, 0);
    enum status st = api_write_tenant(x, &tenant, &err);
    if (!st && api->statsd == NULL)
        st = err_set(&err, ST_UNAVAILABLE, "StatsD is not taken yet, or not any more");
    if (!st)
        st = body_decode(http_header(x, SLICE("Content-Encoding")), http_body(x), false, STATSD_BODY_BYTES_MAX, &room, &body, &err);
    if (!st)
        lost = statsd_take(api->statsd, tenant, body, false);
    buf_free(&room);
    self_ingest_done(api->self, "dogstatsd", 0, 0, 0, st);
    if (st)
        api_fail_text(x, st, &err);
    else if (lost)
        http_reply(x, 200, SLICE("text/plain; charset=utf-8"),
                   arena_printf(http_arena(x), "%llu lines were left out; see stoa_statsd_lines_rejected_total\n", (unsigned long long)lost));
    else
        http_reply(x, 200, SLICE_EMPTY, SLICE_EMPTY);
}

static void put(struct buf *out, const char *name, const char *type, const char *help, uint64_t v)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type, name, (unsigned long long)v);
}

void statsd_http_metrics(struct api *api, struct buf *out)
{
    struct statsd_stats s;
    statsd_stats(api->statsd, &s);
    put(out, "stoa_statsd_series", "gauge", "Series that StatsD clients write to.", s.series);
    put(out, "stoa_statsd_bytes", "gauge", "Memory of them.", s.bytes);
    put(out, "stoa_statsd_series_expired_total", "counter", "Series that ended because nobody wrote to them.", s.expired);
    put(out, "stoa_statsd_lines_total", "counter", "Lines that StatsD clients sent.", s.counts.lines);
    put(out, "stoa_statsd_values_total", "counter", "Values taken from them.", s.counts.metrics);
    put(out, "stoa_statsd_events_total", "counter", "Events taken from them.", s.counts.events);
    put(out, "stoa_statsd_service_checks_total", "counter", "Service checks taken from them.", s.counts.checks);
    put(out, "stoa_statsd_tags_ignored_total", "counter", "Tags without a value, or whose name no label can have.", s.counts.tags_ignored);
    put(out, "stoa_statsd_append_failures_total", "counter", "Batches that the store did not take.", s.append_failures);
    put(out, "stoa_statsd_restored_series_total", "counter", "Series that went on from their last stored samples after a restart.",
        s.restored);
    buf_slice(out, SLICE("# HELP stoa_statsd_lines_rejected_total Lines that were left out, by reason.\n"
                         "# TYPE stoa_statsd_lines_rejected_total counter\n"));
    for (size_t i = 0; i < STATSD_REASON_COUNT; i++)
        buf_printf(out, "stoa_statsd_lines_rejected_total{reason=\"%s\"} %llu\n", statsd_reason_name((enum statsd_reason)i),
                   (unsigned long long)s.counts.rejected[i]);
    if (api->message_stats == NULL)
        return;
    struct message_stats net;
    api->message_stats(api->server, &net);
    put(out, "stoa_statsd_messages_total", "counter", "Datagrams and messages of streams.", net.messages);
    put(out, "stoa_statsd_message_bytes_total", "counter", "Bytes of them.", net.bytes);
    put(out, "stoa_statsd_datagrams_dropped_total", "counter", "Datagrams that the kernel had no room for.", net.dropped);
    put(out, "stoa_statsd_messages_too_long_total", "counter", "Datagrams and messages over 64 KiB.", net.truncated);
    put(out, "stoa_statsd_connections", "gauge", "Open connections of streams.", net.connections);
}
