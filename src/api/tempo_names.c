/* SPDX-License-Identifier: Apache-2.0 */
/* Names of TraceQL as the lists of tags and values need them: which attribute of what, or which part of a span. */
#include "api/tempo.h"

#include "base/num.h"

static const char *const statuses[] = { "unset", "ok", "error" };

static int index_of(const char *const *list, size_t n, struct slice text)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq(text, slice_str(list[i])))
            return (int)i;
    return -1;
}

int tempo_status_of(struct slice text)
{
    return index_of(statuses, COUNT_OF(statuses), text);
}

struct slice tempo_status_name(unsigned status)
{
    return slice_str(statuses[MIN(status, COUNT_OF(statuses) - 1)]);
}

static const struct {
    struct slice name;
    enum tempo_intrinsic what;
} intrinsics[] = {
    { SLICE_INIT("name"), TEMPO_NAME }, { SLICE_INIT("span:name"), TEMPO_NAME },
    { SLICE_INIT("status"), TEMPO_STATUS }, { SLICE_INIT("span:status"), TEMPO_STATUS },
    { SLICE_INIT("statusMessage"), TEMPO_STATUS_MESSAGE }, { SLICE_INIT("span:statusMessage"), TEMPO_STATUS_MESSAGE },
    { SLICE_INIT("kind"), TEMPO_KIND }, { SLICE_INIT("span:kind"), TEMPO_KIND },
    { SLICE_INIT("rootName"), TEMPO_ROOT_NAME }, { SLICE_INIT("trace:rootName"), TEMPO_ROOT_NAME }, { SLICE_INIT("root.name"), TEMPO_ROOT_NAME },
    { SLICE_INIT("rootServiceName"), TEMPO_ROOT_SERVICE }, { SLICE_INIT("trace:rootService"), TEMPO_ROOT_SERVICE },
    { SLICE_INIT("root.service.name"), TEMPO_ROOT_SERVICE }, { SLICE_INIT("event:name"), TEMPO_EVENT_NAME },
    { SLICE_INIT("instrumentation:name"), TEMPO_SCOPE_NAME }, { SLICE_INIT("instrumentation:version"), TEMPO_SCOPE_VERSION },
    { SLICE_INIT("duration"), TEMPO_NUMBER }, { SLICE_INIT("span:duration"), TEMPO_NUMBER }, { SLICE_INIT("trace:duration"), TEMPO_NUMBER },
    { SLICE_INIT("traceDuration"), TEMPO_NUMBER }, { SLICE_INIT("event:timeSinceStart"), TEMPO_NUMBER }, { SLICE_INIT("span:id"), TEMPO_NUMBER },
    { SLICE_INIT("trace:id"), TEMPO_NUMBER }, { SLICE_INIT("span:parentID"), TEMPO_NUMBER }, { SLICE_INIT("link:spanID"), TEMPO_NUMBER },
    { SLICE_INIT("link:traceID"), TEMPO_NUMBER },
};

static const struct {
    struct slice prefix;
    enum tempo_scope scope;
} prefixes[] = {
    { SLICE_INIT("span."), TEMPO_SPAN }, { SLICE_INIT("resource."), TEMPO_RESOURCE },
    { SLICE_INIT("instrumentation."), TEMPO_INSTRUMENTATION }, { SLICE_INIT("event."), TEMPO_EVENT }, { SLICE_INIT("link."), TEMPO_LINK },
    { SLICE_INIT("."), TEMPO_ANY },
};

static struct slice unquoted(struct slice s)
{
    return s.len > 1 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"' ? slice_sub(s, 1, s.len - 1) : s;
}

struct tempo_tag tempo_tag_of(struct slice text)
{
    for (size_t i = 0; i < COUNT_OF(intrinsics); i++)
        if (slice_eq(text, intrinsics[i].name))
            return (struct tempo_tag){ .scope = TEMPO_INTRINSIC, .intrinsic = intrinsics[i].what, .name = text };
    for (size_t i = 0; i < COUNT_OF(prefixes); i++)
        if (slice_starts(text, prefixes[i].prefix))
            return (struct tempo_tag){ .scope = prefixes[i].scope, .name = unquoted(slice_skip(text, prefixes[i].prefix.len)) };
    return (struct tempo_tag){ .scope = TEMPO_ANY, .name = text };
}
