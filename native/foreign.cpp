// A neuron from another package: compiled with isa_*.cpp and
//
//     -DLSNN_FOREIGN_HEADER='"mine.hpp"' -DLSNN_FOREIGN_NEURON=Mine -DLSNN_FOREIGN_MODULE=name_of_the_extension
//
// it gives a Python module whose `neuron` stands under the entry points lsnn_neuro.kernel_headers.

#include <pybind11/pybind11.h>

#include "network.hpp"

PYBIND11_MODULE(LSNN_FOREIGN_MODULE, m) {
  m.def("neuron", [] {
    static Neuron neuron;
    describe_neurons(&neuron);
    kernels_baseline(&neuron);
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
    kernels_avx2(&neuron);
    kernels_avx512(&neuron);
#endif
    return pybind11::capsule(&neuron, NEURON_CAPSULE);
  }, "The neuron, as lsnn_neuro's kernel takes it in.");
}
