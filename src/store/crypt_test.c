/* SPDX-License-Identifier: Apache-2.0 */
/* Encryption at rest: nothing readable in any file, and nothing lost, whatever key is given when. */
#include "store/crypt.h"

#include <stdio.h>

#include "store/frame.h"
#include "store/rig_test.h"

#define DAY_NS (86400 * NS_S)
#define MARK "zebra-in-the-clear"

static void write_file(struct rig *r, const char *path, struct slice content)
{
    struct err err = { 0 };
    CHECK_INT(fs_mkdir_all(r->fs, "/keys", &err), ST_OK);
    CHECK_INT(fs_replace(r->fs, path, content, &err), ST_OK);
}

static void make_keys(struct rig *r)
{
    write_file(r, "/keys/good", SLICE("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"));
    write_file(r, "/keys/other", SLICE("0123456789abcdef0123456789abcdef"));
    write_file(r, "/keys/short", SLICE("0001"));
}

static void begin(struct rig *r, uint64_t seed)
{
    rig_init(r, seed);
    make_keys(r);
    r->opt.key_file = SLICE("/keys/good");
    rig_open(r);
}

/* How many files below folder hold the text; *files counts all. */
static int files_with(struct rig *r, const char *folder, const char *text, int *files)
{
    struct buf names, content;
    struct err err;
    int n = 0;
    buf_init(&names, 0);
    buf_init(&content, 0);
    if (fs_list(r->fs, folder, &names, &err) == ST_OK) {
        struct slice rest = buf_as_slice(&names), name;
        while (slice_next(&rest, 0, &name)) {
            char path[512];
            struct file_info info;
            snprintf(path, sizeof path, "%s/%.*s", folder, SLICE_FMT(name));
            if (fs_info(r->fs, path, &info, &err) != ST_OK)
                continue;
            if (info.is_dir) {
                n += files_with(r, path, text, files);
                continue;
            }
            buf_reset(&content);
            ++*files;
            if (fs_read_all(r->fs, path, 64 * MIB, &content, &err) == ST_OK)
                n += slice_contains(buf_as_slice(&content), slice_str(text));
        }
    }
    buf_free(&names);
    buf_free(&content);
    return n;
}

TEST(nothing_of_a_row_can_be_read_in_the_log_or_in_a_part)
{
    struct rig r;
    struct err err = { 0 };
    int files = 0;
    begin(&r, 1);
    CHECK_INT(rig_put(&r, MARK), ST_OK);
    CHECK_INT(files_with(&r, "/data", MARK, &files), 0);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    CHECK_INT(rig_put(&r, MARK "2"), ST_OK);
    CHECK_INT(files_with(&r, "/data", MARK, &files), 0);
    CHECK(files > 4);
    CHECK_INT(rig_count(&r, KIND_EVENTS, MARK "-0"), 1);
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(rig_count(&r, KIND_EVENTS, MARK "-0"), 1);
    CHECK_INT(rig_count(&r, KIND_METRICS, MARK "2-0"), 1);
    CHECK_INT(rig_stats(&r).corrupt_blocks, 0);
    rig_end(&r);
    struct rig plain; /* the check above sees what is not encrypted */
    rig_init(&plain, 1);
    rig_open(&plain);
    CHECK_INT(rig_put(&plain, MARK), ST_OK);
    CHECK(files_with(&plain, "/data", MARK, &files) > 0);
    rig_end(&plain);
}

TEST(a_missing_or_wrong_key_is_told_at_the_start_and_nothing_is_lost)
{
    static const struct {
        const char *key;
        enum status status;
        const char *word;
    } cases[] = { { "", ST_DENIED, "key_file" }, { "/keys/other", ST_DENIED, "does not fit" }, { "/keys/short", ST_INVALID, "32 bytes" },
                  { "/keys/none", ST_NOT_FOUND, "key_file" } };
    struct rig r;
    begin(&r, 2);
    struct err err = { 0 };
    CHECK_INT(rig_put(&r, "a"), ST_OK);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    CHECK_INT(rig_put(&r, "b"), ST_OK);
    fs_sim_power_cut(r.fs, LOSE_ALL);
    store_abandon(r.store);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        r.opt.key_file = slice_str(cases[i].key);
        CHECK_INT(rig_try_open(&r, &err), cases[i].status);
        CHECK(slice_contains(slice_str(err.text), slice_str(cases[i].word)));
    }
    r.opt.key_file = SLICE("/keys/good");
    rig_open(&r);
    CHECK_INT(rig_count(&r, KIND_EVENTS, "a-0"), 1);
    CHECK_INT(rig_count(&r, KIND_EVENTS, "b-0"), 1);
    rig_end(&r);
}

