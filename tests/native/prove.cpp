// The kernel's integer arithmetic against its definition, number by number; tests/prove.py builds and calls this once
// for each instruction set, by the very file that builds the kernel for it:
//
//     LSNN_PROVED   "isa_baseline.cpp", "isa_avx2.cpp" or "isa_avx512.cpp"
//
// A check gives how many numbers differ; `first` is the first number and `n` how many there are, a multiple of 16.

#include LSNN_PROVED

#include <algorithm>

// --- the definition, in 64 bits, one number at a time ------------------------------------------------------

constexpr int64_t HALF = 1 << 23;

// |s| (4096 - d) / 4096 rounded down; the sign is put back.
extern "C" void define_decay(int64_t first, int64_t n, int64_t d, int64_t *to) {
  for (int64_t k = 0; k < n; ++k) {
    const int64_t s = first + k;
    const uint64_t magnitude = uint64_t(s < 0 ? -s : s);
    const int64_t kept = int64_t(magnitude * uint64_t(4096 - d) / 4096);
    to[k] = s < 0 ? -kept : kept;
  }
}
extern "C" void define_saturate(int64_t first, int64_t n, int64_t *to) {
  for (int64_t k = 0; k < n; ++k) {
    const int64_t s = first + k;
    to[k] = s > HALF - 1 ? HALF - 1 : s < 1 - HALF ? 1 - HALF : s;
  }
}
extern "C" void define_wrap(int64_t first, int64_t n, int64_t *to) {
  for (int64_t k = 0; k < n; ++k) {
    const int64_t s = first + k;
    to[k] = s > HALF ? s - 2 * HALF : s <= -HALF ? s + 2 * HALF : s;
  }
}
// s * 2^exponent, rounded down.
extern "C" void define_shift(int64_t first, int64_t n, int64_t exponent, int64_t *to) {
  const int64_t by = int64_t(1) << (exponent < 0 ? -exponent : exponent);
  for (int64_t k = 0; k < n; ++k) {
    const int64_t s = first + k;
    to[k] = exponent >= 0 ? s * by : s >= 0 ? s / by : -((-s + by - 1) / by);
  }
}

// --- the kernel --------------------------------------------------------------------------------------------

#if defined(LSNN_SUFFIX)  // else this compiler builds the kernel without these instructions
using namespace LSNN_JOIN(lsnn_, LSNN_SUFFIX);

constexpr int64_t CHUNK = 1 << 12;

// Compare rows with what `define` says, a chunk at a time; `difference` of a row and what is expected is 0 where they
// agree.
template <class Define, class Difference>
static int64_t wrong(int64_t first, int64_t n, Define define, Difference difference) {
  alignas(64) static thread_local int64_t wide[CHUNK];
  alignas(64) static thread_local int32_t expected[CHUNK];
  int32_t lanes[LANES];
  for (int l = 0; l < LANES; ++l) lanes[l] = l;
  const I lane = load<I>(lanes);
  int64_t count = 0;
  for (int64_t done = 0; done < n; done += CHUNK) {
    const int64_t from = first + done, many = std::min(CHUNK, n - done);
    define(from, many, wide);
    for (int64_t k = 0; k < many; ++k) expected[k] = int32_t(wide[k]);
    for (int64_t k = 0; k < many; k += LANES) {
      const I found = difference(splat(int32_t(from + k)) + lane, load<I>(expected + k));
      count += __builtin_popcount(bits(greater(found, I{})) | bits(greater(I{}, found)));
    }
  }
  return count;
}

// Of states from 0 on, and of each with the other sign. `define` is define_decay, of whichever library is the fastest.
typedef void (*Define)(int64_t, int64_t, int64_t, int64_t *);
extern "C" int64_t wrong_decays(int64_t first, int64_t n, int64_t d, Define define) {
  const I keep = splat(int32_t(4096 - d));
  return wrong(
      first, n, [=](int64_t from, int64_t many, int64_t *to) { define(from, many, d, to); },
      [keep](I s, I expected) { return (Loihi::decay(s, keep) ^ expected) | (Loihi::decay(-s, keep) ^ -expected); });
}
extern "C" int64_t wrong_saturations(int64_t first, int64_t n) {
  return wrong(first, n, define_saturate, [](I s, I expected) { return Loihi::saturate(s) ^ expected; });
}
extern "C" int64_t wrong_wraps(int64_t first, int64_t n) {
  return wrong(first, n, define_wrap, [](I s, I expected) { return Loihi::wrap(s) ^ expected; });
}
#endif

extern "C" int runs_here() {
#if !defined(LSNN_SUFFIX)
  return 0;
#elif defined(LSNN_AVX512)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#elif defined(LSNN_AVX2)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return 1;
#endif
}
