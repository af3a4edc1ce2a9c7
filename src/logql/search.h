/* SPDX-License-Identifier: Apache-2.0 */
/* The language of the search box, for people in a hurry:
 *
 *     timeout "connection reset"      both, in any case of letters
 *     timeout OR refused   -health    either; and not this
 *     pay*ed                          * stands for any letters of a word
 *     service:shop host:web-*         a field, whatever kind of line it stands in, is this; * is anything
 *     status>=500 took>1.5s size>2MB  a field is a number, a duration or a size above or below this
 *     level>=warn  user:*             severities have an order; the field is there
 *     (a OR b) -(c d)                 groups
 *
 * As a query_lang it gives lines, and (with a step) counts of lines by level. format gives the same as LogQL; ST_UNSUPPORTED with
 * the reason where LogQL cannot say it. */
#ifndef STOA_LOGQL_SEARCH_H
#define STOA_LOGQL_SEARCH_H

#include "query/lang.h"

enum {
    SEARCH_TERMS_MAX = 64, /* of one search */
    SEARCH_DEPTH_MAX = 16  /* of groups */
};

extern const struct query_lang search_lang;

#endif