TEST(a_lost_keyring_stops_the_start_and_can_be_put_back)
{
    struct rig r;
    struct err err = { 0 };
    struct buf ring;
    buf_init(&ring, 0);
    begin(&r, 3);
    CHECK_INT(rig_put(&r, "a"), ST_OK);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    CHECK_INT(rig_put(&r, "b"), ST_OK);
    CHECK_INT(fs_read_all(r.fs, "/data/stoa/KEYRING", 64 * KIB, &ring, &err), ST_OK);
    fs_sim_power_cut(r.fs, LOSE_ALL);
    store_abandon(r.store);
    for (int with_key = 0; with_key < 2; with_key++) {
        CHECK_INT(fs_unlink(r.fs, "/data/stoa/KEYRING", &err), ST_OK);
        r.opt.key_file = with_key ? SLICE("/keys/good") : SLICE_EMPTY;
        CHECK_INT(rig_try_open(&r, &err), ST_DENIED);
        CHECK(slice_contains(slice_str(err.text), SLICE("KEYRING")));
        CHECK_INT(fs_replace(r.fs, "/data/stoa/KEYRING", buf_as_slice(&ring), &err), ST_OK);
    }
    rig_open(&r);
    CHECK_INT(rig_count(&r, KIND_EVENTS, "a-0"), 1);
    CHECK_INT(rig_count(&r, KIND_EVENTS, "b-0"), 1);
    buf_free(&ring);
    rig_end(&r);
}

TEST(any_damaged_byte_of_the_keyring_is_made_up_for_by_its_other_copy)
{
    struct rig r;
    struct buf ring;
    struct err err = { 0 };
    begin(&r, 4);
    buf_init(&ring, 0);
    CHECK_INT(fs_read_all(r.fs, "/data/stoa/KEYRING", 64 * KIB, &ring, &err), ST_OK);
    for (uint64_t at = 0; at < ring.len; at++) {
        fs_sim_flip(r.fs, "/data/stoa/KEYRING", at);
        struct crypt *c = NULL;
        CHECK_INT(crypt_open(&c, r.fs, SLICE("/data/stoa"), SLICE("/keys/good"), &err), ST_OK);
        crypt_free(c);
        CHECK_INT(fs_replace(r.fs, "/data/stoa/KEYRING", buf_as_slice(&ring), &err), ST_OK);
    }
    buf_free(&ring);
    rig_end(&r);
}

TEST(parts_from_before_stay_readable_and_become_encrypted_by_merges)
{
    struct rig r;
    struct err err = { 0 };
    int files = 0;
    rig_init(&r, 5);
    make_keys(&r);
    rig_open(&r);
    CHECK_INT(rig_put(&r, MARK), ST_OK);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    CHECK_INT(rig_put(&r, MARK "-log"), ST_OK);
    CHECK(files_with(&r, "/data", MARK, &files) > 0);
    r.opt.key_file = SLICE("/keys/good");
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(rig_count(&r, KIND_EVENTS, MARK "-0"), 1);
    CHECK_INT(rig_count(&r, KIND_EVENTS, MARK "-log-0"), 1);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    CHECK_INT(store_tick(r.store, &err), ST_OK);
    CHECK_INT(files_with(&r, "/data", MARK, &files), 0);
    CHECK_INT(rig_count(&r, KIND_EVENTS, MARK "-0"), 1);
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(rig_count(&r, KIND_EVENTS, MARK "-0"), 1);
    CHECK_INT(rig_count(&r, KIND_METRICS, MARK "-log-0"), 1);
    rig_end(&r);
}

/* ---- the power goes, encrypted ---- */

enum { STEPS = 12 };

static void live(struct rig *r, bool acked[STEPS])
{
    struct err err;
    char name[16];
    for (int i = 0; i < STEPS; i++) {
        snprintf(name, sizeof name, "r%d", i);
        acked[i] = rig_append(r, rig_batch(name, 1, rig_now_ns - (i % 2) * DAY_NS, true), &err) == ST_OK;
        enum status st = i % 4 == 3 ? store_flush(r->store, &err) : ST_OK;
        st = i == 9 ? store_merge(r->store, &err) : st;
        (void)st;
    }
}

static void check_all(struct rig *r, const bool acked[STEPS])
{
    char body[16];
    for (int i = 0; i < STEPS; i++) {
        snprintf(body, sizeof body, "r%d-0", i);
        int n = rig_count(r, KIND_EVENTS, body), m = rig_count(r, KIND_METRICS, body);
        CHECK(n == m && (n == 1 || (n == 0 && !acked[i])));
    }
    CHECK_INT(rig_stats(r).corrupt_blocks, 0);
}

