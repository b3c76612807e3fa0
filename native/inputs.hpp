// Inputs of a block: which samples have one, and its value; steps in which nothing happens.

// Which samples of a block have an input at a step: one bit a sample, (input,).
template <class Cell>
INLINE void pack_any(const Cell *rows, int64_t inputs, int64_t samples, uint16_t *packed) {
  std::memset(packed, 0, size_t(inputs) * sizeof(uint16_t));
  for (int64_t b = 0; b < samples; ++b)
    for (int64_t i = 0; i < inputs; ++i) packed[i] |= uint16_t((rows[b * inputs + i] != 0) << b);
}

INLINE void pack_bytes(const uint8_t *rows, int64_t inputs, int64_t samples, uint16_t *packed) {
  typedef uint16_t Wide __attribute__((vector_size(32)));
  int64_t i = 0;
  for (; i + 16 <= inputs; i += 16) {
    Wide all = Wide{};
    for (int64_t b = 0; b < samples; ++b) {
      const uint16_t bit = uint16_t(1u << b);
#if defined(LSNN_AVX512)
      const __m128i row = _mm_loadu_si128(reinterpret_cast<const __m128i *>(rows + b * inputs + i));
      all |= (Wide)_mm256_maskz_set1_epi16(_mm_test_epi8_mask(row, row), int16_t(bit));
#else
      const Wide row = __builtin_convertvector(load<Bytes>(rows + b * inputs + i), Wide);
      all |= (Wide)(row != 0) & (bit - Wide{});
#endif
    }
    store(packed + i, all);
  }
  for (; i < inputs; ++i) {
    packed[i] = 0;
    for (int64_t b = 0; b < samples; ++b) packed[i] |= uint16_t((rows[b * inputs + i] != 0) << b);
  }
}

INLINE int64_t bytes_of(const Inputs &x) { return x.kind == Inputs::real ? 4 : 1; }

// Where the inputs of a block's first sample at a step stand.
INLINE const char *rows_of(const Inputs &x, int64_t inputs, int64_t block, int64_t t) {
  return static_cast<const char *>(x.data) + (t * x.samples + block * LANES) * inputs * bytes_of(x);
}

INLINE void pack(const Inputs &x, int64_t inputs, int64_t block, int64_t t, uint16_t *packed) {
  const char *rows = rows_of(x, inputs, block, t);
  const int64_t samples = x.samples_of(block);
  if (x.kind == Inputs::real) pack_any(reinterpret_cast<const float *>(rows), inputs, samples, packed);
  else pack_bytes(reinterpret_cast<const uint8_t *>(rows), inputs, samples, packed);
}

// The values of one input at a step, a lane a sample.
template <class T>
INLINE typename Lanes<T>::Row values(const Inputs &x, int64_t inputs, int64_t block, int64_t t, int64_t i) {
  T lanes[LANES] = {};
  const char *rows = rows_of(x, inputs, block, t);
  for (int64_t b = 0; b < x.samples_of(block); ++b)
    lanes[b] = x.kind == Inputs::real ? T(reinterpret_cast<const float *>(rows)[b * inputs + i])
                                      : T(reinterpret_cast<const int8_t *>(rows)[b * inputs + i]);
  return load<typename Lanes<T>::Row>(lanes);
}

INLINE void prefetch(const void *from, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(static_cast<const char *>(from) + i, 0, 3);
}

// Lists the numbers of what is not 0 (and where `unless` is 0); gives how many. The list has room for 16 more.
INLINE int64_t list_nonzero(const uint16_t *what, const uint16_t *unless, int64_t n, int32_t *list) {
  int64_t m = 0, i = 0;
#if defined(LSNN_AVX512)
  const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  for (; i + 16 <= n; i += 16) {
    const __m256i here = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(what + i));
    __mmask16 mask = _mm256_test_epi16_mask(here, here);
    if (unless) {
      const __m256i not_here = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(unless + i));
      mask &= _mm256_testn_epi16_mask(not_here, not_here);
    }
    const __m512i index = _mm512_add_epi32(lane, _mm512_set1_epi32(int(i)));
    _mm512_storeu_si512(list + m, _mm512_maskz_compress_epi32(mask, index));
    m += __builtin_popcount(mask);
  }
#endif
  for (; i < n; ++i) {
    list[m] = int32_t(i);
    m += what[i] != 0 && (!unless || unless[i] == 0);
  }
  return m;
}

// Steps at the beginning in which a block stays at rest, in whole segments: no input has come, nothing drives a
// neuron, and at rest it lies outside its pseudo-derivative. Nothing happens in them, forward or backward.
template <class T>
static int64_t quiet_steps(const Network<T> &network, const Inputs &x, int64_t block) {
  for (int i = 0; i < network.n_populations; ++i) {
    const Population<T> &p = network.populations[i];
    if (p.bias) return 0;
    if (!p.neuron->spiking) continue;
    const T *threshold = p.constants[p.neuron->baseline];
    for (int64_t j = 0; j < p.size; ++j)
      if (!(float(threshold[j]) * p.inverse_width[j] >= 1.0f - 1.0f / (1 << 20))) return 0;
  }
  int64_t t = 0;
  for (; t < x.steps; ++t) {
    const char *row = rows_of(x, network.inputs, block, t);
    char any = 0;
    for (int64_t i = 0; i < x.samples_of(block) * network.inputs * bytes_of(x); ++i) any |= row[i];
    if (any) break;
  }
  return t / SEGMENT * SEGMENT;
}
