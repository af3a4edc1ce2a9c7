/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STOA_EVENTS_EVMERGE_H
#define STOA_EVENTS_EVMERGE_H

#include "store/store.h"

/* As store_kind.merge. */
MUST_CHECK enum status evmerge_parts(const struct part *const *parts, size_t count, struct tombstones dead, struct part_writer *out,
                                     struct buf *meta, const atomic_bool *stop, struct err *err);

#endif
