#include "narae/models/config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "narae/core/error.h"
#include "narae/core/files.h"

namespace narae::models {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t largest_config = std::size_t{16} << 20;  // bytes

OptionValue option_value(const Json& json) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  return json.get<std::vector<std::int64_t>>();
}

ModelConfig from_json(const Json& json) {
  ModelConfig config;
  config.model.name = json.at("model").get<std::string>();
  for (const auto& [name, value] : json.at("options").items())
    config.model.options.emplace_back(name, option_value(value));
  config.model.input = Shape(json.at("input").get<std::vector<std::int64_t>>());
  config.model.num_classes = json.at("num_classes").get<std::int64_t>();
  config.classes = json.at("classes").get<std::vector<std::string>>();
  config.mean = json.at("mean").get<std::vector<float>>();
  config.stddev = json.at("std").get<std::vector<float>>();
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
    throw Error(file + ": not the description of a model: " + e.what());
  } catch (const Error& e) {
    throw Error(file + ": " + e.what());
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
