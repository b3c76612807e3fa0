// What a neuron's header sees of the engine: one neuron (row) at one step, forward and backward, and the loops over a
// population around it.
//
// A header holds a struct with
//
//     name, constants, states     as Python calls them; n_constants, n_states
//     spiking, refractory         whether it spikes, whether it has refractory steps (`n_ref`)
//     first_replayed, n_replayed  which states the backward step reads: they are recomputed from the spikes
//     forward(k, drive)           one step over either arithmetic
//     through_spikes(k, gz)       backward: gz and what reaches the spike through the neuron's own next step
//     backward(k, through)        backward: the gradient of the drive; `through` is what comes through the spike
//     replay(k)                   the replayed states one step on
//
// Gradients of states ("adjoints") are those of the step after: what a state's decayed value was given there.

template <class Scalar>
struct Lanes;
template <>
struct Lanes<float> { typedef F Row; typedef Real Arithmetic; };
template <>
struct Lanes<int32_t> { typedef I Row; typedef Loihi Arithmetic; };

enum class Record { nothing, compact, any };  // what of the tape is written; any: decided at run time

// --- forward ----------------------------------------------------------------------------------------------

// PLAIN: no bias, no current, a spike above the threshold subtracts it; all else is decided at run time. ALONE: the
// lanes are neurons of one sample.
template <class T, bool PLAIN, Record RECORD, bool ALONE>
struct Forward {
  typedef typename Lanes<T>::Row Row;
  typedef typename Lanes<T>::Arithmetic A;
  const T *constants[MAX_CONSTANTS];  // by value: no store can change it
  T *states;
  int64_t rows, j;  // of the population
  const float *inverse_width;
  const uint8_t *n_ref;
  uint8_t *left;
  const uint16_t *before;
  uint16_t *fired, *near, *held;
  uint16_t valid;
  Reset reset_kind;
  bool inclusive, compact;
  char *cells;
  int32_t *list;
  int64_t n_fired;

  explicit Forward(const StepArguments<T> &s)
      : states(s.states), rows(s.rows), j(0),
        inverse_width(s.population->inverse_width), n_ref(s.population->n_ref), left(s.left), before(s.before),
        fired(s.fired), near(s.near), held(s.held), valid(s.valid), reset_kind(s.population->reset),
        inclusive(s.population->at_threshold), compact(s.compact), cells(static_cast<char *>(s.cells)), list(s.list),
        n_fired(s.n_fired) {
    for (int i = 0; i < MAX_CONSTANTS; ++i) constants[i] = s.population->constants[i];
  }

  INLINE_MEMBER Row of(const T *column) const {
    if constexpr (ALONE) return load<Row>(column + j * LANES);
    else return splat(column[j]);
  }
  // A constant of the neuron.
  INLINE_MEMBER Row operator()(int constant) const { return of(constants[constant]); }
  INLINE_MEMBER Row get(int state) const { return load<Row>(states + (state * rows + j) * LANES); }
  INLINE_MEMBER void set(int state, Row row) const { store(states + (state * rows + j) * LANES, row); }
  // The row where the neuron spiked in the step before.
  INLINE_MEMBER Row where_fired(Row row) const { return keep(mask_of(before[j]), row); }
  INLINE_MEMBER Reset reset() const { return PLAIN ? Reset::subtract : reset_kind; }
  INLINE_MEMBER bool at_threshold() const { return PLAIN ? false : inclusive; }

  // Where the neuron is refractory, before `spike` counts the step; kept on the tape.
  INLINE_MEMBER Mask refractory() const {
    const uint16_t lanes = n_ref ? nonzero(load<Bytes>(left + j * LANES)) : uint16_t(0);
    if constexpr (RECORD != Record::nothing)
      if (held) held[j] = lanes;
    return mask_of(lanes);
  }

  // Spikes where the distance to threshold is above 0 (or at least 0) and the neuron is not refractory.
  INLINE_MEMBER Mask spike(Row distance, bool at_least_0, bool refractory) {
    uint16_t allowed = valid;
    Bytes steps = Bytes{};
    if (refractory && n_ref) {
      steps = load<Bytes>(left + j * LANES);
      allowed &= uint16_t(~nonzero(steps));
    }
    const Row zero = splat(T(0));
    const Mask over = at_least_0 ? at_least(distance, zero) : greater(distance, zero);
    const uint16_t spikes = uint16_t(bits(over)) & allowed;
    if (refractory && n_ref) {
      steps -= (Bytes)(steps != 0) & 1;
      Bytes full;
      if constexpr (ALONE) full = load<Bytes>(n_ref + j * LANES);
      else full = n_ref[j] - Bytes{};
      store(left + j * LANES, pick(spikes, full, steps));
    }
    if constexpr (RECORD != Record::nothing)
      if (RECORD == Record::compact || near) write_distance(to_float(distance) * splat(inverse_width[j]), allowed);
    fired[j] = spikes;
    list[n_fired] = int32_t(j);
    n_fired += spikes != 0;
    return mask_of(spikes);
  }

