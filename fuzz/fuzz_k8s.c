/* SPDX-License-Identifier: Apache-2.0 */
/* Any lines as a Kubernetes API server's answers: a line's first byte says whose kind, "L" behind it that it is a page of a list, not
 * an event. What is refused has a reason; what is told again changes nothing; targets of every role can be read. */
#include "collect/sd_kubernetes.h"
#include "fuzz/fuzz.h"

enum { TARGETS_BYTES_MAX = 64 * MIB };

static void targets(struct kubernetes_store *s, struct arena *a)
{
    for (int role = 0; role < KUBERNETES_ROLES; role++) {
        struct kubernetes_sd sd = { .role = (enum kubernetes_role)role, .attach_node = role & 1, .attach_namespace = true,
                                    .attach_deployment = true, .attach_job = true, .attach_cronjob = true };
        struct target_group *groups;
        struct buf out;
        struct err err;
        uint64_t changes;
        size_t n;
        buf_init(&out, TARGETS_BYTES_MAX);
        MUST(kubernetes_store_targets(s, &sd, &out, &changes, &err) == ST_OK);
        MUST(changes == kubernetes_store_changes(s));
        if (!buf_over(&out))
            MUST(sd_groups_read(a, buf_as_slice(&out), &groups, &n, &err) == ST_OK);
        buf_free(&out);
    }
}

static void line_take(struct kubernetes_store *s, enum kubernetes_kind kind, struct slice line, struct arena *a)
{
    struct kubernetes_event event;
    struct err err = { 0 };
    uint64_t before = kubernetes_store_changes(s);
    enum status st = kubernetes_store_event(s, kind, 1, 1, line, a, &event, &err);
    MUST(st == ST_OK || err.text[0]);
    if (st) {
        MUST(kubernetes_store_changes(s) == before);
        return;
    }
    MUST(event.type == EVENT_ERROR || event.version.len);
    before = kubernetes_store_changes(s);
    MUST(kubernetes_store_event(s, kind, 1, 1, line, a, &event, &err) == ST_OK);
    MUST(kubernetes_store_changes(s) == before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kubernetes_store *s = kubernetes_store_new();
    struct arena *a = arena_new(0);
    struct slice rest = slice_of(data, size), line;
    while (slice_next(&rest, '\n', &line)) {
        struct kubernetes_page page;
        struct err err = { 0 };
        enum kubernetes_kind kind = (enum kubernetes_kind)(line.len ? (unsigned char)line.ptr[0] % KUBERNETES_KINDS : 0);
        bool is_page = line.len > 1 && line.ptr[1] == 'L';
        line = slice_skip(line, is_page ? 2 : 1);
        if (!is_page)
            line_take(s, kind, line, a);
        else if (kubernetes_store_page(s, kind, 2, 7, line, a, &page, &err) == ST_OK)
            MUST(page.version.len);
        else
            MUST(err.text[0]);
    }
    targets(s, a);
    kubernetes_store_sweep(s, KIND_POD, 2, 8);
    kubernetes_store_sweep(s, KIND_POD, 1, 8);
    MUST(kubernetes_store_count(s, KIND_POD) == 0);
    kubernetes_store_free(s);
    arena_free(a);
    return 0;
}
