#include "narae/models/text_cnn.h"

#include <string>

#include "narae/core/error.h"
#include "narae/ops/activation.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/matmul.h"
#include "narae/ops/reduce.h"
#include "narae/ops/view.h"

namespace narae::models {

// The convolution of filters as wide as the embedding is a product: every window of tokens, laid out as one row, times
// the filters.
Tensor WindowFilters::forward(const Tensor& x) const {
  const std::int64_t windows = x.size(1) - height() + 1;
  std::vector<Tensor> rows;
  for (std::int64_t i = 0; i < height(); ++i) rows.push_back(narrow(x, 1, i, windows));
  return matmul(concat(rows, 2), t(flatten(weight(), 1))) + bias();
}

WindowFilterList::WindowFilterList(const TextCnnOptions& options) : nn::Module("ModuleList") {
  if (options.heights.empty()) throw UsageError("text-cnn: heights must not be empty");
  for (const std::int64_t height : options.heights) {
    filters_.push_back(
        register_module(std::to_string(filters_.size()), WindowFilters(options.filters, height, options.embedding)));
  }
}

Tensor WindowFilterList::operator()(const Tensor& x, const Tensor& lengths) const {
  const auto inside = scope();
  const std::int64_t steps = x.size(1);
  std::vector<Tensor> strongest;
  for (const WindowFilters& filters : filters_) {
    const std::int64_t height = filters.height();
    const Tensor windows = relu(filters(steps < height ? pad(x, {0, 0, 0, height - steps, 0, 0}) : x));
    // Windows that lie within the text; a text that is shorter than the filter has one.
    const Tensor within =
        lengths.defined() ? maximum(lengths - scalar_integer(height - 1), scalar_integer(1)) : Tensor();
    strongest.push_back(nn::max_over_time(windows, within));
  }
  return concat(strongest, 1);
}

TextCnn::TextCnn(std::int64_t vocabulary, std::int64_t classes, const TextCnnOptions& options)
    : embedding_(register_module("embedding",
                                 nn::Embedding(vocabulary, options.embedding, {.stddev = options.embedding_std}))),
      convs_(register_module("convs", WindowFilterList(options))),
      dropout_(register_module("dropout", nn::Dropout(options.dropout))),
      fc_(register_module("fc", nn::Linear(std::ssize(options.heights) * options.filters, classes))) {}

nn::SequenceOutput TextCnn::run(const nn::SequenceInput& input) const {
  Tensor x = embedding_(input.x);
  if (input.lengths.defined()) {  // nothing lies behind the end
    x = where(unsqueeze(nn::position_mask(input.lengths, x.size(1)), 2), x, 0.0);
  }
  return {.logits = fc_(dropout_(convs_(x, input.lengths)))};
}

}  // namespace narae::models
