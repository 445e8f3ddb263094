/* Exact 1:N comparison of bit planes: how many symbols of every row differ from a probe.

   A row is `bits` planes of `plane` bytes; two symbols differ where the OR over the planes of (row XOR probe) has a one, so the
   answer is the population count of that OR. Every kernel gives the same integers, and so does every way of reading ahead: the
   caller chooses both at run time, by timing them. Each architecture supplies one function, counting a row into partial sums in a vector, and one, turning the vectors
   of eight rows into eight sums; SCAN lays the loops around them, with the common sizes as constants that the compiler unrolls.

   Sums are kept in 16 bits: a plane has at most PLANE_LIMIT bytes (65,528 symbols). */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#define TARGET(features) __attribute__((target(features)))
#define FETCH(address, write) __builtin_prefetch((const void *)(address), write, 3)
#else
#define INLINE static inline
#define TARGET(features)
#define FETCH(address, write) ((void)(address))
#endif

#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_X86 1
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__GNUC__) && !defined(__AARCH64EB__)
#define HAVE_NEON 1
#include <arm_neon.h>
#endif

enum { PLANE_LIMIT = 8191, GROUP = 8, BLOCK = 8192, LINE = 64, STREAMS_LIMIT = 64, AHEAD_LIMIT = 1 << 20 };

/* Where only counts up to a limit are wanted, the first plane settles most rows: two symbols whose lowest bits differ differ, so its
   count is at most the full one. A part where it settles fewer than all but one group in FEW is followed by PLAIN_PARTS counted plainly. */
enum { PART = 1024, FEW = 4, PLAIN_PARTS = 64 };

typedef struct {
    const uint8_t *rows;   /* total rows of bits * plane bytes */
    const uint8_t *probes; /* count probes of the same width */
    uint16_t *out;         /* count x total */
    size_t total, count, bits, plane;
    size_t start, stop; /* the rows to compare */
    size_t streams;     /* one probe: places of the rows read side by side; 0 is one */
    size_t ahead;       /* bytes between what is compared and what is asked of the memory; 0: the processor reads ahead by itself */
    size_t most;        /* one probe: counts above it need not be exact, only above it; UINT16_MAX: all are exact */
} Scan;

/* Rows that fill about BLOCK bytes: they stay in the first-level cache while every probe passes over them. */
INLINE size_t block_rows(size_t width) { return width * GROUP < BLOCK ? BLOCK / (width * GROUP) * GROUP : GROUP; }

/* Ask for the rows further on, each probe of a batch for its share, so that the memory is busy while the probes compute. Reaching
   past the end asks for nothing. */
INLINE void fetch_rows(const uint8_t *group, size_t width, size_t probe, size_t count, size_t ahead) {
    if (ahead == 0) return;
    const size_t share = (GROUP + count - 1) / count * width;
    for (size_t b = probe * share; b < (probe + 1) * share && b < GROUP * width; b += LINE) FETCH((uintptr_t)group + ahead + b, 0);
}

/* The same for the first plane of each row alone. */
INLINE void fetch_first(const uint8_t *group, size_t width, size_t plane, size_t ahead) {
    if (ahead == 0) return;
    for (size_t r = 0; r < GROUP; r++)
        for (size_t b = 0; b < plane; b += LINE) FETCH((uintptr_t)group + ahead + r * width + b, 0);
}

INLINE int any_within(const uint16_t *counts, size_t most) {
    int within = 0;
    for (size_t r = 0; r < GROUP; r++) within |= counts[r] <= most;
    return within;
}

INLINE void fetch_out(const uint16_t *next, size_t items) {
    for (size_t b = 0; b < items * sizeof *next; b += LINE) FETCH((uintptr_t)next + b, 1);
}

/* ---- portable words -------------------------------------------------------------------------------------------------- */

INLINE uint64_t word_at(const uint8_t *at, size_t bytes) {
    uint64_t word = 0;
    memcpy(&word, at, bytes);
    return word;
}

INLINE uint64_t differing(const uint8_t *row, const uint8_t *probe, size_t bits, size_t plane, size_t bytes) {
    uint64_t differ = 0;
    for (size_t k = 0; k < bits; k++) differ |= word_at(row + k * plane, bytes) ^ word_at(probe + k * plane, bytes);
    return differ;
}

