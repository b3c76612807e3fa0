// States of a run from and to Python.
#pragma once

#include <vector>

#include "buffers.hpp"
#include "holder.hpp"

template <class T>
static size_t end_bytes(const Network<T> &network) {  // of a state without its window
  return state_bytes(network) - size_t(network.window() * network.rows()) * LANES * sizeof(T);
}

template <class T>
static Array<uint8_t> rest_alone(Holder<T> &holder) {
  auto array = BufferPool::array<uint8_t>({py::ssize_t(state_bytes(holder.alone()))});
  std::memset(array.mutable_data(), 0, size_t(array.size()));
  return array;
}

template <class T>
static Array<uint8_t> rest(Holder<T> &holder, int64_t samples) {
  const py::ssize_t blocks = (samples + LANES - 1) / LANES, bytes = py::ssize_t(state_bytes(holder.network()));
  auto array = BufferPool::array<uint8_t>({blocks, bytes});
  std::memset(array.mutable_data(), 0, size_t(array.size()));
  return array;
}

// The state variables of every population, {"v": (sample, neuron), ..., "current", "r", "z"}.
//
// - sizes: neurons of each population; state_of: the state that holds a sample
// - row_of, lane_of: where neuron j of a sample stands in a population's rows
template <class T, class StateOf, class RowOf, class LaneOf>
static py::list variables(const Network<T> &network, const int64_t *sizes, int64_t samples, StateOf state_of, RowOf row_of,
                          LaneOf lane_of) {
  py::list result;
  int64_t rows_before = 0;
  for (int i = 0; i < network.n_populations; ++i) {
    const Population<T> &p = network.populations[i];
    const int64_t size = sizes[i];
    py::dict found;
    const auto copy = [&](const char *name, auto zero, auto value_of) {
      Array<decltype(zero)> array({py::ssize_t(samples), py::ssize_t(size)});
      auto *to = array.mutable_data();
      for (int64_t b = 0; b < samples; ++b) {
        const BlockState<T> at = state_of(b);
        for (int64_t j = 0; j < size; ++j) *to++ = value_of(at, row_of(j), lane_of(b, j));
      }
      found[name] = array;
    };
    for (int v = 0; v <= p.neuron->n_states; ++v) {
      const int64_t first = rows_before + v * p.size;
      copy(v < p.neuron->n_states ? p.neuron->states[v] : "current", T(),
           [&](const BlockState<T> &at, int64_t row, int64_t lane) { return at.states[(first + row) * LANES + lane]; });
    }
    if (p.neuron->spiking)
      copy("z", bool(), [&](const BlockState<T> &at, int64_t row, int64_t lane) {
        return bool(at.fired[p.first + row] >> lane & 1);
      });
    if (p.neuron->refractory)
      copy("r", int32_t(), [&](const BlockState<T> &at, int64_t row, int64_t lane) {
        return int32_t(at.left[(p.first + row) * LANES + lane]);
      });
    rows_before += (p.neuron->n_states + 1) * p.size;
    result.append(found);
  }
  return result;
}

// From a whole state, or the end of one (without what is on its way).
template <class T>
static py::list read_state(Holder<T> &holder, const Array<uint8_t> &state, int64_t samples) {
  const Network<T> &network = holder.network();
  const int64_t whole = int64_t(state_bytes(network)), end = int64_t(end_bytes(network));
  const int64_t stride = state.ndim() == 2 ? state.shape(1) : 0;
  require(state.ndim() == 2 && state.shape(0) == (samples + LANES - 1) / LANES && (stride == end || stride == whole),
          "the state does not belong to this network and batch");
  std::vector<int64_t> sizes;
  for (int i = 0; i < network.n_populations; ++i) sizes.push_back(network.populations[i].size);
  uint8_t *const first = const_cast<uint8_t *>(state.data());
  return variables(
      network, sizes.data(), samples,
      [&](int64_t b) { return place_state(network, first + b / LANES * stride + stride - whole); },
      [](int64_t j) { return j; }, [](int64_t b, int64_t) { return b % LANES; });
}

// From the state of a sample that runs alone.
template <class T>
static py::list read_alone(Holder<T> &holder, const Array<uint8_t> &state) {
  const Network<T> &network = holder.alone();
  require(state.size() == py::ssize_t(state_bytes(network)), "the state does not belong to this network");
  uint8_t *const memory = const_cast<uint8_t *>(state.data());
  return variables(
      network, holder.counts().sizes, 1, [&](int64_t) { return place_state(network, memory); },
      [](int64_t j) { return j / LANES; }, [](int64_t, int64_t j) { return j % LANES; });
}

