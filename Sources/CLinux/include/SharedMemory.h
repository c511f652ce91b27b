// What memory that several processes share needs from the system: a mutex that
// survives its owner, a barrier across processes, and the count of forks.
#ifndef CLINUX_SHARED_MEMORY_H
#define CLINUX_SHARED_MEMORY_H

#include <stddef.h>
#include <stdint.h>

// --- robust, process-shared, error-checking pthread mutexes in shared memory.
// The calls return 0 or an error number; errno is left alone.
size_t linux_robust_mutex_bytes(void);
int linux_robust_mutex_init(void *mutex);
int linux_robust_mutex_lock(void *mutex);       // EOWNERDEAD: locked, and the owner before died
int linux_robust_mutex_trylock(void *mutex);    // EBUSY where somebody holds it
int linux_robust_mutex_consistent(void *mutex);
int linux_robust_mutex_unlock(void *mutex);

// --- ordering
// Every running thread of every process that registered passes a full memory
// barrier before linux_membarrier_everywhere returns. 0, or -1 with errno.
int linux_membarrier_register(void);
int linux_membarrier_everywhere(void);
// Keeps the compiler from moving loads and stores across; no instruction.
static inline void linux_compiler_barrier(void) { __asm__ volatile("" ::: "memory"); }
// Tells the processor that this is a waiting loop.
static inline void linux_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// --- forks: how many lie between the first call of linux_count_forks and this process.
void linux_count_forks(void);
extern uint64_t linux_fork_counter;
static inline uint64_t linux_fork_count(void) { return linux_fork_counter; }

#endif
