#include "narae/plan/capture.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <string>
#include <utility>

#include "narae/core/error.h"
#include "narae/core/switches.h"
#include "narae/core/threads.h"
#include "narae/graph/leaves.h"
#include "narae/graph/node_map.h"

namespace narae::plan {
namespace {

// First words of the parts of a key; operators start with their address, a multiple of 8.
constexpr std::uint64_t leaf_mark = 0x1eaf;
constexpr std::uint64_t section_mark = std::uint64_t{0x5ec} << 48;
constexpr std::uint64_t store_mark = std::uint64_t{1} << 63;

[[noreturn]] void fail_stale(const Node* node) {
  throw Error("eval: the recipe reads variable '" + node->variable->name + "' as it was at version " +
              std::to_string(node->version) + ", but it has been assigned since (version " +
              std::to_string(node->variable->stored) + "); evaluate before assigning, or write the recipe anew");
}

bool is_leaf(const Node* node) {
  if (node->op == &version_op) {
    if (node->version < node->variable->stored) fail_stale(node);
    return node->version == node->variable->stored;
  }
  return node->op == &scalar_op || node->computed();
}

class Walk {
 public:
  Walk(const detail::EvaluationRequest& request, Capture& result) : request_(request), c_(result) {}

  void run() {
    epoch_ = detail::next_visit();
    for (const Tensor& target : request_.targets) visit(target.read());
    for (const Assignment& a : request_.assignments) {
      Node* value = a.value.read();
      visit(value);
      ++value->uses;  // the request's own handle
    }
    if (request_.guard.defined()) {
      visit(request_.guard.read());
      ++request_.guard.read()->uses;
    }
    for (std::size_t i = 0; i < c_.effects.size(); ++i) {  // NOLINT(modernize-loop-convert): visiting may find more
      const Effect e = c_.effects[i];
      if (e.variable->alive && e.number > e.variable->stored) visit(e.version);
    }
    finish();
  }

 private:
  void visit(Node* root) {
    if (root->visit == epoch_) return;
    open(root);
    while (!c_.open.empty()) {
      Capture::Frame& frame = c_.open.back();
      Node* node = frame.node;
      if (frame.next < node->input_count) {
        Node* input = node->inputs()[frame.next++];
        if (input->visit != epoch_) open(input);
        ++input->uses;
        continue;
      }
      c_.open.pop_back();
      close(node);
    }
  }

  // Numbers are given when a node closes, so `index` is only valid afterwards; a recipe has no cycles.
  void open(Node* node) {
    node->visit = epoch_;
    node->uses = 0;
    if (is_leaf(node)) {
      close_leaf(node);
    } else {
      c_.open.push_back({node, 0});
    }
  }

  void close_leaf(Node* node) {
    node->index = static_cast<std::uint32_t>(c_.order.size());
    c_.order.push_back(node);
    const bool version = node->op == &version_op;
    write_leaf(node);
    if (version) {
      // Versions of one variable share one argument (only one version can be stored at a time).
      node->variable->stamp = epoch_;
      node->variable->slot = static_cast<std::uint32_t>(c_.arguments.size());
    }
    c_.arguments.push_back(node);
  }

  void write_leaf(const Node* node) {
    const bool scalar = node->op == &scalar_op;
    const bool version = node->op == &version_op;
    c_.key.write(leaf_mark | (std::uint64_t{scalar} << 16) | (std::uint64_t{version} << 17) |
                 (static_cast<std::uint64_t>(node->dtype) << 24) |
                 (static_cast<std::uint64_t>(node->shape.rank()) << 32));
    for (const std::int64_t extent : node->shape) c_.key.write(static_cast<std::uint64_t>(extent));
  }

  void close(Node* node) {
    node->index = static_cast<std::uint32_t>(c_.order.size());
    c_.order.push_back(node);
    const auto inputs = node->inputs();
    const Attributes attributes = node->attributes();
    std::uint64_t* word =
        c_.key.reserve(2 + static_cast<std::size_t>(node->shape.rank()) + attributes.size() + (inputs.size() + 1) / 2);
    std::uint64_t hash = 0;
    const auto write = [&](std::uint64_t w) {
      *word++ = w;
      hash = Key::step(hash, w);
    };
    write(reinterpret_cast<std::uint64_t>(node->op));
    write((static_cast<std::uint64_t>(node->dtype) << 56) | (static_cast<std::uint64_t>(node->shape.rank()) << 48) |
          (static_cast<std::uint64_t>(attributes.size()) << 32) | inputs.size());
    for (const std::int64_t extent : node->shape) write(static_cast<std::uint64_t>(extent));
    for (const std::int64_t attribute : attributes) write(static_cast<std::uint64_t>(attribute));
    for (std::size_t i = 0; i < inputs.size(); i += 2) {
      const std::uint64_t second = i + 1 < inputs.size() ? inputs[i + 1]->index : 0;
      write((static_cast<std::uint64_t>(inputs[i]->index) << 32) | second);
    }
    c_.key.mix(hash);
    if (node->op == &version_op) c_.versions.push_back(node);
    if (node->extra != nullptr) {
      c_.effects.insert(c_.effects.end(), node->extra->effects.begin(), node->extra->effects.end());
    }
  }

