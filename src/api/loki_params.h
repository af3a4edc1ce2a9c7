/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of Loki's calls, read as Loki reads them. */
#ifndef STOA_API_LOKI_PARAMS_H
#define STOA_API_LOKI_PARAMS_H

#include "api/api.h"

enum {
    LOKI_LIMIT_DEFAULT = 100,
    LOKI_LIMIT_MAX = 50000, /* lines of one answer */
    LOKI_RANGE_HOURS_DEFAULT = 1,
    LOKI_META_HOURS_DEFAULT = 6,
    LOKI_POINTS_DEFAULT = 250
};

/* Nanoseconds (over ten digits), whole seconds, seconds with a fraction, or RFC 3339. */
MUST_CHECK enum status loki_parse_time(struct slice text, int64_t *out_ns, struct err *err);
/* `name`, absent_ns when there is none. */
MUST_CHECK enum status loki_param_time(const struct api_params *p, struct slice name, int64_t absent_ns, int64_t *out_ns, struct err *err);
/* `start`, `end` and `since`: the end is now when it is not said, and the start lies `since` (back_ns when it is not said) before
 * the end, or before now when the end is in the future. Start and end may be the same. */
MUST_CHECK enum status loki_param_bounds(const struct api *api, const struct api_params *p, int64_t back_ns, int64_t *start_ns, int64_t *end_ns,
                                         struct err *err);
/* `step`: the default divides the time into 250, in whole seconds. At most 11,000 points are allowed. */
MUST_CHECK enum status loki_param_step(const struct api_params *p, int64_t start_ns, int64_t end_ns, int64_t *out_ns, struct err *err);
/* `limit` and `direction` of lines. */
MUST_CHECK enum status loki_param_lines(const struct api_params *p, struct query_params *out, struct err *err);
/* All of query_range, `interval` among them. */
MUST_CHECK enum status loki_param_range(const struct api *api, const struct api_params *p, struct query_params *out, struct err *err);
/* As api_param_size, and 0 is refused. */
MUST_CHECK enum status loki_param_limit(const struct api_params *p, struct slice name, size_t absent, size_t max, size_t *out, struct err *err);

#endif
