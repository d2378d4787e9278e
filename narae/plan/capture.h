#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "narae/graph/eval.h"
#include "narae/graph/variable.h"
#include "narae/plan/program.h"

namespace narae::plan {

/// The words of a key, hashed while they are written. Keeps its memory from one evaluation to the next.
class Key {
 public:
  void clear() {
    size_ = 0;
    hash_ = 0;
  }
  void write(std::uint64_t word) {
    *reserve(1) = word;
    mix(word);
  }
  /// Room for n more words, which the caller fills in and accounts for with `mix`.
  [[nodiscard]] std::uint64_t* reserve(std::size_t n) {
    if (size_ + n > capacity_) grow(size_ + n);
    std::uint64_t* words = words_.get() + size_;
    size_ += n;
    return words;
  }
  void mix(std::uint64_t word) { hash_ = step(hash_, word); }
  /// Of several words the hash may be made apart and mixed in at once: then it waits for nothing.
  [[nodiscard]] static std::uint64_t step(std::uint64_t hash, std::uint64_t word) {
    return std::rotl((hash ^ word) * 0x9E3779B97F4A7C15ULL, 29);
  }

  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  [[nodiscard]] std::span<const std::uint64_t> words() const { return {words_.get(), size_}; }

 private:
  void grow(std::size_t needed);

  std::unique_ptr<std::uint64_t[]> words_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  std::uint64_t hash_ = 0;
};

/// What one walk over a recipe finds: the nodes to compute, what they read, and a key that is equal for recipes of
/// equal structure. Numbers: arguments and nodes share one sequence, in the order of the walk.
struct Capture {
  Key key;

  std::vector<Node*> order;      ///< leaves and nodes, inputs before users
  std::vector<Node*> arguments;  ///< the leaves, in the order of their argument numbers
  std::vector<Node*> outputs;    ///< nodes whose values are handed out
  std::vector<Node*> versions;   ///< pending versions of variables that this evaluation stores, oldest first
  Node* guard = nullptr;

  // Of the walk: a node that is open with the number of its next input, and the running statistics that were found.
  struct Frame {
    Node* node;
    std::uint32_t next;
  };
  std::vector<Frame> open;
  std::vector<Effect> effects;

  void clear();
};

/// Walks the recipes of a request. The graph's lock must be held. Throws Error for a recipe that reads a version of a
/// variable that is gone.
void capture(const detail::EvaluationRequest& request, Capture& result);

/// The captured nodes as a program: arguments first, then operators in the order in which they were written.
[[nodiscard]] Program to_program(const Capture& capture, const detail::EvaluationRequest& request);

/// Appends the recipe of `results` to `program`, with the nodes of `placeholders` standing for the values `inputs`;
/// returns the values of the results. Leaves other than placeholders must be scalars; they become constants.
[[nodiscard]] std::vector<int> append_recipe(Program& program, std::span<const Tensor> results,
                                             std::span<const Tensor> placeholders, std::span<const int> inputs);

}  // namespace narae::plan
