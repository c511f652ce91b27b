// Eight cells of a shared table compared at once, which Swift's vector types do not express
// without loading each word twice. Nothing here decides anything.
#ifndef CCELLS_H
#define CCELLS_H

#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// Which cells of two lines have `word` as their first word, under `mask`: bit 2 i for cell i of the first
// line, bit 8 + 2 i for cell i of the second one.
//
// A line is 64 bytes, aligned to 64: four cells of two words. Another process may be changing them: the caller
// checks afterwards that it did not.
static inline __attribute__((always_inline)) uint32_t cells_matching(
    const void *first, const void *second, uint64_t word, uint64_t mask)
{
#if defined(__SSE2__)
    const __m128i *a = (const __m128i *)first, *b = (const __m128i *)second;
    const __m128i words = _mm_set1_epi64x((long long)word), masks = _mm_set1_epi64x((long long)mask);
#define CELLS_PAIR(line, i) \
    _mm_cmpeq_epi32( \
        _mm_and_si128(_mm_unpacklo_epi64(_mm_load_si128(line + i), _mm_load_si128(line + i + 1)), masks), words)
    const __m128i low = _mm_packs_epi32(CELLS_PAIR(a, 0), CELLS_PAIR(a, 2));
    const __m128i high = _mm_packs_epi32(CELLS_PAIR(b, 0), CELLS_PAIR(b, 2));
#undef CELLS_PAIR
    // Two bits a cell, one for each half of its word.
    const uint32_t halves = (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(low, high));
    return halves & halves >> 1 & 0x5555;
#else
    const uint64_t *a = (const uint64_t *)first, *b = (const uint64_t *)second;
    uint32_t found = 0;
    for (int i = 0; i < 4; i++) {
        found |= (uint32_t)((__atomic_load_n(a + 2 * i, __ATOMIC_RELAXED) & mask) == word) << 2 * i;
        found |= (uint32_t)((__atomic_load_n(b + 2 * i, __ATOMIC_RELAXED) & mask) == word) << (8 + 2 * i);
    }
    return found;
#endif
}

#endif
