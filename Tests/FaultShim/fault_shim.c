// Makes chosen system calls of a real program fail: preload it, and say which.
//
//   cc -shared -fPIC -O1 -o fault_shim.so fault_shim.c
//   LD_PRELOAD=./fault_shim.so PROTOSTORE_FAULT="completion:write:3:EIO" run --path DIR
//
// PROTOSTORE_FAULT holds faults, separated by spaces:
//
//   CALL:KIND:NTH[+|-LAST]:OUTCOME
//
//   CALL     io_submit     the call itself fails, with the request as its first; a batch
//                          is cut before it
//            completion    the request's completion reports it
//            io_setup io_getevents pread pwrite fdatasync fsync fallocate ftruncate
//            open fstat flock mmap eventfd epoll_create1
//   KIND     write, read or flush for io_submit and completion, else `any`
//   NTH      the third matching request or call: 3; from the third on: 3+; up to the
//            fifth: 3-5
//   OUTCOME  an error's name; `short` for fewer bytes, requests or events than asked
//            for; `kill` for SIGKILL in place of the call; `late` for a call, or a request
//            of it, that first waits for a random time of up to a millisecond
//
// PROTOSTORE_FAULT_PATH, where set, limits what concerns files to those whose path
// ends so.
// PROTOSTORE_FAULT_UNTIL, where set, ends all faults when there is a file of that name.
// The first time that a fault strikes, it says so on standard error.
//
// How completions are changed: a process takes them out of a ring that it shares with
// the kernel. io_setup overwrites the ring's magic number, which the kernel does not
// look at, so that the process falls back to io_getevents. A write that shall fail is
// replaced by a flush and never reaches the disk; a short one is truly short.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FAULTS_MAX = 16, SLOTS_MAX = 4096, SECTOR = 512, BLOCK = 4096 };
enum { OUTCOME_SHORT = -1, OUTCOME_KILL = -2, OUTCOME_LATE = -3, LATE_MICROSECONDS_MAX = 1000 };

struct fault {
    char text[96], call[20], kind[12];
    long nth, last;
    int outcome; // an error number, or one of the above
    long count;
};

static struct fault faults[FAULTS_MAX];
static int fault_count;
static const char *path_end, *until_path;

// --- What is asked for

static const struct { const char *name; int code; } outcomes[] = {
    { "short", OUTCOME_SHORT }, { "kill", OUTCOME_KILL }, { "late", OUTCOME_LATE },
    { "EAGAIN", EAGAIN }, { "EACCES", EACCES }, { "EBADF", EBADF }, { "EBUSY", EBUSY },
    { "EDQUOT", EDQUOT }, { "EFAULT", EFAULT }, { "EFBIG", EFBIG }, { "EINTR", EINTR },
    { "EINVAL", EINVAL }, { "EIO", EIO }, { "EMFILE", EMFILE }, { "ENFILE", ENFILE },
    { "ENODEV", ENODEV }, { "ENOLCK", ENOLCK }, { "ENOMEM", ENOMEM }, { "ENOSPC", ENOSPC },
    { "ENOSYS", ENOSYS }, { "ENXIO", ENXIO }, { "EOPNOTSUPP", EOPNOTSUPP }, { "EPERM", EPERM },
    { "EROFS", EROFS }, { "ETIMEDOUT", ETIMEDOUT },
};

static const char *const calls[] = {
    "io_submit", "completion", "io_setup", "io_getevents", "pread", "pwrite", "fdatasync", "fsync",
    "fallocate", "ftruncate", "open", "fstat", "flock", "mmap", "eventfd", "epoll_create1",
};

static void refuse(const char *text) {
    dprintf(2, "fault: cannot read \"%s\" in PROTOSTORE_FAULT\n", text);
    _exit(126);
}

