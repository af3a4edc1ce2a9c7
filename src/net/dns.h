/* SPDX-License-Identifier: Apache-2.0 */
/* One question to DNS, by c-ares: the records as they are, which the system's resolver does not tell. */
#ifndef STOA_NET_DNS_H
#define STOA_NET_DNS_H

#include "base/arena.h"
#include "base/err.h"

enum { DNS_RECORDS_MAX = 10 * 1000, DNS_TRIES = 2, DNS_SERVERS_MAX = 8 };

enum dns_type { DNS_A, DNS_AAAA, DNS_SRV, DNS_MX };

struct dns_record {
    struct slice target; /* an address, or a host's name without the dot at its end */
    uint16_t port;       /* SRV */
};

/* Blocks for at most about timeout_ns. servers: "127.0.0.1:53"; none: /etc/resolv.conf's, with its search list. A name that does
 * not exist, or has no such records, has none: ST_OK. Everything lives in a. */
MUST_CHECK enum status dns_lookup(struct arena *a, const struct slice *servers, size_t server_count, struct slice name, enum dns_type type,
                                  int64_t timeout_ns, struct dns_record **out, size_t *count, struct err *err);

#endif
