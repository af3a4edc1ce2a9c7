/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts and the audit log, and the rule about addresses: on loopback nobody needs a login until there is an account; an address
 * that others reach needs TLS and a login, or --insecure. Once such an address is served, removing the last account does not
 * open the server: a login stays required until the next start. */
#include <arpa/inet.h>
#include <stdio.h>

#include "auth/auth.h"
#include "server/state.h"

enum { HOST_TEXT_BYTES_MAX = 64 };

/* By the number of the address: a name may lead anywhere, "localhost" alone excepted. */
static bool is_loopback(struct slice address)
{
    char text[HOST_TEXT_BYTES_MAX] = { 0 };
    struct in_addr v4;
    struct in6_addr v6;
    size_t colon = SIZE_MAX;
    for (size_t i = 0; i < address.len; i++)
        if (address.ptr[i] == ':')
            colon = i;
    struct slice host = slice_sub(address, 0, MIN(colon, address.len));
    bool bracketed = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (bracketed)
        host = slice_sub(host, 1, host.len - 1);
    if (slice_eq(host, SLICE("localhost")))
        return true;
    if (host.len == 0 || host.len >= sizeof text)
        return false;
    memcpy(text, host.ptr, host.len);
    if (inet_pton(AF_INET, text, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return bracketed && inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static enum status check_address(struct server *s, struct slice address, bool has_tls, bool *beyond, struct err *err)
{
    if (is_loopback(address))
        return ST_OK;
    *beyond = true;
    bool has_login = auth_has_accounts(s->api.auth);
    if (s->flags.insecure || (has_tls && has_login))
        return ST_OK;
    const char *missing = has_tls ? "a login is" : has_login ? "TLS is" : "TLS and a login are";
    return err_set(err, ST_DENIED,
                   "%.*s can be reached from other machines, and %s missing. TLS: give cert_file and key_file under \"tls\". A login: "
                   "stoa user add NAME --role admin --data %.*s. Or listen on 127.0.0.1, or say --insecure to serve whoever comes",
                   SLICE_FMT(address), missing, SLICE_FMT(s->data_dir));
}

/* StatsD and syslog have neither TLS nor login. */
static enum status check_without_login(struct server *s, struct slice address, const char *what, struct err *err)
{
    struct slice host = part_statsd_host(address);
    if (host.len == 0 || is_loopback(host) || s->flags.insecure)
        return ST_OK;
    return err_set(err, ST_DENIED,
                   "%.*s can be reached from other machines, and %s knows no login. Listen on 127.0.0.1%s, or say --insecure to "
                   "take what anybody sends",
                   SLICE_FMT(address), what, slice_eq(slice_str(what), SLICE("StatsD")) ? " or a Unix socket" : "");
}

static enum status check_addresses(struct server *s, bool *beyond, struct err *err)
{
    const struct config *c = s->config;
    struct slice main_address = s->flags.listen.len ? s->flags.listen : c->listen;
    enum status st = check_address(s, main_address, c->tls_cert.len > 0, beyond, err);
    for (size_t i = 0; !st && c->listeners_given && i < c->listener_count; i++)
        st = part_statsd_has(c->listeners[i].dialect) ?
                 check_without_login(s, c->listeners[i].address, "StatsD", err) :
             part_syslog_has(c->listeners[i].dialect) ?
                 check_without_login(s, c->listeners[i].address, "syslog", err) :
                 check_address(s, c->listeners[i].address, c->listeners[i].tls_cert.len > 0, beyond, err);
    return st;
}

enum status part_auth_prepare(struct server *s, struct err *err)
{
    s->api.kv = s->kv;
    s->api.audit_fs = s->fs;
    s->api.audit_dir = arena_printf(s->flags.arena, "%.*s/audit", SLICE_FMT(s->data_dir));
    struct audit_options audit = { .fs = s->fs, .dir = s->api.audit_dir, .kv = s->kv, .clock = s->clock, .log = &s->log };
    enum status st = audit_open(&s->api.audit, &audit, err);
    struct auth_options auth = { .kv = s->kv, .clock = s->clock, .log = &s->log, .audit = s->api.audit, .required = s->config->login_required };
    if (!st)
        st = auth_new(&s->api.auth, &auth, err);
    if (!st)
        st = check_addresses(s, &s->is_beyond_loopback, err);
    if (st)
        return st;
    if (s->is_beyond_loopback && !s->flags.insecure)
        auth_set_required(s->api.auth, true);
    if (s->is_beyond_loopback && !auth_is_needed(s->api.auth))
        buf_printf(&s->config->warnings, "serving other machines without a login, as --insecure says: whoever reaches us may read and write\n");
    return ST_OK;
}

void part_auth_reload(struct server *s)
{
    struct audit_record r = { .user = SLICE("stoa"), .action = SLICE("config.applied"), .text = SLICE("by SIGHUP or /-/reload"), .status = 200 };
    auth_set_required(s->api.auth, s->config->login_required || (s->is_beyond_loopback && !s->flags.insecure));
    audit_add(s->api.audit, &r);
}

void part_auth_stop(struct server *s)
{
    auth_free(s->api.auth);
    audit_close(s->api.audit);
    s->api.auth = NULL;
    s->api.audit = NULL;
}
