/* SPDX-License-Identifier: Apache-2.0 */
#include "net/client.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/drive_test.h"

struct pair {
    struct drive d;
    struct http_client *c;
    char url[200];
    struct client_request req;
    struct client_response resp;
    struct err err;
};

static void begin(struct pair *p)
{
    drive_start(&p->d);
    CHECK(http_client_new(&p->c, &p->err) == ST_OK);
}

static enum status get(struct pair *p, const char *scheme, const char *path)
{
    snprintf(p->url, sizeof p->url, "%s://%.*s%s", scheme, SLICE_FMT(p->d.address), path);
    p->req.url = slice_str(p->url);
    if (p->req.timeout_ns == 0)
        p->req.timeout_ns = 30 * NS_S;
    if (p->req.response_bytes_max == 0)
        p->req.response_bytes_max = 10 * MIB;
    return http_client_do(p->c, &p->req, &p->resp, &p->err);
}

static void end(struct pair *p)
{
    buf_free(&p->resp.body);
    http_client_free(p->c);
    drive_stop(&p->d);
}

TEST(client_gets_posts_and_unpacks)
{
    struct pair p = { 0 };
    drive_init(&p.d);
    begin(&p);
    CHECK(get(&p, "http", "/big?100000") == ST_OK);
    CHECK_INT(p.resp.status, 200);
    CHECK_INT(p.resp.body.len, 100000);
    CHECK_STR(p.resp.content_type, "text/plain");
    CHECK(p.resp.total_ns >= p.resp.first_byte_ns && p.resp.first_byte_ns >= p.resp.connect_ns);
    buf_free(&p.resp.body);
    p.req.method = "POST";
    p.req.body = SLICE("some bytes");
    CHECK(get(&p, "http", "/echo") == ST_OK);
    CHECK_STR(buf_as_slice(&p.resp.body), "some bytes");
    buf_free(&p.resp.body);
    p.req.method = "HEAD";
    p.req.body = SLICE_EMPTY;
    CHECK(get(&p, "http", "/big?77") == ST_OK);
    CHECK_INT(p.resp.body.len, 0);
    CHECK_INT(p.resp.status, 200);
    end(&p);
}

TEST(client_stops_at_its_limits)
{
    struct pair p = { 0 };
    drive_init(&p.d);
    begin(&p);
    p.req.response_bytes_max = 999;
    CHECK(get(&p, "http", "/big?1000") == ST_LIMIT);
    CHECK(slice_contains(slice_str(p.err.text), SLICE("more than 999 bytes")));
    buf_free(&p.resp.body);
    p.req.timeout_ns = 50 * NS_MS;
    CHECK(get(&p, "http", "/gate") == ST_TIMEOUT);
    CHECK_INT(p.resp.status, 0);
    buf_free(&p.resp.body);
    CHECK(get(&p, "ftp", "/") == ST_INVALID);
    end(&p);
}

TEST(client_says_that_nobody_listens)
{
    struct pair p = { 0 };
    drive_init(&p.d);
    begin(&p);
    drive_stop(&p.d);
    CHECK(get(&p, "http", "/echo") == ST_UNAVAILABLE);
    CHECK_INT(p.resp.status, 0);
    buf_free(&p.resp.body);
    http_client_free(p.c);
}

TEST(client_and_server_speak_tls_with_http2)
{
    struct pair p = { 0 };
    char cert[128], key[128];
    make_certificate(unit_dir(), cert, key);
    drive_init(&p.d);
    p.d.opt.tls_cert = cert;
    p.d.opt.tls_key = key;
    begin(&p);
    CHECK(get(&p, "https", "/loop") == ST_DENIED); /* signed by nobody we know */
    buf_free(&p.resp.body);
    p.req.ca_file = cert;
    CHECK(get(&p, "https", "/big?3000000") == ST_OK);
    CHECK_INT(p.resp.status, 200);
    CHECK_INT(p.resp.body.len, 3000000);
    CHECK(p.resp.tls_ns > 0);
    buf_free(&p.resp.body);
    p.req.server_name = "stoa.test";
    CHECK(get(&p, "https", "/loop") == ST_OK);
    buf_free(&p.resp.body);
    p.req.server_name = "other.test";
    CHECK(get(&p, "https", "/loop") == ST_DENIED);
    buf_free(&p.resp.body);
    p.req.server_name = NULL;
    p.req.ca_file = NULL;
    p.req.tls_insecure = true;
    p.req.body = SLICE("over tls");
    p.req.method = "POST";
    CHECK(get(&p, "https", "/echo") == ST_OK);
    CHECK_STR(buf_as_slice(&p.resp.body), "over tls");
    end(&p);
}

