// Forward through time, a block of 16 samples.

// Moves the window back when now has come to the end of its memory; gives the position of now.
template <class T>
INLINE int64_t slide_back(const Network<T> &network, T *window, int64_t position) {
  if (position < network.slide()) return position;
  const size_t live = size_t((network.reach + 1) * network.rows()) * LANES;
  const size_t past = size_t(network.slide() * network.rows()) * LANES;
  std::memmove(window, window + past, live * sizeof(T));
  std::memset(static_cast<void *>(window + live), 0, past * sizeof(T));
  return 0;
}

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

// Membranes and synaptic currents as they stand, (row, lane), for the tape.
template <class T>
static void copy_states(const Network<T> &network, const BlockState<T> &state, float *membrane, float *current) {
  typedef typename Lanes<T>::Row Row;
  const T *at = state.states;
  for (int i = 0; i < network.n_populations; ++i) {
    const Population<T> &p = network.populations[i];
    for (int64_t j = 0; j < p.size; ++j) {
      store(membrane + (p.first + j) * LANES, to_float(load<Row>(at + j * LANES)));
      store(current + (p.first + j) * LANES, to_float(load<Row>(at + (p.neuron->n_states * p.size + j) * LANES)));
    }
    at += (p.neuron->n_states + 1) * p.size * LANES;
  }
}

// States that are replayed as they stand, (row, lane), for the tape.
template <class T>
static void copy_replayed(const Network<T> &network, const BlockState<T> &state, float *to) {
  const T *at = state.states;
  for (int i = 0; i < network.n_populations; ++i) {
    const Population<T> &p = network.populations[i];
    const T *from = at + p.neuron->first_replayed * p.size * LANES;
    for (int64_t j = 0; j < p.neuron->n_replayed * p.size; ++j, to += LANES)
      store(to, to_float(load<typename Lanes<T>::Row>(from + j * LANES)));
    at += (p.neuron->n_states + 1) * p.size * LANES;
  }
}

// A population of readouts: its rows of lanes into its columns of (sample, output), and back.
template <class T>
INLINE void by_sample(const T *rows, int64_t size, int64_t samples, int64_t outputs, T *to) {
  for (int64_t c = 0; c < size; ++c, rows += LANES)
    if (samples == LANES)  // known to the compiler
      for (int64_t b = 0; b < LANES; ++b) to[b * outputs + c] = rows[b];
    else
      for (int64_t b = 0; b < samples; ++b) to[b * outputs + c] = rows[b];
}
template <class T>
INLINE void by_row(const T *from, int64_t size, int64_t samples, int64_t outputs, T *rows) {
  for (int64_t c = 0; c < size; ++c, rows += LANES)
    if (samples == LANES)
      for (int64_t b = 0; b < LANES; ++b) rows[b] = from[b * outputs + c];
    else
      for (int64_t b = 0; b < samples; ++b) rows[b] = from[b * outputs + c];
}

template <class T>
static bool forward_block(const Network<T> &network, const Inputs &x, int64_t block, const BlockState<T> &state,
                          bool at_rest, const Tape &tape, T *readout, const Progress &progress) {
  const int64_t n = network.neurons, rows = network.rows(), inputs = network.inputs, steps = x.steps;
  const int64_t samples = x.samples_of(block), outputs = network.outputs, segments = segments_of(steps);
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
  uint16_t *const held = tape.held ? tape.held + block * steps * n : nullptr;
  if (held) std::memset(held, 0, size_t(steps * n) * sizeof(uint16_t));  // only populations that hold write to it
  if (tape.inputs) std::memset(tape.inputs + block * steps * inputs, 0, size_t(begin * inputs) * sizeof(uint16_t));
  if (tape.replayed)
    std::memset(tape.replayed + block * segments * n_replayed * LANES, 0,
                size_t(begin / SEGMENT * n_replayed) * LANES * sizeof(float));
  readout += block * LANES * outputs;
  for (int64_t t = 0; t < begin; ++t) std::memset(readout + t * x.samples * outputs, 0, size_t(samples * outputs) * sizeof(T));
  const int64_t cell_bytes = LANES * (tape.compact ? sizeof(int16_t) : sizeof(float));
  char *const first_cell = static_cast<char *>(tape.cells) + block * (steps * n + 1) * cell_bytes;
  void *cells = tape.cells ? first_cell : nullptr;
  float *const membrane = tape.membrane ? tape.membrane + block * (steps + 1) * rows * LANES : nullptr;
  float *const current = tape.current ? tape.current + block * (steps + 1) * rows * LANES : nullptr;
  const auto keep_states = [&](int64_t t) {
    copy_states(network, state, membrane + t * rows * LANES, current + t * rows * LANES);
  };
  if (membrane)
    for (int64_t t = 0; t <= begin; ++t) keep_states(t);
  int64_t position = *state.position;
  for (int64_t t = begin; t < steps; ++t, ++position) {
    if (progress()) return false;
    position = slide_back(network, state.window, position);
    T *const now = state.window + position * rows * LANES;
    char *const base = reinterpret_cast<char *>(now);
    if (tape.inputs) packed = tape.inputs + (block * steps + t) * inputs;
    pack(x, inputs, block, t, packed);
    if (t + 2 < steps) prefetch(rows_of(x, inputs, block, t + 2), samples * inputs * bytes_of(x));
    if (t + 2 < steps)
      for (int64_t i = 0; i < samples * outputs; i += 16) __builtin_prefetch(readout + (t + 2) * x.samples * outputs + i, 1, 3);
    const int64_t n_active = list_nonzero(packed, nullptr, inputs, active);
    for (int64_t q = 0; q < n_active; ++q) {
      const int64_t i = active[q];
      const Synapse<T> *from = synapses.list + synapses.start[i], *to = synapses.list + synapses.start[i + 1];
      if (x.kind == Inputs::spikes) send(from, to, base, mask_of(packed[i]));
      else send_values(from, to, base, values<T>(x, inputs, block, t, i));
    }
    if (tape.replayed && t % SEGMENT == 0)
      copy_replayed(network, state, tape.replayed + (block * segments + t / SEGMENT) * n_replayed * LANES);
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
      step.input_current = now + p.first * LANES;
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
      step.held = held ? held + t * n + p.first : nullptr;
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
    step.near = step.held = nullptr;
    step.fired = nullptr;
    for (; population < network.n_populations; ++population) {
      const Population<T> &p = network.populations[population];
      const T *v = states;
      advance(p);
      by_sample(v, p.size, samples, outputs, readout + t * x.samples * outputs + p.first - n);
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