INLINE unsigned ones(uint64_t word) {
    word -= (word >> 1) & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) + ((word >> 2) & UINT64_C(0x3333333333333333));
    word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (unsigned)((word * UINT64_C(0x0101010101010101)) >> 56);
}

/* Unequal symbols in the bytes of the planes from `at` on: what is left over when the vectors are done. */
INLINE unsigned rest(const uint8_t *row, const uint8_t *probe, size_t bits, size_t plane, size_t at) {
    unsigned sum = 0;
    for (; at + 8 <= plane; at += 8) sum += ones(differing(row + at, probe + at, bits, plane, 8));
    if (at < plane) sum += ones(differing(row + at, probe + at, bits, plane, plane - at));
    return sum;
}

/* ---- the loops around a row ------------------------------------------------------------------------------------------ */

/* PARTS is the vector of partial sums that COUNT gives of a row; EIGHT stores the sums of eight of them, ONE gives the sum of one. */
#define SCAN(NAME, ATTRIBUTES, PARTS, COUNT, EIGHT, ONE)                                                                          \
    INLINE ATTRIBUTES void NAME##_range(const Scan *scan, size_t bits, size_t plane, size_t p, size_t from, size_t to) {          \
        const size_t width = bits * plane;                                                                                        \
        const uint8_t *probe = scan->probes + p * width, *row = scan->rows + from * width;                                        \
        uint16_t *out = scan->out + p * scan->total;                                                                              \
        size_t i = from;                                                                                                          \
        for (; i + GROUP <= to; i += GROUP, row += GROUP * width) {                                                               \
            PARTS parts[GROUP];                                                                                                   \
            fetch_rows(row, width, p, scan->count, scan->ahead);                                                                  \
            for (size_t r = 0; r < GROUP; r++) parts[r] = COUNT(row + r * width, probe, bits, plane);                             \
            EIGHT(out + i, parts);                                                                                                \
        }                                                                                                                         \
        for (; i < to; i++, row += width) out[i] = (uint16_t)ONE(COUNT(row, probe, bits, plane));                                 \
    }                                                                                                                             \
    INLINE ATTRIBUTES void NAME##_batch(const Scan *scan, size_t bits, size_t plane) {                                            \
        const size_t step = block_rows(bits * plane);                                                                             \
        for (size_t from = scan->start, to; from < scan->stop; from = to) {                                                       \
            to = scan->stop - from < step ? scan->stop : from + step;                                                             \
            for (size_t p = 0; p < scan->count; p++) {                                                                            \
                fetch_out(scan->out + p * scan->total + to, to - from);                                                           \
                NAME##_range(scan, bits, plane, p, from, to);                                                                     \
            }                                                                                                                     \
        }                                                                                                                         \
    }                                                                                                                             \
    INLINE ATTRIBUTES size_t NAME##_first_plane(const Scan *scan, size_t bits, size_t plane, size_t from, size_t to) {          \
        const size_t width = bits * plane;                                                                                      \
        const uint8_t *probe = scan->probes, *row = scan->rows + from * width;                                                  \
        size_t full = 0;                                                                                                        \
        for (size_t i = from; i < to; i += GROUP, row += GROUP * width) {                                                       \
            PARTS parts[GROUP];                                                                                                 \
            fetch_first(row, width, plane, scan->ahead);                                                                        \
            for (size_t r = 0; r < GROUP; r++) parts[r] = COUNT(row + r * width, probe, 1, plane);                              \
            EIGHT(scan->out + i, parts);                                                                                        \
            if (!any_within(scan->out + i, scan->most)) continue;                                                               \
            for (size_t r = 0; r < GROUP; r++) parts[r] = COUNT(row + r * width, probe, bits, plane);                           \
            EIGHT(scan->out + i, parts);                                                                                        \
            full++;                                                                                                             \
        }                                                                                                                       \
        return full;                                                                                                            \
    }                                                                                                                           \
    INLINE ATTRIBUTES void NAME##_within(const Scan *scan, size_t bits, size_t plane) {                                         \
        const size_t whole = scan->start + (scan->stop - scan->start) / GROUP * GROUP;                                          \
        size_t plain = 0;                                                                                                       \
        for (size_t from = scan->start, to; from < whole; from = to) {                                                          \
            to = whole - from < PART ? whole : from + PART;                                                                     \
            if (plain > 0) {                                                                                                    \
                NAME##_range(scan, bits, plane, 0, from, to);                                                                   \
                plain--;                                                                                                        \
            } else if (NAME##_first_plane(scan, bits, plane, from, to) * FEW > (to - from) / GROUP)                             \
                plain = PLAIN_PARTS;                                                                                            \
        }                                                                                                                       \
        NAME##_range(scan, bits, plane, 0, whole, scan->stop);                                                                  \
    }                                                                                                                           \
    INLINE ATTRIBUTES void NAME##_single(const Scan *scan, size_t bits, size_t plane) {                                           \
        const size_t streams = scan->streams < 2 ? 1 : scan->streams;                                                             \
        const size_t part = (scan->stop - scan->start) / streams / GROUP * GROUP, done = scan->start + streams * part;            \
        for (size_t i = scan->start; i < scan->start + part; i += GROUP)                                                          \
            for (size_t s = 0; s < streams; s++) NAME##_range(scan, bits, plane, 0, i + s * part, i + s * part + GROUP);          \
        NAME##_range(scan, bits, plane, 0, done, scan->stop);                                                                     \
    }                                                                                                                             \
    INLINE ATTRIBUTES void NAME##_sized(const Scan *scan, size_t bits, size_t plane) {                                            \
        if (scan->count == 1 && scan->most < UINT16_MAX && bits > 1)                                                              \
            NAME##_within(scan, bits, plane);                                                                                     \
        else if (scan->count == 1)                                                                                                \
            NAME##_single(scan, bits, plane);                                                                                     \
        else                                                                                                                      \
            NAME##_batch(scan, bits, plane);                                                                                      \
    }                                                                                                                             \
    static ATTRIBUTES void NAME##_scan(const Scan *scan) {                                                                        \
        if (scan->plane == 64 && scan->bits == 3)                                                                                 \
            NAME##_sized(scan, 3, 64);                                                                                            \
        else if (scan->plane == 64 && scan->bits == 4)                                                                            \
            NAME##_sized(scan, 4, 64);                                                                                            \
        else                                                                                                                      \
            NAME##_sized(scan, scan->bits, scan->plane);                                                                          \
    }

