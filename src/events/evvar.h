/* SPDX-License-Identifier: Apache-2.0 */
/* Inside evtext: columns of variables, written in the form that fits all their values. */
#ifndef STOA_EVENTS_EVVAR_H
#define STOA_EVENTS_EVVAR_H

#include "events/evtext.h"

enum { EVVAR_DIGITS_MAX = 18, EVVAR_HEX_DIGITS_MAX = 128, EVVAR_IDS_MAX = 64 * KIB };

struct evtext_writer {
    struct evrun_out runs;
    struct arena *arena;         /* of one evtext_put */
    const struct evtext_rows *rows;
    struct evfilter_set *filter; /* may be NULL */
};

/* Values v[i] of rows[i]; n over 0. is_whole: texts without a shape. */
struct evvar {
    const struct slice *v;
    const uint32_t *rows;
    size_t n;
    bool may_nest, is_whole;
};
void evvar_put(struct evtext_writer *w, const struct evvar *c);
/* ids below below, of rows. */
void evvar_put_ids(struct evtext_writer *w, const uint32_t *ids, const uint32_t *rows, size_t n, uint32_t below);

/* As evtext_put, of the texts inside a column: into w's runs. False, and nothing written, when they are more than shapes_max or
 * too few texts have one. */
bool evtext_put_texts(struct evtext_writer *w, const struct evvar *c, bool is_line, size_t shapes_max);

#endif
