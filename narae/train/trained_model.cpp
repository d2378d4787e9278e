#include "narae/train/trained_model.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "narae/core/error.h"
#include "narae/data/loader.h"
#include "narae/data/picture.h"
#include "narae/data/transforms.h"
#include "narae/graph/eval.h"
#include "narae/nn/init.h"
#include "narae/nn/sequence.h"
#include "narae/train/metrics.h"
#include "narae/train/weights.h"

namespace narae {
namespace {

namespace fs = std::filesystem;

constexpr std::array tokenizer_files{"vocabulary.json", "tokenizer.json"};

void require_file(const fs::path& path, const std::string& advice) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) throw Error(path.string() + ": there is no such file; " + advice);
}

}  // namespace

TrainedModel load_trained(const fs::path& run, const std::string& which) {
  const fs::path config = run / "config.json";
  const fs::path weights = run / "weights" / (which + ".safetensors");
  require_file(config, "is " + run.string() + " the folder of a run?");
  require_file(weights, "the run has not finished an epoch yet");
  TrainedModel model{.config = models::read_config(config), .network = nullptr};
  std::vector<std::string>& classes = model.config.classes;
  if (classes.empty() && model.config.model.vocabulary == 0) {
    for (std::int64_t c = 0; c < model.config.model.num_classes; ++c) classes.push_back(std::to_string(c));
  }
  {
    const nn::init::Skip skip;  // every value comes from the file
    model.network = models::make_model(model.config.model);
  }
  load_weights(weights, *model.network);
  model.tokenizer = tokenizer_of(run);
  if (model.config.model.vocabulary > 0 &&
      (!model.tokenizer || model.tokenizer->vocabulary.size() != model.config.model.vocabulary)) {
    throw Error(run.string() + ": neither vocabulary.json nor tokenizer.json holds the " +
                std::to_string(model.config.model.vocabulary) + " tokens that the network was trained with");
  }
  model.network->eval();
  return model;
}

std::optional<text::Tokenizer> tokenizer_of(const fs::path& run) {
  std::error_code ignored;
  for (const char* name : tokenizer_files)
    if (fs::exists(run / name, ignored)) return text::load_tokenizer(run / name);
  return std::nullopt;
}

void save_tokenizer_of(const fs::path& run, const text::Tokenizer& tokenizer) {
  const std::string_view name = text::file_name(tokenizer);
  text::save_tokenizer(run / name, tokenizer);
  std::error_code ignored;
  for (const char* other : tokenizer_files)
    if (name != other) fs::remove(run / other, ignored);
}

Array predict_texts(const TrainedModel& model, std::span<const std::string> texts) {
  const auto* network = dynamic_cast<const nn::SequenceModule*>(model.network.get());
  if (network == nullptr || !model.tokenizer) throw Error("the network takes no texts");
  const NoGrad no_grad;
  Array result = Array::empty(DType::f32, {std::ssize(texts), model.config.model.num_classes});
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const text::TokenIds ids = model.tokenizer->encode(texts[i]);
    const auto length = std::ssize(ids);
    if (length == 0) throw Error("there is no text in '" + texts[i].substr(0, 40) + "'");
    Array tokens = Array::zeros(DType::i64, {1, bucket_length(length, length + 64)});
    std::copy(ids.begin(), ids.end(), tokens.mutable_values<std::int64_t>().begin());
    Array lengths = Array::empty(DType::i64, {1});
    lengths.mutable_values<std::int64_t>()[0] = length;
    const Array row = probabilities_of((*network)({.x = tokens, .lengths = lengths}).logits.array());
    const auto values = row.values<float>();
    std::copy(values.begin(), values.end(), result.mutable_values<float>().subspan(i * values.size()).begin());
  }
  return result;
}

Array fitted_picture(const models::ModelConfig& config, const Array& picture, const FitOptions& options) {
  const Shape& input = config.model.input;
  if (input.rank() != 3 || (input[0] != 1 && input[0] != 3)) {
    throw Error("the network takes samples " + to_string(input) + ", not pictures");
  }
  return fitted(with_channels(picture, input[0]), {input[1], input[2]}, options);
}

Array predict(const TrainedModel& model, const Array& samples) {
  const Shape& input = model.config.model.input;
  const Normalizer normalizer(samples.dtype, input, model.config.mean, model.config.stddev);
  const auto count = static_cast<std::size_t>(input.count());
  Array batch = Array::empty(DType::f32, samples.shape);
  for (std::int64_t i = 0; i < samples.shape[0]; ++i) {
    const std::size_t first = static_cast<std::size_t>(i) * count;
    normalizer.apply(samples.buffer.data() + first * size_of(samples.dtype),
                     batch.mutable_values<float>().subspan(first, count));
  }
  const NoGrad no_grad;
  return probabilities_of((*model.network)(batch).array());
}

Array parse_points(std::string_view text, std::int64_t dimensions, const std::string& source) {
  std::vector<float> values;
  for (std::size_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t before = values.size();
    const auto skip = [&] { line.remove_prefix(std::min(line.size(), line.find_first_not_of(" \t\r,;"))); };
    for (skip(); !line.empty() && line[0] != '#'; skip()) {
      float value = 0;
      const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
      if (error != std::errc{} || !std::isfinite(value)) {
        throw Error(source + ":" + std::to_string(number) + ": '" + std::string(line.substr(0, 40)) +
                    "' is no number; a point is written as " + (dimensions == 2 ? "0.5,-1.2" : "numbers with commas"));
      }
      values.push_back(value);
      line.remove_prefix(static_cast<std::size_t>(end - line.data()));
    }
    const std::size_t found = values.size() - before;
    if (found != 0 && found != static_cast<std::size_t>(dimensions)) {
      throw Error(source + ":" + std::to_string(number) + ": " + std::to_string(found) +
                  " numbers, but the network takes " + std::to_string(dimensions));
    }
  }
  if (values.empty()) throw Error(source + ": there is no point in it");
  Array points = Array::empty(DType::f32, {static_cast<std::int64_t>(values.size()) / dimensions, dimensions});
  std::copy(values.begin(), values.end(), points.mutable_values<float>().begin());
  return points;
}

}  // namespace narae