/* ---- scalar ---------------------------------------------------------------------------------------------------------- */

INLINE unsigned scalar_one(unsigned sum) { return sum; }

INLINE void scalar_eight(uint16_t *out, const unsigned *sums) {
    for (size_t r = 0; r < GROUP; r++) out[r] = (uint16_t)sums[r];
}

INLINE unsigned scalar_count(const uint8_t *row, const uint8_t *probe, size_t bits, size_t plane) {
    return rest(row, probe, bits, plane, 0);
}

SCAN(scalar, , unsigned, scalar_count, scalar_eight, scalar_one)

static uint64_t scalar_sum(const uint8_t *at, size_t bytes) {
    uint64_t sums[4] = {0};
    size_t i = 0;
    for (; i + 32 <= bytes; i += 32)
        for (size_t k = 0; k < 4; k++) sums[k] += word_at(at + i + 8 * k, 8);
    for (; i < bytes; i += 8) sums[0] += word_at(at + i, bytes - i < 8 ? bytes - i : 8);
    return sums[0] + sums[1] + sums[2] + sums[3];
}

static int always(void) { return 1; }

/* ---- x86-64 ---------------------------------------------------------------------------------------------------------- */

#if defined(HAVE_X86)

#define POPCNT TARGET("popcnt")

INLINE POPCNT unsigned popcnt_count(const uint8_t *row, const uint8_t *probe, size_t bits, size_t plane) {
    unsigned sum = 0;
    size_t at = 0;
    for (; at + 8 <= plane; at += 8) sum += (unsigned)_mm_popcnt_u64(differing(row + at, probe + at, bits, plane, 8));
    return at < plane ? sum + rest(row, probe, bits, plane, at) : sum;
}

SCAN(popcnt, POPCNT, unsigned, popcnt_count, scalar_eight, scalar_one)

static int has_popcnt(void) { return __builtin_cpu_supports("popcnt") != 0; }

#define AVX2 TARGET("avx2")

INLINE AVX2 __m256i avx2_differing(const uint8_t *row, const uint8_t *probe, size_t bits, size_t plane) {
    __m256i differ = _mm256_setzero_si256();
    for (size_t k = 0; k < bits; k++) {
        const __m256i a = _mm256_loadu_si256((const __m256i *)(row + k * plane));
        const __m256i b = _mm256_loadu_si256((const __m256i *)(probe + k * plane));
        differ = _mm256_or_si256(differ, _mm256_xor_si256(a, b));
    }
    return differ;
}

