/* SPDX-License-Identifier: Apache-2.0 */
/* A file of the audit log of any bytes: reading ends, lines lie in the file, nothing follows the chain that was not written for
 * it, and what is written follows. */
#include "auth/audit_file.h"
#include "fuzz/fuzz.h"
#include "sys/file_sim.h"

static void walk(struct fs *fs, struct slice all)
{
    struct audit_head head = { .file = 1 };
    struct audit_lines lines;
    struct slice line;
    struct err err;
    const char *why;
    enum status st;
    size_t bytes = 0;
    memset(head.hash, '0', sizeof head.hash);
    MUST(audit_lines_open(&lines, fs, "/a/00000001.jsonl", 0, &err) == ST_OK);
    while (audit_lines_next(&lines, &line, &st, &err)) {
        struct audit_head before = head;
        bytes += line.len;
        if (!audit_line_follows(&head, line, &why))
            MUST(why[0] && head.seq == before.seq && head.size == before.size);
    }
    MUST(st == ST_OK && bytes <= all.len);
    audit_lines_close(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fs *fs = fs_sim_new(1);
    struct slice all = slice_of(data, size), *list;
    struct arena *a = arena_new(0);
    struct file *f;
    struct err err;
    struct buf middle, line;
    const char *why;
    size_t n;
    struct audit_head head = { .file = 1 };
    MUST(fs_mkdir_all(fs, "/a", &err) == ST_OK && fs_open(fs, "/a/00000001.jsonl", FILE_APPEND, &f, &err) == ST_OK);
    MUST(file_append(f, all.ptr, all.len, &err) == ST_OK);
    file_close(f);
    walk(fs, all);
    struct audit_filter filter = { .start_ms = INT64_MIN, .end_ms = INT64_MAX, .limit = 10 };
    MUST(audit_list(fs, SLICE("/a"), &filter, a, &list, &n, &err) == ST_OK && n <= filter.limit);
    /* Whatever is in a record, it is one line, and follows. */
    struct audit_record r = { .user = slice_sub(all, 0, size / 2), .action = SLICE("x"), .text = all, .request = all };
    memset(head.hash, '0', sizeof head.hash);
    struct audit_head before = head;
    buf_init(&middle, 0);
    buf_init(&line, 0);
    audit_middle(&middle, 1, &r);
    audit_line_write(&head, buf_as_slice(&middle), &line);
    MUST(line.len <= AUDIT_LINE_BYTES_MAX && slice_find_char(buf_as_slice(&line), '\n', 0) == line.len - 1);
    MUST(audit_line_follows(&before, slice_sub(buf_as_slice(&line), 0, line.len - 1), &why) && before.seq == 1);
    buf_free(&middle);
    buf_free(&line);
    arena_free(a);
    fs_sim_free(fs);
    return 0;
}
