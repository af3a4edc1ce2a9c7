/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines made of real ones: given log files (those of the loghub collection, 2 000 lines of each system) are multiplied,
 * with times and ids that move, and a third of all lines is JSON with a random trace id each.
 *
 * A given line becomes pieces once: literal text, times in the shapes below, addresses, numbers. Writing a line draws each piece anew:
 *   times       the line's own time in the shape that was found; ten digits that begin with 1 are seconds since 1970
 *   addresses   the last byte, in half of the lines
 *   1 digit, and what follows '@' or a letter   as it is: versions, line numbers, names
 *   2, 3 digits as many random ones, in half of the lines
 *   4 and more  in two thirds of the lines one of POOL values that belong to this place, since ids come again; else as many random ones
 *
 * Requests of Loki's push, packed with snappy, go to a file before anything is measured: four bytes of length each, little endian.
 * Sending them costs next to nothing. */
#include <snappy-c.h>
#include <stdio.h>
#include <time.h>

#include "bench/load.h"
#include "codec/proto.h"

enum { FILES_MAX = 64, SERVICES = 10, PODS = 5, JSON_STREAMS = SERVICES * PODS, HOST_STREAMS = 100, STREAMS = JSON_STREAMS + HOST_STREAMS,
       REQUEST_LINES = 4000, CORPUS_SEED = 43, POOL = 4096, USERS = 100000, FILE_BYTES_MAX = 64 * MIB,
       REQUEST_BYTES_MAX = 64 * MIB };
#define NEEDLE "quicksilver-7f3a9c"

enum piece_kind { PIECE_TEXT, PIECE_TIME, PIECE_EPOCH, PIECE_ADDRESS, PIECE_NUMBER };

struct piece {
    enum piece_kind kind;
    struct slice text;
    const struct shape *shape;
    uint64_t place; /* tells this number of this line from others */
};

struct line {
    struct piece *pieces;
    size_t count;
};

struct file {
    struct slice name; /* HDFS */
    struct line *lines;
    size_t count;
};

/* 9: a digit; _: a digit or a blank; A: a letter; the rest stands for itself. */
static const struct shape {
    struct slice shape;
    const char *format; /* of strftime */
    bool ms;
} shapes[] = {
    { SLICE_INIT("9999-99-99 99:99:99,999"), "%Y-%m-%d %H:%M:%S,", true },
    { SLICE_INIT("9999-99-99 99:99:99.999"), "%Y-%m-%d %H:%M:%S.", true },
    { SLICE_INIT("9999-99-99 99:99:99"), "%Y-%m-%d %H:%M:%S", false },
    { SLICE_INIT("99-99 99:99:99.999"), "%m-%d %H:%M:%S.", true },
    { SLICE_INIT("99/99/99 99:99:99"), "%y/%m/%d %H:%M:%S", false },
    { SLICE_INIT("AAA AAA _9 99:99:99 9999"), "%a %b %e %H:%M:%S %Y", false },
    { SLICE_INIT("AAA _9 99:99:99"), "%b %e %H:%M:%S", false },
    { SLICE_INIT("AAA 9 99:99:99"), "%b %d %H:%M:%S", false },
    { SLICE_INIT("9999.99.99 "), "%Y.%m.%d ", false },
    { SLICE_INIT("999999 999999 "), "%y%m%d %H%M%S ", false },
};

