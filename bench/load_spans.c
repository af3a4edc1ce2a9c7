/* SPDX-License-Identifier: Apache-2.0 */
/* Spans by OTLP, as a shop of six services writes them, three processes each, gathered by a collector into requests of about a thousand.
 *
 * A trace is one of five requests (below, `steps`): a tree of servers, clients, databases, a queue. A step's own time is log-normal around
 * its median, its children run within it one after another, so durations add up as in a real tree. Ids are random, paths and statements
 * have numbers in them, one leaf in some hundred fails with an exception and its stack, and what called it fails with it. A span has
 * 14 to 19 attributes with those of its resource. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "bench/load.h"
#include "codec/proto.h"

enum { SERVICES = 6, PROCESSES = 3, SCOPES = 3, REQUEST_SPANS = 1000, TRACE_SPANS_MAX = 128, SPANS_SEED = 42, ID_BYTES = 16, SPAN_ID_BYTES = 8,
       KIDS_MAX = 5, TOLD_IDS = 200, TEXT_BYTES_MAX = 1024, FAILS_ONE_IN = 150, STATUS_ERROR = 2, FLAGS = 0x101, USERS = 5000, PRODUCTS = 20000 };

enum kind { INTERNAL = 1, SERVER, CLIENT, PRODUCER, CONSUMER };
enum style { HTTP_IN, HTTP_OUT, RPC_IN, RPC_OUT, SQL, REDIS, QUEUE, CODE };
enum service { FRONTEND, CHECKOUT, CART, CATALOG, PAYMENT, SHIPPING };

static const char *const services[SERVICES] = { "frontend", "checkout", "cart", "catalog", "payment", "shipping" };
static const char *const languages[SERVICES] = { "nodejs", "java", "dotnet", "go", "java", "python" };
static const char *const versions[SERVICES] = { "2.31.0", "1.14.2", "0.9.7", "4.0.1", "1.14.2", "3.3.3" };
static const char *const scopes[SCOPES] = { "io.opentelemetry.http", "io.opentelemetry.rpc", "io.opentelemetry.db" };
static const char *const agents[] = {
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "curl/8.5.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile/15E148 Safari/604.1",
};
static const char *const failures[][2] = {
    { "java.sql.SQLTransientConnectionException", "HikariPool-1 - Connection is not available, request timed out after 30000ms" },
    { "java.net.SocketTimeoutException", "Read timed out" },
    { "io.grpc.StatusRuntimeException", "UNAVAILABLE: upstream connect error or disconnect/reset before headers" },
};

/* A span of a tree: its kids by their places in steps; the last kid comes 1 to `times` times. */
struct step {
    uint8_t service, kind, style;
    uint8_t times, kids[KIDS_MAX]; /* 0 ends them */
    const char *name, *what;       /* what: a route, a method, or a statement */
    double median_us;
};

