#include "narae/nn/bptt.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "narae/core/error.h"

namespace narae::nn {
namespace {

using Row = std::vector<double>;

void require(const char* name, const Rows& rows, std::size_t count, std::size_t width) {
  const bool fits = rows.size() == count &&
                    std::all_of(rows.begin(), rows.end(), [&](const Row& row) { return row.size() == width; });
  if (!fits) {
    throw Error(std::string("backpropagate_through_time: ") + name + " must have " + std::to_string(count) +
                " rows of " + std::to_string(width) + " numbers");
  }
}

void require_shapes(const BpttExample& e) {
  if (e.x.empty() || e.x[0].empty() || e.w_hh.empty() || e.w_hy.empty()) {
    throw Error("backpropagate_through_time: at least one step, input, unit and output is needed");
  }
  const std::size_t units = e.w_hh.size();
  require("x", e.x, e.x.size(), e.x[0].size());
  require("y", e.y, e.x.size(), e.w_hy.size());
  require("w_xh", e.w_xh, e.x[0].size(), units);
  require("w_hh", e.w_hh, units, units);
  require("w_hy", e.w_hy, e.w_hy.size(), units);
}

// row w: sum over i of row[i] w[i][j]
Row times(const Row& row, const Rows& w) {
  Row result(w[0].size());
  for (std::size_t i = 0; i < row.size(); ++i)
    for (std::size_t j = 0; j < result.size(); ++j) result[j] += row[i] * w[i][j];
  return result;
}

// w column: sum over j of w[i][j] column[j]
Row times(const Rows& w, const Row& column) {
  Row result(w.size());
  for (std::size_t i = 0; i < result.size(); ++i)
    for (std::size_t j = 0; j < column.size(); ++j) result[i] += w[i][j] * column[j];
  return result;
}

Rows outer(const Row& column, const Row& row) {
  Rows result(column.size(), Row(row.size()));
  for (std::size_t i = 0; i < column.size(); ++i)
    for (std::size_t j = 0; j < row.size(); ++j) result[i][j] = column[i] * row[j];
  return result;
}

void add(Row& sum, const Row& part) {
  for (std::size_t i = 0; i < part.size(); ++i) sum[i] += part[i];
}
void add(Rows& sum, const Rows& part) {
  if (sum.empty()) sum.resize(part.size(), Row(part[0].size()));
  for (std::size_t i = 0; i < part.size(); ++i) add(sum[i], part[i]);
}

void run_forward(const BpttExample& e, BpttTrace& trace) {
  Row h(e.w_hh.size());
  for (std::size_t t = 0; t < e.x.size(); ++t) {
    BpttStep step{.x = e.x[t]};
    Row z = times(step.x, e.w_xh);
    add(z, times(h, e.w_hh));
    for (double& v : z) v = std::tanh(v);
    step.h = h = z;
    step.y = times(e.w_hy, step.h);
    for (std::size_t i = 0; i < step.y.size(); ++i) {
      step.dy.push_back(step.y[i] - e.y[t][i]);
      step.loss += 0.5 * step.dy[i] * step.dy[i];
    }
    trace.loss += step.loss;
    trace.steps.push_back(std::move(step));
  }
}

void run_backward(const BpttExample& e, BpttTrace& trace) {
  Row later(e.w_hh.size());  // delta of the step behind
  for (std::size_t t = e.x.size(); t-- > 0;) {
    BpttStep& step = trace.steps[t];
    const Row before = t == 0 ? Row(step.h.size()) : trace.steps[t - 1].h;
    step.dh = times(step.dy, e.w_hy);
    add(step.dh, times(e.w_hh, later));
    for (std::size_t i = 0; i < step.h.size(); ++i) step.delta.push_back(step.dh[i] * (1 - step.h[i] * step.h[i]));
    step.w_xh = outer(step.x, step.delta);
    step.w_hh = outer(before, step.delta);
    step.w_hy = outer(step.dy, step.h);
    add(trace.w_xh, step.w_xh);
    add(trace.w_hh, step.w_hh);
    add(trace.w_hy, step.w_hy);
    later = step.delta;
  }
}

}  // namespace

BpttExample worked_example() {
  return {.x = {{0.5, 0.1, -0.3}, {-0.2, 0.4, 0.3}, {0.1, -0.5, 0.2}, {0.4, 0.2, -0.1}},
          .y = {{1, 0}, {0, 1}, {1, 0}, {0, 1}},
          .w_xh = {{0.2, -0.3}, {0.4, 0.1}, {-0.5, 0.2}},
          .w_hh = {{0.6, -0.2}, {0.1, 0.5}},
          .w_hy = {{0.3, -0.7}, {-0.5, 0.8}}};
}

BpttTrace backpropagate_through_time(const BpttExample& example) {
  require_shapes(example);
  BpttTrace trace;
  run_forward(example, trace);
  run_backward(example, trace);
  return trace;
}

}  // namespace narae::nn
