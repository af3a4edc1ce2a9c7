/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows have the value an erase is about. A row has it when
 *
 *     "body"             its line (a span's name) contains the value;
 *     "trace_id"         its trace id is the value, in hex;
 *     any other field    a stream label, a field of any scope, a field of a span's event or link, its service (service, service_name,
 *                        service.name), or a JSON member or logfmt pair of its line has the name and exactly the value.
 *
 * Only a salted digest of the value is kept (SHA-256), and, to find it inside of texts, its length and 12 bits of a rolling sum. */
#ifndef STOA_STORE_ERASE_VALUE_H
#define STOA_STORE_ERASE_VALUE_H

#include "base/arena.h"
#include "model/event.h"
#include "store/engine.h"

enum { ERASE_FIELD_BYTES_MAX = 1024, ERASE_VALUE_BYTES_MAX = 64 * KIB, ERASE_BODY_VALUE_BYTES_MIN = 3 };

/* Keeps field. rows and made_ns are left 0. ST_INVALID: an empty field or value, or a text for "body" that is in nearly every line. */
MUST_CHECK enum status erase_value_make(struct erase_value *v, struct slice field, struct slice value, struct err *err);
/* Borrows everything; scratch is for the call. */
bool erase_value_in_event(const struct erase_value *v, const struct event *e, struct arena *scratch);
/* Series: has it the label with the value? */
bool erase_value_in_labels(const struct erase_value *v, struct slice labels);

#endif
