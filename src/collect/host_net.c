/* SPDX-License-Identifier: Apache-2.0 */
/* The network: devices by /proc/net/dev and sys/class/net, protocol counters, sockets, neighbours, connection tracking. */
#include "base/glob.h"
#include "collect/host.h"
#include "sys/machine.h"

enum { INTERFACES_MAX = 4096 };

/* ---- Devices ---- */

static const struct host_metric net_columns[] = {
    HOST_COUNTER("node_network_receive_bytes_total", "Bytes received."),
    HOST_COUNTER("node_network_receive_packets_total", "Packets received."),
    HOST_COUNTER("node_network_receive_errs_total", "Packets received with errors."),
    HOST_COUNTER("node_network_receive_drop_total", "Packets received and dropped."),
    HOST_COUNTER("node_network_receive_fifo_total", "Packets lost because a receive queue ran over."),
    HOST_COUNTER("node_network_receive_frame_total", "Packets received with broken frames."),
    HOST_COUNTER("node_network_receive_compressed_total", "Compressed packets received."),
    HOST_COUNTER("node_network_receive_multicast_total", "Multicast packets received."),
    HOST_COUNTER("node_network_transmit_bytes_total", "Bytes sent."),
    HOST_COUNTER("node_network_transmit_packets_total", "Packets sent."),
    HOST_COUNTER("node_network_transmit_errs_total", "Packets not sent because of errors."),
    HOST_COUNTER("node_network_transmit_drop_total", "Packets dropped before they were sent."),
    HOST_COUNTER("node_network_transmit_fifo_total", "Packets lost because a send queue ran over."),
    HOST_COUNTER("node_network_transmit_colls_total", "Collisions when sending."),
    HOST_COUNTER("node_network_transmit_carrier_total", "Packets not sent because the carrier was lost."),
    HOST_COUNTER("node_network_transmit_compressed_total", "Compressed packets sent."),
};

enum status host_netdev(struct host_round *r, struct err *err)
{
    static const struct host_metric nohandler = HOST_COUNTER("node_network_receive_nohandler_total", "Packets received that no protocol wanted.");
    struct slice rest, line, fields[COUNT_OF(net_columns)];
    enum status st = host_read(r, r->opt->proc, &rest, err, "net/dev");
    if (st)
        return st;
    size_t devices = 0;
    while (slice_next(&rest, '\n', &line)) {
        /* The two lines of the header have '|', and a name may hold ':' itself (eth0:1): the last one ends it. */
        size_t colon = line.len;
        while (colon > 0 && line.ptr[colon - 1] != ':')
            colon--;
        if (colon == 0 || slice_contains(line, SLICE("|")) || devices++ == INTERFACES_MAX)
            continue;
        struct slice device = slice_trim(slice_sub(line, 0, colon - 1));
        size_t count = host_fields(slice_skip(line, colon), fields, COUNT_OF(fields));
        double v;
        for (size_t i = 0; i < count; i++)
            if (host_number(fields[i], &v))
                host_put1(r, &net_columns[i], v, SLICE("device"), device);
        if (host_number_of(r, r->opt->sys, &v, "class/net/%.*s/statistics/rx_nohandler", SLICE_FMT(device)))
            host_put1(r, &nohandler, v, SLICE("device"), device);
    }
    return ST_OK;
}

static const struct {
    const char *file;
    struct host_metric metric;
} net_properties[] = {
    { "addr_assign_type", HOST_GAUGE("node_network_address_assign_type", "How the device got its address, by the kernel's number.") },
    { "carrier", HOST_GAUGE("node_network_carrier", "1 when the cable or its like is there.") },
    { "carrier_changes", HOST_COUNTER("node_network_carrier_changes_total", "Times the carrier came or went.") },
    { "carrier_up_count", HOST_COUNTER("node_network_carrier_up_changes_total", "Times the carrier came.") },
    { "carrier_down_count", HOST_COUNTER("node_network_carrier_down_changes_total", "Times the carrier went.") },
    { "dev_id", HOST_GAUGE("node_network_device_id", "Tells apart devices that share an address.") },
    { "dormant", HOST_GAUGE("node_network_dormant", "1 when the device waits for something outside.") },
    { "flags", HOST_GAUGE("node_network_flags", "The device's flags, as the kernel's number.") },
    { "ifindex", HOST_GAUGE("node_network_iface_id", "The device's number.") },
    { "iflink", HOST_GAUGE("node_network_iface_link", "The number of the device this one stands on.") },
    { "link_mode", HOST_GAUGE("node_network_iface_link_mode", "How the link decides that it is up.") },
    { "mtu", HOST_GAUGE("node_network_mtu_bytes", "Largest packet the device sends.") },
    { "name_assign_type", HOST_GAUGE("node_network_name_assign_type", "How the device got its name, by the kernel's number.") },
    { "netdev_group", HOST_GAUGE("node_network_net_dev_group", "The group the device is in.") },
    { "type", HOST_GAUGE("node_network_protocol_type", "The device's protocol, by the kernel's number.") },
    { "tx_queue_len", HOST_GAUGE("node_network_transmit_queue_length", "Packets that may wait to be sent.") },
};

