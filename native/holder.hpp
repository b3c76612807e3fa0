// A network that owns its numbers: built from Python's arrays, checked once, its synapses compressed by source.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "network.hpp"

namespace py = pybind11;

template <class T>
using Array = py::array_t<T, py::array::c_style>;

inline void require(bool condition, const std::string &what) {
  if (!condition) throw std::invalid_argument("kernel: " + what);
}

// An array that has the right type, order and alignment already: nothing is converted, nothing copied.
template <class T>
Array<T> typed(const py::handle &object, const std::string &name) {
  if (!py::isinstance<Array<T>>(object))
    require(false, name + " must be a C-contiguous array of " + std::string(py::str(py::dtype::of<T>())) + ", not " +
                       std::string(py::str(py::type::of(object))));
  auto array = py::reinterpret_borrow<Array<T>>(object);
  if (reinterpret_cast<uintptr_t>(array.data()) % alignof(T) != 0) require(false, name + " is misaligned in memory");
  return array;
}

template <class T>
Array<T> typed(const py::handle &object, const std::string &name, int64_t size) {
  auto array = typed<T>(object, name);
  if (array.size() != size)
    require(false, name + " has " + std::to_string(array.size()) + " values, expected " + std::to_string(size));
  return array;
}

constexpr int32_t STATE_MAX = (1 << 23) - 1;

// The neurons that can be run: those of the kernel, and those that other packages bring.
std::vector<Neuron> &known_neurons();
const Neuron &find_neuron(const std::string &name);

template <class T>
class Holder {
 public:
  Holder(int64_t inputs, Isa isa) : isa_(isa) {
    require(inputs >= 0, std::to_string(inputs) + " inputs");
    network_.inputs = inputs;
    network_.neurons = network_.outputs = network_.reach = 0;
  }
  Holder(const Holder &) = delete;

  void add_population(const std::string &neuron_name, int64_t size, const py::list &constants, const py::object &decay_i,
                      const py::object &bias, const py::object &n_ref, const std::string &reset, bool at_threshold,
                      float gamma) {
    const Neuron &neuron = find_neuron(neuron_name);
    const std::string label = "neuron '" + neuron_name + "'";
    require(neuron.kernels[isa_], label + " was not compiled for this instruction set");
    require(size >= 0, label + ": " + std::to_string(size) + " neurons");
    require(!neuron.spiking || network_.outputs == 0, "populations that spike stand before readouts");
    require(int(constants.size()) == neuron.n_constants, label + " has " + std::to_string(neuron.n_constants) +
                                                             " constants, got " + std::to_string(constants.size()));
    Population<T> p = {};
    p.neuron = &neuron;
    p.first = network_.neurons + network_.outputs;
    p.size = size;
    p.reset = reset == "subtract"            ? Reset::subtract
              : reset == "subtract_constant" ? Reset::subtract_constant
              : reset == "to"                ? Reset::to
                                             : Reset::hold;
    require(p.reset != Reset::hold || reset == "hold", label + ": there is no reset '" + reset + "'");
    p.at_threshold = at_threshold;
    p.gamma = gamma;
    for (int c = 0; c < neuron.n_constants; ++c) {
      const Constant &constant = neuron.constants[c];
      p.constants[c] = numbers(constants[c], label + ": " + constant.name, size, constant.role);
      if (constant.role == Role::width) p.inverse_width = inverse(constants[c], size);
    }
    if (!decay_i.is_none()) p.decay_i = numbers(decay_i, label + ": decay_i", size, Role::decay);
    if (!bias.is_none()) p.bias = numbers(bias, label + ": bias", size, Role::state);
    if (!n_ref.is_none()) p.n_ref = steps(n_ref, label + ": n_ref", size);
    (neuron.spiking ? network_.neurons : network_.outputs) += size;
    populations_.push_back(p);
  }

  // Synapses between sources (inputs, then neurons) and targets (neurons, then readouts); those that are not active are
  // left out, but keep their places in what `gradients_of` gives.
  void connect(const py::object &source, const py::object &target, const py::object &delay, const py::object &weight,
               const py::object &active) {
    require(!built_, "synapses come before the first run");
    Part part;
    part.weight = typed<T>(weight, "weight");
    const int64_t n = part.weight.size();
    part.source = typed<int64_t>(source, "source", n);
    part.target = typed<int64_t>(target, "target", n);
    part.delay = typed<int64_t>(delay, "delay", n);
    part.all = active.is_none();
    if (!part.all) part.active = typed<bool>(active, "active", n);
    part.first = n_places_;
    n_places_ += n;
    parts_.push_back(part);
  }

