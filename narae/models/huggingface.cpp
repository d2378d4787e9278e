#include "narae/models/huggingface.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "narae/core/error.h"
#include "narae/core/json_value.h"
#include "narae/models/entries.h"
#include "narae/models/llama.h"

namespace narae::models {
namespace {

using Json = nlohmann::ordered_json;

// Reads the keys of one description; a key that is null counts as missing.
class Description {
 public:
  explicit Description(const Json& json) : json_(json) {}

  [[nodiscard]] bool has(const std::string& key) const { return json_.contains(key) && !json_[key].is_null(); }

  template <class T>
  [[nodiscard]] T get(const std::string& key) const {
    if (!has(key)) throw Error("the key '" + key + "' is missing");
    return typed<T>(key);
  }
  template <class T>
  [[nodiscard]] T get(const std::string& key, T otherwise) const {
    return has(key) ? typed<T>(key) : otherwise;
  }
  [[nodiscard]] Description part(const std::string& key) const {
    if (!json_[key].is_object()) throw Error("'" + key + "' must be an object");
    return Description(json_[key]);
  }

  // What other values of a setting would ask for is not there.
  template <class T>
  void require(const std::string& key, const T& usual, const std::vector<T>& allowed) const {
    const T value = get<T>(key, usual);
    if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return;
    throw Error("'" + key + "' is " + Json(value).dump() + "; only " + Json(allowed).dump() + " can be computed");
  }

 private:
  template <class T>
  [[nodiscard]] T typed(const std::string& key) const {
    if (!holds<T>(json_[key])) throw Error("'" + key + "' is of the wrong type: " + json_[key].dump().substr(0, 40));
    return json_[key].get<T>();
  }

