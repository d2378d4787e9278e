#include "narae/graph/tensor.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "narae/graph/eval.h"
#include "narae/graph/leaves.h"
#include "narae/graph/variable.h"

namespace narae {
namespace {

Signature first_input(std::span<const Node* const> inputs, Attributes, int) {
  return {inputs[0]->dtype, inputs[0]->shape};
}

// The result `k` of the tuple in front of it.
Signature output_signature(std::span<const Node* const> inputs, Attributes attributes, int) {
  return inputs[0]->op->infer(std::span(inputs[0]->inputs().data(), inputs[0]->input_count), inputs[0]->attributes(),
                              static_cast<int>(attributes[0]));
}

void no_cotangent(const GradientCase&, std::span<Tensor>) {}

}  // namespace

const Op& data_op = define_op({.name = "data", .kind = OpClass::leaf, .arity = 0});
const Op& scalar_op = define_op({.name = "scalar", .kind = OpClass::leaf, .arity = 0});
const Op& variable_op = define_op({.name = "variable", .kind = OpClass::leaf, .arity = 0});
const Op& version_op = define_op({.name = "version", .kind = OpClass::leaf, .arity = 2});
const Op& output_op =
    define_op({.name = "output", .kind = OpClass::view, .infer = output_signature, .gradient = no_cotangent});
const Op& detach_op =
    define_op({.name = "detach", .kind = OpClass::view, .infer = first_input, .stops_gradient = true});

Tensor::Tensor(const Array& data)
    : node_(NodeRef::adopt(detail::create_node(data_op, {data.dtype, data.shape}, {}, {}))) {
  node_->value = data.buffer ? data.buffer : Buffer::allocate(0);
  if (node_->value.size() < data.bytes())
    throw Error("tensor: the array is shorter than its shape " + to_string(data.shape));
}

Tensor Tensor::of_bytes(DType dtype, const Shape& shape, const void* data, std::size_t count) {
  if (static_cast<std::size_t>(shape.count()) != count) {
    throw Error("tensor: " + std::to_string(count) + " values for shape " + to_string(shape));
  }
  Array array = Array::empty(dtype, shape);
  if (count != 0) std::memcpy(array.buffer.data(), data, array.bytes());
  return array;
}

std::int64_t Tensor::size(int axis) const {
  return shape()[normalize_axis(axis, rank(), "size")];
}

const Tensor& Tensor::eval() const {
  const Node* node = read();
  if (!node->computed()) narae::eval({*this});
  return *this;
}

Array Tensor::array() const {
  if (!defined()) throw Error("array: undefined tensor");
  const Node* node = read();
  if (node->op == &scalar_op) {
    Array result = Array::empty(node->dtype, node->shape);
    visit_dtype(node->dtype, [&](auto zero) {
      using T = decltype(zero);
      if constexpr (std::is_floating_point_v<T>)
        result.mutable_values<T>()[0] = static_cast<T>(node->real);
      else if constexpr (std::is_integral_v<T>)
        result.mutable_values<T>()[0] = static_cast<T>(node->integer);
    });
    return result;
  }
  eval();
  node = read();
  Array result{node->dtype, node->shape, node->value};
  if (node->op != &version_op) return result;
  const std::lock_guard lock(detail::graph_mutex());
  if (node->variable->stored != node->version) {
    throw Error("variable '" + node->variable->name + "' has been assigned since this version of it was read");
  }
  Array snapshot = Array::empty(node->dtype, node->shape);
  if (snapshot.bytes() != 0) std::memcpy(snapshot.buffer.data(), node->variable->storage.data(), snapshot.bytes());
  return snapshot;
}

double Tensor::item() const {
  if (!defined()) throw Error("item: undefined tensor");
  if (count() != 1) throw Error("item: the tensor has shape " + to_string(shape()) + ", not one element");
  return to_vector<double>()[0];
}

bool Tensor::is_variable() const {
  return defined() && node_->op == &variable_op;
}
bool Tensor::is_trainable() const {
  return is_variable() && node_->variable->trainable;
}
std::string Tensor::name() const {
  return is_variable() ? node_->variable->name : "";
}

void Tensor::set_name(const std::string& name) const {
  if (!is_variable()) throw Error("set_name: this tensor is not a variable");
  node_->variable->name = name;
}

void Tensor::set_trainable(bool trainable) const {
  if (!is_variable()) throw Error("set_trainable: this tensor is not a variable");
  node_->variable->trainable = trainable;
}

void Tensor::assign(const Tensor& value) const {
  const std::array<Assignment, 1> assignments = {Assignment{*this, value}};
  update(assignments);
}

Tensor variable(const Tensor& initial, const VariableOptions& options) {
  if (!initial.defined()) throw Error("variable: undefined initial value");
  return variable(initial.array(), options);
}

Tensor variable(Array initial, const VariableOptions& options) {
  if (!initial.buffer.unique() || !initial.buffer.writable()) {
    const Array held = std::exchange(initial, Array::empty(initial.dtype, initial.shape));
    if (held.bytes() != 0) std::memcpy(initial.buffer.data(), held.buffer.data(), held.bytes());
  }

  auto* state = new Variable;  // its one reference goes to the handle
  state->name = options.name;
  state->trainable = options.trainable;
  state->storage = std::move(initial.buffer);
  const Signature signature{initial.dtype, initial.shape};
  NodeRef handle = NodeRef::adopt(detail::create_node(variable_op, signature, {}, {}));
  handle->variable = state;
  state->id = handle->sequence;
  Node* version = detail::create_node(version_op, signature, {}, {});
  version->variable = state;
  detail::retain(state);
  version->version = 0;
  version->value = state->storage;
  state->current = version;
  return Tensor(std::move(handle));
}

Tensor copy(const Tensor& x) {
  const Array value = x.array();
  Array snapshot = Array::empty(value.dtype, value.shape);
  if (value.bytes() != 0) std::memcpy(snapshot.buffer.data(), value.buffer.data(), value.bytes());
  return snapshot;
}

Tensor detach(const Tensor& x) {
  return apply(detach_op, {x});
}

Tensor scalar(double value, DType dtype) {
  if (!is_floating(dtype)) return scalar_integer(static_cast<std::int64_t>(value), dtype);
  NodeRef node = NodeRef::adopt(detail::create_node(scalar_op, {dtype, {}}, {}, {}));
  node->real = value;
  return Tensor(std::move(node));
}

Tensor scalar_integer(std::int64_t value, DType dtype) {
  if (is_floating(dtype)) return scalar(static_cast<double>(value), dtype);
  NodeRef node = NodeRef::adopt(detail::create_node(scalar_op, {dtype, {}}, {}, {}));
  node->integer = value;
  return Tensor(std::move(node));
}

Tensor apply(const Op& op, std::span<const Operand> inputs, Attributes attributes) {
  constexpr std::size_t few = 8;
  std::array<Node*, few> inline_nodes;
  std::vector<Node*> many;
  std::span<Node*> nodes(inline_nodes.data(), std::min(inputs.size(), few));
  if (inputs.size() > few) {
    many.resize(inputs.size());
    nodes = many;
  }
  if (op.arity >= 0 && inputs.size() != static_cast<std::size_t>(op.arity)) {
    throw Error(std::string(op.name) + ": " + std::to_string(inputs.size()) + " inputs, not " +
                std::to_string(op.arity));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& input = *inputs[i].tensor;
    if (!input.defined()) throw Error(std::string(op.name) + ": argument " + std::to_string(i + 1) + " is undefined");
    nodes[i] = input.read();
  }
  const Signature signature = op.infer(std::span<const Node* const>(nodes.data(), nodes.size()), attributes, 0);
  return Tensor(NodeRef::adopt(detail::create_node(op, signature, nodes, attributes)));
}

Tensor apply(const Op& op, std::span<const Tensor> inputs, Attributes attributes) {
  const std::vector<Operand> operands(inputs.begin(), inputs.end());
  return apply(op, std::span<const Operand>(operands), attributes);
}

Tensor output(const Tensor& node, int k) {
  const auto number = static_cast<std::size_t>(k);
  if (NodeRef known = detail::find_projection(node.read(), number)) return Tensor(std::move(known));
  Tensor result = apply(output_op, {node}, {k});
  result.node()->integer = k;
  detail::note_projection(node.read(), number, result.node());
  return result;
}

std::vector<Tensor> outputs(const Tensor& node) {
  const int n = node.node()->op->results;
  if (n == 1) return {node};
  std::vector<Tensor> result;
  for (int k = 0; k < n; ++k) result.push_back(output(node, k));
  return result;
}

void assign_with(const Tensor& with, const Tensor& of, const Tensor& value) {
  if (!of.is_variable()) throw Error("assign_with: not a variable");
  if (value.dtype() != of.dtype() || !(value.shape() == of.shape())) {
    throw Error("assign_with: variable '" + of.name() + "' has shape " + to_string(of.shape()) + ", the value " +
                to_string(value.shape()));
  }
  const std::lock_guard lock(detail::graph_mutex());
  Variable* state = of.node()->variable;
  const std::array<Node*, 2> inputs = {state->current, value.read()};
  Node* version = detail::create_node(version_op, {of.dtype(), of.shape()}, inputs, {});
  version->variable = state;
  detail::retain(state);
  version->version = ++state->newest;
  detail::release(std::exchange(state->current, version));
  if (with.defined()) {
    detail::retain(state);
    detail::extra_of(with.read()).effects.push_back({state, version, state->newest});
  }
}

}  // namespace narae
