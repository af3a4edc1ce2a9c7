/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/audit.h"

#include "base/unit.h"
#include "codec/json.h"
#include "sys/file_sim.h"

struct rig {
    struct arena *a;
    struct fs *fs;
    struct kv *kv;
    struct clock *clock;
    struct audit_options opt;
};

static void rig_open(struct rig *r, struct fs *fs)
{
    struct err err;
    r->a = arena_new(0);
    r->fs = fs;
    r->clock = clock_sim_new(1700000000 * NS_S);
    CHECK_INT(kv_open(&r->kv, arena_printf(r->a, "%s/state-%p.db", unit_dir(), (void *)fs).ptr, &err), ST_OK);
    CHECK_INT(kv_delete(r->kv, SLICE("audit/head"), &err), ST_OK); /* of an earlier disk at the same address */
    r->opt = (struct audit_options){ .fs = fs, .dir = SLICE("/data/audit"), .kv = r->kv, .clock = r->clock };
}

static void rig_close(struct rig *r)
{
    kv_close(r->kv);
    clock_sim_free(r->clock);
    fs_sim_free(r->fs);
    arena_free(r->a);
}

static struct audit *open_log(struct rig *r)
{
    struct audit *a;
    struct err err;
    enum status st = audit_open(&a, &r->opt, &err);
    if (st)
        unit_fail(__FILE__, __LINE__, err.text);
    return a;
}

static void add(struct audit *a, const char *text)
{
    struct audit_record rec = { .user = SLICE("alice"), .role = SLICE("viewer"), .peer = SLICE("127.0.0.1:1"), .tenant = SLICE("default"),
                                .action = SLICE("logs.query"), .text = slice_str(text), .rows = 7, .status = 200 };
    struct err err;
    CHECK_INT(audit_add_wait(a, &rec, &err), ST_OK);
}

static struct audit_check verify(struct rig *r)
{
    struct audit_check c;
    struct err err;
    CHECK_INT(audit_verify(r->fs, r->opt.dir, r->kv, &c, &err), ST_OK);
    return c;
}

static struct slice texts(struct rig *r, struct audit_filter f)
{
    struct slice *list;
    struct err err;
    struct json_parser *p = json_parser_new();
    struct slice out = SLICE_EMPTY;
    size_t n;
    CHECK_INT(audit_list(r->fs, r->opt.dir, &f, r->a, &list, &n, &err), ST_OK);
    for (size_t i = 0; i < n; i++) {
        struct json_value v, m;
        CHECK_INT(json_parse(p, list[i], &v, &err), ST_OK);
        CHECK(json_get(v, SLICE("text"), &m));
        struct slice text = json_get_string(m);
        out = arena_printf(r->a, "%.*s%s%.*s", SLICE_FMT(out), i ? " " : "", SLICE_FMT(text));
    }
    json_parser_free(p);
    return out;
}

static const struct audit_filter all = { .start_ms = 0, .end_ms = INT64_MAX, .limit = 100 };

TEST(records_are_chained_over_restarts_and_listed_newest_first)
{
    struct rig r;
    rig_open(&r, fs_sim_new(1));
    CHECK(verify(&r).ok);
    struct audit *a = open_log(&r);
    add(a, "one");
    add(a, "two");
    audit_close(a);
    a = open_log(&r);
    add(a, "three");
    audit_close(a);
    struct audit_check c = verify(&r);
    CHECK(c.ok);
    CHECK_INT(c.records, 3);
    CHECK_STR(texts(&r, all), "three two one");
    struct audit_filter f = all;
    f.limit = 2;
    CHECK_STR(texts(&r, f), "three two");
    f.user = SLICE("bob");
    CHECK_STR(texts(&r, f), "");
    f.user = SLICE("alice");
    f.action = SLICE("logs.");
    CHECK_STR(texts(&r, f), "three two");
    rig_close(&r);
}

TEST(files_rotate_and_the_chain_goes_on)
{
    struct rig r;
    rig_open(&r, fs_sim_new(1));
    r.opt.file_bytes_max = 900;
    struct audit *a = open_log(&r);
    for (int i = 0; i < 10; i++)
        add(a, i % 2 ? "odd" : "even");
    struct audit_stats s;
    audit_stats(a, &s);
    CHECK_INT(s.records, 10);
    audit_close(a);
    struct file_info info;
    CHECK_INT(fs_info(r.fs, "/data/audit/00000003.jsonl", &info, NULL), ST_OK);
    CHECK(verify(&r).ok);
    CHECK_INT(verify(&r).records, 10);
    struct audit_filter f = all;
    f.limit = 3;
    CHECK_STR(texts(&r, f), "odd even odd");
    CHECK_INT(fs_unlink(r.fs, "/data/audit/00000002.jsonl", NULL), ST_OK);
    CHECK(!verify(&r).ok);
    CHECK(slice_contains(slice_str(verify(&r).why), SLICE("00000002.jsonl")));
    rig_close(&r);
}

