// The kernel for avx512.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "simd.hpp"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#define LSNN_AVX512  // __AVX512F__ is not defined by the pragma: g++ reads all macros first
#define LSNN_ISA avx512
#define LSNN_NAME "avx512"
#define LSNN_NAMESPACE lsnn_avx512
#include "kernel.hpp"
#include "entry.hpp"
#endif