/* Ones in every byte, by table over its two halves (Mula, Kurz, Lemire: Faster population counts using AVX2, 2018). */
INLINE AVX2 __m256i avx2_ones(__m256i bytes) {
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i a = _mm256_shuffle_epi8(table, _mm256_and_si256(bytes, low));
    const __m256i b = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low));
    return _mm256_add_epi8(a, b);
}

/* Four 64-bit partial sums, each at most a quarter of the symbols and the leftover. */
INLINE AVX2 __m256i avx2_count(const uint8_t *row, const uint8_t *probe, size_t bits, size_t plane) {
    const __m256i zero = _mm256_setzero_si256();
    __m256i sum = zero;
    size_t at = 0;
    for (; at + 64 <= plane; at += 64) {
        const __m256i a = avx2_ones(avx2_differing(row + at, probe + at, bits, plane));
        const __m256i b = avx2_ones(avx2_differing(row + at + 32, probe + at + 32, bits, plane));
        sum = _mm256_add_epi64(sum, _mm256_sad_epu8(_mm256_add_epi8(a, b), zero));
    }
    if (at + 32 <= plane) {
        sum = _mm256_add_epi64(sum, _mm256_sad_epu8(avx2_ones(avx2_differing(row + at, probe + at, bits, plane)), zero));
        at += 32;
    }
    return at < plane ? _mm256_add_epi64(sum, _mm256_set_epi64x(0, 0, 0, (long long)rest(row, probe, bits, plane, at))) : sum;
}

INLINE AVX2 unsigned avx2_one(__m256i sum) {
    const __m128i two = _mm_add_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    return (unsigned)_mm_cvtsi128_si64(_mm_add_epi64(two, _mm_unpackhi_epi64(two, two)));
}

/* Four rows side by side in the 16-bit quarters of one vector, its two halves added: two partial sums of each row. */
INLINE AVX2 __m128i avx2_four(const __m256i *parts) {
    const __m256i a = _mm256_or_si256(parts[0], _mm256_slli_epi64(parts[1], 16));
    const __m256i b = _mm256_or_si256(_mm256_slli_epi64(parts[2], 32), _mm256_slli_epi64(parts[3], 48));
    const __m256i c = _mm256_or_si256(a, b);
    return _mm_add_epi16(_mm256_castsi256_si128(c), _mm256_extracti128_si256(c, 1));
}

INLINE AVX2 void avx2_eight(uint16_t *out, const __m256i *parts) {
    const __m128i a = avx2_four(parts), b = avx2_four(parts + 4);
    _mm_storeu_si128((__m128i *)out, _mm_add_epi16(_mm_unpacklo_epi64(a, b), _mm_unpackhi_epi64(a, b)));
}

SCAN(avx2, AVX2, __m256i, avx2_count, avx2_eight, avx2_one)

static AVX2 uint64_t avx2_sum(const uint8_t *at, size_t bytes) {
    __m256i sums[8];
    for (size_t k = 0; k < 8; k++) sums[k] = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 256 <= bytes; i += 256)
        for (size_t k = 0; k < 8; k++) sums[k] = _mm256_add_epi64(sums[k], _mm256_loadu_si256((const __m256i *)(at + i + 32 * k)));
    for (size_t k = 1; k < 8; k++) sums[0] = _mm256_add_epi64(sums[0], sums[k]);
    uint64_t words[4];
    _mm256_storeu_si256((__m256i *)words, sums[0]);
    return scalar_sum((const uint8_t *)words, sizeof words) + scalar_sum(at + i, bytes - i);
}

static int has_avx2(void) { return __builtin_cpu_supports("avx2") != 0; }

#define AVX512 TARGET("avx512f,avx512bw,avx512vpopcntdq")

/* `mask` has a one for every byte to read. */
INLINE AVX512 __m512i avx512_differing(const uint8_t *row, const uint8_t *probe, size_t bits, size_t plane, __mmask64 mask) {
    __m512i differ = _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, row), _mm512_maskz_loadu_epi8(mask, probe));
    for (size_t k = 1; k < bits; k++) {
        const __m512i a = _mm512_maskz_loadu_epi8(mask, row + k * plane), b = _mm512_maskz_loadu_epi8(mask, probe + k * plane);
        differ = _mm512_ternarylogic_epi64(differ, a, b, 0xf6); /* differ | (a ^ b) */
    }
    return differ;
}

