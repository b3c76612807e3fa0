// ATRLIF. Equations: lsnn_neuro/neurons/atrlif.py. Its states a and r are kept as they stand after a spike, and
// replayed as they stand before it.

struct ATRLIF {
  static constexpr const char *name = "atrlif";
  static constexpr bool spiking = true, refractory = false;
  enum { DECAY_V, DECAY_A, DECAY_R, STEP_A, VTH, WIDTH_OF_SURROGATE, n_constants };
  static constexpr Constant constants[] = {{"decay_v", Role::decay}, {"decay_a", Role::decay},
      {"decay_r", Role::decay}, {"step_a", Role::threshold}, {"vth", Role::threshold}, {"width", Role::width}};
  static constexpr int baseline = VTH;
  enum { V, ADAPTATION, REFRACTORY, n_states };
  static constexpr const char *states[] = {"v", "a", "r"};
  static constexpr int first_replayed = ADAPTATION, n_replayed = 2;

  template <class K, class Row>
  INLINE void forward(K &k, Row drive) {
    typedef typename K::A A;
    const Row v = A::saturate(A::decay(k.get(V), k(DECAY_V)) + drive);
    const Row a = A::decay(k.get(ADAPTATION), k(DECAY_A)), r = A::decay(k.get(REFRACTORY), k(DECAY_R));
    const Row threshold = k(VTH) + a;
    const Mask fired = k.spike(v - r - threshold, true, false);
    k.set(V, v);
    k.set(ADAPTATION, a + keep(fired, k(STEP_A)));
    k.set(REFRACTORY, r + keep(fired, threshold + threshold));
  }

  template <class K>
  INLINE F through_spikes(const K &k, F gz) {
    const F after_a = k.adjoint(ADAPTATION) * k(DECAY_A), after_r = k.adjoint(REFRACTORY) * k(DECAY_R);
    return gz + after_a * k(STEP_A) + (after_r + after_r) * (k(VTH) + k.replayed(0));
  }

  template <class K>
  INLINE F backward(const K &k, F through) {
    const F later_a = k.adjoint(ADAPTATION), later_r = k.adjoint(REFRACTORY);
    const F after_a = later_a * k(DECAY_A), after_r = later_r * k(DECAY_R);
    const F threshold = k.where_fired(after_r + after_r) - through;
    const F a = after_a + threshold, r = after_r - through, v = k.next_drive() * k(DECAY_V) + through;
    k.set_adjoint(ADAPTATION, a);
    k.set_adjoint(REFRACTORY, r);
    k.learn(VTH, threshold);
    k.learn(STEP_A, k.where_fired(after_a));
    if constexpr (K::learns) {
      F before_a = k.replayed_before(0), before_r = k.replayed_before(1);  // after the spike of that step
      if (!k.first_of_segment()) {
        const F threshold_before = k(VTH) + before_a;
        before_r += k.where_fired_before(threshold_before + threshold_before);
        before_a += k.where_fired_before(k(STEP_A));
      }
      k.learn(DECAY_A, a * before_a);
      k.learn(DECAY_R, r * before_r);
      k.learn(DECAY_V, v * k.membrane_before());
    }
    return v;
  }

  INLINE void replay(const Replay &k, F *s) {
    s[0] = s[0] * k(DECAY_A);
    s[1] = s[1] * k(DECAY_R);
    k.set(0, s[0]);
    k.set(1, s[1]);
    const F threshold = k(VTH) + s[0];
    s[1] += k.where_fired(threshold + threshold);
    s[0] += k.where_fired(k(STEP_A));
  }
};