enum { ROOTS = 5 };
static const struct step steps[] = {
    /* the five requests */
    { FRONTEND, SERVER, HTTP_IN, 1, { 5, 11 }, "GET /product/{id}", "/product/%u", 900 },
    { FRONTEND, SERVER, HTTP_IN, 1, { 8 }, "GET /search", "/search", 700 },
    { FRONTEND, SERVER, HTTP_IN, 1, { 13 }, "POST /cart", "/cart", 600 },
    { FRONTEND, SERVER, HTTP_IN, 1, { 15 }, "POST /checkout", "/checkout", 1500 },
    { FRONTEND, SERVER, HTTP_IN, 1, { 24 }, "GET /orders/{id}", "/orders/%u", 800 },
    /* 5: a product */
    { FRONTEND, CLIENT, HTTP_OUT, 1, { 6 }, "GET", "http://catalog:8080/products/%u", 350 },
    { CATALOG, SERVER, HTTP_IN, 2, { 7 }, "GET /products/{id}", "/products/%u", 400 },
    { CATALOG, CLIENT, SQL, 1, { 0 }, "SELECT shop.products", "SELECT id, name, price, stock FROM products WHERE id = %u", 1200 },
    /* 8: a search */
    { FRONTEND, CLIENT, HTTP_OUT, 1, { 9 }, "GET", "http://catalog:8080/search?q=shoe&page=%u", 350 },
    { CATALOG, SERVER, HTTP_IN, 3, { 10 }, "GET /search", "/search", 2500 },
    { CATALOG, CLIENT, SQL, 1, { 0 }, "SELECT shop.products", "SELECT id, name FROM products WHERE name LIKE ? LIMIT 20 OFFSET %u", 9000 },
    /* 11: what is in the cart */
    { FRONTEND, CLIENT, RPC_OUT, 1, { 12 }, "shop.Cart/Get", "Get", 250 },
    { CART, SERVER, RPC_IN, 1, { 23 }, "shop.Cart/Get", "Get", 300 },
    /* 13: into the cart */
    { FRONTEND, CLIENT, RPC_OUT, 1, { 14 }, "shop.Cart/Add", "Add", 250 },
    { CART, SERVER, RPC_IN, 2, { 23 }, "shop.Cart/Add", "Add", 350 },
    /* 15: an order */
    { FRONTEND, CLIENT, HTTP_OUT, 1, { 16 }, "POST", "http://checkout:8080/orders", 400 },
    { CHECKOUT, SERVER, HTTP_IN, 1, { 17, 18, 20, 21, 29 }, "POST /orders", "/orders", 2000 },
    { CHECKOUT, INTERNAL, CODE, 4, { 5 }, "prepare order", "com.shop.checkout.Orders", 700 },
    { CHECKOUT, CLIENT, RPC_OUT, 1, { 19 }, "shop.Payment/Charge", "Charge", 300 },
    { PAYMENT, SERVER, RPC_IN, 1, { 28 }, "shop.Payment/Charge", "Charge", 14000 },
    { CHECKOUT, CLIENT, SQL, 1, { 0 }, "INSERT shop.orders", "INSERT INTO orders (id, user_id, total) VALUES (%u, ?, ?)", 2500 },
    { CHECKOUT, PRODUCER, QUEUE, 1, { 22 }, "orders publish", "publish", 500 },
    { SHIPPING, CONSUMER, QUEUE, 1, { 27 }, "orders process", "process", 3000 },
    /* 23: a cart's store */
    { CART, CLIENT, REDIS, 1, { 0 }, "HGETALL", "HGETALL cart:%u", 220 },
    /* 24: an order that was made */
    { FRONTEND, CLIENT, HTTP_OUT, 1, { 25 }, "GET", "http://checkout:8080/orders/%u", 350 },
    { CHECKOUT, SERVER, HTTP_IN, 1, { 26, 29 }, "GET /orders/{id}", "/orders/%u", 600 },
    { CHECKOUT, CLIENT, SQL, 1, { 0 }, "SELECT shop.orders", "SELECT * FROM orders WHERE id = %u", 1500 },
    { SHIPPING, CLIENT, SQL, 1, { 0 }, "UPDATE shop.shipments", "UPDATE shipments SET state = 'packed', updated = now() WHERE order_id = %u", 1800 },
    { PAYMENT, CLIENT, SQL, 1, { 0 }, "INSERT shop.charges", "INSERT INTO charges (order_id, cents, card) VALUES (%u, ?, ?)", 2200 },
    { CHECKOUT, CLIENT, RPC_OUT, 1, { 30 }, "shop.Shipping/Quote", "Quote", 300 },
    { SHIPPING, SERVER, RPC_IN, 1, { 27 }, "shop.Shipping/Quote", "Quote", 900 },
};

struct span {
    const struct step *step;
    uint8_t id[SPAN_ID_BYTES], parent[SPAN_ID_BYTES];
    int64_t start_ns, end_ns;
    unsigned process, number;
    bool is_root, failed, is_cause;
};

struct trace {
    uint8_t id[ID_BYTES];
    unsigned user, number, client;
    size_t count;
    struct span spans[TRACE_SPANS_MAX];
};

struct making {
    struct rand rand;
    struct sender sender;
    struct buf parts[SERVICES][PROCESSES][SCOPES], body;
    FILE *sample; /* the first requests' bodies; NULL: none wanted, or enough */
    uint64_t sample_bytes, sample_spans, sample_max, spans, waiting;
};

/* ---- attributes ---- */

static void put_text(struct buf *b, uint32_t field, const char *key, struct slice value)
{
    size_t mark = proto_nested_begin(b, field);
    proto_put_bytes(b, 1, slice_str(key));
    size_t inner = proto_nested_begin(b, 2);
    proto_put_bytes(b, 1, value);
    proto_nested_end(b, inner);
    proto_nested_end(b, mark);
}

