// LI, a readout. Equations: lsnn_neuro/neurons/li.py.

struct LI {
  static constexpr const char *name = "li";
  static constexpr bool spiking = false, refractory = false;
  enum { DECAY_V, n_constants };
  static constexpr Constant constants[] = {{"decay_v", Role::decay}};
  static constexpr int baseline = -1;
  enum { V, n_states };
  static constexpr const char *states[] = {"v"};
  static constexpr int first_replayed = 0, n_replayed = 0;

  template <class K, class Row>
  INLINE void forward(K &k, Row drive) {
    typedef typename K::A A;
    k.set(V, A::saturate(A::decay(k.get(V), k(DECAY_V)) + drive));
  }

  template <class K>
  INLINE F backward(const K &k, F read) {
    const F v = k.next_drive() * k(DECAY_V) + read;
    if constexpr (K::learns) k.learn(DECAY_V, v * k.membrane_before());
    return v;
  }
};
