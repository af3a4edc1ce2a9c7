/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of Jaeger's search: name and value as text, found among the attributes of a span, its resource, its scope, its events or its
 * links; several tags may lie in different places of one span. */
#ifndef STOA_API_TRACE_TAGS_H
#define STOA_API_TRACE_TAGS_H

#include "api/trace_read.h"

enum { TRACE_TAGS_MAX = 32 };

struct trace_tags {
    struct slice names[TRACE_TAGS_MAX], values[TRACE_TAGS_MAX];
    size_t count;
};

/* A JSON object of text values; false when it is none, or has too many. */
MUST_CHECK bool trace_tags_read(struct arena *a, struct slice text, struct trace_tags *out);
/* trace_search() of spans that fit pred (may be NULL) and have all tags. Of t, pred, fits and arg are not looked at. */
MUST_CHECK enum status trace_tags_search(struct api_query *q, const struct trace_search *t, struct pred *pred, const struct trace_tags *tags,
                                         struct trace_spans *out, struct err *err);

#endif
