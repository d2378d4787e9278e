#include <memory>
#include <nlohmann/json.hpp>

#include "apps/narae/commands.h"
#include "apps/narae/dataset_show.h"
#include "apps/narae/table.h"
#include "narae/data/catalog.h"

namespace narae::cli {
namespace {

using Json = nlohmann::ordered_json;

void list_datasets(bool as_json) {
  Json list = Json::array();
  std::vector<std::vector<std::string>> rows;
  for (const DatasetInfo& info : datasets()) {
    list.push_back({{"name", info.name},
                    {"description", info.description},
                    {"location", info.location},
                    {"kind", name_of(info.kind)}});
    rows.push_back({info.name, info.location.empty() ? "not found" : info.location, info.description});
  }
  if (as_json) {
    print_json(list);
  } else {
    print(table({"dataset", "where", "what it is"}, rows));
  }
}

}  // namespace

void add_datasets(CLI::App& app) {
  CLI::App* command = app.add_subcommand("datasets", "List the data that can be named, and where it lies");
  command->require_subcommand(0, 1);
  const auto json = std::make_shared<bool>(false);
  CLI::Option* list_json = add_json_flag(*command, *json);
  add_dataset_show(*command)->excludes(list_json);
  command->callback([command, json] {
    if (command->get_subcommands().empty()) list_datasets(*json);
  });
}

}  // namespace narae::cli
