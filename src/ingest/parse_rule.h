/* SPDX-License-Identifier: Apache-2.0 */
/* How lines of a place are read when somebody says so: by a regex, a pattern, or cut at a separator.
 *
 *     parse: {regex: '^(?P<time>\S+) (?P<level>\w+) (?P<message>.*)', time_format: iso}
 *     parse: {pattern: '<time> [<level>] <service>: <message>'}
 *     parse: {cut: '|', fields: [time, level, service, _, message]}
 *
 * The names time, level, service, host, logger, pid and message say what a part is; each other name is a field of the record. */
#ifndef STOA_INGEST_PARSE_RULE_H
#define STOA_INGEST_PARSE_RULE_H

#include "codec/yaml.h"
#include "ingest/recognise.h"
#include "model/event.h"

enum { PARSE_FIELDS_MAX = 32 };

struct parse_rule;
/* Rules by name, for those who send lines to choose from. */
struct parse_named {
    struct slice name;
    struct parse_rule *rule;
};
struct parse_rules {
    const struct parse_named *list;
    size_t count;
};
/* NULL with an error that names those there are. */
const struct parse_rule *parse_rules_find(const struct parse_rules *rules, struct slice name, struct err *err);
/* n: the map. *out lives in a, its regex until parse_rule_close. ST_INVALID tells file and line. */
MUST_CHECK enum status parse_rule_read(struct arena *a, const struct yaml_node *n, struct parse_rule **out, struct err *err);
void parse_rule_close(struct parse_rule *rule); /* accepts NULL */
/* False: the line is not like that. Else what it says goes over what r holds, and what else it has is put into fields, which takes
 * PARSE_FIELDS_MAX. Both point into line and rule. */
bool parse_rule_apply(const struct parse_rule *rule, struct slice line, int64_t received_ns, int32_t zone_offset_s, struct recognised *r,
                      struct field *fields, uint32_t *count);

#endif
