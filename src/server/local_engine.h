/* SPDX-License-Identifier: Apache-2.0 */
/* The local engine: engine.h's table over the store and its two kinds, metrics and events. */
#ifndef STOA_SERVER_LOCAL_ENGINE_H
#define STOA_SERVER_LOCAL_ENGINE_H

#include "store/reads.h"
#include "store/store.h"

/* Opens the store of opt (whose kinds are set here) behind an engine. engine->ops->close flushes and frees. */
MUST_CHECK enum status local_engine_open(struct engine **out, struct store_options opt, struct err *err);

/* From now on every metric whose samples are read is noted. Before anybody reads. Keeps reads and clock. */
void local_engine_track(struct engine *e, struct reads *reads, struct clock *clock);

#endif
