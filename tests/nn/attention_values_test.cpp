// Attention, positions and transformer layers against PyTorch, in float64 and float32: results and all gradients with
// random cotangents. See tests/reference/make_attention.py.
#include "narae/graph/grad.h"
#include "narae/nn/nn.h"
#include "narae/ops/ops.h"
#include "tests/nn/reference_values.h"

namespace narae {
namespace {

using Arrays = std::map<std::string, Array>;
using Tensors = std::map<std::string, Tensor>;
using Json = nlohmann::json;

const testing::ReferenceFile& attention_values() {
  static const testing::ReferenceFile file("attention.safetensors", "cases");
  return file;
}

Array as(const Array& a, DType dtype) {
  return is_floating(a.dtype) ? cast(a, dtype).array() : a;
}

// One case in one type: what goes in, and the parameters of its layer.
struct Case {
  Json arguments;
  DType dtype;
  Tensors in;
  Arrays parameters;

  [[nodiscard]] Tensor optional(const std::string& name) const { return in.contains(name) ? in.at(name) : Tensor(); }
  // The layer with the case's parameters, which join what goes in.
  template <class Layer>
  [[nodiscard]] Layer loaded(Layer layer) {
    layer.load_state_dict(parameters);
    for (const auto& [name, tensor] : layer.named_parameters()) in[name] = tensor;
    return layer;
  }
  [[nodiscard]] AttentionOptions options() const {
    AttentionOptions o{.causal = arguments.value("causal", false),
                       .mask = optional("mask"),
                       .lengths = optional("lengths"),
                       .first = optional("first"),
                       .slopes = optional("slopes"),
                       .window = arguments.value("window", 0)};
    if (arguments.contains("scale")) o.scale = arguments["scale"].get<double>();
    return o;
  }
  [[nodiscard]] nn::TransformerLayerOptions layer_options() const {
    const std::string name = arguments["activation"];
    return {.feed_forward = arguments["feed_forward"],
            .dropout = 0,
            .activation = name == "relu"   ? nn::FeedForwardActivation::relu
                          : name == "gelu" ? nn::FeedForwardActivation::gelu
                                           : nn::FeedForwardActivation::gelu_tanh,
            .norm_first = arguments["norm_first"],
            .dtype = dtype};
  }
};

Tensors multi_head(Case& c) {
  const Tensor query = c.in.contains("x") ? c.in.at("x") : c.in.at("query");
  const Tensor key = c.in.contains("x") ? query : c.in.at("key");
  const Tensor value = c.in.contains("x") ? query : c.in.at("value");
  const auto layer = c.loaded(nn::MultiHeadAttention(query.size(2), c.arguments["heads"],
                                                     {.kv_heads = c.arguments.value("kv_heads", 0),
                                                      .key_width = c.arguments.value("key_width", 0),
                                                      .value_width = c.arguments.value("value_width", 0),
                                                      .bias = c.parameters.contains("in_proj_bias"),
                                                      .dtype = c.dtype}));
  return {{"y", layer(query, key, value, c.options())}, {"p", layer.probabilities(query, key, c.options())}};
}

Tensors score(Case& c) {
  const auto layer =
      c.loaded(nn::AttentionScore(nn::score_kind(c.arguments["score"].get<std::string>()), c.in.at("query").size(2),
                                  c.in.at("keys").size(2), {.units = c.arguments.value("units", 0), .dtype = c.dtype}));
  const nn::AttentionScore::Context context = layer(c.in.at("query"), c.in.at("keys"), c.in.at("lengths"));
  return {{"y", context.y}, {"p", context.probabilities}};
}

Tensor result_of(Case& c) {
  const std::string kind = c.arguments["kind"];
  if (kind == "attention") return attention(c.in.at("q"), c.in.at("k"), c.in.at("v"), c.options());
  if (kind == "encoder_layer") {
    const auto layer =
        c.loaded(nn::TransformerEncoderLayer(c.in.at("x").size(2), c.arguments["heads"], c.layer_options()));
    return layer(c.in.at("x"), {.lengths = c.in.at("lengths")});
  }
  if (kind == "decoder_layer") {
    const auto layer =
        c.loaded(nn::TransformerDecoderLayer(c.in.at("x").size(2), c.arguments["heads"], c.layer_options()));
    return layer(c.in.at("x"), c.in.at("memory"), {.causal = true}, {.lengths = c.in.at("lengths")});
  }
  if (kind == "swiglu") {
    return c.loaded(nn::SwiGLU(c.in.at("x").size(2), c.arguments["hidden"], {.dtype = c.dtype}))(c.in.at("x"));
  }
  if (kind == "sinusoidal") return nn::SinusoidalPosition()(c.in.at("x"));
  if (kind == "learned") {
    const Array& weight = c.parameters.at("weight");
    return c.loaded(nn::LearnedPosition(weight.shape[0], weight.shape[1], {.dtype = c.dtype}))(c.in.at("x"));
  }
  if (kind == "rotary") {
    return rotary(c.in.at("x"), c.in.at("positions"),
                  {.pairs = c.arguments["neighbours"] ? RotaryPairs::neighbours : RotaryPairs::halves,
                   .base = c.arguments["base"],
                   .width = c.arguments["width"]});
  }
  if (kind == "relative") {
    const auto layer = c.loaded(nn::RelativePositionBias(2, {.buckets = c.arguments["buckets"],
                                                             .max_distance = c.arguments["max_distance"],
                                                             .bidirectional = c.arguments["bidirectional"],
                                                             .dtype = c.dtype}));
    return c.in.at("scale") * layer(30, 30);
  }
  if (kind == "alibi") return c.in.at("x") * nn::alibi_slopes(c.in.at("x").size(0), c.dtype);
  throw Error("no case of kind " + kind);
}

Tensors results_of(Case& c) {
  if (c.arguments["kind"] == "multi_head") return multi_head(c);
  if (c.arguments["kind"] == "score") return score(c);
  return {{"y", result_of(c)}};
}

// Values "out.y", ... and gradients "grad.x", ... of a case.
Arrays computed(const std::string& name, const Json& arguments, DType dtype) {
  const testing::ReferenceFile& file = attention_values();
  Case c{arguments, dtype, {}, {}};
  for (const auto& [key, array] : file.group(name + ".param")) c.parameters[key] = as(array, dtype);
  for (const auto& [key, array] : file.group(name + ".in")) c.in[key] = as(array, dtype);
  const Tensors out = results_of(c);
  std::vector<Tensor> results;
  std::vector<Tensor> cotangents;
  for (const auto& [key, array] : file.group(name + ".cotangent")) {
    results.push_back(out.at(key));
    cotangents.emplace_back(as(array, dtype));
  }
  std::vector<std::string> names;
  std::vector<Tensor> wanted;
  for (const auto& [key, array] : file.group(name + ".grad")) {
    names.push_back(key);
    wanted.push_back(c.in.at(key));
  }
  const std::vector<Tensor> gradients = vjp(results, cotangents, wanted);
  std::vector<Tensor> all = gradients;
  all.insert(all.end(), results.begin(), results.end());
  eval(all);
  Arrays values;
  for (const auto& [key, tensor] : out) values["out." + key] = tensor.array();
  for (std::size_t i = 0; i < names.size(); ++i) values["grad." + names[i]] = gradients[i].array();
  return values;
}

TEST(AttentionValues, FollowPyTorchInFloat64) {
  for (const auto& [name, arguments] : attention_values().description.items()) {
    for (const auto& [key, array] : computed(name, arguments, DType::f64))
      EXPECT_LE(testing::relative_error(array, attention_values().tensors.at(testing::key_of(name, key))), 1e-10)
          << name << " " << key;
  }
  EXPECT_GE(attention_values().description.size(), 40U);
}

TEST(AttentionValues, FollowPyTorchInFloat32) {
  for (const auto& [name, arguments] : attention_values().description.items()) {
    testing::expect_as_near_as_float32(attention_values(), name, arguments, computed(name, arguments, DType::f32));
  }
}

}  // namespace
}  // namespace narae
