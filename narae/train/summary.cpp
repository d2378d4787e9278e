#include "narae/train/summary.h"
#include "narae/train/task.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_set>

#include "narae/graph/attributes.h"
#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/graph/leaves.h"
#include "narae/graph/module_path.h"
#include "narae/graph/recurrent_attributes.h"
#include "narae/graph/variable.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/random.h"
#include "narae/plan/capture.h"
#include "narae/plan/plan.h"
#include "narae/train/optimization.h"
#include "narae/train/receptive_field.h"
#include "narae/train/trace.h"

namespace narae {
namespace {

using detail::placeholder;
using detail::Untouched;

// The operators of a recipe in the order in which they were written.
std::vector<const Node*> operators_of(const Tensor& result) {
  std::vector<const Node*> stack{result.node()};
  std::unordered_set<const Node*> seen{result.node()};
  std::vector<const Node*> found;
  while (!stack.empty()) {
    const Node* node = stack.back();
    stack.pop_back();
    if (node->op->kind != OpClass::leaf) found.push_back(node);
    for (const Node* input : node->inputs())
      if (seen.insert(input).second) stack.push_back(input);
  }
  std::sort(found.begin(), found.end(), [](const Node* a, const Node* b) { return a->sequence < b->sequence; });
  return found;
}

bool is_product(const Node* node) {
  return node->op->name == "matmul";
}
bool is_linear(const Node* node) {
  return node->op->name == "linear";
}
bool is_convolution(const Node* node) {
  return node->op->name == "conv2d" || node->op->name == "conv2d_bias";
}
// conv_transpose2d is written as the input gradient of a convolution.
bool is_transposed_convolution(const Node* node) {
  return node->op->name == "conv2d_input_gradient";
}
bool is_window(const Node* node) {
  return node->op->name == "max_pool2d" || node->op->name == "avg_pool2d";
}

// The argument w_hh of a recurrent layer; null for other operators.
const Node* recurrent_weights(const Node* node) {
  const std::string_view name = node->op->name;
  if (name != "lstm" && name != "gru" && name != "rnn") return nullptr;
  const auto a = attributes_as<RecurrentAttributes>(node->attributes());
  const int place = name == "lstm"  ? LstmArguments(a).w_hh
                    : name == "gru" ? GruArguments(a).w_hh
                                    : RnnArguments(a).w_hh;
  return node->inputs()[static_cast<std::size_t>(place)];
}

std::int64_t multiply_adds_of(const Node* node) {
  if (is_product(node)) {
    const auto a = attributes_as<MatmulAttributes>(node->attributes());
    return node->shape.count() * node->inputs()[0]->shape[a.transpose_a != 0 ? -2 : -1];
  }
  if (node->op->name == "attention") {  // the scores, and the weighted values
    const Shape& query = node->inputs()[0]->shape;
    const Shape& value = node->inputs()[2]->shape;
    return query[0] * query[1] * query[2] * value[1] * (query[3] + value[3]);
  }
  if (is_linear(node)) return node->shape.count() * node->inputs()[1]->shape[1];
  if (is_convolution(node)) {
    const Shape& w = node->inputs()[1]->shape;
    return node->shape.count() * w[1] * w[2] * w[3];
  }
  if (is_transposed_convolution(node)) {
    const Shape& w = node->inputs()[1]->shape;
    return node->inputs()[0]->shape.count() * w[1] * w[2] * w[3];
  }
  if (const Node* w_hh = recurrent_weights(node)) {
    const auto a = attributes_as<RecurrentAttributes>(node->attributes());
    std::int64_t weights = w_hh->shape.count();
    if (a.projected != 0) weights += node->inputs()[static_cast<std::size_t>(LstmArguments(a).w_hr)]->shape.count();
    return node->shape[0] * node->shape[1] * weights;  // each step of each sequence
  }
  return 0;
}

std::int64_t stored_bytes_of(const Node* node) {
  const OpClass kind = node->op->kind;
  if (kind == OpClass::elementwise || kind == OpClass::view || node->op == &output_op) return 0;
  return node->shape.count() * static_cast<std::int64_t>(size_of(node->dtype));
}

// out = floor((in + 2 padding - reach) / stride) + 1: says where the quotient is rounded.
std::string stride_note(const Node* node) {
  std::string notes[2];
  const bool rounds_up = is_window(node) && attributes_as<Pool2dAttributes>(node->attributes()).ceil_mode != 0;
  const Shape& x = node->inputs()[0]->shape;
  for (int i = 0; i < 2; ++i) {
    std::int64_t stride = 1;
    std::int64_t padding = 0;
    std::int64_t reach = 1;
    if (is_convolution(node)) {
      const auto a = attributes_as<Conv2dAttributes>(node->attributes());
      stride = a.stride[i];
      padding = a.padding[i];
      reach = a.dilation[i] * (node->inputs()[1]->shape[i + 2] - 1) + 1;
    } else {
      const auto a = attributes_as<Pool2dAttributes>(node->attributes());
      stride = a.stride[i];
      padding = a.padding[i];
      reach = a.kernel[i];
    }
    const std::int64_t room = x[i + 2] + 2 * padding - reach;
    if (room % stride != 0) {
      notes[i] = fmt::format("stride {} does not divide {} + 2*{} - {} = {}, rounded {}", stride, x[i + 2], padding,
                             reach, room, rounds_up ? "up" : "down");
    }
  }
  if (notes[0] == notes[1]) return notes[0];
  if (notes[0].empty() || notes[1].empty()) return notes[0].empty() ? "width: " + notes[1] : "height: " + notes[0];
  return "height: " + notes[0] + "; width: " + notes[1];
}

struct Part {
  std::string path;
  nn::Module module;
  bool leaf;
};

void list_parts(const nn::Module& module, const std::string& path, std::vector<Part>& parts) {
  const auto children = module.children();
  parts.push_back({path, module, children.empty()});
  const std::string prefix = path.empty() ? "" : path + ".";
  for (const auto& [name, child] : children) list_parts(child, prefix + name, parts);
}

constexpr std::size_t none = static_cast<std::size_t>(-1);

// A row of the table under construction.
struct Row {
  LayerSummary layer;
  std::optional<std::uint64_t> first = {};  // number of its first operator
  bool leaf = false;
};

void add_operator(Row& row, const Node* node, const detail::ReceptiveFields& fields) {
  if (!row.first) row.first = node->sequence;
  LayerSummary& layer = row.layer;
  if (node->op != &output_op || node->integer == 0) layer.output = node->shape;
  if (const auto field = fields.of(node)) {
    layer.receptive_height = field->size[0];
    layer.receptive_width = field->size[1];
  }
  layer.multiply_adds += multiply_adds_of(node);
  layer.activation_bytes += stored_bytes_of(node);
  if (layer.note.empty() && (is_convolution(node) || is_window(node))) layer.note = stride_note(node);
}

// Modules without submodules have one row each; what a larger module computes itself has one for each stretch.
std::vector<Row> rows_of(const std::vector<Part>& parts, const std::vector<const Node*>& operators, const Node* input) {
  std::vector<Row> rows;
  std::map<std::string, std::size_t> row_of_leaf;
  for (const Part& part : parts) {
    if (!part.leaf) continue;
    row_of_leaf[part.path] = rows.size();
    rows.push_back(
        {.layer = {.name = part.path, .type = part.module.kind(), .details = part.module.details()}, .leaf = true});
  }
  detail::ReceptiveFields fields(input);
  std::size_t stretch = none;
  for (const Node* node : operators) {
    fields.add(node);
    const std::string path = module_path(node->module);
    if (const auto leaf = row_of_leaf.find(path); leaf != row_of_leaf.end()) {
      add_operator(rows[leaf->second], node, fields);
      stretch = none;
      continue;
    }
    if (stretch == none || rows[stretch].layer.name != path) {
      stretch = rows.size();
      rows.push_back({.layer = {.name = path}});
    }
    std::string& type = rows[stretch].layer.type;
    if (node->op != &output_op) type += (type.empty() ? "" : " ") + std::string(node->op->name);
    add_operator(rows[stretch], node, fields);
  }
  return rows;
}

// The module around a part: "a.b" of "a.b.c".
std::string around(const std::string& path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string::npos ? "" : path.substr(0, dot);
}

void add_parameters(const nn::Module& model, std::vector<Row>& rows) {
  std::set<const Node*> seen;
  for (const auto& [name, tensor] : model.named_parameters()) {
    if (!seen.insert(tensor.node()).second) continue;
    const std::string path = around(name);
    auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& r) { return r.layer.name == path; });
    if (row == rows.end()) row = rows.insert(rows.end(), Row{.layer = {.name = path, .type = "parameters"}});
    row->layer.parameters += tensor.count();
  }
}

