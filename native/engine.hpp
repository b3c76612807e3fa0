// The time loop, forward and backward, of one block of 16 samples.
//
// All state is rows of 16 lanes per neuron. Spikes of a row are 16 bits, so a neuron that is silent in all 16 samples
// costs nothing downstream. What synapses send lands in a window of rows, one of all neurons and readouts for
// each step ahead; the window slides, and is moved back when it reaches the end of its memory. Work goes with spikes
// and active synapses.
//
// Python's form of the loop, the reference, is lsnn_neuro/network/dynamics.py.

// --- inputs -----------------------------------------------------------------------------------------------

// Which samples of a block have an input at a step: one bit a sample, (input,).
template <class Cell>
INLINE void pack_any(const Cell *rows, int64_t inputs, int64_t samples, uint16_t *packed) {
  std::memset(packed, 0, size_t(inputs) * sizeof(uint16_t));
  for (int64_t b = 0; b < samples; ++b)
    for (int64_t i = 0; i < inputs; ++i) packed[i] |= uint16_t((rows[b * inputs + i] != 0) << b);
}

INLINE void pack_bytes(const uint8_t *rows, int64_t inputs, int64_t samples, uint16_t *packed) {
  typedef uint16_t Wide __attribute__((vector_size(32)));
  int64_t i = 0;
  for (; i + 16 <= inputs; i += 16) {
    Wide all = Wide{};
    for (int64_t b = 0; b < samples; ++b) {
      const uint16_t bit = uint16_t(1u << b);
#if defined(LSNN_AVX512)
      const __m128i row = _mm_loadu_si128(reinterpret_cast<const __m128i *>(rows + b * inputs + i));
      all |= (Wide)_mm256_maskz_set1_epi16(_mm_test_epi8_mask(row, row), int16_t(bit));
#else
      const Wide row = __builtin_convertvector(load<Bytes>(rows + b * inputs + i), Wide);
      all |= (Wide)(row != 0) & (bit - Wide{});
#endif
    }
    store(packed + i, all);
  }
  for (; i < inputs; ++i) {
    packed[i] = 0;
    for (int64_t b = 0; b < samples; ++b) packed[i] |= uint16_t((rows[b * inputs + i] != 0) << b);
  }
}

INLINE int64_t bytes_of(const Inputs &x) { return x.kind == Inputs::real ? 4 : 1; }

// Where the inputs of a block's first sample at a step stand.
INLINE const char *rows_of(const Inputs &x, int64_t inputs, int64_t block, int64_t t) {
  return static_cast<const char *>(x.data) + (t * x.samples + block * LANES) * inputs * bytes_of(x);
}

INLINE void pack(const Inputs &x, int64_t inputs, int64_t block, int64_t t, uint16_t *packed) {
  const char *rows = rows_of(x, inputs, block, t);
  const int64_t samples = x.samples_of(block);
  if (x.kind == Inputs::real) pack_any(reinterpret_cast<const float *>(rows), inputs, samples, packed);
  else pack_bytes(reinterpret_cast<const uint8_t *>(rows), inputs, samples, packed);
}

// The values of one input at a step, a lane a sample.
template <class T>
INLINE typename Lanes<T>::Row values(const Inputs &x, int64_t inputs, int64_t block, int64_t t, int64_t i) {
  T lanes[LANES] = {};
  const char *rows = rows_of(x, inputs, block, t);
  for (int64_t b = 0; b < x.samples_of(block); ++b)
    lanes[b] = x.kind == Inputs::real ? T(reinterpret_cast<const float *>(rows)[b * inputs + i])
                                      : T(reinterpret_cast<const int8_t *>(rows)[b * inputs + i]);
  return load<typename Lanes<T>::Row>(lanes);
}

INLINE void prefetch(const void *from, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(static_cast<const char *>(from) + i, 0, 3);
}

