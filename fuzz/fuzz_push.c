/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of Pushgateway, matchers of Alertmanager, and web vitals: refused with a sentence, or whole. */
#include "alert/setup.h"
#include "collect/push.h"
#include "fuzz/fuzz.h"
#include "model/batch.h"
#include "model/labels.h"
#include "rum/rum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size), labels;
    struct arena *a = arena_new(0);
    struct batch *b = batch_new(0);
    struct matcher *matchers = NULL;
    size_t n = 0;
    struct err err = { .text = "" };
    struct rum_visit v = { .received_ns = NS_S, .referer = text, .fetch_site = SLICE("cross-site"), .user_agent = text };
    if (push_key_parse(a, text, &labels, &err) == ST_OK)
        MUST(labels_check(labels));
    else
        MUST(err.text[0]);
    if (alert_matchers_read(a, text, &matchers, &n, &err) == ST_OK)
        matchers_destroy(matchers, n);
    else
        MUST(err.text[0]);
    b->tenant = SLICE("default");
    b->received_ns = NS_S;
    if (rum_decode(&v, text, b, &err))
        MUST(err.text[0]);
    batch_drop(b);
    arena_free(a);
    return 0;
}
