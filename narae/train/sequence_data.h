#pragma once

#include "narae/train/recipe.h"
#include "narae/train/task_data.h"

// The data of tasks whose samples are sequences, all parts at once; open_task_data looks after their limits.
namespace narae::detail {

/// Classes or tags of texts, or a text to learn the language of.
[[nodiscard]] TaskData open_text_data(const Recipe& recipe, const text::Tokenizer* tokenizer);
/// A series to be forecast.
[[nodiscard]] TaskData open_series_data(const Recipe& recipe);

}  // namespace narae::detail
