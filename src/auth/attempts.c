/* SPDX-License-Identifier: Apache-2.0 */
/* A table of small sets: a key's hash, keyed by a secret seed so that nobody can aim at a set, picks four places; the one
 * untouched longest gives way. What is forgotten early by that costs an attacker as many failures of other names, and those
 * count against its peer, whose entry is touched each time and so stays. */
#include "auth/attempts.h"

#include <arpa/inet.h>

#include "base/hash.h"
#include "sys/rand.h"

enum { WAYS = 4, SETS = ATTEMPTS_KEPT_MAX / WAYS, PEER_TEXT_BYTES_MAX = 64, KEY_BYTES_MAX = 512 };

struct entry {
    uint64_t key; /* 0: free */
    unsigned fails;
    int64_t last_ns, until_ns;
};

struct attempts {
    uint64_t seed;
    struct entry entries[ATTEMPTS_KEPT_MAX];
};

struct attempts *attempts_new(void)
{
    struct attempts *t = mem_new(struct attempts);
    sys_random(&t->seed, sizeof t->seed);
    return t;
}

void attempts_free(struct attempts *t)
{
    mem_free(t);
}

/* The address without its port. */
static struct slice host_of(struct slice peer, char room[PEER_TEXT_BYTES_MAX])
{
    size_t colon = SIZE_MAX;
    for (size_t i = 0; i < peer.len; i++)
        if (peer.ptr[i] == ':')
            colon = i;
    struct slice host = slice_sub(peer, 0, MIN(colon, peer.len));
    struct in6_addr v6;
    char text[PEER_TEXT_BYTES_MAX] = { 0 };
    if (host.len < 2 || host.ptr[0] != '[' || host.len - 2 >= sizeof text)
        return host;
    memcpy(text, host.ptr + 1, host.len - 2);
    if (inet_pton(AF_INET6, text, &v6) != 1)
        return host;
    memcpy(room, &v6, 8);
    return slice_of(room, 8);
}

/* Of the user from the peer; user empty: of the peer. */
static uint64_t key_of(const struct attempts *t, struct slice user, struct slice peer)
{
    char room[PEER_TEXT_BYTES_MAX], text[KEY_BYTES_MAX];
    struct slice host = host_of(peer, room);
    size_t a = MIN(host.len, (size_t)KEY_BYTES_MAX / 4), b = MIN(user.len, sizeof text - a - 1);
    memcpy(text, host.ptr, a);
    text[a] = 0;
    memcpy(text + a + 1, user.ptr, b);
    uint64_t key = hash64(slice_of(text, a + 1 + b), t->seed);
    return key ? key : 1;
}

static struct entry *find(struct attempts *t, uint64_t key)
{
    struct entry *set = &t->entries[key % SETS * WAYS];
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].key == key)
            return &set[i];
    return NULL;
}

static struct entry *take(struct attempts *t, uint64_t key)
{
    struct entry *set = &t->entries[key % SETS * WAYS], *oldest = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == 0) {
            oldest = &set[i];
            break;
        }
        if (set[i].last_ns < oldest->last_ns)
            oldest = &set[i];
    }
    *oldest = (struct entry){ .key = key };
    return oldest;
}

static int64_t wait_of(struct attempts *t, uint64_t key, int64_t now)
{
    struct entry *e = find(t, key);
    if (e == NULL)
        return 0;
    if (now - e->last_ns > ATTEMPTS_FORGET_SECONDS * NS_S) {
        *e = (struct entry){ 0 };
        return 0;
    }
    return e->until_ns > now ? e->until_ns - now : 0;
}

static void fail(struct attempts *t, uint64_t key, unsigned free_max, int64_t now)
{
    enum { DOUBLINGS_MAX = 20 };
    struct entry *e = find(t, key);
    if (e == NULL || now - e->last_ns > ATTEMPTS_FORGET_SECONDS * NS_S)
        e = e ? e : take(t, key), e->fails = 0;
    e->fails++;
    e->last_ns = now;
    if (e->fails < free_max)
        return;
    unsigned doublings = MIN(e->fails - free_max, (unsigned)DOUBLINGS_MAX);
    int64_t seconds = MIN((int64_t)ATTEMPTS_LOCK_SECONDS_MIN << doublings, (int64_t)ATTEMPTS_LOCK_SECONDS_MAX);
    e->until_ns = now + seconds * NS_S;
}

int64_t attempts_wait_ns(struct attempts *t, struct slice user, struct slice peer, int64_t mono_ns)
{
    int64_t a = wait_of(t, key_of(t, user, peer), mono_ns), b = wait_of(t, key_of(t, SLICE_EMPTY, peer), mono_ns);
    return MAX(a, b);
}

void attempts_failed(struct attempts *t, struct slice user, struct slice peer, int64_t mono_ns)
{
    if (user.len)
        fail(t, key_of(t, user, peer), ATTEMPTS_OF_USER_FREE_MAX, mono_ns);
    fail(t, key_of(t, SLICE_EMPTY, peer), ATTEMPTS_OF_PEER_FREE_MAX, mono_ns);
}

void attempts_good(struct attempts *t, struct slice user, struct slice peer)
{
    struct entry *e = find(t, key_of(t, user, peer));
    if (e && user.len)
        *e = (struct entry){ 0 };
}
