#include "narae/train/checkpoint.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/core/json_value.h"
#include "narae/core/switches.h"
#include "narae/core/threads.h"
#include "narae/core/tile_units.h"
#include "narae/io/safetensors.h"
#include "narae/train/weights.h"

namespace narae {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int format = 1;
constexpr std::size_t largest_state = std::size_t{16} << 20;  // bytes

Json to_json(const Scores& s) {
  Json json = {
      {"loss", s.loss}, {"accuracy", s.accuracy}, {"samples", s.samples}, {"absolute_error", s.absolute_error}};
  if (s.top5) json["top5"] = *s.top5;
  return json;
}

Json to_json(const optim::NamedNumbers& numbers) {
  Json json = Json::object();
  for (const auto& [name, value] : numbers) json[name] = value;
  return json;
}

Json to_json(const Conditions& c) {
  return {
      {"version", c.version}, {"threads", c.threads}, {"instruction_set", c.instruction_set}, {"switches", c.switches}};
}

Json to_json(const Tally& t) {
  Json json = {{"loss_sum", t.loss_sum}, {"correct", t.correct}, {"samples", t.samples}, {"error_sum", t.error_sum}};
  if (t.in_top5) json["in_top5"] = *t.in_top5;
  return json;
}

Json to_json(const TrainState& s) {
  return {{"format", format},
          {"step", s.step},
          {"loader", {{"epoch", s.loader.epoch}, {"batch", s.loader.batch}}},
          {"random", {{"seed", s.random.seed}, {"counter", s.random.counter}}},
          {"epoch_tally", to_json(s.epoch_tally)},
          {"last", to_json(s.last)},
          {"best", {{"epoch", s.best.epoch}, {"scores", to_json(s.best.scores)}}},
          {"stopping", to_json(s.stopping)},
          {"schedule", to_json(s.schedule)},
          {"results_bytes", s.results_bytes},
          {"steps_bytes", s.steps_bytes},
          {"seconds", s.seconds},
          {"conditions", to_json(s.conditions)}};
}

// Throws Error for another type, or a number that T can't hold.
template <class T>
T as(const Json& json) {
  if (!holds<T>(json)) throw Error(json.dump().substr(0, 40) + " is not what belongs there");
  return json.get<T>();
}

// A loss that is not finite is null in JSON.
double number_from(const Json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : as<double>(json);
}

Scores scores_from(const Json& json) {
  Scores scores{.loss = number_from(json.at("loss")),
                .accuracy = number_from(json.at("accuracy")),
                .samples = as<std::int64_t>(json.at("samples"))};
  if (json.contains("absolute_error")) scores.absolute_error = number_from(json.at("absolute_error"));
  if (json.contains("top5")) scores.top5 = number_from(json.at("top5"));
  return scores;
}

Tally tally_from(const Json& json) {
  Tally tally{.loss_sum = number_from(json.at("loss_sum")),
              .correct = as<std::int64_t>(json.at("correct")),
              .samples = as<std::int64_t>(json.at("samples"))};
  if (json.contains("error_sum")) tally.error_sum = number_from(json.at("error_sum"));
  if (json.contains("in_top5")) tally.in_top5 = as<std::int64_t>(json.at("in_top5"));
  return tally;
}

optim::NamedNumbers numbers_from(const Json& json) {
  optim::NamedNumbers numbers;
  for (const auto& [name, value] : json.items()) numbers.emplace_back(name, as<double>(value));
  return numbers;
}

Conditions conditions_from(const Json& json) {
  return {.version = as<std::string>(json.at("version")),
          .threads = as<int>(json.at("threads")),
          .instruction_set = as<std::string>(json.at("instruction_set")),
          .switches = as<std::vector<std::string>>(json.at("switches"))};
}

TrainState state_from(const Json& json) {
  if (const int found = as<int>(json.at("format")); found != format) {
    throw Error(fmt::format("format {} is not known here, only {}", found, format));
  }
  TrainState s;
  s.step = as<std::int64_t>(json.at("step"));
  s.loader = {.epoch = as<std::int64_t>(json.at("loader").at("epoch")),
              .batch = as<std::int64_t>(json.at("loader").at("batch"))};
  s.random = {.seed = as<std::uint64_t>(json.at("random").at("seed")),
              .counter = as<std::uint64_t>(json.at("random").at("counter"))};
  s.epoch_tally = tally_from(json.at("epoch_tally"));
  s.last = scores_from(json.at("last"));
  s.best = {.epoch = as<std::int64_t>(json.at("best").at("epoch")),
            .scores = scores_from(json.at("best").at("scores"))};
  s.stopping = numbers_from(json.at("stopping"));
  s.schedule = numbers_from(json.at("schedule"));
  s.results_bytes = as<std::uint64_t>(json.at("results_bytes"));
  s.steps_bytes = as<std::uint64_t>(json.at("steps_bytes"));
  s.seconds = as<double>(json.at("seconds"));
  s.conditions = conditions_from(json.at("conditions"));
  return s;
}

TrainState load(const fs::path& folder, const nn::Module& model, optim::Optimizer& optimizer, const nn::Module* average,
                nn::StateDict* carried) {
  TrainState state;
  try {
    state = state_from(Json::parse(read_text(folder / "state.json", largest_state)));
  } catch (const std::exception& e) {
    throw Error((folder / "state.json").string() + ": " + e.what());
  }
  load_weights(folder / "model.safetensors", model);
  if (average != nullptr) load_weights(folder / "average.safetensors", *average);
  optimizer.load_state_dict(read_safetensors(folder / "optimizer.safetensors").tensors);
  if (carried != nullptr) carried->clear();
  const fs::path handed_on = folder / "carried.safetensors";
  if (std::error_code ignored; carried != nullptr && fs::exists(handed_on, ignored)) {
    for (auto& [name, array] : read_safetensors(handed_on).tensors) carried->emplace_back(name, array);
  }
  return state;
}

bool is_checkpoint_name(const std::string& name) {
  return name.size() >= 6 && std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// First out of sight, so that a removal that is cut short leaves nothing that looks whole.
void remove_checkpoint(const fs::path& path) {
  const fs::path hidden = path.parent_path() / (".removed-" + path.filename().string());
  std::error_code ignored;
  fs::remove_all(hidden, ignored);
  fs::rename(path, hidden, ignored);
  fs::remove_all(hidden, ignored);
}

void remove_leftovers(const fs::path& folder) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().filename().string().starts_with(".")) fs::remove_all(entry.path(), ignored);
  }
}

