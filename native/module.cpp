// The Python module lsnn_neuro._kernel: arrays in without copies, blocks of samples spread over threads.

#include <omp.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "simd.hpp"

namespace py = pybind11;

template <class T>
using Array = py::array_t<T, py::array::c_style>;

static void require(bool condition, const std::string &what) {
  if (!condition) throw std::invalid_argument("kernel: " + what);
}

// The widest instruction set this CPU has, or the one that LSNN_NEURO_ISA names; all give the same bits.
static const Kernels &choose_kernels() {
  const char *named = std::getenv("LSNN_NEURO_ISA");
  const std::string wish = named ? named : "";
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx512 && (wish.empty() || wish == "avx512")) return kernels_avx512();
  if (avx2 && (wish.empty() || wish == "avx2")) return kernels_avx2();
#endif
  require(wish.empty() || wish == "baseline",
          "LSNN_NEURO_ISA is '" + wish + "', which is none of avx512, avx2, baseline, or this CPU has not got it");
  return kernels_baseline();
}

static const Kernels &kernels() {
  static const Kernels &chosen = choose_kernels();
  return chosen;
}

// The data of an array that must already have the right type: a converted copy would not live long enough.
template <class T>
static Array<T> typed(const py::handle &object, const std::string &name) {
  require(py::isinstance<Array<T>>(object), name + " must be a C-contiguous array of the right type");
  return py::reinterpret_borrow<Array<T>>(object);
}

template <class T>
static Synapses<T> synapses(const py::tuple &arrays, int64_t sources, int64_t targets, int64_t max_delay,
                            const char *name) {
  require(arrays.size() == 4, std::string(name) + " synapses: 4 arrays are needed");
  const auto start = typed<int64_t>(arrays[0], "start");
  const auto target = typed<int32_t>(arrays[1], "target");
  const auto delay = typed<int32_t>(arrays[2], "delay");
  const auto weight = typed<T>(arrays[3], "weight");
  const int64_t n = weight.size();
  require(start.size() == sources + 1 && target.size() == n && delay.size() == n,
          std::string(name) + " synapses: arrays disagree in length");
  require(start.data()[0] == 0 && start.data()[sources] == n, std::string(name) + " synapses: bad start");
  for (int64_t i = 0; i < sources; ++i)
    require(start.data()[i] <= start.data()[i + 1], std::string(name) + " synapses: start must not fall");
  bool targets_fit = true, delays_fit = true;  // a message per synapse would cost more than a short run
  for (int64_t k = 0; k < n; ++k) {
    targets_fit &= target.data()[k] >= 0 && target.data()[k] < targets;
    delays_fit &= delay.data()[k] >= 0 && delay.data()[k] <= max_delay;
  }
  require(targets_fit, std::string(name) + " synapses: target out of range");
  require(delays_fit, std::string(name) + " synapses: delay out of range");
  return {start.data(), target.data(), delay.data(), weight.data()};
}

template <class T>
static Neurons<T> neurons(const py::tuple &arrays, int64_t n, int64_t outputs) {
  require(arrays.size() == 11, "11 neuron arrays are needed");
  const char *names[] = {"alpha", "rho", "step", "vth", "keep_i", "keep_r"};
  const T *columns[6];
  for (int i = 0; i < 6; ++i) {
    const auto array = typed<T>(arrays[i < 4 ? i : i + 4], names[i]);
    require(array.size() == n, std::string(names[i]) + " has the wrong length");
    columns[i] = array.data();
  }
  const auto kappa = typed<T>(arrays[4], "kappa");
  const auto inverse_b = typed<float>(arrays[5], "inverse_b");
  const auto n_ref = typed<int32_t>(arrays[6], "n_ref");
  const auto reset = typed<uint8_t>(arrays[7], "reset");
  const auto kind = typed<uint8_t>(arrays[10], "kind");
  require(kappa.size() == outputs, "kappa has the wrong length");
  require(inverse_b.size() == n && n_ref.size() == n && reset.size() == n && kind.size() == n,
          "a neuron array has the wrong length");
  for (int64_t j = 0; j < n; ++j) {
    require(n_ref.data()[j] >= 0 && n_ref.data()[j] <= 63, "refractory steps must lie in 0 to 63");
    require(kind.data()[j] < KINDS, "there is no such kind of neuron");
  }
  return {columns[0],       columns[1],   columns[2],   columns[3], kappa.data(), columns[4], columns[5],
          inverse_b.data(), n_ref.data(), reset.data(), kind.data()};
}