 private:
  // A neuron at rest is exactly one width below its threshold, where the pseudo-derivative ends; rounding of
  // 1 / width must not put it inside.
  INLINE_MEMBER void write_distance(F x, uint16_t allowed) {
    const F one = splat(1.0f);
    const Mask inside = greater(splat(1.0f - 1.0f / (1 << 20)), absolute(x));
    uint16_t here = uint16_t(bits(inside)) & allowed;
    if (RECORD == Record::compact || compact) {
      const F scaled = pick(mask_of(here), x, one) * splat(32767.0f);
      const I rounded = truncated(scaled + with_sign_of(splat(0.5f), scaled));
      here = uint16_t(bits(greater(splat(32767.0f), absolute(to_float(rounded))))) & here;
      int16_t *at = reinterpret_cast<int16_t *>(cells);
      stream_short(at, rounded);
      cells += (here != 0) * LANES * sizeof(int16_t);
    } else {
      store(reinterpret_cast<float *>(cells), x);
      cells += (here != 0) * LANES * sizeof(float);
    }
    near[j] = here;
  }
};

template <class N, class T, bool PLAIN, Record RECORD, bool ALONE>
static void forward_population(StepArguments<T> &s) {
  typedef typename Lanes<T>::Row Row;
  typedef typename Lanes<T>::Arithmetic A;
  Forward<T, PLAIN, RECORD, ALONE> k(s);
  const T *const decay_i = s.population->decay_i, *const bias = s.population->bias;
  const T *const input_current = s.input_current;
  T *const current = s.current;
  for (k.j = 0; k.j < s.rows; ++k.j) {
    Row drive = load<Row>(input_current + k.j * LANES);
    if (!PLAIN && decay_i) {
      drive = A::wrap(A::decay(load<Row>(current + k.j * LANES), k.of(decay_i)) + drive);
      store(current + k.j * LANES, drive);
    }
    if (!PLAIN && bias) drive = drive + k.of(bias);
    if constexpr (ALONE)
      if (N::spiking) k.valid = k.j + 1 < s.rows ? uint16_t(0xffff) : s.valid;
    N::forward(k, drive);
  }
  s.cells = k.cells;
  s.n_fired = k.n_fired;
}

template <class N, class T>
static void forward(StepArguments<T> &s) {
  const Population<T> &p = *s.population;
  const bool plain = !p.decay_i && !p.bias && !p.at_threshold && p.reset == Reset::subtract;
  if (s.alone) return forward_population<N, T, false, Record::nothing, true>(s);
  if (plain && s.near && s.compact) return forward_population<N, T, true, Record::compact, false>(s);
  if (plain && !s.near) return forward_population<N, T, true, Record::nothing, false>(s);
  return forward_population<N, T, false, Record::any, false>(s);
}

// --- backward ---------------------------------------------------------------------------------------------

// LEARN: gradients of constants are wanted. PLAIN: a spike subtracts the threshold, and there is no current.
template <bool PLAIN, bool LEARN>
struct Backward {
  static constexpr bool learns = LEARN;
  const BackwardArguments s;  // by value: no store can change it
  const float *constants[MAX_CONSTANTS], *inverse_width;
  int64_t rows, j;
  Reset reset_kind;
  const void *cell;  // the distance of this neuron, where it is near

  explicit Backward(const BackwardArguments &from)
      : s(from), inverse_width(s.population->inverse_width), rows(s.rows), j(0), reset_kind(s.population->reset),
        cell(nullptr) {
    for (int i = 0; i < MAX_CONSTANTS; ++i) constants[i] = s.population->constants[i];
  }

  INLINE_MEMBER F operator()(int constant) const { return splat(constants[constant][j]); }
  INLINE_MEMBER F adjoint(int state) const { return load<F>(s.adjoints + (state * rows + j) * LANES); }
  INLINE_MEMBER void set_adjoint(int state, F row) const { store(s.adjoints + (state * rows + j) * LANES, row); }
  // Gradient of the drive of the next step.
  INLINE_MEMBER F next_drive() const {
    return load<F>((PLAIN || !s.drive ? s.next : s.drive) + j * LANES);
  }
  INLINE_MEMBER Mask fired() const { return mask_of(s.fired[j]); }
  INLINE_MEMBER F where_fired(F row) const { return keep(fired(), row); }
  INLINE_MEMBER F where_fired_before(F row) const { return keep(mask_of(s.before[j]), row); }
  INLINE_MEMBER Mask refractory() const { return mask_of(s.held[j]); }  // where a reset holds
  // A replayed state at this step, and at the end of the one before.
  INLINE_MEMBER F replayed(int i) const { return load<F>(s.replayed + (i * rows + j) * LANES); }
  INLINE_MEMBER F replayed_before(int i) const { return load<F>(s.replayed_before + (i * rows + j) * LANES); }
  // Whether `replayed_before` is from the state kept before the segment's first step, not replayed.
  INLINE_MEMBER bool first_of_segment() const { return s.first_of_segment; }
  INLINE_MEMBER Reset reset() const { return PLAIN ? Reset::subtract : reset_kind; }
  INLINE_MEMBER F width() const { return splat(1.0f / inverse_width[j]); }
  INLINE_MEMBER F distance() const {
    if (s.compact) return to_float(load_short(static_cast<const int16_t *>(cell))) * splat(1.0f / 32767.0f);
    return load<F>(static_cast<const float *>(cell));
  }
  // The membrane at the end of the step before; for LEARN alone.
  INLINE_MEMBER F membrane_before() const { return load<F>(s.membrane_before + j * LANES); }
  INLINE_MEMBER void learn(int constant, F gradient) const {
    if constexpr (LEARN) s.gradients[constant * rows + j] += sum(gradient);
  }
};

