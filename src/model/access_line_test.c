/* SPDX-License-Identifier: Apache-2.0 */
#include "model/access_line.h"

#include "base/unit.h"

static void check_line(const char *line, const char *const *fields)
{
    struct access_line l;
    CHECK(access_line_parse(slice_str(line), &l));
    for (int i = 0; i < ACCESS_FIELDS; i++)
        CHECK_STR(l.fields[i], fields[i]);
}

TEST(access_lines_give_their_fields)
{
    check_line("10.0.0.7 - ada [23/Nov/2026:04:47:36 +0000] \"GET /cart?id=1 HTTP/1.1\" 503 2326 \"https://shop/\" \"curl/8\" 0.734",
               (const char *[]){ "10.0.0.7", "ada", "GET", "/cart?id=1", "HTTP/1.1", "503", "2326", "https://shop/", "curl/8", "0.734" });
    check_line("::1 - - [23/Nov/2026:04:47:36 +0000] \"HEAD / HTTP/1.0\" 304 -",
               (const char *[]){ "::1", "", "HEAD", "/", "HTTP/1.0", "304", "", "", "", "" });
    check_line("shop.example:443 10.0.0.8 - - [23/Nov/2026:04:47:36 +0000] \"POST /a HTTP/2.0\" 201 0 \"-\" \"A \\\"b\\\" c\" up=x rt=1.50",
               (const char *[]){ "10.0.0.8", "", "POST", "/a", "HTTP/2.0", "201", "0", "", "A \\\"b\\\" c", "1.50" });
    check_line("10.0.0.9 - - [23/Nov/2026:04:47:36 +0000] \"\\x16\\x03\" 400 157 \"-\" \"-\"",
               (const char *[]){ "10.0.0.9", "", "", "", "", "400", "157", "", "", "" });
}

TEST(other_lines_are_no_access_lines)
{
    static const char *const lines[] = {
        "", "GET / HTTP/1.1", "a b c [x] \"y", "a b [23/Nov/2026:04:47:36 +0000] \"GET / HTTP/1.1\" 200 1",
        "a b c [23/Nov/2026:04:47:36 +0000] \"GET / HTTP/1.1\" 20 1", "a b c [23/Nov/2026:04:47:36 +0000] \"GET / HTTP/1.1\" 200 x",
        "one two three four five [23/Nov/2026:04:47:36 +0000] \"GET / HTTP/1.1\" 200 1",
    };
    struct access_line l;
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        CHECK(!access_line_parse(slice_str(lines[i]), &l));
}
