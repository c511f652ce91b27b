#define _GNU_SOURCE
#include "SharedMemory.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

size_t linux_robust_mutex_bytes(void) { return sizeof(pthread_mutex_t); }

int linux_robust_mutex_init(void *mutex) {
    pthread_mutexattr_t attributes;
    int code = pthread_mutexattr_init(&attributes);
    if (code != 0) return code;
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    code = pthread_mutex_init(mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return code;
}

int linux_robust_mutex_lock(void *mutex) { return pthread_mutex_lock(mutex); }
int linux_robust_mutex_trylock(void *mutex) { return pthread_mutex_trylock(mutex); }
int linux_robust_mutex_consistent(void *mutex) { return pthread_mutex_consistent(mutex); }
int linux_robust_mutex_unlock(void *mutex) { return pthread_mutex_unlock(mutex); }

int linux_membarrier_register(void) {
    return (int)syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
}

int linux_membarrier_everywhere(void) {
    return (int)syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
}

uint64_t linux_fork_counter;

static void count_fork(void) { linux_fork_counter++; }
static void start_counting(void) { pthread_atfork(NULL, NULL, count_fork); }

void linux_count_forks(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_counting);
}
