/* SPDX-License-Identifier: Apache-2.0 */
/* Spans, and one as JSON. */
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "client/private.h"

struct stoa_tracer {
    char *service;
    void (*send)(void *arg, const struct stoa_span_data *span);
    void *arg;
};

struct stoa_span {
    struct stoa_tracer *tracer;
    struct stoa_span_data data;
    struct stoa_attribute attributes[STOA_SPAN_ATTRIBUTES_MAX];
};

int64_t client_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

const struct stoa_span_data *client_span_data(const struct stoa_span *s)
{
    return &s->data;
}

static void random_id(uint8_t *id, size_t n)
{
    /* All zeros means "no id", so it is not handed out. */
    do {
        if (getrandom(id, n, 0) != (ssize_t)n)
            abort();
    } while (id[0] == 0 && memcmp(id, id + 1, n - 1) == 0);
}

/* Control characters are escaped; the rest is taken as UTF-8. */
void client_put_json(FILE *out, const char *text)
{
    fputc('"', out);
    for (const uint8_t *c = (const uint8_t *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < 0x20)
            fprintf(out, "\\u%04x", *c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

void client_put_hex(FILE *out, const uint8_t *id, size_t n)
{
    fputc('"', out);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%02x", id[i]);
    fputc('"', out);
}

struct stoa_tracer *stoa_tracer_new(const char *service, void (*send)(void *arg, const struct stoa_span_data *span), void *arg)
{
    struct stoa_tracer *t = must(calloc(1, sizeof *t));
    t->service = must(strdup(service));
    t->send = send;
    t->arg = arg;
    return t;
}

void stoa_tracer_free(struct stoa_tracer *t)
{
    if (t == NULL)
        return;
    free(t->service);
    free(t);
}

struct stoa_span *stoa_span_start(struct stoa_tracer *t, const char *name, const struct stoa_span *parent, enum stoa_span_kind kind)
{
    struct stoa_span *s = must(calloc(1, sizeof *s));
    s->tracer = t;
    s->data.service = t->service;
    s->data.name = must(strdup(name));
    s->data.kind = kind;
    s->data.weight = 1;
    s->data.start_ns = client_now_ns();
    s->data.attributes = s->attributes;
    random_id(s->data.span_id, sizeof s->data.span_id);
    if (parent) {
        memcpy(s->data.trace_id, parent->data.trace_id, sizeof s->data.trace_id);
        memcpy(s->data.parent_id, parent->data.span_id, sizeof s->data.parent_id);
    } else {
        random_id(s->data.trace_id, sizeof s->data.trace_id);
    }
    return s;
}

static int hex_read(const char *text, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < 2 * n; i++) {
        char c = text[i];
        int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (v < 0)
            return -1;
        out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | v : v << 4);
    }
    return 0;
}

int stoa_span_traceparent(struct stoa_span *s, const char *header)
{
    enum { LENGTH = 55 };
    static const uint8_t none[16];
    uint8_t version, flags, trace[16], parent[8];
    if (strnlen(header, LENGTH) < LENGTH || header[2] != '-' || header[35] != '-' || header[52] != '-')
        return -1;
    if (hex_read(header, &version, 1) || hex_read(header + 3, trace, sizeof trace) || hex_read(header + 36, parent, sizeof parent) ||
        hex_read(header + 53, &flags, 1))
        return -1;
    /* A later version may have more behind a '-'; 255 is none, and all zeros is no id. */
    if (version == 0xff || (header[LENGTH] && (version == 0 || header[LENGTH] != '-')))
        return -1;
    if (memcmp(trace, none, sizeof trace) == 0 || memcmp(parent, none, sizeof parent) == 0)
        return -1;
    memcpy(s->data.trace_id, trace, sizeof trace);
    memcpy(s->data.parent_id, parent, sizeof parent);
    return 0;
}

void stoa_span_state(struct stoa_span *s, const char *state)
{
    free((char *)s->data.trace_state);
    s->data.trace_state = must(strdup(state));
}

static struct stoa_attribute *attribute(struct stoa_span *s, const char *name)
{
    if (s->data.attribute_count == STOA_SPAN_ATTRIBUTES_MAX)
        return NULL;
    struct stoa_attribute *a = &s->attributes[s->data.attribute_count++];
    a->name = must(strdup(name));
    return a;
}

void stoa_span_text(struct stoa_span *s, const char *name, const char *value)
{
    struct stoa_attribute *a = attribute(s, name);
    if (a)
        a->text = must(strdup(value));
}

void stoa_span_number(struct stoa_span *s, const char *name, int64_t value)
{
    struct stoa_attribute *a = attribute(s, name);
    if (a)
        a->number = value;
}

void stoa_span_error(struct stoa_span *s, const char *sentence)
{
    free((char *)s->data.error);
    s->data.error = must(strdup(sentence));
}

void stoa_span_place(struct stoa_span *s, const uint8_t *trace_id, const uint8_t *span_id, const uint8_t *parent_id)
{
    if (trace_id)
        memcpy(s->data.trace_id, trace_id, sizeof s->data.trace_id);
    if (span_id)
        memcpy(s->data.span_id, span_id, sizeof s->data.span_id);
    if (parent_id)
        memcpy(s->data.parent_id, parent_id, sizeof s->data.parent_id);
}

void stoa_span_weight(struct stoa_span *s, float weight)
{
    s->data.weight = weight;
}

void stoa_span_started(struct stoa_span *s, int64_t start_ns)
{
    s->data.start_ns = start_ns;
}

void stoa_span_cancel(struct stoa_span *s)
{
    if (s == NULL)
        return;
    for (int i = 0; i < s->data.attribute_count; i++) {
        free((char *)s->attributes[i].name);
        free((char *)s->attributes[i].text);
    }
    free((char *)s->data.name);
    free((char *)s->data.error);
    free((char *)s->data.trace_state);
    free(s);
}

void stoa_span_end(struct stoa_span *s)
{
    if (s == NULL)
        return;
    s->data.end_ns = client_now_ns();
    s->tracer->send(s->tracer->arg, &s->data);
    stoa_span_cancel(s);
}

static void put_attribute(FILE *out, const char *name, const char *text, int64_t number)
{
    fputs("{\"key\":", out);
    client_put_json(out, name);
    if (text) {
        fputs(",\"value\":{\"stringValue\":", out);
        client_put_json(out, text);
    } else {
        fprintf(out, ",\"value\":{\"intValue\":\"%lld\"", (long long)number);
    }
    fputs("}}", out);
}

char *stoa_span_otlp_json(const struct stoa_span_data *span, size_t *size)
{
    static const uint8_t none[8];
    char *text = NULL;
    size_t n = 0;
    FILE *out = must(open_memstream(&text, &n));
    fputs("{\"resourceSpans\":[{\"resource\":{\"attributes\":[", out);
    put_attribute(out, "service.name", span->service, 0);
    fputs("]},\"scopeSpans\":[{\"spans\":[{\"traceId\":", out);
    client_put_hex(out, span->trace_id, sizeof span->trace_id);
    fputs(",\"spanId\":", out);
    client_put_hex(out, span->span_id, sizeof span->span_id);
    if (memcmp(span->parent_id, none, sizeof none) != 0) {
        fputs(",\"parentSpanId\":", out);
        client_put_hex(out, span->parent_id, sizeof span->parent_id);
    }
    if (span->trace_state) {
        fputs(",\"traceState\":", out);
        client_put_json(out, span->trace_state);
    }
    fputs(",\"name\":", out);
    client_put_json(out, span->name);
    fprintf(out, ",\"kind\":%d,\"startTimeUnixNano\":\"%lld\",\"endTimeUnixNano\":\"%lld\",\"attributes\":[", (int)span->kind,
            (long long)span->start_ns, (long long)span->end_ns);
    for (int i = 0; i < span->attribute_count; i++) {
        if (i)
            fputc(',', out);
        put_attribute(out, span->attributes[i].name, span->attributes[i].text, span->attributes[i].number);
    }
    fputs("],\"status\":{", out);
    if (span->error) {
        fputs("\"code\":2,\"message\":", out);
        client_put_json(out, span->error);
    }
    fputs("}}]}]}]}", out);
    fclose(out);
    if (size)
        *size = n;
    return text;
}
