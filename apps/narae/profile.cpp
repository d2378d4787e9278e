#include "apps/narae/profile.h"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "apps/narae/commands.h"
#include "apps/narae/table.h"
#include "narae/core/error.h"
#include "narae/core/files.h"

namespace narae::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Wanted {
  std::string file;
  std::optional<Profile> profile;
};

Wanted& wanted() {
  static Wanted instance;
  return instance;
}

void begin_profile(const std::string& file) {
  const fs::path path = file;
  if (path.extension() != ".json")
    throw UsageError("--profile: '" + file + "' is no trace; its name must end in .json");
  // Said now, not when the work is done. The file itself is written then.
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (::access(folder.c_str(), W_OK) != 0)
    throw Error("--profile: " + folder.string() + " is no folder that can be written into: " + std::strerror(errno));
  wanted().file = file;
  wanted().profile.emplace();
}

Json event(const ProfiledStep& step) {
  Json about = {{"module", step.module}, {"evaluation", step.evaluation}};
  if (step.flops > 0) about["GFLOP/s"] = step.flops / step.seconds * 1e-9;
  if (step.bytes > 0) about["GB/s"] = step.bytes / step.seconds * 1e-9;
  return {{"name", step.module.empty() ? step.name : step.name + " " + step.module},
          {"cat", "step"},
          {"ph", "X"},
          {"ts", step.begin * 1e6},
          {"dur", step.seconds * 1e6},
          {"pid", 1},
          {"tid", step.thread},
          {"args", std::move(about)}};
}

// The whole evaluations, around their steps.
std::vector<Json> evaluations(const std::vector<ProfiledStep>& steps) {
  struct Span {
    std::uint32_t thread;
    double begin, end;
  };
  std::map<std::int64_t, Span> spans;
  for (const ProfiledStep& step : steps) {
    const double end = step.begin + step.seconds;
    const auto [at, added] = spans.try_emplace(step.evaluation, Span{step.thread, step.begin, end});
    if (!added) at->second.end = end;
  }
  std::vector<Json> events;
  for (const auto& [number, span] : spans) {
    events.push_back({{"name", "evaluation " + std::to_string(number)},
                      {"cat", "plan"},
                      {"ph", "X"},
                      {"ts", span.begin * 1e6},
                      {"dur", (span.end - span.begin) * 1e6},
                      {"pid", 1},
                      {"tid", span.thread}});
  }
  return events;
}

std::string chrome_trace(const std::vector<ProfiledStep>& steps, std::int64_t left_out) {
  std::string text = "{\"displayTimeUnit\": \"ms\",\n \"otherData\": " +
                     Json{{"program", "narae " NARAE_VERSION}, {"evaluations_left_out", left_out}}.dump() +
                     ",\n \"traceEvents\": [";
  const char* separator = "\n";
  const auto add = [&](const Json& json) {
    text += separator + json.dump(-1, ' ', false, Json::error_handler_t::replace);
    separator = ",\n";
  };
  for (const Json& json : evaluations(steps)) add(json);
  for (const ProfiledStep& step : steps) add(event(step));
  return text + "\n]}\n";
}

}  // namespace

void add_profile_flag(CLI::App& command) {
  command
      .add_option_function<std::string>("--profile", begin_profile,
                                        "Write the time of each step to FILE, for chrome://tracing or ui.perfetto.dev")
      ->type_name("FILE");
}

void finish_profile() {
  if (!wanted().profile) return;
  const std::string text = chrome_trace(wanted().profile->steps(), wanted().profile->left_out());
  wanted().profile.reset();
  write_file(wanted().file, text);
}

std::vector<StepGroup> group_steps(const std::vector<ProfiledStep>& steps, int rounds) {
  std::map<std::pair<std::string, std::string>, StepGroup> groups;
  for (const ProfiledStep& step : steps) {
    StepGroup& group =
        groups.try_emplace({step.module, step.name}, StepGroup{step.name, step.module, 0, 0, 0, 0}).first->second;
    ++group.count;
    group.seconds += step.seconds / rounds;
    group.flops += step.flops / rounds;
    group.bytes += step.bytes / rounds;
  }
  std::vector<StepGroup> sorted;
  for (auto& [key, group] : groups) {
    group.count /= rounds;
    sorted.push_back(std::move(group));
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const StepGroup& a, const StepGroup& b) { return a.seconds > b.seconds; });
  return sorted;
}

std::string step_table(const std::vector<ProfiledStep>& steps, int rounds, std::size_t most_rows) {
  const std::vector<StepGroup> groups = group_steps(steps, rounds);
  double total = 0;
  for (const StepGroup& group : groups) total += group.seconds;
  const auto rate = [](double work, double seconds) {
    return work > 0 ? fmt::format("{:.1f}", work / seconds * 1e-9) : std::string();
  };
  std::vector<std::vector<std::string>> rows;
  double rest = 0;
  for (const StepGroup& g : groups) {
    if (rows.size() == most_rows) {
      rest += g.seconds;
      continue;
    }
    rows.push_back({fmt::format("{:.1f}", g.seconds * 1e6), fmt::format("{:.1f} %", 100 * g.seconds / total),
                    std::to_string(g.count), rate(g.flops, g.seconds), rate(g.bytes, g.seconds), g.name, g.module});
  }
  if (rest > 0)
    rows.push_back({fmt::format("{:.1f}", rest * 1e6), fmt::format("{:.1f} %", 100 * rest / total), "", "", "",
                    fmt::format("{} more", groups.size() - most_rows), ""});
  return table({"us", "share", "steps", "GFLOP/s", "GB/s", "step", "module"}, rows);
}

}  // namespace narae::cli