// Lists the numbers of what is not 0 (and where `unless` is 0); gives how many. The list has room for 16 more.
INLINE int64_t list_nonzero(const uint16_t *what, const uint16_t *unless, int64_t n, int32_t *list) {
  int64_t m = 0, i = 0;
#if defined(LSNN_AVX512)
  const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  for (; i + 16 <= n; i += 16) {
    const __m256i here = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(what + i));
    __mmask16 mask = _mm256_test_epi16_mask(here, here);
    if (unless) {
      const __m256i not_here = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(unless + i));
      mask &= _mm256_testn_epi16_mask(not_here, not_here);
    }
    const __m512i index = _mm512_add_epi32(lane, _mm512_set1_epi32(int(i)));
    _mm512_storeu_si512(list + m, _mm512_maskz_compress_epi32(mask, index));
    m += __builtin_popcount(mask);
  }
#endif
  for (; i < n; ++i) {
    list[m] = int32_t(i);
    m += what[i] != 0 && (!unless || unless[i] == 0);
  }
  return m;
}

// Steps at the beginning in which a block stays at rest, in whole segments: no input has come, nothing drives a
// neuron, and at rest it lies outside its pseudo-derivative. Nothing happens in them, forward or backward.
template <class T>
static int64_t quiet_steps(const Network<T> &network, const Inputs &x, int64_t block) {
  for (int i = 0; i < network.n_populations; ++i) {
    const Population<T> &p = network.populations[i];
    if (p.bias) return 0;
    if (!p.neuron->spiking) continue;
    const T *threshold = p.constants[p.neuron->baseline];
    for (int64_t j = 0; j < p.size; ++j)
      if (!(float(threshold[j]) * p.inverse_width[j] >= 1.0f - 1.0f / (1 << 20))) return 0;
  }
  int64_t t = 0;
  for (; t < x.steps; ++t) {
    const char *row = rows_of(x, network.inputs, block, t);
    char any = 0;
    for (int64_t i = 0; i < x.samples_of(block) * network.inputs * bytes_of(x); ++i) any |= row[i];
    if (any) break;
  }
  return t / SEGMENT * SEGMENT;
}

// --- scratch memory of a block ----------------------------------------------------------------------------

struct Scratch {
  char *memory = nullptr;
  size_t used = 0, size;
  explicit Scratch(size_t bytes) : size(bytes) {
    size = (bytes + 4095) / 64 * 64;
    memory = static_cast<char *>(take_scratch(size));
    std::memset(memory, 0, bytes);
  }
  ~Scratch() { give_scratch(memory, size); }
  Scratch(const Scratch &) = delete;
  template <class T>
  T *take(int64_t n) {
    T *at = reinterpret_cast<T *>(memory + used);
    used += (size_t(n) * sizeof(T) + 63) / 64 * 64;
    return at;
  }
  static size_t room(int64_t n, size_t bytes) { return (size_t(n) * bytes + 63) / 64 * 64; }
};

// --- forward ----------------------------------------------------------------------------------------------

template <class T>
INLINE void send(const Synapse<T> *from, const Synapse<T> *to, char *base, Mask mask) {
  typedef typename Lanes<T>::Row Row;
  for (; from < to; ++from) {
    Row *row = reinterpret_cast<Row *>(base + from->offset);
    store(row, load<Row>(row) + keep(mask, splat(from->weight)));
  }
}

template <class T>
INLINE void send_values(const Synapse<T> *from, const Synapse<T> *to, char *base, typename Lanes<T>::Row value) {
  typedef typename Lanes<T>::Row Row;
  for (; from < to; ++from) {
    Row *row = reinterpret_cast<Row *>(base + from->offset);
    store(row, load<Row>(row) + splat(from->weight) * value);
  }
}

INLINE void run_forward(const NeuronKernels &kernels, StepArguments<float> &step) { kernels.forward_float(step); }
INLINE void run_forward(const NeuronKernels &kernels, StepArguments<int32_t> &step) { kernels.forward_integer(step); }

