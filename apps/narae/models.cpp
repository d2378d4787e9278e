#include "narae/models/registry.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "apps/narae/commands.h"
#include "apps/narae/table.h"
#include "narae/nn/init.h"

namespace narae::cli {
namespace {

using Json = nlohmann::ordered_json;

std::int64_t parameters_of(const models::ModelInfo& info) {
  const nn::init::Skip skip;
  return models::make_model({.name = info.name,
                             .options = {},
                             .input = info.input,
                             .num_classes = info.num_classes,
                             .vocabulary = info.vocabulary})
      ->parameter_count();
}

Json to_json(const models::ModelOption& option) {
  Json json;
  json["name"] = option.name;
  std::visit([&](const auto& value) { json["default"] = value; }, option.initial);
  if (!option.choices.empty()) json["choices"] = option.choices;
  json["description"] = option.doc;
  return json;
}

Json to_json(const models::ModelInfo& info) {
  Json json;
  json["name"] = info.name;
  json["description"] = info.description;
  json["input"] = std::vector<std::int64_t>(info.input.begin(), info.input.end());
  json["num_classes"] = info.num_classes;
  if (info.vocabulary > 0) json["vocabulary"] = info.vocabulary;
  json["tasks"] = info.tasks;
  json["parameters"] = parameters_of(info);
  json["options"] = Json::array();
  for (const models::ModelOption& option : info.options) json["options"].push_back(to_json(option));
  return json;
}

void list_models(bool as_json) {
  if (as_json) {
    Json list = Json::array();
    for (const models::ModelInfo& info : models::models()) list.push_back(to_json(info));
    print_json(list);
    return;
  }
  std::vector<std::vector<std::string>> rows;
  for (const models::ModelInfo& info : models::models()) {
    std::string options;
    for (const models::ModelOption& option : info.options) options += (options.empty() ? "" : ", ") + option.name;
    rows.push_back({info.name, std::to_string(parameters_of(info)), options.empty() ? "-" : options, info.description});
  }
  print(table({"model", "parameters", "options", "what it is"}, rows));
}

}  // namespace

void add_models(CLI::App& app) {
  CLI::App* command = app.add_subcommand("models", "List the networks that can be made by name");
  const auto json = std::make_shared<bool>(false);
  add_json_flag(*command, *json);
  command->callback([json] { list_models(*json); });
}

}  // namespace narae::cli
