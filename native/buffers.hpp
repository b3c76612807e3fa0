// Memory of the tape. It is as large in one training step as in the next, so it is handed on rather than given
// back to the system, which would clear it page by page: a tenth of a step. Used under Python's lock.
#pragma once

#include <pybind11/numpy.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <vector>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "holder.hpp"

class BufferPool {
 public:
  template <class T>
  static Array<T> array(std::vector<py::ssize_t> shape) {
    size_t bytes = sizeof(T);
    for (const py::ssize_t length : shape) bytes *= size_t(length);
    const py::capsule owner = take(bytes);
    return Array<T>(std::move(shape), static_cast<T *>(static_cast<Block *>(owner.get_pointer())->data), owner);
  }
  static void release() {
    for (const Block &block : free_blocks()) std::free(block.data);
    free_blocks().clear();
  }

 private:
  struct Block {
    size_t bytes;
    void *data;
  };
  static std::vector<Block> &free_blocks() {
    static std::vector<Block> blocks;
    return blocks;
  }
  // Memory that a capsule hands back when nothing refers to it any more.
  static py::capsule take(size_t bytes) {
    auto &blocks = free_blocks();
    const auto found = std::find_if(blocks.begin(), blocks.end(), [&](const Block &b) { return b.bytes == bytes; });
    Block *block;
    if (found != blocks.end()) {
      block = new Block(*found);
      blocks.erase(found);
    } else {
      release();  // other sizes are wanted now
      const size_t page = bytes < (size_t(1) << 21) ? 64 : size_t(1) << 21;  // huge pages where the system has them
      const size_t whole = (bytes + page) / page * page;
      block = new Block{bytes, std::aligned_alloc(page, whole)};
      if (!block->data) {
        delete block;
        throw std::bad_alloc();
      }
#if defined(__linux__)
      if (page > 64) madvise(block->data, whole, MADV_HUGEPAGE);
#endif
    }
    return py::capsule(block, [](void *pointer) {
      Block *back = static_cast<Block *>(pointer);
      free_blocks().push_back(*back);
      delete back;
    });
  }
};