static Shape shape_of(const Array<uint8_t> &x, int64_t n, int64_t outputs, int64_t max_delay) {
  require(x.ndim() == 3 && x.size() > 0, "inputs must have shape (time, sample, input), none of them 0");
  require(max_delay >= 0 && max_delay <= 62, "delays must lie in 0 to 62");
  return {x.shape(0), x.shape(1), x.shape(2), n, outputs, max_delay + 2};
}

// Blocks over threads; an exception in a thread is thrown again in the caller.
template <class Work>
static void over_blocks(int64_t blocks, int threads, Work work) {
  bool failed = false;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads > 0 ? threads : omp_get_max_threads())
  for (int64_t block = 0; block < blocks; ++block) {
    try {
      work(block);
    } catch (...) {
      failed = true;
    }
  }
  if (failed) throw std::bad_alloc();
}

// Memory of the tape. It is as large in one training step as in the next, so it is handed on rather than given
// back to the system, which would clear it page by page: a tenth of a step. Used under Python's lock.
class Spare {
 public:
  // Memory that a capsule hands back when nothing refers to it any more.
  static py::capsule take(size_t bytes) {
    auto &blocks = held();
    const auto found = std::find_if(blocks.begin(), blocks.end(), [&](const Block &b) { return b.bytes == bytes; });
    Block *block;
    if (found != blocks.end()) {
      block = new Block(*found);
      blocks.erase(found);
    } else {
      release();  // other sizes are wanted now
      block = new Block{bytes, std::malloc(bytes)};
      if (!block->data) {
        delete block;
        throw std::bad_alloc();
      }
    }
    return py::capsule(block, [](void *pointer) {
      Block *back = static_cast<Block *>(pointer);
      held().push_back(*back);
      delete back;
    });
  }
  static void release() {
    for (const Block &block : held()) std::free(block.data);
    held().clear();
  }
  template <class T>
  static Array<T> array(std::vector<py::ssize_t> shape) {
    size_t bytes = sizeof(T);
    for (const py::ssize_t length : shape) bytes *= size_t(length);
    const py::capsule owner = take(bytes);
    return Array<T>(std::move(shape), static_cast<T *>(static_cast<Block *>(owner.get_pointer())->data), owner);
  }

 private:
  struct Block {
    size_t bytes;
    void *data;
  };
  static std::vector<Block> &held() {
    static std::vector<Block> blocks;
    return blocks;
  }
};

