/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/join.h"

#include "base/unit.h"

static const struct join_rule automatic = { .mode = JOIN_AUTO };

/* The count of lines of each record of text, one digit each; '+' and no more behind one that is open. */
static struct slice shape(const struct join_rule *rule, const char *text, struct buf *out)
{
    struct slice rest = slice_str(text);
    bool is_open = false;
    buf_reset(out);
    while (rest.len && !is_open) {
        size_t n = join_next(rule, rest, 4096, &is_open), lines = 0;
        for (size_t i = 0; i < n; i++)
            lines += rest.ptr[i] == '\n';
        buf_printf(out, "%zu", lines);
        rest = slice_skip(rest, n);
    }
    if (is_open)
        buf_char(out, '+');
    return buf_as_slice(out);
}

static void check(const char *text, const char *want)
{
    struct buf b;
    buf_init(&b, 0);
    CHECK_STR(shape(&automatic, text, &b), want);
    buf_free(&b);
}

TEST(join_leaves_ordinary_lines_alone)
{
    check("one\ntwo\nthree\n", "111");
    check("2026-01-02 10:00:00 INFO a\n2026-01-02 10:00:01 INFO b\n", "11");
    check("{\"level\":\"info\"}\n  {\"level\":\"info\"}\n", "11");
    check("plain\n  indented\n\nplain\n", "1111");
    check("we meet\nat the market\n", "11");
    check("2026-01-02 10:00:00 INFO a\n  2026-01-02 10:00:01 INFO b\n", "11");
}

TEST(join_of_java)
{
    check("before\n"
          "java.lang.IllegalStateException: cart is closed\n"
          "\tat com.shop.Cart.add(Cart.java:41)\n"
          "\tat com.shop.Main.main(Main.java:7)\n"
          "Caused by: java.io.IOException: disk\n"
          "\tat com.shop.Disk.write(Disk.java:9)\n"
          "\t... 2 more\n"
          "\tSuppressed: java.lang.RuntimeException: close\n"
          "\t\tat com.shop.Disk.close(Disk.java:12)\n"
          "\t\t... 3 common frames omitted\n"
          "after\n", "191");
    check("Exception in thread \"main\" java.lang.Error: x\n    at a.B.c(B.java)\nException in thread \"b\" java.lang.Error: y\n"
          "    at a.B.c(B.java)\n",
          "22+");
    check("org.x.ParseException: first\nsecond line of it\n\nthird\n\tat org.x.P.p(P.java:1)\nafter\n", "51");
    check("org.x.ParseException: first\nand a line of another\n2026-01-02 10:00:00 INFO a\n", "111");
}

TEST(join_gives_a_trace_to_the_dated_line_before_it)
{
    check("2026-01-02 10:00:00,123 ERROR [main] Cart - failed\njava.lang.NullPointerException\n\tat a.B.c(B.java:1)\n"
          "2026-01-02 10:00:01,000 INFO x\n",
          "31");
    check("ERROR:root:failed\nTraceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\n"
          "ZeroDivisionError: division by zero\n"
          "INFO:root:next\n", "51");
    check("2026/01/02 10:00:00 http: panic serving 127.0.0.1:4000: boom\ngoroutine 7 [running]:\nmain.f(0x1)\n\t/srv/a.go:3 +0x1d\n", "4+");
    check("fail: Shop.Cart[0]\n      no stock\n      System.InvalidOperationException: x\n"
          "         at Shop.Cart.Add() in /srv/Cart.cs:line 4\ninfo: Shop[0]\n", "41");
}

TEST(join_of_python_with_chains)
{
    check("Traceback (most recent call last):\n  File \"a.py\", line 3, in f\n    return d[k]\n           ~^^^\nKeyError: 'x'\n"
          "\nDuring handling of the above exception, another exception occurred:\n\n"
          "Traceback (most recent call last):\n  File \"a.py\", line 9, in <module>\n    f()\nshop.errors.NoSuchItem\nafter\n", "121");
    check("Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nKeyError: 'x'\n\nafter\n", "311");
    check("Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nKeyError: 'x'\nTraceback (most recent call last):\n"
          "  File \"a.py\", line 1, in f\nKeyError: 'x'\n", "33+");
    check("Traceback (most recent call last):\n  File \"a.py\"", "1+");
}

