/* SPDX-License-Identifier: Apache-2.0 */
/* `stoa user add|passwd|role|remove|list`. */
#include <stdio.h>

#include "base/date.h"
#include "ctl/account.h"
#include "ctl/commands.h"

static const char usage[] = "usage: stoa user add NAME --role ROLE [--tenants A,B] [--data DIR]\n"
                            "       stoa user passwd NAME [--data DIR]\n"
                            "       stoa user role NAME ROLE [--data DIR]\n"
                            "       stoa user remove NAME [--data DIR]\n"
                            "       stoa user list [--data DIR]\n"
                            "roles: viewer, editor, admin, ingest-only, auditor. The password is asked for, or read from STOA_PASSWORD or\n"
                            "standard input.\n";

static enum status read_spec(struct account_asked *q, struct err *err)
{
    struct slice *list;
    if (!role_parse(q->role, &q->spec.role))
        return err_set(err, ST_INVALID, "role \"%.*s\" is unknown; allowed: viewer, editor, admin, ingest-only, auditor", SLICE_FMT(q->role));
    q->spec.name = q->name;
    enum status st = tenants_parse(q->store.arena, q->tenants, &list, &q->spec.tenant_count, err);
    q->spec.tenants = list;
    return st;
}

/* On record, done, on record how it went. */
static enum status change(struct account_asked *q, const char *action, struct slice text,
                          enum status (*run)(struct account_asked *, struct err *), struct err *err)
{
    enum status st = account_record(&q->store, action, text, 0, err);
    if (st)
        return st;
    st = run(q, err);
    return account_told(&q->store, action, text, st ? 400 : 200, st, err);
}

static enum status do_add(struct account_asked *q, struct err *err)
{
    return user_add(q->store.kv, clock_real(), &q->spec, q->password, err);
}

static enum status do_password(struct account_asked *q, struct err *err)
{
    return user_set_password(q->store.kv, clock_real(), q->name, q->password, err);
}

static enum status do_role(struct account_asked *q, struct err *err)
{
    return user_set_role(q->store.kv, clock_real(), q->name, q->spec.role, err);
}

static enum status do_remove(struct account_asked *q, struct err *err)
{
    return user_remove(q->store.kv, q->name, err);
}

static enum status add(struct account_asked *q, struct err *err)
{
    enum status st = read_spec(q, err);
    if (!st)
        st = account_password(q->store.arena, &q->password, err);
    if (!st)
        st = user_check(q->store.kv, &q->spec, q->password, err);
    return st ? st : change(q, "user.add", arena_printf(q->store.arena, "%.*s role=%s", SLICE_FMT(q->name), role_name(q->spec.role)), do_add, err);
}

static enum status password(struct account_asked *q, struct err *err)
{
    enum status st = account_password(q->store.arena, &q->password, err);
    return st ? st : change(q, "user.change", arena_printf(q->store.arena, "%.*s password=changed", SLICE_FMT(q->name)), do_password, err);
}

static enum status set_role(struct account_asked *q, struct err *err)
{
    enum status st = read_spec(q, err);
    struct slice text = arena_printf(q->store.arena, "%.*s role=%.*s", SLICE_FMT(q->name), SLICE_FMT(q->role));
    return st ? st : change(q, "user.change", text, do_role, err);
}

static enum status drop(struct account_asked *q, struct err *err)
{
    enum status st = change(q, "user.remove", q->name, do_remove, err);
    struct user *users;
    size_t n;
    if (!st && users_list(q->store.kv, q->store.arena, &users, &n, err) == ST_OK && n == 0)
        fprintf(stderr, "stoa user: that was the last user: without tokens a server on loopback needs no login from now on\n");
    return st;
}

static enum status list(struct account_asked *q, struct err *err)
{
    struct user *users;
    size_t n;
    enum status st = users_list(q->store.kv, q->store.arena, &users, &n, err);
    for (size_t i = 0; !st && i < n; i++) {
        char text[DATE_TEXT_BYTES_MAX];
        size_t len = date_format_rfc3339(users[i].changed_ms * NS_MS, 0, 0, text);
        printf("%.*s\t%s\t%.*s", SLICE_FMT(users[i].name), role_name(users[i].role), (int)len, text);
        for (size_t k = 0; k < users[i].tenant_count; k++)
            printf("%s%.*s", k ? "," : "\t", SLICE_FMT(users[i].tenants[k]));
        printf("\n");
    }
    return st;
}

int user_command(int argc, char **argv)
{
    static const struct account_action actions[] = { { "add", 2, true, add }, { "passwd", 2, false, password }, { "role", 3, false, set_role },
                                                     { "remove", 2, false, drop }, { "list", 1, false, list } };
    static const struct account_command command = { "user", usage, false, actions, COUNT_OF(actions) };
    return account_command_run(&command, argc, argv);
}
