#include "narae/graph/grad.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "narae/graph/leaves.h"
#include "narae/graph/module_path.h"
#include "narae/graph/node_map.h"
#include "narae/graph/variable.h"

namespace narae {
namespace {

Tensor filled(double value, DType dtype, const Shape& shape) {
  static const Op& broadcast_to = *find_op("broadcast_to");
  return shape.rank() == 0 ? scalar(value, dtype) : apply(broadcast_to, {scalar(value, dtype)}, shape.dims());
}

Tensor sum_of(const Tensor& a, const Tensor& b) {
  static const Op& add = *find_op("add");
  return apply(add, {a, b});
}

// While it lives, nodes are marked as written by a reverse sweep, under the path of the forward node's module.
class WritesBackward {
 public:
  explicit WritesBackward(std::uint32_t module) : path_(module), backward_(detail::exchange_backward(true)) {}
  ~WritesBackward() { detail::exchange_backward(backward_); }
  WritesBackward(const WritesBackward&) = delete;
  WritesBackward& operator=(const WritesBackward&) = delete;

 private:
  detail::ModulePath path_;
  bool backward_;
};

// One reverse sweep, under the graph's lock. Nodes are numbered in post-order (inputs before users); the sweep goes
// through them backwards.
class Reverse {
 public:
  // The walk does not go beyond the tensors in `stop`.
  Reverse(std::span<const Tensor> outputs, std::span<const Tensor> cotangents, std::span<const Tensor> wanted,
          std::span<const Tensor> stop)
      : wanted_(wanted) {
    for (const Tensor& t : stop) stop_.push_back(t.read());
    mark_wanted();
    for (const Tensor& output : outputs) walk(output.read());
    find_needed();
    cotangents_.resize(slots_);
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      accumulate(slot_of(numbers_.find(outputs[k].read())), cotangents[k]);
    }
  }

  std::vector<Tensor> run() {
    require_reachable();
    for (std::size_t i = nodes_.size(); i-- > 0;) {
      if (needed_[i]) propagate(static_cast<std::int32_t>(i));
    }
    std::vector<Tensor> result;
    for (std::size_t w = 0; w < wanted_.size(); ++w) result.push_back(gradient_of(w));
    return result;
  }

