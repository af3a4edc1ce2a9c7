/* SPDX-License-Identifier: Apache-2.0 */
/* Native histograms as remote read gives them. */
#ifndef STOA_API_PROM_READ_H
#define STOA_API_PROM_READ_H

#include "model/histogram.h"

/* A prompb.Histogram with the counts as floats, as field `field` of the message under way. */
void prom_read_histogram(struct buf *out, uint32_t field, int64_t t_ms, const struct histogram *h);
/* A chunk of encoding FLOAT_HISTOGRAM with this one sample. */
void prom_read_histogram_chunk(struct buf *out, int64_t t_ms, const struct histogram *h);

#endif