struct corpus {
    struct arena *a;
    struct file files[FILES_MAX];
    size_t file_count;
    struct rand r;
    size_t next[STREAMS];
    struct tm tm; /* of the line being written, in pieces */
    int64_t tm_s;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool fits(struct slice text, struct slice shape)
{
    if (text.len < shape.len)
        return false;
    for (size_t i = 0; i < shape.len; i++) {
        char c = text.ptr[i], want = shape.ptr[i];
        if (want == '9' ? !is_digit(c) : want == '_' ? !is_digit(c) && c != ' ' : want == 'A' ? !is_letter(c) : c != want)
            return false;
    }
    return true;
}

static const struct shape *shape_at(struct slice text)
{
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        if (fits(text, shapes[i].shape))
            return &shapes[i];
    return NULL;
}

/* Length of a dotted quad at the front, or 0. */
static size_t address_at(struct slice text)
{
    size_t at = 0;
    for (int part = 0; part < 4; part++) {
        size_t digits = 0;
        while (at + digits < text.len && is_digit(text.ptr[at + digits]))
            digits++;
        if (digits == 0 || digits > 3)
            return 0;
        at += digits;
        if (part < 3 && (at >= text.len || text.ptr[at++] != '.'))
            return 0;
    }
    return at;
}

static struct piece piece_at(struct slice line, size_t at, uint64_t place)
{
    struct slice rest = slice_skip(line, at);
    char before = at ? line.ptr[at - 1] : ' ';
    const struct shape *shape = is_digit(before) || is_letter(before) ? NULL : shape_at(rest);
    if (shape)
        return (struct piece){ PIECE_TIME, slice_sub(rest, 0, shape->shape.len), shape, place };
    size_t digits = 0, address = is_digit(before) || before == '.' ? 0 : address_at(rest);
    if (address)
        return (struct piece){ PIECE_ADDRESS, slice_sub(rest, 0, address), NULL, place };
    while (digits < rest.len && is_digit(rest.ptr[digits]))
        digits++;
    if (digits == 10 && rest.ptr[0] == '1')
        return (struct piece){ PIECE_EPOCH, slice_sub(rest, 0, digits), NULL, place };
    bool moves = digits > 1 && before != '@' && !is_letter(before);
    return (struct piece){ moves ? PIECE_NUMBER : PIECE_TEXT, slice_sub(rest, 0, MAX(digits, (size_t)1)), NULL, place };
}

static struct line line_parse(struct arena *a, struct slice text, uint64_t number)
{
    struct line line = {0};
    size_t cap = 0;
    for (size_t at = 0; at < text.len;) {
        struct piece p = piece_at(text, at, number * 64 + line.count % 64);
        struct piece *last = line.count ? &line.pieces[line.count - 1] : NULL;
        at += p.text.len;
        if (p.kind == PIECE_TEXT && last && last->kind == PIECE_TEXT)
            last->text.len += p.text.len;
        else
            ARENA_PUSH(a, line.pieces, line.count, cap) = p;
    }
    return line;
}

static void file_load(struct corpus *c, const char *path)
{
    FILE *in = fopen(path, "rb");
    char *bytes = arena_alloc(c->a, FILE_BYTES_MAX);
    size_t n = in ? fread(bytes, 1, FILE_BYTES_MAX, in) : 0, cap = 0;
    if (n == 0)
        fail("cannot read %s", path);
    fclose(in);
    struct file *f = &c->files[c->file_count];
    struct slice rest = slice_of(bytes, n), text, name = slice_str(path);
    for (size_t i = name.len; i-- > 0;)
        if (name.ptr[i] == '/') {
            name = slice_skip(name, i + 1);
            break;
        }
    f->name = slice_sub(name, 0, MIN(slice_find(name, SLICE("_"), 0), slice_find(name, SLICE("."), 0)));
    while (slice_next(&rest, '\n', &text)) {
        text = slice_trim(text);
        if (text.len == 0)
            continue;
        struct line line = line_parse(c->a, text, c->file_count << 32 | f->count);
        ARENA_PUSH(c->a, f->lines, f->count, cap) = line;
    }
    c->file_count++;
}

/* ---- Writing ---- */

static void put_digits(struct rand *r, struct buf *out, size_t digits)
{
    for (size_t i = 0; i < digits; i++)
        buf_char(out, (char)('0' + (i ? rand_below(r, 10) : 1 + rand_below(r, 9))));
}

static void put_number(struct corpus *c, const struct piece *p, struct buf *out)
{
    if (p->text.len < 4) {
        if (rand_one_in(&c->r, 2))
            buf_slice(out, p->text);
        else
            put_digits(&c->r, out, p->text.len);
    } else if (rand_one_in(&c->r, 3)) {
        put_digits(&c->r, out, p->text.len);
    } else {
        struct rand pool;
        rand_seed(&pool, p->place * POOL + rand_below(&c->r, POOL));
        put_digits(&pool, out, p->text.len);
    }
}

static void put_time(struct corpus *c, const struct shape *shape, int64_t t_ns, struct buf *out)
{
    char text[64];
    size_t n = strftime(text, sizeof text, shape->format, &c->tm);
    buf_put(out, text, n);
    if (shape->ms)
        buf_printf(out, "%03u", (unsigned)(t_ns % NS_S / NS_MS));
}

static void put_given(struct corpus *c, const struct line *line, int64_t t_ns, struct buf *out)
{
    for (size_t i = 0; i < line->count; i++) {
        const struct piece *p = &line->pieces[i];
        switch (p->kind) {
        case PIECE_TEXT: buf_slice(out, p->text); break;
        case PIECE_TIME: put_time(c, p->shape, t_ns, out); break;
        case PIECE_EPOCH: buf_printf(out, "%lld", (long long)(t_ns / NS_S)); break;
        case PIECE_NUMBER: put_number(c, p, out); break;
        case PIECE_ADDRESS: {
            size_t dot = p->text.len;
            while (p->text.ptr[dot - 1] != '.')
                dot--;
            if (rand_one_in(&c->r, 2))
                buf_slice(out, p->text);
            else
                buf_printf(out, "%.*s%u", (int)dot, p->text.ptr, (unsigned)rand_below(&c->r, 256));
            break;
        }
        }
    }
}

static const char *const services[SERVICES] = { "frontend", "checkout", "cart", "catalog", "payment", "shipping", "search", "auth", "inventory",
                                                "ads" };
static const char *const routes[] = { "/api/orders/{id}", "/api/items/{id}", "/api/cart", "/api/users/{id}", "/api/search", "/api/pay", "/healthz" };
static const char *const messages[] = { "request served",    "cache miss, asked the database", "connection reset by peer", "retrying the call",
                                        "order was placed", "slow query",                     "token was renewed",        "job has finished" };
static const char *const levels[] = { "INFO", "INFO", "INFO", "INFO", "INFO", "INFO", "DEBUG", "DEBUG", "WARN", "ERROR" };
static const char *const agents[] = { "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0", "okhttp/4.12.0", "kube-probe/1.30",
                                      "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/131.0.0.0" };
#define PICK(list, r) (list)[rand_below((r), COUNT_OF(list))]

static void put_json(struct corpus *c, size_t stream, int64_t t_ns, struct buf *out)
{
    struct rand *r = &c->r;
    char when[64];
    size_t service = stream % SERVICES;
    double ms = 1.0 / (0.002 + rand_unit(r)) + (double)rand_below(r, 40);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &c->tm);
    buf_printf(out, "{\"time\":\"%s.%03uZ\",\"level\":\"%s\",\"msg\":\"%s\",\"service\":\"%s\",\"pod\":\"%s-7d9f8b6c5-%05zu\",\"method\":\"%s\",",
               when, (unsigned)(t_ns % NS_S / NS_MS), PICK(levels, r), PICK(messages, r), services[service], services[service],
               stream * 7919 % 100000, rand_one_in(r, 4) ? "POST" : "GET");
    buf_printf(out, "\"route\":\"%s\",\"status\":%u,\"duration_ms\":%.3f,\"bytes\":%u,\"user\":\"u%u\",\"client\":\"10.%u.%u.%u\",\"agent\":\"%s\",",
               PICK(routes, r), rand_one_in(r, 30) ? 500 : 200, ms, (unsigned)rand_below(r, 60000), (unsigned)rand_below(r, USERS),
               (unsigned)rand_below(r, 4), (unsigned)rand_below(r, 256), (unsigned)rand_below(r, 256), PICK(agents, r));
    buf_printf(out, "\"trace_id\":\"%016zx%016zx\"}", (size_t)rand_u64(r), (size_t)rand_u64(r));
}

