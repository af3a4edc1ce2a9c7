/* SPDX-License-Identifier: Apache-2.0 */
/* Notifiers: the ways to tell people. Each is one file that ends with its row; notify.c has the table. */
#ifndef STOA_ALERT_NOTIFY_H
#define STOA_ALERT_NOTIFY_H

#include <stdatomic.h>

#include "alert/dispatch.h"
#include "alert/setup.h"

enum {
    NOTIFY_ALERTS_SHOWN_MAX = 50,      /* in a mail or chat message; the rest is counted */
    NOTIFY_ALERTS_SENT_MAX = 1000,     /* in a webhook's body */
    NOTIFY_RESPONSE_BYTES_MAX = 64 * KIB,
    NOTIFY_BODY_BYTES_MAX = 8 * MIB,
    NOTIFY_SECRET_BYTES_MAX = 64 * KIB, /* of a file with a password or URL */
    NOTIFY_ERROR_SHOWN_BYTES = 200
};
#define NOTIFY_TIMEOUT_NS (30 * NS_S) /* of one try */

struct notice_alert {
    struct slice labels, annotations, generator_url;
    int64_t starts_ns, ends_ns; /* 0: firing */
    double value;
    uint64_t fingerprint;
};

/* What is to be told: a group of alerts at one moment, as part of an incident. Lives in its arena. */
struct notice {
    struct arena *arena;
    bool is_firing;
    bool is_first; /* to this receiver, of this incident */
    size_t escalation_step; /* 0: none */
    int64_t now_ns;
    struct slice receiver, group_key, group_labels, common_labels, common_annotations, external_url;
    struct slice incident_id, incident_url, severity, summary, description, runbook_url;
    int64_t started_ns;
    const struct notice_alert *alerts; /* firing ones first */
    size_t count, firing;
    struct gotmpl_value data; /* for templates; made by notice_data_make */
};

struct notify_env {
    struct http_client *client;
    const atomic_bool *cancelled;
    const struct notify_ids *ids; /* told in a traceparent header; NULL: none */
};

struct notifier {
    const char *name;  /* "webhook" */
    struct slice key;  /* "webhook_configs" */
    bool send_resolved; /* unless the configuration says otherwise */
    enum status (*read)(const struct setup_reading *r, const struct yaml_node *n, const void **settings, struct err *err);
    /* Blocks. ST_INVALID: refused for good; anything else may be tried again. */
    enum status (*send)(const void *settings, const struct notify_env *env, const struct notice *n, struct err *err);
};

/* ---- message.c: the texts ---- */

void notice_data_make(struct notice *n);
/* The text of a template, in n's arena. For one that fails, the title and why: nobody goes untold for a template. */
struct slice notice_text(const struct notice *n, const struct message_text *t);
/* RFC 3339. */
struct slice notice_time(struct arena *a, int64_t ns);
/* "3.5", without needless digits; empty for NaN. */
struct slice notice_number(struct arena *a, double v);
/* One line for people: [FIRING:2] summary. */
struct slice notice_title(const struct notice *n);
/* Sixteen digits, as Alertmanager writes them. */
struct slice notice_fingerprint(struct arena *a, uint64_t fingerprint);
/* The `define`s of our default texts. */
extern const struct slice message_defaults;

/* ---- notify_http.c ---- */

struct notify_request {
    struct slice url, url_file; /* url_file: when url is empty */
    const struct http_setup *http;
    struct slice body;
    int64_t timeout_ns; /* 0: NOTIFY_TIMEOUT_NS */
};
/* POSTs JSON. 2yz is good; 429 and 5yz may be tried again; the rest is refused. An address with a secret is never in err. */
MUST_CHECK enum status notify_post(const struct notify_env *env, struct arena *a, const struct notify_request *req, struct err *err);
/* A file's first line. */
MUST_CHECK enum status notify_secret(struct arena *a, struct slice path, struct slice *out, struct err *err);

/* The rows. */
extern const struct notifier notifier_webhook, notifier_email, notifier_slack, notifier_pagerduty;

#endif