TEST(one_changed_byte_anywhere_is_found_by_name)
{
    struct rig r;
    struct file_info info;
    rig_open(&r, fs_sim_new(1));
    struct audit *a = open_log(&r);
    for (int i = 0; i < 4; i++)
        add(a, "text");
    audit_close(a);
    const char *path = "/data/audit/00000001.jsonl";
    struct buf good;
    buf_init(&good, 0);
    CHECK_INT(fs_info(r.fs, path, &info, NULL), ST_OK);
    CHECK_INT(fs_read_all(r.fs, path, MIB, &good, NULL), ST_OK);
    for (uint64_t at = 0; at < info.size; at++) {
        fs_sim_flip(r.fs, path, at);
        struct audit_check c = verify(&r);
        CHECK(!c.ok);
        CHECK(slice_contains(slice_str(c.why), SLICE("00000001.jsonl line ")));
        CHECK_INT(c.first_bad, 1 + at / (info.size / 4));
        CHECK_INT(fs_replace(r.fs, path, buf_as_slice(&good), NULL), ST_OK);
    }
    CHECK(verify(&r).ok);
    buf_free(&good);
    rig_close(&r);
}

static void cut(struct rig *r, const char *path, uint64_t bytes)
{
    struct file *f;
    uint64_t size;
    CHECK_INT(fs_open(r->fs, path, FILE_APPEND, &f, NULL), ST_OK);
    CHECK_INT(file_size(f, &size, NULL), ST_OK);
    CHECK_INT(file_truncate(f, size - bytes, NULL), ST_OK);
    CHECK_INT(file_sync(f, NULL), ST_OK);
    file_close(f);
}

TEST(a_cut_off_end_is_found_by_the_anchor_and_stays_found)
{
    struct rig r;
    struct file_info info;
    rig_open(&r, fs_sim_new(1));
    struct audit *a = open_log(&r);
    for (int i = 0; i < 4; i++)
        add(a, "text");
    audit_close(a);
    const char *path = "/data/audit/00000001.jsonl";
    CHECK_INT(fs_info(r.fs, path, &info, NULL), ST_OK);
    cut(&r, path, info.size / 2);
    struct audit_check c = verify(&r);
    CHECK(!c.ok);
    CHECK_INT(c.first_bad, 3);
    CHECK(slice_contains(slice_str(c.why), SLICE("3 to 4 are missing")));
    /* The log goes on, and does not hide it. */
    a = open_log(&r);
    add(a, "later");
    audit_close(a);
    c = verify(&r);
    CHECK(!c.ok);
    CHECK(slice_contains(slice_str(c.why), SLICE("00000002.jsonl line 1")));
    struct audit_filter f = all;
    f.limit = 2;
    f.action = SLICE("audit.damaged");
    CHECK(texts(&r, f).len > 0);
    rig_close(&r);
}

TEST(a_log_replaced_as_a_whole_is_found_by_the_anchor)
{
    struct rig r;
    struct buf text;
    rig_open(&r, fs_sim_new(1));
    struct audit *a = open_log(&r);
    add(a, "one");
    audit_close(a);
    buf_init(&text, 0);
    CHECK_INT(fs_read_all(r.fs, "/data/audit/00000001.jsonl", MIB, &text, NULL), ST_OK);
    CHECK_INT(kv_delete(r.kv, SLICE("audit/head"), NULL), ST_OK);
    CHECK(!verify(&r).ok);
    CHECK_INT(fs_unlink(r.fs, "/data/audit/00000001.jsonl", NULL), ST_OK);
    a = open_log(&r);
    add(a, "two");
    audit_close(a);
    CHECK(verify(&r).ok);
    CHECK_INT(fs_replace(r.fs, "/data/audit/00000001.jsonl", buf_as_slice(&text), NULL), ST_OK);
    CHECK(!verify(&r).ok);
    buf_free(&text);
    rig_close(&r);
}

TEST(a_torn_last_line_is_repaired_and_said)
{
    struct rig r;
    struct file *f;
    rig_open(&r, fs_sim_new(1));
    struct audit *a = open_log(&r);
    add(a, "one");
    audit_close(a);
    CHECK_INT(fs_open(r.fs, "/data/audit/00000001.jsonl", FILE_APPEND, &f, NULL), ST_OK);
    CHECK_INT(file_append(f, "{\"seq\":2,\"t_ms\":17", 17, NULL), ST_OK);
    file_close(f);
    CHECK(verify(&r).ok);
    audit_close(open_log(&r));
    CHECK(verify(&r).ok);
    CHECK_INT(verify(&r).records, 2);
    CHECK(slice_contains(texts(&r, all), SLICE("17 bytes was cut off")));
    rig_close(&r);
}

