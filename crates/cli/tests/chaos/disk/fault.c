/* A disk that fails when a test says so: put before the C library with LD_PRELOAD, it answers for
 * chosen files with an error, or with a short write, where the kernel would have written or synced.
 *
 * The test and the process share the control block through a mapped file. The layout is known to
 * disk/layer.rs too. Everything else passes straight to the kernel. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, TRUNCATE = 4 };

struct control {
    _Atomic uint32_t operations; /* which fail; 0 for a healthy disk */
    _Atomic uint32_t error;      /* the errno; 0 where writes are only short */
    _Atomic uint32_t brief;      /* whether a write is cut in half before one fails */
    _Atomic uint32_t skip;       /* so many are let through first */
    _Atomic uint64_t seen;       /* operations on chosen files, failed or not */
    _Atomic uint64_t failed;     /* those that were failed or cut */
    char path[4096];             /* in the names of chosen files; at their end if it ends in $ */
};

static struct control *control;

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("GRISTMILL_TEST_DISK");
    int file = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    void *mapped = file < 0 ? MAP_FAILED
                            : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) {
        fprintf(stderr, "fault layer: no control block: %s\n", strerror(errno));
        _exit(99);
    }
    close(file);
    control = mapped;
}

static int is_chosen(int file) {
    char link[64], name[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length <= 0 || !control->path[0]) return 0;
    name[length] = 0;
    size_t wanted = strlen(control->path);
    if (control->path[wanted - 1] != '$') return strstr(name, control->path) != NULL;
    wanted -= 1;
    return (size_t)length >= wanted && !memcmp(name + length - wanted, control->path, wanted);
}

/* Whether this operation is to fail. */
static int is_due(int file, uint32_t operation) {
    if (!control || !is_chosen(file)) return 0;
    atomic_fetch_add(&control->seen, 1);
    if (!(atomic_load(&control->operations) & operation)) return 0;
    uint32_t skip = atomic_load(&control->skip);
    while (skip > 0)
        if (atomic_compare_exchange_weak(&control->skip, &skip, skip - 1)) return 0;
    return 1;
}

/* How much of a write is let through, or -1 with errno. */
static ssize_t admit(int file, size_t bytes) {
    if (!is_due(file, WRITE)) return (ssize_t)bytes;
    uint64_t before = atomic_fetch_add(&control->failed, 1);
    uint32_t error = atomic_load(&control->error);
    int cut = atomic_load(&control->brief) && bytes > 1 && (!error || before % 2 == 0);
    if (cut) return (ssize_t)(bytes / 2);
    if (!error) return (ssize_t)bytes;
    errno = (int)error;
    return -1;
}

static int refuse(int file, uint32_t operation) {
    uint32_t error = control ? atomic_load(&control->error) : 0;
    if (!is_due(file, operation) || !error) return 0;
    atomic_fetch_add(&control->failed, 1);
    errno = (int)error;
    return 1;
}

ssize_t write(int file, const void *bytes, size_t count) {
    ssize_t room = admit(file, count);
    return room < 0 ? -1 : syscall(SYS_write, file, bytes, (size_t)room);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    ssize_t room = admit(file, count);
    return room < 0 ? -1 : syscall(SYS_pwrite64, file, bytes, (size_t)room, at);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
    return pwrite64(file, bytes, count, at);
}

ssize_t writev(int file, const struct iovec *pieces, int count) {
    /* A short one would have to cut the pieces; one piece is as short as it gets. */
    size_t all = 0;
    for (int n = 0; n < count; n++) all += pieces[n].iov_len;
    ssize_t room = admit(file, all);
    if (room < 0) return -1;
    return syscall(SYS_writev, file, pieces, (size_t)room < all ? 1 : count);
}

int fsync(int file) { return refuse(file, SYNC) ? -1 : (int)syscall(SYS_fsync, file); }

int fdatasync(int file) { return refuse(file, SYNC) ? -1 : (int)syscall(SYS_fdatasync, file); }

int ftruncate64(int file, off64_t length) {
    return refuse(file, TRUNCATE) ? -1 : (int)syscall(SYS_ftruncate, file, length);
}

int ftruncate(int file, off_t length) { return ftruncate64(file, length); }
