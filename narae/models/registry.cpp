#include "narae/models/registry.h"

#include <algorithm>
#include <array>

#include "narae/core/error.h"
#include "narae/models/entries.h"

namespace narae::models {
namespace {

const std::vector<Entry>& entries() {
  static const std::vector<Entry> list = [] {
    std::vector<Entry> all = basic_entries();
    for (Entry& entry : convolutional_entries()) all.push_back(std::move(entry));
    for (Entry& entry : sequence_entries()) all.push_back(std::move(entry));
    for (Entry& entry : decoder_entries()) all.push_back(std::move(entry));
    return all;
  }();
  return list;
}

const Entry& entry(const std::string& name) {
  std::vector<std::string> known;
  for (const Entry& e : entries()) {
    if (e.info.name == name) return e;
    known.push_back(e.info.name);
  }
  throw UsageError("model '" + name + "' is not known (`narae models` lists them)" + did_you_mean(name, known));
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

[[noreturn]] void refuse(const ModelInfo& model, const ModelOption& option, const std::string& expected) {
  throw UsageError("model '" + model.name + "': option '" + option.name + "' must be " + expected);
}

void require_in_range(const ModelInfo& model, const ModelOption& option, double value, const std::string& what) {
  if (option.low <= value && (option.high <= option.low || value <= option.high)) return;
  const auto number = [](double x) {
    std::string text = std::to_string(x);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text;
  };
  refuse(model, option, what + " from " + number(option.low) + " to " + number(option.high));
}

// The given value in the option's type.
OptionValue checked(const ModelInfo& model, const ModelOption& option, OptionValue value) {
  if (std::holds_alternative<double>(option.initial) && std::holds_alternative<std::int64_t>(value)) {
    value = static_cast<double>(std::get<std::int64_t>(value));
  }
  if (value.index() != option.initial.index()) {
    constexpr std::array<const char*, 5> types = {"true or false", "an integer", "a number", "text",
                                                  "a list of integers"};
    refuse(model, option, types[option.initial.index()]);
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    const auto& choices = option.choices;
    if (!choices.empty() && std::find(choices.begin(), choices.end(), *text) == choices.end()) {
      refuse(model, option, "one of: " + joined(choices) + ", not '" + *text + "'" + did_you_mean(*text, choices));
    }
  } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    require_in_range(model, option, static_cast<double>(*integer), "an integer");
  } else if (const auto* number = std::get_if<double>(&value)) {
    require_in_range(model, option, *number, "a number");
  } else if (const auto* list = std::get_if<std::vector<std::int64_t>>(&value)) {
    for (const std::int64_t element : *list)
      require_in_range(model, option, static_cast<double>(element), "a list of integers");
  }
  return value;
}

}  // namespace

std::span<const ModelInfo> models() {
  static const std::vector<ModelInfo> list = [] {
    std::vector<ModelInfo> infos;
    for (const Entry& e : entries()) infos.push_back(e.info);
    return infos;
  }();
  return list;
}

const ModelInfo& model_info(const std::string& name) {
  return entry(name).info;
}

ModelSpec resolved(const ModelSpec& spec) {
  const ModelInfo& model = model_info(spec.name);
  std::vector<std::string> known;
  for (const ModelOption& option : model.options) known.push_back(option.name);
  for (const auto& [name, value] : spec.options) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    if (name == "num_classes") {
      throw UsageError("model '" + model.name +
                       "': num_classes is no option; the data decide it, and where there are none --classes");
    }
    throw UsageError("model '" + model.name + "' has no option '" + name + "'" +
                     (known.empty() ? "; it has none" : " (it has: " + joined(known) + ")") +
                     did_you_mean(name, known));
  }
  ModelSpec result = spec;
  result.options.clear();
  for (const ModelOption& option : model.options) {
    OptionValue value = option.initial;
    for (const auto& [name, given] : spec.options)
      if (name == option.name) value = given;
    result.options.emplace_back(option.name, checked(model, option, std::move(value)));
  }
  return result;
}

std::shared_ptr<nn::Module> make_model(const ModelSpec& spec) {
  if (spec.input.count() < 1 || spec.num_classes < 1) {
    throw Error("model '" + spec.name + "': a sample of shape " + to_string(spec.input) + " and " +
                std::to_string(spec.num_classes) + " classes leave nothing to learn");
  }
  if (entry(spec.name).info.vocabulary > 0 && spec.vocabulary < 1) {
    throw Error("model '" + spec.name + "' takes tokens: it can't be made without a vocabulary");
  }
  return entry(spec.name).make(resolved(spec));
}

}  // namespace narae::models