INLINE AVX512 __m512i avx512_count(const uint8_t *row, const uint8_t *probe, size_t bits, size_t plane) {
    __m512i sum = _mm512_setzero_si512();
    size_t at = 0;
    for (; at + 64 <= plane; at += 64)
        sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(avx512_differing(row + at, probe + at, bits, plane, ~(__mmask64)0)));
    if (at < plane) {
        const __mmask64 mask = ((__mmask64)1 << (plane - at)) - 1;
        sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(avx512_differing(row + at, probe + at, bits, plane, mask)));
    }
    return sum;
}

INLINE AVX512 unsigned avx512_one(__m512i sum) { return (unsigned)_mm512_reduce_add_epi64(sum); }

/* Four rows side by side in the 16-bit quarters of one vector, its two halves added: four partial sums of each row. */
INLINE AVX512 __m256i avx512_four(const __m512i *parts) {
    const __m512i a = _mm512_or_si512(parts[0], _mm512_slli_epi64(parts[1], 16));
    const __m512i b = _mm512_slli_epi64(parts[2], 32);
    const __m512i c = _mm512_ternarylogic_epi64(a, b, _mm512_slli_epi64(parts[3], 48), 0xfe); /* a | b | ... */
    return _mm256_add_epi16(_mm512_castsi512_si256(c), _mm512_extracti64x4_epi64(c, 1));
}

INLINE AVX512 void avx512_eight(uint16_t *out, const __m512i *parts) {
    const __m256i a = avx512_four(parts), b = avx512_four(parts + 4);
    const __m256i c = _mm256_add_epi16(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    _mm_storeu_si128((__m128i *)out, _mm_add_epi16(_mm256_castsi256_si128(c), _mm256_extracti128_si256(c, 1)));
}

SCAN(avx512, AVX512, __m512i, avx512_count, avx512_eight, avx512_one)

static AVX512 uint64_t avx512_sum(const uint8_t *at, size_t bytes) {
    __m512i sums[8];
    for (size_t k = 0; k < 8; k++) sums[k] = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + 512 <= bytes; i += 512)
        for (size_t k = 0; k < 8; k++) sums[k] = _mm512_add_epi64(sums[k], _mm512_loadu_si512(at + i + 64 * k));
    for (size_t k = 1; k < 8; k++) sums[0] = _mm512_add_epi64(sums[0], sums[k]);
    uint64_t words[8];
    _mm512_storeu_si512(words, sums[0]);
    return scalar_sum((const uint8_t *)words, sizeof words) + scalar_sum(at + i, bytes - i);
}

static int has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vpopcntdq");
}

#endif

/* ---- aarch64 --------------------------------------------------------------------------------------------------------- */

#if defined(HAVE_NEON)

INLINE uint8x16_t neon_ones(const uint8_t *row, const uint8_t *probe, size_t bits, size_t plane) {
    uint8x16_t differ = veorq_u8(vld1q_u8(row), vld1q_u8(probe));
    for (size_t k = 1; k < bits; k++) differ = vorrq_u8(differ, veorq_u8(vld1q_u8(row + k * plane), vld1q_u8(probe + k * plane)));
    return vcntq_u8(differ);
}

/* Eight 16-bit partial sums. */
INLINE uint16x8_t neon_count(const uint8_t *row, const uint8_t *probe, size_t bits, size_t plane) {
    uint16x8_t sum = vdupq_n_u16(0);
    size_t at = 0;
    for (; at + 64 <= plane; at += 64) {
        uint8x16_t bytes = neon_ones(row + at, probe + at, bits, plane);
        for (size_t k = 16; k < 64; k += 16) bytes = vaddq_u8(bytes, neon_ones(row + at + k, probe + at + k, bits, plane));
        sum = vpadalq_u8(sum, bytes);
    }
    for (; at + 16 <= plane; at += 16) sum = vpadalq_u8(sum, neon_ones(row + at, probe + at, bits, plane));
    return at < plane ? vaddq_u16(sum, vsetq_lane_u16((uint16_t)rest(row, probe, bits, plane, at), vdupq_n_u16(0), 0)) : sum;
}

INLINE unsigned neon_one(uint16x8_t sum) { return vaddvq_u16(sum); }

