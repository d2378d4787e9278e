#include "narae/nn/attention.h"

#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "narae/nn/init.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/matmul.h"
#include "narae/ops/view.h"

namespace narae::nn {
namespace {

std::string details_of(std::int64_t width, std::int64_t heads, const MultiHeadAttentionOptions& o) {
  std::string text = std::to_string(width) + ", " + std::to_string(heads) + " heads";
  if (o.kv_heads != 0 && o.kv_heads != heads) text += " over " + std::to_string(o.kv_heads);
  if (o.key_width != 0 || o.value_width != 0) {
    text += ", keys " + std::to_string(o.key_width != 0 ? o.key_width : width) + ", values " +
            std::to_string(o.value_width != 0 ? o.value_width : width);
  }
  return text + (o.bias ? "" : ", no bias");
}

// Checked before the projections are made.
std::int64_t checked_width(std::int64_t width, std::int64_t heads, const MultiHeadAttentionOptions& o) {
  const auto fail = [&](const std::string& why) {
    throw Error("MultiHeadAttention: " + details_of(width, heads, o) + ": " + why);
  };
  if (width < 1 || heads < 1 || o.kv_heads < 0 || o.key_width < 0 || o.value_width < 0) {
    fail("sizes must be at least 1");
  }
  if (width % heads != 0) fail("the heads do not divide the width");
  if (o.kv_heads != 0 && heads % o.kv_heads != 0) fail("the heads of keys do not divide those of queries");
  if (!(o.dropout >= 0 && o.dropout <= 1)) fail("the dropout must be between 0 and 1");
  return width;
}

// Uniform in +- sqrt(6 / (fan in + fan out)) of the whole matrix, as PyTorch draws it.
Array xavier(DType dtype, const Shape& shape) {
  const double bound = std::sqrt(3.0) * init::xavier_std(shape);
  return init::draw_uniform(dtype, shape, -bound, bound);
}

}  // namespace

MultiHeadAttention::MultiHeadAttention(std::int64_t width, std::int64_t heads, const MultiHeadAttentionOptions& options)
    : Module("MultiHeadAttention", details_of(width, heads, options)),
      width_(checked_width(width, heads, options)),
      heads_(heads),
      kv_heads_(options.kv_heads != 0 ? options.kv_heads : heads),
      input_widths_{width, options.key_width != 0 ? options.key_width : width,
                    options.value_width != 0 ? options.value_width : width},
      dropout_(options.dropout),
      out_(width, width, {.bias = options.bias, .dtype = options.dtype}) {
  const std::int64_t size = width / heads;
  const std::int64_t rows = width + 2 * kv_heads_ * size;
  if (input_widths_[keys] == width && input_widths_[values] == width) {
    in_weight_ = register_parameter("in_proj_weight", xavier(options.dtype, {rows, width}));
  } else {
    constexpr const char* names[] = {"q_proj_weight", "k_proj_weight", "v_proj_weight"};
    for (const Part part : {queries, keys, values}) {
      separate_weight_[part] =
          register_parameter(names[part], xavier(options.dtype, {heads_of(part) * size, input_widths_[part]}));
    }
  }
  if (options.bias) in_bias_ = register_parameter("in_proj_bias", zeros({rows}, options.dtype));
  register_module("out_proj", out_);
  if (options.bias) init::zeros(out_.bias());
}

Tensor MultiHeadAttention::split_heads(const Tensor& y, Part part) const {
  return reshape(y, {y.size(0), y.size(1), heads_of(part), width_ / heads_});
}

void MultiHeadAttention::require_input(const Tensor& x, Part part) const {
  constexpr const char* names[] = {"query", "key", "value"};
  if (x.defined() && x.rank() == 3 && x.size(2) == input_widths_[part]) return;
  throw Error(kind() + ": " + names[part] + " has shape " + (x.defined() ? to_string(x.shape()) : "(undefined)") +
              "; (batch, time, " + std::to_string(input_widths_[part]) + ") is needed");
}

Tensor MultiHeadAttention::projected(const Tensor& x, Part part) const {
  require_input(x, part);
  const std::int64_t size = width_ / heads_;
  const std::int64_t first = part == queries ? 0 : width_ + (part == values ? kv_heads_ * size : 0);
  const std::int64_t rows = heads_of(part) * size;
  const Tensor bias = in_bias_.defined() ? narrow(in_bias_, 0, first, rows) : Tensor();
  const Tensor weight = in_weight_.defined() ? narrow(in_weight_, 0, first, rows) : separate_weight_[part];
  return split_heads(linear(x, weight, bias), part);
}

KeysAndValues MultiHeadAttention::project_memory(const Tensor& key, const Tensor& value) const {
  if (!in_weight_.defined() || !key.defined() || key.node() != value.node()) {
    return {projected(key, keys), projected(value, values)};
  }
  require_input(key, keys);
  const std::int64_t kv_width = kv_heads_ * (width_ / heads_);
  const Tensor bias = in_bias_.defined() ? narrow(in_bias_, 0, width_, 2 * kv_width) : Tensor();
  const Tensor y = linear(key, narrow(in_weight_, 0, width_, 2 * kv_width), bias);  // one product for both
  return {split_heads(narrow(y, 2, 0, kv_width), keys), split_heads(narrow(y, 2, kv_width, kv_width), values)};
}

Tensor MultiHeadAttention::joined(const Tensor& y) const {
  return out_(reshape(y, {y.size(0), y.size(1), width_}));
}

double MultiHeadAttention::dropout_with(const AttentionOptions& options) const {
  if (options.dropout != 0) throw Error(kind() + ": the dropout of the probabilities is an option of the layer");
  return is_training() ? dropout_ : 0;
}

Tensor MultiHeadAttention::attend_to_itself(const Tensor& x, const Attend& attend) const {
  const double dropout = dropout_with({});
  if (!in_weight_.defined()) {
    return joined(attend(projected(x, queries), projected(x, keys), projected(x, values), dropout));
  }
  require_input(x, queries);
  const Tensor y = linear(x, in_weight_, in_bias_);  // one product for all three
  const std::int64_t kv_width = kv_heads_ * (width_ / heads_);
  const std::vector<Tensor> parts = split(y, {width_, kv_width, kv_width}, 2);
  return joined(
      attend(split_heads(parts[0], queries), split_heads(parts[1], keys), split_heads(parts[2], values), dropout));
}

Tensor MultiHeadAttention::attend_to(const Tensor& query, const KeysAndValues& memory,
                                     const AttentionOptions& options) const {
  AttentionOptions all = options;
  all.dropout = dropout_with(options);
  return joined(attention(projected(query, queries), memory.keys, memory.values, all));
}

Tensor MultiHeadAttention::run(const Tensor& query, const Tensor& key, const Tensor& value,
                               const AttentionOptions& options) const {
  if (!query.defined() || query.node() != key.node() || key.node() != value.node()) {
    return attend_to(query, project_memory(key, value), options);
  }
  AttentionOptions all = options;
  all.dropout = dropout_with(options);
  return attend_to_itself(
      query, [&](const Tensor& q, const Tensor& k, const Tensor& v, double) { return attention(q, k, v, all); });
}

Tensor MultiHeadAttention::operator()(const Tensor& x, const Attend& attend) const {
  const auto inside = scope();
  return attend_to_itself(x, attend);
}

Tensor MultiHeadAttention::operator()(const Tensor& x, const KeysAndValues& memory,
                                      const AttentionOptions& options) const {
  const auto inside = scope();
  return attend_to(x, memory, options);
}

KeysAndValues MultiHeadAttention::keys_and_values(const Tensor& memory) const {
  const auto inside = scope();
  return project_memory(memory, memory);
}

Tensor MultiHeadAttention::operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                                      const AttentionOptions& options) const {
  const auto inside = scope();
  return run(query, key, value, options);
}

Tensor MultiHeadAttention::forward(const Tensor& x) const {
  return run(x, x, x, {});
}

Tensor MultiHeadAttention::probabilities(const Tensor& query, const Tensor& key,
                                         const AttentionOptions& options) const {
  const auto inside = scope();
  return attention_probabilities(projected(query, queries), projected(key, keys), options);
}

Tensor alibi_slopes(std::int64_t heads, DType dtype) {
  if (heads < 1) throw Error("alibi_slopes: " + std::to_string(heads) + " heads");
  const auto power = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(heads)));
  std::vector<double> slopes;
  for (std::int64_t k = 1; k <= power; ++k)
    slopes.push_back(std::exp2(-8.0 * static_cast<double>(k) / static_cast<double>(power)));
  for (std::int64_t k = 1; static_cast<std::int64_t>(slopes.size()) < heads; k += 2)
    slopes.push_back(std::exp2(-8.0 * static_cast<double>(k) / static_cast<double>(2 * power)));
  return cast(Tensor::of<double>(slopes, {heads}), dtype);
}

}  // namespace narae::nn
