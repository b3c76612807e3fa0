// One run of the engine without Python: a small network of every neuron, forward and backward, in real numbers and in
// integers, written to standard output number by number. Compiled for another CPU and run under an emulator, it must
// print what it prints here.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <vector>

#include "network.hpp"

static uint64_t seed = 1;
static double uniform() {  // the same on every machine
  seed = seed * 6364136223846793005ull + 1442695040888963407ull;
  return double(seed >> 40) / double(1 << 24);
}

template <class T>
struct Made {
  std::vector<std::vector<T>> numbers;
  std::vector<std::vector<float>> inverses;
  std::vector<std::vector<uint8_t>> steps;
  std::vector<Population<T>> populations;
  std::vector<int64_t> start, readouts;
  std::vector<Synapse<T>> list;
  Network<T> network = {};
};

// Values of a constant by its name, such that neurons fire.
template <class T>
static T value_of(const Constant &constant) {
  const bool integer = sizeof(T) == 4 && T(0.5) == T(0);
  const std::string_view name = constant.name;
  double value = 0;
  if (constant.role == Role::decay) value = 0.8 + 0.19 * uniform();
  else if (name == "vth" || name == "width" || name == "reset_by") value = 0.5 + 0.25 * uniform();
  else if (name == "step_a") value = 0.05 + 0.05 * uniform();
  else value = -0.1 * uniform();
  if (!integer) return T(value);
  return constant.role == Role::decay ? T(value * 4096) : T(int64_t(value * 1000) * 64);
}

template <class T>
static void make(Made<T> &made, std::vector<Neuron> &table) {
  const bool integer = T(0.5) == T(0);
  const int64_t inputs = 7, size = 5;
  seed = 1;
  made.numbers.reserve(1000);
  made.inverses.reserve(100);
  made.steps.reserve(100);
  int64_t neurons = 0, outputs = 0;
  for (int round = 0; round < 2; ++round)
    for (const Neuron &neuron : table) {
      if (neuron.spiking != (round == 0)) continue;
      for (int variant = 0; variant < (neuron.refractory ? 4 : 1); ++variant) {
        Population<T> p = {};
        p.neuron = &neuron;
        p.first = neurons + outputs;
        p.size = size;
        p.reset = Reset(variant);
        p.at_threshold = variant == 1;
        p.gamma = 0.3f;
        const auto column = [&](const Constant &constant) {
          std::vector<T> numbers;
          for (int64_t j = 0; j < size; ++j) numbers.push_back(value_of<T>(constant));
          made.numbers.push_back(numbers);
          return made.numbers.back().data();
        };
        for (int c = 0; c < neuron.n_constants; ++c) {
          p.constants[c] = column(neuron.constants[c]);
          if (neuron.constants[c].role != Role::width) continue;
          std::vector<float> inverse;
          for (int64_t j = 0; j < size; ++j) inverse.push_back(1.0f / float(p.constants[c][j]));
          made.inverses.push_back(inverse);
          p.inverse_width = made.inverses.back().data();
        }
        if (variant == 2) {
          p.decay_i = column({"decay_i", Role::decay});
          p.bias = column({"bias", Role::state});
        }
        if (neuron.refractory) {
          made.steps.push_back({0, 1, 2, 3, 4});
          p.n_ref = made.steps.back().data();
        }
        made.populations.push_back(p);
        (neuron.spiking ? neurons : outputs) += size;
      }
    }
  Network<T> &n = made.network;
  n.inputs = inputs;
  n.neurons = neurons;
  n.outputs = outputs;
  n.reach = 5;
  n.populations = made.populations.data();
  n.n_populations = int(made.populations.size());
  for (int64_t i = 0; i < n.sources(); ++i) {
    made.start.push_back(int64_t(made.list.size()));
    for (int64_t j = 0; j < n.rows(); ++j) {
      if (j == neurons) made.readouts.push_back(int64_t(made.list.size()));
      if (uniform() > 0.3) continue;
      const int64_t lag = int64_t(4 * uniform()) + (i >= inputs && j < neurons);
      const double weight = (i < inputs ? 0.6 : 0.2) * (uniform() - 0.3);
      made.list.push_back({uint32_t((lag * n.rows() + j) * LANES * 4), integer ? T(int64_t(weight * 1000) * 64) : T(weight)});
    }
  }
  made.start.push_back(int64_t(made.list.size()));
  n.synapses = {made.start.data(), made.readouts.data(), made.list.data()};
}

