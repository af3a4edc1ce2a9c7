/* SPDX-License-Identifier: Apache-2.0 */
/* Splunk's HTTP Event Collector: events, lines, health and acknowledgement, with Splunk's codes.
 *
 * A request is answered when its events are on disk. So who asks for acknowledgement, by naming a channel, gets an id, and
 * every id that is asked about is acknowledged. */
#include "api/splunk.h"

#include "api/handlers.h"
#include "base/num.h"
#include "codec/json.h"
#include "codec/url.h"
#include "ingest/jread.h"

enum { CODE_OK = 0, CODE_TOKEN_REQUIRED = 2, CODE_INVALID_TOKEN = 4, CODE_INTERNAL = 8, CODE_BUSY = 9, CODE_NO_CHANNEL = 10, CODE_HEALTHY = 17,
       CODE_TOO_LARGE = 27, ACKS_MAX = 100000 };

static const struct said {
    int code, status;
    const char *text;
} said[] = {
    { CODE_OK, 200, "Success" },
    { CODE_TOKEN_REQUIRED, 401, "Token is required" },
    { CODE_INVALID_TOKEN, 403, "Invalid token" },
    { HEC_NO_DATA, 400, "No data" },
    { HEC_INVALID_FORMAT, 400, "Invalid data format" },
    { CODE_INTERNAL, 500, "Internal server error" },
    { CODE_BUSY, 503, "Server is busy" },
    { CODE_NO_CHANNEL, 400, "Data channel is missing" },
    { HEC_EVENT_REQUIRED, 400, "Event field is required" },
    { HEC_EVENT_BLANK, 400, "Event field cannot be blank" },
    { HEC_BAD_FIELDS, 400, "Error in handling indexed fields" },
    { CODE_HEALTHY, 200, "HEC is healthy" },
    { CODE_TOO_LARGE, 413, "Request entity too large" },
};

/* status 0: the code's own. number: of a further member, when name is not NULL. */
static void answer(struct http_exchange *x, int code, int status, const char *name, uint64_t number)
{
    struct buf out;
    struct json_writer w;
    const struct said *row = said;
    while (row->code != code)
        row++;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, SLICE("text"));
    json_string(&w, slice_str(row->text));
    json_key(&w, SLICE("code"));
    json_int(&w, code);
    if (name) {
        json_key(&w, slice_str(name));
        json_uint(&w, number);
    }
    json_object_end(&w);
    http_reply_buf(x, status ? status : row->status, SLICE("application/json"), &out);
}

bool splunk_is_asked(struct http_exchange *x)
{
    return slice_starts(http_path(x), SLICE("/services/collector"));
}

void splunk_refuse(struct http_exchange *x, bool is_missing)
{
    answer(x, is_missing ? CODE_TOKEN_REQUIRED : CODE_INVALID_TOKEN, 0, NULL, 0);
}

void splunk_fail(struct http_exchange *x, int status)
{
    int code = status == 413 ? CODE_TOO_LARGE : status == 403 ? CODE_INVALID_TOKEN : status == 429 || status == 503 ? CODE_BUSY
             : status < 500 ? HEC_INVALID_FORMAT : CODE_INTERNAL;
    answer(x, code, status, NULL, 0);
}

/* Of what stands behind the path: many clients call the body a form, and it is none. */
static struct slice parameter(struct http_exchange *x, struct slice name)
{
    struct slice rest = http_query(x), key, value, out;
    while (url_next_pair(&rest, &key, &value))
        if (slice_eq(key, name))
            return url_decode(http_arena(x), value, true, &out, NULL) ? SLICE_EMPTY : out;
    return SLICE_EMPTY;
}

static bool has_channel(struct http_exchange *x)
{
    return http_header(x, SLICE("X-Splunk-Request-Channel")).len || parameter(x, SLICE("channel")).len;
}

void splunk_answer(struct http_exchange *x, const struct splunk_hec *told)
{
    if (told->code == HEC_NO_DATA)
        answer(x, told->code, 0, NULL, 0);
    else if (told->code)
        answer(x, told->code, 0, "invalid-event-number", told->event);
    else
        answer(x, CODE_OK, 0, has_channel(x) ? "ackId" : NULL, (uint64_t)(http_received_ns(x) / 1000));
}

static void take(struct api *api, struct http_exchange *x, bool is_raw)
{
    struct splunk_hec *told = arena_new_of(http_arena(x), struct splunk_hec);
    told->is_raw = is_raw;
    told->host = parameter(x, SLICE("host"));
    told->source = parameter(x, SLICE("source"));
    told->sourcetype = parameter(x, SLICE("sourcetype"));
    told->index = parameter(x, SLICE("index"));
    ingest_splunk(api, x, told);
}

void splunk_event(void *user, struct http_exchange *x)
{
    take(user, x, false);
}

void splunk_raw(void *user, struct http_exchange *x)
{
    take(user, x, true);
}

void splunk_health(void *user, struct http_exchange *x)
{
    (void)user;
    answer(x, CODE_HEALTHY, 0, NULL, 0);
}

void splunk_ack(void *user, struct http_exchange *x)
{
    (void)user;
    struct jread j = jread_of(http_body(x), http_arena(x), NULL);
    struct buf out;
    struct json_writer w;
    struct slice key;
    uint64_t id;
    if (!has_channel(x)) {
        answer(x, CODE_NO_CHANNEL, 0, NULL, 0);
        return;
    }
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, SLICE("acks"));
    json_object_begin(&w);
    if (jread_object(&j))
        while (jread_key(&j, &key)) {
            bool acks = slice_eq(key, SLICE("acks")) && jread_array(&j);
            if (!acks)
                jread_skip(&j);
            for (size_t n = 0; acks && jread_item(&j); n++) {
                struct slice number = jread_number(&j);
                if (n < ACKS_MAX && num_parse_u64(number, &id)) {
                    json_key(&w, number);
                    json_bool(&w, true);
                }
            }
        }
    json_object_end(&w);
    json_object_end(&w);
    if (jread_end(&j)) {
        http_reply_buf(x, 200, SLICE("application/json"), &out);
    } else {
        buf_free(&out);
        answer(x, HEC_INVALID_FORMAT, 0, NULL, 0);
    }
}
