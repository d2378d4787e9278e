#include "narae/nn/init.h"

#include <numbers>
#include <vector>

#include "narae/nn/linear.h"
#include "narae/ops/ops.h"
#include "tests/nn/reference_values.h"

namespace narae {
namespace {

namespace init = nn::init;
using nlohmann::json;
using testing::reference_values;

double expected(const std::string& name, const char* key) {
  return reference_values().tensors.at(name + ".out." + key).values<double>()[0];
}

// The deviation or bound that PyTorch draws with, and ours.
void check(const std::string& name, const json& a) {
  const std::string kind = a["kind"];
  if (kind == "gain") {
    const double slope = a["parameter"].is_null() ? 0.01 : a["parameter"].get<double>();
    EXPECT_DOUBLE_EQ(init::gain(a["nonlinearity"].get<std::string>(), slope), expected(name, "gain")) << name;
    return;
  }
  const auto dims = a["shape"].get<std::vector<std::int64_t>>();
  const Shape shape(dims);
  double std = 0;
  if (kind.starts_with("xavier")) {
    std = init::xavier_std(shape, a["gain"]);
  } else if (kind == "default_weight") {
    std = init::kaiming_std(shape, {.a = std::sqrt(5.0)});
  } else {
    const std::string nonlinearity = a["nonlinearity"];
    std = init::kaiming_std(
        shape,
        {.a = a["a"], .mode = a["mode"] == "fan_in" ? init::Fan::in : init::Fan::out, .nonlinearity = nonlinearity});
  }
  if (kind.ends_with("normal"))
    EXPECT_DOUBLE_EQ(std, expected(name, "std")) << name;
  else
    EXPECT_DOUBLE_EQ(std * std::numbers::sqrt3, expected(name, "bound")) << name;
}

TEST(Init, ScalesFollowPyTorch) {
  int checked = 0;
  for (const auto& [name, arguments] : reference_values().description.items()) {
    const std::string kind = arguments["kind"];
    const bool ours =
        kind.starts_with("xavier") || kind.starts_with("kaiming") || kind == "default_weight" || kind == "gain";
    if (!ours) continue;
    check(name, arguments);
    ++checked;
  }
  EXPECT_GE(checked, 60);
}

struct Moments {
  double mean = 0;
  double deviation = 0;
  double largest = 0;
};

Moments moments_of(const Tensor& x) {
  const auto values = x.to_vector<double>();
  const auto n = static_cast<double>(values.size());
  Moments m;
  for (const double v : values) m.mean += v / n;
  for (const double v : values) {
    m.deviation += (v - m.mean) * (v - m.mean) / n;
    m.largest = std::max(m.largest, std::abs(v));
  }
  m.deviation = std::sqrt(m.deviation);
  return m;
}

TEST(Init, DrawsHaveTheirMoments) {
  manual_seed(5);
  const Tensor w = variable(zeros({200, 100}));
  const auto check_std = [&](double std) {
    const Moments m = moments_of(w);
    EXPECT_NEAR(m.mean, 0, 5 * std / std::sqrt(20000.0));
    EXPECT_NEAR(m.deviation, std, 0.03 * std);
  };
  init::normal(w, 0, 0.3);
  check_std(0.3);
  EXPECT_GT(moments_of(w).largest, 1.0);
  init::xavier_normal(w);
  check_std(init::xavier_std(w.shape()));
  init::xavier_uniform(w, 2);
  check_std(init::xavier_std(w.shape(), 2));
  EXPECT_LE(moments_of(w).largest, std::numbers::sqrt3 * init::xavier_std(w.shape(), 2));
  init::kaiming_normal(w, {.mode = init::Fan::out, .nonlinearity = "relu"});
  check_std(std::sqrt(2.0 / 200));
  init::kaiming_uniform(w, {.nonlinearity = "relu"});
  check_std(std::sqrt(2.0 / 100));
  init::uniform(w, -3, 3);
  check_std(std::numbers::sqrt3);
}

TEST(Init, ConstantsAndIdentity) {
  const Tensor w = variable(ones({2, 3}, DType::f64));
  init::identity(w);
  EXPECT_EQ(w.to_vector<double>(), (std::vector<double>{1, 0, 0, 0, 1, 0}));
  init::constant(w, 0.5);
  EXPECT_EQ(w.to_vector<double>()[5], 0.5);
  init::zeros(w);
  EXPECT_EQ(w.to_vector<double>()[0], 0);
}

TEST(Init, OrthogonalRowsOrColumns) {
  manual_seed(7);
  for (const Shape& shape : {Shape{5, 8}, Shape{8, 5}, Shape{4, 2, 3, 3}}) {
    const Tensor w = variable(zeros(shape, DType::f64));
    init::orthogonal(w, 3);
    const Tensor m = reshape(w, {shape[0], -1});
    const std::int64_t n = std::min(m.size(0), m.size(1));
    const Tensor product = m.size(0) <= m.size(1) ? matmul(m, t(m)) : matmul(t(m), m);
    testing::expect_near(product.array(), (eye(n, -1, DType::f64) * 9.0).array(), 0, 1e-12, to_string(shape));
  }
}

TEST(Init, RefusesWhatMakesNoSense) {
  EXPECT_THROW(init::zeros(zeros({2})), Error);
  EXPECT_THROW(init::zeros(variable(zeros({2}, DType::i64))), Error);
  EXPECT_THROW(init::xavier_uniform(variable(zeros({2}))), Error);
  EXPECT_THROW(init::identity(variable(zeros({2, 2, 2}))), Error);
  EXPECT_THROW(init::orthogonal(variable(zeros({2}))), Error);
  EXPECT_THROW((void)init::gain("relo"), UsageError);
}

TEST(Init, SkippedWeightsAreNotDrawn) {
  manual_seed(4);
  const RandomState before = random_state();
  {
    const nn::init::Skip outer;
    const nn::init::Skip inner;
    const nn::Linear layer(300, 200);
    EXPECT_EQ(layer.weight().shape(), (Shape{200, 300}));
    nn::init::kaiming_normal(layer.weight());
    nn::init::constant(layer.bias(), 3);
  }
  EXPECT_EQ(random_state().counter, before.counter);
  const nn::Linear layer(2, 2);
  EXPECT_NE(random_state().counter, before.counter);
  nn::init::constant(layer.bias(), 3);
  EXPECT_EQ(layer.bias().to_vector<float>()[0], 3);
}

}  // namespace
}  // namespace narae
