// A disk that remembers everything that was asked of it, for tests of power cuts.
//
//   cc -O2 -o recording_disk recording_disk.c
//   recording_disk MOUNTPOINT IMAGE LOG SEED
//
// Mounts a FUSE file system with two files, and serves it until it is unmounted:
//
//   disk    the bytes of IMAGE. A loop device on it is a disk with a volatile cache:
//           the kernel turns the device's flushes into fsync of this file.
//   marks   what is written to it goes into LOG, at the moment when it was written.
//
// Says "ready" on standard output when it is mounted.
//
// LOG is a sequence of events in the order in which they happened, all little-endian:
//
//   byte  0   4  kind
//         4   4  bytes of payload that follow this header
//         8   8  number of the request; 0 of a mark
//        16   8  offset of a write in the disk
//        24   8  nanoseconds, CLOCK_MONOTONIC
//
//   kind  1 write begun, payload: its data     2 write completed
//         3 flush begun                        4 flush completed
//         5 mark, payload: what was written
//
// A flush covers a write if and only if the write was completed before the flush was
// begun: a disk promises no more. So all that has come in is taken and logged before
// anything is completed, and requests take a random time from SEED, as on a disk
// with a queue: they overlap, and complete in another order than they came in.
//
// Completions are logged before the kernel is told, and a mark when it has come in. So
// whoever learns that a flush is done, by whatever way, and then makes a mark, has
// the mark behind the flush.
//
// It speaks the kernel's own protocol (linux/fuse.h), which a library would hide behind
// threads: the order of events is the point here. Whoever mounts is root, who needs no
// fusermount. What it leaves out: everything but the above. It does no discards, so that
// the kernel writes zeros instead.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// Headers of Linux before 6.2 lack it; a kernel that does not know it takes no notice.
#ifndef FOPEN_PARALLEL_DIRECT_WRITES
#define FOPEN_PARALLEL_DIRECT_WRITES (1 << 6)
#endif

enum { DISK_NODE = 2, MARKS_NODE = 3 };
enum { WRITE_BEGUN = 1, WRITE_COMPLETED = 2, FLUSH_BEGUN = 3, FLUSH_COMPLETED = 4, MARK = 5 };
enum { WRITE_BYTES_MAX = 1 << 20, PENDING_MAX = 4096 };

static const uint64_t write_nanoseconds_min = 30 * 1000, write_nanoseconds_max = 400 * 1000;
static const uint64_t flush_nanoseconds_min = 300 * 1000, flush_nanoseconds_max = 2000 * 1000;

struct event {
    uint32_t kind, payload_bytes;
    uint64_t number, offset, nanoseconds;
};
_Static_assert(sizeof(struct event) == 32, "the log's readers take events to be this long");

// Writes and flushes that were begun.
struct pending {
    uint32_t kind; // of the completion
    uint32_t bytes;
    uint64_t unique, number, due;
};

static int device, image;
static uint64_t image_bytes, last_number, random_state;
static FILE *record;
static struct pending pending[PENDING_MAX];
static int pending_count;
static char request[WRITE_BYTES_MAX + FUSE_MIN_READ_BUFFER], content[WRITE_BYTES_MAX];