  const Network<T> &network() {
    if (!built_) build();
    return network_;
  }

  // The network whose lanes are neurons; made when it is first wanted.
  const Network<T> &alone() {
    const Network<T> &whole = network();
    if (alone_.populations) return alone_;
    alone_ = whole;
    alone_populations_ = populations_;
    std::vector<int64_t> place(size_t(whole.rows()));  // of each neuron and readout among the lanes
    int64_t row = 0;
    alone_.neurons = alone_.outputs = 0;
    for (Population<T> &p : alone_populations_) {
      for (int64_t j = 0; j < p.size; ++j) place[size_t(p.first + j)] = row * LANES + j;
      sizes_.push_back(p.size);
      p.first = row;
      p.size = (p.size + LANES - 1) / LANES;
      row += p.size;
      (p.neuron->spiking ? alone_.neurons : alone_.outputs) += p.size;
    }
    alone_list_ = list_;
    for (Synapse<T> &synapse : alone_list_) {
      const int64_t at = synapse.offset / (LANES * 4), lag = at / whole.rows(), target = at % whole.rows();
      synapse.offset = uint32_t((lag * row * LANES + place[size_t(target)]) * 4);
    }
    alone_.synapses.list = alone_list_.data();
    alone_.populations = alone_populations_.data();
    counts_ = {sizes_.data(), whole.neurons, whole.outputs};
    return alone_;
  }
  const Alone &counts() const { return counts_; }

  int64_t n_synapses() { return int64_t(list_.size()); }

  int64_t constants_size() const {
    int64_t total = 0;
    for (const Population<T> &p : populations_) total += (p.neuron->n_constants + 2) * p.size;
    return total;
  }

  // Numbers of the synapses as the engine has them, at the places they were given in; 0 where there is none.
  Array<float> in_places(const double *of_synapses) {
    Array<float> result(n_places_);
    float *to = result.mutable_data();
    std::fill_n(to, n_places_, 0.0f);
    for (size_t k = 0; k < origin_.size(); ++k) to[origin_[k]] = float(of_synapses[k]);
    return result;
  }

  // The same synapses with other weights, given at the places of the first.
  std::vector<Synapse<T>> with_weights(const py::object &weights, const std::string &name) {
    network();
    const auto array = typed<T>(weights, name, n_places_);
    std::vector<Synapse<T>> result = list_;
    for (size_t k = 0; k < result.size(); ++k) result[k].weight = array.data()[origin_[k]];
    return result;
  }

 private:
  struct Part {
    Array<T> weight;
    Array<int64_t> source, target, delay;
    Array<bool> active;
    bool all;
    int64_t first;
  };

  const T *numbers(const py::object &object, const std::string &name, int64_t size, Role role) {
    const auto array = typed<T>(object, name, size);
    for (int64_t j = 0; j < size; ++j) check(array.data()[j], name, j, role);
    numbers_.emplace_back(array.data(), array.data() + size);
    numbers_.back().resize(padded(size), size ? array.data()[size - 1] : T(0));
    return numbers_.back().data();
  }

  // A whole number of rows of 16: lanes of a sample that runs alone.
  static size_t padded(int64_t size) { return size_t((size + LANES - 1) / LANES * LANES); }

  static void check(T value, const std::string &name, int64_t j, Role role) {
    const auto refuse = [&](const std::string &allowed) {
      require(false, name + "[" + std::to_string(j) + "] is " + std::to_string(value) + ", must be " + allowed);
    };
    if constexpr (std::is_same_v<T, int32_t>) {
      if (role == Role::decay && (value < 0 || value > DECAY_ONE)) refuse("0 to 4096");
      if (role == Role::threshold && (value < 0 || value > STATE_MAX)) refuse("0 to 8388607");
      if (role == Role::state && (value < -STATE_MAX || value > STATE_MAX)) refuse("-8388607 to 8388607");
    } else {
      if (!std::isfinite(value)) refuse("a finite number");
    }
  }

  const float *inverse(const py::object &width, int64_t size) {
    const auto array = typed<T>(width, "width", size);
    std::vector<float> result(static_cast<size_t>(size));
    for (int64_t j = 0; j < size; ++j) result[size_t(j)] = 1.0f / float(array.data()[j]);
    inverses_.push_back(std::move(result));
    return inverses_.back().data();
  }