static void many(void *arg)
{
    struct pair *shared = arg;
    struct pair mine = { .d.address = shared->d.address, .c = shared->c };
    char body[32];
    for (int i = 0; i < 50; i++) {
        int n = snprintf(body, sizeof body, "body %d", i);
        mine.req.method = "POST";
        mine.req.body = slice_of(body, (size_t)n);
        CHECK(get(&mine, "http", i & 1 ? "/echo" : "/loop") == ST_OK);
        CHECK(slice_eq(buf_as_slice(&mine.resp.body), mine.req.body));
        buf_free(&mine.resp.body);
    }
}

TEST(client_serves_many_callers_at_once)
{
    enum { THREADS = 4 };
    struct pair p = { 0 };
    struct thread *t[THREADS];
    drive_init(&p.d);
    begin(&p);
    for (int i = 0; i < THREADS; i++)
        CHECK(thread_start(&t[i], "caller", many, &p, &p.err) == ST_OK);
    for (int i = 0; i < THREADS; i++)
        thread_join(t[i]);
    end(&p);
}

struct told {
    struct mutex lock;
    struct cond cond;
    int over, status;
    size_t bytes;
};

static bool on_piece(void *arg, struct slice bytes)
{
    struct told *t = arg;
    mutex_lock(&t->lock);
    t->bytes += bytes.len;
    mutex_unlock(&t->lock);
    return true;
}

static void on_answered(void *arg, int status)
{
    struct told *t = arg;
    mutex_lock(&t->lock);
    t->status = status;
    mutex_unlock(&t->lock);
}

static void on_over(void *arg)
{
    struct told *t = arg;
    mutex_lock(&t->lock);
    t->over++;
    cond_signal(&t->cond);
    mutex_unlock(&t->lock);
}

TEST(client_runs_many_transfers_that_nobody_waits_for)
{
    enum { TRANSFERS = 20 };
    struct pair p = { 0 };
    struct told told = { 0 };
    struct http_transfer *t[TRANSFERS];
    mutex_init(&told.lock);
    cond_init(&told.cond);
    drive_init(&p.d);
    begin(&p);
    CHECK(get(&p, "http", "/big?1000") == ST_OK);
    buf_free(&p.resp.body);
    p.req.piece = on_piece;
    p.req.answered = on_answered;
    p.req.over_now = on_over;
    p.req.piece_arg = &told;
    for (int i = 0; i < TRANSFERS; i++)
        CHECK(http_transfer_start(p.c, &p.req, &t[i], &p.err) == ST_OK);
    mutex_lock(&told.lock);
    while (told.over < TRANSFERS)
        cond_wait(&told.cond, &told.lock);
    mutex_unlock(&told.lock);
    for (int i = 0; i < TRANSFERS; i++) {
        CHECK(http_transfer_end(t[i], &p.resp, &p.err) == ST_OK);
        CHECK_INT(p.resp.status, 200);
        CHECK_INT(p.resp.body.len, 0);
        buf_free(&p.resp.body);
    }
    CHECK_INT(told.bytes, TRANSFERS * 1000);
    CHECK_INT(told.status, 200);
    end(&p);
}

TEST(client_cancels_a_transfer_whose_answer_does_not_come)
{
    struct pair p = { 0 };
    struct told told = { 0 };
    struct http_transfer *t;
    mutex_init(&told.lock);
    cond_init(&told.cond);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof at;
    int mute = socket(AF_INET, SOCK_STREAM, 0); /* takes connections and says nothing */
    CHECK(bind(mute, (struct sockaddr *)&at, n) == 0 && listen(mute, 4) == 0 && getsockname(mute, (struct sockaddr *)&at, &n) == 0);
    drive_init(&p.d);
    begin(&p);
    snprintf(p.url, sizeof p.url, "http://127.0.0.1:%d/", ntohs(at.sin_port));
    p.req = (struct client_request){ .url = slice_str(p.url), .timeout_ns = 3600 * NS_S, .over_now = on_over, .piece_arg = &told };
    CHECK(http_transfer_start(p.c, &p.req, &t, &p.err) == ST_OK);
    CHECK(http_transfer_end(t, &p.resp, &p.err) == ST_CANCELLED);
    CHECK_INT(told.over, 1);
    http_client_stop(p.c);
    CHECK(http_transfer_start(p.c, &p.req, &t, &p.err) == ST_OK);
    CHECK(http_transfer_end(t, &p.resp, &p.err) == ST_CANCELLED);
    CHECK_INT(told.over, 2);
    close(mute);
    end(&p);
}
