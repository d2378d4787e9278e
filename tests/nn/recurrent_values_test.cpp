// Recurrent layers and cells against PyTorch, in float64 and float32: outputs, final states and all gradients with
// random cotangents. See tests/reference/make_recurrent.py.
#include "narae/graph/grad.h"
#include "narae/nn/nn.h"
#include "narae/ops/ops.h"
#include "tests/nn/reference_values.h"

namespace narae {
namespace {

using Arrays = std::map<std::string, Array>;
using Tensors = std::map<std::string, Tensor>;

const testing::ReferenceFile& recurrent_values() {
  static const testing::ReferenceFile file("recurrent.safetensors", "cases");
  return file;
}

Array as(const Array& a, DType dtype) {
  return is_floating(a.dtype) ? cast(a, dtype).array() : a;
}

nn::RecurrentBias bias_of(const std::string& name) {
  return name == "none" ? nn::RecurrentBias::none : name == "one" ? nn::RecurrentBias::one : nn::RecurrentBias::two;
}

Tensor optional(const Tensors& in, const std::string& name) {
  return in.contains(name) ? in.at(name) : Tensor();
}

// Loads the parameters and adds the layer's variables to `in`.
void load(const nn::Module& layer, const Arrays& parameters, Tensors& in) {
  layer.load_state_dict(parameters);
  for (const auto& [name, tensor] : layer.named_parameters()) in[name] = tensor;
}

Tensors through_layer(const nlohmann::json& arguments, const Arrays& parameters, Tensors& in) {
  const std::string kind = arguments["kind"];
  const bool relu = arguments["nonlinearity"] == "relu";
  const bool before = kind == "gru_before";
  const nn::Recurrent layer = nn::make_recurrent(before ? "gru" : kind, in.at("x").size(2), arguments["units"],
                                                 {.layers = arguments["layers"],
                                                  .bias = bias_of(arguments["bias"]),
                                                  .bidirectional = arguments["bidirectional"],
                                                  .projection = arguments["projection"],
                                                  .nonlinearity = relu ? Nonlinearity::relu : Nonlinearity::tanh,
                                                  .form = before ? GruForm::reset_before : GruForm::reset_after,
                                                  .dtype = in.at("x").dtype()});
  load(layer, parameters, in);
  const nn::RecurrentOutput out = layer(in.at("x"), {optional(in, "h0"), optional(in, "c0")}, optional(in, "lengths"));
  Tensors result = {{"y", out.y}, {"h", out.state.h}};
  if (out.state.c.defined()) result["c"] = out.state.c;
  return result;
}

Tensors through_cell(const std::string& kind, const Arrays& parameters, Tensors& in) {
  const Tensor x = in.at("x");
  const nn::RecurrentCellOptions options{.dtype = x.dtype()};
  const std::int64_t units = in.at("h0").size(1);
  if (kind == "lstm_cell") {
    const nn::LSTMCell cell(x.size(1), units, options);
    load(cell, parameters, in);
    const nn::RecurrentState next = cell(x, {in.at("h0"), in.at("c0")});
    return {{"h", next.h}, {"c", next.c}};
  }
  if (kind == "gru_cell") {
    const nn::GRUCell cell(x.size(1), units, options);
    load(cell, parameters, in);
    return {{"h", cell(x, in.at("h0"))}};
  }
  const nn::RNNCell cell(x.size(1), units, options);
  load(cell, parameters, in);
  return {{"h", cell(x, in.at("h0"))}};
}

// Values "out.y", ... and gradients "grad.x", ... of a case.
Arrays computed(const std::string& name, const nlohmann::json& arguments, DType dtype) {
  const testing::ReferenceFile& file = recurrent_values();
  Arrays parameters;
  for (const auto& [key, array] : file.group(name + ".param")) parameters[key] = as(array, dtype);
  Tensors in;
  for (const auto& [key, array] : file.group(name + ".in")) in[key] = as(array, dtype);
  const std::string kind = arguments["kind"];
  const Tensors out =
      kind.ends_with("cell") ? through_cell(kind, parameters, in) : through_layer(arguments, parameters, in);
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
    wanted.push_back(in.at(key));
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

TEST(RecurrentValues, FollowPyTorchInFloat64) {
  for (const auto& [name, arguments] : recurrent_values().description.items()) {
    const Arrays values = computed(name, arguments, DType::f64);
    // Sums of a few hundred products: 1e-10 leaves room for another order of them.
    for (const auto& [key, array] : values)
      testing::expect_near(array, recurrent_values().tensors.at(testing::key_of(name, key)), 1e-10, 1e-12,
                           testing::key_of(name, key));
  }
  EXPECT_GE(recurrent_values().description.size(), 60U);
}

TEST(RecurrentValues, FollowPyTorchInFloat32) {
  for (const auto& [name, arguments] : recurrent_values().description.items()) {
    testing::expect_as_near_as_float32(recurrent_values(), name, arguments, computed(name, arguments, DType::f32));
  }
}

}  // namespace
}  // namespace narae
