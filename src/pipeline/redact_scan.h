/* SPDX-License-Identifier: Apache-2.0 */
/* Between redact.c and its two scanners. */
#ifndef STOA_PIPELINE_REDACT_SCAN_H
#define STOA_PIPELINE_REDACT_SCAN_H

#include "pipeline/redact.h"

struct regex;

struct redact_words { /* what a letter or digit is beyond ASCII, as Python's re has it */
    struct regex *alnum, *digit;
};

/* One detector's work over text: appends the changed text to out and gives how often it found something; 0: out untouched. */
uint64_t redact_article_email(const struct redact_words *w, struct slice text, struct buf *out);
uint64_t redact_article_card(const struct redact_words *w, struct slice text, struct buf *out);
uint64_t redact_article_api_key(const struct redact_words *w, struct slice text, struct buf *out);

/* All detectors of the default profile in one pass. */
bool redact_secrets(struct slice text, struct buf *out, uint64_t *counts);

#endif
