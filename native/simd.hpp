// The kernel's entry points, one table for each instruction set it was compiled for.
#pragma once

#include "types.hpp"

template <class T>
using Forward = void (*)(const Shape &, const Neurons<T> &, const Synapses<T> &, const Synapses<T> &,
                         const Synapses<T> &, const uint8_t *inputs, int64_t block, const Carried &, Tape &, T *readout);
using Backward = void (*)(const Shape &, const Neurons<float> &, const Synapses<float> &, const Synapses<float> &,
                          const Synapses<float> &, const uint8_t *inputs, int64_t block, const Tape &,
                          const float *grad_readout, const float *grad_rate, float gamma, Gradients);

struct Kernels {
  const char *name;
  Forward<float> forward_float[2];      // [0] full, [1] compact storage of the distance to threshold
  Forward<int32_t> forward_integer[2];
  Backward backward[2];
};

const Kernels &kernels_baseline();
const Kernels &kernels_avx2();
const Kernels &kernels_avx512();