static void put_word(struct buf *b, const char *key, const char *value)
{
    put_text(b, 9, key, slice_str(value));
}

static void put_format(struct buf *b, uint32_t field, const char *key, const char *fmt, ...) PRINTF_LIKE(4, 5);
static void put_format(struct buf *b, uint32_t field, const char *key, const char *fmt, ...)
{
    char text[TEXT_BYTES_MAX];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    put_text(b, field, key, slice_of(text, (size_t)n));
}

static void put_int(struct buf *b, const char *key, uint64_t value)
{
    size_t mark = proto_nested_begin(b, 9);
    proto_put_bytes(b, 1, slice_str(key));
    size_t inner = proto_nested_begin(b, 2);
    proto_put_varint(b, 3, value);
    proto_nested_end(b, inner);
    proto_nested_end(b, mark);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* templates of this file, one %u or none */
static void put_template(struct buf *b, const char *key, const char *template, unsigned number)
{
    char text[TEXT_BYTES_MAX];
    int n = snprintf(text, sizeof text, template, number);
    put_text(b, 9, key, slice_of(text, (size_t)n));
}
#pragma GCC diagnostic pop

static void put_http(struct buf *b, struct rand *r, const struct trace *t, const struct span *s)
{
    struct slice name = slice_str(s->step->name), method, route;
    bool is_cut = slice_cut(name, ' ', &method, &route);
    put_text(b, 9, "http.request.method", is_cut ? method : name);
    put_int(b, "http.response.status_code", s->failed ? (s->is_cause ? 504 : 500) : rand_one_in(r, 60) ? 404 : 200);
    put_word(b, "network.protocol.version", "1.1");
    if (s->step->style == HTTP_OUT) {
        put_template(b, "url.full", s->step->what, s->number);
        put_word(b, "server.address", s->step->what[7] == 'c' && s->step->what[8] == 'a' ? "catalog" : "checkout");
        put_int(b, "server.port", 8080);
        return;
    }
    put_text(b, 9, "http.route", route);
    put_template(b, "url.path", s->step->what, s->number);
    put_word(b, "url.scheme", s->is_root ? "https" : "http");
    put_int(b, "http.response.body.size", 200 + rand_below(r, 60000));
    if (s->is_root) {
        put_format(b, 9, "client.address", "10.%u.%u.%u", t->client >> 16 & 3, t->client >> 8 & 255, t->client & 255);
        put_word(b, "user_agent.original", agents[t->client % COUNT_OF(agents)]);
        put_format(b, 9, "user.id", "u%u", t->user);
    } else {
        put_format(b, 9, "network.peer.address", "10.1.%u.%u", s->process, 10 + s->step->service);
    }
}

static void put_rpc(struct buf *b, struct rand *r, const struct span *s)
{
    struct slice service, method;
    bool is_cut = slice_cut(slice_str(s->step->name), '/', &service, &method);
    put_word(b, "rpc.system", "grpc");
    put_text(b, 9, "rpc.service", is_cut ? service : SLICE_EMPTY);
    put_text(b, 9, "rpc.method", method);
    put_int(b, "rpc.grpc.status_code", s->failed ? 14 : 0);
    if (s->step->style == RPC_OUT) {
        put_format(b, 9, "server.address", "%.*s.shop.svc", SLICE_FMT(slice_skip(service, 5)));
        put_int(b, "server.port", 9090);
    } else {
        put_format(b, 9, "network.peer.address", "10.1.%u.%u", s->process, 10 + s->step->service);
        put_int(b, "network.peer.port", 32768 + rand_below(r, 28000));
    }
}

static void put_database(struct buf *b, struct rand *r, const struct trace *t, const struct span *s)
{
    struct slice operation, table, name = slice_str(s->step->name);
    bool is_sql = s->step->style == SQL, is_cut = slice_cut(name, ' ', &operation, &table);
    put_word(b, "db.system.name", is_sql ? "postgresql" : "redis");
    put_text(b, 9, "db.operation.name", is_cut ? operation : name);
    put_template(b, "db.query.text", s->step->what, is_sql ? s->number : t->user);
    put_word(b, "server.address", is_sql ? "pg-primary.shop.svc" : "redis-0.shop.svc");
    put_int(b, "server.port", is_sql ? 5432 : 6379);
    if (is_sql) {
        put_word(b, "db.namespace", "shop");
        put_text(b, 9, "db.collection.name", slice_skip(table, 5));
        put_int(b, "db.response.returned_rows", rand_below(r, 4) ? 1 : rand_below(r, 40));
    }
}

static void put_queue(struct buf *b, const struct trace *t, const struct span *s)
{
    put_word(b, "messaging.system", "kafka");
    put_word(b, "messaging.destination.name", "orders");
    put_word(b, "messaging.operation.type", s->step->what);
    put_format(b, 9, "messaging.destination.partition.id", "%u", t->user % 12);
    put_int(b, "messaging.kafka.offset", t->number);
    put_int(b, "messaging.message.body.size", 300 + t->user % 700);
}

static void put_attributes(struct buf *b, struct rand *r, const struct trace *t, const struct span *s)
{
    switch ((enum style)s->step->style) {
    case HTTP_IN:
    case HTTP_OUT:
        put_http(b, r, t, s);
        break;
    case RPC_IN:
    case RPC_OUT:
        put_rpc(b, r, s);
        break;
    case SQL:
    case REDIS:
        put_database(b, r, t, s);
        break;
    case QUEUE:
        put_queue(b, t, s);
        break;
    case CODE:
        put_word(b, "code.namespace", s->step->what);
        put_word(b, "code.function", "prepare");
        put_format(b, 9, "app.user.id", "u%u", t->user);
        put_int(b, "app.items", 1 + t->user % 4);
        break;
    }
    unsigned thread = (unsigned)rand_below(r, 32);
    put_int(b, "thread.id", 20 + thread);
    put_format(b, 9, "thread.name", "worker-%u", thread);
}

/* ---- spans ---- */

static void put_exception(struct buf *b, struct rand *r, const struct span *s)
{
    const char *const *what = failures[s->step->style == SQL ? 0 : 1 + rand_below(r, COUNT_OF(failures) - 1)];
    size_t event = proto_nested_begin(b, 11);
    proto_put_fixed64(b, 1, (uint64_t)s->end_ns - 1000);
    proto_put_bytes(b, 2, SLICE("exception"));
    put_text(b, 3, "exception.type", slice_str(what[0]));
    put_text(b, 3, "exception.message", slice_str(what[1]));
    put_format(b, 3, "exception.stacktrace", "%s: %s\n\tat com.shop.%s.Store.call(Store.java:%u)\n\tat com.shop.%s.Handler.handle(Handler.java:88)\n"
               "\tat io.netty.channel.AbstractChannelHandlerContext.invokeChannelRead(AbstractChannelHandlerContext.java:444)\n"
               "\tat java.base/java.lang.Thread.run(Thread.java:1583)", what[0], what[1], services[s->step->service],
               100 + (unsigned)rand_below(r, 3) * 17, services[s->step->service]);
    proto_nested_end(b, event);
    size_t status = proto_nested_begin(b, 15);
    proto_put_bytes(b, 2, slice_str(what[1]));
    proto_put_varint(b, 3, STATUS_ERROR);
    proto_nested_end(b, status);
}

static void put_span(struct buf *b, struct rand *r, const struct trace *t, const struct span *s)
{
    size_t mark = proto_nested_begin(b, 2);
    proto_put_bytes(b, 1, slice_of(t->id, ID_BYTES));
    proto_put_bytes(b, 2, slice_of(s->id, SPAN_ID_BYTES));
    if (!s->is_root)
        proto_put_bytes(b, 4, slice_of(s->parent, SPAN_ID_BYTES));
    proto_put_bytes(b, 5, slice_str(s->step->name));
    proto_put_varint(b, 6, s->step->kind);
    proto_put_fixed64(b, 7, (uint64_t)s->start_ns);
    proto_put_fixed64(b, 8, (uint64_t)s->end_ns);
    put_attributes(b, r, t, s);
    if (s->is_cause) {
        put_exception(b, r, s);
    } else if (s->failed) {
        size_t status = proto_nested_begin(b, 15);
        proto_put_varint(b, 3, STATUS_ERROR);
        proto_nested_end(b, status);
    }
    proto_put_fixed32(b, 16, FLAGS);
    proto_nested_end(b, mark);
}

/* Log-normal, half an e-fold wide. */
static int64_t own_time_ns(struct rand *r, double median_us)
{
    double normal = sqrt(-2 * log(rand_unit(r) + 1e-12)) * cos(2 * M_PI * rand_unit(r));
    return (int64_t)(median_us * 1000 * exp(0.5 * normal));
}

/* Adds the step and what it calls; gives its place. Half of its own time is before its kids. */
static size_t grow(struct trace *t, struct rand *r, const struct step *step, const struct span *parent, int64_t start_ns)
{
    if (t->count == TRACE_SPANS_MAX)
        fail("a trace has over %d spans", TRACE_SPANS_MAX);
    size_t at = t->count++;
    struct span *s = &t->spans[at];
    int64_t own_ns = own_time_ns(r, step->median_us), now_ns = start_ns + own_ns / 2;
    *s = (struct span){ .step = step, .start_ns = start_ns, .is_root = parent == NULL, .process = (unsigned)rand_below(r, PROCESSES) };
    s->number = parent && parent->step->style != CODE ? parent->number : (unsigned)rand_below(r, PRODUCTS);
    if (parent && parent->step->service == step->service)
        s->process = parent->process;
    rand_bytes(r, s->id, sizeof s->id);
    if (parent)
        memcpy(s->parent, parent->id, sizeof s->parent);
    for (size_t i = 0; i < KIDS_MAX && step->kids[i]; i++) {
        bool is_last = i + 1 == KIDS_MAX || !step->kids[i + 1];
        for (uint64_t n = is_last ? 1 + rand_below(r, step->times) : 1; n > 0; n--) {
            const struct span *kid = &t->spans[grow(t, r, &steps[step->kids[i]], s, now_ns)];
            now_ns = kid->step->kind == CONSUMER ? now_ns : kid->end_ns + (int64_t)rand_below(r, 30000);
            s->failed |= kid->failed && step->kind != PRODUCER;
        }
    }
    s->end_ns = now_ns + own_ns - own_ns / 2;
    s->is_cause = !step->kids[0] && rand_one_in(r, FAILS_ONE_IN);
    s->failed |= s->is_cause;
    return at;
}

static void make_trace(struct trace *t, struct rand *r, int64_t start_ns)
{
    static const uint8_t shares[] = { 0, 0, 0, 0, 1, 1, 2, 2, 3, 4 };
    t->count = 0;
    t->user = (unsigned)rand_below(r, USERS);
    t->number++;
    t->client = t->user * 2654435761u >> 8;
    rand_bytes(r, t->id, sizeof t->id);
    grow(t, r, &steps[shares[rand_below(r, COUNT_OF(shares))]], NULL, start_ns + (int64_t)rand_below(r, NS_MS));
}

/* ---- requests ---- */

static void put_resource(struct buf *b, size_t service, size_t process)
{
    size_t resource = proto_nested_begin(b, 1);
    put_text(b, 1, "service.name", slice_str(services[service]));
    put_text(b, 1, "service.version", slice_str(versions[service]));
    put_text(b, 1, "deployment.environment.name", SLICE("production"));
    put_format(b, 1, "host.name", "node-%zu", (service + process) % 5);
    put_format(b, 1, "k8s.pod.name", "%s-7d9c6b5f4-x%zuk2%zu", services[service], process, service);
    put_text(b, 1, "telemetry.sdk.language", slice_str(languages[service]));
    put_text(b, 1, "telemetry.sdk.name", SLICE("opentelemetry"));
    proto_nested_end(b, resource);
}

static void put_process(struct making *m, size_t service, size_t process)
{
    struct buf *b = &m->body, *of_scopes = m->parts[service][process];
    bool has_any = false;
    for (size_t k = 0; k < SCOPES; k++)
        has_any |= of_scopes[k].len != 0;
    if (!has_any)
        return;
    size_t resource_spans = proto_nested_begin(b, 1);
    put_resource(b, service, process);
    for (size_t k = 0; k < SCOPES; k++) {
        if (of_scopes[k].len == 0)
            continue;
        size_t scope_spans = proto_nested_begin(b, 2), scope = proto_nested_begin(b, 1);
        proto_put_bytes(b, 1, slice_str(scopes[k]));
        proto_put_bytes(b, 2, SLICE("2.10.0"));
        proto_nested_end(b, scope);
        buf_slice(b, buf_as_slice(&of_scopes[k]));
        proto_nested_end(b, scope_spans);
        buf_reset(&of_scopes[k]);
    }
    proto_nested_end(b, resource_spans);
}

static void keep_sample(struct making *m, struct slice body)
{
    if (!m->sample)
        return;
    if (m->sample_bytes + body.len > m->sample_max) {
        fclose(m->sample);
        m->sample = NULL;
        return;
    }
    if (fwrite(body.ptr, 1, body.len, m->sample) != body.len)
        fail("cannot write the sample");
    m->sample_bytes += body.len;
    m->sample_spans += m->waiting;
}

static void send_spans(struct making *m)
{
    if (m->waiting == 0)
        return;
    buf_reset(&m->body);
    for (size_t i = 0; i < SERVICES; i++)
        for (size_t k = 0; k < PROCESSES; k++)
            put_process(m, i, k);
    keep_sample(m, buf_as_slice(&m->body));
    sender_post(&m->sender, buf_as_slice(&m->body), false);
    m->spans += m->waiting;
    m->waiting = 0;
}

static void add_trace(struct making *m, const struct trace *t)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct span *s = &t->spans[i];
        size_t scope = s->step->style == SQL || s->step->style == REDIS ? 2 : s->step->style == RPC_IN || s->step->style == RPC_OUT ? 1 : 0;
        put_span(&m->parts[s->step->service][s->process][scope], &m->rand, t, s);
        m->waiting++;
    }
    if (m->waiting >= REQUEST_SPANS)
        send_spans(m);
}

