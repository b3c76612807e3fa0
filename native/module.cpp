// The Python module lsnn_neuro._kernel: arrays in without copies, blocks of samples spread over threads.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdlib>
#include <optional>
#if defined(__linux__)
#include <sched.h>
#endif

#include "buffers.hpp"
#include "holder.hpp"
#include "workers.hpp"

// --- what runs here ---------------------------------------------------------------------------------------

// The widest instruction set this CPU has, or the one that LSNN_NEURO_ISA names; all give the same bits.
static const Engine &choose_engine() {
  const char *named = std::getenv("LSNN_NEURO_ISA");
  const std::string wish = named ? named : "";
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx512 && (wish.empty() || wish == "avx512")) return engine_avx512();
  if (avx2 && (wish.empty() || wish == "avx2")) return engine_avx2();
#endif
  require(wish.empty() || wish == "baseline",
          "LSNN_NEURO_ISA is '" + wish + "', which is none of avx512, avx2, baseline, or this CPU has not got it");
  return engine_baseline();
}

static const Engine &engine() {
  static const Engine &chosen = choose_engine();
  return chosen;
}

std::vector<Neuron> &known_neurons() {
  static std::vector<Neuron> neurons = [] {
    std::vector<Neuron> table(static_cast<size_t>(count_neurons()));
    describe_neurons(table.data());
    kernels_baseline(table.data());
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
    kernels_avx2(table.data());
    kernels_avx512(table.data());
#endif
    table.reserve(256);  // populations point to them
    return table;
  }();
  return neurons;
}

const Neuron &find_neuron(const std::string &name) {
  for (const Neuron &neuron : known_neurons())
    if (name == neuron.name) return neuron;
  throw std::invalid_argument("kernel: has no neuron '" + name + "'");
}

// Cores that this process may use, or as many threads as OMP_NUM_THREADS says.
static int default_threads() {
  if (const char *named = std::getenv("OMP_NUM_THREADS"))
    if (const int n = std::atoi(named); n > 0) return n;
#if defined(__linux__)
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof(cores), &cores) == 0) return CPU_COUNT(&cores);
#endif
  const unsigned n = std::thread::hardware_concurrency();
  return n ? int(n) : 1;
}

// Run over blocks without Python's lock; what Python has to raise is raised here.
template <class Work>
static void over_blocks(int64_t blocks, int threads, Work work) {
  bool interrupted = false;
  {
    py::gil_scoped_release release;
    try {
      Workers::run(blocks, threads > 0 ? threads : default_threads(), work);
    } catch (const Interrupted &) {
      interrupted = true;
    }
  }
  if (interrupted) throw py::error_already_set();
}

// --- inputs -----------------------------------------------------------------------------------------------

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

// --- forward ----------------------------------------------------------------------------------------------

struct Aligned {  // memory of a block's state, all zero
  explicit Aligned(size_t bytes) : data(take_scratch(bytes)), bytes(bytes) { std::memset(data, 0, bytes); }
  ~Aligned() { give_scratch(data, bytes); }
  Aligned(const Aligned &) = delete;
  void *data;
  size_t bytes;
};

template <class T>
static size_t end_bytes(const Network<T> &network) {  // of a state without its window
  return state_bytes(network) - size_t(network.window() * network.rows()) * LANES * sizeof(T);
}

template <class T>
static bool run_block(const Network<T> &n, const Inputs &x, int64_t b, const BlockState<T> &s, bool rest, const Tape &tape,
                      T *readout, const Progress &progress) {
  if constexpr (std::is_same_v<T, float>) return engine().forward_float(n, x, b, s, rest, tape, readout, progress);
  else return engine().forward_integer(n, x, b, s, rest, tape, readout, progress);
}

