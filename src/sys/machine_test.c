/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/machine.h"

#include <stdio.h>
#include <unistd.h>

#include "base/unit.h"

TEST(machine_room_is_ordered_and_a_path_that_is_not_there_is_not_found)
{
    struct machine_room room;
    struct err err;
    CHECK(machine_room(unit_dir(), &room, &err) == ST_OK);
    CHECK(room.size_bytes > 0);
    CHECK(room.avail_bytes <= room.free_bytes && room.free_bytes <= room.size_bytes);
    CHECK(machine_room("/there/is/no/such/path", &room, &err) == ST_NOT_FOUND);
    CHECK(slice_contains(slice_str(err.text), SLICE("/there/is/no/such/path")));
}

TEST(machine_timex_has_a_tick_and_a_frequency_near_one)
{
    struct machine_timex t;
    struct err err;
    CHECK(machine_timex(&t, &err) == ST_OK);
    CHECK_NEAR(t.tick_s, 0.01, 0.002);
    CHECK_NEAR(t.frequency_ratio, 1, 0.01);
}

TEST(machine_real_path_follows_links_and_is_empty_for_what_is_not_there)
{
    struct arena *a = arena_new(0);
    char link[512];
    snprintf(link, sizeof link, "%s/link", unit_dir());
    CHECK(symlink("/proc", link) == 0);
    CHECK_STR(machine_real_path(a, link), "/proc");
    CHECK_INT(machine_real_path(a, "/there/is/no/such/path").len, 0);
    arena_free(a);
}
