/* SPDX-License-Identifier: Apache-2.0 */
/* Entries become log records: MESSAGE is the line, PRIORITY the severity, unit and service the stream; every other field
 * stays a field under its own name.
 *
 * (1) The cursor of the last entry is put down after its batch is durable: at least once, as with files.
 * (2) After a failed append the place in the journal is found again by the cursor that was put down last.
 * (3) A batch that a limit refuses (one of a quiet year lies in too many days) is read again entry by entry: so nothing is
 *     held up for ever, and only what no batch can take is left out. */
#include "collect/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-journal.h>

#include "base/num.h"
#include "base/utf8.h"

enum { FIELDS_MAX = 128, CURSOR_BYTES_MAX = 1024, BATCH_BYTES_MAX = 512 * MIB, NS_PER_US = 1000 };
#define UNIT_SUFFIX SLICE(".service")

struct journal {
    const struct collect_env *env;
    struct slice dir;
    size_t line_bytes_max;
    sd_journal *sd;
    struct arena *arena; /* the key */
    struct slice key;
    bool placed;   /* the entry under the cursor has been read */
    bool has_more; /* the place is an entry that has not been read yet */
    size_t single; /* so many entries to come go one by one: (3) */
};

static enum status fail(struct journal *j, struct err *err, const char *what, int code)
{
    return err_set(err, code == -ENOENT ? ST_NOT_FOUND : ST_IO, "journal%s%.*s: %s: %s", j->dir.len ? " " : "", SLICE_FMT(j->dir), what,
                   strerror(-code));
}

/* To the entry behind the one whose cursor was put down; or to the start. */
static enum status find_place(struct journal *j, struct err *err)
{
    struct buf cursor;
    int r;
    buf_init(&cursor, CURSOR_BYTES_MAX);
    enum status st = j->env->state_get(j->env->arg, j->key, &cursor, err);
    buf_char(&cursor, 0);
    j->has_more = false;
    if (st == ST_OK && sd_journal_seek_cursor(j->sd, cursor.ptr) >= 0) {
        r = sd_journal_next(j->sd);
        /* The entry itself may have been vacuumed away: then this is the one behind it, not read yet. */
        j->has_more = r > 0 && sd_journal_test_cursor(j->sd, cursor.ptr) == 0;
    } else if (j->dir.len) {
        r = sd_journal_seek_head(j->sd);
    } else {
        r = sd_journal_seek_tail(j->sd);
        if (r >= 0)
            r = sd_journal_previous_skip(j->sd, JOURNAL_FIRST_ENTRIES_MAX);
        j->has_more = r > 0;
    }
    buf_free(&cursor);
    j->placed = r >= 0;
    return r < 0 ? fail(j, err, "cannot find the place to go on", r) : ST_OK;
}

enum status journal_open(struct journal **out, const struct collect_env *env, struct slice dir, size_t line_bytes_max, struct err *err)
{
    struct journal *j = mem_new(struct journal);
    j->env = env;
    j->arena = arena_new(0);
    j->dir = arena_copy(j->arena, dir);
    j->key = arena_printf(j->arena, "journal:%.*s", SLICE_FMT(dir));
    j->line_bytes_max = line_bytes_max;
    int r = dir.len ? sd_journal_open_directory(&j->sd, j->dir.ptr, 0) : sd_journal_open(&j->sd, SD_JOURNAL_LOCAL_ONLY);
    enum status st = r < 0 ? fail(j, err, "cannot be opened", r) : ST_OK;
    if (!st && dir.len == 0 && sd_journal_has_persistent_files(j->sd) <= 0 && sd_journal_has_runtime_files(j->sd) <= 0)
        st = err_set(err, ST_NOT_FOUND, "this machine has no journal that we may read");
    if (st) {
        journal_free(j);
        return st;
    }
    sd_journal_set_data_threshold(j->sd, line_bytes_max + KIB);
    *out = j;
    return ST_OK;
}

void journal_free(struct journal *j)
{
    if (j == NULL)
        return;
    if (j->sd)
        sd_journal_close(j->sd);
    arena_free(j->arena);
    mem_free(j);
}

struct entry {
    struct slice message, unit, identifier, comm, host;
    bool has_message;
};

static void note(struct entry *e, struct event *ev, struct slice name, struct slice value)
{
    uint64_t level;
    if (slice_eq(name, SLICE("MESSAGE"))) {
        e->message = value;
        e->has_message = true;
    } else if (slice_eq(name, SLICE("PRIORITY"))) {
        if (num_parse_u64(value, &level) && level <= 7)
            ev->severity = severity_of_syslog((unsigned)level);
    } else if (slice_eq(name, SLICE("_SYSTEMD_UNIT"))) {
        e->unit = value;
    } else if (slice_eq(name, SLICE("SYSLOG_IDENTIFIER"))) {
        e->identifier = value;
    } else if (slice_eq(name, SLICE("_COMM"))) {
        e->comm = value;
    } else if (slice_eq(name, SLICE("_HOSTNAME"))) {
        e->host = value;
    }
}

