// One LSNN core, forward and backward through time, 16 samples side by side.
//
// The equations are those of lsnn_neuro/neurons, in real numbers or integers, in the
// form both share:
//
//     a[t] = decay(a[t-1], rho) + step * z[t-1]            A[t] = vth + a[t]
//     v[t] = decay(v[t-1], alpha) + I[t]                   z[t] = v[t] > A[t] and not refractory
//
// where the float model has step = beta (1 - rho) and weights times (1 - alpha), and the integer model
// decays toward zero, saturates at 24 bits, and has its weights shifted into the membrane. Where adaptation is a
// current, step is negative and a[t] goes into v[t] instead of A[t]. ATRLIF neurons, whose state after a spike
// is what decays, are
//
//     i[t] = decay(i[t-1], keep_i) + I[t]                  v[t] = decay(v[t-1], alpha) + i[t]
//     a[t] = decay(a[t-1], rho)    A[t] = vth + a[t]       r[t] = decay(r[t-1], keep_r)
//     z[t] = v[t] - r[t] >= A[t],  then a[t] += step z[t]  and r[t] += 2 A[t] z[t]
//
// A block is 16 samples; all its state is a row of 16 lanes per neuron. Spikes of a row are 16 bits, so a
// neuron that is silent in all 16 samples costs nothing downstream. Synapses are compressed by source; a
// ring of input rows holds what is still on its way. Work goes with spikes and active synapses.
//
// This file is compiled once per instruction set (see simd_*.cpp), each time in its own namespace; it uses no
// template of the standard library, of which the linker would keep one copy for all instruction sets.

namespace LSNN_NAMESPACE {

constexpr int LANES = 16;
constexpr int MAX_RING = 64;  // delays lie in 0 to 62
// A neuron at rest is exactly b below its threshold, where the pseudo-derivative ends; rounding of 1 / b must
// not put it inside.
constexpr float NEAR = 1.0f - 1.0f / (1 << 20);
constexpr int SEGMENT = 16;  // steps between stored adaptation states; between them it is recomputed

typedef float F __attribute__((vector_size(64)));
typedef int32_t I __attribute__((vector_size(64)));
typedef uint32_t U __attribute__((vector_size(64)));
typedef int16_t H __attribute__((vector_size(32)));

template <class Row, class Cell>
static inline Row load(const Cell *from) {  // any alignment
  Row row;
  std::memcpy(&row, from, sizeof(Row));
  return row;
}
template <class Row, class Cell>
static inline void store(Cell *to, Row row) { std::memcpy(to, &row, sizeof(Row)); }

static inline F splat(float x) { return x - F{}; }  // x - 0 is x and costs nothing; 0 + x would be an addition
static inline I splat(int32_t x) { return x - I{}; }

static inline I lane_mask(uint16_t bits) {  // all ones in the lanes whose bit is set
  const I bit = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};
  return (splat(int32_t(bits)) & bit) != 0;
}

static inline uint16_t lane_bits(I mask) {
#if defined(LSNN_AVX512)
  return uint16_t(_mm512_test_epi32_mask((__m512i)mask, (__m512i)mask));
#elif defined(LSNN_AVX2)
  const __m256i *half = reinterpret_cast<const __m256i *>(&mask);
  return uint16_t(_mm256_movemask_ps((__m256)half[0]) | (_mm256_movemask_ps((__m256)half[1]) << 8));
#else
  uint16_t bits = 0;
  for (int l = 0; l < LANES; ++l) bits |= uint16_t((mask[l] & 1) << l);
  return bits;
#endif
}

static inline F blend(I mask, F yes, F no) { return (F)(((I)yes & mask) | ((I)no & ~mask)); }
static inline I blend(I mask, I yes, I no) { return (yes & mask) | (no & ~mask); }
static inline F absolute(F x) { return (F)((I)x & 0x7fffffff); }

// --- the two arithmetics -----------------------------------------------------------------------------

