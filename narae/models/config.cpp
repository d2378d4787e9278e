#include "narae/models/config.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/core/json_value.h"

namespace narae::models {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t largest_config = std::size_t{16} << 20;  // bytes

template <class T>
constexpr std::string_view description = "text";
template <>
constexpr std::string_view description<std::int64_t> = "an integer";
template <>
constexpr std::string_view description<std::vector<std::int64_t>> = "a list of integers";
template <>
constexpr std::string_view description<std::vector<float>> = "a list of numbers";
template <>
constexpr std::string_view description<std::vector<std::string>> = "a list of texts";

// The value of a key, which has to be there.
const Json& at(const Json& json, const std::string& key) {
  if (!json.is_object() || !json.contains(key)) throw Error("the key '" + key + "' is missing");
  return json[key];
}

template <class T>
T value_of(const Json& json, const std::string& key) {
  const Json& value = at(json, key);
  if (!holds<T>(value)) throw Error("'" + key + "' must be " + std::string(description<T>));
  return value.get<T>();
}

OptionValue option_value(const std::string& name, const Json& json) {
  if (holds<bool>(json)) return json.get<bool>();
  if (holds<std::int64_t>(json)) return json.get<std::int64_t>();
  if (holds<double>(json)) return json.get<double>();
  if (holds<std::string>(json)) return json.get<std::string>();
  if (holds<std::vector<std::int64_t>>(json)) return json.get<std::vector<std::int64_t>>();
  throw Error("option '" + name + "' must be true or false, a number, text or a list of integers");
}

// "parse error at line 1, column 2: ..." without the library's number in front.
std::string reason_of(const Json::exception& error) {
  const std::string text = error.what();
  const std::size_t end = text.find("] ");
  return text.substr(end == std::string::npos ? 0 : end + 2, 200);
}

ModelConfig from_json(const Json& json) {
  ModelConfig config;
  config.model.name = value_of<std::string>(json, "model");
  const Json& options = at(json, "options");
  if (!options.is_object()) throw Error("'options' must be an object");
  for (const auto& [name, value] : options.items()) config.model.options.emplace_back(name, option_value(name, value));
  config.model.input = Shape(value_of<std::vector<std::int64_t>>(json, "input"));
  config.model.num_classes = value_of<std::int64_t>(json, "num_classes");
  config.classes = value_of<std::vector<std::string>>(json, "classes");
  config.mean = value_of<std::vector<float>>(json, "mean");
  config.stddev = value_of<std::vector<float>>(json, "std");
  return config;
}

}  // namespace

std::string to_json(const ModelConfig& config) {
  Json options = Json::object();
  for (const auto& [name, value] : config.model.options)
    std::visit([&, &key = name](const auto& v) { options[key] = v; }, value);
  Json json;
  json["model"] = config.model.name;
  json["options"] = options;
  json["input"] = std::vector<std::int64_t>(config.model.input.begin(), config.model.input.end());
  json["num_classes"] = config.model.num_classes;
  json["classes"] = config.classes;
  json["mean"] = config.mean;
  json["std"] = config.stddev;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

ModelConfig parse_config(std::string_view text, const std::string& file) {
  ModelConfig config;
  try {
    config = from_json(Json::parse(text));
  } catch (const Json::exception& e) {
    throw Error(file + ": not valid JSON: " + reason_of(e));
  } catch (const Error& e) {
    throw Error(file + ": not the description of a model: " + e.what());
  }
  const auto classes = static_cast<std::size_t>(std::max<std::int64_t>(config.model.num_classes, 0));
  if (classes == 0 || (!config.classes.empty() && config.classes.size() != classes)) {
    throw Error(file + ": " + std::to_string(config.classes.size()) + " class names for " +
                std::to_string(config.model.num_classes) + " classes");
  }
  if (config.mean.size() != config.stddev.size()) {
    throw Error(file + ": " + std::to_string(config.mean.size()) + " means, but " +
                std::to_string(config.stddev.size()) + " deviations");
  }
  return config;
}

ModelConfig read_config(const std::filesystem::path& path) {
  return parse_config(read_text(path, largest_config), path.string());
}

}  // namespace narae::models
