/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands that work on a data folder's accounts share. They need no server, and may run beside one: state.db takes
 * several processes, and a running server sees a change within a second. */
#ifndef STOA_CTL_ACCOUNT_H
#define STOA_CTL_ACCOUNT_H

#include "auth/accounts.h"
#include "net/client.h"

/* Flags by name; a value each. */
struct account_flag {
    const char *name;
    struct slice *place;
};
/* Everything that is no flag goes to words. False: wrong usage. */
bool account_flags(int argc, char **argv, const struct account_flag *flags, size_t flag_count, struct slice *words, size_t words_max,
                   size_t *word_count);

struct account_store {
    struct arena *arena;
    struct slice dir; /* the data folder */
    struct kv *kv;
};
/* dir empty: STOA_DATA, else ./data. make: the folder is made when absent. */
MUST_CHECK enum status account_open(struct account_store *s, struct slice dir, bool make, struct err *err);
void account_close(struct account_store *s);
/* Puts a change on record before it is made (status 0) and after. When a server has the log open, it takes the record over. */
MUST_CHECK enum status account_record(struct account_store *s, const char *action, struct slice text, int status, struct err *err);

/* STOA_PASSWORD; else asked for twice on a terminal, without showing it; else the first line of standard input. */
MUST_CHECK enum status account_password(struct arena *a, struct slice *out, struct err *err);

/* Who we are to a server: STOA_TOKEN, or STOA_USER and STOA_PASSWORD; nothing when none is set. */
void account_login(struct client_request *req);

#endif