static void parse(const char *text) {
    struct fault *fault = &faults[fault_count];
    char nth[24], outcome[24];
    if (fault_count == FAULTS_MAX || strlen(text) >= sizeof fault->text
        || sscanf(text, "%19[^:]:%11[^:]:%23[^:]:%23s", fault->call, fault->kind, nth, outcome) != 4)
        refuse(text);
    strcpy(fault->text, text);
    char *end;
    fault->nth = strtol(nth, &end, 10);
    if (end == nth || fault->nth < 1) refuse(text);
    fault->last = fault->nth;
    if (*end == '-') fault->last = strtol(end + 1, &end, 10);
    if (*end == '+') fault->last = LONG_MAX, end++;
    if (*end != 0 || fault->last < fault->nth) refuse(text);
    int known = 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) known |= strcmp(calls[i], fault->call) == 0;
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        if (strcmp(outcomes[i].name, outcome) == 0) fault->outcome = outcomes[i].code;
    }
    if (!known || fault->outcome == 0) refuse(text);
    fault_count++;
}

__attribute__((constructor)) static void start(void) {
    path_end = getenv("PROTOSTORE_FAULT_PATH");
    if (path_end && *path_end == 0) path_end = NULL;
    until_path = getenv("PROTOSTORE_FAULT_UNTIL");
    char *text = strdup(getenv("PROTOSTORE_FAULT") ?: "");
    for (char *save, *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) parse(word);
    free(text);
}

// --- What strikes

static int path_matches(const char *path) {
    size_t length = strlen(path), wanted = path_end ? strlen(path_end) : 0;
    return length >= wanted && strcmp(path + length - wanted, path_end ?: "") == 0;
}

static int file_matches(int fd) {
    char link[40], path[4096];
    if (!path_end) return 1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return path_matches(path);
}

static int is_for(const struct fault *fault, const char *call, const char *kind) {
    return strcmp(fault->call, call) == 0 && (strcmp(fault->kind, "any") == 0 || strcmp(fault->kind, kind) == 0);
}

static int strikes_at(const struct fault *fault, long number) {
    return number >= fault->nth && number <= fault->last;
}

// Counts one matching call. Returns what it shall give: 0 for nothing unusual.
static struct fault *struck(const char *call, const char *kind) {
    struct fault *result = NULL;
    if (until_path && syscall(SYS_access, until_path, F_OK) == 0) return NULL;
    for (int i = 0; i < fault_count; i++) {
        struct fault *fault = &faults[i];
        if (!is_for(fault, call, kind)) continue;
        long number = __atomic_add_fetch(&fault->count, 1, __ATOMIC_RELAXED);
        if (!strikes_at(fault, number)) continue;
        if (number == fault->nth) dprintf(2, "fault: %s\n", fault->text);
        if (fault->outcome == OUTCOME_KILL) kill(getpid(), SIGKILL);
        if (fault->outcome == OUTCOME_LATE) usleep((unsigned)rand() % LATE_MICROSECONDS_MAX);
        else result = fault;
    }
    return result;
}

// Whether the next one would be struck; counts nothing.
static int would_strike(const char *call, const char *kind) {
    for (int i = 0; i < fault_count; i++) {
        if (faults[i].outcome == OUTCOME_LATE) continue;
        if (is_for(&faults[i], call, kind) && strikes_at(&faults[i], faults[i].count + 1)) return 1;
    }
    return 0;
}

// --- Calls that fail by errno

// For a call on a descriptor: 0, or the outcome.
static int outcome_for(const char *call, int fd) {
    if (fault_count == 0 || !file_matches(fd)) return 0;
    struct fault *fault = struck(call, "any");
    return fault ? fault->outcome : 0;
}

// Half, in whole blocks where it can be; a single sector stays whole.
static size_t shortened(size_t count) {
    return count > BLOCK ? count / 2 / BLOCK * BLOCK ?: BLOCK : count > SECTOR ? count / 2 / SECTOR * SECTOR : count;
}

