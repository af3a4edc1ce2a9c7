/* SPDX-License-Identifier: Apache-2.0 */
/* One id, in the ways it may be written: as given, and hex ids as UUIDs with and without dashes. */
#ifndef STOA_CORRELATE_FORM_H
#define STOA_CORRELATE_FORM_H

#include "correlate/correlate.h"

struct form_ids {
    bool has_trace, has_span;
    uint8_t trace[16], span[8];
};

/* Fills out->forms, in a, and the ids it can be. ST_INVALID: no id. */
MUST_CHECK enum status form_read(struct arena *a, struct slice id, struct correlate_result *out, struct form_ids *ids, struct err *err);

#endif