template <class T>
static void print(const char *name, const T *values, int64_t n) {
  std::printf("%s", name);
  for (int64_t i = 0; i < n; ++i) {
    uint64_t bits = 0;
    std::memcpy(&bits, values + i, sizeof(T));
    std::printf(" %llx", static_cast<unsigned long long>(bits));
  }
  std::printf("\n");
}

template <class T>
static bool forward(const Engine &engine, const Network<T> &n, const Inputs &x, int64_t block, const BlockState<T> &state,
                    const Tape &tape, T *readout) {
  if constexpr (sizeof(T) == 4 && std::is_same<T, float>::value)
    return engine.forward_float(n, x, block, state, true, tape, readout, {});
  else return engine.forward_integer(n, x, block, state, true, tape, readout, {});
}

template <class T>
static void run(const Engine &engine, std::vector<Neuron> &table, bool compact) {
  Made<T> made;
  make(made, table);
  const Network<T> &n = made.network;
  const int64_t steps = 60, samples = 20;
  std::vector<int8_t> events(size_t(steps * samples * n.inputs));
  for (int8_t &event : events) event = int8_t(uniform() < 0.4);
  const Inputs x = {Inputs::spikes, events.data(), steps, samples};
  const int64_t blocks = x.blocks(), cells = blocks * steps * n.neurons, replayed = replayed_rows(n);
  std::vector<uint16_t> spikes(size_t(cells), 0), near(size_t(cells), 0), held(size_t(cells), 0), packed(size_t(blocks * steps * n.inputs), 0);
  std::vector<float> distances(size_t((cells + blocks) * LANES), 0.0f), again(size_t(blocks * segments_of(steps) * replayed * LANES), 0.0f);
  std::vector<float> membrane(size_t(blocks * (steps + 1) * n.rows() * LANES), 0.0f), current = membrane;
  std::vector<int64_t> n_cells(size_t(blocks), 0), counts(size_t(blocks * n.neurons), 0);
  std::vector<T> readout(size_t(steps * samples * n.outputs), T(0));
  Tape tape;
  tape.inputs = packed.data();
  tape.spikes = spikes.data();
  tape.near = near.data();
  tape.held = held.data();
  tape.cells = distances.data();
  tape.n_cells = n_cells.data();
  tape.compact = compact;
  tape.replayed = again.data();
  tape.membrane = membrane.data();
  tape.current = current.data();
  tape.counts = counts.data();
  for (int64_t block = 0; block < blocks; ++block) {
    void *memory = std::aligned_alloc(64, (state_bytes(n) + 63) / 64 * 64);
    std::memset(memory, 0, state_bytes(n));
    forward<T>(engine, n, x, block, place_state(n, memory), tape, readout.data());
    std::free(memory);
  }
  print("spikes", spikes.data(), cells);
  print("readout", readout.data(), int64_t(readout.size()));
  print("near", near.data(), cells);
  print("held", held.data(), cells);
  if constexpr (std::is_same<T, float>::value) {
    std::vector<float> errors(readout.size()), rate(size_t(n.neurons), 0.1f);
    for (float &e : errors) e = float(uniform() - 0.5);
    int64_t constants = 0;
    for (const auto &p : made.populations) constants += (p.neuron->n_constants + 2) * p.size;
    for (int64_t block = 0; block < blocks; ++block) {
      std::vector<float> weights(made.list.size(), 0.0f), numbers(size_t(constants), 0.0f), inputs(events.size(), 0.0f);
      engine.backward(n, x, block, true, tape, {errors.data(), rate.data(), nullptr, made.list.data()},
                      {weights.data(), numbers.data(), inputs.data()}, {});
      print("weights", weights.data(), int64_t(weights.size()));
      print("constants", numbers.data(), constants);
      print("inputs", inputs.data(), int64_t(inputs.size()));
    }
  }
}

int main() {
  std::vector<Neuron> table(static_cast<size_t>(count_neurons()));
  describe_neurons(table.data());
  kernels_baseline(table.data());
  const Engine &engine = engine_baseline();
  run<float>(engine, table, true);
  run<float>(engine, table, false);
  run<int32_t>(engine, table, true);
}
