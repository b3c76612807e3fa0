// Sixteen lanes side by side, in as many registers as the instruction set needs: one of 64 bytes, two of 32, four of
// 16. Included once per instruction set, in a namespace of its own; no template of the standard library is used, of
// which the linker would keep one copy for all of them.
//
//     F, I      rows of 16 floats or integers
//     Mask      which lanes something holds for; as 16 bits: bits(mask), mask_of(bits)
//     keep      the row where the mask holds, 0 elsewhere; pick: one row or the other

#define INLINE static inline __attribute__((always_inline))
#define INLINE_MEMBER inline __attribute__((always_inline))

#if defined(LSNN_AVX512)
constexpr int WIDTH = 16;
#elif defined(LSNN_AVX2)
constexpr int WIDTH = 8;
#else
constexpr int WIDTH = 4;
#endif

typedef float FV __attribute__((vector_size(4 * WIDTH)));
typedef int32_t IV __attribute__((vector_size(4 * WIDTH)));
typedef int16_t HV __attribute__((vector_size(2 * WIDTH)));
typedef uint8_t Bytes __attribute__((vector_size(16)));

// --- one register -----------------------------------------------------------------------------------------

INLINE FV splat(float x, FV) { return x - FV{}; }  // x - 0 is x and costs nothing; 0 + x would be an addition
INLINE IV splat(int32_t x, IV) { return x - IV{}; }
INLINE IV truncated(FV x) { return __builtin_convertvector(x, IV); }
INLINE FV to_float(IV x) { return __builtin_convertvector(x, FV); }
INLINE FV absolute(FV x) { return (FV)((IV)x & 0x7fffffff); }
INLINE FV with_sign_of(FV x, FV sign) { return (FV)((IV)x | ((IV)sign & int32_t(0x80000000))); }
INLINE void store_short(int16_t *to, IV x) {
  const HV cells = __builtin_convertvector(x, HV);
  std::memcpy(to, &cells, sizeof(cells));
}
INLINE IV load_short(const int16_t *from, IV) {
  HV cells;
  std::memcpy(&cells, from, sizeof(cells));
  return __builtin_convertvector(cells, IV);
}

#if defined(LSNN_AVX512)

typedef uint16_t Mask;
INLINE uint16_t bits(Mask mask) { return mask; }
INLINE Mask mask_of(uint16_t bits) { return bits; }
INLINE Mask complement(Mask mask) { return Mask(~mask); }
INLINE FV keep(Mask m, FV x) { return (FV)_mm512_maskz_mov_ps(m, (__m512)x); }
INLINE IV keep(Mask m, IV x) { return (IV)_mm512_maskz_mov_epi32(m, (__m512i)x); }
INLINE FV pick(Mask m, FV yes, FV no) { return (FV)_mm512_mask_mov_ps((__m512)no, m, (__m512)yes); }
INLINE IV pick(Mask m, IV yes, IV no) { return (IV)_mm512_mask_mov_epi32((__m512i)no, m, (__m512i)yes); }
INLINE Mask greater(FV a, FV b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ); }
INLINE Mask at_least(FV a, FV b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GE_OQ); }
INLINE Mask greater(IV a, IV b) { return _mm512_cmpgt_epi32_mask((__m512i)a, (__m512i)b); }
INLINE Mask at_least(IV a, IV b) { return _mm512_cmpge_epi32_mask((__m512i)a, (__m512i)b); }
INLINE IV smaller_of(IV a, IV b) { return (IV)_mm512_min_epi32((__m512i)a, (__m512i)b); }
INLINE IV larger_of(IV a, IV b) { return (IV)_mm512_max_epi32((__m512i)a, (__m512i)b); }
INLINE uint16_t nonzero(Bytes x) { return _mm_test_epi8_mask((__m128i)x, (__m128i)x); }
INLINE Bytes pick(uint16_t m, Bytes yes, Bytes no) { return (Bytes)_mm_mask_mov_epi8((__m128i)no, m, (__m128i)yes); }

#else

