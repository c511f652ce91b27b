// What a GET of a value cannot be faster than: a cache miss to find it, and a copy of it from memory that is
// not in the cache. Both in files of /dev/shm, as a shared table's.
// Usage: copy_reference FILE VALUES BYTES; prints copies per second.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

int main(int count, char **words) {
    if (count != 4) return 64;
    uint64_t values = strtoull(words[2], NULL, 10), bytes = strtoull(words[3], NULL, 10);
    // A word for each value says where it is: the miss that finds it.
    uint64_t places = values * 16, size = places + values * bytes;
    int file = open(words[1], O_RDWR | O_CREAT | O_EXCL, 0600);
    if (file < 0 || ftruncate(file, (off_t)size) != 0) return 1;
    unlink(words[1]);
    char *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    char *target = malloc(bytes);
    if (base == MAP_FAILED || target == NULL) return 1;
    memset(base + places, 7, values * bytes);
    for (uint64_t i = 0; i < values; i++) *(uint64_t *)(base + i * 16) = places + (i * 2654435761u) % values * bytes;
    uint64_t sum = 0, state = 1;
    double start = now();
    for (uint64_t i = 0; i < values; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint64_t place = *(volatile uint64_t *)(base + (state >> 20) % values * 16);
        memcpy(target, base + place, bytes);
        __asm__ volatile("" ::"r"(target) : "memory");
        sum += (unsigned char)target[0];
    }
    double seconds = now() - start;
    if (sum != 7 * values) return 2;
    printf("%.0f\n", values / seconds);
    return 0;
}
