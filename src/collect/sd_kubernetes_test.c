/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unit.h"
#include "collect/sd_kubernetes.h"

struct rig {
    struct kubernetes_store *s;
    struct arena *a;
    struct kubernetes_page page;
    struct kubernetes_event event;
    struct err err;
};

static void begin(struct rig *r)
{
    *r = (struct rig){ .s = kubernetes_store_new(), .a = arena_new(0) };
}

static void end(struct rig *r)
{
    kubernetes_store_free(r->s);
    arena_free(r->a);
}

static enum status list(struct rig *r, uint32_t generation, const char *text)
{
    return kubernetes_store_page(r->s, KIND_POD, 1, generation, slice_str(text), r->a, &r->page, &r->err);
}

static enum status tell(struct rig *r, const char *text)
{
    return kubernetes_store_event(r->s, KIND_POD, 1, 1, slice_str(text), r->a, &r->event, &r->err);
}

/* Of all pods: the targets as text. */
static struct slice targets(struct rig *r)
{
    struct kubernetes_sd sd = { .role = KUBERNETES_POD };
    struct buf out;
    uint64_t changes;
    buf_init(&out, 0);
    CHECK_INT(kubernetes_store_targets(r->s, &sd, &out, &changes, &r->err), ST_OK);
    CHECK_INT(changes, kubernetes_store_changes(r->s));
    struct slice text = arena_copy(r->a, buf_as_slice(&out));
    buf_free(&out);
    return text;
}

#define POD(name, ip, more) \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"n\",\"resourceVersion\":\"8\"" more "},\"spec\":{\"containers\":[{\"name\":\"c\"}]}," \
    "\"status\":{\"podIP\":\"" ip "\"}}"
#define LIST(items)        "{\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[" items "]}"
#define EVENT(type, about) "{\"type\":\"" type "\",\"object\":" about "}"

TEST(kubernetes_events_add_change_and_remove_what_a_list_began)
{
    struct rig r;
    begin(&r);
    CHECK_INT(list(&r, 1, LIST(POD("a", "10.0.0.1", ""))), ST_OK);
    CHECK_STR(r.page.version, "5");
    CHECK_INT(r.page.more.len, 0);
    CHECK_INT(tell(&r, EVENT("ADDED", POD("b", "10.0.0.2", ""))), ST_OK);
    CHECK_STR(r.event.version, "8");
    CHECK(slice_contains(targets(&r), SLICE("10.0.0.1")) && slice_contains(targets(&r), SLICE("10.0.0.2")));
    CHECK_INT(tell(&r, EVENT("MODIFIED", POD("b", "10.0.0.3", ""))), ST_OK);
    CHECK_INT(tell(&r, EVENT("DELETED", POD("a", "10.0.0.1", ""))), ST_OK);
    CHECK(!slice_contains(targets(&r), SLICE("10.0.0.1")) && !slice_contains(targets(&r), SLICE("10.0.0.2")));
    CHECK(slice_contains(targets(&r), SLICE("10.0.0.3")));
    end(&r);
}

TEST(kubernetes_objects_that_a_later_list_lacks_are_gone_once_it_is_whole)
{
    struct rig r;
    begin(&r);
    CHECK_INT(list(&r, 1, LIST(POD("a", "10.0.0.1", "") "," POD("b", "10.0.0.2", ""))), ST_OK);
    CHECK_INT(list(&r, 2, LIST(POD("b", "10.0.0.2", ""))), ST_OK);
    CHECK_INT(kubernetes_store_count(r.s, KIND_POD), 2);
    kubernetes_store_sweep(r.s, KIND_POD, 7, 2);
    CHECK_INT(kubernetes_store_count(r.s, KIND_POD), 2);
    kubernetes_store_sweep(r.s, KIND_POD, 1, 2);
    CHECK_INT(kubernetes_store_count(r.s, KIND_POD), 1);
    end(&r);
}

TEST(kubernetes_what_no_label_is_made_of_is_no_change)
{
    struct rig r;
    begin(&r);
    CHECK_INT(list(&r, 1, LIST(POD("a", "10.0.0.1", ""))), ST_OK);
    uint64_t before = kubernetes_store_changes(r.s);
    CHECK_INT(tell(&r, EVENT("MODIFIED", POD("a", "10.0.0.1", ",\"managedFields\":[{\"manager\":\"x\"}]"))), ST_OK);
    CHECK_INT(tell(&r, EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"12\"}}")), ST_OK);
    CHECK_STR(r.event.version, "12");
    CHECK_INT(tell(&r, EVENT("DELETED", POD("unknown", "", ""))), ST_OK);
    CHECK_INT(kubernetes_store_changes(r.s), before);
    CHECK_INT(tell(&r, EVENT("MODIFIED", POD("a", "10.0.0.1", ",\"labels\":{\"x\":\"y\"}"))), ST_OK);
    CHECK_INT(kubernetes_store_changes(r.s), before + 2); /* one went, one came */
    end(&r);
}

TEST(kubernetes_answers_that_are_none_are_refused_and_change_nothing)
{
    static const char *const lists[] = { "", "[]", "{}", "{\"metadata\":{},\"items\":[]}", "{\"metadata\":{\"resourceVersion\":\"1\"}}", LIST("{}") };
    static const char *const events[] = { "", "{", "7", EVENT("ADDED", "{}"), EVENT("ADED", POD("a", "", "")), "{\"type\":\"ADDED\"}",
                                          EVENT("BOOKMARK", "{}") };
    struct rig r;
    begin(&r);
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        CHECK_INT(list(&r, 1, lists[i]), ST_INVALID);
    for (size_t i = 0; i < COUNT_OF(events); i++)
        CHECK_INT(tell(&r, events[i]), ST_INVALID);
    CHECK_INT(kubernetes_store_changes(r.s), 0);
    CHECK_INT(tell(&r, EVENT("ERROR", "{\"code\":410,\"message\":\"too old\"}")), ST_OK);
    CHECK_INT(r.event.code, KUBERNETES_GONE);
    CHECK_STR(r.event.message, "too old");
    end(&r);
}
