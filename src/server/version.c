/* SPDX-License-Identifier: Apache-2.0 */
#include "server/version.h"

/* Both come from the build. */
const char STOA_VERSION[] = BUILD_VERSION;
const char STOA_REVISION[] = BUILD_REVISION;