template <class T>
static bool forward_block(const Network<T> &network, const Inputs &x, int64_t block, const BlockState<T> &state,
                          bool at_rest, const Tape &tape, T *readout, const Progress &progress) {
  typedef typename Lanes<T>::Row Row;
  const int64_t n = network.neurons, rows = network.rows(), inputs = network.inputs, steps = x.steps;
  const int64_t blocks = x.blocks(), slide = network.slide(), segments = segments_of(steps);
  const int64_t n_replayed = replayed_rows(network);
  const Synapses<T> &synapses = network.synapses;
  Scratch scratch(Scratch::room(inputs, 2) + Scratch::room(inputs + 16, 4) + Scratch::room(n + 16, 4) + Scratch::room(n, 2));
  uint16_t *packed = scratch.take<uint16_t>(inputs);
  int32_t *const active = scratch.take<int32_t>(inputs + 16), *const list = scratch.take<int32_t>(n + 16);
  uint16_t *fired = scratch.take<uint16_t>(n), *before = state.fired;
  const int64_t begin = at_rest ? quiet_steps(network, x, block) : 0;
  const size_t quiet = size_t(begin * n) * sizeof(uint16_t);
  uint16_t *const spikes = tape.spikes ? tape.spikes + block * steps * n : nullptr;
  uint16_t *const near = tape.near ? tape.near + block * steps * n : nullptr;
  if (spikes) std::memset(spikes, 0, quiet);
  if (near) std::memset(near, 0, quiet);
  if (tape.inputs) std::memset(tape.inputs + block * steps * inputs, 0, size_t(begin * inputs) * sizeof(uint16_t));
  if (tape.replayed)
    std::memset(tape.replayed + block * segments * n_replayed * LANES, 0,
                size_t(begin / SEGMENT * n_replayed) * LANES * sizeof(float));
  for (int64_t row = 0; row < begin * network.outputs; ++row) store(readout + (row * blocks + block) * LANES, Row{});
  const int64_t cell_bytes = LANES * (tape.compact ? sizeof(int16_t) : sizeof(float));
  char *const first_cell = static_cast<char *>(tape.cells) + block * (steps * n + 1) * cell_bytes;
  void *cells = tape.cells ? first_cell : nullptr;
  float *const membrane = tape.membrane ? tape.membrane + block * (steps + 1) * rows * LANES : nullptr;
  float *const current = tape.current ? tape.current + block * (steps + 1) * rows * LANES : nullptr;
  // membranes and currents as they stand, for the tape
  const auto keep_states = [&](int64_t t) {
    T *at = state.states;
    for (int i = 0; i < network.n_populations; ++i) {
      const Population<T> &p = network.populations[i];
      for (int64_t j = 0; j < p.size; ++j) {
        store(membrane + (t * rows + p.first + j) * LANES, to_float(load<Row>(at + j * LANES)));
        store(current + (t * rows + p.first + j) * LANES,
              to_float(load<Row>(at + (p.neuron->n_states * p.size + j) * LANES)));
      }
      at += (p.neuron->n_states + 1) * p.size * LANES;
    }
  };
  if (membrane)
    for (int64_t t = 0; t <= begin; ++t) keep_states(t);
  int64_t position = *state.position;
  for (int64_t t = begin; t < steps; ++t, ++position) {
    if (progress()) return false;
    if (position == slide) {
      const size_t live = size_t((network.reach + 1) * rows) * LANES, past = size_t(slide * rows) * LANES;
      std::memmove(state.window, state.window + past, live * sizeof(T));
      std::memset(static_cast<void *>(state.window + live), 0, past * sizeof(T));
      position = 0;
    }
    T *const now = state.window + position * rows * LANES;
    char *const base = reinterpret_cast<char *>(now);
    if (tape.inputs) packed = tape.inputs + (block * steps + t) * inputs;
    pack(x, inputs, block, t, packed);
    if (t + 2 < steps) prefetch(rows_of(x, inputs, block, t + 2), x.samples_of(block) * inputs * bytes_of(x));
    const int64_t n_active = list_nonzero(packed, nullptr, inputs, active);
    for (int64_t q = 0; q < n_active; ++q) {
      const int64_t i = active[q];
      const Synapse<T> *from = synapses.list + synapses.start[i], *to = synapses.list + synapses.start[i + 1];
      if (x.kind == Inputs::spikes) send(from, to, base, mask_of(packed[i]));
      else send_values(from, to, base, values<T>(x, inputs, block, t, i));
    }
    if (tape.replayed && t % SEGMENT == 0) {
      float *to = tape.replayed + (block * segments + t / SEGMENT) * n_replayed * LANES;
      const T *at = state.states;
      for (int i = 0; i < network.n_populations; ++i) {
        const Population<T> &p = network.populations[i];
        const T *from = at + p.neuron->first_replayed * p.size * LANES;
        for (int64_t j = 0; j < p.neuron->n_replayed * p.size; ++j, to += LANES)
          store(to, to_float(load<Row>(from + j * LANES)));
        at += (p.neuron->n_states + 1) * p.size * LANES;
      }
    }
    StepArguments<T> step;
    step.alone = false;
    step.valid = x.valid(block);
    step.compact = tape.compact;
    step.list = list;
    step.n_fired = 0;
    T *states = state.states;
    const auto advance = [&](const Population<T> &p) {
      step.population = &p;
      step.rows = p.size;
      step.arriving = now + p.first * LANES;
      step.states = states;
      step.current = states + p.neuron->n_states * p.size * LANES;
      states += (p.neuron->n_states + 1) * p.size * LANES;
      const NeuronKernels &kernels = *p.neuron->kernels[LSNN_ISA];
      run_forward(kernels, step);
    };
    int population = 0;
    for (; population < network.n_populations && network.populations[population].neuron->spiking; ++population) {
      const Population<T> &p = network.populations[population];
      step.left = state.left + p.first * LANES;
      step.before = before + p.first;
      step.fired = fired + p.first;
      step.near = near ? near + t * n + p.first : nullptr;
      step.cells = cells;
      const int64_t listed = step.n_fired;
      step.list = list + listed;
      step.n_fired = 0;
      advance(p);
      for (int64_t q = listed; q < listed + step.n_fired; ++q) list[q] += int32_t(p.first);
      step.n_fired += listed;
      cells = step.cells;
    }
    if (spikes) std::memcpy(spikes + t * n, fired, size_t(n) * sizeof(uint16_t));
    for (int64_t q = 0; q < step.n_fired; ++q) {
      const int64_t j = list[q];
      if (tape.counts) tape.counts[block * n + j] += __builtin_popcount(fired[j]);
      const int64_t *start = synapses.start + inputs + j;
      send(synapses.list + start[0], synapses.list + start[1], base, mask_of(fired[j]));
    }
    step.near = nullptr;
    step.fired = nullptr;
    for (; population < network.n_populations; ++population) {
      const Population<T> &p = network.populations[population];
      const T *v = states;
      advance(p);
      for (int64_t c = 0; c < p.size; ++c) {
        T *to = readout + ((t * network.outputs + p.first - n + c) * blocks + block) * LANES;
        store(to, load<Row>(v + c * LANES));
      }
    }
    if (membrane) keep_states(t + 1);
    uint16_t *const other = before;
    before = fired;
    fired = other;
  }
  if (before != state.fired) std::memcpy(state.fired, before, size_t(n) * sizeof(uint16_t));
  *state.position = position;
  if (tape.n_cells) tape.n_cells[block] = cells ? (static_cast<char *>(cells) - first_cell) / cell_bytes : 0;
  return true;
}