struct Float {
  typedef F Row;
  typedef float Scalar;
  static inline Row decay(Row state, Row keep) { return state * keep; }
  static inline Row saturate(Row state) { return state; }
  static inline Row wrap(Row state) { return state; }
};

struct Integer {
  typedef I Row;
  typedef int32_t Scalar;
  // sign(s) * ((|s| * keep) >> 12) with keep = 4096 - d. |s| is split into high * 4096 + low, so that no
  // product leaves 32 bits: high < 2^11, low < 2^12, keep <= 2^12.
  static inline Row decay(Row s, Row keep) {
    const I sign = s >> 31;
    const I magnitude = (s ^ sign) - sign;
    const I kept = (magnitude >> 12) * keep + (((magnitude & 4095) * keep) >> 12);
    return (kept ^ sign) - sign;
  }
  static inline Row saturate(Row s) {
    const I most = splat((1 << 23) - 1);
    s = blend(s > most, most, s);
    return blend(s < -most, -most, s);
  }
  // Modulo 2^24 into -2^23 + 1 to 2^23.
  static inline Row wrap(Row s) { return (Row(__builtin_convertvector(s - 1, U) << 8) >> 8) + 1; }
};

// Distance to threshold x = (v - A) / b, the one number per neuron and step that backward needs: as a
// float, or as 16 bits over -1 to 1. Outside that range, and while refractory, the pseudo-derivative is 0;
// both are stored as 1.
struct FullStore {
  typedef float Cell;
  static inline void write(Cell *at, F x) { store(at, x); }
  static inline F read(const Cell *at) { return load<F>(at); }
};

struct CompactStore {
  typedef int16_t Cell;
  static inline void write(Cell *at, F x) {
    const I rounded = __builtin_convertvector(x * 32767.0f + blend(x < 0.0f, splat(-0.5f), splat(0.5f)), I);
    store(at, __builtin_convertvector(rounded, H));
  }
  static inline F read(const Cell *at) {
    return __builtin_convertvector(__builtin_convertvector(load<H>(at), I), F) *
           (1.0f / 32767.0f);
  }
};

// --- scratch memory of a thread ------------------------------------------------------------------------

template <class T>
struct Rows {  // 64-byte aligned rows of 16 lanes
  T *data = nullptr;
  size_t n;
  explicit Rows(size_t rows) : n(rows) {
    data = static_cast<T *>(std::aligned_alloc(64, (rows ? rows : 1) * sizeof(T)));
    if (!data) throw std::bad_alloc();
    clear();
  }
  ~Rows() { std::free(data); }
  Rows(const Rows &) = delete;
  T &operator[](size_t i) { return data[i]; }
  const uint8_t *copy_from(const uint8_t *at) {  // gives where the next one stands
    std::memcpy(static_cast<void *>(data), at, n * sizeof(T));
    return at + n * sizeof(T);
  }
  uint8_t *copy_to(uint8_t *at) const {
    std::memcpy(at, data, n * sizeof(T));
    return at + n * sizeof(T);
  }
  void clear() { std::memset(static_cast<void *>(data), 0, n * sizeof(T)); }
};

// The input bits of a block: bytes (time, sample, input) -> bits[time][input], one bit a sample.
static inline void pack_inputs(const Shape &s, const uint8_t *x, int64_t block, int64_t t, uint16_t *bits) {
  std::memset(bits, 0, size_t(s.inputs) * sizeof(uint16_t));
  const int64_t first = block * LANES, last = (first + LANES < s.batch ? first + LANES : s.batch);
  for (int64_t b = first; b < last; ++b) {
    const uint8_t *row = x + (t * s.batch + b) * s.inputs;
    const uint16_t bit = uint16_t(1u << (b - first));
    int64_t i = 0;
    for (; i + 8 <= s.inputs; i += 8) {  // most inputs are silent
      uint64_t eight;
      std::memcpy(&eight, row + i, 8);
      while (eight) {
        const int k = __builtin_ctzll(eight) >> 3;
        bits[i + k] |= bit;
        eight &= ~(uint64_t(0xff) << (8 * k));
      }
    }
    for (; i < s.inputs; ++i)
      if (row[i]) bits[i] |= bit;
  }
}

