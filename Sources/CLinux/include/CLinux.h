// Constants and calls of Linux that Swift's Glibc module does not import:
// macros with casts, functions behind _GNU_SOURCE, packed structures, and
// calls that have no wrapper in glibc. Nothing here decides anything.
#ifndef CLINUX_H
#define CLINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "SharedMemory.h"

extern const int linux_O_DIRECT, linux_O_CLOEXEC, linux_O_NOFOLLOW;
extern const int linux_FALLOC_FL_KEEP_SIZE, linux_FALLOC_FL_PUNCH_HOLE;
extern const uint32_t linux_RWF_DSYNC;
extern const int linux_MAP_NORESERVE, linux_MADV_HUGEPAGE;
extern const uint32_t linux_EPOLLIN, linux_EPOLLOUT, linux_EPOLLERR, linux_EPOLLHUP, linux_EPOLLRDHUP, linux_EPOLLET;

// --- epoll. `struct epoll_event` is packed on x86-64 only: kept on this side.
int linux_epoll_create(void);
int linux_epoll_add(int epoll, int fd, uint32_t events, uint64_t data);
int linux_epoll_modify(int epoll, int fd, uint32_t events, uint64_t data);
int linux_epoll_remove(int epoll, int fd);
size_t linux_epoll_event_size(void);
// `events` holds `capacity` entries of linux_epoll_event_size() bytes.
int linux_epoll_wait(int epoll, void *events, int capacity, int timeout_milliseconds);
// The same with a timeout in nanoseconds (-1 waits forever); rounded up to a
// millisecond where the kernel has no epoll_pwait2.
int linux_epoll_wait_nanoseconds(int epoll, void *events, int capacity, int64_t timeout_nanoseconds);
uint32_t linux_epoll_event_mask(const void *events, int index);
uint64_t linux_epoll_event_data(const void *events, int index);

// --- other descriptors
int linux_eventfd(void);                      // non-blocking, close-on-exec
int linux_signalfd(const int *signals, int count); // blocks them in this thread first
int linux_signalfd_read(int fd);              // signal number, or -1
int linux_accept(int fd, char *address, size_t address_size, uint16_t *port);
int linux_local_address(int fd, char *address, size_t address_size, uint16_t *port); // numeric
int linux_fallocate(int fd, int mode, int64_t offset, int64_t length);

// Alignment that O_DIRECT needs: statx's STATX_DIOALIGN, or the block size of
// the device, or 4096 where neither is known.
int linux_direct_io_alignment(int fd, uint32_t *memory, uint32_t *offset);
// Bytes of a block device, or -1.
int64_t linux_block_device_bytes(int fd);

// Asks the processor to fetch the cache line of `address`. Never faults.
static inline void linux_prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

// --- threads
int linux_thread_set_name(const char *name);       // the calling thread; 15 bytes
int linux_thread_pin(int number);                  // the calling thread, to the number-th processor it may use
int linux_thread_set_timer_slack(uint64_t nanoseconds); // the calling thread; at least 1
int linux_cpu_count(void);                         // that this process may use
int64_t linux_thread_cpu_nanoseconds(void);        // CPU time of the calling thread

// --- sockets whose option structures are awkward from Swift
// Bytes that were sent and that the peer has not acknowledged, or -1.
int linux_socket_unsent_bytes(int fd);
int64_t linux_socket_peer_user(int fd);            // of a connected Unix socket, or -1
int linux_socket_set_int(int fd, int level, int option, int value);
extern const int linux_SOL_SOCKET, linux_SO_REUSEADDR, linux_SO_KEEPALIVE;
extern const int linux_IPPROTO_TCP, linux_TCP_NODELAY, linux_TCP_KEEPIDLE, linux_TCP_KEEPINTVL;

// --- numbers
// `value` as printf's %.17g writes it; how many characters that takes.
int linux_format_double(char *text, size_t size, double value);

#endif
