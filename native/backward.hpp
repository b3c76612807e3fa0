// Backward through time, a block of 16 samples.

// The states of a segment's steps again: `from` are those before it, `to` is (step, stride).
static void replay_segment(const Network<float> &network, const float *from, const uint16_t *spikes, const uint16_t *start,
                           int64_t first, int64_t steps, int64_t stride, float *to) {
  for (int i = 0; i < network.n_populations; ++i) {
    const Population<float> &p = network.populations[i];
    const int64_t rows = p.size * p.neuron->n_replayed * LANES;
    ReplayArguments again;
    again.population = &p;
    again.rows = p.size;
    again.neurons = network.neurons;
    again.steps = steps;
    again.stride = stride;
    again.from = from;
    again.to = to;
    again.fired = spikes + first * network.neurons + p.first;
    again.start = start + p.first;
    again.has_before = first > 0;
    if (rows) p.neuron->kernels[LSNN_ISA]->replay(again);
    from += rows;
    to += rows;
  }
}

// Backward through time. The pseudo-derivative is gamma max(0, 1 - |x|); gradients flow through membrane, adaptation,
// reset, current and synapses.
static bool backward_block(const Network<float> &network, const Inputs &x, int64_t block, bool at_rest, const Tape &tape,
                           const Errors &errors, const Gradients &gradients, const Progress &progress) {
  const int64_t n = network.neurons, rows = network.rows(), inputs = network.inputs, steps = x.steps;
  const int64_t samples = x.samples_of(block), outputs = network.outputs, slide = network.slide(), segments = segments_of(steps);
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
    if (n_replayed && (t == steps - 1 || t == first + SEGMENT - 1))
      replay_segment(network, tape.replayed + (block * segments + segment) * n_replayed * LANES, all_spikes, start, first,
                     t - first + 1, n_replayed * LANES, replayed);
    const int64_t n_near = list_nonzero(near, nullptr, n, near_list);
    const int64_t n_fired = list_nonzero(fired, near, n, fired_list);
    cells -= n_near * cell_bytes;
    if (t > begin) {
      prefetch(fired - n, n * 2);
      prefetch(near - n, n * 2);
      prefetch(errors.readout + ((t - 1) * x.samples + block * LANES) * outputs, samples * outputs * int64_t(sizeof(float)));
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
      by_row(errors.readout + (t * x.samples + block * LANES) * outputs + p.first - n, p.size, samples, outputs, step.through);
      p.neuron->kernels[LSNN_ISA]->backward(step);
    }
    // Then spikes: what comes back through their synapses, and what it does to the weights.
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
      step.held = tape.held ? tape.held + (block * steps + t) * n + p.first : nullptr;
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
          for (int64_t b = 0; b < samples; ++b) to[j * LANES + b] = from[b * p.size + j];
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