// See lsnn_neuro.network.kernel.forward.
template <class T>
static py::dict forward(Holder<T> &holder, const py::object &inputs, bool keep_spikes, const std::string &tape_kind,
                        bool learn, const py::object &state, int threads) {
  const Network<T> &network = holder.network();
  const InputArray x(inputs, network.inputs, std::is_same_v<T, int32_t>);
  const py::ssize_t blocks = x.view.blocks(), steps = x.view.steps, n = network.neurons, rows = network.rows();
  const size_t bytes = state_bytes(network), end = end_bytes(network);
  uint8_t *states = nullptr;
  if (!state.is_none()) states = typed<uint8_t>(state, "state", blocks * int64_t(bytes)).mutable_data();
  py::dict kept;
  Tape tape;
  auto readout = BufferPool::array<T>({steps, py::ssize_t(network.outputs), blocks, LANES});
  kept["readout"] = readout;
  Array<int64_t> counts({blocks, n});
  std::fill_n(counts.mutable_data(), counts.size(), int64_t(0));
  tape.counts = counts.mutable_data();
  kept["counts"] = counts;
  const auto keep = [&](const char *name, auto *&pointer, std::vector<py::ssize_t> shape) {
    auto array = BufferPool::array<std::remove_reference_t<decltype(*pointer)>>(std::move(shape));
    pointer = array.mutable_data();
    kept[name] = array;
  };
  if (keep_spikes || tape_kind != "none") keep("spikes", tape.spikes, {blocks, steps, n});
  if (tape_kind != "none") {
    require(tape_kind == "compact" || tape_kind == "full", "there is no tape '" + tape_kind + "'");
    tape.compact = tape_kind == "compact";
    keep("inputs", tape.inputs, {blocks, steps, py::ssize_t(network.inputs)});
    keep("near", tape.near, {blocks, steps, n});
    if (tape.compact) {
      int16_t *cells;
      keep("cells", cells, {blocks, steps * n + 1, LANES});
      tape.cells = cells;
    } else {
      float *cells;
      keep("cells", cells, {blocks, steps * n + 1, LANES});
      tape.cells = cells;
    }
    keep("n_cells", tape.n_cells, {blocks});
    keep("replayed", tape.replayed, {blocks, py::ssize_t(segments_of(steps)), py::ssize_t(replayed_rows(network)), LANES});
    if (learn) {
      keep("membrane", tape.membrane, {blocks, steps + 1, rows, LANES});
      keep("current", tape.current, {blocks, steps + 1, rows, LANES});
    }
  }
  Array<uint8_t> ends({blocks, py::ssize_t(end)});
  kept["state"] = ends;
  uint8_t *const to = ends.mutable_data();
  T *const y = readout.mutable_data();
  over_blocks(blocks, threads, [&](int64_t block, const Progress &progress) {
    std::optional<Aligned> own;
    void *memory = states ? states + block * int64_t(bytes) : own.emplace(bytes).data;
    if (!run_block<T>(network, x.view, block, place_state(network, memory), !states, tape, y, progress)) return;
    std::memcpy(to + block * int64_t(end), static_cast<uint8_t *>(memory) + bytes - end, end);
  });
  return kept;
}

// The same for one sample, some steps from a state of its own kind (`rest_alone`): its lanes are neurons.
template <class T>
static py::dict forward_alone(Holder<T> &holder, const py::object &inputs, bool keep_spikes, const py::object &state) {
  const Network<T> &network = holder.alone();
  const Alone &alone = holder.counts();
  const InputArray x(inputs, network.inputs, std::is_same_v<T, int32_t>);
  require(x.view.samples == 1, "inputs hold " + std::to_string(x.view.samples) + " samples, expected one");
  uint8_t *const memory = typed<uint8_t>(state, "state", int64_t(state_bytes(network))).mutable_data();
  py::dict kept;
  const py::ssize_t steps = x.view.steps;
  Array<T> readout({steps, py::ssize_t(alone.outputs), py::ssize_t(1), py::ssize_t(LANES)});
  kept["readout"] = readout;
  Tape tape;
  if (keep_spikes) {
    Array<uint16_t> spikes({py::ssize_t(1), steps, py::ssize_t(alone.neurons)});
    tape.spikes = spikes.mutable_data();
    kept["spikes"] = spikes;
  }
  T *const y = readout.mutable_data();
  over_blocks(1, 1, [&](int64_t, const Progress &progress) {
    const BlockState<T> place = place_state(network, memory);
    if constexpr (std::is_same_v<T, float>) engine().alone_float(network, alone, x.view, place, tape, y, progress);
    else engine().alone_integer(network, alone, x.view, place, tape, y, progress);
  });
  return kept;
}

template <class T>
static Array<uint8_t> rest_alone(Holder<T> &holder) {
  auto array = BufferPool::array<uint8_t>({py::ssize_t(state_bytes(holder.alone()))});
  std::memset(array.mutable_data(), 0, size_t(array.size()));
  return array;
}