// Steps at the beginning in which a block stays at rest, in whole segments: no input has come, and a neuron at
// rest lies outside its pseudo-derivative. Nothing happens in them, forward or backward.
template <class Scalar>
static inline int64_t quiet_steps(const Shape &s, const Neurons<Scalar> &p, const uint8_t *x, int64_t block) {
  for (int64_t j = 0; j < s.neurons; ++j)
    if (!(float(p.vth[j]) * p.inverse_b[j] >= NEAR)) return 0;
  const int64_t first = block * LANES, samples = first + LANES < s.batch ? LANES : s.batch - first;
  int64_t t = 0;
  for (; t < s.steps; ++t) {
    const uint8_t *row = x + (t * s.batch + first) * s.inputs;
    uint8_t any = 0;
    for (int64_t i = 0; i < samples * s.inputs; ++i) any |= row[i];
    if (any) break;
  }
  return t / SEGMENT * SEGMENT;
}

static inline uint16_t valid_lanes(const Shape &s, int64_t block) {
  const int64_t left = s.batch - block * LANES;
  return left >= LANES ? uint16_t(0xffff) : uint16_t((1u << left) - 1);
}

static inline F to_float(F x) { return x; }
static inline F to_float(I x) { return __builtin_convertvector(x, F); }
static inline float sum(F x) {
  float total = 0;
  for (int l = 0; l < LANES; ++l) total += x[l];
  return total;
}

static inline void store_state(int32_t *, F, F, F) {}  // only integers are recorded
static inline void store_state(int32_t *at, I v, I a, I r) {
  store(at, v);
  store(at + LANES, a);
  store(at + 2 * LANES, r);
}

// --- forward ---------------------------------------------------------------------------------------------

