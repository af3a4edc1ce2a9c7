/* SPDX-License-Identifier: Apache-2.0 */
/* Syslog: runs when a listener has that dialect. */
#include "collect/syslog.h"
#include "server/state.h"

bool part_syslog_has(struct slice dialect)
{
    return slice_eq(dialect, SLICE("syslog"));
}

static const char *file_of(const struct config *c, struct slice path)
{
    return path.len ? arena_copy(c->arena, path).ptr : NULL;
}

enum status part_syslog_run(struct server *s, struct err *err)
{
    const struct config *c = s->config;
    enum status st = ST_OK;
    for (size_t i = 0; !st && i < c->listener_count; i++) {
        if (!part_syslog_has(c->listeners[i].dialect))
            continue;
        const struct parse_rule *parse = NULL;
        if (c->listeners[i].parser.len && (parse = parse_rules_find(&c->parsers, c->listeners[i].parser, err)) == NULL)
            return err_prefix(err, "listeners: syslog: ");
        struct syslog_env env = { .clock = s->clock, .log = &s->log, .arg = s, .append = server_append_pushed };
        if (s->syslog == NULL)
            st = syslog_new(&s->syslog, &env, err);
        if (!st && (st = syslog_listen(s->syslog, c->listeners[i].address, file_of(c, c->listeners[i].tls_cert),
                                      file_of(c, c->listeners[i].tls_key), parse, err)))
            st = err_prefix(err, "listeners: syslog: ");
    }
    if (!st)
        s->api.syslog = s->syslog; /* from here on its listeners stay as they are */
    return st;
}

void part_syslog_stop(struct server *s)
{
    s->api.syslog = NULL;
    syslog_free(s->syslog);
    s->syslog = NULL;
}