TEST(after_a_power_cut_at_any_sync_what_was_promised_is_there_and_the_chain_holds)
{
    for (uint64_t stop = 1; stop < 40; stop++) {
        struct rig r;
        struct err err;
        rig_open(&r, fs_sim_new(stop));
        r.opt.file_bytes_max = 900;
        size_t promised = 0;
        struct audit *a;
        fs_sim_stop_at_sync(r.fs, stop);
        if (audit_open(&a, &r.opt, &err) == ST_OK) {
            struct audit_record rec = { .action = SLICE("logs.query"), .text = SLICE("x"), .status = 200 };
            while (promised < 12 && audit_add_wait(a, &rec, &err) == ST_OK)
                promised++;
            audit_close(a);
        }
        fs_sim_stop_at_sync(r.fs, 0);
        fs_sim_power_cut(r.fs, stop % 2 ? LOSE_RANDOM : LOSE_ALL);
        a = open_log(&r);
        add(a, "after");
        audit_close(a);
        struct audit_check c = verify(&r);
        CHECK(c.records > promised || !c.ok);
        if (stop % 2 == 0 && !c.ok)
            unit_fail(__FILE__, (int)stop, c.why);
        struct audit_filter f = all;
        f.action = SLICE("logs.query");
        struct slice *list;
        size_t n;
        CHECK_INT(audit_list(r.fs, r.opt.dir, &f, r.a, &list, &n, &err), ST_OK);
        CHECK(n >= promised + 1);
        rig_close(&r);
    }
}

TEST(a_full_disk_refuses_and_recovers)
{
    struct rig r;
    struct err err;
    rig_open(&r, fs_sim_new(1));
    struct audit *a = open_log(&r);
    add(a, "one");
    fs_sim_set_space(r.fs, 0, 1000);
    struct audit_record rec = { .action = SLICE("user.add"), .status = 200 };
    CHECK(audit_add_wait(a, &rec, &err) != ST_OK);
    CHECK(!audit_is_ready(a));
    fs_sim_set_space(r.fs, GIB, GIB);
    audit_close(a);
    CHECK(verify(&r).ok);
    CHECK_INT(verify(&r).records, 2);
    rig_close(&r);
}

TEST(another_process_leaves_its_record_and_the_log_takes_it_over)
{
    struct rig r;
    struct err err;
    struct audit *other;
    rig_open(&r, fs_sim_new(1));
    struct audit *a = open_log(&r);
    struct audit_options opt = r.opt;
    opt.no_wait = true;
    CHECK_INT(audit_open(&other, &opt, &err), ST_EXISTS);
    struct audit_record rec = { .user = SLICE("root"), .action = SLICE("user.add"), .text = SLICE("bob"), .status = 200 };
    CHECK_INT(audit_defer(r.kv, r.clock, &rec, &err), ST_OK);
    CHECK_INT(audit_drain(a, &err), ST_OK);
    CHECK_INT(audit_drain(a, &err), ST_OK);
    audit_close(a);
    CHECK_STR(texts(&r, all), "bob");
    CHECK(verify(&r).ok);
    rig_close(&r);
}

TEST(what_is_too_long_is_cut_with_a_mark)
{
    struct rig r;
    struct err err;
    rig_open(&r, fs_sim_new(1));
    struct audit *a = open_log(&r);
    char *text = mem_alloc(100 * KIB);
    memset(text, '\x01', 100 * KIB);
    struct audit_record rec = { .action = SLICE("logs.query"), .text = slice_of(text, 100 * KIB), .request = slice_of(text, 100 * KIB) };
    CHECK_INT(audit_add_wait(a, &rec, &err), ST_OK);
    audit_close(a);
    mem_free(text);
    CHECK(verify(&r).ok);
    CHECK(slice_ends(texts(&r, all), SLICE("[cut]")));
    rig_close(&r);
}

TEST(records_beyond_what_is_kept_while_the_disk_refuses_are_counted_and_told)
{
    struct rig r;
    struct audit_stats s;
    struct audit_record rec = { .user = SLICE("alice"), .action = SLICE("logs.query"), .text = SLICE("x"), .status = 503 };
    enum { OVER = 7 };
    rig_open(&r, fs_sim_new(1));
    struct audit *a = open_log(&r);
    fs_sim_set_space(r.fs, 0, 1000);
    for (int i = 0; i < AUDIT_KEPT_MAX + OVER; i++)
        audit_add(a, &rec);
    audit_stats(a, &s);
    CHECK_INT(s.waiting, AUDIT_KEPT_MAX);
    CHECK_INT(s.lost, OVER);
    fs_sim_set_space(r.fs, 1ull << 40, 1ull << 40);
    audit_close(a);
    CHECK(verify(&r).ok);
    CHECK_INT(verify(&r).records, AUDIT_KEPT_MAX + 1);
    struct audit_filter f = all;
    f.action = SLICE("audit.lost");
    CHECK_STR(texts(&r, f), "7 records were lost while the disk refused");
    rig_close(&r);
}