template <class A, class Store>
void forward_block(const Shape &s, const Neurons<typename A::Scalar> &p, const Synapses<typename A::Scalar> &in,
                   const Synapses<typename A::Scalar> &rec, const Synapses<typename A::Scalar> &out,
                   const uint8_t *x, int64_t block, const Carried &carried, Tape &tape,
                   typename A::Scalar *readout) {
  typedef typename A::Row Row;
  const int64_t n = s.neurons, ring_length = s.ring, past_length = steps_remembered(n, p.n_ref);
  Rows<Row> ring(size_t(ring_length * n)), v(n), a(n), y(s.outputs), drive(s.outputs);
  Rows<Row> current(n), refractory(n);  // of ATRLIF neurons
  Rows<uint16_t> bits(s.inputs), past(size_t(past_length * n)), held(n);  // held: lanes that are refractory
  Rows<uint16_t *> z_at(static_cast<size_t>(past_length));  // spikes of this step, the one before, ...
  const uint16_t valid = valid_lanes(s, block);
  uint8_t *const memory = carried.memory ? carried.memory + block * carried.bytes : nullptr;
  Rows<Row> *const states[] = {&ring, &v, &a, &y, &current, &refractory};  // what goes on from call to call
  Rows<uint16_t> *const spike_states[] = {&past, &held};
  if (memory) {
    const uint8_t *at = memory;
    for (auto *rows : states) at = rows->copy_from(at);
    for (auto *rows : spike_states) at = rows->copy_from(at);
  }
  const int64_t begin = memory ? 0 : quiet_steps(s, p, x, block);  // a run that goes on need not be at rest
  if (tape.spikes) std::memset(tape.spikes + tape.at(s, block, 0, 0), 0, size_t(begin * n) * sizeof(uint16_t));
  if (tape.membrane) std::memset(tape.membrane + tape.at(s, block, 0, 0) * LANES, 0, size_t(begin * n) * sizeof(F));
  if (tape.state)
    std::memset(tape.state + 3 * LANES * tape.at(s, block, 0, 0), 0, 3 * size_t(begin * n) * sizeof(I));
  for (int64_t row = 0; row < begin * s.outputs; ++row) store(readout + (row * s.blocks() + block) * LANES, Row{});
  for (int64_t t = begin; t < s.steps; ++t) {
    pack_inputs(s, x, block, t, bits.data);
    const int64_t now = carried.before + t;
    Row *row_at[MAX_RING];  // the ring's slot for the input of this step, the next, ...
    for (int64_t d = 0; d < ring_length; ++d) row_at[d] = &ring[size_t(((now + d) % ring_length) * n)];
    for (int64_t d = 0; d < past_length; ++d)
      z_at[size_t(d)] = &past[size_t(((now + past_length - d) % past_length) * n)];
    for (int64_t i = 0; i < s.inputs; ++i) {
      if (!bits[i]) continue;
      const I mask = lane_mask(bits[i]);
      for (int64_t k = in.start[i]; k < in.start[i + 1]; ++k)
        row_at[in.delay[k]][in.target[k]] += (Row)((I)splat(in.weight[k]) & mask);
    }
    if (tape.adaptation && t % SEGMENT == 0)
      for (int64_t j = 0; j < n; ++j)  // a[t-1], z[t-1] is on the tape
        store(tape.adaptation + tape.a_at(s, block, t / SEGMENT, j), to_float(a[j]));
    Row *arriving = row_at[0];
    uint16_t *z = z_at[0];
    const uint16_t *z_before = z_at[past_length > 1];
    for (int64_t j = 0; j < n; ++j) {
      Row threshold = splat(p.vth[j]), inflow = arriving[j];
      arriving[j] = Row{};
      if (p.kind[j] == ATRLIF) {
        current[j] = A::wrap(A::decay(current[j], splat(p.keep_i[j])) + inflow);
        v[j] = A::saturate(A::decay(v[j], splat(p.alpha[j])) + current[j]);
        a[j] = A::decay(a[j], splat(p.rho[j]));
        refractory[j] = A::decay(refractory[j], splat(p.keep_r[j]));
        threshold += a[j];
        const Row above = v[j] - refractory[j] - threshold;
        z[j] = lane_bits(above >= 0) & valid;
        if (tape.distance) {
          const F d = to_float(above) * p.inverse_b[j];
          Store::write(static_cast<typename Store::Cell *>(tape.distance) + tape.at(s, block, t, j) * LANES,
                       blend(absolute(d) < NEAR, d, splat(1.0f)));
        }
        if (tape.membrane) store(tape.membrane + tape.at(s, block, t, j) * LANES, to_float(v[j]));
        const I fired = lane_mask(z[j]);
        a[j] += (Row)((I)splat(p.step[j]) & fired);
        refractory[j] += (Row)((I)(threshold + threshold) & fired);
        if (tape.state) store_state(tape.state + 3 * LANES * tape.at(s, block, t, j), v[j], a[j], refractory[j]);
        continue;
      }
      if (p.step[j] != 0) {
        const Row fired = (Row)((I)splat(p.step[j]) & lane_mask(z_before[j]));
        a[j] = A::saturate(A::decay(a[j], splat(p.rho[j])) + fired);
        if (p.kind[j] == CURRENT)
          inflow += a[j];
        else
          threshold = a[j] + threshold;
      }
      const Row potential = A::saturate(A::decay(v[j], splat(p.alpha[j])) + inflow);
      const uint16_t allowed = uint16_t(~held[j]);
      const uint16_t spikes = lane_bits(potential > threshold) & allowed & valid;
      if (tape.distance) {
        F d = to_float(potential - threshold) * p.inverse_b[j];
        d = blend((absolute(d) < NEAR) & lane_mask(allowed), d, splat(1.0f));
        Store::write(static_cast<typename Store::Cell *>(tape.distance) + tape.at(s, block, t, j) * LANES, d);
      }
      if (tape.membrane)
        store(tape.membrane + tape.at(s, block, t, j) * LANES, to_float(potential));
      const Row after = p.reset_to_zero[j] ? Row{} : Row(potential - threshold);
      v[j] = spikes ? blend(lane_mask(spikes), after, potential) : potential;
      z[j] = spikes;
      held[j] = (held[j] | spikes) & ~z_at[size_t(p.n_ref[j])][j];
      if (tape.state) store_state(tape.state + 3 * LANES * tape.at(s, block, t, j), v[j], a[j], Row{});
    }
    if (tape.spikes) std::memcpy(tape.spikes + tape.at(s, block, t, 0), z, size_t(n) * sizeof(uint16_t));
    drive.clear();
    for (int64_t j = 0; j < n; ++j) {
      if (!z[j]) continue;
      if (tape.counts) tape.counts[block * n + j] += __builtin_popcount(z[j]);
      const I mask = lane_mask(z[j]);
      for (int64_t k = rec.start[j]; k < rec.start[j + 1]; ++k)
        row_at[1 + rec.delay[k]][rec.target[k]] += (Row)((I)splat(rec.weight[k]) & mask);
      for (int64_t k = out.start[j]; k < out.start[j + 1]; ++k)
        drive[out.target[k]] += (Row)((I)splat(out.weight[k]) & mask);
    }
    for (int64_t c = 0; c < s.outputs; ++c) {
      y[c] = A::saturate(A::decay(y[c], splat(p.kappa[c])) + drive[c]);
      store(readout + ((t * s.outputs + c) * s.blocks() + block) * LANES, y[c]);
    }
  }
  if (memory) {
    uint8_t *at = memory;
    for (auto *rows : states) at = rows->copy_to(at);
    for (auto *rows : spike_states) at = rows->copy_to(at);
  }
}