INLINE IV greater(FV a, FV b) { return (IV)(a > b); }
INLINE IV at_least(FV a, FV b) { return (IV)(a >= b); }
INLINE IV greater(IV a, IV b) { return (IV)(a > b); }
INLINE IV at_least(IV a, IV b) { return (IV)(a >= b); }
INLINE IV complement(IV m) { return ~m; }
INLINE FV keep(IV m, FV x) { return (FV)((IV)x & m); }
INLINE IV keep(IV m, IV x) { return x & m; }
INLINE FV pick(IV m, FV yes, FV no) { return (FV)(((IV)yes & m) | ((IV)no & ~m)); }
INLINE IV pick(IV m, IV yes, IV no) { return (yes & m) | (no & ~m); }
INLINE IV mask_of(uint32_t bits, IV) {
#if defined(LSNN_AVX2)
  const IV lane = {1, 2, 4, 8, 16, 32, 64, 128};
#else
  const IV lane = {1, 2, 4, 8};
#endif
  return (IV)((splat(int32_t(bits), IV{}) & lane) != 0);
}
INLINE uint32_t bits(IV m) {
#if defined(LSNN_AVX2)
  return uint32_t(_mm256_movemask_ps((__m256)m));
#elif defined(__SSE2__)
  return uint32_t(_mm_movemask_ps((__m128)m));
#else
  uint32_t all = 0;
  for (int l = 0; l < WIDTH; ++l) all |= uint32_t(m[l] & 1) << l;
  return all;
#endif
}
#if defined(LSNN_AVX2)
INLINE IV smaller_of(IV a, IV b) { return (IV)_mm256_min_epi32((__m256i)a, (__m256i)b); }
INLINE IV larger_of(IV a, IV b) { return (IV)_mm256_max_epi32((__m256i)a, (__m256i)b); }
#else
INLINE IV smaller_of(IV a, IV b) { return pick(greater(a, b), b, a); }
INLINE IV larger_of(IV a, IV b) { return pick(greater(a, b), a, b); }
#endif
INLINE uint16_t nonzero(Bytes x) {
#if defined(__SSE2__)
  return uint16_t(~_mm_movemask_epi8(_mm_cmpeq_epi8((__m128i)x, _mm_setzero_si128())));
#else
  uint16_t all = 0;
  for (int l = 0; l < LANES; ++l) all |= uint16_t((x[l] != 0) << l);
  return all;
#endif
}
INLINE Bytes pick(uint16_t m, Bytes yes, Bytes no) {  // few bits are set
  for (unsigned left = m; left; left &= left - 1) no[__builtin_ctz(left)] = yes[__builtin_ctz(left)];
  return no;
}

#endif

// --- several registers ------------------------------------------------------------------------------------

#if defined(LSNN_AVX512)
typedef FV F;
typedef IV I;
#else

template <class V>
struct Pair {
  V lo, hi;
};
template <class V>
struct LanesOf {
  static constexpr int n = sizeof(V) / 4;
};
template <class V>
INLINE Pair<V> operator-(const Pair<V> &a) { return {-a.lo, -a.hi}; }
template <class V>
INLINE Pair<V> operator~(const Pair<V> &a) { return {~a.lo, ~a.hi}; }
#define LSNN_PAIR_OPERATOR(op)                                                                                   \
  template <class V>                                                                                             \
  INLINE Pair<V> operator op(const Pair<V> &a, const Pair<V> &b) { return {a.lo op b.lo, a.hi op b.hi}; }
LSNN_PAIR_OPERATOR(+)
LSNN_PAIR_OPERATOR(-)
LSNN_PAIR_OPERATOR(*)
LSNN_PAIR_OPERATOR(&)
LSNN_PAIR_OPERATOR(|)
LSNN_PAIR_OPERATOR(^)
template <class V>
INLINE Pair<V> operator>>(const Pair<V> &a, int n) { return {a.lo >> n, a.hi >> n}; }
template <class V>
INLINE Pair<V> operator<<(const Pair<V> &a, int n) { return {a.lo << n, a.hi << n}; }
template <class V>
INLINE Pair<V> operator&(const Pair<V> &a, int n) { return {a.lo & n, a.hi & n}; }
template <class V>
INLINE Pair<V> &operator+=(Pair<V> &a, const Pair<V> &b) { return a = a + b; }
template <class V>
INLINE Pair<V> &operator-=(Pair<V> &a, const Pair<V> &b) { return a = a - b; }

#if defined(LSNN_AVX2)
typedef Pair<FV> F;
typedef Pair<IV> I;
#define LSNN_PAIRS(X) X(FV, IV, FV, IV)
#else
typedef Pair<Pair<FV>> F;
typedef Pair<Pair<IV>> I;
#define LSNN_PAIRS(X) X(FV, IV, FV, IV) X(Pair<FV>, Pair<IV>, Pair<FV>, Pair<IV>)
#endif
typedef I Mask;

