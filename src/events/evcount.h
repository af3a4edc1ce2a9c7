/* SPDX-License-Identifier: Apache-2.0 */
/* Rows counted by time bucket, severity and service, without making rows. */
#ifndef STOA_EVENTS_EVCOUNT_H
#define STOA_EVENTS_EVCOUNT_H

#include "events/evscope.h"

/* Takes sc. Buckets start at sc->start_ns. One block of counts a tenant, sorted by bucket, severity, service. */
struct events_iter *evcount_open(struct evscope *sc, int64_t bucket_ns);

#endif
