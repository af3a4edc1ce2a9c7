/* SPDX-License-Identifier: Apache-2.0 */
#include "logql/record.h"
#include "logql/script.h"

void logql_memory_add(struct script_events *m, struct slice stream, int64_t time_ns, struct slice line, struct slice metadata)
{
    struct arena *a = arena_new(0);
    struct label l;
    struct event e = { .kind = EVENT_LOG, .severity = RECORD_SEVERITY_NONE, .weight = 1, .time_ns = time_ns, .stream = stream, .body = line };
    e.fields = arena_zalloc(a, (labels_count(metadata) + 1) * sizeof *e.fields);
    while (labels_next(&metadata, &l))
        e.fields[e.field_count++] = (struct field){ .scope = SCOPE_RECORD, .type = FIELD_STRING, .name = l.name, .text = l.value };
    script_events_add(m, &e);
    arena_free(a);
}