// --- one sample alone -------------------------------------------------------------------------------------

// What a source sends to single lanes.
template <class T>
INLINE void send_alone(const Synapse<T> *from, const Synapse<T> *to, char *base, T value) {
  for (; from < to; ++from) *reinterpret_cast<T *>(base + from->offset) += T(from->weight * value);
}

// Forward of a single sample, its lanes being neurons: the network is one whose populations count rows of 16 neurons.
template <class T>
static bool forward_alone(const Network<T> &network, const Alone &alone, const Inputs &x, const BlockState<T> &state,
                          const Tape &tape, T *readout, const Progress &progress) {
  typedef typename Lanes<T>::Row Row;
  const int64_t n = network.neurons, rows = network.rows(), inputs = network.inputs, slide = network.slide();
  const Synapses<T> &synapses = network.synapses;
  Scratch scratch(Scratch::room(n, 2) + Scratch::room(n + 16, 4));
  uint16_t *fired = scratch.take<uint16_t>(n), *before = state.fired;
  int32_t *const list = scratch.take<int32_t>(n + 16);
  int64_t position = *state.position;
  for (int64_t t = 0; t < x.steps; ++t, ++position) {
    if (progress()) return false;
    if (position == slide) {
      const size_t live = size_t((network.reach + 1) * rows) * LANES, past = size_t(slide * rows) * LANES;
      std::memmove(state.window, state.window + past, live * sizeof(T));
      std::memset(static_cast<void *>(state.window + live), 0, past * sizeof(T));
      position = 0;
    }
    T *const now = state.window + position * rows * LANES;
    char *const base = reinterpret_cast<char *>(now);
    const char *const row = rows_of(x, inputs, 0, t);
    for (int64_t i = 0; i < inputs; ++i) {
      const T value = x.kind == Inputs::real ? T(reinterpret_cast<const float *>(row)[i]) : T(reinterpret_cast<const int8_t *>(row)[i]);
      if (value != 0) send_alone(synapses.list + synapses.start[i], synapses.list + synapses.start[i + 1], base, value);
    }
    StepArguments<T> step;
    step.alone = true;
    step.near = nullptr;
    step.cells = nullptr;
    step.compact = true;
    T *states = state.states;
    int64_t neuron = 0, output = 0;
    for (int i = 0; i < network.n_populations; ++i) {
      const Population<T> &p = network.populations[i];
      const int64_t size = alone.sizes[i];
      step.population = &p;
      step.rows = p.size;
      step.valid = uint16_t((1u << ((size - 1) % LANES + 1)) - 1);
      step.arriving = now + p.first * LANES;
      step.states = states;
      step.current = states + p.neuron->n_states * p.size * LANES;
      step.list = list;
      step.n_fired = 0;
      if (p.neuron->spiking) {
        step.left = state.left + p.first * LANES;
        step.before = before + p.first;
        step.fired = fired + p.first;
      }
      run_forward(*p.neuron->kernels[LSNN_ISA], step);
      if (p.neuron->spiking) {
        if (tape.spikes) std::memset(tape.spikes + t * alone.neurons + neuron, 0, size_t(size) * sizeof(uint16_t));
        for (int64_t q = 0; q < step.n_fired; ++q)
          for (unsigned left = step.fired[list[q]]; left; left &= left - 1) {
            const int64_t j = neuron + list[q] * LANES + __builtin_ctz(left);
            if (tape.spikes) tape.spikes[t * alone.neurons + j] = 1;
            if (tape.counts) ++tape.counts[j];
            const int64_t *start = synapses.start + inputs + j;
            send_alone(synapses.list + start[0], synapses.list + start[1], base, T(1));
          }
        neuron += size;
      } else {
        for (int64_t c = 0; c < size; ++c, ++output) {
          T *const to = readout + (t * alone.outputs + output) * LANES;
          store(to, Row{});
          *to = states[c];
        }
      }
      states += (p.neuron->n_states + 1) * p.size * LANES;
    }
    uint16_t *const other = before;
    before = fired;
    fired = other;
  }
  if (before != state.fired) std::memcpy(state.fired, before, size_t(n) * sizeof(uint16_t));
  *state.position = position;
  return true;
}

