/* SPDX-License-Identifier: Apache-2.0 */
/* What Splunk's HTTP Event Collector is told beside a body, and what it says of it. */
#ifndef STOA_INGEST_SPLUNK_HEC_H
#define STOA_INGEST_SPLUNK_HEC_H

#include "base/slice.h"

/* Splunk's own numbers. */
enum hec_code { HEC_OK = 0, HEC_NO_DATA = 5, HEC_INVALID_FORMAT = 6, HEC_EVENT_REQUIRED = 12, HEC_EVENT_BLANK = 13, HEC_BAD_FIELDS = 15 };

/* Given by who decodes (ingest_ctx.splunk), filled by the decoder. */
struct splunk_hec {
    bool is_raw;                              /* the body is lines */
    struct slice host, source, sourcetype, index; /* of events that say nothing else */
    enum hec_code code;
    size_t event;                             /* from 0: the event that code is about; those before it are taken */
};

#endif
