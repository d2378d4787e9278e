// narae inspect bptt: backpropagation through time with every number on the way.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/narae/commands.h"
#include "apps/narae/inspect.h"
#include "narae/nn/bptt.h"

namespace narae::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string to_text(const std::vector<double>& row) {
  std::string text = "[";
  for (std::size_t i = 0; i < row.size(); ++i) text += fmt::format("{}{:9.6f}", i == 0 ? "" : ", ", row[i]);
  return text + "]";
}

std::string to_text(const nn::Rows& rows) {
  std::string text = "[";
  for (std::size_t i = 0; i < rows.size(); ++i) text += (i == 0 ? "" : ", ") + to_text(rows[i]);
  return text + "]";
}

std::string weights_text(const nn::BpttExample& example) {
  return "h_t = tanh(x_t Wxh + h_(t-1) Whh), y_t = Why h_t, L_t = 1/2 |Y_t - y_t|^2, h_(-1) = 0\n\nWxh = " +
         to_text(example.w_xh) + "\nWhh = " + to_text(example.w_hh) + "\nWhy = " + to_text(example.w_hy) + "\n";
}

std::string forward_text(const nn::BpttExample& example, const nn::BpttTrace& trace) {
  std::string text = "\nForward\n";
  for (std::size_t t = 0; t < trace.steps.size(); ++t) {
    const nn::BpttStep& step = trace.steps[t];
    text += fmt::format("t = {}  x {}  h {}  y {}  Y {}  L {:.6f}\n", t, to_text(step.x), to_text(step.h),
                        to_text(step.y), to_text(example.y[t]), step.loss);
  }
  return text + fmt::format("L = {:.10f}\n", trace.loss);
}

std::string backward_text(const nn::BpttTrace& trace) {
  std::string text =
      "\nBackward: dy_t = y_t - Y_t, dh_t = Why^T dy_t + Whh delta_(t+1), delta_t = dh_t (1 - h_t^2);\n"
      "each step adds x_t delta_t to dL/dWxh, h_(t-1) delta_t to dL/dWhh, dy_t h_t to dL/dWhy\n";
  for (std::size_t t = trace.steps.size(); t-- > 0;) {
    const nn::BpttStep& step = trace.steps[t];
    text += fmt::format("t = {}  dy {}  dh {}  delta {}\n", t, to_text(step.dy), to_text(step.dh), to_text(step.delta));
    text += fmt::format("       Wxh {}\n       Whh {}\n       Why {}\n", to_text(step.w_xh), to_text(step.w_hh),
                        to_text(step.w_hy));
  }
  return text + "\nSums\ndL/dWxh = " + to_text(trace.w_xh) + "\ndL/dWhh = " + to_text(trace.w_hh) +
         "\ndL/dWhy = " + to_text(trace.w_hy) + "\n";
}

Json to_json(const nn::BpttExample& example, const nn::BpttTrace& trace) {
  Json json = {{"weights", {{"xh", example.w_xh}, {"hh", example.w_hh}, {"hy", example.w_hy}}},
               {"loss", trace.loss},
               {"steps", Json::array()},
               {"gradients", {{"xh", trace.w_xh}, {"hh", trace.w_hh}, {"hy", trace.w_hy}}}};
  for (std::size_t t = 0; t < trace.steps.size(); ++t) {
    const nn::BpttStep& s = trace.steps[t];
    json["steps"].push_back({{"x", s.x},
                             {"h", s.h},
                             {"y", s.y},
                             {"target", example.y[t]},
                             {"loss", s.loss},
                             {"dy", s.dy},
                             {"dh", s.dh},
                             {"delta", s.delta},
                             {"adds", {{"xh", s.w_xh}, {"hh", s.w_hh}, {"hy", s.w_hy}}}});
  }
  return json;
}

}  // namespace

void add_inspect_bptt(CLI::App& inspect) {
  CLI::App* command = inspect.add_subcommand(
      "bptt", "Backpropagation through time in a network of two units over four steps, number by number");
  const auto json = std::make_shared<bool>(false);
  add_json_flag(*command, *json);
  command->callback([json] {
    const nn::BpttExample example = nn::worked_example();
    const nn::BpttTrace trace = nn::backpropagate_through_time(example);
    if (*json) return print_json(to_json(example, trace));
    print(weights_text(example) + forward_text(example, trace) + backward_text(trace));
  });
}

}  // namespace narae::cli
