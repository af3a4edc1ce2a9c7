/* SPDX-License-Identifier: Apache-2.0 */
/* `stoa serve`: everything wired together, until a signal ends it. */
#ifndef STOA_SERVER_SERVER_H
#define STOA_SERVER_SERVER_H

#include "base/err.h"

/* argv[0] is "serve". Gives the exit code: 0 done, 1 failed, 2 wrong usage. */
int server_main(int argc, char **argv);

#endif