// --- backward ---------------------------------------------------------------------------------------------

template <int N>
INLINE float sum_of(const float *row, const int *lanes, int n) {
  if constexpr (N == 1) return row[lanes[0]];
  if constexpr (N == 2) return row[lanes[0]] + row[lanes[1]];
  float total = 0;
  for (int l = 0; l < n; ++l) total += row[lanes[l]];
  return total;
}

template <int N>
INLINE void add_gradients(const Synapse<float> *list, int64_t from, int64_t to, const char *base, const int *lanes, int n,
                          float *gradient) {
  for (int64_t k = from; k < to; ++k)
    gradient[k] += sum_of<N>(reinterpret_cast<const float *>(base + list[k].offset), lanes, n);
}

// Adds the gradient rows of a source's spikes to its synapses, one set bit at a time: few are set.
INLINE void weight_gradients(const Synapse<float> *list, int64_t from, int64_t to, const char *base, uint16_t spikes,
                             float *gradient) {
  int lanes[LANES], n = 0;
  for (unsigned left = spikes; left; left &= left - 1) lanes[n++] = __builtin_ctz(left);
  if (n == 1) add_gradients<1>(list, from, to, base, lanes, n, gradient);
  else if (n == 2) add_gradients<2>(list, from, to, base, lanes, n, gradient);
  else add_gradients<0>(list, from, to, base, lanes, n, gradient);
}

