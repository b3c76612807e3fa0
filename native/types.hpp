// Plain descriptions of a network and of what is kept of a run; shared by all instruction sets.
#pragma once

#include <cstdint>

struct Shape {
  int64_t steps, batch, inputs, neurons, outputs, ring;  // ring: longest delay + 2
  int64_t blocks() const { return (batch + 15) / 16; }
};

// Which equations a neuron obeys: LIF whose adaptation raises the threshold, LIF whose adaptation is a current
// into the membrane, or ATRLIF.
enum Kind : uint8_t { THRESHOLD, CURRENT, ATRLIF, KINDS };

template <class T>
struct Neurons {  // arrays of length neurons (kappa: outputs)
  const T *alpha, *rho, *step, *vth, *kappa;
  const T *keep_i, *keep_r;  // decay of ATRLIF's synaptic current and refractory variable
  const float *inverse_b;  // 1 / baseline threshold, scales the pseudo-derivative
  const int32_t *n_ref;
  const uint8_t *reset_to_zero, *kind;
};

template <class T>
struct Synapses {  // compressed by source: synapses start[i] to start[i + 1] leave source i
  const int64_t *start;
  const int32_t *target, *delay;
  const T *weight;
};

// What forward leaves for backward, or for whoever asked; null where nobody did.
struct Tape {
  uint16_t *spikes = nullptr;    // (block, time, neuron), one bit a sample
  void *distance = nullptr;      // (block, time, neuron, lane), float or 16 bits
  float *adaptation = nullptr;   // (block, segment, neuron, lane): a before the segment's first step
  float *membrane = nullptr;     // (block, time, neuron, lane): v before reset; only to learn alpha
  int32_t *state = nullptr;      // (block, time, neuron, 3, lane): v, a and r after the step; integers only
  int64_t *counts = nullptr;     // (block, neuron): spikes over all steps and samples
  int64_t segments = 0;
  int64_t at(const Shape &s, int64_t block, int64_t t, int64_t j) const {
    return (block * s.steps + t) * s.neurons + j;
  }
  int64_t a_at(const Shape &s, int64_t block, int64_t segment, int64_t j) const {
    return ((block * segments + segment) * s.neurons + j) * 16;
  }
};

// Steps back to the spike that ends the longest refractory period, and now.
inline int64_t steps_remembered(int64_t neurons, const int32_t *n_ref) {
  int64_t longest = 0;
  for (int64_t j = 0; j < neurons; ++j)
    if (n_ref[j] > longest) longest = n_ref[j];
  return longest + 1;
}

// The state of a run that goes on from call to call: one stretch of memory per block, all zero before the first step.
struct Carried {
  uint8_t *memory = nullptr;  // (block, byte); null for a run from rest to its end
  int64_t bytes = 0;          // of a block
  int64_t before = 0;         // steps that lie behind
};

// Bytes of a block's state: ring, v, a, readout, current and refractory variable in rows of 64 bytes; past spikes and
// who is refractory in 16 bits.
inline int64_t state_bytes(const Shape &s, const int32_t *n_ref) {
  return 64 * (s.ring * s.neurons + 4 * s.neurons + s.outputs) + 2 * (steps_remembered(s.neurons, n_ref) + 1) * s.neurons;
}

// Gradients of one block; summed over blocks in a fixed order, so that threads change nothing.
struct Gradients {
  float *in, *rec, *out;             // per synapse
  float *alpha, *rho, *step, *vth, *b;  // per neuron; null where nobody learns them
};
