// XXH3 of libxxhash, inlined, under names of our own: with XXH_INLINE_ALL the
// library's names are macros, which Swift cannot import.
#ifndef CXXHASH_H
#define CXXHASH_H

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

typedef struct {
    uint64_t low, high;
} xxh3_hash128;

static inline uint64_t xxh3_64(const void *bytes, size_t count, uint64_t seed) {
    return XXH3_64bits_withSeed(bytes, count, seed);
}

// Of 16 bytes, from registers: the length is a constant, so that one branch of XXH3 is left.
static inline __attribute__((always_inline)) uint64_t xxh3_64_of_words(uint64_t low, uint64_t high, uint64_t seed) {
    const uint64_t words[2] = { low, high };
    return XXH3_64bits_withSeed(words, sizeof words, seed);
}

static inline xxh3_hash128 xxh3_128(const void *bytes, size_t count, uint64_t seed) {
    XXH128_hash_t hash = XXH3_128bits_withSeed(bytes, count, seed);
    return (xxh3_hash128){ hash.low64, hash.high64 };
}

#endif
