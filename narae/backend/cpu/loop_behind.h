#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "narae/backend/cpu/loop.h"

namespace narae::cpu {

/// A fused loop behind an operator of two inputs: input number `from` is the operator's result, of which only pieces
/// are ever there. The kernel's inputs are the operator's two, then the loop's others.
class LoopBehind {
 public:
  static constexpr std::size_t most_inputs = 16;

  LoopBehind(const Loop& loop, int from)
      : from_(static_cast<std::size_t>(from)), inputs_(loop.inputs.size()), pieces_(make_pieces(loop)) {}

  [[nodiscard]] const LoopPieces& pieces() const { return pieces_; }
  [[nodiscard]] bool is_from(int input) const { return static_cast<std::size_t>(input) == from_; }
  /// The number of one of the loop's other inputs among the kernel's.
  [[nodiscard]] int input_of(int input) const { return 2 + input - (static_cast<std::size_t>(input) > from_ ? 1 : 0); }

  /// Elements [begin, end), those of the operator's result from `piece` on.
  void run(const KernelArguments& at, const float* piece, std::int64_t begin, std::int64_t end, std::byte* areas,
           std::int64_t area) const {
    std::array<const std::byte*, most_inputs> inputs;
    for (std::size_t s = 0, next = 2; s < inputs_; ++s) inputs[s] = s == from_ ? nullptr : at.inputs[next++];
    // Where element 0 of the whole result would be, were it stored: the loop adds `begin`.
    const auto stored = reinterpret_cast<std::uintptr_t>(piece) - static_cast<std::uintptr_t>(begin) * sizeof(float);
    inputs[from_] = reinterpret_cast<const std::byte*>(stored);
    pieces_.run({inputs.data(), at.results, areas}, begin, end, area);
  }

 private:
  std::size_t from_, inputs_;
  LoopPieces pieces_;
};

}  // namespace narae::cpu
