#include "narae/train/trained_model.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "narae/core/error.h"
#include "narae/data/transforms.h"
#include "narae/graph/eval.h"
#include "narae/nn/init.h"
#include "narae/train/metrics.h"
#include "narae/train/weights.h"

namespace narae {
namespace {

namespace fs = std::filesystem;

void require_file(const fs::path& path, const std::string& advice) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) throw Error(path.string() + ": there is no such file; " + advice);
}

// Rec. 601 luma for pictures in colour, one channel repeated for grey ones.
std::vector<float> with_channels(const Array& picture, std::int64_t channels) {
  const auto plane = static_cast<std::size_t>(picture.shape[1] * picture.shape[2]);
  const auto from = picture.values<std::uint8_t>();
  std::vector<float> to(static_cast<std::size_t>(channels) * plane);
  for (std::size_t i = 0; i < to.size(); ++i) {
    const std::size_t pixel = i % plane;
    if (picture.shape[0] == channels) {
      to[i] = from[i];
    } else if (picture.shape[0] == 3) {
      to[i] = 0.299F * from[pixel] + 0.587F * from[plane + pixel] + 0.114F * from[2 * plane + pixel];
    } else {
      to[i] = from[pixel];
    }
  }
  return to;
}

// How much the pixels of a line of `from` pixels weigh in pixel `i` of `to`: a triangle as wide as the step, at least
// two pixels.
struct Weights {
  std::int64_t first = 0;
  std::vector<float> values;
};

Weights weights_of(std::int64_t i, std::int64_t from, std::int64_t to) {
  const double step = static_cast<double>(from) / static_cast<double>(to);
  const double reach = std::max(step, 1.0);
  const double center = (static_cast<double>(i) + 0.5) * step - 0.5;
  const auto first = std::max<std::int64_t>(0, static_cast<std::int64_t>(std::ceil(center - reach)));
  const auto last = std::min(from - 1, static_cast<std::int64_t>(std::floor(center + reach)));
  Weights weights{.first = first, .values = {}};
  double sum = 0;
  for (std::int64_t p = first; p <= last; ++p) {
    const double w = std::max(0.0, 1 - std::abs(static_cast<double>(p) - center) / reach);
    weights.values.push_back(static_cast<float>(w));
    sum += w;
  }
  for (float& w : weights.values) w = static_cast<float>(w / sum);
  return weights;
}

// Scales (rows, from) to (to, rows): along the lines, transposed, so that twice does both axes.
std::vector<float> scaled(const std::vector<float>& values, std::int64_t rows, std::int64_t from, std::int64_t to) {
  std::vector<float> result(static_cast<std::size_t>(rows * to));
  for (std::int64_t i = 0; i < to; ++i) {
    const Weights weights = weights_of(i, from, to);
    for (std::int64_t row = 0; row < rows; ++row) {
      float sum = 0;
      for (std::size_t k = 0; k < weights.values.size(); ++k) {
        sum += weights.values[k] * values[static_cast<std::size_t>(row * from + weights.first) + k];
      }
      result[static_cast<std::size_t>(i * rows + row)] = sum;
    }
  }
  return result;
}

}  // namespace

TrainedModel load_trained(const fs::path& run, const std::string& which) {
  const fs::path config = run / "config.json";
  const fs::path weights = run / "weights" / (which + ".safetensors");
  require_file(config, "is " + run.string() + " the folder of a run?");
  require_file(weights, "the run has not finished an epoch yet");
  TrainedModel model{.config = models::read_config(config), .network = nullptr};
  std::vector<std::string>& classes = model.config.classes;
  if (classes.empty()) {
    for (std::int64_t c = 0; c < model.config.model.num_classes; ++c) classes.push_back(std::to_string(c));
  }
  {
    const nn::init::Skip skip;  // every value comes from the file
    model.network = models::make_model(model.config.model);
  }
  load_weights(weights, *model.network);
  model.network->eval();
  return model;
}

Array fitted_picture(const models::ModelConfig& config, const Array& picture) {
  const Shape& input = config.model.input;
  if (input.rank() != 3 || (input[0] != 1 && input[0] != 3)) {
    throw Error("the network takes samples " + to_string(input) + ", not pictures");
  }
  const std::vector<float> pixels = with_channels(picture, input[0]);
  const std::int64_t height = picture.shape[1];
  const std::int64_t width = picture.shape[2];
  const auto plane = static_cast<std::size_t>(height * width);
  Array result = Array::empty(DType::u8, input);
  const auto to = result.mutable_values<std::uint8_t>();
  std::size_t next = 0;
  for (std::size_t c = 0; c < static_cast<std::size_t>(input[0]); ++c) {
    const std::vector<float> channel(pixels.begin() + static_cast<std::ptrdiff_t>(c * plane),
                                     pixels.begin() + static_cast<std::ptrdiff_t>((c + 1) * plane));
    const std::vector<float> narrow = scaled(channel, height, width, input[2]);
    for (const float value : scaled(narrow, input[2], height, input[1])) {
      to[next++] = static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0F, 255.0F)));
    }
  }
  return result;
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