  // What is asked of the recipe: four sections, each behind a word that says which it is and how long.
  void finish() {
    for (const Tensor& target : request_.targets) target.read()->uses = ~std::uint32_t{0};
    for (Node* node : c_.order) {
      const bool computable =
          node->op != &version_op && node->op != &scalar_op && !node->computed() && node->op->results == 1;
      const bool wanted = node->uses == ~std::uint32_t{0};
      if (!computable || !(wanted || node->references.load(std::memory_order_relaxed) > node->uses)) continue;
      c_.outputs.push_back(node);
    }
    write_section(1, c_.outputs.size());
    for (const Node* node : c_.outputs) c_.key.write(node->index);
    std::sort(c_.versions.begin(), c_.versions.end(),
              [](const Node* a, const Node* b) { return a->version < b->version; });
    write_section(2, c_.versions.size());
    for (const Node* version : c_.versions) write_store(version->variable, version);
    write_section(3, request_.assignments.size());
    for (const Assignment& a : request_.assignments) write_store(a.variable.node()->variable, a.value.read());
    if (request_.guard.defined()) c_.guard = request_.guard.read();
    write_section(4, c_.guard == nullptr ? 0 : 1);
    if (c_.guard != nullptr) c_.key.write(c_.guard->index);
    // Kernels are made for a number of threads, and chosen by what is allowed.
    c_.key.write(static_cast<std::uint64_t>(thread_count()) | (std::uint64_t{winograd_allowed()} << 32) |
                 (std::uint64_t{tile_units_allowed()} << 33));
  }

  void write_section(std::uint64_t kind, std::size_t length) { c_.key.write(section_mark | (kind << 60) | length); }

  void write_store(Variable* to, const Node* value) {
    const std::uint64_t slot = slot_of(to);  // may write a leaf
    c_.key.write(store_mark | (slot << 32) | value->index);
  }

  // The argument that is the variable's storage, whether or not the recipe reads it.
  std::uint32_t slot_of(Variable* v) {
    if (v->stamp != epoch_) {
      v->stamp = epoch_;
      v->slot = static_cast<std::uint32_t>(c_.arguments.size());
      c_.arguments.push_back(v->current);
      write_leaf(v->current);
    }
    return v->slot;
  }

