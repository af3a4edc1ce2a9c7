/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/zipkin_json.h"

#include "base/num.h"

uint64_t zipkin_json_number(struct jread *j)
{
    uint64_t n = 0;
    double d;
    if (jread_peek(j) == JREAD_NULL) {
        jread_skip(j);
        return 0;
    }
    struct slice text = jread_number(j);
    if (!j->bad && !num_parse_u64(text, &n)) {
        if (num_parse_double(text, &d) && d >= 0 && d < 9e18)
            n = (uint64_t)d;
        else
            jread_wrong(j, "a time, duration or port must be a whole number and not negative");
    }
    return n;
}

struct slice zipkin_json_text(struct jread *j)
{
    enum jread_type type = jread_peek(j);
    if (type == JREAD_STRING)
        return jread_string(j);
    if (type == JREAD_NULL) {
        jread_skip(j);
        return SLICE_EMPTY;
    }
    return jread_raw(j);
}
