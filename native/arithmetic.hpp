// The two arithmetics a neuron's step is computed in.

struct Real {
  typedef F Row;
  typedef float Scalar;
  INLINE Row decay(Row state, Row keep) { return state * keep; }
  INLINE Row saturate(Row state) { return state; }
  INLINE Row wrap(Row state) { return state; }
};

// Loihi's integers. A state has 24 bits with its sign.
struct Loihi {
  typedef I Row;
  typedef int32_t Scalar;
  // sign(s) * ((|s| * keep) >> 12) with keep = 4096 - d. |s| is split into high * 4096 + low, so that no
  // product leaves 32 bits: high < 2^11, low < 2^12, keep <= 2^12.
  INLINE Row decay(Row s, Row keep) {
    const I sign = s >> 31;
    const I magnitude = (s ^ sign) - sign;
    const I kept = (magnitude >> 12) * keep + (((magnitude & 4095) * keep) >> 12);
    return (kept ^ sign) - sign;
  }
  INLINE Row saturate(Row s) {
    const I most = splat(int32_t((1 << 23) - 1));
    return larger_of(smaller_of(s, most), -most);
  }
  // 2^24 off once above 2^23, on once at or below -2^23, as Lava does.
  INLINE Row wrap(Row s) {
    const I half = splat(int32_t(1 << 23)), whole = splat(int32_t(1 << 24));
    return s - keep(greater(s, half), whole) + keep(at_least(-half, s), whole);
  }
};