// Layers that wrote nothing: those with parameters take no part, and neither does what stands in one module with them.
void note_unused(std::vector<Row>& rows) {
  std::set<std::string> unused;
  for (const Row& row : rows)
    if (row.leaf && !row.first && row.layer.parameters > 0) unused.insert(around(row.layer.name));
  for (const Row& row : rows)
    if (row.first) unused.erase(around(row.layer.name));
  for (Row& row : rows) {
    if (!row.leaf || row.first) continue;
    if (row.layer.parameters > 0 || unused.contains(around(row.layer.name))) {
      row.layer.note = "takes no part in evaluation";
    }
  }
}

// In the order in which they run. What wrote nothing (dropout in evaluation) stays before its successor and has the
// output of what runs before it; what takes no part stands at the end.
void sort_rows(std::vector<Row>& rows, const Shape& input) {
  constexpr std::uint64_t end = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t position = end - 1;
  std::vector<std::pair<std::uint64_t, Row>> keyed;
  std::reverse(rows.begin(), rows.end());
  for (Row& row : rows) {
    if (row.first) position = *row.first;
    const std::uint64_t key = row.layer.note.empty() || row.first ? position : end;
    keyed.emplace_back(key, std::move(row));
  }
  std::reverse(keyed.begin(), keyed.end());
  std::stable_sort(keyed.begin(), keyed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  rows.clear();
  LayerSummary before{.output = input};
  for (auto& [key, row] : keyed) {
    if (!row.first && key != end) {
      row.layer.output = before.output;
      row.layer.receptive_height = before.receptive_height;
      row.layer.receptive_width = before.receptive_width;
    }
    before = row.layer;
    rows.push_back(std::move(row));
  }
}

std::int64_t bytes_of(const nn::NamedTensors& tensors) {
  std::set<const Node*> seen;
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) {
    if (seen.insert(tensor.node()).second) bytes += tensor.count() * static_cast<std::int64_t>(size_of(tensor.dtype()));
  }
  return bytes;
}

