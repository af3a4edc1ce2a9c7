/* SPDX-License-Identifier: Apache-2.0 */
/* Predicates put together (engine.h says what they mean). Everything lives in the arena; texts are borrowed. */
#ifndef STOA_STORE_PRED_H
#define STOA_STORE_PRED_H

#include "store/engine.h"

struct preds {
    struct pred **list;
    size_t count, cap;
};
/* A leaf over fields is over those of any scope. */
struct pred *pred_leaf(struct arena *a, enum pred_op op, enum event_column column, struct slice name, struct slice text);
/* A field of that name in one scope or another; the leaf above looks at the first scope that has one. Without it nothing is found,
 * also not by an empty text. */
struct pred *pred_attribute(struct arena *a, enum pred_op op, struct slice name, struct slice text);
/* The column is that text, or of ids those bytes. */
struct pred *pred_text(struct arena *a, enum event_column column, struct slice name, struct slice text);
struct pred *pred_int(struct arena *a, enum pred_op op, enum event_column column, int64_t i);
/* One of a span's events or links may have this text, or a list, in a field of this name; EVENT_CHILD_NAME is that of an event's name. To look
 * closer only: it may be true where nothing has it. */
struct pred *pred_child(struct arena *a, struct slice name, struct slice text);
/* The trace id is one of those, of 16 bytes each, which are sorted where they are. NULL: count is 0. */
struct pred *pred_traces(struct arena *a, uint8_t (*ids)[16], size_t count);
void preds_add(struct arena *a, struct preds *k, struct pred *p);
/* NULL when there are none. Takes the list. */
struct pred *pred_node(struct arena *a, enum pred_op op, const struct preds *k);
struct pred *pred_not(struct arena *a, struct pred *p);

#endif
