#define _GNU_SOURCE
#include "CLinux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

const int linux_O_DIRECT = O_DIRECT, linux_O_CLOEXEC = O_CLOEXEC, linux_O_NOFOLLOW = O_NOFOLLOW;
const int linux_FALLOC_FL_KEEP_SIZE = FALLOC_FL_KEEP_SIZE;
const int linux_FALLOC_FL_PUNCH_HOLE = FALLOC_FL_PUNCH_HOLE;
const uint32_t linux_RWF_DSYNC = RWF_DSYNC;
const int linux_MAP_NORESERVE = MAP_NORESERVE, linux_MADV_HUGEPAGE = MADV_HUGEPAGE;
const uint32_t linux_EPOLLIN = EPOLLIN, linux_EPOLLOUT = EPOLLOUT, linux_EPOLLERR = EPOLLERR;
const uint32_t linux_EPOLLHUP = EPOLLHUP, linux_EPOLLRDHUP = EPOLLRDHUP, linux_EPOLLET = EPOLLET;
const int linux_SOL_SOCKET = SOL_SOCKET, linux_SO_REUSEADDR = SO_REUSEADDR, linux_SO_KEEPALIVE = SO_KEEPALIVE;
const int linux_IPPROTO_TCP = IPPROTO_TCP, linux_TCP_NODELAY = TCP_NODELAY;
const int linux_TCP_KEEPIDLE = TCP_KEEPIDLE, linux_TCP_KEEPINTVL = TCP_KEEPINTVL;

int linux_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

static int control(int epoll, int operation, int fd, uint32_t events, uint64_t data) {
    struct epoll_event event = { .events = events, .data = { .u64 = data } };
    return epoll_ctl(epoll, operation, fd, &event);
}

int linux_epoll_add(int epoll, int fd, uint32_t events, uint64_t data) {
    return control(epoll, EPOLL_CTL_ADD, fd, events, data);
}

int linux_epoll_modify(int epoll, int fd, uint32_t events, uint64_t data) {
    return control(epoll, EPOLL_CTL_MOD, fd, events, data);
}

int linux_epoll_remove(int epoll, int fd) { return control(epoll, EPOLL_CTL_DEL, fd, 0, 0); }

size_t linux_epoll_event_size(void) { return sizeof(struct epoll_event); }

int linux_epoll_wait(int epoll, void *events, int capacity, int timeout_milliseconds) {
    return epoll_wait(epoll, events, capacity, timeout_milliseconds);
}

int linux_epoll_wait_nanoseconds(int epoll, void *events, int capacity, int64_t timeout_nanoseconds) {
    struct timespec timeout = { timeout_nanoseconds / 1000000000, timeout_nanoseconds % 1000000000 };
    int count = epoll_pwait2(epoll, events, capacity, timeout_nanoseconds < 0 ? NULL : &timeout, NULL);
    // Kernels before 5.11 lack the call, and older container filters forbid it.
    if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
    int64_t milliseconds = timeout_nanoseconds / 1000000 + (timeout_nanoseconds % 1000000 != 0);
    if (milliseconds > 1000000000) milliseconds = 1000000000;
    return epoll_wait(epoll, events, capacity, timeout_nanoseconds < 0 ? -1 : (int)milliseconds);
}

uint32_t linux_epoll_event_mask(const void *events, int index) {
    return ((const struct epoll_event *)events)[index].events;
}

uint64_t linux_epoll_event_data(const void *events, int index) {
    return ((const struct epoll_event *)events)[index].data.u64;
}

int linux_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

int linux_signalfd(const int *signals, int count) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
    int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int linux_signalfd_read(int fd) {
    struct signalfd_siginfo info;
    ssize_t count = read(fd, &info, sizeof info);
    return count == sizeof info ? (int)info.ssi_signo : -1;
}

static void write_address(const struct sockaddr_storage *socket_address, char *address, size_t address_size, uint16_t *port) {
    address[0] = 0;
    *port = 0;
    if (socket_address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)socket_address;
        inet_ntop(AF_INET, &v4->sin_addr, address, (socklen_t)address_size);
        *port = ntohs(v4->sin_port);
    } else if (socket_address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)socket_address;
        inet_ntop(AF_INET6, &v6->sin6_addr, address, (socklen_t)address_size);
        *port = ntohs(v6->sin6_port);
    }
}

int linux_accept(int fd, char *address, size_t address_size, uint16_t *port) {
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    int accepted = accept4(fd, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) return -1;
    write_address(&peer, address, address_size, port);
    return accepted;
}

int linux_local_address(int fd, char *address, size_t address_size, uint16_t *port) {
    struct sockaddr_storage local;
    socklen_t length = sizeof local;
    if (getsockname(fd, (struct sockaddr *)&local, &length) != 0) return -1;
    write_address(&local, address, address_size, port);
    return 0;
}

int64_t linux_socket_peer_user(int fd) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return -1;
    return peer.uid;
}

int linux_fallocate(int fd, int mode, int64_t offset, int64_t length) {
    return fallocate(fd, mode, offset, length);
}

int linux_direct_io_alignment(int fd, uint32_t *memory, uint32_t *offset) {
    *memory = *offset = 4096;
#ifdef STATX_DIOALIGN
    struct statx info;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &info) == 0 && (info.stx_mask & STATX_DIOALIGN)
        && info.stx_dio_offset_align != 0) {
        *memory = info.stx_dio_mem_align;
        *offset = info.stx_dio_offset_align;
        return 0;
    }
#else
    // glibc 2.36 does not know the two fields: read them where the kernel puts
    // them (include/uapi/linux/stat.h, struct statx at 0x98 and 0x9c).
    unsigned char info[256] = { 0 };
    const unsigned mask_dioalign = 0x2000;
    if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, mask_dioalign, info) == 0) {
        uint32_t mask, memory_align, offset_align;
        memcpy(&mask, info, 4);
        memcpy(&memory_align, info + 0x98, 4);
        memcpy(&offset_align, info + 0x9c, 4);
        if ((mask & mask_dioalign) && offset_align != 0) {
            *memory = memory_align;
            *offset = offset_align;
            return 0;
        }
    }
#endif
    int block = 0;
    if (ioctl(fd, BLKSSZGET, &block) == 0 && block > 0) *memory = *offset = (uint32_t)block;
    return 0;
}

int64_t linux_block_device_bytes(int fd) {
    uint64_t bytes;
    return ioctl(fd, BLKGETSIZE64, &bytes) == 0 ? (int64_t)bytes : -1;
}

int linux_thread_set_name(const char *name) { return pthread_setname_np(pthread_self(), name); }

int linux_thread_pin(int number) {
    cpu_set_t usable, chosen;
    if (sched_getaffinity(0, sizeof usable, &usable) != 0) return -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &usable) || number-- > 0) continue;
        CPU_ZERO(&chosen);
        CPU_SET(cpu, &chosen);
        return sched_setaffinity(0, sizeof chosen, &chosen);
    }
    errno = EINVAL;
    return -1;
}

int linux_thread_set_timer_slack(uint64_t nanoseconds) { return prctl(PR_SET_TIMERSLACK, nanoseconds); }

int linux_cpu_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

int64_t linux_thread_cpu_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int linux_socket_unsent_bytes(int fd) {
    int bytes = 0;
    return ioctl(fd, SIOCOUTQ, &bytes) == 0 ? bytes : -1;
}

int linux_socket_set_int(int fd, int level, int option, int value) {
    return setsockopt(fd, level, option, &value, sizeof value);
}

int linux_format_double(char *text, size_t size, double value) {
    return snprintf(text, size, "%.17g", value);
}
