#pragma once

#include <dnnl.hpp>

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "narae/core/error.h"
#include "narae/graph/kernel.h"

// oneDNN 2.x is called from onednn*.cpp alone.
namespace narae::cpu::onednn {

[[nodiscard]] const dnnl::engine& engine();

/// Attributes of every primitive: scratch memory comes from the plan's arena.
[[nodiscard]] dnnl::primitive_attr attributes();

/// A dense row-major f32 tensor.
[[nodiscard]] dnnl::memory::desc plain(const dnnl::memory::dims& dims);

/// Sets how many threads oneDNN uses on the calling thread, until the end of the scope. oneDNN asks when a primitive is
/// created and again when it runs; it must get as many as it was told, so OpenMP may not choose fewer (OMP_DYNAMIC).
class ThreadLimit {
 public:
  explicit ThreadLimit(int threads);
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int before_;
  bool dynamic_;
};

/// Threads that are worth waking for this much work, and that OpenMP grants (OMP_THREAD_LIMIT).
[[nodiscard]] int threads_for(double flops);

/// make(), or an empty kernel when oneDNN has no implementation of it.
template <class Make>
[[nodiscard]] Kernel if_implemented(const char* op, const Make& make) {
  try {
    return make();
  } catch (const dnnl::error& e) {
    if (e.status == dnnl_unimplemented) return {};
    throw Error(std::string("oneDNN: ") + op + ": " + e.what());
  }
}

/// Primitives that run one after the other on the arguments of a kernel and on scratch memory; they are created once,
/// with the plan. Values are numbered in the order in which they are named.
class Sequence {
 public:
  /// Primitives are created and run with this many threads.
  explicit Sequence(int threads);
  ~Sequence();
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  [[nodiscard]] int input(int i, const dnnl::memory::desc& desc);
  [[nodiscard]] int result(int k, const dnnl::memory::desc& desc);
  [[nodiscard]] int scratch(const dnnl::memory::desc& desc);

  /// Appends a primitive; `arguments` are pairs of DNNL_ARG_... and value.
  void run(const dnnl::primitive& primitive, const dnnl::memory::desc& scratchpad,
           std::initializer_list<std::pair<int, int>> arguments);
  /// Appends a reorder of one value into another.
  void convert(int from, int to);
  /// `value` in the layout `wanted`: itself, or what a reorder makes of it.
  [[nodiscard]] int in_layout(int value, const dnnl::memory::desc& wanted);
  /// `value` when the layout `given` is its own, else scratch memory for that layout, to be converted later.
  [[nodiscard]] int or_scratch(int value, const dnnl::memory::desc& given);

  /// The kernel of everything so far.
  [[nodiscard]] Kernel kernel(double flops) const;

 private:
  struct Program;
  std::shared_ptr<Program> program_;
  ThreadLimit limit_;
};

}  // namespace narae::cpu::onednn