// "5x5"; nothing for layers that see no picture.
std::string field_text(const LayerSummary& layer) {
  return layer.receptive_height == 0 ? "" : fmt::format("{}x{}", layer.receptive_height, layer.receptive_width);
}

std::string with_separators(std::int64_t number) {
  std::string digits = std::to_string(number);
  for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3) digits.insert(static_cast<std::size_t>(i), ",");
  return digits;
}

}  // namespace

ModelSummary summarize(const nn::Module& model, const Shape& input, DType dtype) {
  const Untouched untouched(model);
  model.eval();
  const Tensor x = placeholder(dtype, input);
  const Tensor result = model(x);
  std::vector<Part> parts;
  list_parts(model, "", parts);
  std::vector<Row> rows = rows_of(parts, operators_of(result), x.node());
  add_parameters(model, rows);
  note_unused(rows);
  sort_rows(rows, input);

  ModelSummary summary{.input = input};
  summary.input_bytes = input.count() * static_cast<std::int64_t>(size_of(dtype));
  summary.activation_bytes = summary.input_bytes;
  for (Row& row : rows) {
    summary.multiply_adds += row.layer.multiply_adds;
    summary.activation_bytes += row.layer.activation_bytes;
    summary.layers.push_back(std::move(row.layer));
  }
  summary.parameters = model.parameter_count();
  for (const Tensor& parameter : model.parameters()) summary.trainable_parameters += parameter.count();
  summary.parameter_bytes = bytes_of(model.named_parameters()) + bytes_of(model.named_buffers());
  return summary;
}

