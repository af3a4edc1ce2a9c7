/* SPDX-License-Identifier: Apache-2.0 */
/* Labels of remote write, both versions. Senders sort them, so pairs are written straight into the canonical form while they
 * are read; the first thing that does not fit (order, an empty value, a limit, odd bytes) ends the fast way, and
 * prom_labels_build sorts, checks and words the reason. */
#ifndef STOA_INGEST_PROM_LABELS_H
#define STOA_INGEST_PROM_LABELS_H

#include "base/utf8.h"
#include "ingest/ingest.h"
#include "ingest/pb.h"

enum { LABELS_READ_MAX = 4 * LABELS_PER_SERIES_MAX, LABEL_RUN_BYTES_MAX = 8 * KIB, SERIES_TEXT_BYTES_MAX = 160 };

#define NAME_LABEL SLICE("__name__")

/* Labels in canonical form so far; zero len and count to begin. */
struct label_run {
    char bytes[LABEL_RUN_BYTES_MAX];
    size_t len, count;
    struct slice last; /* the name before */
};

/* Most names and values have under 16 bytes: two overlapping words instead of a call. */
static inline char *label_run_bytes(char *to, const char *from, size_t n)
{
    uint64_t head, tail;
    if (n > 2 * sizeof head) {
        memcpy(to, from, n);
        return to + n;
    }
    if (n < sizeof head) {
        uint32_t first, last;
        if (n >= sizeof first) {
            memcpy(&first, from, sizeof first);
            memcpy(&last, from + n - sizeof last, sizeof last);
            memcpy(to, &first, sizeof first);
            memcpy(to + n - sizeof last, &last, sizeof last);
        } else {
            for (size_t i = 0; i < n; i++)
                to[i] = from[i];
        }
        return to + n;
    }
    memcpy(&head, from, sizeof head);
    memcpy(&tail, from + n - sizeof tail, sizeof tail);
    memcpy(to, &head, sizeof head);
    memcpy(to + n - sizeof tail, &tail, sizeof tail);
    return to + n;
}

static inline char *label_run_text(char *at, struct slice s)
{
    if (s.len >= 0x80)
        *at++ = (char)(s.len | 0x80);
    *at++ = (char)(s.len >= 0x80 ? s.len >> 7 : s.len);
    return label_run_bytes(at, s.ptr, s.len);
}

static inline bool label_is_ascii(struct slice s)
{
    const uint64_t high_bits = 0x8080808080808080ull;
    uint64_t all = 0, word;
    size_t i = 0;
    for (; i + sizeof word <= s.len; i += sizeof word) {
        memcpy(&word, s.ptr + i, sizeof word);
        all |= word;
    }
    if (s.len >= sizeof word) { /* the rest, and some once more */
        memcpy(&word, s.ptr + s.len - sizeof word, sizeof word);
        return ((all | word) & high_bits) == 0;
    }
    for (; i < s.len; i++)
        all |= (uint64_t)(unsigned char)s.ptr[i];
    return (all & high_bits) == 0;
}

static inline bool label_rises(struct slice last, struct slice name)
{
    if (last.ptr[0] != name.ptr[0])
        return (unsigned char)last.ptr[0] < (unsigned char)name.ptr[0];
    return slice_cmp(last, name) < 0;
}

/* Adds a pair when it continues the canonical form: `__name__` leads, names rise, nothing is empty or over a limit.
 * is_checked: the caller knows both texts to be UTF-8. */
static inline bool label_run_add(struct label_run *r, const struct label *l, bool is_checked)
{
    if (l->name.len + l->value.len + 12 > LABEL_RUN_BYTES_MAX - r->len || r->count == LABELS_PER_SERIES_MAX)
        return false;
    if (l->name.len == 0 || l->value.len == 0 || l->name.len > LABEL_NAME_BYTES_MAX || l->value.len > LABEL_VALUE_BYTES_MAX)
        return false;
    bool in_order = r->count ? label_rises(r->last, l->name) : slice_eq(l->name, NAME_LABEL);
    if (!in_order || (!is_checked && (!utf8_is_valid(l->name) || !utf8_is_valid(l->value))))
        return false;
    char *at = label_run_text(label_run_text(r->bytes + r->len, l->name), l->value);
    r->len = (size_t)(at - r->bytes);
    r->last = l->name;
    r->count++;
    return true;
}

static inline struct slice label_run_labels(const struct label_run *r, struct arena *a)
{
    return arena_copy(a, slice_of(r->bytes, r->len));
}

/* labels_build for a series: there must be a metric's name, or the reason shows the labels. Sorts list. */
MUST_CHECK enum status prom_labels_build(struct arena *a, struct label *list, size_t count, struct slice *out, struct err *err);
/* "series NAME: " in front of why. */
void prom_name_prefix(struct err *why, struct slice labels);
/* The type as remote write numbers it. */
enum metric_type prom_metadata_type(uint64_t wire);
/* Adds metadata, copied, or says why not. */
MUST_CHECK enum status prom_metadata_add(struct batch *out, const struct metric_metadata *m, struct err *why);

#endif