[[noreturn]] void fail(const fs::path& path, const std::error_code& error) {
  throw Error(path.string() + ": the checkpoint cannot be written: " + error.message() +
              "; free space or make the folder writable, then go on with --resume");
}

}  // namespace

Conditions current_conditions() {
  Conditions c{.version = NARAE_VERSION, .threads = thread_count(), .instruction_set = "x86-64", .switches = {}};
  if (__builtin_cpu_supports("avx2")) c.instruction_set = "avx2";
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) c.instruction_set = "avx512";
  if (has_tile_units() && tile_units_allowed()) c.instruction_set += "+amx";
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('='));
    if (name == "NARAE_DATA" || name == "NARAE_DEBUG" || name.ends_with("_VERBOSE")) continue;
    if (name.starts_with("NARAE_") || name.starts_with("DNNL_") || name.starts_with("ONEDNN_")) {
      c.switches.emplace_back(text);
    }
  }
  std::sort(c.switches.begin(), c.switches.end());
  return c;
}

std::string difference(const Conditions& before, const Conditions& now) {
  std::vector<std::string> parts;
  if (before.version != now.version) parts.push_back("version " + before.version + " -> " + now.version);
  if (before.threads != now.threads) parts.push_back(fmt::format("threads {} -> {}", before.threads, now.threads));
  if (before.instruction_set != now.instruction_set) {
    parts.push_back("instruction set " + before.instruction_set + " -> " + now.instruction_set);
  }
  if (before.switches != now.switches) {
    const auto list = [](const std::vector<std::string>& s) {
      return s.empty() ? "none" : fmt::format("{}", fmt::join(s, " "));
    };
    parts.push_back("switches " + list(before.switches) + " -> " + list(now.switches));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::vector<fs::path> checkpoints_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    if (is_checkpoint_name(entry.path().filename().string())) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end(), [](const fs::path& a, const fs::path& b) {
    const std::string x = a.filename().string();
    const std::string y = b.filename().string();
    return x.size() != y.size() ? x.size() < y.size() : x < y;
  });
  return found;
}

void save_checkpoint(const fs::path& folder, const TrainState& state, const nn::Module& model,
                     const optim::Optimizer& optimizer, std::int64_t keep, const nn::Module* average,
                     const nn::StateDict& carried) {
  const fs::path target = folder / fmt::format("{:06}", state.step);
  const fs::path temporary = folder / fmt::format(".{:06}-{}.tmp", state.step, ::getpid());
  std::error_code error;
  fs::remove_all(temporary, error);
  if (!error) fs::create_directories(temporary, error);
  if (error) fail(temporary, error);
  try {
    save_weights(temporary / "model.safetensors", model);
    if (average != nullptr) save_weights(temporary / "average.safetensors", *average);
    if (!carried.empty()) write_safetensors(temporary / "carried.safetensors", carried);
    write_safetensors(temporary / "optimizer.safetensors", optimizer.state_dict());
    write_file(temporary / "state.json", to_json(state).dump(2) + "\n");
    sync_folder(temporary);
    fs::rename(temporary, target, error);
    if (error) fail(target, error);
    sync_folder(folder);
  } catch (...) {
    fs::remove_all(temporary, error);
    throw;
  }
  const std::vector<fs::path> all = checkpoints_in(folder);
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep) < all.size(); ++i) remove_checkpoint(all[i]);
}

std::optional<TrainState> load_checkpoint(const fs::path& folder, const nn::Module& model, optim::Optimizer& optimizer,
                                          const std::function<void(const std::string&)>& warn,
                                          const nn::Module* average, nn::StateDict* carried) {
  remove_leftovers(folder);
  std::vector<fs::path> all = checkpoints_in(folder);
  while (!all.empty()) {
    try {
      return load(all.back(), model, optimizer, average, carried);
    } catch (const Error& e) {
      if (all.size() == 1) {
        throw Error(folder.string() + ": no checkpoint can be read; remove the folder to start anew. " + e.what());
      }
      warn(std::string("a checkpoint can't be read and is put aside, the one before is taken. ") + e.what());
      fs::path aside = all.back();
      aside += ".unreadable";
      std::error_code error;
      fs::rename(all.back(), aside, error);
      if (error) fail(aside, error);
      all.pop_back();
    }
  }
  return std::nullopt;
}

}  // namespace narae