// --- backward --------------------------------------------------------------------------------------------

// The adaptation states a[t] of the segment that holds step `first`, from the spikes on the tape.
static void replay_adaptation(const Shape &s, const Neurons<float> &p, const Tape &tape, int64_t block,
                              int64_t first, int64_t last, Rows<F> &a) {
  for (int64_t j = 0; j < s.neurons; ++j) {
    if (p.step[j] == 0) continue;  // stays 0
    F state = load<F>(tape.adaptation + tape.a_at(s, block, first / SEGMENT, j));
    if (p.kind[j] == ATRLIF) {
      for (int64_t t = first; t <= last; ++t) {
        a[size_t((t - first) * s.neurons + j)] = state = state * splat(p.rho[j]);
        state += (F)((I)splat(p.step[j]) & lane_mask(tape.spikes[tape.at(s, block, t, j)]));
      }
      continue;
    }
    for (int64_t t = first; t <= last; ++t) {
      const uint16_t before = t ? tape.spikes[tape.at(s, block, t - 1, j)] : uint16_t(0);
      state = state * splat(p.rho[j]) + (F)((I)splat(p.step[j]) & lane_mask(before));
      a[size_t((t - first) * s.neurons + j)] = state;
    }
  }
}

// The membrane after reset at step t, from the tape.
static inline F membrane_after(const Shape &s, const Neurons<float> &p, const Tape &tape, int64_t block, int64_t t,
                               int64_t j, int64_t first, Rows<F> &a) {
  const F potential = load<F>(tape.membrane + tape.at(s, block, t, j) * LANES);
  const F adaptation = p.step[j] == 0 || p.kind[j] == CURRENT ? F{} : t >= first ? a[size_t((t - first) * s.neurons + j)]
                                  : load<F>(tape.adaptation + tape.a_at(s, block, t / SEGMENT + 1, j));
  const I fired = lane_mask(tape.spikes[tape.at(s, block, t, j)]);
  const F after = p.reset_to_zero[j] ? F{} : F(potential - adaptation - p.vth[j]);
  return blend(fired, after, potential);
}