#define FAIL_IF_STRUCK(call, fd) \
    int outcome = outcome_for(call, fd); \
    if (outcome > 0) { errno = outcome; return -1; }

#define FAIL_WITHOUT_FILE(call) \
    struct fault *fault = fault_count > 0 ? struck(call, "any") : NULL; \
    if (fault && fault->outcome > 0) { errno = fault->outcome; return -1; }

ssize_t pwrite64(int fd, const void *buffer, size_t count, off_t offset) {
    FAIL_IF_STRUCK("pwrite", fd)
    return syscall(SYS_pwrite64, fd, buffer, outcome == OUTCOME_SHORT ? shortened(count) : count, offset);
}
ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset) { return pwrite64(fd, buffer, count, offset); }

ssize_t pread64(int fd, void *buffer, size_t count, off_t offset) {
    FAIL_IF_STRUCK("pread", fd)
    return syscall(SYS_pread64, fd, buffer, outcome == OUTCOME_SHORT ? shortened(count) : count, offset);
}
ssize_t pread(int fd, void *buffer, size_t count, off_t offset) { return pread64(fd, buffer, count, offset); }

int fdatasync(int fd) {
    FAIL_IF_STRUCK("fdatasync", fd)
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd) {
    FAIL_IF_STRUCK("fsync", fd)
    return (int)syscall(SYS_fsync, fd);
}

int fallocate64(int fd, int mode, off_t offset, off_t length) {
    FAIL_IF_STRUCK("fallocate", fd)
    return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}
int fallocate(int fd, int mode, off_t offset, off_t length) { return fallocate64(fd, mode, offset, length); }

int ftruncate64(int fd, off_t length) {
    FAIL_IF_STRUCK("ftruncate", fd)
    return (int)syscall(SYS_ftruncate, fd, length);
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int fstat64(int fd, struct stat64 *status) {
    FAIL_IF_STRUCK("fstat", fd)
    return fstatat64(fd, "", status, AT_EMPTY_PATH);
}
int fstat(int fd, struct stat *status) { return fstat64(fd, (struct stat64 *)status); }

int flock(int fd, int operation) {
    FAIL_IF_STRUCK("flock", fd)
    return (int)syscall(SYS_flock, fd, operation);
}

int eventfd(unsigned count, int flags) {
    FAIL_WITHOUT_FILE("eventfd")
    return (int)syscall(SYS_eventfd2, count, flags);
}

int epoll_create1(int flags) {
    FAIL_WITHOUT_FILE("epoll_create1")
    return (int)syscall(SYS_epoll_create1, flags);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    int outcome = outcome_for("mmap", fd);
    if (outcome > 0) {
        errno = outcome;
        return (void *)-1;
    }
    return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}
void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    return mmap64(address, length, protection, flags, fd, offset);
}

