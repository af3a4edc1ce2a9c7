/* SPDX-License-Identifier: Apache-2.0 */
/* StatsD: the state that requests fill too, and the sockets of listeners with the dialect statsd or dogstatsd, on a loop of their
 * own, so that a flood of datagrams delays no request. */
#include "collect/statsd.h"
#include "net/udp.h"
#include "server/state.h"

enum transport { TRANSPORT_BOTH, TRANSPORT_UDP, TRANSPORT_TCP, TRANSPORT_UNIX_DATAGRAM, TRANSPORT_UNIX_STREAM };

/* What a socket's messages need. */
struct port {
    struct statsd *statsd;
    bool is_signed_delta;
    struct udp *udp;
    struct stream *stream;
};

struct statsd_ports {
    struct loop *loop;
    struct port list[2 * CONFIG_LISTENERS_MAX];
    size_t count;
};

bool part_statsd_has(struct slice dialect)
{
    return slice_eq(dialect, SLICE("statsd")) || slice_eq(dialect, SLICE("dogstatsd"));
}

static enum transport transport_of(struct slice address, struct slice *rest)
{
    static const struct {
        struct slice prefix;
        enum transport transport;
    } all[] = { { SLICE_INIT("udp://"), TRANSPORT_UDP },
                { SLICE_INIT("tcp://"), TRANSPORT_TCP },
                { SLICE_INIT("unix://"), TRANSPORT_UNIX_DATAGRAM },
                { SLICE_INIT("unixgram://"), TRANSPORT_UNIX_DATAGRAM },
                { SLICE_INIT("unixstream://"), TRANSPORT_UNIX_STREAM } };
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (slice_starts(address, all[i].prefix)) {
            *rest = slice_skip(address, all[i].prefix.len);
            return all[i].transport;
        }
    *rest = address;
    return TRANSPORT_BOTH;
}

struct slice part_statsd_host(struct slice address)
{
    struct slice rest;
    enum transport t = transport_of(address, &rest);
    return t == TRANSPORT_UNIX_DATAGRAM || t == TRANSPORT_UNIX_STREAM ? SLICE_EMPTY : rest;
}

static void on_message(void *arg, struct slice bytes)
{
    struct port *p = arg;
    statsd_take(p->statsd, SLICE("default"), bytes, p->is_signed_delta);
}

static void message_stats(void *server, struct message_stats *out)
{
    const struct statsd_ports *ports = ((struct server *)server)->statsd_ports;
    *out = (struct message_stats){ 0 };
    for (size_t i = 0; ports && i < ports->count; i++) {
        if (ports->list[i].udp)
            udp_stats(ports->list[i].udp, out);
        if (ports->list[i].stream)
            stream_stats(ports->list[i].stream, out);
    }
}

enum status part_statsd_prepare(struct server *s, struct err *err)
{
    struct statsd_env env = { .clock = s->clock, .log = &s->log, .arg = s, .append = server_append_pushed,
                              .last = server_last_reader(s) };
    s->api.statsd = statsd_new(&env, s->config->statsd);
    return ST_OK;
}

/* bound: what an earlier socket of the same address got, for port 0. */
static enum status port_open(struct server *s, const struct config_listener *l, struct slice address, bool is_stream, struct slice *bound,
                             struct err *err)
{
    struct statsd_ports *ports = s->statsd_ports;
    struct port *p = &ports->list[ports->count];
    *p = (struct port){ .statsd = s->api.statsd, .is_signed_delta = slice_eq(l->dialect, SLICE("statsd")) };
    struct message_options opt = { .loop = ports->loop, .arg = p, .message = on_message };
    enum status st = is_stream ? stream_open(&p->stream, &opt, address, err) : udp_open(&p->udp, &opt, address, err);
    if (st)
        return err_prefix(err, "listeners: %.*s: ", SLICE_FMT(l->dialect));
    *bound = is_stream ? stream_address(p->stream) : udp_address(p->udp);
    ports->count++;
    log_line(&s->log, LOG_INFO, "listening", "dialect=%.*s transport=%s address=%.*s", SLICE_FMT(l->dialect), is_stream ? "stream" : "datagram",
             SLICE_FMT(*bound));
    return ST_OK;
}

static enum status listener_start(struct server *s, const struct config_listener *l, struct err *err)
{
    struct slice address, bound;
    switch (transport_of(l->address, &address)) {
    case TRANSPORT_UDP:
    case TRANSPORT_UNIX_DATAGRAM: return port_open(s, l, address, false, &bound, err);
    case TRANSPORT_TCP:
    case TRANSPORT_UNIX_STREAM: return port_open(s, l, address, true, &bound, err);
    case TRANSPORT_BOTH: break;
    }
    enum status st = port_open(s, l, address, false, &bound, err);
    return st ? st : port_open(s, l, bound, true, &bound, err);
}

enum status part_statsd_run(struct server *s, struct err *err)
{
    const struct config *c = s->config;
    enum status st = statsd_run(s->api.statsd, err);
    for (size_t i = 0; !st && i < c->listener_count; i++) {
        if (!part_statsd_has(c->listeners[i].dialect))
            continue;
        if (s->statsd_ports == NULL) {
            s->statsd_ports = mem_new(struct statsd_ports);
            st = loop_new(&s->statsd_ports->loop, "statsd-net", err);
        }
        if (!st)
            st = listener_start(s, &c->listeners[i], err);
    }
    if (!st)
        s->api.message_stats = message_stats;
    return st;
}

void part_statsd_stop(struct server *s)
{
    struct statsd_ports *ports = s->statsd_ports;
    for (size_t i = 0; ports && i < ports->count; i++) {
        udp_close(ports->list[i].udp);
        stream_close(ports->list[i].stream);
    }
    if (ports)
        loop_free(ports->loop);
    mem_free(ports);
    s->statsd_ports = NULL;
    statsd_free(s->api.statsd);
    s->api.statsd = NULL;
}
