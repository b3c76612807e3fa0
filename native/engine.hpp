// The time loop, forward and backward, of one block of 16 samples.
//
// All state is rows of 16 lanes per neuron. Spikes of a row are 16 bits, so a neuron that is silent in all 16 samples
// costs nothing downstream. What synapses send lands in a window of rows, one of all neurons and readouts for
// each step ahead; the window slides, and is moved back when it reaches the end of its memory. Work goes with spikes
// and active synapses.
//
// Python's form of the loop, the reference, is lsnn_neuro/network/dynamics.py.

struct Scratch {
  char *memory = nullptr;
  size_t used = 0, size;
  explicit Scratch(size_t bytes) : size(bytes) {
    size = (bytes + 4095) / 64 * 64;
    memory = static_cast<char *>(take_scratch(size));
    std::memset(memory, 0, bytes);
  }
  ~Scratch() { give_scratch(memory, size); }
  Scratch(const Scratch &) = delete;
  template <class T>
  T *take(int64_t n) {
    T *at = reinterpret_cast<T *>(memory + used);
    used += (size_t(n) * sizeof(T) + 63) / 64 * 64;
    return at;
  }
  static size_t room(int64_t n, size_t bytes) { return (size_t(n) * bytes + 63) / 64 * 64; }
};

#include "inputs.hpp"
#include "forward.hpp"
#include "alone.hpp"
#include "gradients.hpp"
#include "backward.hpp"