static void put_line(struct corpus *c, size_t stream, int64_t t_ns, struct buf *out)
{
    time_t s = (time_t)(t_ns / NS_S);
    if (s != c->tm_s) {
        gmtime_r(&s, &c->tm);
        c->tm_s = s;
    }
    if (stream < JSON_STREAMS || c->file_count == 0) {
        put_json(c, stream, t_ns, out);
        return;
    }
    const struct file *f = &c->files[stream % c->file_count];
    put_given(c, &f->lines[c->next[stream]++ % f->count], t_ns, out);
}

/* JSON stays JSON. */
static void put_needle(struct buf *line)
{
    bool is_json = line->len && line->ptr[line->len - 1] == '}';
    line->len -= is_json;
    buf_slice(line, is_json ? SLICE(",\"note\":\"" NEEDLE "\"}") : SLICE(" " NEEDLE));
}

static void put_labels(const struct corpus *c, size_t stream, struct buf *out)
{
    if (stream < JSON_STREAMS || c->file_count == 0) {
        buf_printf(out, "{service=\"%s\",host=\"pod-%zu\",format=\"json\"}", services[stream % SERVICES], stream / SERVICES);
    } else {
        struct slice name = c->files[stream % c->file_count].name;
        buf_printf(out, "{service=\"%.*s\",host=\"host-%zu\",format=\"text\"}", SLICE_FMT(name), stream / c->file_count);
    }
}

static void put_entry(struct buf *b, int64_t t_ns, struct slice line)
{
    size_t entry = proto_nested_begin(b, 2), stamp = proto_nested_begin(b, 1);
    proto_put_varint(b, 1, (uint64_t)(t_ns / NS_S));
    proto_put_varint(b, 2, (uint64_t)(t_ns % NS_S));
    proto_nested_end(b, stamp);
    proto_put_bytes(b, 2, line);
    proto_nested_end(b, entry);
}

