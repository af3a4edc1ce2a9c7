/* SPDX-License-Identifier: Apache-2.0 */
/* The roles are one table, role by permission, and nothing else decides. An auditor sees who read what, not what was read. */
#include "auth/role.h"

static const struct {
    const char *name;
    bool may[PERMIT_COUNT];
} roles[ROLE_COUNT] = {
    [ROLE_NONE] = { "none", { [PERMIT_PUBLIC] = true } },
    [ROLE_VIEWER] = { "viewer", { [PERMIT_PUBLIC] = true, [PERMIT_READ] = true } },
    [ROLE_EDITOR] = { "editor", { [PERMIT_PUBLIC] = true, [PERMIT_READ] = true, [PERMIT_WRITE] = true, [PERMIT_EDIT] = true } },
    [ROLE_ADMIN] = { "admin",
                     { [PERMIT_PUBLIC] = true, [PERMIT_READ] = true, [PERMIT_WRITE] = true, [PERMIT_EDIT] = true, [PERMIT_ADMIN] = true,
                       [PERMIT_AUDIT] = true } },
    [ROLE_INGEST] = { "ingest-only", { [PERMIT_PUBLIC] = true, [PERMIT_WRITE] = true } },
    [ROLE_AUDITOR] = { "auditor", { [PERMIT_PUBLIC] = true, [PERMIT_AUDIT] = true } },
};

static const char *const permissions[PERMIT_COUNT] = {
    [PERMIT_PUBLIC] = "public", [PERMIT_READ] = "read",   [PERMIT_WRITE] = "write",
    [PERMIT_EDIT] = "edit",     [PERMIT_ADMIN] = "admin", [PERMIT_AUDIT] = "audit",
};

const char *role_name(enum role r)
{
    return roles[r < ROLE_COUNT ? r : ROLE_NONE].name;
}

bool role_parse(struct slice text, enum role *out)
{
    for (int r = ROLE_NONE + 1; r < ROLE_COUNT; r++) {
        if (!slice_eq(slice_str(roles[r].name), text))
            continue;
        *out = (enum role)r;
        return true;
    }
    return false;
}

bool role_may(enum role r, enum permission p)
{
    return r < ROLE_COUNT && p < PERMIT_COUNT && roles[r].may[p];
}

const char *permission_name(enum permission p)
{
    return p < PERMIT_COUNT ? permissions[p] : "unknown";
}
