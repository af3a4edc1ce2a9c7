/* SPDX-License-Identifier: Apache-2.0 */
/* GET /api/stoa/v1/redaction: the profile in force and how much was taken out since the start.
 * POST with any text and ?profile=: the text as it would be stored, so that a profile can be tried before it is set. */
#include "api/handlers.h"
#include "api/prom_json.h"
#include "pipeline/pipeline.h"

static void put_counts(struct json_writer *w, struct slice key, const uint64_t *counts)
{
    json_key(w, key);
    json_object_begin(w);
    for (int i = 0; i < REDACT_DETECTOR_COUNT; i++) {
        json_key(w, slice_str(redact_detector_name((enum redact_detector)i)));
        json_uint(w, counts[i]);
    }
    json_object_end(w);
}

void redaction_get(void *user, struct http_exchange *x)
{
    struct api *api = user;
    uint64_t counts[REDACT_DETECTOR_COUNT];
    struct json_writer w;
    struct buf out;
    for (int i = 0; i < REDACT_DETECTOR_COUNT; i++)
        counts[i] = pipeline_redacted(api->pipeline, (enum redact_detector)i);
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    json_key(&w, SLICE("profile"));
    json_string(&w, slice_str(redact_profile_name(pipeline_redaction(api->pipeline))));
    put_counts(&w, SLICE("redacted"), counts);
    json_object_end(&w);
    prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
}

void redaction_try(void *user, struct http_exchange *x)
{
    struct api *api = user;
    enum redact_profile profile = pipeline_redaction(api->pipeline);
    uint64_t counts[REDACT_DETECTOR_COUNT] = { 0 };
    struct slice query = http_query(x), name = SLICE_EMPTY, body = http_body(x);
    struct json_writer w;
    struct buf out, text;
    struct err err;
    if (slice_starts(query, SLICE("profile=")))
        name = slice_skip(query, 8);
    if (name.len && !redact_profile_parse(name, &profile)) {
        api_fail(x, err_set(&err, ST_INVALID, "profile is \"%.*s\"; allowed are default, article and off", SLICE_FMT(name)), &err);
        return;
    }
    struct redactor *r = redactor_new(profile);
    buf_init(&text, 0);
    bool changed = redact_text(r, body, &text, counts);
    redactor_free(r);
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    json_key(&w, SLICE("profile"));
    json_string(&w, slice_str(redact_profile_name(profile)));
    json_key(&w, SLICE("text"));
    json_string(&w, changed ? buf_as_slice(&text) : body);
    put_counts(&w, SLICE("redacted"), counts);
    json_object_end(&w);
    buf_free(&text);
    prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
}
