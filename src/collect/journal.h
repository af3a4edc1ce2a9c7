/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's journal, or the journal files in a folder, by libsystemd. */
#ifndef STOA_COLLECT_JOURNAL_H
#define STOA_COLLECT_JOURNAL_H

#include "collect/collect.h"

enum {
    JOURNAL_FIRST_ENTRIES_MAX = 10 * 1000, /* of the machine's journal, when it was never read before */
    JOURNAL_BATCH_ENTRIES_MAX = 1000
};

struct journal;
/* Keeps env and dir (empty: the machine's). ST_NOT_FOUND: there is no journal. All calls of one journal on one thread. */
MUST_CHECK enum status journal_open(struct journal **out, const struct collect_env *env, struct slice dir, size_t line_bytes_max, struct err *err);
void journal_free(struct journal *j); /* accepts NULL */
/* Stores what is new, at most JOURNAL_BATCH_ENTRIES_MAX entries; *entries 0: nothing is. An error: they are read again later. */
MUST_CHECK enum status journal_round(struct journal *j, size_t *entries, struct err *err);
/* Sleeps until something may be new, at most ns. False when the journal cannot be waited for: then it came back at once. */
MUST_CHECK bool journal_wait(struct journal *j, int64_t ns);

#endif