static void fail(const char *what) {
    fprintf(stderr, "recording_disk: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

// SplitMix64.
static uint64_t next_random(void) {
    uint64_t z = random_state += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

static void log_event(uint32_t kind, uint64_t number, uint64_t offset, const void *payload, uint32_t bytes) {
    struct event event = { kind, bytes, number, offset, now() };
    if (fwrite(&event, sizeof event, 1, record) != 1 || (bytes > 0 && fwrite(payload, bytes, 1, record) != 1))
        fail("the log cannot be written");
}

// --- Replies

static void reply(uint64_t unique, int error, const void *body, size_t bytes) {
    struct fuse_out_header header = { .len = (uint32_t)(sizeof header + bytes), .error = -error, .unique = unique };
    struct iovec parts[] = { { &header, sizeof header }, { (void *)body, bytes } };
    // A request that was interrupted is not there any more; an unmounted device ends the loop.
    if (writev(device, parts, bytes > 0 ? 2 : 1) < 0 && errno != ENOENT && errno != ENODEV) fail("no reply possible");
}

static struct fuse_attr attributes(uint64_t node) {
    struct fuse_attr result = { .ino = node, .nlink = 1, .blksize = 4096 };
    result.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0600;
    if (node == DISK_NODE) result.size = image_bytes, result.blocks = image_bytes / 512;
    return result;
}

static void reply_init(uint64_t unique, const struct fuse_init_in *in) {
    struct fuse_init_out out = {
        .major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION, .max_readahead = in->max_readahead,
        .flags = in->flags & (FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ASYNC_DIO | FUSE_MAX_PAGES),
        .max_background = 256, .congestion_threshold = 256, .max_write = WRITE_BYTES_MAX,
        .max_pages = WRITE_BYTES_MAX / 4096, .time_gran = 1,
    };
    reply(unique, 0, &out, sizeof out);
}

static void reply_lookup(uint64_t unique, const char *name) {
    struct fuse_entry_out out = { .entry_valid = 3600, .attr_valid = 3600 };
    out.nodeid = strcmp(name, "disk") == 0 ? DISK_NODE : strcmp(name, "marks") == 0 ? MARKS_NODE : 0;
    if (out.nodeid == 0) return reply(unique, ENOENT, NULL, 0);
    out.attr = attributes(out.nodeid);
    reply(unique, 0, &out, sizeof out);
}

static void reply_read(uint64_t unique, uint64_t node, const struct fuse_read_in *in) {
    if (node != DISK_NODE || in->size > sizeof content) return reply(unique, EINVAL, NULL, 0);
    ssize_t count = pread(image, content, in->size, (off_t)in->offset);
    reply(unique, count < 0 ? errno : 0, content, count < 0 ? 0 : (size_t)count);
}

// --- What is recorded

static void begin(uint32_t completion, uint64_t unique, uint64_t number, uint32_t bytes, uint64_t min, uint64_t max) {
    if (pending_count == PENDING_MAX) errno = ENOBUFS, fail("too many requests");
    uint64_t due = now() + min + next_random() % (max - min);
    pending[pending_count++] = (struct pending){ completion, bytes, unique, number, due };
}

static void take_write(uint64_t unique, uint64_t node, const struct fuse_write_in *in) {
    const void *data = in + 1;
    struct fuse_write_out out = { .size = in->size };
    if (node == MARKS_NODE) {
        log_event(MARK, 0, 0, data, in->size);
        return reply(unique, 0, &out, sizeof out);
    }
    if (in->offset > image_bytes || in->size > image_bytes - in->offset) return reply(unique, ENOSPC, NULL, 0);
    if (pwrite(image, data, in->size, (off_t)in->offset) != (ssize_t)in->size) fail("the image cannot be written");
    log_event(WRITE_BEGUN, ++last_number, in->offset, data, in->size);
    begin(WRITE_COMPLETED, unique, last_number, in->size, write_nanoseconds_min, write_nanoseconds_max);
}

static void take_flush(uint64_t unique, uint64_t node) {
    if (node != DISK_NODE) return reply(unique, 0, NULL, 0);
    log_event(FLUSH_BEGUN, ++last_number, 0, NULL, 0);
    begin(FLUSH_COMPLETED, unique, last_number, 0, flush_nanoseconds_min, flush_nanoseconds_max);
}

static void complete(struct pending done) {
    log_event(done.kind, done.number, 0, NULL, 0);
    struct fuse_write_out out = { .size = done.bytes };
    reply(done.unique, 0, &out, done.kind == WRITE_COMPLETED ? sizeof out : 0);
}

// --- The loop

static void take(const struct fuse_in_header *header) {
    const void *in = header + 1;
    switch (header->opcode) {
    case FUSE_INIT: return reply_init(header->unique, in);
    case FUSE_LOOKUP: return reply_lookup(header->unique, in);
    case FUSE_READ: return reply_read(header->unique, header->nodeid, in);
    case FUSE_WRITE: return take_write(header->unique, header->nodeid, in);
    case FUSE_FSYNC: return take_flush(header->unique, header->nodeid);
    case FUSE_FORGET: case FUSE_BATCH_FORGET: case FUSE_INTERRUPT: return;
    case FUSE_RELEASE: case FUSE_DESTROY: return reply(header->unique, 0, NULL, 0);
    case FUSE_GETATTR: case FUSE_SETATTR: {
        struct fuse_attr_out out = { .attr_valid = 3600, .attr = attributes(header->nodeid) };
        return reply(header->unique, 0, &out, sizeof out);
    }
    case FUSE_OPEN: {
        struct fuse_open_out out = { .open_flags = FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES };
        return reply(header->unique, 0, &out, sizeof out);
    }
    case FUSE_STATFS: {
        struct fuse_statfs_out out = { .st = { .bsize = 4096, .frsize = 4096, .namelen = 255 } };
        return reply(header->unique, 0, &out, sizeof out);
    }
    default: return reply(header->unique, ENOSYS, NULL, 0);
    }
}

// Takes all that has come in. Returns 0 when the file system was unmounted.
static int take_all(void) {
    while (1) {
        ssize_t count = read(device, request, sizeof request);
        if (count >= (ssize_t)sizeof(struct fuse_in_header)) take((struct fuse_in_header *)request);
        else if (errno == ENODEV) return 0;
        else if (errno == EAGAIN) return 1;
        else if (errno != EINTR && errno != ENOENT) fail("nothing can be read from /dev/fuse");
    }
}

// Takes the request that is due first, if it is due.
static int take_due(struct pending *due) {
    int first = 0;
    if (pending_count == 0) return 0;
    for (int i = 1; i < pending_count; i++) {
        if (pending[i].due < pending[first].due) first = i;
    }
    if (pending[first].due > now()) return 0;
    *due = pending[first];
    pending[first] = pending[--pending_count];
    return 1;
}

static void wait_for_more(void) {
    struct pollfd poll_device = { .fd = device, .events = POLLIN };
    uint64_t until = UINT64_MAX, time = now();
    for (int i = 0; i < pending_count; i++) {
        if (pending[i].due < until) until = pending[i].due;
    }
    uint64_t left = until > time ? until - time : 0;
    struct timespec timeout = { (time_t)(left / 1000000000), (long)(left % 1000000000) };
    if (ppoll(&poll_device, 1, pending_count > 0 ? &timeout : NULL, NULL) < 0 && errno != EINTR) fail("ppoll");
}

static void serve(void) {
    struct pending due;
    while (take_all()) {
        if (take_due(&due)) complete(due);
        else wait_for_more();
    }
}

int main(int count, char **arguments) {
    if (count != 5) return fprintf(stderr, "usage: recording_disk MOUNTPOINT IMAGE LOG SEED\n"), 2;
    random_state = strtoull(arguments[4], NULL, 10);
    struct stat status;
    if ((image = open(arguments[2], O_RDWR | O_CLOEXEC)) < 0 || fstat(image, &status) < 0) fail(arguments[2]);
    image_bytes = (uint64_t)status.st_size;
    if (!(record = fopen(arguments[3], "we"))) fail(arguments[3]);
    setvbuf(record, NULL, _IOFBF, 1 << 20);

    char options[128];
    if ((device = open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC)) < 0) fail("/dev/fuse");
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", device);
    if (mount("recording_disk", arguments[1], "fuse", MS_NOSUID | MS_NODEV | MS_NOATIME, options) < 0) fail("mount");
    puts("ready");
    fflush(stdout);
    serve();
    if (fclose(record) != 0) fail(arguments[3]);
    return 0;
}
