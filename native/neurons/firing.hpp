// What neurons with a threshold share: comparison, reset, refractory time. Equations: lsnn_neuro/neurons/firing.py.

struct Firing {
  static constexpr bool spiking = true, refractory = true;

  // Compare the membrane with the threshold and reset it.
  template <class K, class Row>
  INLINE void fire(K &k, int v, Row membrane, Row threshold, int reset_by, int reset_to) {
    const Row over = membrane - threshold;
    if (k.reset() == Reset::hold) membrane = pick(k.refractory(), k(reset_to), membrane);
    const Mask fired = k.spike(over, k.at_threshold(), true);
    if (k.reset() == Reset::subtract) k.set(v, pick(fired, over, membrane));
    else if (k.reset() == Reset::subtract_constant) k.set(v, pick(fired, membrane - k(reset_by), membrane));
    else k.set(v, pick(fired, k(reset_to), membrane));
  }

  // gz with what a spike does to the membrane of the next step; `after` is the gradient of the membrane after reset.
  template <class K>
  INLINE F through_reset(const K &k, F gz, F after, F threshold, int reset_by, int reset_to) {
    if (k.reset() == Reset::subtract) return gz - after * threshold;
    if (k.reset() == Reset::subtract_constant) return gz - after * k(reset_by);
    return gz - after * (threshold + k.distance() * k.width() - k(reset_to));
  }

  struct Membrane {
    F gradient, threshold;  // of the membrane before the spike, and of the threshold
  };
  // The gradients at the comparison and reset.
  template <class K>
  INLINE Membrane before_reset(const K &k, F after, F through) {
    const F spared = keep(complement(k.fired()), after);
    const F taken = k.reset() == Reset::subtract ? after - spared : F{};
    const F kept = k.reset() == Reset::hold ? keep(complement(k.refractory()), spared)
                                            : k.reset() == Reset::to ? spared : after;
    return {kept + through, -(taken + through)};
  }
};
