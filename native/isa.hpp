// Everything that is compiled once per instruction set. Before it stand
//
//     LSNN_ISA        BASELINE, AVX2 or AVX512
//     LSNN_SUFFIX     baseline, avx2 or avx512
#define LSNN_JOIN_(a, b) a##b
#define LSNN_JOIN(a, b) LSNN_JOIN_(a, b)
#define LSNN_TEXT_(a) #a
#define LSNN_TEXT(a) LSNN_TEXT_(a)

namespace LSNN_JOIN(lsnn_, LSNN_SUFFIX) {
#include "lanes.hpp"
#include "arithmetic.hpp"
#include "step.hpp"
#if defined(LSNN_FOREIGN_HEADER)  // another package's neuron, see foreign.cpp
#include "neurons/firing.hpp"
#include LSNN_FOREIGN_HEADER
#define LSNN_NEURONS(X) X(LSNN_FOREIGN_NEURON)
#else
#include "neurons/table.hpp"
#endif
#include "engine.hpp"
}  // namespace

const Engine &LSNN_JOIN(engine_, LSNN_SUFFIX)() {
  using namespace LSNN_JOIN(lsnn_, LSNN_SUFFIX);
  static const Engine engine = {LSNN_TEXT(LSNN_SUFFIX), LSNN_ISA, forward_block<float>, forward_block<int32_t>,
                                forward_alone<float>, forward_alone<int32_t>, backward_block};
  return engine;
}

void LSNN_JOIN(kernels_, LSNN_SUFFIX)(Neuron *table) {
  using namespace LSNN_JOIN(lsnn_, LSNN_SUFFIX);
#define LSNN_KERNELS(N) (table++)->kernels[LSNN_ISA] = Compiled<N>::kernels();
  LSNN_NEURONS(LSNN_KERNELS)
#undef LSNN_KERNELS
}