  const Json& json_;
};

Options gpt2_options(const Description& d) {
  d.require<std::string>("activation_function", "gelu_new", {"gelu_new", "gelu_pytorch_tanh"});
  d.require<bool>("scale_attn_weights", true, {true});
  d.require<bool>("scale_attn_by_inverse_layer_idx", false, {false});
  d.require<bool>("add_cross_attention", false, {false});
  const auto dropout = d.get<double>("resid_pdrop", 0.1);
  for (const char* key : {"embd_pdrop", "attn_pdrop"}) d.require<double>(key, 0.1, {dropout});
  return {{"form", std::string("gpt2")},
          {"width", d.get<std::int64_t>("n_embd")},
          {"layers", d.get<std::int64_t>("n_layer")},
          {"heads", d.get<std::int64_t>("n_head")},
          {"hidden", d.get<std::int64_t>("n_inner", 0)},
          {"context", d.get<std::int64_t>("n_positions")},
          {"dropout", dropout},
          {"tied", d.get<bool>("tie_word_embeddings", true)},
          {"eps", d.get<double>("layer_norm_epsilon", 1e-5)}};
}

// Newer files have rope_parameters, older ones rope_theta and rope_scaling.
double rotary_base(const Description& d) {
  if (d.has("rope_scaling")) {
    const Description scaling = d.part("rope_scaling");
    scaling.require<std::string>("rope_type", scaling.get<std::string>("type", "default"), {"default"});
  }
  if (!d.has("rope_parameters")) return d.get<double>("rope_theta", 10000.0);
  const Description parameters = d.part("rope_parameters");
  parameters.require<std::string>("rope_type", "default", {"default"});
  return parameters.get<double>("rope_theta", 10000.0);
}

Options llama_options(const Description& d) {
  d.require<std::string>("hidden_act", "silu", {"silu"});
  d.require<bool>("attention_bias", false, {false});
  d.require<bool>("mlp_bias", false, {false});
  const auto width = d.get<std::int64_t>("hidden_size");
  const auto heads = d.get<std::int64_t>("num_attention_heads");
  if (heads < 1) throw Error("'num_attention_heads' must be at least 1");
  d.require<std::int64_t>("head_dim", width / heads, {width / heads});
  return {{"form", std::string("llama")},
          {"width", width},
          {"layers", d.get<std::int64_t>("num_hidden_layers")},
          {"heads", heads},
          {"kv_heads", d.get<std::int64_t>("num_key_value_heads", heads)},
          {"hidden", d.get<std::int64_t>("intermediate_size")},
          {"context", d.get<std::int64_t>("max_position_embeddings", 2048)},
          {"dropout", d.get<double>("attention_dropout", 0.0)},
          {"tied", d.get<bool>("tie_word_embeddings", false)},
          {"eps", d.get<double>("rms_norm_eps", 1e-6)},
          {"rotary_base", rotary_base(d)}};
}

ModelSpec spec_of(const Json& json) {
  if (!json.is_object()) throw Error("it must be an object");
  const Description d(json);
  const auto type = d.get<std::string>("model_type");
  if (type != "gpt2" && type != "llama") {
    throw Error("'model_type' is " + type + "; gpt2 and llama can be read");
  }
  ModelSpec spec{.name = "gpt", .options = type == "gpt2" ? gpt2_options(d) : llama_options(d)};
  spec.vocabulary = d.get<std::int64_t>("vocab_size");
  if (spec.vocabulary < 1) throw Error("'vocab_size' must be at least 1");
  spec.num_classes = spec.vocabulary;
  spec = resolved(spec);
  spec.input = {option<std::int64_t>(spec, "context")};
  return spec;
}

Json gpt2_config(const ModelSpec& spec) {
  const auto dropout = option<double>(spec, "dropout");
  const auto hidden = option<std::int64_t>(spec, "hidden");
  Json json = {{"architectures", {"GPT2LMHeadModel"}},
               {"model_type", "gpt2"},
               {"activation_function", "gelu_new"},
               {"n_embd", option<std::int64_t>(spec, "width")},
               {"n_layer", option<std::int64_t>(spec, "layers")},
               {"n_head", option<std::int64_t>(spec, "heads")},
               {"n_inner", nullptr},
               {"layer_norm_epsilon", option<double>(spec, "eps")},
               {"embd_pdrop", dropout},
               {"attn_pdrop", dropout},
               {"resid_pdrop", dropout}};
  if (hidden != 0) json["n_inner"] = hidden;
  return json;
}

Json llama_config(const ModelSpec& spec) {
  const auto width = option<std::int64_t>(spec, "width");
  const auto heads = option<std::int64_t>(spec, "heads");
  const auto kv_heads = option<std::int64_t>(spec, "kv_heads");
  const auto hidden = option<std::int64_t>(spec, "hidden");
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"hidden_act", "silu"},
          {"hidden_size", width},
          {"num_hidden_layers", option<std::int64_t>(spec, "layers")},
          {"num_attention_heads", heads},
          {"num_key_value_heads", kv_heads != 0 ? kv_heads : heads},
          {"head_dim", width / heads},
          {"intermediate_size", hidden != 0 ? hidden : Llama::usual_hidden(width)},
          {"rms_norm_eps", option<double>(spec, "eps")},
          {"rope_theta", option<double>(spec, "rotary_base")},
          {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", option<double>(spec, "rotary_base")}}},
          {"attention_bias", false},
          {"mlp_bias", false},
          {"attention_dropout", option<double>(spec, "dropout")}};
}

}  // namespace

bool is_huggingface_config(std::string_view json) {
  const Json parsed = Json::parse(json, nullptr, false);
  return parsed.is_object() && parsed.contains("model_type");
}

ModelSpec parse_huggingface_config(std::string_view json, const std::string& file) {
  try {
    return spec_of(Json::parse(json));
  } catch (const Json::exception&) {
    throw Error(file + ": not valid JSON");
  } catch (const Error& e) {
    throw Error(file + ": " + e.what());
  }
}

std::string to_huggingface_config(const ModelSpec& spec) {
  if (spec.name != "gpt") {
    throw Error("the model '" + spec.name + "' has no counterpart in transformers; gpt has");
  }
  const ModelSpec whole = resolved(spec);
  const bool llama = option<std::string>(whole, "form") == "llama";
  Json json = llama ? llama_config(whole) : gpt2_config(whole);
  const auto context = option<std::int64_t>(whole, "context");
  json[llama ? "max_position_embeddings" : "n_positions"] = context != 0 ? context : whole.input[0];
  json["vocab_size"] = whole.vocabulary;
  json["tie_word_embeddings"] = option<bool>(whole, "tied");
  json["dtype"] = "float32";
  json["bos_token_id"] = nullptr;
  json["eos_token_id"] = nullptr;
  return json.dump(2) + "\n";
}

}  // namespace narae::models