static void put_interface(struct host_round *r, struct slice device)
{
    static const struct host_metric up = HOST_GAUGE("node_network_up", "1 when the device works.");
    static const struct host_metric info = HOST_GAUGE("node_network_info", "What is known of a device; always 1.");
    static const struct host_metric speed = HOST_GAUGE("node_network_speed_bytes", "Bytes per second the device can carry.");
    struct slice state;
    if (!host_line(r, r->opt->sys, &state, "class/net/%.*s/operstate", SLICE_FMT(device)))
        return; /* a file such as bonding_masters */
    host_put1(r, &up, slice_eq(state, SLICE("up")), SLICE("device"), device);
    static const char *const texts[] = { "address", "broadcast", "duplex", "ifalias" };
    struct label labels[COUNT_OF(texts) + 2];
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        labels[i] = (struct label){ slice_str(texts[i]), SLICE_EMPTY };
        if (!host_line(r, r->opt->sys, &labels[i].value, "class/net/%.*s/%s", SLICE_FMT(device), texts[i]))
            labels[i].value = SLICE_EMPTY;
    }
    labels[COUNT_OF(texts)] = (struct label){ SLICE("device"), device };
    labels[COUNT_OF(texts) + 1] = (struct label){ SLICE("operstate"), state };
    host_put_labels(r, &info, 1, labels, COUNT_OF(labels));
    double v;
    for (size_t i = 0; i < COUNT_OF(net_properties); i++)
        if (host_number_of(r, r->opt->sys, &v, "class/net/%.*s/%s", SLICE_FMT(device), net_properties[i].file))
            host_put1(r, &net_properties[i].metric, v, SLICE("device"), device);
    /* In Mbit/s; -1 when the device does not know. */
    if (host_number_of(r, r->opt->sys, &v, "class/net/%.*s/speed", SLICE_FMT(device)) && v >= 0)
        host_put1(r, &speed, v * 1000 * 1000 / 8, SLICE("device"), device);
}

enum status host_netclass(struct host_round *r, struct err *err)
{
    struct slice names, name;
    enum status st = host_list(r, r->opt->sys, &names, err, "class/net");
    if (st)
        return st;
    for (size_t i = 0; i < INTERFACES_MAX && slice_next(&names, 0, &name); i++)
        put_interface(r, name);
    return ST_OK;
}

/* ---- Protocols ---- */

/* The fields node_exporter gives unless told otherwise. */
static bool netstat_is_wanted(struct slice name)
{
    static const struct slice patterns[] = {
        SLICE_INIT("*_InErrors"),         SLICE_INIT("*_InErrs"),          SLICE_INIT("Ip_Forwarding"),     SLICE_INIT("Ip6_InOctets"),
        SLICE_INIT("Ip6_OutOctets"),      SLICE_INIT("IpExt_InOctets"),    SLICE_INIT("IpExt_OutOctets"),   SLICE_INIT("Icmp_InMsgs"),
        SLICE_INIT("Icmp_OutMsgs"),       SLICE_INIT("Icmp6_InMsgs"),      SLICE_INIT("Icmp6_OutMsgs"),     SLICE_INIT("TcpExt_Listen*"),
        SLICE_INIT("TcpExt_Syncookies*"), SLICE_INIT("TcpExt_TCPSynRetrans"), SLICE_INIT("TcpExt_TCPTimeouts"), SLICE_INIT("TcpExt_TCPOFOQueue"),
        SLICE_INIT("TcpExt_TCPRcvQDrop"), SLICE_INIT("Tcp_ActiveOpens"),   SLICE_INIT("Tcp_InSegs"),        SLICE_INIT("Tcp_OutSegs"),
        SLICE_INIT("Tcp_OutRsts"),        SLICE_INIT("Tcp_PassiveOpens"),  SLICE_INIT("Tcp_RetransSegs"),   SLICE_INIT("Tcp_CurrEstab"),
        SLICE_INIT("Udp_InDatagrams"),    SLICE_INIT("Udp_OutDatagrams"),  SLICE_INIT("Udp_NoPorts"),       SLICE_INIT("Udp_RcvbufErrors"),
        SLICE_INIT("Udp_SndbufErrors"),   SLICE_INIT("Udp6_InDatagrams"),  SLICE_INIT("Udp6_OutDatagrams"), SLICE_INIT("Udp6_NoPorts"),
        SLICE_INIT("Udp6_RcvbufErrors"),  SLICE_INIT("Udp6_SndbufErrors"),
    };
    for (size_t i = 0; i < COUNT_OF(patterns); i++)
        if (glob_match(patterns[i], name))
            return true;
    return false;
}

