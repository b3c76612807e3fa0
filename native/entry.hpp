// The table of this instruction set's entry points.

#define LSNN_CONCAT_(a, b) a##b
#define LSNN_CONCAT(a, b) LSNN_CONCAT_(a, b)

const Kernels &LSNN_CONCAT(kernels_, LSNN_ISA)() {
  using namespace LSNN_NAMESPACE;
  static const Kernels table = {
      LSNN_NAME,
      {forward_block<Float, FullStore>, forward_block<Float, CompactStore>},
      {forward_block<Integer, FullStore>, forward_block<Integer, CompactStore>},
      {backward_block<FullStore>, backward_block<CompactStore>},
  };
  return table;
}