// Adds the gradient rows of a source's spikes to its synapses, one set bit at a time: few are set.
template <class RowOf>
static inline void add_weight_gradient(const Synapses<float> &synapses, int64_t source, uint16_t spikes,
                                       float *gradient, RowOf row_of) {
  int lanes[LANES], n_lanes = 0;
  for (unsigned left = spikes; left; left &= left - 1) lanes[n_lanes++] = __builtin_ctz(left);
  for (int64_t k = synapses.start[source]; k < synapses.start[source + 1]; ++k) {
    const float *row = reinterpret_cast<const float *>(row_of(k));
    float total = 0;
    for (int l = 0; l < n_lanes; ++l) total += row[lanes[l]];
    gradient[k] += total;
  }
}

// The gradient of a neuron's spikes that comes through its synapses.
static inline F through_synapses(const Synapses<float> &rec, const Synapses<float> &out, int64_t j, F **row_at,
                                 Rows<F> &go) {
  F gz = F{};
  for (int64_t k = out.start[j]; k < out.start[j + 1]; ++k) gz += go[out.target[k]] * out.weight[k];
  F one = F{}, two = F{};
  int64_t k = rec.start[j];
  for (; k + 2 <= rec.start[j + 1]; k += 2) {
    one += row_at[rec.delay[k]][rec.target[k]] * rec.weight[k];
    two += row_at[rec.delay[k + 1]][rec.target[k + 1]] * rec.weight[k + 1];
  }
  if (k < rec.start[j + 1]) one += row_at[rec.delay[k]][rec.target[k]] * rec.weight[k];
  return gz + (one + two);
}

