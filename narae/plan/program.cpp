#include "narae/plan/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "narae/core/error.h"
#include "narae/graph/leaves.h"
#include "narae/graph/module_path.h"

namespace narae::plan {
namespace {

Signature loop_signature(std::span<const Node* const>, Attributes, int) {
  throw Error("loop: made by the plan only");
}

std::string text_of(const Signature& s) {
  return fmt::format("{}{}", name_of(s.dtype), narae::to_string(s.shape));
}

// The axes of a layout's memory, outermost first, without those of one element; pieces of one axis that lie side by
// side are one. Nothing for a layout that has padding.
std::optional<std::vector<LayoutAxis>> order_of(const Shape& shape, Layout layout) {
  std::vector<LayoutAxis> all;
  if (layout == Layout::row_major) {
    for (int i = 0; i < shape.rank(); ++i) all.push_back({i, shape[i], 1});
  } else {
    all = cpu_backend().layouts().axes(layout);
    if (all.empty()) return std::nullopt;
  }
  std::vector<LayoutAxis> order;
  for (const LayoutAxis& axis : all) {
    if (axis.extent == 1) continue;
    if (!order.empty() && order.back().axis == axis.axis && order.back().step == axis.extent * axis.step) {
      order.back() = {axis.axis, order.back().extent * axis.extent, axis.step};
    } else {
      order.push_back(axis);
    }
  }
  return order;
}

}  // namespace

bool is_same_memory(const Shape& shape, Layout a, Layout b) {
  const auto same = [](const LayoutAxis& x, const LayoutAxis& y) {
    return x.axis == y.axis && x.extent == y.extent && x.step == y.step;
  };
  const auto first = order_of(shape, a);
  const auto second = order_of(shape, b);
  return first && second && std::equal(first->begin(), first->end(), second->begin(), second->end(), same);
}

const Op& loop_op = define_op({.name = "loop", .kind = OpClass::general, .arity = -1, .infer = loop_signature});

const Op& reorder_op = define_op({.name = "reorder", .kind = OpClass::general, .arity = 1, .infer = loop_signature});

std::size_t bytes_of(const Value& value, int k) {
  const Signature& s = value.result(k);
  const bool own = value.layout(k) != Layout::row_major;
  const std::size_t count =
      own ? cpu_backend().layouts().elements(value.layout(k)) : static_cast<std::size_t>(s.shape.count());
  return count * size_of(s.dtype);
}

void verify(const Program& program, const char* after) {
  const auto fail = [&](int v, const std::string& what) {
    throw Error(fmt::format("plan: after {}: value {}: {}\n{}", after, v, what, to_string(program)));
  };
  const int n = static_cast<int>(program.values.size());
  for (int v = 0; v < n; ++v) {
    const Value& value = program.at(v);
    if (value.op == nullptr) fail(v, "no operator");
    for (const int input : value.inputs) {
      if (input < 0 || input >= v) fail(v, fmt::format("reads value {}", input));
      if (program.at(input).result_count() > 1 && value.op != &output_op) fail(v, "reads a tuple");
    }
    if (value.op->kind == OpClass::leaf && value.argument >= static_cast<int>(program.arguments.size())) {
      fail(v, "argument out of range");
    }
    if (value.op == &output_op) {
      const Value& tuple = program.at(value.inputs[0]);
      const auto k = static_cast<int>(value.attributes[0]);
      if (k >= tuple.result_count()) fail(v, "no such result");
      if (!(tuple.result(k).shape == value.signature.shape) || tuple.result(k).dtype != value.signature.dtype) {
        fail(v, "the result has another type or shape");
      }
    }
    if (value.op->kind == OpClass::elementwise) {
      for (const int input : value.inputs) {
        if (!(program.at(input).signature.shape == value.signature.shape)) fail(v, "elementwise on different shapes");
      }
    }
    const bool knows_layouts = value.op == &reorder_op || value.op == &output_op || value.op->name == "after" ||
                               !value.layouts.empty() || value.op->kind == OpClass::general ||
                               value.op->kind == OpClass::fused;
    for (const int input : value.inputs) {
      if (program.at(input).layout() != Layout::row_major && !knows_layouts) fail(v, "reads a layout it does not know");
    }
    if (value.op == &loop_op && value.loop->inputs.size() != value.inputs.size()) fail(v, "loop inputs");
    if (value.loop && value.op != &loop_op && !value.kernel) fail(v, "an operator with a loop and without a kernel");
  }
  for (const int v : program.outputs) {
    if (v < 0 || v >= n || program.at(v).result_count() > 1) fail(v, "bad output");
    if (program.at(v).layout() != Layout::row_major) fail(v, "an output in a layout of the backend's");
  }
  for (const Store& s : program.stores) {
    if (s.value < 0 || s.value >= n) fail(s.value, "bad store");
    if (program.at(s.value).layout() != Layout::row_major) fail(s.value, "a store in a layout of the backend's");
    const Signature& to = program.arguments[static_cast<std::size_t>(s.argument)].signature;
    const Signature& from = program.at(s.value).signature;
    if (!(to.shape == from.shape) || to.dtype != from.dtype)
      fail(s.value, "stored into a variable of another type or shape");
  }
}

std::string to_string(const Program& program) {
  std::string text;
  for (std::size_t v = 0; v < program.values.size(); ++v) {
    const Value& value = program.values[v];
    text += fmt::format("  %{} = {}", v, value.op->name);
    if (value.argument >= 0)
      text += fmt::format(" #{}", value.argument);
    else if (value.op == &scalar_op)
      text += fmt::format(
          " {}", is_floating(value.signature.dtype) ? value.constant : static_cast<double>(value.integer_constant));
    for (const int input : value.inputs) text += fmt::format(" %{}", input);
    if (!value.attributes.empty()) {
      text += " {";
      for (std::size_t i = 0; i < value.attributes.size(); ++i)
        text += fmt::format("{}{}", i == 0 ? "" : " ", value.attributes[i]);
      text += "}";
    }
    text += " : ";
    for (int k = 0; k < value.result_count(); ++k) text += (k == 0 ? "" : ", ") + text_of(value.result(k));
    if (value.loop) {
      text += " [";
      for (std::size_t i = 0; i < value.loop->instructions.size(); ++i) {
        text += (i == 0 ? "" : " ") + std::string(value.loop->instructions[i].op->name);
      }
      text += "]";
    }
    if (value.layout() != Layout::row_major) text += fmt::format(" layout {}", static_cast<int>(value.layout()));
    if (value.late) text += " late";
    if (value.module != 0) text += "  // " + module_path(value.module);
    text += '\n';
  }
  for (const int v : program.outputs) text += fmt::format("  output %{}\n", v);
  for (const Store& s : program.stores) text += fmt::format("  store %{} in #{}\n", s.value, s.argument);
  if (program.guard >= 0) text += fmt::format("  guard %{}\n", program.guard);
  return text;
}

std::vector<int> count_uses(const Program& program) {
  std::vector<int> uses(program.values.size(), 0);
  const auto use = [&](int v) { ++uses[static_cast<std::size_t>(v)]; };
  for (const Value& value : program.values)
    for (const int input : value.inputs) use(input);
  for (const int v : program.outputs) use(v);
  for (const Store& s : program.stores) use(s.value);
  if (program.guard >= 0) use(program.guard);
  return uses;
}

KernelRequest request_for(const Program& program, int v, RequestStorage& storage) {
  const Value& value = program.at(v);
  storage = {};
  for (const int input : value.inputs) {
    storage.inputs.push_back(program.at(input).signature);
    storage.input_layouts.push_back(program.at(input).layout());
  }
  for (int k = 0; k < value.result_count(); ++k) {
    storage.results.push_back(value.result(k));
    storage.result_layouts.push_back(value.layout(k));
  }
  return {value.op, value.attributes, storage.inputs, storage.results, storage.input_layouts, storage.result_layouts};
}

}  // namespace narae::plan
