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

/* The record after a change that came to st: status, and st when it failed, else how the recording went. */
MUST_CHECK enum status account_told(struct account_store *s, const char *action, struct slice text, int status, enum status st,
                                    struct err *err);

/* What a command line asks for; what it does not say is empty. */
struct account_asked {
    struct account_store store;
    struct slice name, role, tenants, expires, dir;
    struct account_spec spec;
    struct slice password;
};
struct account_action {
    const char *name;
    size_t words; /* itself, then NAME, then ROLE */
    bool make;    /* the data folder, when absent */
    enum status (*run)(struct account_asked *q, struct err *err);
};
struct account_command {
    const char *name, *usage;
    bool has_expires; /* --expires is a flag of it */
    const struct account_action *actions;
    size_t action_count;
};
/* Does the action of argv[1], with the store open. The exit code: 2 for wrong usage. */
int account_command_run(const struct account_command *c, int argc, char **argv);

/* STOA_PASSWORD; else asked for twice on a terminal, without showing it; else the first line of standard input. */
MUST_CHECK enum status account_password(struct arena *a, struct slice *out, struct err *err);

/* Who we are to a server: STOA_TOKEN, or STOA_USER and STOA_PASSWORD; nothing when none is set. And whom we believe: STOA_CA_FILE in
 * place of the system's authorities. */
void account_login(struct client_request *req);

#endif
