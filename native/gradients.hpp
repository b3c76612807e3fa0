// Backward through synapses: gradients of what sources send, and of weights.

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