/* All of the entry's data, copied: the library's memory is good for one step only. */
static void read_data(struct journal *j, struct arena *a, struct entry *e, struct event *ev)
{
    const void *data;
    size_t len;
    struct field fields[FIELDS_MAX];
    uint32_t n = 0;
    sd_journal_restart_data(j->sd);
    while (sd_journal_enumerate_available_data(j->sd, &data, &len) > 0) {
        struct slice name, value;
        if (!slice_cut(arena_copy(a, slice_of(data, len)), '=', &name, &value))
            continue;
        note(e, ev, name, value);
        if (n == FIELDS_MAX || slice_eq(name, SLICE("MESSAGE")) || slice_eq(name, SLICE("PRIORITY")))
            continue;
        fields[n++] = (struct field){ .scope = SCOPE_RECORD, .type = utf8_is_valid(value) ? FIELD_STRING : FIELD_BYTES, .name = name, .text = value };
    }
    ev->fields = arena_array(a, struct field, n + 1);
    memcpy(ev->fields, fields, n * sizeof *fields);
    ev->field_count = n;
}

static struct slice service_of(const struct entry *e)
{
    if (slice_ends(e->unit, UNIT_SUFFIX))
        return slice_sub(e->unit, 0, e->unit.len - UNIT_SUFFIX.len);
    return e->identifier.len ? e->identifier : e->comm.len ? e->comm : SLICE("journal");
}

static struct slice body_of(const struct journal *j, struct arena *a, struct slice message)
{
    struct buf text;
    bool cut = message.len > j->line_bytes_max;
    if (!cut && utf8_is_valid(message))
        return message;
    buf_init(&text, 0);
    utf8_repair(utf8_cut(message, j->line_bytes_max - EVENT_TRUNCATED_MARK_BYTES), &text);
    if (cut)
        buf_slice(&text, EVENT_TRUNCATED_MARK);
    struct slice s = arena_copy(a, buf_as_slice(&text));
    buf_free(&text);
    return s;
}

static void entry_add(struct journal *j, struct batch *b)
{
    struct arena *a = b->arena;
    struct entry e = { SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY, false };
    struct event read = { .kind = EVENT_LOG };
    uint64_t us = 0;
    read_data(j, a, &e, &read);
    if (!e.has_message || sd_journal_get_realtime_usec(j->sd, &us) < 0)
        return;
    struct event *ev = batch_event(b);
    float weight = ev->weight;
    *ev = read;
    ev->weight = weight;
    ev->time_ns = (int64_t)us * NS_PER_US;
    ev->observed_ns = b->received_ns;
    ev->service = service_of(&e);
    ev->body = body_of(j, a, e.message);
    struct label labels[] = { { SLICE("host"), e.host.len ? e.host : j->env->instance }, { SLICE("source"), SLICE("journal") },
                              { SLICE("unit"), e.unit }, { SLICE("service_name"), ev->service } };
    if (labels_build(a, labels, COUNT_OF(labels), &ev->stream, NULL)) {
        /* A name that makes no label: the stream is the host's journal alone. */
        struct label few[] = { { SLICE("host"), j->env->instance }, { SLICE("source"), SLICE("journal") },
                               { SLICE("service_name"), SLICE("journal") } };
        ev->service = few[2].value;
        if (labels_build(a, few, COUNT_OF(few), &ev->stream, NULL))
            ev->stream = SLICE_EMPTY;
    }
}

/* Appends b and puts the cursor down. What is over a limit is read once more, entry by entry, and then left out: (3). */
static enum status settle(struct journal *j, struct batch *b, size_t entries, char *cursor, struct err *err)
{
    enum status st = ST_OK;
    if (b->event_count)
        st = j->env->append(j->env->arg, b, err);
    else
        batch_drop(b);
    bool in_vain = st == ST_INVALID || st == ST_LIMIT;
    if (in_vain && entries > 1) {
        j->single = entries;
        j->placed = false;
        return ST_OK;
    }
    if (in_vain) {
        log_line(j->env->log, LOG_WARNING, "a journal entry is left out", "cursor=\"%s\" error=\"%s\"", cursor, err ? err->text : "");
        st = ST_OK;
    }
    if (!st) {
        j->single -= MIN(j->single, entries);
        st = j->env->state_put(j->env->arg, j->key, slice_str(cursor), err);
    }
    if (st)
        j->placed = false; /* (2) */
    return st;
}

enum status journal_round(struct journal *j, size_t *entries, struct err *err)
{
    enum status st = j->placed ? ST_OK : find_place(j, err);
    char *cursor = NULL;
    int r = 0;
    *entries = 0;
    if (st)
        return st;
    struct batch *b = batch_new(BATCH_BYTES_MAX);
    b->received_ns = clock_wall_ns(j->env->clock);
    while (*entries < (j->single ? 1 : JOURNAL_BATCH_ENTRIES_MAX) && !arena_over(b->arena)) {
        r = j->has_more ? 1 : sd_journal_next(j->sd);
        j->has_more = false;
        if (r <= 0)
            break;
        entry_add(j, b);
        ++*entries;
    }
    if (*entries)
        r = sd_journal_get_cursor(j->sd, &cursor);
    if (r < 0 || *entries == 0) {
        batch_drop(b);
        j->placed = r >= 0;
        return r < 0 ? fail(j, err, "cannot be read", r) : ST_OK;
    }
    st = settle(j, b, *entries, cursor, err);
    free(cursor);
    return st;
}

bool journal_wait(struct journal *j, int64_t ns)
{
    return sd_journal_wait(j->sd, (uint64_t)(ns / NS_PER_US)) >= 0;
}
