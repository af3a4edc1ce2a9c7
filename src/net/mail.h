/* SPDX-License-Identifier: Apache-2.0 */
/* Mail by SMTP, by libcurl: one message over one connection of its own. Any thread; blocks.
 *
 * Header values go through mail_put_header, which lets no line break through and encodes what is not ASCII (RFC 2047);
 * addresses are taken only when mail_address_is_valid. So nothing of a message can become a header or a command. */
#ifndef STOA_NET_MAIL_H
#define STOA_NET_MAIL_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { MAIL_RECIPIENTS_MAX = 100, MAIL_ADDRESS_BYTES_MAX = 254, MAIL_HEADER_BYTES_MAX = 2000 };

struct mail_server {
    struct slice address;        /* "smtp.example.com:587"; port 465: TLS from the first byte */
    struct slice hello;          /* empty: "localhost" */
    struct slice user, password; /* empty user: no login */
    bool require_tls;            /* STARTTLS or nothing; false: STARTTLS when the server offers it */
    bool tls_insecure;
    struct slice ca_file, cert_file, key_file, server_name; /* empty: the system's */
    int64_t timeout_ns;
};

/* from and to: bare addresses. message: headers and body, lines ended by CR LF. *cancelled, when given, ends it soon.
 * ST_INVALID: refused for good (a 5yz answer, a wrong login, a bad certificate); ST_UNAVAILABLE, ST_TIMEOUT: try again later. */
MUST_CHECK enum status mail_send(const struct mail_server *s, struct slice from, const struct slice *to, size_t to_count, struct slice message,
                                 const atomic_bool *cancelled, struct err *err);

/* local@domain of printable ASCII, without quotes, spaces and angle brackets. */
bool mail_address_is_valid(struct slice address);
/* "Ada <ada@example.com>, bob@example.com": the bare addresses. ST_INVALID names what is none. */
MUST_CHECK enum status mail_addresses_read(struct arena *a, struct slice text, struct slice **out, size_t *count, struct err *err);
/* "Name: value\r\n". At most MAIL_HEADER_BYTES_MAX bytes of value are taken. */
void mail_put_header(struct buf *out, struct slice name, struct slice value);
/* An address list as given, names encoded; "To: ". */
MUST_CHECK enum status mail_put_addresses(struct arena *a, struct buf *out, struct slice name, struct slice list, struct err *err);
/* A part of a multipart message: its headers and text in base64. */
void mail_put_part(struct buf *out, struct slice boundary, struct slice content_type, struct slice text);

#endif