  const uint8_t *steps(const py::object &object, const std::string &name, int64_t size) {
    const auto array = typed<int64_t>(object, name, size);
    std::vector<uint8_t> result(padded(size), 0);
    bool any = false;
    for (int64_t j = 0; j < size; ++j) {
      const int64_t value = array.data()[j];
      require(value >= 0 && value <= 63, name + "[" + std::to_string(j) + "] is " + std::to_string(value) + ", must be 0 to 63");
      result[size_t(j)] = uint8_t(value);
      any |= value != 0;
    }
    if (!any) return nullptr;
    steps_.push_back(std::move(result));
    return steps_.back().data();
  }

  void build() {
    const int64_t inputs = network_.inputs, neurons = network_.neurons, rows = network_.rows();
    const int64_t sources = network_.sources();
    int64_t n = 0, reach = 0;
    std::vector<int64_t> by_target(size_t(rows + 1), 0);
    for (const Part &part : parts_) {
      const int64_t *source = part.source.data(), *target = part.target.data(), *delay = part.delay.data();
      for (int64_t k = 0; k < part.weight.size(); ++k) {
        const bool finite = std::isfinite(double(part.weight.data()[k]));
        require(finite, "a weight is NaN or infinite; training has diverged, go back to an earlier state");
        if (!part.all && !part.active.data()[k]) continue;
        const int64_t hop = source[k] >= inputs && target[k] < neurons;
        if (source[k] < 0 || source[k] >= sources || target[k] < 0 || target[k] >= rows || delay[k] < 0 || delay[k] > 62)
          require(false, "a synapse from " + std::to_string(source[k]) + " to " + std::to_string(target[k]) +
                             " with delay " + std::to_string(delay[k]) + ": there are " + std::to_string(sources) +
                             " sources and " + std::to_string(rows) + " targets, delays lie in 0 to 62");
        ++by_target[size_t(target[k] + 1)];
        reach = std::max(reach, delay[k] + hop);
        ++n;
      }
    }
    network_.reach = reach;
    require((reach + 1) * rows <= int64_t(std::numeric_limits<uint32_t>::max()) / (LANES * 4),
            std::to_string(rows) + " neurons with delays up to " + std::to_string(reach) +
                " steps are more than 32 bits can address");
    require(n < (int64_t(1) << 32), std::to_string(n) + " synapses are more than 32 bits can count");
    // by target, then (in the same order) by source
    for (int64_t i = 0; i < rows; ++i) by_target[size_t(i + 1)] += by_target[size_t(i)];
    struct Record {
      uint32_t source, origin, offset;
      T weight;
    };
    std::vector<Record> sorted(static_cast<size_t>(n));
    start_.assign(size_t(sources + 1), 0);
    readouts_.assign(size_t(sources), 0);
    for (const Part &part : parts_) {
      const int64_t *source = part.source.data(), *target = part.target.data(), *delay = part.delay.data();
      for (int64_t k = 0; k < part.weight.size(); ++k) {
        if (!part.all && !part.active.data()[k]) continue;
        const int64_t hop = source[k] >= inputs && target[k] < neurons;
        sorted[size_t(by_target[size_t(target[k])]++)] = {uint32_t(source[k]), uint32_t(part.first + k),
                                                          uint32_t(((delay[k] + hop) * rows + target[k]) * LANES * 4),
                                                          part.weight.data()[k]};
        ++start_[size_t(source[k] + 1)];
        readouts_[size_t(source[k])] += target[k] < neurons;
      }
    }
    for (int64_t i = 0; i < sources; ++i) {
      readouts_[size_t(i)] += start_[size_t(i)];
      start_[size_t(i + 1)] += start_[size_t(i)];
    }
    list_.resize(size_t(n));
    origin_.resize(size_t(n));
    std::vector<int64_t> at(start_.begin(), start_.end() - 1);
    for (const Record &record : sorted) {
      const size_t k = size_t(at[record.source]++);
      list_[k] = {record.offset, record.weight};
      origin_[k] = record.origin;
    }
    parts_.clear();
    network_.populations = populations_.data();
    network_.n_populations = int(populations_.size());
    network_.synapses = {start_.data(), readouts_.data(), list_.data()};
    built_ = true;
  }

  Isa isa_;
  Network<T> network_ = {};
  std::vector<Population<T>> populations_;
  std::vector<std::vector<T>> numbers_;
  std::vector<std::vector<float>> inverses_;
  std::vector<std::vector<uint8_t>> steps_;
  std::vector<Part> parts_;
  std::vector<int64_t> start_, readouts_;
  std::vector<Synapse<T>> list_;
  std::vector<uint32_t> origin_;
  Network<T> alone_ = {};
  Alone counts_ = {};
  std::vector<Population<T>> alone_populations_;
  std::vector<Synapse<T>> alone_list_;
  std::vector<int64_t> sizes_;
  int64_t n_places_ = 0;
  bool built_ = false;
};