INLINE void neon_eight(uint16_t *out, const uint16x8_t *parts) {
    const uint16x8_t a = vpaddq_u16(vpaddq_u16(parts[0], parts[1]), vpaddq_u16(parts[2], parts[3]));
    const uint16x8_t b = vpaddq_u16(vpaddq_u16(parts[4], parts[5]), vpaddq_u16(parts[6], parts[7]));
    vst1q_u16(out, vpaddq_u16(a, b));
}

SCAN(neon, , uint16x8_t, neon_count, neon_eight, neon_one)

static uint64_t neon_sum(const uint8_t *at, size_t bytes) {
    uint64x2_t sums[8];
    for (size_t k = 0; k < 8; k++) sums[k] = vdupq_n_u64(0);
    size_t i = 0;
    for (; i + 128 <= bytes; i += 128)
        for (size_t k = 0; k < 8; k++) sums[k] = vaddq_u64(sums[k], vreinterpretq_u64_u8(vld1q_u8(at + i + 16 * k)));
    for (size_t k = 1; k < 8; k++) sums[0] = vaddq_u64(sums[0], sums[k]);
    return vaddvq_u64(sums[0]) + scalar_sum(at + i, bytes - i);
}

#endif

/* ---- choice ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    int (*available)(void);
    void (*scan)(const Scan *);
    uint64_t (*sum)(const uint8_t *, size_t);
} Kernel;

/* Best first. */
static const Kernel KERNELS[] = {
#if defined(HAVE_X86)
    {"avx512", has_avx512, avx512_scan, avx512_sum},
    {"avx2", has_avx2, avx2_scan, avx2_sum},
    {"popcnt", has_popcnt, popcnt_scan, scalar_sum},
#endif
#if defined(HAVE_NEON)
    {"neon", always, neon_scan, neon_sum},
#endif
    {"scalar", always, scalar_scan, scalar_sum},
};
enum { KERNEL_COUNT = sizeof KERNELS / sizeof KERNELS[0] };

/* ---- Python ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    Py_buffer rows, probes, out;
    Py_ssize_t bits, width, start, stop, streams, ahead, most;
} Request;

#define WRONG(...) (PyErr_Format(PyExc_ValueError, __VA_ARGS__), -1)

static const Kernel *kernel_named(const char *name) {
    for (size_t k = 0; k < KERNEL_COUNT; k++)
        if (strcmp(KERNELS[k].name, name) == 0 && KERNELS[k].available()) return &KERNELS[k];
    (void)WRONG("kernel %s: this machine has none of that name; kernels() lists them", name);
    return NULL;
}

/* A C-contiguous buffer of items of `size` bytes, or an exception; ValueError for everything but objects without memory. */
static int buffer_of(PyObject *object, Py_buffer *view, const char *name, Py_ssize_t size, int flags) {
    if (PyObject_GetBuffer(object, view, flags) < 0) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) return -1;
        PyErr_Clear();
        return WRONG("%s: its memory cannot be %s", name, flags & PyBUF_WRITABLE ? "written to" : "read");
    }
    const int contiguous = PyBuffer_IsContiguous(view, 'C');
    if (contiguous && view->itemsize == size) return 0;
    const Py_ssize_t itemsize = view->itemsize;
    PyBuffer_Release(view);
    return WRONG("%s: expected items of %zd bytes without gaps, got %zd bytes%s", name, size, itemsize, contiguous ? "" : " with gaps");
}

