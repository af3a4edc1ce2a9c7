/* SPDX-License-Identifier: Apache-2.0 */
#include "api/query_log.h"

#include "base/unit.h"
#include "sys/file_sim.h"

static uint64_t size_of(struct fs *fs, const char *path)
{
    struct file_info info;
    struct err err;
    return fs_info(fs, path, &info, &err) ? 0 : info.size;
}

TEST(a_log_that_cannot_be_made_is_refused_and_the_one_before_stays)
{
    struct fs *fs = fs_sim_new(1);
    struct query_log *l = query_log_new(clock_real(), NULL, fs);
    struct err err;
    CHECK(query_log_file(l, SLICE("q.log"), &err) == ST_OK);
    CHECK(query_log_file(l, SLICE("no/such/folder/q.log"), &err) == ST_NOT_FOUND);
    CHECK(slice_starts(slice_str(err.text), SLICE("query_log_file: ")));
    CHECK(query_log_file(l, SLICE("q.log"), &err) == ST_OK);
    CHECK(query_log_file(l, SLICE_EMPTY, &err) == ST_OK);
    CHECK_INT(size_of(fs, "q.log"), 0);
    query_log_free(l);
    fs_sim_free(fs);
}

TEST(nobody_is_ended_by_a_number_that_runs_no_query)
{
    struct query_log *l = query_log_new(clock_real(), NULL, fs_real());
    CHECK(!query_log_cancel(l, 0));
    CHECK(!query_log_cancel(l, 17));
    query_log_free(l);
}