// Forward. keep: 0 nothing but the readout, 1 spikes, 2 what backward needs, 3 also the membrane, 4 spikes and
// states (integers only).
// carried: None, or the state a run goes on from, bytes (block, byte), which is written back; before: its steps so far.
// Returns (readout (time, output, block, lane), spikes, distance, adaptation, membrane, state, counts); None where
// not kept.
template <class T>
static py::tuple forward(const Array<uint8_t> &x, const py::tuple &neuron_arrays, const py::tuple &in,
                         const py::tuple &rec, const py::tuple &out, int64_t n, int64_t outputs, int64_t max_delay,
                         int keep, bool compact, int threads, const py::object &carried_array, int64_t before) {
  const Shape s = shape_of(x, n, outputs, max_delay);
  const Neurons<T> p = neurons<T>(neuron_arrays, n, outputs);
  Carried carried;
  if (!carried_array.is_none()) {
    auto memory = typed<uint8_t>(carried_array, "carried");
    carried.bytes = state_bytes(s, p.n_ref);
    carried.before = before;
    require(memory.size() == s.blocks() * carried.bytes, "the carried state does not belong to this network and batch");
    require(before >= 0 && keep <= 1, "a run that goes on keeps spikes or nothing");
    carried.memory = memory.mutable_data();
  }
  const Synapses<T> s_in = synapses<T>(in, s.inputs, n, max_delay, "input");
  const Synapses<T> s_rec = synapses<T>(rec, n, n, max_delay, "recurrent");
  const Synapses<T> s_out = synapses<T>(out, n, outputs, 0, "readout");
  const py::ssize_t blocks = s.blocks(), steps = s.steps, segments = (s.steps + 15) / 16;
  auto readout = Spare::array<T>({steps, py::ssize_t(outputs), blocks, py::ssize_t(16)});
  py::object spikes = py::none(), distance = py::none(), adaptation = py::none(), membrane = py::none(), state = py::none();
  Array<int64_t> counts({blocks, py::ssize_t(n)});
  std::fill_n(counts.mutable_data(), counts.size(), int64_t(0));
  Tape tape;
  tape.segments = segments;
  tape.counts = counts.mutable_data();
  if (keep >= 1) {
    auto array = Spare::array<uint16_t>({blocks, steps, py::ssize_t(n)});
    tape.spikes = array.mutable_data();
    spikes = array;
  }
  if (keep == 2 || keep == 3) {
    if (compact) {
      auto array = Spare::array<int16_t>({blocks, steps, py::ssize_t(n), py::ssize_t(16)});
      tape.distance = array.mutable_data();
      distance = array;
    } else {
      auto array = Spare::array<float>({blocks, steps, py::ssize_t(n), py::ssize_t(16)});
      tape.distance = array.mutable_data();
      distance = array;
    }
    auto array = Spare::array<float>({blocks, segments, py::ssize_t(n), py::ssize_t(16)});
    tape.adaptation = array.mutable_data();
    adaptation = array;
  }
  if (keep == 3) {
    auto array = Spare::array<float>({blocks, steps, py::ssize_t(n), py::ssize_t(16)});
    tape.membrane = array.mutable_data();
    membrane = array;
  }
  if (keep == 4) {
    require(std::is_same_v<T, int32_t>, "only integer states are recorded");
    Array<int32_t> array({blocks, steps, py::ssize_t(n), py::ssize_t(3), py::ssize_t(16)});
    tape.state = array.mutable_data();
    state = array;
  }
  T *y = readout.mutable_data();
  const uint8_t *inputs = x.data();
  {
    py::gil_scoped_release release;
    Forward<T> run;
    if constexpr (std::is_same_v<T, float>)
      run = kernels().forward_float[compact];
    else
      run = kernels().forward_integer[compact];
    over_blocks(s.blocks(), threads, [&](int64_t block) { run(s, p, s_in, s_rec, s_out, inputs, block, carried, tape, y); });
  }
  return py::make_tuple(readout, spikes, distance, adaptation, membrane, state, counts);
}

