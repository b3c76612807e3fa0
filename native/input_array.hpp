// Inputs from Python as the engine takes them.
#pragma once

#include <cmath>
#include <vector>

#include "holder.hpp"

// Inputs as the engine takes them, and the memory they stand in.
class InputArray {
 public:
  // `integers`: whether the network is one of integers, which takes nothing else.
  InputArray(const py::handle &x, int64_t inputs, bool integers) {
    if (py::isinstance<Array<bool>>(x)) take(typed<bool>(x, "inputs"), Inputs::spikes);
    else if (py::isinstance<Array<int8_t>>(x)) take_bytes(typed<int8_t>(x, "inputs"));
    else if (py::isinstance<Array<float>>(x)) take_floats(typed<float>(x, "inputs"), integers);
    else require(false, "inputs must be a C-contiguous array of bool, int8 or float32");
    require(view.samples > 0 && view.steps > 0, "inputs hold no step or no sample");
    if (width_ != inputs)
      require(false, "inputs have " + std::to_string(width_) + " columns, the network has " + std::to_string(inputs) +
                         " inputs");
  }
  Inputs view;

 private:
  template <class T>
  void take(const Array<T> &x, Inputs::Kind kind) {
    require(x.ndim() == 3, "inputs have " + std::to_string(x.ndim()) + " dimensions, expected (time, sample, input)");
    width_ = x.shape(2);
    view = {kind, x.data(), x.shape(0), x.shape(1)};
    owner_ = x;
  }
  void take_bytes(const Array<int8_t> &x) {
    uint8_t all = 0;
    const int8_t *data = x.data();
    for (int64_t i = 0; i < x.size(); ++i) all |= uint8_t(data[i]);
    take(x, all > 1 ? Inputs::graded : Inputs::spikes);
  }
  void take_floats(const Array<float> &x, bool integers) {
    const float *data = x.data();
    bool finite = true, whole = true, spikes = true;
    for (int64_t i = 0; i < x.size(); ++i) {
      const float value = data[i];
      finite &= std::isfinite(value);
      spikes &= value == 0.0f || value == 1.0f;
      whole &= value >= -128.0f && value <= 127.0f && value == std::nearbyint(value);
    }
    require(finite, "inputs hold NaN or infinity; every event must be a finite number");
    require(!integers || whole, "inputs of a network of integers must be whole numbers from -128 to 127");
    if (!spikes && !integers) return take(x, Inputs::real);
    bytes_.resize(size_t(x.size()));
    for (int64_t i = 0; i < x.size(); ++i) bytes_[size_t(i)] = int8_t(data[i]);
    take(x, spikes ? Inputs::spikes : Inputs::graded);
    view.data = bytes_.data();
  }
  py::object owner_;
  std::vector<int8_t> bytes_;
  int64_t width_ = 0;
};