template <class N, bool PLAIN, bool LEARN>
static void through_spikes_of(BackwardArguments &s) {
  Backward<PLAIN, LEARN> k(s);
  const char *cell = static_cast<const char *>(s.cells);
  const int64_t step = s.compact ? LANES * sizeof(int16_t) : LANES * sizeof(float);
  const F gamma = splat(s.population->gamma), one = splat(1.0f);
  for (int64_t q = 0; q < s.n_list; ++q, cell += step) {
    const int64_t j = k.j = s.list[q];
    k.cell = cell;
    const F d = k.distance();
    F gz = splat(s.rate[j]);
    if (s.spikes) gz += load<F>(s.spikes + j * LANES);
    gz = N::through_spikes(k, gz);
    gz += load<F>(s.through + j * LANES);
    const F gx = keep(mask_of(s.near[j]), gz * (gamma * (one - absolute(d))));
    if constexpr (LEARN) s.gradients[N::WIDTH_OF_SURROGATE * s.rows + j] -= sum(gx * d) * k.inverse_width[j];
    store(s.through + j * LANES, gx * splat(k.inverse_width[j]));
  }
}

template <class N>
static void through_spikes(BackwardArguments &s) {
  if constexpr (N::spiking) {
    const bool plain = !s.drive && s.population->reset == Reset::subtract;
    if (s.gradients) through_spikes_of<N, false, true>(s);
    else if (plain) through_spikes_of<N, true, false>(s);
    else through_spikes_of<N, false, false>(s);
  }
}

template <class N, bool PLAIN, bool LEARN>
static void backward_population(BackwardArguments &s) {
  Backward<PLAIN, LEARN> k(s);
  const float *const decay_i = s.population->decay_i;
  for (int64_t j = 0; j < s.rows; ++j) {
    k.j = j;
    F through = load<F>(s.through + j * LANES);
    if (N::spiking) through = keep(mask_of(s.near[j]), through);  // what is not near holds an older step's
    const F drive = N::backward(k, through);
    if (LEARN && s.population->bias) s.gradients[(N::n_constants + 1) * s.rows + j] += sum(drive);
    if (!PLAIN && s.drive) {
      const F current = load<F>(s.next + j * LANES) * splat(decay_i[j]) + drive;
      store(s.now + j * LANES, current);
      store(s.drive + j * LANES, drive);
      if (LEARN)
        s.gradients[N::n_constants * s.rows + j] += sum(current * load<F>(s.current_before + j * LANES));
    } else {
      store(s.now + j * LANES, drive);
    }
  }
}

template <class N>
static void backward(BackwardArguments &s) {
  const bool plain = !s.drive && s.population->reset == Reset::subtract;
  if (s.gradients) backward_population<N, false, true>(s);
  else if (plain) backward_population<N, true, false>(s);
  else backward_population<N, false, false>(s);
}

// The states that backward reads, from the spikes on the tape.
struct Replay {
  const ReplayArguments &s;
  int64_t j, t;
  INLINE_MEMBER F operator()(int constant) const { return splat(s.population->constants[constant][j]); }
  INLINE_MEMBER void set(int i, F row) const { store(s.to + t * s.stride + (i * s.rows + j) * LANES, row); }
  INLINE_MEMBER F where_fired(F row) const { return keep(mask_of(s.fired[t * s.neurons + j]), row); }
  INLINE_MEMBER F where_fired_before(F row) const {
    const uint16_t before = t || s.has_before ? s.fired[(t - 1) * s.neurons + j] : s.start[j];
    return keep(mask_of(before), row);
  }
};

template <class N>
static void replay(ReplayArguments &s) {
  if constexpr (N::n_replayed > 0) {
    Replay k{s, 0, 0};
    for (k.j = 0; k.j < s.rows; ++k.j) {
      F states[N::n_replayed];
      for (int i = 0; i < N::n_replayed; ++i) states[i] = load<F>(s.from + (i * s.rows + k.j) * LANES);
      for (k.t = 0; k.t < s.steps; ++k.t) N::replay(k, states);
    }
  }
}

template <class N>
struct Compiled {
  static const NeuronKernels *kernels() {
    static const NeuronKernels table = {forward<N, float>, forward<N, int32_t>, through_spikes<N>, backward<N>, replay<N>};
    return &table;
  }
};