// read_state of a sample that runs alone.
template <class T>
static py::list read_alone(Holder<T> &holder, const Array<uint8_t> &state) {
  const Network<T> &network = holder.alone();
  require(state.size() == py::ssize_t(state_bytes(network)), "the state does not belong to this network");
  const BlockState<T> at = place_state(network, const_cast<uint8_t *>(state.data()));
  py::list result;
  const T *states = at.states;
  for (int i = 0; i < network.n_populations; ++i) {
    const Population<T> &p = network.populations[i];
    const py::ssize_t size = holder.counts().sizes[i];
    py::dict found;
    for (int v = 0; v <= p.neuron->n_states; ++v, states += p.size * LANES)
      found[v < p.neuron->n_states ? p.neuron->states[v] : "current"] = Array<T>({py::ssize_t(1), size}, states);
    if (p.neuron->spiking) {
      Array<bool> z({py::ssize_t(1), size});
      Array<int32_t> r({py::ssize_t(1), size});
      for (int64_t j = 0; j < size; ++j) {
        z.mutable_data()[j] = at.fired[p.first + j / LANES] >> j % LANES & 1;
        r.mutable_data()[j] = at.left[p.first * LANES + j];
      }
      found["z"] = z;
      if (p.neuron->refractory) found["r"] = r;
    }
    result.append(found);
  }
  return result;
}

// --- states -----------------------------------------------------------------------------------------------

template <class T>
static Array<uint8_t> rest(Holder<T> &holder, int64_t samples) {
  const py::ssize_t blocks = (samples + LANES - 1) / LANES, bytes = py::ssize_t(state_bytes(holder.network()));
  auto array = BufferPool::array<uint8_t>({blocks, bytes});
  std::memset(array.mutable_data(), 0, size_t(array.size()));
  return array;
}