TEST(join_of_go)
{
    check("panic: runtime error: index out of range [3] with length 1\n\tpanic: again\n[signal SIGSEGV: segmentation violation code=0x1]\n\n"
          "goroutine 1 [running]:\nmain.run(...)\n\t/srv/main.go:12\nmain.main()\n\t/srv/main.go:5 +0x1d\n\n", "9+");
    check("fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\nmain.main()\n"
          "\t/srv/main.go:5 +0x1d\nexit status 2\nstarting\n",
          "61");
    check("panic: x\n\ngoroutine 1 [running]:\nmain.main.func1()\n\t/a.go:1 +0x1\ncreated by main.main\n\t/a.go:2 +0x2\n\n"
          "goroutine 2 [select]:\n"
          "main.b()\n\t/a.go:1\nlistening on :80\n", "111");
}

TEST(join_of_javascript)
{
    check("TypeError: x is not a function\n    at run (/srv/a.js:3:9)\n    at Object.<anonymous> (/srv/a.js:9:1) {\n"
          "  code: 'E_X'\n}\nlistening\n", "51");
    check("/srv/a.js:3\n    throw new Error('x')\n    ^\n\nError: x\n    at run (/srv/a.js:3:11)\n"
          "    at node:internal/main:23:47\n\nNode.js v18.19.0\nnext\n", "91");
}

TEST(join_of_nested_exceptions_and_dart)
{
    check("a.b.SendException: no\n  nested exception is:\nc.d.AddressException: 550 no such\n"
          "\n\tat a.B.c(B.java:1)\nCaused by: a.b.X: no\n\t... 2 more\nnext\n",
          "71");
    check("Unhandled exception:\nBad state: no stock\n#0      add (file:///srv/cart.dart:3:5)\n<asynchronous suspension>\n"
          "#1      main (file:///srv/cart.dart:9:3)\nnext\n", "51");
    check("Unhandled exception:\nFormatException: no number (at character 3)\nx1y\n  ^\n\n#0      parse (file:///srv/cart.dart:3:5)\n"
          "#1      main (file:///srv/cart.dart:9:3)\n2026-01-02 10:00:00 INFO a\n", "71");
    check(" Shop::StockError (none):\n  \n  shop (1.2) lib/cart.rb:3:in `add'\nnext\n", "31");
}

TEST(join_of_ruby_net_php_and_rust)
{
    check("/srv/a.rb:3:in `f': no stock (RuntimeError)\n\tfrom /srv/a.rb:7:in `block in g'\n\tfrom /srv/a.rb:9:in `<main>'\nnext\n", "31");
    check("NoMethodError (undefined method `x' for nil):\n\napp/models/cart.rb:3:in `x'\napp/models/cart.rb:9:in `y'\nnext\n", "41");
    check("Unhandled exception. System.Exception: outer\n ---> System.IO.IOException: inner\n   at Shop.A.B() in /srv/A.cs:line 3\n"
          "   --- End of inner exception stack trace ---\n   at Shop.A.C()\n--- End of stack trace from previous location ---\n"
          "   at Shop.Main()\nnext\n", "71");
    check("PHP Fatal error:  Uncaught Exception: no stock in /srv/a.php:3\nStack trace:\n#0 /srv/a.php(7): f()\n#1 {main}\n"
          "  thrown in /srv/a.php on line 3\nnext\n",
          "51");
    check("thread 'main' panicked at src/main.rs:2:5:\nindex out of bounds\nstack backtrace:\n   0: rust_begin_unwind\n"
          "             at /rustc/a/lib.rs:1:5\n"
          "note: Some details are omitted\n2026-01-02 10:00:00 INFO x\n", "61");
}

TEST(join_ends_at_its_limits)
{
    struct buf text;
    buf_init(&text, 0);
    buf_slice(&text, SLICE("java.lang.Error: x\n"));
    for (int i = 0; i < 200; i++)
        buf_slice(&text, SLICE("\tat com.shop.Cart.add(Cart.java:41)\n"));
    bool is_open;
    CHECK(join_next(&automatic, buf_as_slice(&text), 1000, &is_open) <= 1000);
    CHECK(!is_open);
    buf_free(&text);
}

TEST(join_by_a_pattern)
{
    struct join_rule rule = { .mode = JOIN_START };
    struct buf b;
    buf_init(&b, 0);
    CHECK_INT(regex_compile(&rule.pattern, SLICE("^BEGIN"), 0, NULL), ST_OK);
    CHECK_STR(shape(&rule, "x\nBEGIN a\nb\n\nc\nBEGIN d\n", &b), "141+");
    rule.mode = JOIN_CONTINUE;
    CHECK_STR(shape(&rule, "a\nBEGIN b\nc\n", &b), "21+");
    rule.mode = JOIN_OFF;
    CHECK_STR(shape(&rule, "java.lang.Error: x\n\tat a.b(C.java:1)\n", &b), "11");
    regex_free(rule.pattern);
    buf_free(&b);
}
