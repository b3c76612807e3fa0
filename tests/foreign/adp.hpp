// ADP: a spike leaves a current that drives its own neuron on. Equations: adp.py.

struct ADP : Firing {
  static constexpr const char *name = "adp";
  enum { DECAY_V, DECAY_U, STEP_U, VTH, RESET_BY, RESET_TO, WIDTH_OF_SURROGATE, n_constants };
  static constexpr Constant constants[] = {{"decay_v", Role::decay}, {"decay_u", Role::decay},
      {"step_u", Role::state}, {"vth", Role::threshold}, {"reset_by", Role::state}, {"reset_to", Role::state},
      {"width", Role::width}};
  static constexpr int baseline = VTH;
  enum { V, U, n_states };
  static constexpr const char *states[] = {"v", "u"};
  static constexpr int first_replayed = U, n_replayed = 1;

  template <class K, class Row>
  INLINE void forward(K &k, Row drive) {
    typedef typename K::A A;
    const Row u = A::saturate(A::decay(k.get(U), k(DECAY_U)) + k.where_fired(k(STEP_U)));
    k.set(U, u);
    fire(k, V, A::saturate(A::decay(k.get(V), k(DECAY_V)) + (drive + u)), k(VTH), RESET_BY, RESET_TO);
  }
  template <class K>
  INLINE F through_spikes(const K &k, F gz) {
    gz += k.adjoint(U) * k(STEP_U);
    return through_reset(k, gz, k.next_drive() * k(DECAY_V), k(VTH), RESET_BY, RESET_TO);
  }
  template <class K>
  INLINE F backward(const K &k, F through) {
    const Membrane g = before_reset(k, k.next_drive() * k(DECAY_V), through);
    const F u = k.adjoint(U) * k(DECAY_U) + g.gradient;
    k.set_adjoint(U, u);
    k.learn(VTH, g.threshold);
    k.learn(STEP_U, k.where_fired_before(u));
    if constexpr (K::learns) {
      k.learn(DECAY_U, u * k.replayed_before(0));
      k.learn(DECAY_V, g.gradient * k.membrane_before());
    }
    return g.gradient;
  }
  INLINE void replay(const Replay &k, F *u) {
    u[0] = u[0] * k(DECAY_U) + k.where_fired_before(k(STEP_U));
    k.set(0, u[0]);
  }
};
