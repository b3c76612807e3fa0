// AHP: ALIF's constants and states, its adaptation a current. Equations: lsnn_neuro/neurons/ahp.py.

struct AHP : ALIF {
  static constexpr const char *name = "ahp";

  template <class K, class Row>
  INLINE void forward(K &k, Row drive) {
    typedef typename K::A A;
    const Row a = A::saturate(A::decay(k.get(ADAPTATION), k(DECAY_A)) - k.where_fired(k(STEP_A)));
    k.set(ADAPTATION, a);
    const Row v = A::saturate(A::decay(k.get(V), k(DECAY_V)) + (drive + a));
    fire(k, V, v, k(VTH), RESET_BY, RESET_TO);
  }

  template <class K>
  INLINE F through_spikes(const K &k, F gz) {
    gz -= k.adjoint(ADAPTATION) * k(STEP_A);
    return through_reset(k, gz, k.next_drive() * k(DECAY_V), k(VTH), RESET_BY, RESET_TO);
  }

  template <class K>
  INLINE F backward(const K &k, F through) {
    const Membrane g = before_reset(k, k.next_drive() * k(DECAY_V), through);
    const F a = k.adjoint(ADAPTATION) * k(DECAY_A) + g.gradient;
    k.set_adjoint(ADAPTATION, a);
    k.learn(VTH, g.threshold);
    k.learn(STEP_A, -k.where_fired_before(a));
    if constexpr (K::learns) {
      k.learn(DECAY_A, a * k.replayed_before(0));
      k.learn(DECAY_V, g.gradient * k.membrane_before());
    }
    return g.gradient;
  }

  INLINE void replay(const Replay &k, F *a) {
    a[0] = a[0] * k(DECAY_A) - k.where_fired_before(k(STEP_A));
    k.set(0, a[0]);
  }
};
