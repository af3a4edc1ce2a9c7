/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that is slow or full, put between a program and the C library (LD_PRELOAD). STOA_TEST_DISK names a file of two numbers
 * that a test changes while the program runs: milliseconds that each sync takes, and bytes that files may still take (-1: no
 * limit). Only files below STOA_TEST_DISK_ROOT are concerned, but for the audit log: without it nothing can be asked. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

struct control {
    _Atomic int64_t sync_ms, room;
};

static struct control *control(void)
{
    static _Atomic(struct control *) shared;
    struct control *c = shared;
    if (c == NULL && getenv("STOA_TEST_DISK")) {
        int fd = open(getenv("STOA_TEST_DISK"), O_RDWR | O_CLOEXEC);
        c = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (c == MAP_FAILED)
            abort();
        shared = c;
    }
    return c;
}

static int is_ours(int fd)
{
    char link[64], path[PATH_MAX];
    struct stat st;
    const char *root = getenv("STOA_TEST_DISK_ROOT");
    if (root == NULL || fstat(fd, &st) != 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path);
    if (n <= 0 || (size_t)n < strlen(root) || memcmp(path, root, strlen(root)) != 0)
        return 0;
    return memmem(path, (size_t)n, "audit", 5) == NULL;
}

static void wait_for_disk(int fd)
{
    struct control *c = control();
    for (int64_t waited = 0; c && waited < c->sync_ms && is_ours(fd); waited += 10)
        nanosleep(&(struct timespec){ 0, 10 * 1000 * 1000 }, NULL);
}

int fdatasync(int fd)
{
    wait_for_disk(fd);
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}

int fsync(int fd)
{
    wait_for_disk(fd);
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}

/* As a disk does: what fits is written, and the next call finds no room. */
ssize_t write(int fd, const void *from, size_t n)
{
    ssize_t (*real)(int, const void *, size_t) = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    struct control *c = control();
    if (c == NULL || c->room < 0 || n == 0 || !is_ours(fd))
        return real(fd, from, n);
    int64_t room = c->room, take = room < (int64_t)n ? room : (int64_t)n;
    if (take == 0) {
        errno = ENOSPC;
        return -1;
    }
    c->room -= take;
    return real(fd, from, (size_t)take);
}

int statvfs(const char *path, struct statvfs *out)
{
    int code = ((int (*)(const char *, struct statvfs *))dlsym(RTLD_NEXT, "statvfs"))(path, out);
    struct control *c = control();
    if (code == 0 && c && c->room >= 0)
        out->f_bavail = out->f_bfree = (fsblkcnt_t)c->room / out->f_frsize;
    return code;
}