/* The sizes of a scan; what is wrong with them is told to Python. */
static int measure(Scan *scan, const Request *asked) {
    const Py_ssize_t bits = asked->bits, width = asked->width, start = asked->start, stop = asked->stop;
    const Py_ssize_t given = asked->rows.len, against = asked->probes.len, room = asked->out.len;
    if (bits < 1 || bits > 8 || width < bits || width % bits != 0 || width / bits > PLANE_LIMIT)
        return WRONG("%zd planes in %zd bytes: expected 1 to 8 planes of equal width, 1 to %d bytes", bits, width, PLANE_LIMIT);
    if (given % width != 0 || against % width != 0)
        return WRONG("rows of %zd bytes, probes of %zd bytes: expected multiples of the width %zd", given, against, width);
    const Py_ssize_t total = given / width, count = against / width;
    if ((count > 0 && total > PY_SSIZE_T_MAX / 2 / count) || room != 2 * total * count)
        return WRONG("out has %zd bytes: expected 2 bytes for each of %zd rows and %zd probes", room, total, count);
    if ((uintptr_t)asked->out.buf % sizeof(uint16_t) != 0) return WRONG("out begins at an odd address: expected whole 16-bit integers");
    if (start < 0 || start > stop || stop > total) return WRONG("rows %zd to %zd: expected a range within 0 to %zd", start, stop, total);
    if (asked->streams < 1 || asked->streams > STREAMS_LIMIT) return WRONG("%zd streams: expected 1 to %d", asked->streams, STREAMS_LIMIT);
    if (asked->ahead < 0 || asked->ahead > AHEAD_LIMIT) return WRONG("%zd bytes ahead: expected 0 to %d", asked->ahead, AHEAD_LIMIT);
    if (asked->most < 0 || asked->most > UINT16_MAX) return WRONG("most is %zd: expected 0 to %d", asked->most, UINT16_MAX);
    *scan = (Scan){.rows = asked->rows.buf, .probes = asked->probes.buf, .out = asked->out.buf,
                   .total = (size_t)total, .count = (size_t)count, .bits = (size_t)bits, .plane = (size_t)(width / bits),
                   .start = (size_t)start, .stop = (size_t)stop, .streams = (size_t)asked->streams, .ahead = (size_t)asked->ahead,
                   .most = (size_t)asked->most};
    return 0;
}

