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

// The inverse of read_state, and what is on its way: `inputs` and `spikes` are those of the last steps, the newest last,
// (step, sample, input or neuron).
template <class T>
static Array<uint8_t> write_state(Holder<T> &holder, const py::list &populations, const py::object &inputs,
                                  const py::object &spikes, int64_t samples) {
  const Network<T> &network = holder.network();
  require(int(populations.size()) == network.n_populations, "the state is of another number of populations");
  auto result = rest(holder, samples);
  const int64_t bytes = result.shape(1);
  uint8_t *const memory = result.mutable_data();
  const auto place = [&](int64_t b) { return place_state(network, memory + b / LANES * bytes); };
  int64_t states_before = 0;
  for (int i = 0; i < network.n_populations; ++i) {
    const Population<T> &p = network.populations[i];
    const py::dict given = populations[size_t(i)].cast<py::dict>();
    for (int v = 0; v <= p.neuron->n_states; ++v) {
      const char *name = v < p.neuron->n_states ? p.neuron->states[v] : "current";
      const auto array = typed<T>(given[name], name, samples * p.size);
      for (int64_t b = 0; b < samples; ++b)
        for (int64_t j = 0; j < p.size; ++j)
          place(b).states[(states_before + v * p.size + j) * LANES + b % LANES] = array.data()[b * p.size + j];
    }
    if (p.neuron->spiking) {
      const auto z = typed<bool>(given["z"], "z", samples * p.size);
      for (int64_t b = 0; b < samples; ++b)
        for (int64_t j = 0; j < p.size; ++j)
          place(b).fired[p.first + j] |= uint16_t(unsigned(z.data()[b * p.size + j]) << b % LANES);
      if (p.neuron->refractory) {
        const auto r = typed<int32_t>(given["r"], "r", samples * p.size);
        for (int64_t b = 0; b < samples; ++b)
          for (int64_t j = 0; j < p.size; ++j) {
            const int32_t left = r.data()[b * p.size + j];
            require(left >= 0 && left <= 63, "r is " + std::to_string(left) + ", must be 0 to 63");
            place(b).left[(p.first + j) * LANES + b % LANES] = uint8_t(left);
          }
      }
    }
    states_before += (p.neuron->n_states + 1) * p.size;
  }
  const auto x = py::cast<py::array_t<T, py::array::c_style | py::array::forcecast>>(inputs);
  const auto z = typed<bool>(spikes, "spikes");
  require(x.ndim() == 3 && z.ndim() == 3, "the past must have the shape (step, sample, source)");
  require(x.shape(1) == samples && x.shape(2) == network.inputs && z.shape(1) == samples &&
              z.shape(2) == network.neurons,
          "the past is of another batch or network");
  // in the order of time, as they came
  const int64_t longest = std::max(x.shape(0), z.shape(0));
  for (int64_t ago = longest; ago > 0; --ago) {
    const auto step = [&](const auto *values, int64_t steps, int64_t sources, int64_t first) {
      if (ago > steps) return;
      for (int64_t b = 0; b < samples; ++b) {
        const BlockState<T> state = place(b);
        for (int64_t i = 0; i < sources; ++i) {
          const T value = T(values[((steps - ago) * samples + b) * sources + i]);
          if (value == 0) continue;
          for (int64_t k = network.synapses.start[first + i]; k < network.synapses.start[first + i + 1]; ++k) {
            const Synapse<T> &synapse = network.synapses.list[k];
            const int64_t row = int64_t(synapse.offset / (LANES * 4)) - ago * network.rows();
            if (row >= 0) state.window[row * LANES + b % LANES] += synapse.weight * value;
          }
        }
      }
    };
    step(x.data(), x.shape(0), network.inputs, 0);
    step(z.data(), z.shape(0), network.neurons, network.inputs);
  }
  return result;
}
