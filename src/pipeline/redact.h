/* SPDX-License-Identifier: Apache-2.0 */
/* Takes secrets out of rows before anything of them is written: the first stage of the pipeline, for every protocol.
 *
 * What is taken out depends on the profile. `article` is exactly three patterns, in their order, with the result that
 * Python's re.sub gives on text (str): e-mail addresses, 16-digit card numbers, api_key=.... `default` knows keys and
 * values (password, token, secret, Authorization, ...), the shapes of well-known tokens, and card numbers that stand in
 * an issuer's range and have a right check digit (ISO/IEC 7812). */
#ifndef STOA_PIPELINE_REDACT_H
#define STOA_PIPELINE_REDACT_H

#include "model/batch.h"

enum redact_profile { REDACT_DEFAULT, REDACT_ARTICLE, REDACT_OFF, REDACT_PROFILE_COUNT };

enum redact_detector {
    REDACT_EMAIL,          /* article: [REDACTED_EMAIL] */
    REDACT_CARD,           /* both: [REDACTED_CC] */
    REDACT_API_KEY,        /* article: api_key=[REDACTED] */
    REDACT_KEY_VALUE,      /* default: the value of password=..., "token": "...", User password: ... */
    REDACT_AUTHORIZATION,  /* default: Authorization: Bearer ..., Basic ... */
    REDACT_TOKEN,          /* default: JWT, AWS, GitHub, Slack, Stripe, Google keys by their shape */
    REDACT_PRIVATE_KEY,    /* default: PEM blocks */
    REDACT_URL_PASSWORD,   /* default: scheme://user:password@host */
    REDACT_FIELD,          /* default: the whole value of a field or label whose name says so */
    REDACT_DETECTOR_COUNT
};

/* Any number of threads may use one redactor at once. */
struct redactor;
struct redactor *redactor_new(enum redact_profile profile);
void redactor_free(struct redactor *r); /* accepts NULL */

/* False: nothing to take out, out is untouched. Else out is set to the text as it may be stored. counts: one a detector,
 * added to; may be NULL. */
bool redact_text(const struct redactor *r, struct slice text, struct buf *out, uint64_t *counts);
/* True when a field or label of this name holds a secret whatever its value is: "password", "http.request.header.authorization". */
bool redact_name_is_secret(struct slice name);

/* Every text of every row: lines, fields of all scopes, span events and links, status messages, stream labels, series
 * labels; and what metrics' metadata says. Counts what it did. */
void redact_batch(struct redactor *r, struct batch *b);

const char *redact_detector_name(enum redact_detector d);          /* "email", ...: for metrics */
uint64_t redact_count(const struct redactor *r, enum redact_detector d); /* since the start */
bool redact_profile_parse(struct slice name, enum redact_profile *out);
const char *redact_profile_name(enum redact_profile profile);

#endif