// The gradient of what a source sends, through its synapses.
INLINE F through_readouts(const Synapse<float> *list, int64_t from, int64_t to, const char *base) {
  F total = F{};
  for (int64_t k = from; k < to; ++k) total += load<F>(base + list[k].offset) * splat(list[k].weight);
  return total;
}
INLINE F through_neurons(const Synapse<float> *list, int64_t from, int64_t to, const char *base) {
  F one = F{}, two = F{};
  int64_t k = from;
  for (; k + 2 <= to; k += 2) {
    one += load<F>(base + list[k].offset) * splat(list[k].weight);
    two += load<F>(base + list[k + 1].offset) * splat(list[k + 1].weight);
  }
  if (k < to) one += load<F>(base + list[k].offset) * splat(list[k].weight);
  return one + two;
}

// Gradients of the inputs of a block at a step.
static void input_gradients(const Network<float> &network, const Errors &errors, const Inputs &x, int64_t block, int64_t t,
                            const char *base, float *gradient) {
  const Synapses<float> &synapses = network.synapses;
  const int64_t inputs = network.inputs;
  float *const to = gradient + (t * x.samples + block * LANES) * inputs;
  for (int64_t i = 0; i < inputs; ++i) {
    const int64_t start = synapses.start[i], middle = synapses.readouts[i], end = synapses.start[i + 1];
    float lanes[LANES];
    store(lanes, through_readouts(errors.back, middle, end, base) + through_neurons(errors.back, start, middle, base));
    for (int64_t b = 0; b < x.samples_of(block); ++b) to[b * inputs + i] = lanes[b];
  }
}

// What was sent before the first step and arrived after it: gradients of the weights. `base`: rows of the first step.
template <class Cell>
static void past_gradients(const Network<float> &network, const Inputs &x, int64_t block, const Cell *past, int64_t steps,
                           int64_t sources, int64_t first, const char *base, float *gradient) {
  const int64_t row_bytes = network.rows() * LANES * int64_t(sizeof(float));
  for (int64_t ago = 1; ago <= steps; ++ago)
    for (int64_t i = 0; i < sources; ++i) {
      float lanes[LANES] = {};
      bool any = false;
      for (int64_t b = 0; b < x.samples_of(block); ++b) {
        lanes[b] = float(past[((steps - ago) * x.samples + block * LANES + b) * sources + i]);
        any |= lanes[b] != 0;
      }
      if (!any) continue;
      for (int64_t k = network.synapses.start[first + i]; k < network.synapses.start[first + i + 1]; ++k) {
        const int64_t offset = int64_t(network.synapses.list[k].offset) - ago * row_bytes;
        if (offset >= 0) gradient[k] += sum(load<F>(base + offset) * load<F>(lanes));
      }
    }
}

