#pragma once

#include <map>
#include <string>

#include "narae/graph/grad.h"
#include "narae/nn/module.h"
#include "narae/ops/size2d.h"
#include "tests/nn/reference_values.h"

namespace narae::testing {

using Tensors = std::map<std::string, Tensor>;

/// One case of a reference file: what goes in, under the names of the file, and what comes out. A layer puts its
/// variables into `in`.
struct ValueCase {
  std::string name;
  nlohmann::json arguments;
  Tensors in;
  std::map<std::string, Array> parameters;

  [[nodiscard]] Tensor x() const { return in.at("x"); }
  [[nodiscard]] Tensor optional(const std::string& key) const { return in.contains(key) ? in.at(key) : Tensor(); }
  [[nodiscard]] Size2d size(const char* key) const { return {arguments[key][0], arguments[key][1]}; }
  [[nodiscard]] Shape shape(const char* key) const {
    Shape result;
    for (const auto& extent : arguments[key]) result.push_back(extent);
    return result;
  }
  /// Loads the case's parameters into a layer and calls it.
  [[nodiscard]] Tensor through(const nn::Module& layer, const std::string& input = "x") {
    auto result = layer.load_state_dict(parameters, {.strict = false});
    EXPECT_TRUE(result.unexpected.empty()) << name << ": " << result.unexpected.front();
    for (const auto& [key, tensor] : layer.named_parameters()) in[key] = tensor;
    return layer(in.at(input));
  }
  /// The same, with the layer's running statistics beside "y".
  [[nodiscard]] Tensors through_with_statistics(const nn::Module& layer) {
    layer.train(arguments["training"]);
    Tensors out = {{"y", through(layer)}};
    for (const auto& [key, buffer] : layer.named_buffers())
      if (key != "num_batches_tracked") out[key] = buffer;
    return out;
  }
};

/// What computes the results of a kind of case, by name.
using ValueFunctions = std::map<std::string, Tensors (*)(ValueCase& c)>;

/// Compares results and gradients of one case with those of the file.
inline void check_case(const ReferenceFile& file, const ValueFunctions& functions, const std::string& name,
                       const nlohmann::json& arguments) {
  // Values and gradients are sums of a few hundred products at most: 1e-10 leaves room for another order of them.
  constexpr double rtol = 1e-10;
  constexpr double atol = 1e-12;
  SCOPED_TRACE(name);
  ValueCase c{name, arguments, {}, file.group(name + ".param")};
  for (const auto& [key, array] : file.group(name + ".in")) c.in[key] = array;
  const Tensors out = functions.at(arguments["kind"])(c);
  std::vector<Tensor> results;
  std::vector<Tensor> cotangents;
  for (const auto& [key, array] : file.group(name + ".cotangent")) {
    results.push_back(out.at(key));
    cotangents.emplace_back(array);
  }
  const auto expected = file.group(name + ".grad");
  std::vector<Tensor> wanted;
  for (const auto& [key, array] : expected) wanted.push_back(c.in.at(key));
  const std::vector<Tensor> gradients = vjp(results, cotangents, wanted);
  std::vector<Tensor> all = gradients;
  all.insert(all.end(), results.begin(), results.end());
  eval(all);
  const std::string value_of = name + " ";
  for (const auto& [key, array] : file.group(name + ".out"))
    expect_near(out.at(key).array(), array, rtol, atol, value_of + key);
  const std::string gradient_by = name + " gradient by ";
  std::size_t i = 0;
  for (const auto& [key, array] : expected) expect_near(gradients[i++].array(), array, rtol, atol, gradient_by + key);
}

}  // namespace narae::testing