// Backward. Returns (input, recurrent, readout synapses, alpha, rho, step, vth, b); the last five only if
// asked for, else empty. Blocks are summed in their order: threads change nothing.
static py::tuple backward(const Array<uint8_t> &x, const py::tuple &neuron_arrays, const py::tuple &in,
                          const py::tuple &rec, const py::tuple &out, int64_t n, int64_t outputs, int64_t max_delay,
                          const py::tuple &kept, const Array<float> &grad_readout, const Array<float> &grad_rate,
                          float gamma, bool neurons_learn, int threads) {
  const Shape s = shape_of(x, n, outputs, max_delay);
  const Neurons<float> p = neurons<float>(neuron_arrays, n, outputs);
  const Synapses<float> s_in = synapses<float>(in, s.inputs, n, max_delay, "input");
  const Synapses<float> s_rec = synapses<float>(rec, n, n, max_delay, "recurrent");
  const Synapses<float> s_out = synapses<float>(out, n, outputs, 0, "readout");
  const int64_t blocks = s.blocks(), cells = blocks * s.steps * n;
  Tape tape;
  tape.segments = (s.steps + 15) / 16;
  require(kept.size() >= 4, "what forward kept has 4 arrays or more");
  const auto spikes = typed<uint16_t>(kept[0], "spikes");
  const auto adaptation = typed<float>(kept[2], "adaptation");
  const bool compact = py::isinstance<Array<int16_t>>(kept[1]);
  const py::array distance = compact ? py::array(typed<int16_t>(kept[1], "distance")) : py::array(typed<float>(kept[1], "distance"));
  require(spikes.size() == cells && distance.size() == cells * 16 && adaptation.size() == blocks * tape.segments * n * 16,
          "what forward kept does not belong to these inputs");
  require(grad_readout.size() == s.steps * outputs * blocks * 16 && grad_rate.size() == n, "a gradient has the wrong size");
  tape.spikes = const_cast<uint16_t *>(spikes.data());
  tape.distance = const_cast<void *>(distance.data());
  tape.adaptation = const_cast<float *>(adaptation.data());
  if (neurons_learn) {
    const auto membrane = typed<float>(kept[3], "membrane");
    require(membrane.size() == cells * 16, "the membrane was not kept");
    tape.membrane = const_cast<float *>(membrane.data());
  }
  const int64_t sizes[8] = {s_in.start[s.inputs], s_rec.start[n], s_out.start[n], n, n, n, n, n};
  const int parts = neurons_learn ? 8 : 3;
  int64_t total = 0, offset[9] = {0};
  for (int i = 0; i < parts; ++i) offset[i + 1] = total += sizes[i];
  std::vector<float> scratch(size_t(blocks * total), 0.0f);
  const float *gy = grad_readout.data(), *gr = grad_rate.data();
  const uint8_t *inputs = x.data();
  std::vector<float> sums(size_t(total), 0.0f);
  {
    py::gil_scoped_release release;
    const Backward run = kernels().backward[compact];
    over_blocks(blocks, threads, [&](int64_t block) {
      float *at = scratch.data() + block * total;
      Gradients g = {at, at + offset[1], at + offset[2], nullptr, nullptr, nullptr, nullptr, nullptr};
      if (neurons_learn) {
        g.alpha = at + offset[3];
        g.rho = at + offset[4];
        g.step = at + offset[5];
        g.vth = at + offset[6];
        g.b = at + offset[7];
      }
      run(s, p, s_in, s_rec, s_out, inputs, block, tape, gy, gr, gamma, g);
    });
    for (int64_t k = 0; k < total; ++k) {
      double value = 0;
      for (int64_t block = 0; block < blocks; ++block) value += scratch[size_t(block * total + k)];
      sums[size_t(k)] = float(value);
    }
  }
  py::tuple result(8);
  for (int i = 0; i < 8; ++i)
    result[i] = i < parts ? Array<float>(sizes[i], sums.data() + offset[i]) : Array<float>(0);
  return result;
}

PYBIND11_MODULE(_kernel, m) {
  m.doc() = "Sparse LSNN kernels: forward and backward through time, float and integer.";
  m.def("instruction_set", [] { return std::string(kernels().name); }, "Which variant of the kernel runs here.");
  m.def("threads", [] { return omp_get_max_threads(); }, "How many threads run by default.");
  m.def("release_memory", &Spare::release, "Give the memory that is held for the next call back to the system.");
  const auto exact = [](const char *name) { return py::arg(name).noconvert(); };
  m.def("state_bytes", [](int64_t n, int64_t outputs, int64_t max_delay, int64_t n_ref) {
    const int32_t longest = int32_t(n_ref);
    Shape s = {1, 1, 1, n, outputs, max_delay + 2};
    return state_bytes(s, std::vector<int32_t>(size_t(n), longest).data());
  }, py::arg("n"), py::arg("outputs"), py::arg("max_delay"), py::arg("n_ref"),
        "Bytes of a block's state, for a run that goes on; n_ref is the longest refractory period.");
  m.def("forward_float", &forward<float>, exact("x"), py::arg("neurons"), py::arg("input"), py::arg("recurrent"),
        py::arg("readout"), py::arg("n"), py::arg("outputs"), py::arg("max_delay"), py::arg("keep"),
        py::arg("compact"), py::arg("threads"), py::arg("carried") = py::none(), py::arg("before") = 0);
  m.def("forward_integer", &forward<int32_t>, exact("x"), py::arg("neurons"), py::arg("input"), py::arg("recurrent"),
        py::arg("readout"), py::arg("n"), py::arg("outputs"), py::arg("max_delay"), py::arg("keep"),
        py::arg("compact"), py::arg("threads"), py::arg("carried") = py::none(), py::arg("before") = 0);
  m.def("backward", &backward, exact("x"), py::arg("neurons"), py::arg("input"), py::arg("recurrent"),
        py::arg("readout"), py::arg("n"), py::arg("outputs"), py::arg("max_delay"), py::arg("kept"),
        exact("grad_readout"), exact("grad_rate"), py::arg("gamma"), py::arg("neurons_learn"), py::arg("threads"));
}
