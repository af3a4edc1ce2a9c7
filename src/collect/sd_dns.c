/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json.h"
#include "collect/sd.h"

#define DNS_TIMEOUT_NS (5 * NS_S)

/* One record, one group. Names of hosts in labels end in a dot, as Prometheus has them. */
static void put_record(struct json_writer *w, struct arena *a, const struct dns_sd *sd, struct slice name, const struct dns_record *r)
{
    int port = sd->type == DNS_SRV ? r->port : (int)sd->port;
    bool is_v6 = sd->type == DNS_AAAA;
    json_object_begin(w);
    json_key(w, SLICE("targets"));
    json_array_begin(w);
    json_string(w, arena_printf(a, "%s%.*s%s:%d", is_v6 ? "[" : "", SLICE_FMT(r->target), is_v6 ? "]" : "", port));
    json_array_end(w);
    json_key(w, SLICE("labels"));
    json_object_begin(w);
    json_key(w, SLICE("__meta_dns_name"));
    json_string(w, name);
    if (sd->type == DNS_SRV) {
        json_key(w, SLICE("__meta_dns_srv_record_target"));
        json_string(w, arena_printf(a, "%.*s.", SLICE_FMT(r->target)));
        json_key(w, SLICE("__meta_dns_srv_record_port"));
        json_string(w, arena_printf(a, "%d", port));
    }
    if (sd->type == DNS_MX) {
        json_key(w, SLICE("__meta_dns_mx_record_target"));
        json_string(w, arena_printf(a, "%.*s.", SLICE_FMT(r->target)));
    }
    json_object_end(w);
    json_object_end(w);
}

/* Servers give records in any order, often another each time. */
static void sort(struct dns_record *list, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct dns_record r = list[i];
        size_t at = i;
        for (; at > 0; at--) {
            int c = slice_cmp(r.target, list[at - 1].target);
            if (c > 0 || (c == 0 && r.port >= list[at - 1].port))
                break;
            list[at] = list[at - 1];
        }
        list[at] = r;
    }
}

enum status sd_dns_look(const struct dns_sd *sd, struct buf *out, struct err *err)
{
    struct arena *a = arena_new(0);
    struct json_writer w;
    enum status st = ST_OK;
    json_writer_init(&w, out);
    json_array_begin(&w);
    for (size_t i = 0; !st && i < sd->name_count; i++) {
        struct dns_record *list;
        size_t n;
        st = dns_lookup(a, sd->servers, sd->server_count, sd->names[i], sd->type, DNS_TIMEOUT_NS, &list, &n, err);
        if (st)
            break;
        sort(list, n);
        for (size_t k = 0; k < n; k++)
            put_record(&w, a, sd, sd->names[i], &list[k]);
    }
    json_array_end(&w);
    arena_free(a);
    return st;
}