TEST(a_power_cut_at_any_sync_of_an_encrypted_store_loses_nothing_acknowledged)
{
    for (uint64_t at = 1;; at++) {
        struct rig r;
        struct err err;
        bool acked[STEPS] = { false };
        rig_init(&r, 40 + at);
        make_keys(&r);
        r.opt.key_file = SLICE("/keys/good");
        uint64_t before = fs_sim_syncs(r.fs);
        fs_sim_stop_at_sync(r.fs, at);
        bool opened = rig_try_open(&r, &err) == ST_OK;
        if (opened)
            live(&r, acked);
        bool is_over = opened && acked[STEPS - 1] && fs_sim_syncs(r.fs) - before < at;
        if (opened) {
            rig_crash(&r, at % 2 ? LOSE_ALL : LOSE_NONE);
        } else {
            fs_sim_power_cut(r.fs, LOSE_ALL);
            fs_sim_stop_at_sync(r.fs, 0);
            rig_open(&r);
        }
        check_all(&r, acked);
        rig_end(&r);
        if (is_over)
            break;
    }
}

/* ---- frames ---- */

TEST(a_frame_gives_its_bytes_back_with_its_key_and_place_alone)
{
    struct rig r;
    struct err err = { 0 };
    struct crypt *c = NULL;
    struct crypt_key key, wrong;
    struct frame f;
    struct buf out;
    uint8_t uuid[16] = { 1 }, other[16] = { 2 };
    char plain[64], back[64];
    begin(&r, 6);
    CHECK_INT(crypt_open(&c, r.fs, SLICE("/data/stoa"), SLICE("/keys/good"), &err), ST_OK);
    crypt_key_new(c, uuid, "part", &key);
    CHECK_INT(crypt_key_find(c, key.slot, other, "part", &wrong, &err), ST_OK);
    struct frame_coder *coder = frame_coder_new();
    buf_init(&out, 0);
    CHECK_INT(frame_write(coder, &key, &out, 1, 64, BLOCK_DATA, CODEC_ZSTD, SLICE("bytes of a block"), 100, &err), ST_OK);
    CHECK_INT(frame_check(buf_as_slice(&out), 1, 64, BLOCK_DATA, 100, &f, &err), ST_OK);
    CHECK(f.is_encrypted && f.key_slot == key.slot);
    struct frame again = f;
    CHECK_INT(frame_decrypt(&again, &wrong, 64, plain, &err), ST_CORRUPT);
    again = f;
    CHECK_INT(frame_decrypt(&again, &key, 65, plain, &err), ST_CORRUPT);
    CHECK_INT(frame_decrypt(&f, &key, 64, plain, &err), ST_OK);
    CHECK_INT(frame_unpack(coder, &f, back, &err), ST_OK);
    CHECK(slice_eq(slice_of(back, f.raw_bytes), SLICE("bytes of a block")));
    buf_free(&out);
    frame_coder_free(coder);
    crypt_free(c);
    rig_end(&r);
}

/* Writes over the frame at ref what anybody can make: a plain frame of the same length, with a good checksum. */
static void forge(struct part_writer *w, struct block_ref ref)
{
    struct frame_coder *coder = frame_coder_new();
    struct err err = { 0 };
    struct buf plain;
    char raw[64];
    memset(raw, 'f', sizeof raw);
    buf_init(&plain, 0);
    CHECK_INT(frame_write(coder, NULL, &plain, w->seed, ref.offset, BLOCK_DATA, CODEC_RAW, slice_of(raw, ref.length - FRAME_HEADER_BYTES), 100, &err),
              ST_OK);
    CHECK_INT(plain.len, ref.length);
    memcpy(w->out.ptr + ref.offset, plain.ptr, plain.len);
    buf_free(&plain);
    frame_coder_free(coder);
}

TEST(a_plain_block_in_an_encrypted_part_is_not_believed)
{
    for (int forged = 0; forged < 2; forged++) {
        struct rig r;
        struct err err = { 0 };
        struct store_kind kind = rows_kind;
        struct part_info info = { .id = 77, .kind = kind.id, .start_ns = 0, .end_ns = DAY_NS };
        struct part_writer *w;
        struct part *p;
        struct block_ref ref;
        struct block *block = NULL;
        kind.part_open = NULL;
        begin(&r, 7);
        CHECK_INT(part_writer_new(&r.store->env, &kind, &info, true, &w, &err), ST_OK);
        CHECK_INT(part_write(w, CODEC_RAW, SLICE("bytes of a block"), &ref, &err), ST_OK);
        CHECK_INT(part_writer_finish(w, SLICE("meta"), &err), ST_OK);
        if (forged)
            forge(w, ref);
        CHECK_INT(part_of_bytes(&r.store->env, &kind, NULL, &w->info, &w->out, &p, &err), ST_OK);
        CHECK_INT(part_read(p, ref, &block, &err), forged ? ST_CORRUPT : ST_OK);
        block_drop(block);
        part_drop(p);
        part_writer_free(w, false);
        rig_end(&r);
    }
}