// The functions of one register, for a pair of (f)loat or (i)nteger halves.
#define LSNN_PAIR_FUNCTIONS(f, i, f_, i_)                                                                          \
  INLINE Pair<f> splat(float x, Pair<f>) { return {splat(x, f{}), splat(x, f{})}; }                                \
  INLINE Pair<i> splat(int32_t x, Pair<i>) { return {splat(x, i{}), splat(x, i{})}; }                              \
  INLINE Pair<i> truncated(Pair<f> x) { return {truncated(x.lo), truncated(x.hi)}; }                               \
  INLINE Pair<f> to_float(Pair<i> x) { return {to_float(x.lo), to_float(x.hi)}; }                                  \
  INLINE Pair<f> absolute(Pair<f> x) { return {absolute(x.lo), absolute(x.hi)}; }                                  \
  INLINE Pair<f> with_sign_of(Pair<f> x, Pair<f> s) { return {with_sign_of(x.lo, s.lo), with_sign_of(x.hi, s.hi)}; } \
  INLINE void store_short(int16_t *to, Pair<i> x) {                                                                \
    store_short(to, x.lo);                                                                                         \
    store_short(to + LanesOf<i>::n, x.hi);                                                                         \
  }                                                                                                                \
  INLINE Pair<i> load_short(const int16_t *from, Pair<i>) {                                                        \
    return {load_short(from, i{}), load_short(from + LanesOf<i>::n, i{})};                                         \
  }                                                                                                                \
  INLINE Pair<i> greater(Pair<f> a, Pair<f> b) { return {greater(a.lo, b.lo), greater(a.hi, b.hi)}; }              \
  INLINE Pair<i> at_least(Pair<f> a, Pair<f> b) { return {at_least(a.lo, b.lo), at_least(a.hi, b.hi)}; }           \
  INLINE Pair<i> greater(Pair<i> a, Pair<i> b) { return {greater(a.lo, b.lo), greater(a.hi, b.hi)}; }              \
  INLINE Pair<i> at_least(Pair<i> a, Pair<i> b) { return {at_least(a.lo, b.lo), at_least(a.hi, b.hi)}; }           \
  INLINE Pair<i> complement(Pair<i> m) { return {complement(m.lo), complement(m.hi)}; }                            \
  INLINE Pair<f> keep(Pair<i> m, Pair<f> x) { return {keep(m.lo, x.lo), keep(m.hi, x.hi)}; }                       \
  INLINE Pair<i> keep(Pair<i> m, Pair<i> x) { return {keep(m.lo, x.lo), keep(m.hi, x.hi)}; }                       \
  INLINE Pair<f> pick(Pair<i> m, Pair<f> y, Pair<f> n) { return {pick(m.lo, y.lo, n.lo), pick(m.hi, y.hi, n.hi)}; } \
  INLINE Pair<i> pick(Pair<i> m, Pair<i> y, Pair<i> n) { return {pick(m.lo, y.lo, n.lo), pick(m.hi, y.hi, n.hi)}; } \
  INLINE Pair<i> smaller_of(Pair<i> a, Pair<i> b) { return {smaller_of(a.lo, b.lo), smaller_of(a.hi, b.hi)}; }     \
  INLINE Pair<i> larger_of(Pair<i> a, Pair<i> b) { return {larger_of(a.lo, b.lo), larger_of(a.hi, b.hi)}; }        \
  INLINE Pair<i> mask_of(uint32_t bits, Pair<i>) {                                                                 \
    return {mask_of(bits, i{}), mask_of(bits >> LanesOf<i>::n, i{})};                                              \
  }                                                                                                                \
  INLINE uint32_t bits(Pair<i> m) { return bits(m.lo) | bits(m.hi) << LanesOf<i>::n; }
LSNN_PAIRS(LSNN_PAIR_FUNCTIONS)

INLINE Mask mask_of(uint16_t bits) { return mask_of(uint32_t(bits), I{}); }

#endif

INLINE F splat(float x) { return splat(x, F{}); }
INLINE I splat(int32_t x) { return splat(x, I{}); }
INLINE F to_float(F x) { return x; }
INLINE I load_short(const int16_t *from) { return load_short(from, I{}); }

// Rows in memory of any alignment, a register at a time.
template <class Row>
struct Memory {
  INLINE Row load(const char *from) {
    Row row;
    std::memcpy(&row, from, sizeof(Row));
    return row;
  }
  INLINE void store(char *to, Row row) { std::memcpy(to, &row, sizeof(Row)); }
};
#if !defined(LSNN_AVX512)
template <class V>
struct Memory<Pair<V>> {
  INLINE Pair<V> load(const char *from) { return {Memory<V>::load(from), Memory<V>::load(from + sizeof(V))}; }
  INLINE void store(char *to, Pair<V> row) {
    Memory<V>::store(to, row.lo);
    Memory<V>::store(to + sizeof(V), row.hi);
  }
};
#endif

template <class Row, class Cell>
INLINE Row load(const Cell *from) { return Memory<Row>::load(reinterpret_cast<const char *>(from)); }
template <class Row, class Cell>
INLINE void store(Cell *to, Row row) { Memory<Row>::store(reinterpret_cast<char *>(to), row); }

// Past the caches, where that can be; `to` is aligned to the row.
INLINE void stream_short(int16_t *to, I x) {
#if defined(LSNN_AVX512)
  _mm256_stream_si256(reinterpret_cast<__m256i *>(to), (__m256i)__builtin_convertvector(x, HV));
#else
  store_short(to, x);
#endif
}

INLINE float sum(F x) {  // from lane 0 to 15, so that all instruction sets give the same bits
  float lanes[LANES], total = 0;
  store(lanes, x);
  for (int l = 0; l < LANES; ++l) total += lanes[l];
  return total;
}