static PyObject *scanned(const Kernel *kernel, const Request *asked) {
    Scan scan;
    if (measure(&scan, asked) < 0) return NULL;
    Py_BEGIN_ALLOW_THREADS
    kernel->scan(&scan);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

PyDoc_STRVAR(unequal_doc,
             "unequal(rows, probes, out, bits, width, start, stop, kernel, streams=1, ahead=0, most=65535)\n--\n\n"
             "Write to out[probe][row] (uint16) the unequal symbols of every probe and the rows from start to stop.\n\n"
             "rows, probes: contiguous bytes, `width` for each, in `bits` planes. `streams` places of the rows are read side by side,\n"
             "`ahead` bytes before they are compared: both change the speed only. Of one probe, counts above `most` need not be exact, only above\n"
             "it. Releases the GIL. ValueError: a size is wrong.");

static PyObject *unequal(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *rows, *probes, *out, *result = NULL;
    const char *name;
    Request asked = {.streams = 1, .ahead = 0, .most = UINT16_MAX};
    if (!PyArg_ParseTuple(args, "OOOnnnns|nnn", &rows, &probes, &out, &asked.bits, &asked.width, &asked.start, &asked.stop, &name,
                          &asked.streams, &asked.ahead, &asked.most))
        return NULL;
    const Kernel *kernel = kernel_named(name);
    if (kernel == NULL || buffer_of(rows, &asked.rows, "rows", 1, PyBUF_STRIDED_RO) < 0) return NULL;
    if (buffer_of(probes, &asked.probes, "probes", 1, PyBUF_STRIDED_RO) == 0) {
        if (buffer_of(out, &asked.out, "out", 2, PyBUF_STRIDED) == 0) {
            result = scanned(kernel, &asked);
            PyBuffer_Release(&asked.out);
        }
        PyBuffer_Release(&asked.probes);
    }
    PyBuffer_Release(&asked.rows);
    return result;
}

/* The bits of four bits, each in a byte of its own, the lowest first. */
static inline uint32_t spread(uint32_t four) { return four * UINT32_C(0x00204081) & UINT32_C(0x01010101); }

/* What eight symbols cost, whose bits lie in one byte of each plane. costs: of the first of them; 1 << bits for each. */
static inline uint32_t cost_of_eight(const uint8_t *byte, size_t plane, int bits, const uint8_t *costs) {
    uint32_t low = 0, high = 0, sum = 0;
    for (int k = 0; k < bits; k++, byte += plane) {
        low |= spread(*byte & 15u) << k;
        high |= spread((uint32_t)*byte >> 4) << k;
    }
    for (int i = 0; i < 4; i++) {
        sum += costs[((size_t)i << bits) + (low >> 8 * i & 255u)];
        sum += costs[((size_t)(i + 4) << bits) + (high >> 8 * i & 255u)];
    }
    return sum;
}

static PyObject *costed(const Py_buffer *rows, const Py_buffer *costs, const Py_buffer *out, Py_ssize_t bits, Py_ssize_t width) {
    if (bits < 1 || bits > 8 || width < bits || width % bits != 0 || width / bits > PLANE_LIMIT)
        return WRONG("%zd planes in %zd bytes: expected 1 to 8 planes of equal width, 1 to %d bytes", bits, width, PLANE_LIMIT), NULL;
    const size_t plane = (size_t)(width / bits), of_eight = (size_t)8 << bits, total = (size_t)(rows->len / width);
    if (rows->len % width != 0 || (size_t)costs->len != plane * of_eight || (size_t)out->len != 4 * total)
        return WRONG("%zd bytes of rows, %zd costs, %zd bytes of sums do not fit %zd planes in %zd bytes", rows->len, costs->len, out->len,
                     bits, width), NULL;
    const uint8_t *row = rows->buf, *cost = costs->buf;
    uint32_t *sums = out->buf;
    for (size_t r = 0; r < total; r++, row += width) {
        uint32_t sum = 0;
        for (size_t j = 0; j < plane; j++) sum += cost_of_eight(row + j, plane, (int)bits, cost + j * of_eight);
        sums[r] = sum;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(cost_sums_doc,
             "cost_sums(rows, costs, out, bits, width)\n--\n\n"
             "Write to out[row] (uint32) the sum of what the symbols of every row cost.\n\n"
             "rows: contiguous bytes, `width` for each, in `bits` planes. costs: a byte for each of 1 << bits values at every position.\n"
             "ValueError: a size is wrong.");

static PyObject *cost_sums(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *rows, *costs, *out, *result = NULL;
    Py_ssize_t bits, width;
    Py_buffer from, against, to;
    if (!PyArg_ParseTuple(args, "OOOnn", &rows, &costs, &out, &bits, &width)) return NULL;
    if (buffer_of(rows, &from, "rows", 1, PyBUF_STRIDED_RO) < 0) return NULL;
    if (buffer_of(costs, &against, "costs", 1, PyBUF_STRIDED_RO) == 0) {
        if (buffer_of(out, &to, "out", 4, PyBUF_STRIDED) == 0) {
            result = costed(&from, &against, &to, bits, width);
            PyBuffer_Release(&to);
        }
        PyBuffer_Release(&against);
    }
    PyBuffer_Release(&from);
    return result;
}

PyDoc_STRVAR(read_sum_doc,
             "read_sum(rows, kernel)\n--\n\n"
             "The sum of the 64-bit words of contiguous bytes, modulo 2**64: the yardstick that reads each byte once and does no more.");

static PyObject *read_sum(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *rows;
    const char *name;
    Py_buffer from;
    if (!PyArg_ParseTuple(args, "Os", &rows, &name)) return NULL;
    const Kernel *kernel = kernel_named(name);
    if (kernel == NULL || buffer_of(rows, &from, "rows", 1, PyBUF_STRIDED_RO) < 0) return NULL;
    uint64_t sum;
    Py_BEGIN_ALLOW_THREADS
    sum = kernel->sum(from.buf, (size_t)from.len);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&from);
    return PyLong_FromUnsignedLongLong(sum);
}

PyDoc_STRVAR(kernels_doc, "kernels()\n--\n\nA list of the kernels that run on this processor, best first.");

static PyObject *kernels(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none)) {
    PyObject *names = PyList_New(0);
    for (size_t k = 0; names != NULL && k < KERNEL_COUNT; k++) {
        if (!KERNELS[k].available()) continue;
        PyObject *name = PyUnicode_FromString(KERNELS[k].name);
        if (name == NULL || PyList_Append(names, name) < 0) Py_CLEAR(names);
        Py_XDECREF(name);
    }
    return names;
}

static PyMethodDef METHODS[] = {
    {"unequal", unequal, METH_VARARGS, unequal_doc},
    {"cost_sums", cost_sums, METH_VARARGS, cost_sums_doc},
    {"read_sum", read_sum, METH_VARARGS, read_sum_doc},
    {"kernels", kernels, METH_NOARGS, kernels_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot SLOTS[] = {
#if defined(Py_mod_gil)
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT,
    .m_name = "edge.template._compare",
    .m_doc = "Exact 1:N comparison of bit planes.",
    .m_methods = METHODS,
    .m_slots = SLOTS,
};

PyMODINIT_FUNC PyInit__compare(void) { return PyModuleDef_Init(&MODULE); }
