/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what: five roles, and for each what it is permitted. A route of the API states one permission. */
#ifndef STOA_AUTH_ROLE_H
#define STOA_AUTH_ROLE_H

#include "base/slice.h"

enum permission {
    PERMIT_PUBLIC, /* everybody, without a login: health, the login itself, the page's files */
    PERMIT_READ,   /* queries of metrics, logs and traces; status */
    PERMIT_WRITE,  /* ingest */
    PERMIT_EDIT,   /* rules, silences, acknowledgements, boards, checks */
    PERMIT_ADMIN,  /* users, tokens, erase, flush, merge, reload */
    PERMIT_AUDIT,  /* the audit log */
    PERMIT_COUNT
};

enum role { ROLE_NONE, ROLE_VIEWER, ROLE_EDITOR, ROLE_ADMIN, ROLE_INGEST, ROLE_AUDITOR, ROLE_COUNT };

/* "viewer", "editor", "admin", "ingest-only", "auditor"; "none". Never NULL. */
const char *role_name(enum role r);
/* False for any other word; ROLE_NONE has none. */
bool role_parse(struct slice text, enum role *out);
bool role_may(enum role r, enum permission p);
/* "public", "read", "write", "edit", "admin", "audit". */
const char *permission_name(enum permission p);

#endif
