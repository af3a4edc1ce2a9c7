/* SPDX-License-Identifier: Apache-2.0 */
/* For promtext.c: what an OpenMetrics family may hold, checked entry by entry as the page is read. */
#ifndef STOA_CODEC_PROMTEXT_FAMILY_H
#define STOA_CODEC_PROMTEXT_FAMILY_H

#include "codec/promtext.h"

struct promtext_families;
/* Keeps a, and the texts of the entries. */
struct promtext_families *promtext_families_new(struct arena *a);
void promtext_families_free(struct promtext_families *f); /* accepts NULL */
/* seconds: the sample's time as it was written, finer than t_ms. */
MUST_CHECK enum status promtext_families_entry(struct promtext_families *f, const struct promtext_entry *e, double seconds, struct err *err);
MUST_CHECK enum status promtext_families_end(struct promtext_families *f, size_t line, struct err *err);

#endif
