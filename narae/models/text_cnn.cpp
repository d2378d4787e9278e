#include "narae/models/text_cnn.h"

#include <string>
#include <utility>

#include "narae/core/error.h"
#include "narae/ops/activation.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/matmul.h"
#include "narae/ops/reduce.h"
#include "narae/ops/view.h"

namespace narae::models {
namespace {

std::vector<WindowFilters> convs_of(const TextCnnOptions& options) {
  if (options.heights.empty()) throw UsageError("text-cnn: heights must not be empty");
  std::vector<WindowFilters> convs;
  for (const std::int64_t height : options.heights) {
    convs.emplace_back(options.filters, height, options.embedding);
  }
  return convs;
}

// Named by their numbers, as in torch's ModuleList.
struct ConvList : nn::Module {
  explicit ConvList(std::vector<WindowFilters> list) : nn::Module("ModuleList"), convs(std::move(list)) {
    for (std::size_t i = 0; i < convs.size(); ++i) register_module(std::to_string(i), convs[i]);
  }
  std::vector<WindowFilters> convs;
};

}  // namespace

// The convolution of filters as wide as the embedding is a product: every window of tokens, laid out as one row, times
// the filters.
Tensor WindowFilters::forward(const Tensor& x) const {
  const std::int64_t windows = x.size(1) - height() + 1;
  std::vector<Tensor> rows;
  for (std::int64_t i = 0; i < height(); ++i) rows.push_back(narrow(x, 1, i, windows));
  return matmul(concat(rows, 2), t(flatten(weight(), 1))) + bias();
}

TextCnn::TextCnn(std::int64_t vocabulary, std::int64_t classes, const TextCnnOptions& options)
    : embedding_(register_module("embedding", nn::Embedding(vocabulary, options.embedding))),
      convs_(register_module("convs", ConvList(convs_of(options))).convs),
      dropout_(register_module("dropout", nn::Dropout(options.dropout))),
      fc_(register_module("fc", nn::Linear(std::ssize(options.heights) * options.filters, classes))) {}

nn::SequenceOutput TextCnn::run(const nn::SequenceInput& input) const {
  Tensor x = embedding_(input.x);
  const std::int64_t steps = x.size(1);
  if (input.lengths.defined()) {  // nothing lies behind the end
    x = where(unsqueeze(nn::position_mask(input.lengths, steps), 2), x, 0.0);
  }
  std::vector<Tensor> strongest;
  for (const WindowFilters& conv : convs_) {
    const std::int64_t height = conv.height();
    const Tensor wide = steps < height ? pad(x, {0, 0, 0, height - steps, 0, 0}) : x;
    const Tensor windows = relu(conv(wide));
    // Windows that lie within the text; a text that is shorter than the filter has one.
    const Tensor within =
        input.lengths.defined() ? maximum(input.lengths - scalar_integer(height - 1), scalar_integer(1)) : Tensor();
    strongest.push_back(nn::max_over_time(windows, within));
  }
  return {.logits = fc_(dropout_(concat(strongest, 1)))};
}

}  // namespace narae::models
