/* SPDX-License-Identifier: Apache-2.0 */
/* `stoa check redaction [--profile NAME] [-z]`: standard input as it would be stored, to standard output; what was taken out is
 * counted on standard error. -z: records that end in NUL, as `find -print0` makes them, each for itself; else all is one text. */
#include <stdio.h>

#include "ctl/commands.h"
#include "pipeline/redact.h"

enum { INPUT_BYTES_MAX = 256 * MIB, READ_BYTES = 64 * KIB };

static enum status read_input(struct buf *out, struct err *err)
{
    for (;;) {
        char *room = buf_room(out, READ_BYTES);
        if (room == NULL)
            return err_set(err, ST_LIMIT, "standard input has more than %d bytes, which is the most", INPUT_BYTES_MAX);
        size_t n = fread(room, 1, READ_BYTES, stdin);
        buf_added(out, n);
        if (n == 0)
            return ferror(stdin) ? err_set(err, ST_IO, "standard input cannot be read") : ST_OK;
    }
}

static void put_record(const struct redactor *r, struct slice text, uint64_t *counts)
{
    struct buf out;
    buf_init(&out, 0);
    if (redact_text(r, text, &out, counts))
        text = buf_as_slice(&out);
    fwrite(text.ptr, 1, text.len, stdout);
    buf_free(&out);
}

int check_redaction(int argc, char **argv)
{
    enum redact_profile profile = REDACT_DEFAULT;
    uint64_t counts[REDACT_DETECTOR_COUNT] = { 0 };
    bool by_record = false;
    struct buf input;
    struct err err;
    for (int i = 0; i < argc; i++) {
        struct slice word = slice_str(argv[i]);
        if (slice_eq(word, SLICE("-z"))) {
            by_record = true;
        } else if (!slice_eq(word, SLICE("--profile")) || i + 1 == argc || !redact_profile_parse(slice_str(argv[++i]), &profile)) {
            fprintf(stderr, "usage: stoa check redaction [--profile default|article|off] [-z] < TEXT\n");
            return 2;
        }
    }
    buf_init(&input, INPUT_BYTES_MAX);
    if (read_input(&input, &err)) {
        fprintf(stderr, "stoa check: %s\n", err.text);
        buf_free(&input);
        return 1;
    }
    struct redactor *r = redactor_new(profile);
    struct slice rest = buf_as_slice(&input), record;
    while (by_record && slice_next(&rest, '\0', &record)) {
        put_record(r, record, counts);
        fputc('\0', stdout);
    }
    put_record(r, rest, counts);
    for (int i = 0; i < REDACT_DETECTOR_COUNT; i++)
        if (counts[i])
            fprintf(stderr, "%s: %llu\n", redact_detector_name((enum redact_detector)i), (unsigned long long)counts[i]);
    redactor_free(r);
    buf_free(&input);
    return 0;
}