int open64(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    struct fault *fault = fault_count > 0 && path_matches(path) ? struck("open", "any") : NULL;
    if (fault && fault->outcome > 0) {
        errno = fault->outcome;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open64(path, flags, mode);
}

// --- libaio, whose calls give -errno

// Requests whose completion shall be another: a request carries the address of its
// slot in place of the program's data.
static struct slot {
    void *data;
    long result;
    int is_used;
} slots[SLOTS_MAX];

static struct slot *take_slot(void *data, long result) {
    for (int i = 0; i < SLOTS_MAX; i++) {
        int expected = 0;
        if (!__atomic_compare_exchange_n(&slots[i].is_used, &expected, 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            continue;
        slots[i].data = data;
        slots[i].result = result;
        return &slots[i];
    }
    return NULL;
}

static void free_slot(struct slot *slot) { __atomic_store_n(&slot->is_used, 0, __ATOMIC_RELEASE); }

static int is_slot(const void *data) { return (char *)data >= (char *)slots && (char *)data < (char *)(slots + SLOTS_MAX); }

static const char *kind_of(const struct iocb *request) {
    switch (request->aio_lio_opcode) {
    case IO_CMD_PREAD: case IO_CMD_PREADV: return "read";
    case IO_CMD_PWRITE: case IO_CMD_PWRITEV: return "write";
    default: return "flush";
    }
}

static int needs_getevents(void) {
    for (int i = 0; i < fault_count; i++) {
        if (strcmp(faults[i].call, "io_getevents") == 0) return 1;
        if (strcmp(faults[i].call, "completion") == 0 && faults[i].outcome > 0) return 1;
    }
    return 0;
}

int io_setup(int depth, io_context_t *context) {
    struct fault *fault = struck("io_setup", "any");
    if (fault && fault->outcome > 0) return -fault->outcome;
    if (syscall(SYS_io_setup, depth, context) != 0) return -errno;
    if (needs_getevents()) ((unsigned *)*context)[4] = 0;
    return 0;
}

// Prepares one request for its completion's fault.
static void change(struct iocb *request, const struct fault *fault) {
    if (fault->outcome == OUTCOME_SHORT) {
        request->u.c.nbytes = shortened(request->u.c.nbytes);
        return;
    }
    struct slot *slot = take_slot(request->data, -fault->outcome);
    if (!slot) return;
    request->data = slot;
    if (strcmp(kind_of(request), "write") != 0) return;
    request->aio_lio_opcode = IO_CMD_FDSYNC;
    request->aio_rw_flags = 0;
    request->u.c.buf = NULL;
    request->u.c.nbytes = 0;
    request->u.c.offset = 0;
}

// How many requests of a batch go to the kernel: up to the first that the call shall
// fail at. Sets *error where that is the very first.
static long cut(long count, struct iocb **requests, int *error) {
    for (long i = 0; i < count; i++) {
        if (!file_matches(requests[i]->aio_fildes)) continue;
        if (i > 0 && would_strike("io_submit", kind_of(requests[i]))) return i;
        struct fault *fault = struck("io_submit", kind_of(requests[i]));
        if (!fault) continue;
        if (fault->outcome == OUTCOME_SHORT) return i + 1;
        *error = fault->outcome;
        return 0;
    }
    return count;
}

int io_submit(io_context_t context, long count, struct iocb **requests) {
    if (fault_count == 0 || count <= 0) {
        long taken = syscall(SYS_io_submit, context, count, requests);
        return taken < 0 ? -errno : (int)taken;
    }
    int error = 0;
    count = cut(count, requests, &error);
    if (error) return -error;
    struct iocb *originals = malloc((size_t)count * sizeof *originals);
    for (long i = 0; i < count; i++) {
        originals[i] = *requests[i];
        if (!file_matches(requests[i]->aio_fildes)) continue;
        struct fault *fault = struck("completion", kind_of(requests[i]));
        if (fault) change(requests[i], fault);
    }
    long taken = syscall(SYS_io_submit, context, count, requests);
    if (taken < 0) taken = -errno;
    for (long i = 0; i < count; i++) {
        if (i >= taken && is_slot(requests[i]->data)) free_slot(requests[i]->data);
        *requests[i] = originals[i];
    }
    free(originals);
    return (int)taken;
}

int io_getevents(io_context_t context, long count_min, long count, struct io_event *events, struct timespec *timeout) {
    struct fault *fault = struck("io_getevents", "any");
    if (fault && fault->outcome > 0) return -fault->outcome;
    if (fault && count > 1) count = 1;
    if (count_min > count) count_min = count;
    long taken = syscall(SYS_io_getevents, context, count_min, count, events, timeout);
    if (taken < 0) return -errno;
    for (long i = 0; i < taken; i++) {
        if (!is_slot(events[i].data)) continue;
        struct slot *slot = events[i].data;
        events[i].data = slot->data;
        events[i].res = (unsigned long)slot->result;
        free_slot(slot);
    }
    return (int)taken;
}