static void put_netstat(struct host_round *r, struct slice protocol, struct slice field, struct slice text)
{
    struct slice name = arena_printf(r->scratch, "%.*s_%.*s", SLICE_FMT(protocol), SLICE_FMT(field));
    double v;
    if (netstat_is_wanted(name) && host_number(text, &v))
        host_put_named(r, METRIC_UNKNOWN, SLICE("node_netstat_"), name, SLICE_EMPTY, v);
}

/* Pairs of lines: "Tcp: names..." and "Tcp: numbers...". */
static void put_netstat_pairs(struct host_round *r, struct slice rest)
{
    struct slice names, numbers, protocol, again, name, number;
    while (slice_next(&rest, '\n', &names) && slice_next(&rest, '\n', &numbers)) {
        if (!slice_cut(names, ':', &protocol, &names) || !slice_cut(numbers, ':', &again, &numbers) || !slice_eq(protocol, again))
            continue;
        names = slice_trim(names);
        numbers = slice_trim(numbers);
        while (slice_next(&names, ' ', &name) && slice_next(&numbers, ' ', &number))
            put_netstat(r, protocol, name, number);
    }
}

enum status host_netstat(struct host_round *r, struct err *err)
{
    struct slice rest, line, fields[2];
    enum status st = host_read(r, r->opt->proc, &rest, err, "net/netstat");
    if (st)
        return st;
    put_netstat_pairs(r, rest);
    st = host_read(r, r->opt->proc, &rest, err, "net/snmp");
    if (st)
        return st;
    put_netstat_pairs(r, rest);
    /* "Ip6InOctets 12", a line each; absent where IPv6 is off. */
    if (host_read(r, r->opt->proc, &rest, NULL, "net/snmp6"))
        return ST_OK;
    while (slice_next(&rest, '\n', &line)) {
        size_t six = slice_find_char(line, '6', 0);
        if (six != SIZE_MAX && host_fields(line, fields, 2) == 2 && six + 1 < fields[0].len)
            put_netstat(r, slice_sub(fields[0], 0, six + 1), slice_skip(fields[0], six + 1), fields[1]);
    }
    return ST_OK;
}

/* "TCP: inuse 5 orphan 0 mem 3": pairs after the protocol; mem is in pages. */
static void put_sockstat(struct host_round *r, struct slice rest)
{
    struct slice line, protocol, pairs, fields[HOST_FIELDS_MAX];
    while (slice_next(&rest, '\n', &line)) {
        if (!slice_cut(line, ':', &protocol, &pairs))
            continue;
        size_t count = host_fields(pairs, fields, COUNT_OF(fields));
        for (size_t i = 0; i + 1 < count; i += 2) {
            double v;
            if (!host_number(fields[i + 1], &v))
                continue;
            struct slice name = arena_printf(r->scratch, "%.*s_%.*s", SLICE_FMT(protocol), SLICE_FMT(fields[i]));
            host_put_named(r, METRIC_GAUGE, SLICE("node_sockstat_"), name, SLICE_EMPTY, v);
            if (slice_eq(fields[i], SLICE("mem")))
                host_put_named(r, METRIC_GAUGE, SLICE("node_sockstat_"), name, SLICE("_bytes"), v * (double)machine_page_bytes());
        }
    }
}

enum status host_sockstat(struct host_round *r, struct err *err)
{
    struct slice rest;
    enum status st = host_read(r, r->opt->proc, &rest, err, "net/sockstat");
    if (st)
        return st;
    put_sockstat(r, rest);
    if (host_read(r, r->opt->proc, &rest, NULL, "net/sockstat6") == ST_OK)
        put_sockstat(r, rest);
    return ST_OK;
}

enum status host_arp(struct host_round *r, struct err *err)
{
    static const struct host_metric entries = HOST_GAUGE("node_arp_entries", "Neighbours known, by device.");
    enum { FIELD_DEVICE = 5 };
    struct slice rest, line, fields[FIELD_DEVICE + 1];
    enum status st = host_read(r, r->opt->proc, &rest, err, "net/arp");
    if (st)
        return st;
    struct map devices;
    map_init(&devices);
    slice_next(&rest, '\n', &line); /* the header */
    while (slice_next(&rest, '\n', &line)) {
        bool added;
        if (host_fields(line, fields, COUNT_OF(fields)) == COUNT_OF(fields))
            ++*map_put(&devices, fields[FIELD_DEVICE], &added);
    }
    struct map_entry *e;
    for (size_t i = 0; (e = map_each(&devices, &i)) != NULL;)
        host_put1(r, &entries, (double)e->value, SLICE("device"), e->key);
    map_free(&devices);
    return ST_OK;
}

