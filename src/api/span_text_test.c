/* SPDX-License-Identifier: Apache-2.0 */
#include "api/span_text.h"

#include "base/unit.h"

static struct arena *arena;

#define MESSAGE(text, want)                                                    \
    do {                                                                       \
        struct buf b;                                                          \
        buf_init(&b, 0);                                                       \
        span_text_message(SLICE(text), &b);                                    \
        CHECK_STR(buf_as_slice(&b), want);                                   \
        buf_free(&b);                                                          \
    } while (0)
#define STATEMENT(system, text, want)                                          \
    do {                                                                       \
        struct buf b;                                                          \
        buf_init(&b, 0);                                                       \
        span_text_statement(SLICE(system), SLICE(text), &b);                   \
        CHECK_STR(buf_as_slice(&b), want);                                   \
        buf_free(&b);                                                          \
    } while (0)
#define PATH(text, want_host, want)                                            \
    do {                                                                       \
        struct buf b;                                                          \
        struct slice host;                                                     \
        buf_init(&b, 0);                                                       \
        span_text_path(SLICE(text), &host, &b);                                \
        CHECK_STR(buf_as_slice(&b), want);                                   \
        CHECK_STR(host, want_host);                                          \
        buf_free(&b);                                                          \
    } while (0)

TEST(messages_lose_what_names_one_thing)
{
    MESSAGE("order 4711 of user 550e8400-e29b-41d4-a716-446655440000 failed", "order <_> of user <_> failed");
    MESSAGE("took 12.5ms at 0x7ffdeadbeef (utf8)", "took <_>ms at <_> (utf8)");
    MESSAGE("key deadbeef42 and facade", "key <_> and facade");
    MESSAGE("", "");
}

TEST(statements_lose_literals_lists_comments_and_space)
{
    STATEMENT("postgresql", "SELECT *\n  FROM users WHERE id = 42 AND name='O''Brien' -- who\n", "SELECT * FROM users WHERE id = ? AND name=?");
    STATEMENT("mysql", "select a1 from `t2` where x in (1, 2,3) and y > -1.5e3;", "select a1 from `t2` where x in (?) and y > -?");
    STATEMENT("postgresql", "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4)", "INSERT INTO t (a, b) VALUES (?)");
    STATEMENT("postgresql", "SELECT \"id\"::text FROM \"Order\" WHERE a=:name /* hint */ LIMIT 5",
              "SELECT \"id\"::text FROM \"Order\" WHERE a=? LIMIT ?");
    STATEMENT("mongodb", "{\"find\":\"users\",\"filter\":{\"_id\":17}}", "{\"find\":?,\"filter\":{\"_id\":?}}");
    STATEMENT("redis", "GET user:17", "GET ?");
    STATEMENT("redis", "PING", "PING");
    STATEMENT("x", "SELECT 'not closed", "SELECT ?");
}

TEST(paths_lose_ids_and_queries_and_give_their_host)
{
    PATH("https://user:pw@api.example.com:8443/v1/charges/1234/refunds?limit=5", "api.example.com:8443", "/v1/charges/<_>/refunds");
    PATH("/users/550e8400-e29b-41d4-a716-446655440000", "", "/users/<_>");
    PATH("http://shop", "shop", "/");
    PATH("/a/", "", "/a/");
}

static void check_stack(const char *trace, const char *want, bool own)
{
    struct stack s;
    struct buf b;
    arena = arena_new(0);
    span_text_stack(arena, slice_str(trace), &s);
    buf_init(&b, 0);
    for (size_t i = 0; i < s.count; i++)
        buf_printf(&b, "%s%.*s", i ? "; " : "", SLICE_FMT(s.frames[i]));
    CHECK_STR(buf_as_slice(&b), want);
    CHECK(s.is_own == own);
    buf_free(&b);
    arena_free(arena);
}

TEST(stacks_are_the_applications_functions_without_lines_and_arguments)
{
    check_stack("Traceback (most recent call last):\n"
                "  File \"/app/shop/cart.py\", line 10, in handle\n    return add(1)\n"
                "  File \"/app/shop/cart.py\", line 42, in add\n    db.run()\n"
                "  File \"/usr/lib/python3.11/site-packages/db/core.py\", line 7, in run\n"
                "ValueError: no\n",
                "add (cart.py); handle (cart.py)", true);
    check_stack("java.lang.IllegalStateException: no\n\tat java.util.Optional.get(Optional.java:12)\n"
                "\tat com.shop.Cart.lambda$add$3(Cart.java:42)\n\tat com.shop.Web$$Lambda$14/0x0001.run(Web.java)\n\t... 12 more\n",
                "com.shop.Cart.lambda$add$ (Cart.java); com.shop.Web$$Lambda$/.run (Web.java)", true);
    check_stack("Error: no\n    at add (/app/src/cart.js:10:5)\n    at /app/src/web.js:3:1\n    at async run (node:internal/x:1:1)\n"
                "    at Layer.handle (/app/node_modules/express/lib/layer.js:95:5)\n",
                "add (cart.js); (web.js)", true);
    check_stack("goroutine 1 [running]:\nmain.add(0xc000012345, 0x1)\n\t/app/main.go:42 +0x1d\n"
                "net/http.serve(...)\n\t/usr/local/go/src/net/http/server.go:1 +0x1\n",
                "main.add (main.go)", true);
    check_stack("System.Exception: no\n   at Shop.Cart.Add(Int32 id) in /src/Cart.cs:line 42\n"
                "   at System.Web.Run()\n", "Shop.Cart.Add (Cart.cs)", true);
    check_stack("/app/models/cart.rb:42:in 'add'\n\tfrom /usr/lib/ruby/gems/3.2/gems/rack/x.rb:1:in 'call'\n", "add (cart.rb)", true);
    check_stack("#0 /app/src/Cart.php(42): Shop\\Cart->add(1)\n#1 /app/vendor/x/Y.php(3): Y->run()\n#2 {main}\n", "Shop\\Cart->add (Cart.php)", true);
    check_stack("   0: rust_begin_unwind\n             at /rustc/ab/library/std.rs:1:5\n   1: shop::cart::add\n             at ./src/cart.rs:42:9\n",
                "shop::cart::add (cart.rs)", true);
}

TEST(stacks_of_libraries_alone_are_told_and_texts_that_are_none_give_nothing)
{
    check_stack("\tat java.util.Optional.get(Optional.java:12)\n", "java.util.Optional.get (Optional.java)", false);
    check_stack("something broke\nat the worst time, with (nothing", "", false);
    check_stack("", "", false);
}
