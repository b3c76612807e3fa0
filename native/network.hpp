// A network as the engine runs it, and what a run keeps: plain descriptions, shared by all instruction sets.
#pragma once

#include <cstddef>
#include <cstdint>

constexpr int LANES = 16;        // samples side by side (or, where one sample runs alone, neurons)
constexpr int MAX_CONSTANTS = 12;
constexpr int MAX_STATES = 4;
constexpr int SEGMENT = 16;      // steps between states on the tape; between them they are recomputed
constexpr int DECAY_ONE = 4096;  // a whole share of a state, in integers

enum class Role { decay, state, threshold, width };
struct Constant {
  const char *name;
  Role role;
};

enum class Reset : int32_t { subtract, subtract_constant, to, hold };

template <class T>
struct StepArguments;
struct BackwardArguments;
struct ReplayArguments;

// What one instruction set computes of a neuron, a population at a time.
struct NeuronKernels {
  void (*forward_float)(StepArguments<float> &);
  void (*forward_integer)(StepArguments<int32_t> &);
  void (*through_spikes)(BackwardArguments &);  // gradient that reaches the membrane through spikes
  void (*backward)(BackwardArguments &);
  void (*replay)(ReplayArguments &);
};

// What a neuron from another package is called when it is handed over; the number changes with these structs.
constexpr const char *NEURON_CAPSULE = "lsnn_neuro.neuron.2";

enum Isa { BASELINE, AVX2, AVX512, N_ISA };

// A neuron as its header describes it.
struct Neuron {
  const char *name;
  const Constant *constants;
  int n_constants;
  const char *const *states;
  int n_states;
  int first_replayed, n_replayed;  // states that the backward step reads, recomputed from spikes
  bool spiking, refractory;
  int baseline;  // which constant is the threshold of a neuron at rest; of those that spike
  const NeuronKernels *kernels[N_ISA];  // null where it was not compiled for one
};

// Populations stand side by side: rows 0 to neurons of those that spike, then the readouts' rows.
template <class T>
struct Population {
  const Neuron *neuron;
  int64_t first, size;
  const T *constants[MAX_CONSTANTS];  // (size,); a decay is the share that is kept, in integers in 1/4096
  const T *decay_i, *bias;            // (size,) or null: no synaptic current, no bias
  const uint8_t *n_ref;               // (size,) or null: no refractory time
  const float *inverse_width;         // (size,) 1 / width of the pseudo-derivative
  Reset reset;
  bool at_threshold;
  float gamma;
};

template <class T>
struct Synapse {
  uint32_t offset;  // bytes from the row of the step it leaves in to the row it arrives at
  T weight;
};

// Compressed by source, inputs first, then neurons. Synapses start[i] to readouts[i] of source i lead to neurons,
// those up to start[i + 1] to readouts.
template <class T>
struct Synapses {
  const int64_t *start, *readouts;
  const Synapse<T> *list;
};

template <class T>
struct Network {
  int64_t inputs, neurons, outputs;
  int64_t reach;  // rows ahead of now that a synapse can lead to
  const Population<T> *populations;
  int n_populations;
  Synapses<T> synapses;
  int64_t rows() const { return neurons + outputs; }
  int64_t sources() const { return inputs + neurons; }
  int64_t slide() const { return reach > 16 ? reach : 16; }  // steps until the window is moved
  int64_t window() const { return reach + 1 + slide(); }     // rows of the window, of all neurons each
};

// Inputs (time, sample, input): bytes that are 0 or 1, graded integers, or real numbers.
struct Inputs {
  enum Kind { spikes, graded, real } kind;
  const void *data;
  int64_t steps, samples;
  int64_t blocks() const { return (samples + LANES - 1) / LANES; }
  int64_t samples_of(int64_t block) const {
    const int64_t left = samples - block * LANES;
    return left < LANES ? left : LANES;
  }
  uint16_t valid(int64_t block) const { return uint16_t((1u << samples_of(block)) - 1); }
};