 private:
  // A wanted variable stands for every version of it that the recipe reads.
  void mark_wanted() {
    for (std::size_t w = 0; w < wanted_.size(); ++w) {
      if (!wanted_[w].defined()) throw Error("grad: tensor " + std::to_string(w + 1) + " is undefined");
      if (!is_floating(wanted_[w].dtype())) {
        throw Error("grad: tensor " + std::to_string(w + 1) + " is " + std::string(name_of(wanted_[w].dtype())) +
                    "; only f32 and f64 have gradients");
      }
      wanted_variables_.push_back(wanted_[w].node()->variable);
    }
    found_.resize(wanted_.size());
    sorted_.resize(wanted_.size());
    for (std::size_t w = 0; w < wanted_.size(); ++w) sorted_[w] = w;
    const auto key = [&](std::size_t w) { return identity(w); };
    std::sort(sorted_.begin(), sorted_.end(), [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
  }

  [[nodiscard]] const void* identity(std::size_t w) const { return identity(wanted_[w].node()); }

  // What stands for a node: its variable, or itself.
  [[nodiscard]] static const void* identity(const Node* node) {
    return node->variable != nullptr ? static_cast<const void*>(node->variable) : static_cast<const void*>(node);
  }

  // Notes that node number i is one of the wanted tensors.
  bool note_wanted(const Node* node, std::int32_t number) {
    const void* id = identity(node);
    auto at = std::lower_bound(sorted_.begin(), sorted_.end(), id,
                               [&](std::size_t w, const void* key) { return identity(w) < key; });
    bool any = false;
    for (; at != sorted_.end() && identity(*at) == id; ++at) {
      found_[*at].push_back(number);
      any = true;
    }
    return any;
  }

  void walk(Node* root) {
    if (numbers_.find(root) != NodeMap::none) return;
    stack_.push_back({root, 0});
    while (!stack_.empty()) {
      const auto [node, next] = stack_.back();
      const bool stop = is_stop(node);
      const bool leaf = node->op == &version_op || node->op->stops_gradient || stop;
      if (!leaf && next < node->input_count) {
        ++stack_.back().next;
        Node* input = node->inputs()[next];
        if (numbers_.find(input) == NodeMap::none) stack_.push_back({input, 0});
        continue;
      }
      stack_.pop_back();
      if (numbers_.find(node) != NodeMap::none) continue;
      const auto number = static_cast<std::int32_t>(nodes_.size());
      numbers_.insert(node, number);
      nodes_.push_back(NodeRef::share(node));
      first_slot_.push_back(slots_);
      slots_ += static_cast<std::size_t>(node->op->results);
      is_leaf_.push_back(leaf);
      is_wanted_.push_back(note_wanted(node, number));
      if (node->dropped && !stop && is_floating(node->dtype)) note_dropped(node);
    }
  }

  void note_dropped(const Node* node) {
    if (node->extra != nullptr && node->extra->origins.known)
      dropped_.push_back(node);
    else if (forgotten_ == nullptr)
      forgotten_ = node;
  }

  [[nodiscard]] bool is_stop(const Node* node) const {
    return std::find(stop_.begin(), stop_.end(), node) != stop_.end();
  }

  void find_needed() {
    needed_.resize(nodes_.size());
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      bool need = is_wanted_[i];
      if (!is_leaf_[i]) {
        for (const Node* input : std::as_const(*nodes_[i].get()).inputs()) {
          need = need || needed_[static_cast<std::size_t>(numbers_.find(input))];
        }
      }
      needed_[i] = need;
    }
  }

  [[nodiscard]] std::size_t slot_of(std::int32_t number) const { return first_slot_[static_cast<std::size_t>(number)]; }

  void accumulate(std::size_t slot, const Tensor& cotangent) {
    Tensor& sum = cotangents_[slot];
    sum = sum.defined() ? sum_of(sum, cotangent) : cotangent;
  }

  void propagate(std::int32_t number) {
    const auto i = static_cast<std::size_t>(number);
    const Node* node = nodes_[i].get();
    const Op& op = *node->op;
    const auto results = static_cast<std::size_t>(op.results);
    const std::span<Tensor> incoming(cotangents_.data() + first_slot_[i], results);
    if (is_leaf_[i] || node->input_count == 0) return;
    if (std::none_of(incoming.begin(), incoming.end(), [](const Tensor& t) { return t.defined(); })) return;
    if (node->op == &output_op) {
      const auto from = static_cast<std::size_t>(numbers_.find(node->inputs()[0]));
      accumulate(first_slot_[from] + static_cast<std::size_t>(node->integer), incoming[0]);
      if (!is_wanted_[i]) incoming[0] = Tensor();
      return;
    }
    const WritesBackward scope(node->module);
    rule(*node, results, incoming);
    if (!is_wanted_[i]) std::fill(incoming.begin(), incoming.end(), Tensor());
  }

  void rule(const Node& node, std::size_t results, std::span<const Tensor> incoming) {
    const Op& op = *node.op;
    inputs_.clear();
    if (needs_size_ < node.input_count) {
      needs_size_ = 2 * std::size_t{node.input_count};
      needs_ = std::make_unique<bool[]>(needs_size_);
    }
    const std::span<bool> needs(needs_.get(), node.input_count);
    for (std::uint32_t k = 0; k < node.input_count; ++k) {
      Node* input = node.inputs()[k];
      inputs_.emplace_back(NodeRef::share(input));
      needs[k] = needed_[static_cast<std::size_t>(numbers_.find(input))] && is_floating(input->dtype);
    }
    out_.assign(node.input_count, Tensor());
    const std::span<Tensor> out(out_);
    if (op.gradient != nullptr) {
      results_.clear();
      Node* self = const_cast<Node*>(&node);
      if (results == 1)
        results_.emplace_back(NodeRef::share(self));
      else
        results_ = outputs(Tensor(NodeRef::share(self)));
      op.gradient({node.attributes(), inputs_, results_, incoming, needs}, out);
    } else if (op.compose != nullptr) {
      gradient_of_composition(node, incoming, needs, out);
    } else {
      throw Error("grad: operator '" + std::string(op.name) + "' has no gradient");
    }
    for (std::uint32_t k = 0; k < node.input_count; ++k) {
      if (!needs[k] || !out[k].defined()) continue;
      if (!(out[k].shape() == node.inputs()[k]->shape) || out[k].dtype() != node.inputs()[k]->dtype) {
        throw Error("grad: the rule of '" + std::string(op.name) + "' gives " + std::string(name_of(out[k].dtype())) +
                    " " + to_string(out[k].shape()) + " for input " + std::to_string(k + 1) + " of shape " +
                    to_string(node.inputs()[k]->shape));
      }
      accumulate(slot_of(numbers_.find(node.inputs()[k])), out[k]);
    }
  }

  // A fused operator without a rule of its own: differentiate what it is composed of.
  void gradient_of_composition(const Node& node, std::span<const Tensor> incoming, std::span<const bool> needs,
                               std::span<Tensor> out) {
    const std::vector<Tensor> results = node.op->compose(inputs_, node.attributes());
    std::vector<Tensor> from;
    std::vector<Tensor> cotangents;
    std::vector<Tensor> wanted;
    std::vector<std::size_t> places;  // of the wanted tensors among the inputs
    for (std::size_t k = 0; k < results.size(); ++k) {
      if (!incoming[k].defined()) continue;
      from.push_back(results[k]);
      cotangents.push_back(incoming[k]);
    }
    for (std::size_t k = 0; k < inputs_.size(); ++k) {
      // A tensor (or variable) that is two inputs gets the sum of both shares, once.
      const bool again =
          std::any_of(inputs_.begin(), inputs_.begin() + static_cast<std::ptrdiff_t>(k),
                      [&](const Tensor& earlier) { return identity(earlier.node()) == identity(inputs_[k].node()); });
      if (!needs[k] || again) continue;
      wanted.push_back(inputs_[k]);
      places.push_back(k);
    }
    Reverse inner(from, cotangents, wanted, inputs_);
    std::vector<Tensor> gradients = inner.run();
    for (std::size_t w = 0; w < places.size(); ++w) out[places[w]] = std::move(gradients[w]);
  }

  // A part of a gradient that is missing because a recipe was dropped is an error, not a zero. Only what an update
  // drops is detached by that: a trainable variable that is reached otherwise gets that share (a carried state). So is
  // what was computed inside NoGrad, unless it leaves nothing at all.
  void require_reachable() const {
    for (const Node* node : dropped_) {
      for (std::size_t w = 0; w < wanted_.size(); ++w)
        if (came_from(*node, w)) fail_dropped(node);
    }
    const bool none = std::all_of(found_.begin(), found_.end(), [](const auto& numbers) { return numbers.empty(); });
    if (none && !wanted_.empty() && forgotten_ != nullptr) fail_dropped(forgotten_);
  }

  // Whether the dropped recipe of `node` led to a wanted tensor.
  [[nodiscard]] bool came_from(const Node& node, std::size_t w) const {
    const Variable* variable = wanted_variables_[w];
    const auto& through = node.extra->depends_on;
    if (variable != nullptr && found_[w].empty() &&
        std::find(through.begin(), through.end(), variable) != through.end()) {
      return true;
    }
    return detail::came_from(node.extra->origins, node, *wanted_[w].node());
  }

  [[noreturn]] static void fail_dropped(const Node* node) {
    const bool named = node->extra != nullptr && !node->extra->dropped_by.empty();
    const std::string why =
        named ? "variable '" + node->extra->dropped_by + "' has been assigned since; write the recipe anew"
              : "it was computed for its value alone; ask for the gradient first, or detach it";
    throw Error("grad: the recipe of a computed tensor of shape " + to_string(node->shape) + " was dropped: " + why);
  }

  Tensor gradient_of(std::size_t w) {
    Tensor sum;
    for (const std::int32_t number : found_[w]) {
      const Tensor& part = cotangents_[slot_of(number)];
      if (part.defined()) sum = sum.defined() ? sum_of(sum, part) : part;
    }
    return sum.defined() ? sum : filled(0, wanted_[w].dtype(), wanted_[w].shape());
  }

  struct Frame {
    Node* node;
    std::uint32_t next;
  };

  std::span<const Tensor> wanted_;
  std::vector<const Node*> stop_;
  std::vector<const Variable*> wanted_variables_;
  std::vector<std::size_t> sorted_;
  std::vector<std::vector<std::int32_t>> found_;  // node numbers of each wanted tensor
  NodeMap numbers_;
  std::vector<Frame> stack_;
  std::vector<NodeRef> nodes_;
  std::vector<std::size_t> first_slot_;
  std::vector<bool> is_leaf_;
  std::vector<bool> is_wanted_;
  std::vector<bool> needed_;
  std::vector<const Node*> dropped_;  // computed nodes without a recipe, of which it is known what they came from
  const Node* forgotten_ = nullptr;   // one of which it is not
  std::size_t slots_ = 0;
  std::vector<Tensor> cotangents_;
  std::vector<Tensor> inputs_;  // of the node at hand
  std::vector<Tensor> results_;
  std::vector<Tensor> out_;
  std::unique_ptr<bool[]> needs_;
  std::size_t needs_size_ = 0;
};

}  // namespace

Gradients grad(const Tensor& loss, std::span<const Tensor> with_respect_to) {
  if (!loss.defined()) throw Error("grad: undefined loss");
  if (!is_floating(loss.dtype()))
    throw Error("grad: the loss is " + std::string(name_of(loss.dtype())) + ", not floating");
  if (loss.count() != 1) {
    throw Error("grad: the loss has shape " + to_string(loss.shape()) + "; reduce it to one number first (mean, sum)");
  }
  const std::array<Tensor, 1> of = {loss};
  const std::array<Tensor, 1> one = {filled(1, loss.dtype(), loss.shape())};
  return {loss, {with_respect_to.begin(), with_respect_to.end()}, vjp(of, one, with_respect_to)};
}

std::vector<Tensor> vjp(std::span<const Tensor> outputs, std::span<const Tensor> cotangents,
                        std::span<const Tensor> with_respect_to) {
  if (outputs.size() != cotangents.size()) throw Error("vjp: as many cotangents as outputs are needed");
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    if (!(outputs[k].shape() == cotangents[k].shape()) || outputs[k].dtype() != cotangents[k].dtype()) {
      throw Error("vjp: cotangent " + std::to_string(k + 1) + " has shape " + to_string(cotangents[k].shape()) +
                  ", its output " + to_string(outputs[k].shape()));
    }
  }
  const std::lock_guard lock(detail::graph_mutex());  // another thread may compute a part of the recipe and drop it
  for (const Tensor& output : outputs) output.read()->differentiated = true;
  return Reverse(outputs, cotangents, with_respect_to, {}).run();
}

namespace detail {

std::vector<Tensor> trainable_versions_of(std::span<const Tensor> of) {
  const std::lock_guard lock(graph_mutex());
  std::vector<Tensor> found;
  std::vector<Node*> stack;
  for (const Tensor& t : of) stack.push_back(t.read());
  const std::uint64_t visit = next_visit();
  const std::uint64_t stamp = next_visit();
  while (!stack.empty()) {
    Node* node = stack.back();
    stack.pop_back();
    if (std::exchange(node->visit, visit) == visit) continue;
    if (node->op == &version_op) {
      if (node->variable->trainable && std::exchange(node->variable->stamp, stamp) != stamp) {
        found.emplace_back(NodeRef::share(node));
      }
    } else if (!node->op->stops_gradient) {
      for (Node* input : node->inputs()) stack.push_back(input);
    }
  }
  return found;
}

}  // namespace detail

}  // namespace narae
