#pragma once

// What attention's arguments must be.

#include <cstdint>
#include <span>

#include "narae/graph/attention_attributes.h"
#include "narae/graph/node.h"
#include "narae/graph/tensor.h"
#include "narae/ops/attention.h"

namespace narae::attention_rules {

/// The arguments of one use of an operator; the constructor throws Error, naming the argument and the shapes, unless
/// they fit each other.
class Rule {
 public:
  Rule(const char* op, std::span<const Node* const> inputs, const AttentionArguments& in, int count);

  void require_shape(int i, const char* name, const Shape& wanted) const;
  [[nodiscard]] const Shape& shape(int i) const { return node(i).shape; }
  [[nodiscard]] DType dtype() const { return inputs_[0]->dtype; }
  [[nodiscard]] AttentionSizes sizes() const { return {shape(0), shape(1), shape(2)}; }

 private:
  [[nodiscard]] const Node& node(int i) const { return *inputs_[static_cast<std::size_t>(i)]; }
  void require_types(const AttentionArguments& in) const;
  void require_heads() const;
  void require_mask(int i) const;
  void require_type(int i, const char* name, DType wanted) const;

  const char* op_;
  std::span<const Node* const> inputs_;
};

/// Throws Error for arguments that are undefined or have not four axes.
void require_query_and_key(const Tensor& query, const Tensor& key);
/// Throws Error for numbers out of range, among them lengths and first positions that have been computed.
void require_options(const Tensor& query, const Tensor& key, const AttentionOptions& options);

}  // namespace narae::attention_rules