// A population in one step of one block, for a neuron's forward step; rows are neurons, or sixteen of them.
template <class T>
struct StepArguments {
  const Population<T> *population;
  int64_t rows;
  bool alone;             // lanes are neurons
  const T *input_current; // (row, lane): the sum over synapses in this step
  T *current, *states;    // (row, lane), (state, row, lane)
  uint8_t *left;          // (row, lane): refractory steps left
  const uint16_t *before;  // (row,): spikes of the step before
  uint16_t *fired;        // (row,): and of this one
  uint16_t valid;         // lanes that are in use (alone: in the last row)
  uint16_t *near, *held;  // (row,) of the tape, or null
  void *cells;            // where the next distance goes; moved on
  bool compact;
  int32_t *list;          // the rows with spikes
  int64_t n_fired;
};

// The same backward.
struct BackwardArguments {
  const Population<float> *population;
  int64_t rows;
  const float *next;      // (row, lane): gradient of the synaptic input of the step after
  float *now;             // (row, lane): and of this one
  float *drive;           // (row, lane): of the drive of the step after, then of this one; null without a current
  float *adjoints;        // (state, row, lane)
  const uint16_t *fired, *before, *near, *held;
  const void *cells;      // distances of the rows on the list
  bool compact;
  const int32_t *list;    // rows that are near
  int64_t n_list;
  float *through;         // (row, lane): gradient through synapses, then of the membrane through the spike; else 0
  const float *rate, *spikes;  // (row,), (row, lane) or null: gradient of the spikes from outside
  const float *replayed, *replayed_before;  // (state, row, lane)
  bool first_of_segment;
  const float *membrane_before, *current_before;  // (row, lane); null where no constant learns
  float *gradients;       // of the constants, decay_i and bias, (row,) each; null where none learns
};

// The states of a segment again.
struct ReplayArguments {
  const Population<float> *population;
  int64_t rows, neurons, steps, stride;
  const float *from;       // (state, row, lane): before the segment
  float *to;               // (time, stride)
  const uint16_t *fired;   // (time, neurons) of the segment
  const uint16_t *start;   // (row,): spikes of the step before the first of all
  bool has_before;         // whether there is a step before this segment
};

// What forward leaves for backward, or for another reader; null where it is not wanted.
//
// Of the distance to threshold x = (v - A) / width, the one number per neuron and step that backward needs, only rows
// with a lane where the pseudo-derivative is not 0 ("near" ones) are kept, one after the other.
struct Tape {
  uint16_t *inputs = nullptr;   // (block, time, input): which inputs are not 0, one bit a sample
  uint16_t *spikes = nullptr;   // (block, time, neuron), one bit a sample
  const uint16_t *start = nullptr;  // (block, neuron): those of the step before the first, null where there were none
  // What inputs and neurons sent before the first step, the newest last, (step, sample, source).
  const float *past_inputs = nullptr;
  const bool *past_spikes = nullptr;
  int64_t n_past_inputs = 0, n_past_spikes = 0;
  uint16_t *near = nullptr;     // (block, time, neuron), likewise
  void *cells = nullptr;        // (block, rows_of_cells, lane): distances, float or 16 bits over -1 to 1
  int64_t *n_cells = nullptr;   // (block,): how many rows
  uint16_t *held = nullptr;     // (block, time, neuron): where a membrane stays at its reset; null where none ever does
  bool compact = true;
  float *replayed = nullptr;    // (block, segment, n_replayed, lane): states before each segment
  float *membrane = nullptr;    // (block, time + 1, row, lane): v before each step and after the last; to learn decays
  float *current = nullptr;     // likewise the synaptic current
  int64_t *counts = nullptr;    // (block, neuron): spikes over all steps and samples
};

// Whether a spike can hold a membrane of it.
template <class T>
inline bool holds(const Network<T> &network) {
  for (int i = 0; i < network.n_populations; ++i)
    if (network.populations[i].reset == Reset::hold) return true;
  return false;
}

// Rows that are replayed, of all populations.
template <class T>
inline int64_t replayed_rows(const Network<T> &network) {
  int64_t rows = 0;
  for (int i = 0; i < network.n_populations; ++i)
    rows += network.populations[i].size * network.populations[i].neuron->n_replayed;
  return rows;
}

inline int64_t segments_of(int64_t steps) { return (steps + SEGMENT - 1) / SEGMENT; }

