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
#include "input_array.hpp"
#include "states.hpp"
#include "workers.hpp"

// --- what runs here ---------------------------------------------------------------------------------------

// The widest instruction set this CPU has, or the one that LSNN_NEURO_ISA names; all give the same bits.
static const Engine &choose_engine() {
  const char *named = std::getenv("LSNN_NEURO_ISA");
  const std::string wanted = named ? named : "";
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx512 && (wanted.empty() || wanted == "avx512")) return engine_avx512();
  if (avx2 && (wanted.empty() || wanted == "avx2")) return engine_avx2();
#endif
  require(wanted.empty() || wanted == "baseline",
          "LSNN_NEURO_ISA is '" + wanted + "', which is none of avx512, avx2, baseline, or this CPU has not got it");
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

// --- forward ----------------------------------------------------------------------------------------------

struct Aligned {  // memory of a block's state, all zero
  explicit Aligned(size_t bytes) : data(take_scratch(bytes)), bytes(bytes) { std::memset(data, 0, bytes); }
  ~Aligned() { give_scratch(data, bytes); }
  Aligned(const Aligned &) = delete;
  void *data;
  size_t bytes;
};

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
  auto readout = BufferPool::array<T>({steps, py::ssize_t(x.view.samples), py::ssize_t(network.outputs)});
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
    if (holds(network)) keep("held", tape.held, {blocks, steps, n});
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
  Array<T> readout({steps, py::ssize_t(1), py::ssize_t(alone.outputs)});
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
  if (holds(network)) tape.held = read("held", uint16_t(), cells);
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
  errors.readout = typed<float>(grad_readout, "grad_readout", steps * samples * network.outputs).data();
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
  std::vector<float> scratch(size_t(blocks * total), 0.0f);
  std::vector<double> sums(size_t(total), 0.0);
  py::dict result;
  Array<float> input_gradient({steps, inputs_learn ? samples : 0, network.inputs});
  float *const to_inputs = inputs_learn ? input_gradient.mutable_data() : nullptr;
  over_blocks(blocks, threads, [&](int64_t block, const Progress &progress) {
    float *at = scratch.data() + block * total;
    const Gradients gradients = {at, learn ? at + n_synapses : nullptr, to_inputs};
    engine().backward(network, x.view, block, start.is_none(), tape, errors, gradients, progress);
  });
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t k = 0; k < total; ++k) sums[size_t(k)] += scratch[size_t(block * total + k)];
  result["weights"] = holder.in_places(sums.data());
  if (learn) {
    Array<float> constants(n_constants);
    std::copy(sums.begin() + n_synapses, sums.end(), constants.mutable_data());
    result["constants"] = constants;
  }
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
  c.def("write_alone", &write_alone<T>, py::arg("populations"), py::arg("inputs"), py::arg("spikes"));
  c.def("rest", &rest<T>, py::arg("samples"), "The state of some samples before the first step.");
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
        if (known.constants == neuron.constants) return;  // the same again
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