  const detail::EvaluationRequest& request_;
  Capture& c_;
  std::uint64_t epoch_ = 0;
};

// A node as a value, with its inputs still to be filled in.
Value value_of(const Node* node) {
  Value value;
  value.op = node->op;
  value.signature = {node->dtype, node->shape};
  value.module = node->module;
  value.attributes.assign(node->attributes().begin(), node->attributes().end());
  if (node->op->results > 1) {
    const std::span<const Node* const> inputs(node->inputs().data(), node->input_count);
    for (int k = 0; k < node->op->results; ++k) {
      value.results.push_back(node->op->infer(inputs, node->attributes(), k));
      if (!value.results.back().shape.countable()) {
        throw Error(std::string(node->op->name) + ": result " + std::to_string(k + 1) + " would have shape " +
                    narae::to_string(value.results.back().shape) + "; a tensor has at most 2^59 elements");
      }
    }
  }
  return value;
}

// Whether an argument is a leaf of the recipe, and not the storage of a variable that is only written.
bool is_read(const Capture& c, const Node* argument) {
  return argument->index < c.order.size() && c.order[argument->index] == argument;
}

// For each output, what gradients flow into from it without passing another one.
std::vector<std::vector<Source>> sources_of_outputs(const Capture& c) {
  std::vector<std::optional<Source>> ends(c.order.size());
  for (std::size_t a = 0; a < c.arguments.size(); ++a) {
    const Node* leaf = c.arguments[a];
    if (is_read(c, leaf)) ends[leaf->index] = {Source::Kind::argument, static_cast<int>(a)};
  }
  for (const Node* version : c.versions)
    ends[version->index] = {Source::Kind::pending, static_cast<int>(version->variable->slot)};
  for (std::size_t o = 0; o < c.outputs.size(); ++o)
    ends[c.outputs[o]->index] = {Source::Kind::output, static_cast<int>(o)};
  std::vector<std::vector<Source>> result;
  std::vector<std::size_t> seen(c.order.size(), c.outputs.size());
  std::vector<Node*> stack;
  for (std::size_t o = 0; o < c.outputs.size(); ++o) {
    auto& found = result.emplace_back();
    const auto push_inputs = [&](Node* node) {
      if (node->op->stops_gradient) return;
      for (Node* input : node->inputs())
        if (std::exchange(seen[input->index], o) != o) stack.push_back(input);
    };
    push_inputs(c.outputs[o]);
    while (!stack.empty()) {
      Node* node = stack.back();
      stack.pop_back();
      if (ends[node->index])
        found.push_back(*ends[node->index]);
      else
        push_inputs(node);
    }
  }
  return result;
}

Argument::Kind kind_of(const Node* node) {
  if (node->op == &scalar_op) return Argument::Kind::scalar;
  return node->op == &version_op ? Argument::Kind::variable : Argument::Kind::data;
}

}  // namespace

void Key::grow(std::size_t needed) {
  capacity_ = std::max<std::size_t>(1024, 2 * needed);
  auto words = std::make_unique_for_overwrite<std::uint64_t[]>(capacity_);
  std::copy_n(words_.get(), size_, words.get());
  words_ = std::move(words);
}

void Capture::clear() {
  key.clear();
  order.clear();
  arguments.clear();
  outputs.clear();
  versions.clear();
  guard = nullptr;
  open.clear();
  effects.clear();
}

void capture(const detail::EvaluationRequest& request, Capture& result) {
  result.clear();
  Walk(request, result).run();
}

Program to_program(const Capture& c, const detail::EvaluationRequest& request) {
  Program program;
  std::vector<int> value_of_index(c.order.size(), -1);
  for (std::size_t a = 0; a < c.arguments.size(); ++a) {
    const Node* leaf = c.arguments[a];
    program.arguments.push_back({kind_of(leaf), {leaf->dtype, leaf->shape}});
    Value value;
    value.op = leaf->op == &version_op || leaf->op == &scalar_op ? leaf->op : &data_op;
    value.signature = {leaf->dtype, leaf->shape};
    value.argument = static_cast<int>(a);
    if (is_read(c, leaf)) value_of_index[leaf->index] = static_cast<int>(program.values.size());
    program.values.push_back(std::move(value));
  }
  std::vector<Node*> written;
  for (Node* node : c.order)
    if (value_of_index[node->index] < 0) written.push_back(node);
  std::sort(written.begin(), written.end(), [](const Node* a, const Node* b) { return a->sequence < b->sequence; });
  for (const Node* node : written) {
    if (node->op == &version_op) {  // the version is its value
      value_of_index[node->index] = value_of_index[node->inputs()[1]->index];
      continue;
    }
    Value value = value_of(node);
    value.node = static_cast<int>(node->index);
    for (const Node* input : node->inputs()) value.inputs.push_back(value_of_index[input->index]);
    value_of_index[node->index] = static_cast<int>(program.values.size());
    program.values.push_back(std::move(value));
  }
  const auto number = [&](const Node* node) { return value_of_index[node->index]; };
  for (const Node* node : c.outputs) program.outputs.push_back(number(node));
  const auto store = [&](int argument, int value) {  // the last one counts
    std::erase_if(program.stores, [&](const Store& s) { return s.argument == argument; });
    program.stores.push_back({argument, value});
  };
  for (const Node* version : c.versions) store(static_cast<int>(version->variable->slot), number(version));
  for (const Assignment& a : request.assignments) {
    store(static_cast<int>(a.variable.node()->variable->slot), number(a.value.read()));
  }
  if (c.guard != nullptr) program.guard = number(c.guard);
  program.output_sources = sources_of_outputs(c);
  return program;
}

std::vector<int> append_recipe(Program& program, std::span<const Tensor> results, std::span<const Tensor> placeholders,
                               std::span<const int> inputs) {
  NodeMap numbers;
  for (std::size_t i = 0; i < placeholders.size(); ++i) numbers.insert(placeholders[i].node(), inputs[i]);
  std::vector<Capture::Frame> stack;
  for (const Tensor& result : results) {
    if (numbers.find(result.node()) == NodeMap::none) stack.push_back({result.node(), 0});
    while (!stack.empty()) {
      Capture::Frame& frame = stack.back();
      Node* node = frame.node;
      if (frame.next < node->input_count) {
        Node* input = node->inputs()[frame.next++];
        if (numbers.find(input) == NodeMap::none) stack.push_back({input, 0});
        continue;
      }
      stack.pop_back();
      if (numbers.find(node) != NodeMap::none) continue;
      Value value = value_of(node);
      if (node->op == &scalar_op) {
        if (is_floating(node->dtype))
          value.constant = node->real;
        else
          value.integer_constant = node->integer;
      } else if (node->op->kind == OpClass::leaf) {
        throw Error("plan: a composition reads a leaf that is not a scalar");
      }
      for (const Node* input : std::as_const(*node).inputs()) value.inputs.push_back(numbers.find(input));
      numbers.insert(node, static_cast<std::int32_t>(program.values.size()));
      program.values.push_back(std::move(value));
    }
  }
  std::vector<int> values;
  for (const Tensor& result : results) values.push_back(numbers.find(result.node()));
  return values;
}

}  // namespace narae::plan
