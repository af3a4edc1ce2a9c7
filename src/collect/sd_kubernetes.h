/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes discovery's own: the objects as last told by lists and watches, and the targets that are made of them. */
#ifndef STOA_COLLECT_SD_KUBERNETES_H
#define STOA_COLLECT_SD_KUBERNETES_H

#include "collect/sd.h"

enum {
    KUBERNETES_ANSWER_BYTES_MAX = 32 * MIB,  /* of one page of a list */
    KUBERNETES_PAGE_ITEMS = 500,
    KUBERNETES_PAGES_MAX = 1000,
    KUBERNETES_EVENT_BYTES_MAX = 8 * MIB,    /* of one event of a watch */
    KUBERNETES_WAITING_BYTES_MAX = 16 * MIB, /* of events of one watch that are not read yet */
    KUBERNETES_OBJECTS_MAX = 500 * 1000,     /* of one configuration, all kinds */
    KUBERNETES_OBJECTS_BYTES_MAX = 128 * MIB, /* of them, with only what labels are made of */
    KUBERNETES_STREAMS_MAX = 10 * 1000,      /* kinds times namespaces */
    KUBERNETES_VALUE_BYTES_MAX = 4096        /* longer labels and annotations are cut */
};

enum kubernetes_kind {
    KIND_NODE,
    KIND_POD,
    KIND_SERVICE,
    KIND_ENDPOINTS,
    KIND_ENDPOINTSLICE,
    KIND_INGRESS,
    KIND_NAMESPACE,
    KIND_REPLICASET,
    KIND_JOB
};
enum { KUBERNETES_KINDS = 9 };
/* A role's own kind: the first ones are in the order of roles. */
static inline enum kubernetes_kind kubernetes_role_kind(enum kubernetes_role role)
{
    return (enum kubernetes_kind)role;
}

/* ---- sd_kubernetes_store.c: objects by kind, namespace and name. Any thread ---- */

struct kubernetes_store;
struct kubernetes_store *kubernetes_store_new(void);
void kubernetes_store_free(struct kubernetes_store *s); /* accepts NULL */

struct kubernetes_page {
    struct slice version, more; /* more: where the next page begins; empty: there is none */
};
/* A page of a list: its objects become those of stream, in this generation. Texts of out live in a. ST_INVALID: no list.
 * ST_LIMIT: over the limits above; the objects so far are taken. */
MUST_CHECK enum status kubernetes_store_page(struct kubernetes_store *s, enum kubernetes_kind kind, uint32_t stream, uint32_t generation,
                                             struct slice body, struct arena *a, struct kubernetes_page *out, struct err *err);
/* The list is whole: what stream has of other generations is gone. */
void kubernetes_store_sweep(struct kubernetes_store *s, enum kubernetes_kind kind, uint32_t stream, uint32_t generation);

enum kubernetes_event_type { EVENT_ADDED, EVENT_MODIFIED, EVENT_DELETED, EVENT_BOOKMARK, EVENT_ERROR };
enum { KUBERNETES_EVENT_TYPES = 5, KUBERNETES_GONE = 410 };
struct kubernetes_event {
    enum kubernetes_event_type type;
    struct slice version;       /* but of an ERROR */
    int64_t code;               /* of an ERROR: KUBERNETES_GONE says that the version is too old to go on from */
    struct slice message;
};
/* One line of a watch. Texts of out live in a. ST_INVALID and ST_LIMIT: nothing is taken. */
MUST_CHECK enum status kubernetes_store_event(struct kubernetes_store *s, enum kubernetes_kind kind, uint32_t stream, uint32_t generation,
                                              struct slice line, struct arena *a, struct kubernetes_event *out, struct err *err);
/* Goes up whenever something changed that labels are made of. */
uint64_t kubernetes_store_changes(struct kubernetes_store *s);
size_t kubernetes_store_count(struct kubernetes_store *s, enum kubernetes_kind kind);
/* All targets as sd.h has them, and the changes they are as of. */
MUST_CHECK enum status kubernetes_store_targets(struct kubernetes_store *s, const struct kubernetes_sd *sd, struct buf *out, uint64_t *changes,
                                                struct err *err);

/* ---- for sd_kubernetes_groups.c, while targets are made ---- */

struct kubernetes_view;
/* False when there is none, or the kind was not asked for. */
bool kubernetes_find(const struct kubernetes_view *v, enum kubernetes_kind kind, struct slice space, struct slice name, struct json_value *out);
/* Adds the targets of one object of the role's own kind; a is for texts meanwhile. */
void kubernetes_targets(const struct kubernetes_view *v, const struct kubernetes_sd *sd, struct json_value object, struct arena *a,
                        struct json_writer *w);

/* ---- sd_kubeconfig.c ---- */

/* Where the file's current context leads, into *url and *http; all in a. ST_UNSUPPORTED names what is not served (exec,
 * auth-provider). */
MUST_CHECK enum status kubeconfig_read(struct fs *fs, struct slice path, struct arena *a, struct slice *url, struct scrape_http *http,
                                       struct err *err);

#endif
