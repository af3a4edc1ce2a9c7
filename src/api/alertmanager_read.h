/* SPDX-License-Identifier: Apache-2.0 */
/* What is posted to Alertmanager's API v2: JSON as alerts and silences. Pure. */
#ifndef STOA_API_ALERTMANAGER_READ_H
#define STOA_API_ALERTMANAGER_READ_H

#include "alert/dispatch.h"
#include "base/arena.h"

enum { ALERTS_POST_MAX = 20 * 1000 };

struct am_alerts {
    struct alert_put *list;
    size_t count;
    enum status refused; /* of the first that is wrong, and why; ST_OK: none is */
    struct err why;
};
/* The alerts of a list that are right. All of it lives in a; borrows body. ST_INVALID: no list. ST_LIMIT: over ALERTS_POST_MAX. */
MUST_CHECK enum status am_alerts_read(struct arena *a, struct slice body, struct am_alerts *out, struct err *err);

/* All of it lives in a; borrows body. What its matchers and times mean is for dispatch_silence_put to judge. */
MUST_CHECK enum status am_silence_read(struct arena *a, struct slice body, struct silence_put *out, struct err *err);

#endif
