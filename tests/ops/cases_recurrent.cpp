#include <cmath>

#include "narae/ops/gru.h"
#include "narae/ops/lstm.h"
#include "narae/ops/rnn.h"
#include "tests/ops/operator_case.h"

namespace narae::test {
namespace {

// One size of a recurrent layer. `lengths`: those of the sequences, when they differ.
struct Size {
  std::int64_t steps, batch, units;
  bool reverse = false;
  std::vector<double> lengths = {};

  [[nodiscard]] std::string label() const {
    std::string text = std::to_string(steps) + " steps, batch " + std::to_string(batch) + ", " + std::to_string(units) +
                       " units" + (reverse ? ", reverse" : "");
    for (std::size_t i = 0; i < lengths.size(); ++i)
      text += (i == 0 ? ", lengths " : " ") + std::to_string(static_cast<int>(lengths[i]));
    return text;
  }
  [[nodiscard]] InputSpec p(std::int64_t gates) const { return {.shape = {steps, batch, gates * units}}; }
  [[nodiscard]] InputSpec state() const { return {.shape = {batch, units}, .low = -1, .high = 1}; }
  [[nodiscard]] InputSpec weights(std::int64_t gates) const {
    const double bound = 1.7 / std::sqrt(static_cast<double>(units));
    return {.shape = {gates * units, units}, .low = -bound, .high = bound};
  }
  void add_lengths(std::vector<InputSpec>& inputs) const {
    if (!lengths.empty()) inputs.push_back({.shape = {batch}, .dtype = DType::i64, .values = lengths});
  }
  // The last input when there are lengths.
  [[nodiscard]] Tensor lengths_of(Inputs in) const { return lengths.empty() ? Tensor() : in.back(); }
};

// One step, several, both directions, lengths (also of nothing), more units than a vector has lanes, batches that leave
// a rest, and weights for which the units are shared out to threads rather than the sequences.
std::vector<Size> sizes() {
  return {{.steps = 1, .batch = 2, .units = 3},
          {.steps = 4, .batch = 3, .units = 2},
          {.steps = 3, .batch = 2, .units = 5, .reverse = true},
          {.steps = 4, .batch = 3, .units = 3, .lengths = {4, 1, 3}},
          {.steps = 4, .batch = 4, .units = 3, .reverse = true, .lengths = {2, 4, 0, 9}},
          {.steps = 3, .batch = 7, .units = 37},
          {.steps = 3, .batch = 27, .units = 70, .reverse = true}};
}

void add_rnn(std::vector<OperatorCase>& cases, const Size& size, Nonlinearity nonlinearity) {
  OperatorCase c{
      .ops = {"rnn", "rnn_gradient"},
      .label = size.label() + (nonlinearity == Nonlinearity::relu ? ", relu" : ""),
      .inputs = {size.p(1), size.state(), size.weights(1)},
      .function = [=](Inputs in) {
        return Results{rnn(in[0], in[1], in[2],
                           {.nonlinearity = nonlinearity, .reverse = size.reverse, .lengths = size.lengths_of(in)})};
      }};
  size.add_lengths(c.inputs);
  cases.push_back(std::move(c));
}

void add_lstm(std::vector<OperatorCase>& cases, const Size& size, std::int64_t outputs) {
  OperatorCase c{
      .ops = {"lstm", "lstm_gradient"},
      .label = size.label() + (outputs != 0 ? ", projected to " + std::to_string(outputs) : ""),
      .inputs = {size.p(4), size.state(), size.state(), size.weights(4)},
      .function = [=](Inputs in) {
        const LstmState all =
            lstm(in[0], {in[1], in[2]}, in[3],
                 {.w_hr = outputs != 0 ? in[4] : Tensor(), .reverse = size.reverse, .lengths = size.lengths_of(in)});
        return Results{all.h, all.c};
      }};
  if (outputs != 0) {
    c.inputs[1].shape = {size.batch, outputs};
    c.inputs[3].shape = {4 * size.units, outputs};
    c.inputs.push_back({.shape = {outputs, size.units}});
  }
  size.add_lengths(c.inputs);
  cases.push_back(std::move(c));
}

void add_gru(std::vector<OperatorCase>& cases, const Size& size, GruForm form) {
  const bool after = form == GruForm::reset_after;
  OperatorCase c{
      .ops = {"gru", "gru_gradient"},
      .label = size.label() + (after ? "" : ", reset before the product"),
      .inputs = {size.p(3), size.state(), size.weights(3)},
      .function = [=](Inputs in) {
        return Results{gru(
            in[0], in[1], in[2],
            {.form = form, .b_hn = after ? in[3] : Tensor(), .reverse = size.reverse, .lengths = size.lengths_of(in)})};
      }};
  if (after) c.inputs.push_back({.shape = {size.units}});
  size.add_lengths(c.inputs);
  cases.push_back(std::move(c));
}

}  // namespace

std::vector<OperatorCase> recurrent_cases() {
  std::vector<OperatorCase> cases;
  for (const Size& size : sizes()) {
    add_rnn(cases, size, Nonlinearity::tanh);
    add_rnn(cases, size, Nonlinearity::relu);
    add_lstm(cases, size, 0);
    if (size.units < 10) add_lstm(cases, size, 2);
    add_gru(cases, size, GruForm::reset_after);
    add_gru(cases, size, GruForm::reset_before);
  }
  // Cotangents of one result alone.
  const Size small{.steps = 3, .batch = 2, .units = 2};
  cases.push_back({.ops = {"lstm"},
                   .label = "cells alone",
                   .inputs = {small.p(4), small.state(), small.state(), small.weights(4)},
                   .function = [](Inputs in) {
                     return Results{lstm(in[0], {in[1], in[2]}, in[3]).c};
                   }});
  cases.push_back({.ops = {"lstm"},
                   .label = "outputs alone",
                   .inputs = {small.p(4), small.state(), small.state(), small.weights(4)},
                   .function = [](Inputs in) {
                     return Results{lstm(in[0], {in[1], in[2]}, in[3]).h};
                   }});
  return cases;
}

}  // namespace narae::test