// Backward through time. The pseudo-derivative is gamma max(0, 1 - |x|); gradients flow through membrane, adaptation,
// reset, current and synapses.
static bool backward_block(const Network<float> &network, const Inputs &x, int64_t block, bool at_rest, const Tape &tape,
                           const Errors &errors, const Gradients &gradients, const Progress &progress) {
  const int64_t n = network.neurons, rows = network.rows(), inputs = network.inputs, steps = x.steps;
  const int64_t blocks = x.blocks(), slide = network.slide(), segments = segments_of(steps);
  const int64_t n_replayed = replayed_rows(network);
  const Synapses<float> &synapses = network.synapses;
  const int64_t window_rows = network.window() * rows, adjoint_rows = state_rows(network);
  Scratch scratch(Scratch::room((window_rows + adjoint_rows + rows + (SEGMENT + 1) * n_replayed) * LANES, 4) +
                  Scratch::room(inputs + 16, 4) + 2 * Scratch::room(n + 16, 4) +
                  Scratch::room(n * LANES, 4) + Scratch::room(n, 2) + 1024);
  float *const window = scratch.take<float>(window_rows * LANES);
  float *const adjoints = scratch.take<float>(adjoint_rows * LANES);  // and gradients of drives
  float *const through = scratch.take<float>(rows * LANES);
  float *const replayed = scratch.take<float>(SEGMENT * n_replayed * LANES);
  float *const from_outside = scratch.take<float>(n * LANES);
  const uint16_t *const none = scratch.take<uint16_t>(n);
  int32_t *const active = scratch.take<int32_t>(inputs + 16);
  int32_t *const near_list = scratch.take<int32_t>(n + 16), *const fired_list = scratch.take<int32_t>(n + 16);
  // before the first spikes only inputs have gradients
  const int64_t begin = at_rest && !gradients.inputs ? quiet_steps(network, x, block) : 0;
  const uint16_t *const start = tape.start ? tape.start + block * n : none;
  const uint16_t *const all_spikes = tape.spikes + block * steps * n, *const all_near = tape.near + block * steps * n;
  const int64_t cell_bytes = LANES * (tape.compact ? sizeof(int16_t) : sizeof(float));
  const char *cells = static_cast<const char *>(tape.cells) + (block * (steps * n + 1) + tape.n_cells[block]) * cell_bytes;
  const float *const membrane = tape.membrane ? tape.membrane + block * (steps + 1) * rows * LANES : nullptr;
  const float *const current = tape.current ? tape.current + block * (steps + 1) * rows * LANES : nullptr;
  int64_t position = slide;
  for (int64_t t = steps - 1; t >= begin; --t, --position) {
    if (progress()) return false;
    if (position < 0) {  // rows 0 to reach - 1 hold the steps after: they move up
      std::memmove(window + (slide + 1) * rows * LANES, window, size_t(network.reach * rows) * LANES * sizeof(float));
      position = slide;
    }
    float *const now = window + position * rows * LANES, *const next = now + rows * LANES;
    const char *const base = reinterpret_cast<const char *>(now);
    const int64_t segment = t / SEGMENT, first = segment * SEGMENT;
    const uint16_t *const fired = all_spikes + t * n, *const near = all_near + t * n;
    const uint16_t *const before = t ? fired - n : start;
    if (n_replayed && (t == steps - 1 || t == first + SEGMENT - 1)) {
      int64_t at = 0;
      for (int i = 0; i < network.n_populations; ++i) {
        const Population<float> &p = network.populations[i];
        if (p.neuron->n_replayed == 0) continue;
        ReplayArguments again;
        again.population = &p;
        again.rows = p.size;
        again.neurons = n;
        again.steps = t - first + 1;
        again.stride = n_replayed * LANES;
        again.from = tape.replayed + ((block * segments + segment) * n_replayed + at) * LANES;
        again.to = replayed + at * LANES;
        again.fired = all_spikes + first * n + p.first;
        again.start = start + p.first;
        again.has_before = first > 0;
        p.neuron->kernels[LSNN_ISA]->replay(again);
        at += p.size * p.neuron->n_replayed;
      }
    }
    const int64_t n_near = list_nonzero(near, nullptr, n, near_list);
    const int64_t n_fired = list_nonzero(fired, near, n, fired_list);
    cells -= n_near * cell_bytes;
    if (t > begin) {
      prefetch(fired - n, n * 2);
      prefetch(near - n, n * 2);
      for (int64_t c = 0; c < network.outputs; ++c)
        __builtin_prefetch(errors.readout + (((t - 1) * network.outputs + c) * blocks + block) * LANES);
    }
    BackwardArguments step;
    step.compact = tape.compact;
    step.first_of_segment = t == first;
    // Readouts first: spikes of this step reach them in this step.
    float *adjoint = adjoints;
    float *gradient = gradients.constants;
    const float *replayed_now = replayed + (t - first) * n_replayed * LANES;
    const float *replayed_before = t > first ? replayed_now - n_replayed * LANES
                                             : tape.replayed + (block * segments + segment) * n_replayed * LANES;
    const auto set = [&](const Population<float> &p) {
      step.population = &p;
      step.rows = p.size;
      step.next = next + p.first * LANES;
      step.now = now + p.first * LANES;
      step.adjoints = adjoint;
      step.drive = p.decay_i ? adjoint + p.neuron->n_states * p.size * LANES : nullptr;
      step.through = through + p.first * LANES;
      step.membrane_before = membrane ? membrane + (t * rows + p.first) * LANES : nullptr;
      step.current_before = current ? current + (t * rows + p.first) * LANES : nullptr;
      step.gradients = gradient;
      step.replayed = replayed_now;
      step.replayed_before = replayed_before;
      adjoint += (p.neuron->n_states + 1) * p.size * LANES;
      if (gradient) gradient += (p.neuron->n_constants + 2) * p.size;
      replayed_now += p.neuron->n_replayed * p.size * LANES;
      replayed_before += p.neuron->n_replayed * p.size * LANES;
    };
    int population = 0;
    for (; population < network.n_populations; ++population) {
      const Population<float> &p = network.populations[population];
      set(p);
      if (p.neuron->spiking) continue;
      for (int64_t c = 0; c < p.size; ++c)
        store(step.through + c * LANES,
              load<F>(errors.readout + ((t * network.outputs + p.first - n + c) * blocks + block) * LANES));
      p.neuron->kernels[LSNN_ISA]->backward(step);
    }
    // Then spikes: what comes back through their synapses, and what it does to the weights.
    std::memset(through, 0, size_t(n) * LANES * sizeof(float));
    for (int64_t q = 0; q < n_near; ++q) {
      const int64_t j = near_list[q];
      const int64_t start = synapses.start[inputs + j], middle = synapses.readouts[inputs + j],
                    end = synapses.start[inputs + j + 1];
      store(through + j * LANES, through_readouts(errors.back, middle, end, base) +
                                     through_neurons(errors.back, start, middle, base));
      if (fired[j]) weight_gradients(synapses.list, start, end, base, fired[j], gradients.synapses);
    }
    for (int64_t q = 0; q < n_fired; ++q) {
      const int64_t j = fired_list[q];
      weight_gradients(synapses.list, synapses.start[inputs + j], synapses.start[inputs + j + 1], base, fired[j],
                       gradients.synapses);
    }
    // Then the populations.
    adjoint = adjoints;
    gradient = gradients.constants;
    replayed_now = replayed + (t - first) * n_replayed * LANES;
    replayed_before = t > first ? replayed_now - n_replayed * LANES
                                : tape.replayed + (block * segments + segment) * n_replayed * LANES;
    int64_t listed = 0;
    for (population = 0; population < network.n_populations; ++population) {
      const Population<float> &p = network.populations[population];
      if (!p.neuron->spiking) break;
      set(p);
      step.fired = fired + p.first;
      step.before = before + p.first;
      step.near = near + p.first;
      step.list = near_list + listed;
      step.n_list = 0;
      while (listed < n_near && near_list[listed] < p.first + p.size) {
        near_list[listed++] -= int32_t(p.first);
        ++step.n_list;
      }
      step.cells = cells + (listed - step.n_list) * cell_bytes;
      step.rate = errors.rate + p.first;
      step.spikes = nullptr;
      if (errors.spikes && errors.spikes[population]) {
        float *const to = from_outside + p.first * LANES;
        const float *from = errors.spikes[population] + (t * x.samples + block * LANES) * p.size;
        for (int64_t q = 0; q < step.n_list; ++q) {
          const int64_t j = step.list[q];
          for (int64_t b = 0; b < x.samples_of(block); ++b) to[j * LANES + b] = from[b * p.size + j];
        }
        step.spikes = to;
      }
      p.neuron->kernels[LSNN_ISA]->through_spikes(step);
      p.neuron->kernels[LSNN_ISA]->backward(step);
    }
    const uint16_t *const packed = tape.inputs + (block * steps + t) * inputs;
    const int64_t n_active = list_nonzero(packed, nullptr, inputs, active);
    for (int64_t q = 0; q < n_active; ++q) {
      const int64_t i = active[q];
      if (x.kind == Inputs::spikes) {
        weight_gradients(synapses.list, synapses.start[i], synapses.start[i + 1], base, packed[i], gradients.synapses);
        continue;
      }
      const F value = values<float>(x, inputs, block, t, i);
      for (int64_t k = synapses.start[i]; k < synapses.start[i + 1]; ++k)
        gradients.synapses[k] += sum(load<F>(base + synapses.list[k].offset) * value);
    }
    if (gradients.inputs) input_gradients(network, errors, x, block, t, base, gradients.inputs);
  }
  if (begin == 0) {
    const char *const base = reinterpret_cast<const char *>(window + (position + 1) * rows * LANES);
    past_gradients(network, x, block, tape.past_inputs, tape.n_past_inputs, inputs, 0, base, gradients.synapses);
    past_gradients(network, x, block, tape.past_spikes, tape.n_past_spikes, n, inputs, base, gradients.synapses);
  }
  return true;
}
