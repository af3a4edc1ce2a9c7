/* SPDX-License-Identifier: Apache-2.0 */
/* No Authorization header and no cookie that was not given out lets anybody in. The first line is one, the rest the other. */
#include <stdlib.h>

#include "auth/auth.h"
#include "fuzz/fuzz.h"

static struct auth *auth_of(void)
{
    static struct auth *made;
    char path[] = "/tmp/fuzz-login-XXXXXX";
    struct kv *kv;
    struct err err;
    struct slice secret, id;
    struct account_spec user = { .name = SLICE("ada"), .role = ROLE_ADMIN }, token = { .name = SLICE("t"), .role = ROLE_ADMIN };
    if (made)
        return made;
    struct arena *a = arena_new(0);
    MUST(mkdtemp(path));
    MUST(kv_open(&kv, arena_printf(a, "%s/state.db", path).ptr, &err) == ST_OK);
    MUST(user_add(kv, clock_real(), &user, SLICE("correct horse"), &err) == ST_OK);
    MUST(token_create(kv, clock_real(), &token, a, &secret, &id, &err) == ST_OK);
    struct auth_options opt = { .kv = kv, .clock = clock_real(), .is_idle = true };
    MUST(auth_new(&made, &opt, &err) == ST_OK);
    arena_free(a);
    return made;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct auth *auth = auth_of();
    struct slice cookie = slice_of(data, size), header = SLICE_EMPTY;
    struct arena *a = arena_new(0);
    struct auth_caller caller;
    int64_t wait_ns;
    slice_next(&cookie, '\n', &header);
    struct slice session = auth_session_of(cookie);
    MUST(fuzz_within(session, cookie));
    const struct auth_request asked[] = { { header, cookie, SLICE("1.2.3.4:5") }, { SLICE_EMPTY, cookie, SLICE("[::1]:5") },
                                          { header, SLICE_EMPTY, cookie } };
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        MUST(auth_check(auth, &asked[i], a, &caller, &wait_ns) != AUTH_OK);
        MUST(caller.role == ROLE_NONE && caller.kind == CALLER_NOBODY && wait_ns >= 0);
    }
    arena_free(a);
    return 0;
}