static void for_each_part(struct making *m, void (*call)(struct buf *b))
{
    for (size_t i = 0; i < SERVICES * PROCESSES * SCOPES; i++)
        call(&m->parts[i / (PROCESSES * SCOPES)][i / SCOPES % PROCESSES][i % SCOPES]);
}

static void part_init(struct buf *b)
{
    buf_init(b, 0);
}

void load_spans(const struct spans_load *load)
{
    static struct making m;
    static struct trace t;
    struct timespec from, until;
    struct buf ids;
    buf_init(&ids, 0);
    m.sample_max = load->sample_bytes;
    m.sample = load->sample_file ? fopen(load->sample_file, "wb") : NULL;
    if (load->sample_file && !m.sample)
        fail("cannot write %s", load->sample_file);
    rand_seed(&m.rand, SPANS_SEED);
    buf_init(&m.body, 0);
    for_each_part(&m, part_init);
    sender_open(&m.sender, load->port, "/v1/traces", "Content-Type: application/x-protobuf\r\n");
    clock_gettime(CLOCK_MONOTONIC, &from);
    uint64_t told = 0;
    while (m.spans + m.waiting < load->spans) {
        double share = (double)(m.spans + m.waiting) / (double)load->spans;
        make_trace(&t, &m.rand, load->start_ns + (int64_t)((double)load->span_ns * share));
        add_trace(&m, &t);
        if (share * TOLD_IDS < (double)told)
            continue;
        told++;
        buf_printf(&ids, "%s\"", ids.len ? "," : "");
        for (size_t i = 0; i < ID_BYTES; i++)
            buf_printf(&ids, "%02x", t.id[i]);
        buf_printf(&ids, "\",%zu", t.count);
    }
    send_spans(&m);
    clock_gettime(CLOCK_MONOTONIC, &until);
    printf("{\"spans\":%zu,\"traces\":%u,\"plain_bytes\":%zu,\"requests\":%zu,"
           "\"sample_bytes\":%zu,\"sample_spans\":%zu,\"seconds\":%.3f,\"ids\":[%.*s]}\n",
           (size_t)m.spans, t.number, (size_t)m.sender.plain_bytes, (size_t)m.sender.requests, (size_t)m.sample_bytes, (size_t)m.sample_spans,
           (double)(until.tv_sec - from.tv_sec) + (double)(until.tv_nsec - from.tv_nsec) / 1e9, SLICE_FMT(buf_as_slice(&ids)));
    if (m.sample)
        fclose(m.sample);
    sender_close(&m.sender);
    for_each_part(&m, buf_free);
    buf_free(&m.body);
    buf_free(&ids);
}
