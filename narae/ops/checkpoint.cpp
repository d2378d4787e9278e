#include "narae/ops/checkpoint.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "narae/core/error.h"
#include "narae/graph/grad.h"
#include "narae/graph/leaves.h"
#include "narae/graph/node_map.h"

namespace narae {
namespace {

Signature infer_first(std::span<const Node* const> inputs, Attributes, int) {
  return {inputs[0]->dtype, inputs[0]->shape};
}

void after_gradient(const GradientCase& at, std::span<Tensor> out) {
  if (at.needs[0]) out[0] = at.cotangents[0];
}

// x, but no sooner than the second input is there. Nothing merges a recomputation that reads this with the first one.
const Op& after_op =
    define_op({.name = "after", .kind = OpClass::view, .arity = 2, .infer = infer_first, .gradient = after_gradient});

// Calls visit(node) for what `roots` are made of, inputs before users, not going into nodes that `stop` accepts.
template <class Stop, class Visit>
void walk(std::span<Node* const> roots, const Stop& stop, const Visit& visit) {
  struct Frame {
    Node* node;
    std::uint32_t next = 0;
  };
  NodeMap seen;
  std::vector<Frame> stack;
  for (Node* root : roots) {
    stack.push_back({root});
    while (!stack.empty()) {
      Frame& frame = stack.back();
      Node* node = frame.node;
      if (frame.next < node->input_count && !stop(node)) {
        Node* input = node->inputs()[frame.next++];
        if (seen.find(input) == NodeMap::none) stack.push_back({input});
        continue;
      }
      stack.pop_back();
      if (seen.find(node) != NodeMap::none) continue;
      seen.insert(node, 0);
      visit(node);
    }
  }
}

// The recipes of `roots` with each node of `from` replaced by the one of `to`. What depends on none of them is shared.
// Nodes are written in the order in which the originals were: the plan keeps to it, and with it memory stays small.
std::vector<Tensor> substitute(std::span<const Tensor> roots, std::span<const Tensor> from,
                               std::span<const Tensor> to) {
  NodeMap numbers;
  std::vector<NodeRef> copies;
  const auto note = [&](Node* node, NodeRef copy) {
    numbers.insert(node, static_cast<std::int32_t>(copies.size()));
    copies.push_back(std::move(copy));
  };
  const auto is_noted = [&](const Node* node) { return numbers.find(node) != NodeMap::none; };
  const auto copy_of = [&](const Node* node) -> NodeRef& {
    return copies[static_cast<std::size_t>(numbers.find(node))];
  };
  for (std::size_t i = 0; i < from.size(); ++i) note(from[i].node(), NodeRef::share(to[i].node()));

  std::vector<Node*> starts;
  for (const Tensor& root : roots) starts.push_back(root.node());
  std::vector<Node*> order;
  walk(starts, is_noted, [&](Node* node) {
    if (!is_noted(node)) order.push_back(node);
  });
  std::sort(order.begin(), order.end(), [](const Node* a, const Node* b) { return a->sequence < b->sequence; });
  std::vector<Node*> inputs;
  for (Node* node : order) {
    bool same = true;
    inputs.clear();
    for (Node* input : node->inputs()) {
      inputs.push_back(copy_of(input).get());
      same = same && inputs.back() == input;
    }
    if (same) {
      note(node, NodeRef::share(node));
      continue;
    }
    NodeRef copy = NodeRef::adopt(
        detail::create_node(*node->op, {node->dtype, node->shape}, inputs, std::as_const(*node).attributes()));
    copy->module = node->module;
    copy->integer = node->integer;
    note(node, std::move(copy));
  }
  std::vector<Tensor> results;
  for (Node* start : starts) results.emplace_back(copy_of(start));
  return results;
}

// A leaf that stands for x in a recipe that is never computed.
Tensor placeholder(const Tensor& x) {
  return Tensor(NodeRef::adopt(detail::create_node(data_op, {x.dtype(), x.shape()}, {}, {})));
}

// Inputs: y, then what its recipe starts from. The recipe is written anew over placeholders and differentiated there,
// so that the sweep does not leave it; then the starting points take their places, ordered after the cotangent. No
// cotangent goes to y itself: nothing of the first computation is kept for the gradient.
void checkpoint_gradient(const GradientCase& at, std::span<Tensor> out) {
  const Tensor& dy = at.cotangents[0];
  std::vector<Tensor> places;
  std::vector<Tensor> wanted;
  for (std::size_t k = 1; k < at.inputs.size(); ++k) {
    places.push_back(placeholder(at.inputs[k]));
    if (at.needs[k]) wanted.push_back(places.back());
  }
  if (wanted.empty()) return;
  const std::vector<Tensor> y = substitute(at.inputs.first(1), at.inputs.subspan(1), places);
  const std::array<Tensor, 1> cotangent = {placeholder(dy)};
  const std::vector<Tensor> gradients = vjp(y, cotangent, wanted);
  std::vector<Tensor> starts;
  for (const Tensor& input : at.inputs.subspan(1)) starts.push_back(apply(after_op, {input, dy}));
  places.push_back(cotangent[0]);
  starts.push_back(dy);
  const std::vector<Tensor> results = substitute(gradients, places, starts);
  for (std::size_t k = 1, w = 0; k < at.inputs.size(); ++k)
    if (at.needs[k]) out[k] = results[w++];
}

std::vector<Tensor> compose_checkpoint(std::span<const Tensor> inputs, Attributes) {
  return {inputs[0]};
}

const Op& checkpoint_op = define_op({.name = "checkpoint",
                                     .kind = OpClass::fused,
                                     .arity = -1,
                                     .infer = infer_first,
                                     .gradient = checkpoint_gradient,
                                     .compose = compose_checkpoint});

}  // namespace

Tensor checkpoint(const std::function<Tensor(std::span<const Tensor>)>& f, std::span<const Tensor> inputs) {
  const std::uint64_t begin = scalar(0).node()->sequence;  // nodes that f writes have higher numbers
  Tensor y = f(inputs);
  if (!y.defined()) throw Error("checkpoint: the function gave back an undefined tensor");
  if (y.read()->sequence < begin) return y;
  // The recipe starts from what was written before, and from variables.
  const auto is_start = [&](const Node* node) { return node->sequence < begin || node->op == &version_op; };
  std::vector<Tensor> node_inputs = {y};
  walk(std::array{y.read()}, is_start, [&](Node* node) {
    if (is_start(node)) {
      node_inputs.emplace_back(NodeRef::share(node));
    } else if (node->dropped) {
      throw Error("checkpoint: the function computed a tensor of shape " + to_string(node->shape) +
                  " for its value alone; leave out NoGrad and assignments inside");
    }
  });
  return narae::apply(checkpoint_op, node_inputs);
}

}  // namespace narae
