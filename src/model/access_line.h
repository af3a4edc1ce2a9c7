/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of access logs: NCSA common and combined, as Apache and nginx write them, with what people append: the seconds a request took. */
#ifndef STOA_MODEL_ACCESS_LINE_H
#define STOA_MODEL_ACCESS_LINE_H

#include "base/slice.h"

/* Named as nginx names them. */
enum access_field { ACCESS_ADDRESS, ACCESS_USER, ACCESS_METHOD, ACCESS_PATH, ACCESS_PROTOCOL, ACCESS_STATUS, ACCESS_BYTES, ACCESS_REFERER,
                    ACCESS_USER_AGENT, ACCESS_REQUEST_TIME, ACCESS_FIELDS };
extern const struct slice access_field_names[ACCESS_FIELDS];

/* Empty: the line does not have it, or has '-'. Values borrow from the line. */
struct access_line {
    struct slice fields[ACCESS_FIELDS];
};

/* False: the line is none. */
bool access_line_parse(struct slice line, struct access_line *out);

#endif