// Gradients of one block; summed over blocks in a fixed order, so that threads change nothing.
struct Gradients {
  float *synapses;   // (synapse,) in the order of the lists
  float *constants;  // null where no constant learns: of each population its constants, decay_i and bias, (size,) each
  float *inputs;     // (time, sample, input) of the whole batch, or null
};

// What backward starts from.
struct Errors {
  const float *readout;          // (time, sample, output)
  const float *rate;             // (neuron,): of each neuron's number of spikes
  const float *const *spikes;    // of each population (time, sample, size), or null
  const Synapse<float> *back;    // synapses whose weights carry errors back
};

// Whether the caller wants to stop; called in every step.
struct Progress {
  bool (*stop)(void *);
  void *whom;
  bool operator()() const { return stop && stop(whom); }
};

// The state of a block of samples between two steps, in one piece of memory (see place_state): a window of rows of
// what is still on its way, then the states of each population.
template <class T>
struct BlockState {
  T *window;        // (window, row, lane)
  T *states;        // of each population its states, then its synaptic current, (size, lane) each
  uint16_t *fired;  // (neuron,): spikes of the step before
  uint8_t *left;    // (neuron, lane): refractory steps left
  int64_t *position;  // of now in the window
};

template <class T>
inline int64_t state_rows(const Network<T> &network) {
  int64_t rows = 0;
  for (int i = 0; i < network.n_populations; ++i)
    rows += network.populations[i].size * (network.populations[i].neuron->n_states + 1);
  return rows;
}

// Bytes of a block's state; all zero is rest.
template <class T>
inline size_t state_bytes(const Network<T> &network) {
  return size_t(network.window() * network.rows() + state_rows(network)) * LANES * sizeof(T) +
         size_t(network.neurons) * LANES + size_t((network.neurons * 2 + 63) / 64 * 64) + 64;
}

template <class T>
inline BlockState<T> place_state(const Network<T> &network, void *memory) {
  BlockState<T> s;
  s.window = static_cast<T *>(memory);
  s.states = s.window + network.window() * network.rows() * LANES;
  s.left = reinterpret_cast<uint8_t *>(s.states + state_rows(network) * LANES);
  s.fired = reinterpret_cast<uint16_t *>(s.left + network.neurons * LANES);
  s.position = reinterpret_cast<int64_t *>(s.fired + (network.neurons * 2 + 63) / 64 * 32);
  return s;
}

// A network whose populations count rows of 16 neurons, for one sample alone: how many neurons there really are.
struct Alone {
  const int64_t *sizes;  // of each population
  int64_t neurons, outputs;
};

// The engine of one instruction set.
struct Engine {
  const char *name;
  Isa isa;
  // Run a block on from a state; gives false if stopped.
  bool (*forward_float)(const Network<float> &, const Inputs &, int64_t block, const BlockState<float> &, bool at_rest,
                        const Tape &, float *readout, const Progress &);
  bool (*forward_integer)(const Network<int32_t> &, const Inputs &, int64_t block, const BlockState<int32_t> &,
                          bool at_rest, const Tape &, int32_t *readout, const Progress &);
  bool (*alone_float)(const Network<float> &, const Alone &, const Inputs &, const BlockState<float> &, const Tape &,
                      float *readout, const Progress &);
  bool (*alone_integer)(const Network<int32_t> &, const Alone &, const Inputs &, const BlockState<int32_t> &,
                        const Tape &, int32_t *readout, const Progress &);
  bool (*backward)(const Network<float> &, const Inputs &, int64_t block, bool at_rest, const Tape &, const Errors &,
                   const Gradients &, const Progress &);
};

// Memory for the time of one block, aligned to 64 bytes, not cleared (scratch.cpp).
void *take_scratch(size_t bytes);
void give_scratch(void *data, size_t bytes);
void release_scratch();

// Each instruction set's engine, and its kernels for a table of the neurons that it was compiled with.
const Engine &engine_baseline();
const Engine &engine_avx2();
const Engine &engine_avx512();
void describe_neurons(Neuron *table);  // all but the kernels
int count_neurons();
void kernels_baseline(Neuron *table);
void kernels_avx2(Neuron *table);
void kernels_avx512(Neuron *table);
