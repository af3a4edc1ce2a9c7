/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unit.h"
#include "collect/sd.h"

TEST(sd_texts_become_groups_and_odd_ones_are_left_out)
{
    struct arena *a = arena_new(0);
    struct target_group *groups;
    struct err err;
    size_t n;
    CHECK_INT(sd_groups_read(a, SLICE("[{\"targets\":[\"a:1\",\"b:2\"],\"labels\":{\"x\":\"y\"}},{},7]"), &groups, &n, &err), ST_OK);
    CHECK_INT(n, 1);
    CHECK_INT(groups[0].address_count, 2);
    CHECK_STR(groups[0].addresses[1], "b:2");
    CHECK_STR(groups[0].labels[0].value, "y");
    CHECK_INT(sd_groups_read(a, SLICE("[{"), &groups, &n, &err), ST_INVALID);
    CHECK_INT(n, 0);
    arena_free(a);
}

/* Reads config, whose job is the first; the reader of HTTP settings gives nothing. */
static enum status no_http(void *arg, const struct yaml_node *n, const struct slice *own, size_t own_count, struct scrape_http *out)
{
    return ST_OK;
}

static enum status read(struct arena *a, const char *config, struct scrape_job *j, struct err *err)
{
    struct sd_reading r = { .a = a, .err = err, .http = no_http };
    struct slice *servers;
    struct yaml_node *root;
    size_t n;
    *j = (struct scrape_job){ 0 };
    enum status st = yaml_parse(a, SLICE("x.yml"), slice_str(config), &root, err);
    if (!st)
        st = dns_config_read(a, root, &servers, &n, err);
    return st ? st : sd_config_read(&r, root, servers, n, j);
}

TEST(sd_settings_have_prometheus_defaults)
{
    struct arena *a = arena_new(0);
    struct scrape_job j;
    struct err err;
    CHECK_INT(read(a, "dns: {servers: [127.0.0.1:5353]}\ndns_sd_configs: [{names: [a, b]}]\n"
                      "kubernetes_sd_configs: [{role: pod, api_server: 'https://k/', selectors: [{role: node, label: a=b}]}]", &j, &err), ST_OK);
    CHECK_INT(j.dns_sd_count, 1);
    CHECK_INT(j.dns_sds[0].type, DNS_SRV);
    CHECK_INT(j.dns_sds[0].refresh_ns, 30 * NS_S);
    CHECK_INT(j.dns_sds[0].server_count, 1);
    CHECK_INT(j.kubernetes_sd_count, 1);
    CHECK_INT(j.kubernetes_sds[0].role, KUBERNETES_POD);
    CHECK_STR(j.kubernetes_sds[0].url, "https://k");
    CHECK_STR(j.kubernetes_sds[0].label_selectors[KUBERNETES_NODE], "a=b");
    arena_free(a);
}

TEST(sd_lists_that_are_none_are_refused)
{
    static const char *const bad[] = { "dns_sd_configs: 7", "kubernetes_sd_configs: x", "dns: {server: x}",
                                       "dns_sd_configs: [{names: [a], port: 70000}]",
                                       "kubernetes_sd_configs: [{role: pod, api_server: 'http://k', selectors: [{role: x}]}]" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct arena *a = arena_new(0);
        struct scrape_job j;
        struct err err = { 0 };
        CHECK_INT(read(a, bad[i], &j, &err), ST_INVALID);
        CHECK(slice_starts(slice_str(err.text), SLICE("x.yml:1: ")));
        arena_free(a);
    }
}
