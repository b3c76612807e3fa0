// The kernel for baseline.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "simd.hpp"

#define LSNN_ISA baseline
#define LSNN_NAME "baseline"
#define LSNN_NAMESPACE lsnn_baseline
#include "kernel.hpp"
#include "entry.hpp"
