/* SPDX-License-Identifier: Apache-2.0 */
/* A board is Grafana's dashboard JSON. What we draw of it is checked; all else is kept as it came, byte by byte. Pure. */
#ifndef STOA_API_BOARD_CHECK_H
#define STOA_API_BOARD_CHECK_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "query/lang.h"

enum {
    BOARD_BYTES_MAX = 2 * MIB,
    BOARD_UID_BYTES_MAX = 64,
    BOARD_TITLE_BYTES_MAX = 500,
    BOARD_TAGS_MAX = 64,
    BOARD_PANELS_MAX = 500,
    BOARD_TARGETS_PER_PANEL_MAX = 50,
    BOARD_VARIABLES_MAX = 100,
    BOARD_GRID_COLUMNS = 24,
    BOARD_GRID_ROWS_MAX = 100 * 1000,
    BOARD_SCHEMA_VERSION_MIN = 16 /* from then on panels lie on a grid, not in rows */
};

/* A-Z a-z 0-9 _ - */
bool board_uid_is_valid(struct slice uid);

struct board_summary {
    struct slice uid, title;
    struct slice *tags;
    size_t tag_count;
};
/* Of a stored board; lives in a. False when it is none. */
bool board_summary_read(struct arena *a, struct slice json, struct board_summary *out);

struct board_langs {
    const struct query_lang *promql, *logql, *traceql;
};

/* text: a dashboard, or {"dashboard":{...}} as Grafana's own API has it. *json: the dashboard as it came, without its members id and
 * version, and with its uid when it had none. warnings: sentences, each ended by '\n', about what is kept but not drawn.
 * ST_INVALID and ST_LIMIT name panel and field. */
MUST_CHECK enum status board_prepare(struct arena *a, struct slice text, struct slice uid, const struct board_langs *langs, struct slice *json,
                                     struct buf *warnings, struct err *err);

#endif