TrainingMemory training_memory(const nn::Module& model, const Shape& input, std::int64_t optimizer_state, DType dtype) {
  const Untouched untouched(model);
  model.train();
  TrainingMemory memory{.parameters = bytes_of(model.named_parameters()) + bytes_of(model.named_buffers()),
                        .optimizer = optimizer_state,
                        .batch = input.count() * static_cast<std::int64_t>(size_of(dtype))};

  std::vector<Assignment> assignments;
  Tensor loss;
  {
    const std::vector<nn::TrainingOutput> outputs = model.training_outputs(placeholder(dtype, input));
    const Tensor& logits = outputs.front().logits;
    Shape rows;
    for (int i = 0; i + 1 < logits.rank(); ++i) rows.push_back(logits.shape()[i]);
    memory.batch += rows.count() * static_cast<std::int64_t>(sizeof(std::int64_t));
    const Tensor labels = placeholder(DType::i64, rows);
    loss = training_loss(task_of(logits.rank() == 3 ? "tag" : "classify"), {}, outputs, labels);
    const std::vector<Tensor> parameters = model.parameters();
    const Gradients gradients = grad(loss, parameters);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const Tensor rate = scalar(0.01, parameters[i].dtype());
      assignments.push_back({parameters[i], parameters[i] - rate * gradients[i]});
    }
  }
  const Tensor targets[] = {loss};
  const detail::EvaluationRequest request{.targets = targets, .assignments = assignments, .guard = {}};
  const std::lock_guard lock(detail::graph_mutex());
  plan::Capture capture;
  plan::capture(request, capture);
  const auto plan = plan::build_plan(plan::to_program(capture, request), plan::plan_options());
  memory.arena = static_cast<std::int64_t>(plan->arena_bytes);
  for (const std::size_t bytes : plan->buffers) memory.arena += static_cast<std::int64_t>(bytes);
  return memory;
}

std::string to_text(const ModelSummary& summary) {
  struct Line {
    std::string name, type, output, field, parameters, multiply_adds, activations, note;
  };
  std::vector<Line> lines;
  lines.push_back({"layer", "type", "output", "field", "parameters", "multiply-adds", "activations", ""});
  lines.push_back({"input", "", to_string(summary.input), "", "0", "0", readable_bytes(summary.input_bytes), ""});
  for (const LayerSummary& layer : summary.layers) {
    const std::string type = layer.details.empty() ? layer.type : layer.type + "(" + layer.details + ")";
    lines.push_back({layer.name.empty() ? "." : layer.name, type.size() > 60 ? type.substr(0, 57) + "..." : type,
                     layer.output.rank() == 0 ? "" : to_string(layer.output), field_text(layer),
                     with_separators(layer.parameters), with_separators(layer.multiply_adds),
                     readable_bytes(layer.activation_bytes), layer.note});
  }
  lines.push_back({"total", "", "", "", with_separators(summary.parameters), with_separators(summary.multiply_adds),
                   readable_bytes(summary.activation_bytes), ""});
  const auto width = [&](std::string Line::*column) {
    std::size_t most = 0;
    for (const Line& line : lines) most = std::max(most, (line.*column).size());
    return most;
  };
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Line& l = lines[i];
    const std::string row =
        fmt::format("{:<{}}  {:<{}}  {:<{}}  {:>{}}  {:>{}}  {:>{}}  {:>{}}", l.name, width(&Line::name), l.type,
                    width(&Line::type), l.output, width(&Line::output), l.field, width(&Line::field), l.parameters,
                    width(&Line::parameters), l.multiply_adds, width(&Line::multiply_adds), l.activations,
                    width(&Line::activations));
    if (i == 1 || i + 1 == lines.size()) text += std::string(row.size(), '-') + "\n";
    text += row + (l.note.empty() ? "" : "  " + l.note) + "\n";
  }
  text += fmt::format("{} parameters ({} trainable), {}\n", with_separators(summary.parameters),
                      with_separators(summary.trainable_parameters), readable_bytes(summary.parameter_bytes));
  return text;
}

std::string readable_bytes(std::int64_t bytes) {
  constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 999.95 && unit + 1 < std::size(units)) {
    value /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

}  // namespace narae
