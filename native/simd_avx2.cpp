// The kernel for avx2.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "simd.hpp"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>
#pragma GCC target("avx2,fma")
#define LSNN_AVX2  // __AVX2__ is not defined by the pragma: g++ reads all macros first
#define LSNN_ISA avx2
#define LSNN_NAME "avx2"
#define LSNN_NAMESPACE lsnn_avx2
#include "kernel.hpp"
#include "entry.hpp"
#endif