/* ---- Connection tracking ---- */

/* A table with a header of names and a line of hexadecimal numbers for each processor: sums by name. */
static void put_conntrack_stats(struct host_round *r, struct slice rest)
{
    static const struct {
        struct slice column;
        struct host_metric metric;
    } wanted[] = {
        { SLICE_INIT("found"), HOST_GAUGE("node_nf_conntrack_stat_found", "Lookups that found an entry.") },
        { SLICE_INIT("invalid"), HOST_GAUGE("node_nf_conntrack_stat_invalid", "Packets that cannot be tracked.") },
        { SLICE_INIT("ignore"), HOST_GAUGE("node_nf_conntrack_stat_ignore", "Packets that already belong to an entry.") },
        { SLICE_INIT("insert"), HOST_GAUGE("node_nf_conntrack_stat_insert", "Entries put in.") },
        { SLICE_INIT("insert_failed"), HOST_GAUGE("node_nf_conntrack_stat_insert_failed", "Entries that could not be put in.") },
        { SLICE_INIT("drop"), HOST_GAUGE("node_nf_conntrack_stat_drop", "Packets dropped because tracking failed.") },
        { SLICE_INIT("early_drop"), HOST_GAUGE("node_nf_conntrack_stat_early_drop", "Entries dropped to make room for others.") },
        { SLICE_INIT("search_restart"), HOST_GAUGE("node_nf_conntrack_stat_search_restart", "Lookups begun again because the table grew.") },
    };
    struct slice header, line, names[HOST_FIELDS_MAX], fields[HOST_FIELDS_MAX];
    double sums[COUNT_OF(wanted)] = { 0 };
    if (!slice_next(&rest, '\n', &header))
        return;
    size_t columns = host_fields(header, names, COUNT_OF(names));
    while (slice_next(&rest, '\n', &line)) {
        size_t count = host_fields(line, fields, COUNT_OF(fields));
        for (size_t c = 0; c < MIN(count, columns); c++) {
            double v;
            for (size_t i = 0; i < COUNT_OF(wanted); i++)
                if (slice_eq(names[c], wanted[i].column) && host_hex(fields[c], &v))
                    sums[i] += v;
        }
    }
    for (size_t i = 0; i < COUNT_OF(wanted); i++)
        host_put(r, &wanted[i].metric, sums[i]);
}

enum status host_conntrack(struct host_round *r, struct err *err)
{
    static const struct host_metric entries = HOST_GAUGE("node_nf_conntrack_entries", "Connections tracked.");
    static const struct host_metric limit = HOST_GAUGE("node_nf_conntrack_entries_limit", "Connections that can be tracked.");
    double v;
    if (!host_number_of(r, r->opt->proc, &v, "sys/net/netfilter/nf_conntrack_count"))
        return err_set(err, ST_NOT_FOUND, "proc/sys/net/netfilter/nf_conntrack_count: not there, so connections are not tracked");
    host_put(r, &entries, v);
    if (host_number_of(r, r->opt->proc, &v, "sys/net/netfilter/nf_conntrack_max"))
        host_put(r, &limit, v);
    struct slice text;
    if (host_read(r, r->opt->proc, &text, NULL, "net/stat/nf_conntrack") == ST_OK)
        put_conntrack_stats(r, text);
    return ST_OK;
}

enum status host_udp_queues(struct host_round *r, struct err *err)
{
    static const struct host_metric queues = HOST_GAUGE("node_udp_queues", "Bytes waiting in the queues of UDP sockets.");
    static const struct {
        const char *file;
        struct slice ip;
    } tables[] = { { "net/udp", SLICE_INIT("v4") }, { "net/udp6", SLICE_INIT("v6") } };
    enum { FIELD_QUEUES = 4 };
    enum status result = ST_NOT_FOUND;
    for (size_t t = 0; t < COUNT_OF(tables); t++) {
        struct slice rest, line, fields[FIELD_QUEUES + 1], tx, rx;
        double sent = 0, received = 0, v;
        if (host_read(r, r->opt->proc, &rest, err, "%s", tables[t].file))
            continue;
        slice_next(&rest, '\n', &line); /* the header */
        while (slice_next(&rest, '\n', &line)) {
            if (host_fields(line, fields, COUNT_OF(fields)) < COUNT_OF(fields) || !slice_cut(fields[FIELD_QUEUES], ':', &tx, &rx))
                continue;
            sent += host_hex(tx, &v) ? v : 0;
            received += host_hex(rx, &v) ? v : 0;
        }
        host_put2(r, &queues, sent, SLICE("ip"), tables[t].ip, SLICE("queue"), SLICE("tx"));
        host_put2(r, &queues, received, SLICE("ip"), tables[t].ip, SLICE("queue"), SLICE("rx"));
        result = ST_OK;
    }
    return result;
}