static void put_request(const struct corpus *c, struct buf *streams, struct buf *body, struct buf *packed, FILE *out)
{
    struct buf labels;
    buf_init(&labels, 0);
    buf_reset(body);
    for (size_t i = 0; i < STREAMS; i++) {
        if (streams[i].len == 0)
            continue;
        buf_reset(&labels);
        put_labels(c, i, &labels);
        size_t mark = proto_nested_begin(body, 1);
        proto_put_bytes(body, 1, buf_as_slice(&labels));
        buf_slice(body, buf_as_slice(&streams[i]));
        proto_nested_end(body, mark);
        buf_reset(&streams[i]);
    }
    buf_free(&labels);
    size_t room = snappy_max_compressed_length(body->len);
    buf_reset(packed);
    if (snappy_compress(body->ptr, body->len, buf_room(packed, room), &room) != SNAPPY_OK)
        fail("snappy cannot compress %zu bytes", body->len);
    uint32_t n = (uint32_t)room;
    if (fwrite(&n, 1, sizeof n, out) != sizeof n || fwrite(packed->ptr, 1, room, out) != room)
        fail("the disk is full");
}

void load_corpus(const struct corpus_load *load)
{
    struct corpus c = { .a = arena_new(0) };
    struct buf streams[STREAMS], body, packed, line;
    FILE *requests = fopen(load->request_file, "wb"), *copy = fopen(load->copy_file, "wb");
    uint64_t raw = 0, count = 0;
    if (!requests || !copy || load->file_count > FILES_MAX)
        fail("cannot write %s or %s, or over %d files", load->request_file, load->copy_file, FILES_MAX);
    for (size_t i = 0; i < load->file_count; i++)
        file_load(&c, load->files[i]);
    rand_seed(&c.r, CORPUS_SEED);
    buf_init(&body, 0);
    buf_init(&packed, 0);
    buf_init(&line, 0);
    for (size_t i = 0; i < STREAMS; i++) {
        buf_init(&streams[i], 0);
        c.next[i] = i * 137; /* no two streams tell the same at the same time */
    }
    for (uint64_t i = 0; i < load->lines; i++) {
        int64_t t_ns = load->start_ns + (int64_t)((double)load->span_ns / (double)load->lines * (double)i);
        size_t stream = rand_below(&c.r, STREAMS);
        buf_reset(&line);
        put_line(&c, stream, t_ns, &line);
        if (i == load->lines / 2)
            put_needle(&line);
        put_entry(&streams[stream], t_ns, buf_as_slice(&line));
        buf_char(&line, '\n');
        if (fwrite(line.ptr, 1, line.len, copy) != line.len)
            fail("the disk is full");
        raw += line.len;
        if ((i + 1) % REQUEST_LINES == 0 || i + 1 == load->lines) {
            put_request(&c, streams, &body, &packed, requests);
            count++;
        }
    }
    if (fclose(requests) || fclose(copy))
        fail("the disk is full");
    printf("{\"lines\":%zu,\"raw_bytes\":%zu,\"requests\":%zu,\"streams\":%d,\"given_files\":%zu,\"needle\":\"" NEEDLE "\"}\n", (size_t)load->lines,
           (size_t)raw, (size_t)count, STREAMS, c.file_count);
    arena_free(c.a);
    buf_free(&body);
    buf_free(&packed);
    buf_free(&line);
    for (size_t i = 0; i < STREAMS; i++)
        buf_free(&streams[i]);
}

void load_push(uint16_t port, const char *request_file)
{
    struct sender s;
    struct timespec from, to;
    FILE *in = fopen(request_file, "rb");
    char *bytes = mem_alloc(REQUEST_BYTES_MAX);
    uint32_t n;
    if (!in)
        fail("cannot read %s", request_file);
    sender_open(&s, port, "/loki/api/v1/push", "Content-Type: application/x-protobuf\r\n");
    clock_gettime(CLOCK_MONOTONIC, &from);
    while (fread(&n, 1, sizeof n, in) == sizeof n) {
        if (n > REQUEST_BYTES_MAX || fread(bytes, 1, n, in) != n)
            fail("%s is cut off", request_file);
        sender_post(&s, slice_of(bytes, n), false);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("{\"requests\":%zu,\"sent_bytes\":%zu,\"seconds\":%.3f}\n", (size_t)s.requests, (size_t)s.sent_bytes,
           (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
    sender_close(&s);
    mem_free(bytes);
    fclose(in);
}