// The state variables of every population, {"v": (sample, neuron), ..., "current", "r", "z"}, from a whole state or
// the end of one.
template <class T>
static py::list read_state(Holder<T> &holder, const Array<uint8_t> &state, int64_t samples) {
  const Network<T> &network = holder.network();
  const int64_t end = int64_t(end_bytes(network)), blocks = (samples + LANES - 1) / LANES;
  const int64_t stride = state.ndim() == 2 ? state.shape(1) : 0;
  require(state.ndim() == 2 && state.shape(0) == blocks && (stride == end || stride == int64_t(state_bytes(network))),
          "the state does not belong to this network and batch");
  py::list result;
  int64_t states_before = 0;
  for (int i = 0; i < network.n_populations; ++i) {
    const Population<T> &p = network.populations[i];
    py::dict found;
    const auto copy = [&](const char *name, auto sample, auto value_of) {
      typedef decltype(sample) Cell;
      Array<Cell> array({py::ssize_t(samples), py::ssize_t(p.size)});
      Cell *to = array.mutable_data();
      for (int64_t b = 0; b < samples; ++b) {
        const uint8_t *at = state.data() + b / LANES * stride + stride - end;
        for (int64_t j = 0; j < p.size; ++j) to[b * p.size + j] = value_of(at, j, b % LANES);
      }
      found[name] = array;
    };
    const int64_t left = state_rows(network) * LANES * int64_t(sizeof(T));
    const int64_t fired = left + network.neurons * LANES;
    for (int v = 0; v <= p.neuron->n_states; ++v) {
      const int64_t first = states_before + v * p.size;
      copy(v < p.neuron->n_states ? p.neuron->states[v] : "current", T(), [&](const uint8_t *at, int64_t j, int64_t lane) {
        T value;
        std::memcpy(&value, at + ((first + j) * LANES + lane) * int64_t(sizeof(T)), sizeof(T));
        return value;
      });
    }
    if (p.neuron->spiking) {
      copy("z", bool(), [&](const uint8_t *at, int64_t j, int64_t lane) {
        uint16_t bits;
        std::memcpy(&bits, at + fired + (p.first + j) * 2, 2);
        return bool(bits >> lane & 1);
      });
      if (p.neuron->refractory)
        copy("r", int32_t(), [&](const uint8_t *at, int64_t j, int64_t lane) {
          return int32_t(at[left + (p.first + j) * LANES + lane]);
        });
    }
    states_before += (p.neuron->n_states + 1) * p.size;
    result.append(found);
  }
  return result;
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

// --- backward ---------------------------------------------------------------------------------------------

// See lsnn_neuro.network.kernel.backward.
static py::dict backward(Holder<float> &holder, const py::object &inputs, const py::dict &kept, const py::object &start,
                         const py::object &past_inputs, const py::object &past_spikes,
                         const py::object &grad_readout, const py::object &grad_rate,
                         const py::list &grad_spikes, const py::object &back, bool learn, bool inputs_learn, int threads) {
  const Network<float> &network = holder.network();
  const InputArray x(inputs, network.inputs, false);
  const int64_t blocks = x.view.blocks(), steps = x.view.steps, n = network.neurons, cells = blocks * steps * n;
  const int64_t samples = x.view.samples;
  const auto have = [&](const char *name) {
    require(kept.contains(name), std::string("the tape holds no ") + name);
    return kept[name];
  };
  Tape tape;
  std::vector<py::object> alive;
  const auto read = [&](const char *name, auto type, int64_t size) {
    typedef decltype(type) Cell;
    const auto array = typed<Cell>(have(name), name, size);
    alive.push_back(array);
    return const_cast<Cell *>(array.data());
  };
  tape.inputs = read("inputs", uint16_t(), blocks * steps * network.inputs);
  tape.spikes = read("spikes", uint16_t(), cells);
  tape.near = read("near", uint16_t(), cells);
  tape.n_cells = read("n_cells", int64_t(), blocks);
  tape.compact = py::isinstance<Array<int16_t>>(have("cells"));
  const int64_t n_cells = (cells + blocks) * LANES;
  if (tape.compact) tape.cells = read("cells", int16_t(), n_cells);
  else tape.cells = read("cells", float(), n_cells);
  for (int64_t b = 0; b < blocks; ++b)
    require(tape.n_cells[b] >= 0 && tape.n_cells[b] <= steps * n, "the tape is damaged");
  tape.replayed = read("replayed", float(), blocks * segments_of(steps) * replayed_rows(network) * LANES);
  if (learn) {
    const int64_t size = blocks * (steps + 1) * network.rows() * LANES;
    tape.membrane = read("membrane", float(), size);
    tape.current = read("current", float(), size);
  }
  std::vector<uint16_t> fired_at_start;
  if (!start.is_none()) {
    const int64_t bytes = int64_t(state_bytes(network));
    const auto array = typed<uint8_t>(start, "start", blocks * bytes);
    for (int64_t b = 0; b < blocks; ++b) {
      const uint16_t *fired = place_state(network, const_cast<uint8_t *>(array.data()) + b * bytes).fired;
      fired_at_start.insert(fired_at_start.end(), fired, fired + n);
    }
    tape.start = fired_at_start.data();
    const auto sent = typed<float>(past_inputs, "past_inputs");
    const auto fired = typed<bool>(past_spikes, "past_spikes");
    require(sent.ndim() == 3 && fired.ndim() == 3 && sent.shape(1) == samples && fired.shape(1) == samples &&
                sent.shape(2) == network.inputs && fired.shape(2) == n,
            "the past is of another batch or network");
    tape.past_inputs = sent.data();
    tape.past_spikes = fired.data();
    tape.n_past_inputs = sent.shape(0);
    tape.n_past_spikes = fired.shape(0);
    alive.push_back(sent);
    alive.push_back(fired);
  }
  Errors errors = {};
  errors.readout = typed<float>(grad_readout, "grad_readout", steps * network.outputs * blocks * LANES).data();
  errors.rate = typed<float>(grad_rate, "grad_rate", n).data();
  std::vector<const float *> of_spikes;
  bool any = false;
  for (size_t i = 0; i < grad_spikes.size(); ++i) {
    const py::object gradient = grad_spikes[i];
    require(int(i) < network.n_populations, "there are more gradients of spikes than populations");
    of_spikes.push_back(
        gradient.is_none() ? nullptr
                           : typed<float>(gradient, "grad_spikes", steps * samples * network.populations[i].size).data());
    any |= of_spikes.back() != nullptr;
  }
  of_spikes.resize(size_t(network.n_populations), nullptr);
  errors.spikes = any ? of_spikes.data() : nullptr;
  std::vector<Synapse<float>> other;
  errors.back = network.synapses.list;
  if (!back.is_none()) {
    other = holder.with_weights(back, "back");
    errors.back = other.data();
  }
  const int64_t n_synapses = holder.n_synapses(), n_constants = learn ? holder.constants_size() : 0;
  const int64_t total = n_synapses + n_constants;
  std::vector<float> scratch(size_t(blocks * total), 0.0f), sums(size_t(total), 0.0f);
  py::dict result;
  Array<float> input_gradient({steps, inputs_learn ? samples : 0, network.inputs});
  float *const to_inputs = inputs_learn ? input_gradient.mutable_data() : nullptr;
  over_blocks(blocks, threads, [&](int64_t block, const Progress &progress) {
    float *at = scratch.data() + block * total;
    const Gradients gradients = {at, learn ? at + n_synapses : nullptr, to_inputs};
    engine().backward(network, x.view, block, start.is_none(), tape, errors, gradients, progress);
  });
  for (int64_t k = 0; k < total; ++k) {
    double value = 0;
    for (int64_t block = 0; block < blocks; ++block) value += scratch[size_t(block * total + k)];
    sums[size_t(k)] = float(value);
  }
  result["weights"] = holder.in_places(sums.data());
  if (learn) result["constants"] = Array<float>(n_constants, sums.data() + n_synapses);
  if (inputs_learn) result["inputs"] = input_gradient;
  return result;
}

// --- the module -------------------------------------------------------------------------------------------

template <class T>
static void bind(py::module_ &m, const char *name, const char *doc) {
  typedef Holder<T> H;
  auto c = py::class_<H>(m, name, doc);
  c.def(py::init([](int64_t inputs) { return new H(inputs, engine().isa); }), py::arg("n_inputs"));
  c.def("add_population", &H::add_population, py::kw_only(), py::arg("neuron"), py::arg("size"), py::arg("constants"),
        py::arg("decay_i"), py::arg("bias"), py::arg("n_ref"), py::arg("reset"), py::arg("at_threshold"), py::arg("gamma"));
  c.def("connect", &H::connect, py::kw_only(), py::arg("source"), py::arg("target"), py::arg("delay"), py::arg("weight"),
        py::arg("active"));
  c.def("forward", &forward<T>, py::arg("inputs"), py::kw_only(), py::arg("spikes") = false, py::arg("tape") = "none",
        py::arg("learn") = false, py::arg("state") = py::none(), py::arg("threads") = 0);
  c.def("forward_alone", &forward_alone<T>, py::arg("inputs"), py::kw_only(), py::arg("spikes") = false, py::arg("state"));
  c.def("rest_alone", &rest_alone<T>, "The state of a sample that runs alone before the first step.");
  c.def("read_alone", &read_alone<T>, py::arg("state"));
  c.def("rest", &rest<T>, py::arg("samples"), "The state of so many samples before the first step.");
  c.def("read_state", &read_state<T>, py::arg("state"), py::arg("samples"));
  c.def("write_state", &write_state<T>, py::arg("populations"), py::arg("inputs"), py::arg("spikes"), py::arg("samples"));
  if constexpr (std::is_same_v<T, float>)
    c.def("backward", &backward, py::arg("inputs"), py::kw_only(), py::arg("tape"), py::arg("start"),
          py::arg("past_inputs"), py::arg("past_spikes"),
          py::arg("grad_readout"), py::arg("grad_rate"), py::arg("grad_spikes"), py::arg("back"), py::arg("learn"),
          py::arg("inputs_learn"), py::arg("threads") = 0);
}

PYBIND11_MODULE(_kernel, m) {
  m.doc() = "The native kernel: sparse spiking networks, forward and backward through time, float and integer.";
  m.def("instruction_set", [] { return std::string(engine().name); }, "Which variant of the kernel runs here.");
  m.def("threads", &default_threads, "How many threads run by default.");
  m.def("release_memory", [] { BufferPool::release(); release_scratch(); }, "Give the memory that is held for the next call back to the system.");
  m.def("describe", [](const std::string &name) {
    const Neuron &neuron = find_neuron(name);
    std::vector<std::string> constants, states(neuron.states, neuron.states + neuron.n_states);
    for (int c = 0; c < neuron.n_constants; ++c) constants.push_back(neuron.constants[c].name);
    py::dict found;
    found["constants"] = constants;
    found["states"] = states;
    found["n_replayed"] = neuron.n_replayed;
    return found;
  }, py::arg("neuron"), "Constants and states of the kernel's neuron, in its order.");
  m.def("add_neuron", [](const py::capsule &capsule) {
    if (!capsule.name() || std::string(capsule.name()) != NEURON_CAPSULE)
      require(false, "the neuron was compiled for another release; compile its package anew");
    const Neuron &neuron = *capsule.get_pointer<Neuron>();
    for (const Neuron &known : known_neurons())
      if (std::string(known.name) == neuron.name) {
        if (known.constants == neuron.constants) return;  // the very same again
        require(false, std::string("there is a neuron '") + neuron.name + "' already");
      }
    require(known_neurons().size() < known_neurons().capacity(), "there are too many neurons");
    known_neurons().push_back(neuron);
  }, py::arg("neuron"), "Take in the neuron of another package.");
  m.def("neurons", [] {
    std::vector<std::string> names;
    for (const Neuron &neuron : known_neurons()) names.push_back(neuron.name);
    return names;
  }, "Names of the neurons that the kernel knows.");
  bind<float>(m, "FloatNetwork", "A network in real numbers.");
  bind<int32_t>(m, "IntegerNetwork", "A network in Loihi's integers.");
}
