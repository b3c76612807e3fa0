// Forward of one sample whose lanes are neurons.

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
  const int64_t n = network.neurons, rows = network.rows(), inputs = network.inputs;
  const Synapses<T> &synapses = network.synapses;
  Scratch scratch(Scratch::room(n, 2) + Scratch::room(n + 16, 4));
  uint16_t *fired = scratch.take<uint16_t>(n), *before = state.fired;
  int32_t *const list = scratch.take<int32_t>(n + 16);
  int64_t position = *state.position;
  for (int64_t t = 0; t < x.steps; ++t, ++position) {
    if (progress()) return false;
    position = slide_back(network, state.window, position);
    T *const now = state.window + position * rows * LANES;
    char *const base = reinterpret_cast<char *>(now);
    const char *const row = rows_of(x, inputs, 0, t);
    for (int64_t i = 0; i < inputs; ++i) {
      const T value = x.kind == Inputs::real ? T(reinterpret_cast<const float *>(row)[i]) : T(reinterpret_cast<const int8_t *>(row)[i]);
      if (value != 0) send_alone(synapses.list + synapses.start[i], synapses.list + synapses.start[i + 1], base, value);
    }
    StepArguments<T> step;
    step.alone = true;
    step.near = step.held = nullptr;
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
      step.input_current = now + p.first * LANES;
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
        for (int64_t c = 0; c < size; ++c, ++output) readout[t * alone.outputs + output] = states[c];
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
