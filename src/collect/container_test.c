/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/container.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/unit.h"

static void check_path(const char *path, const char *ns, const char *pod, const char *name, const char *service)
{
    struct arena *a = arena_new(0);
    struct container c;
    CHECK(container_of_path(fs_real(), a, slice_str(path), &c));
    CHECK_STR(c.ns, ns);
    CHECK_STR(c.pod, pod);
    CHECK_STR(c.name, name);
    CHECK_STR(c.service, service);
    arena_free(a);
}

TEST(container_is_told_by_the_paths_of_kubernetes)
{
    check_path("/var/log/pods/shop_cart-7d4f-x2_0b7c2f7e-1111/web/0.log", "shop", "cart-7d4f-x2", "web", "");
    check_path("/host/var/log/pods/kube-system_dns_0b7c/core.dns/12.log", "kube-system", "dns", "core.dns", "");
    check_path("/var/log/containers/cart-7d4f-x2_shop_web-app-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.log", "shop",
               "cart-7d4f-x2", "web-app", "");
}

TEST(container_is_told_by_dockers_settings)
{
    struct arena *a = arena_new(0);
    struct slice folder = arena_printf(a, "%s/0123456789abcdef", unit_dir());
    struct slice log = arena_printf(a, "%.*s/0123456789abcdef-json.log", SLICE_FMT(folder));
    check_path(log.ptr, "", "", "0123456789ab", "");
    CHECK(mkdir(folder.ptr, 0755) == 0);
    FILE *f = fopen(arena_printf(a, "%.*s/config.v2.json", SLICE_FMT(folder)).ptr, "w");
    CHECK(f != NULL);
    fputs("{\"State\":{\"Pid\":1},\"Config\":{\"Image\":\"x\",\"Labels\":{\"com.docker.compose.service\":\"cart\",\"a\":\"b\"}},"
          "\"Name\":\"/shop_cart_1\"}", f);
    fclose(f);
    check_path(log.ptr, "", "", "shop_cart_1", "cart");
    arena_free(a);
}

TEST(container_is_none_elsewhere)
{
    static const char *const paths[] = { "/var/log/syslog", "/var/log/containers/readme.log", "/srv/x-json.log", "0.log", "",
                                         "/var/log/pods/noname/web/0.log" };
    struct arena *a = arena_new(0);
    struct container c;
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        CHECK(!container_of_path(fs_real(), a, slice_str(paths[i]), &c));
    arena_free(a);
}
