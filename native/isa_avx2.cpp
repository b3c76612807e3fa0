// The engine for CPUs with AVX2.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "network.hpp"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>
#pragma GCC target("avx2,fma")
#define LSNN_AVX2  // the compiler's own macro is not defined by the pragma: all macros are read first
#define LSNN_ISA AVX2
#define LSNN_SUFFIX avx2
#include "isa.hpp"
#endif
