// The engine for every CPU: SSE2 on x86-64, NEON on ARM.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "network.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif
#define LSNN_ISA BASELINE
#define LSNN_SUFFIX baseline
#include "isa.hpp"

void describe_neurons(Neuron *table) {
  using namespace lsnn_baseline;
#define LSNN_DESCRIBE(N)                                                                                      \
  *table++ = {N::name, N::constants, N::n_constants, N::states, N::n_states, N::first_replayed, N::n_replayed, \
              N::spiking, N::refractory, N::baseline, {nullptr, nullptr, nullptr}};
  LSNN_NEURONS(LSNN_DESCRIBE)
#undef LSNN_DESCRIBE
}

int count_neurons() {
#define LSNN_COUNT(N) +1
  return 0 LSNN_NEURONS(LSNN_COUNT);
#undef LSNN_COUNT
}
