// LIF. Equations: lsnn_neuro/neurons/lif.py.

struct LIF : Firing {
  static constexpr const char *name = "lif";
  enum { DECAY_V, VTH, RESET_BY, RESET_TO, WIDTH_OF_SURROGATE, n_constants };
  static constexpr Constant constants[] = {{"decay_v", Role::decay}, {"vth", Role::threshold},
      {"reset_by", Role::state}, {"reset_to", Role::state}, {"width", Role::width}};
  static constexpr int baseline = VTH;
  enum { V, n_states };
  static constexpr const char *states[] = {"v"};
  static constexpr int first_replayed = 0, n_replayed = 0;

  template <class K, class Row>
  INLINE void forward(K &k, Row drive) {
    typedef typename K::A A;
    const Row v = A::saturate(A::decay(k.get(V), k(DECAY_V)) + drive);
    fire(k, V, v, k(VTH), RESET_BY, RESET_TO);
  }

  template <class K>
  INLINE F through_spikes(const K &k, F gz) {
    return through_reset(k, gz, k.next_drive() * k(DECAY_V), k(VTH), RESET_BY, RESET_TO);
  }

  template <class K>
  INLINE F backward(const K &k, F through) {
    const Membrane g = before_reset(k, k.next_drive() * k(DECAY_V), through);
    k.learn(VTH, g.threshold);
    if constexpr (K::learns) k.learn(DECAY_V, g.gradient * k.membrane_before());
    return g.gradient;
  }
};
