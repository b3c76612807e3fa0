// The engine for CPUs with AVX512.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "network.hpp"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#define LSNN_AVX512  // the compiler's own macro is not defined by the pragma: all macros are read first
#define LSNN_ISA AVX512
#define LSNN_SUFFIX avx512
#include "isa.hpp"
#endif