// Backward through time. The pseudo-derivative is gamma max(0, 1 - |x|); gradients flow through membrane,
// adaptation, reset and synapses. grad_readout: (time, output, block, lane); grad_rate: (neuron), the
// gradient of each neuron's number of spikes.
template <class Store>
void backward_block(const Shape &s, const Neurons<float> &p, const Synapses<float> &in,
                    const Synapses<float> &rec, const Synapses<float> &out, const uint8_t *x, int64_t block,
                    const Tape &tape, const float *grad_readout, const float *grad_rate, float gamma,
                    Gradients g) {
  const int64_t n = s.neurons, ring_length = s.ring;
  Rows<F> gi(size_t(ring_length * n));  // gradient of the synaptic input, for the steps a delay can span
  Rows<F> ga(n), go(s.outputs), a(size_t(SEGMENT * n));
  Rows<F> gv(n), gr(n);  // of ATRLIF neurons: gradients of the membrane and the refractory variable
  Rows<uint16_t> bits(s.inputs);
  const I valid = lane_mask(valid_lanes(s, block));
  const int64_t begin = quiet_steps(s, p, x, block);
  for (int64_t t = s.steps - 1; t >= begin; --t) {
    const int64_t first = t / SEGMENT * SEGMENT;
    if (t == s.steps - 1 || t == first + SEGMENT - 1) replay_adaptation(s, p, tape, block, first, t, a);
    for (int64_t c = 0; c < s.outputs; ++c)
      go[c] = go[c] * p.kappa[c] +
              load<F>(grad_readout + ((t * s.outputs + c) * s.blocks() + block) * LANES);
    F *now_and_later[MAX_RING];  // the ring's slots for this step, the next, ...
    for (int64_t d = 0; d < ring_length; ++d) now_and_later[d] = &gi[size_t(((t + d) % ring_length) * n)];
    F *now = now_and_later[0];
    F **row_at = now_and_later + 1;  // where a spike of this step arrives, by delay
    for (int64_t j = 0; j < n; ++j) {
      const uint16_t spikes = tape.spikes[tape.at(s, block, t, j)];
      const I fired = lane_mask(spikes);
      const F d = Store::read(static_cast<const typename Store::Cell *>(tape.distance) +
                              tape.at(s, block, t, j) * LANES);
      const I near = (absolute(d) < 1.0f) & valid;
      const bool adapts = p.step[j] != 0;
      if (spikes) {
        add_weight_gradient(rec, j, spikes, g.rec, [&](int64_t k) { return row_at[rec.delay[k]] + rec.target[k]; });
        add_weight_gradient(out, j, spikes, g.out, [&](int64_t k) { return &go[out.target[k]]; });
      }
      if (p.kind[j] == ATRLIF) {
        const F adaptation = adapts ? a[size_t((t - first) * n + j)] : F{};
        const F after_a = ga[j] * splat(p.rho[j]), after_r = gr[j] * splat(p.keep_r[j]);  // after the spike
        F through_spike = F{};
        if (lane_bits(near)) {
          const F gz = splat(grad_rate[j]) + after_a * splat(p.step[j]) + 2.0f * after_r * (p.vth[j] + adaptation) +
                       through_synapses(rec, out, j, row_at, go);
          const F gx = gz * (F)((I)(gamma * (1.0f - absolute(d))) & near);
          through_spike = gx * p.inverse_b[j];
          if (g.b) g.b[j] -= sum(gx * d) * p.inverse_b[j];
        }
        const F g_threshold = (F)((I)(2.0f * after_r) & fired) - through_spike;
        if (g.step) {
          const F raised = (F)((I)splat(p.step[j]) & fired);
          g.step[j] += sum((F)((I)after_a & fired));
          g.rho[j] += sum(ga[j] * (adaptation + raised));
          g.vth[j] += sum(g_threshold);
        }
        ga[j] = after_a + g_threshold;
        gr[j] = after_r - through_spike;
        gv[j] = gv[j] * splat(p.alpha[j]) + through_spike;
        if (g.alpha && t) g.alpha[j] += sum(gv[j] * load<F>(tape.membrane + tape.at(s, block, t - 1, j) * LANES));
        now[j] = row_at[0][j] * splat(p.keep_i[j]) + gv[j];
        continue;
      }
      const F after_reset = row_at[0][j] * splat(p.alpha[j]);  // gradient of the membrane handed on to t + 1
      const bool current = p.kind[j] == CURRENT;
      F through_spike = F{};
      if (lane_bits(near)) {
        F gz = splat(grad_rate[j]), threshold = splat(p.vth[j]);
        if (adapts) {
          gz += ga[j] * splat(p.step[j]);
          if (!current) threshold += a[size_t((t - first) * n + j)];
        }
        gz -= after_reset * (p.reset_to_zero[j] ? threshold + d * (1.0f / p.inverse_b[j]) : threshold);
        gz += through_synapses(rec, out, j, row_at, go);
        const F slope = (F)((I)(gamma * (1.0f - absolute(d))) & near);
        const F gx = gz * slope;
        through_spike = gx * p.inverse_b[j];
        if (g.b) g.b[j] -= sum(gx * d) * p.inverse_b[j];
      }
      if (spikes && g.step) g.step[j] += sum((F)((I)ga[j] & fired));  // ga is still that of t + 1
      const F spared = (F)((I)after_reset & ~fired);
      const F gvp = (p.reset_to_zero[j] ? spared : after_reset) + through_spike;
      const F reset_to_threshold = p.reset_to_zero[j] ? F{} : F(after_reset - spared);
      const F g_threshold = -(reset_to_threshold + through_spike);
      if (g.vth) g.vth[j] += sum(g_threshold);
      if (adapts || g.step) ga[j] = ga[j] * splat(p.rho[j]) + (current ? gvp : g_threshold);
      if (g.rho && adapts && t) {
        const F before = t > first ? a[size_t((t - 1 - first) * n + j)]
                                   : load<F>(tape.adaptation + tape.a_at(s, block, t / SEGMENT, j));
        g.rho[j] += sum(ga[j] * before);
      }
      if (g.alpha && t) g.alpha[j] += sum(gvp * membrane_after(s, p, tape, block, t - 1, j, first, a));
      now[j] = gvp;
    }
    pack_inputs(s, x, block, t, bits.data);
    for (int64_t i = 0; i < s.inputs; ++i)
      if (bits[i])
        add_weight_gradient(in, i, bits[i], g.in, [&](int64_t k) {
          return now_and_later[in.delay[k]] + in.target[k];
        });
  }
}

}  // namespace LSNN_NAMESPACE
