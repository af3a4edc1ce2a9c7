/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STOA_SERVER_VERSION_H
#define STOA_SERVER_VERSION_H

extern const char STOA_VERSION[];  /* "0.1.0" */
extern const char STOA_REVISION[]; /* of the source, "unknown" outside a repository */

#endif
