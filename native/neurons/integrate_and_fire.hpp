// IF. Equations: lsnn_neuro/neurons/integrate_and_fire.py.

struct IntegrateAndFire : Firing {
  static constexpr const char *name = "if";
  enum { VTH, RESET_BY, RESET_TO, WIDTH_OF_SURROGATE, n_constants };
  static constexpr Constant constants[] = {{"vth", Role::threshold}, {"reset_by", Role::state},
      {"reset_to", Role::state}, {"width", Role::width}};
  static constexpr int baseline = VTH;
  enum { V, n_states };
  static constexpr const char *states[] = {"v"};
  static constexpr int first_replayed = 0, n_replayed = 0;

  template <class K, class Row>
  INLINE void forward(K &k, Row drive) {
    fire(k, V, K::A::saturate(k.get(V) + drive), k(VTH), RESET_BY, RESET_TO);
  }

  template <class K>
  INLINE F through_spikes(const K &k, F gz) {
    return through_reset(k, gz, k.next_drive(), k(VTH), RESET_BY, RESET_TO);
  }

  template <class K>
  INLINE F backward(const K &k, F through) {
    const Membrane g = before_reset(k, k.next_drive(), through);
    k.learn(VTH, g.threshold);
    return g.gradient;
  }
};