// The inverse of `variables`; the states are at rest before.
template <class T, class StateOf, class RowOf, class LaneOf>
static void set_variables(const Network<T> &network, const int64_t *sizes, const py::list &populations, int64_t samples,
                          StateOf state_of, RowOf row_of, LaneOf lane_of) {
  require(int(populations.size()) == network.n_populations, "the state is of another number of populations");
  int64_t rows_before = 0;
  for (int i = 0; i < network.n_populations; ++i) {
    const Population<T> &p = network.populations[i];
    const int64_t size = sizes[i];
    const py::dict given = populations[size_t(i)].cast<py::dict>();
    const auto take = [&](const char *name, auto zero, auto set) {
      const auto array = typed<decltype(zero)>(given[name], name, samples * size);
      for (int64_t b = 0; b < samples; ++b) {
        const BlockState<T> at = state_of(b);
        for (int64_t j = 0; j < size; ++j) set(at, row_of(j), lane_of(b, j), array.data()[b * size + j]);
      }
    };
    for (int v = 0; v <= p.neuron->n_states; ++v) {
      const int64_t first = rows_before + v * p.size;
      take(v < p.neuron->n_states ? p.neuron->states[v] : "current", T(),
           [&](const BlockState<T> &at, int64_t row, int64_t lane, T value) { at.states[(first + row) * LANES + lane] = value; });
    }
    if (p.neuron->spiking)
      take("z", bool(), [&](const BlockState<T> &at, int64_t row, int64_t lane, bool z) {
        at.fired[p.first + row] |= uint16_t(unsigned(z) << lane);
      });
    if (p.neuron->refractory)
      take("r", int32_t(), [&](const BlockState<T> &at, int64_t row, int64_t lane, int32_t left) {
        require(left >= 0 && left <= 63, "r is " + std::to_string(left) + ", must be 0 to 63");
        at.left[(p.first + row) * LANES + lane] = uint8_t(left);
      });
    rows_before += (p.neuron->n_states + 1) * p.size;
  }
}

// Put on its way what was sent in the last steps, the newest last, (step, sample, input or neuron).
template <class T, class StateOf, class LaneOf>
static void set_past(const Network<T> &network, int64_t neurons, const py::object &inputs, const py::object &spikes,
                     int64_t samples, StateOf state_of, LaneOf lane_of) {
  const auto x = py::cast<py::array_t<T, py::array::c_style | py::array::forcecast>>(inputs);
  const auto z = typed<bool>(spikes, "spikes");
  require(x.ndim() == 3 && z.ndim() == 3, "the past must have the shape (step, sample, source)");
  require(x.shape(1) == samples && x.shape(2) == network.inputs && z.shape(1) == samples && z.shape(2) == neurons,
          "the past is of another batch or network");
  // in the order of time, as they came
  const int64_t longest = std::max(x.shape(0), z.shape(0)), row = network.rows() * LANES;
  for (int64_t ago = longest; ago > 0; --ago) {
    const auto step = [&](const auto *values, int64_t steps, int64_t sources, int64_t first) {
      if (ago > steps) return;
      for (int64_t b = 0; b < samples; ++b) {
        const BlockState<T> state = state_of(b);
        for (int64_t i = 0; i < sources; ++i) {
          const T value = T(values[((steps - ago) * samples + b) * sources + i]);
          if (value == 0) continue;
          for (int64_t k = network.synapses.start[first + i]; k < network.synapses.start[first + i + 1]; ++k) {
            const Synapse<T> &synapse = network.synapses.list[k];
            const int64_t cell = int64_t(synapse.offset / sizeof(T)) - ago * row;
            if (cell >= 0) state.window[cell + lane_of(b)] += synapse.weight * value;
          }
        }
      }
    };
    step(x.data(), x.shape(0), network.inputs, 0);
    step(z.data(), z.shape(0), neurons, network.inputs);
  }
}

// The inverse of read_state.
template <class T>
static Array<uint8_t> write_state(Holder<T> &holder, const py::list &populations, const py::object &inputs,
                                  const py::object &spikes, int64_t samples) {
  const Network<T> &network = holder.network();
  auto result = rest(holder, samples);
  std::vector<int64_t> sizes;
  for (int i = 0; i < network.n_populations; ++i) sizes.push_back(network.populations[i].size);
  const int64_t bytes = result.shape(1);
  uint8_t *const memory = result.mutable_data();
  const auto state_of = [&](int64_t b) { return place_state(network, memory + b / LANES * bytes); };
  const auto lane_of = [](int64_t b) { return b % LANES; };
  set_variables(network, sizes.data(), populations, samples, state_of, [](int64_t j) { return j; },
                [&](int64_t b, int64_t) { return lane_of(b); });
  set_past(network, network.neurons, inputs, spikes, samples, state_of, lane_of);
  return result;
}

// The inverse of read_alone.
template <class T>
static Array<uint8_t> write_alone(Holder<T> &holder, const py::list &populations, const py::object &inputs,
                                  const py::object &spikes) {
  const Network<T> &network = holder.alone();
  auto result = rest_alone(holder);
  uint8_t *const memory = result.mutable_data();
  const auto state_of = [&](int64_t) { return place_state(network, memory); };
  set_variables(network, holder.counts().sizes, populations, 1, state_of, [](int64_t j) { return j / LANES; },
                [](int64_t, int64_t j) { return j % LANES; });
  set_past(network, holder.counts().neurons, inputs, spikes, 1, state_of, [](int64_t) { return int64_t(0); });
  return result;
}
