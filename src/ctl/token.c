/* SPDX-License-Identifier: Apache-2.0 */
/* `stoa token create|list|revoke`. The token itself is printed once, alone on standard output. */
#include <stdio.h>

#include "base/date.h"
#include "ctl/account.h"
#include "ctl/commands.h"

static const char usage[] = "usage: stoa token create NAME --role ROLE [--tenants A,B] [--expires 90d] [--data DIR]\n"
                            "       stoa token list [--data DIR]\n"
                            "       stoa token revoke ID [--data DIR]\n"
                            "roles: viewer, editor, admin, ingest-only, auditor\n";

static enum status create(struct account_asked *q, struct err *err)
{
    struct arena *a = q->store.arena;
    struct account_spec spec = { .name = q->name, .created_by = SLICE("cli") };
    struct slice *tenants, secret, id;
    int64_t ms;
    if (!role_parse(q->role, &spec.role))
        return err_set(err, ST_INVALID, "role \"%.*s\" is unknown; allowed: viewer, editor, admin, ingest-only, auditor", SLICE_FMT(q->role));
    if (q->expires.len) {
        if (!duration_parse_prom(q->expires, &ms) || ms <= 0 || ms > TOKEN_DAYS_MAX * MS_DAY)
            return err_set(err, ST_INVALID, "--expires: found \"%.*s\", allowed a duration such as 90d, at most %dd", SLICE_FMT(q->expires),
                           TOKEN_DAYS_MAX);
        spec.expires_ms = clock_wall_ms(clock_real()) + ms;
    }
    enum status st = tenants_parse(a, q->tenants, &tenants, &spec.tenant_count, err);
    if (st)
        return st;
    spec.tenants = tenants;
    struct slice text = arena_printf(a, "%.*s role=%s", SLICE_FMT(q->name), role_name(spec.role));
    st = account_record(&q->store, "token.create", text, 0, err);
    if (st)
        return st;
    st = token_create(q->store.kv, clock_real(), &spec, a, &secret, &id, err);
    st = account_told(&q->store, "token.create", text, st ? 400 : 201, st, err);
    if (st)
        return st;
    printf("%.*s\n", SLICE_FMT(secret));
    fprintf(stderr, "stoa token: id %.*s; keep the token, it is not shown again. From now on a login is needed.\n", SLICE_FMT(id));
    return ST_OK;
}

static enum status list(struct account_asked *q, struct err *err)
{
    struct token *tokens;
    size_t n;
    enum status st = tokens_list(q->store.kv, q->store.arena, &tokens, &n, err);
    for (size_t i = 0; !st && i < n; i++) {
        char text[DATE_TEXT_BYTES_MAX];
        size_t len = tokens[i].expires_ms ? date_format_rfc3339(tokens[i].expires_ms * NS_MS, 0, 0, text) : 0;
        printf("%.*s\t%.*s\t%s\t%.*s", SLICE_FMT(tokens[i].id), SLICE_FMT(tokens[i].name), role_name(tokens[i].role), len ? (int)len : 5,
               len ? text : "never");
        for (size_t k = 0; k < tokens[i].tenant_count; k++)
            printf("%s%.*s", k ? "," : "\t", SLICE_FMT(tokens[i].tenants[k]));
        printf("\n");
    }
    return st;
}

static enum status revoke(struct account_asked *q, struct err *err)
{
    enum status st = account_record(&q->store, "token.revoke", q->name, 0, err);
    if (st)
        return st;
    st = token_revoke(q->store.kv, q->name, err);
    return account_told(&q->store, "token.revoke", q->name, st ? 404 : 200, st, err);
}

int token_command(int argc, char **argv)
{
    static const struct account_action actions[] = { { "create", 2, true, create }, { "list", 1, false, list }, { "revoke", 2, false, revoke } };
    static const struct account_command command = { "token", usage, true, actions, COUNT_OF(actions) };
    return account_command_run(&command, argc, argv);
}
