#include "narae/train/receptive_field.h"

#include <algorithm>

#include "narae/graph/attributes.h"
#include "narae/graph/leaves.h"
#include "narae/graph/op.h"

namespace narae::detail {
namespace {

// A window that slides over a plane along one axis.
struct Window {
  std::int64_t reach = 1;
  std::int64_t stride = 1;
};

// Parts [floor(i in / out), ceil((i + 1) in / out)): the widest of them.
Window adaptive_window(std::int64_t in, std::int64_t out) {
  Window window{.reach = 1, .stride = std::max<std::int64_t>(in / out, 1)};
  for (std::int64_t i = 0; i < out; ++i) {
    window.reach = std::max(window.reach, ((i + 1) * in + out - 1) / out - i * in / out);
  }
  return window;
}

// The window of a convolution or a pooling along axis i; nothing for other operators.
std::optional<Window> window_of(const Node* node, std::size_t i) {
  const std::string_view op = node->op->name;
  if (op == "conv2d" || op == "conv2d_bias") {
    const auto a = attributes_as<Conv2dAttributes>(node->attributes());
    const std::int64_t kernel = node->inputs()[1]->shape[static_cast<int>(i) + 2];
    return Window{.reach = a.dilation[i] * (kernel - 1) + 1, .stride = a.stride[i]};
  }
  if (op == "max_pool2d" || op == "avg_pool2d") {
    const auto a = attributes_as<Pool2dAttributes>(node->attributes());
    return Window{.reach = a.kernel[i], .stride = a.stride[i]};
  }
  if (op == "adaptive_avg_pool2d" || op == "adaptive_max_pool2d") {
    const int axis = static_cast<int>(i) + 2;
    return adaptive_window(node->inputs()[0]->shape[axis], node->shape[axis]);
  }
  return std::nullopt;
}

std::array<std::int64_t, 2> plane_of(const Shape& shape) {
  return {shape[2], shape[3]};
}

// Where several inputs depend on the picture, the widest window.
ReceptiveField united(const ReceptiveField& a, const ReceptiveField& b) {
  ReceptiveField result = a;
  for (std::size_t i = 0; i < 2; ++i) {
    result.size[i] = std::max(a.size[i], b.size[i]);
    result.jump[i] = std::max(a.jump[i], b.jump[i]);
    result.plane[i] = std::max(a.plane[i], b.plane[i]);
  }
  return result;
}

bool enlarges(const Node* node) {
  return node->op->name == "conv2d_input_gradient" || node->op->name == "max_unpool2d";
}

// A number for a whole plane is spread over it, as the gates of squeeze-and-excitation are.
bool spreads(const Node* node) {
  return node->op->name == "broadcast_to" && node->shape.rank() == 4 && node->inputs()[0]->shape.rank() == 4 &&
         plane_of(node->inputs()[0]->shape) != plane_of(node->shape);
}

bool moves_or_maps(const Node* node) {
  return node->op->kind == OpClass::view || node->op->kind == OpClass::elementwise || node->op == &output_op;
}

ReceptiveField behind(const Node* node, const ReceptiveField& before) {
  ReceptiveField field = before;
  const bool picture = node->shape.rank() == 4;
  if (window_of(node, 0)) {
    for (std::size_t i = 0; i < 2; ++i) {
      const Window window = *window_of(node, i);
      field.size[i] += (window.reach - 1) * field.jump[i];
      field.jump[i] *= window.stride;
    }
    field.plane = plane_of(node->shape);
  } else if (!moves_or_maps(node) && !(picture && plane_of(node->shape) == field.plane)) {
    for (std::size_t i = 0; i < 2; ++i) field.size[i] += (field.plane[i] - 1) * field.jump[i];
    field.plane = {1, 1};
  } else if (node->op->name == "slice" && picture) {
    const std::array<std::int64_t, 2> plane = plane_of(node->shape);
    const auto a = attributes_as<SliceAttributes>(node->attributes());
    if (a.axis >= 2) field.jump[static_cast<std::size_t>(a.axis - 2)] *= a.step;
    field.plane = plane;
  }
  return field;
}

}  // namespace

ReceptiveFields::ReceptiveFields(const Node* input) {
  if (input->shape.rank() == 4) fields_[input] = ReceptiveField{.plane = plane_of(input->shape)};
}

void ReceptiveFields::add(const Node* node) {
  if (spreads(node)) return;
  std::optional<ReceptiveField> before;
  bool depends = false;
  bool known = !enlarges(node);
  for (const Node* input : node->inputs()) {
    const auto found = fields_.find(input);
    if (found == fields_.end()) continue;
    depends = true;
    known = known && found->second;
    if (known) before = before ? united(*before, *found->second) : *found->second;
  }
  if (depends) fields_[node] = known ? std::optional(behind(node, *before)) : std::nullopt;
}

std::optional<ReceptiveField> ReceptiveFields::of(const Node* node) const {
  const auto found = fields_.find(node);
  return found == fields_.end() ? std::nullopt : found->second;
}

}  // namespace narae::detail
