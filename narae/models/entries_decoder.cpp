#include "narae/models/entries.h"
#include "narae/models/gpt2.h"
#include "narae/models/llama.h"
#include "narae/models/transformer.h"

namespace narae::models {
namespace {

constexpr double widest = 1 << 16;

ModelOption count(const std::string& name, std::int64_t initial, double low, const std::string& doc) {
  return {.name = name, .initial = initial, .choices = {}, .low = low, .high = widest, .doc = doc};
}

std::shared_ptr<nn::Module> make_gpt(const ModelSpec& spec) {
  const auto integer = [&](const char* name) { return option<std::int64_t>(spec, name); };
  const DecoderOptions options{.width = integer("width"),
                               .layers = integer("layers"),
                               .heads = integer("heads"),
                               .kv_heads = integer("kv_heads"),
                               .hidden = integer("hidden"),
                               .context = integer("context") != 0 ? integer("context") : spec.input[0],
                               .dropout = option<double>(spec, "dropout"),
                               .tied = option<bool>(spec, "tied"),
                               .eps = option<double>(spec, "eps"),
                               .rotary_base = option<double>(spec, "rotary_base")};
  if (option<std::string>(spec, "form") == "llama") return std::make_shared<Llama>(spec.vocabulary, options);
  return std::make_shared<Gpt2>(spec.vocabulary, options);
}

std::vector<ModelOption> gpt_options() {
  return {
      {.name = "form",
       .initial = std::string("gpt2"),
       .choices = {"gpt2", "llama"},
       .doc = "learned positions, layer norm and GELU, or rotary positions, RMS norm and SwiGLU without biases"},
      count("width", 128, 1, "numbers of a token between layers"),
      count("layers", 4, 1, "attention and feed-forward layers, one after the other"),
      count("heads", 4, 1, "of attention; they divide the width"),
      count("kv_heads", 0, 0, "heads of keys and values in the LLaMA form; 0: as many as heads"),
      count("hidden", 0, 0, "width of the feed-forward layer; 0: 4 widths, 8/3 in the LLaMA form"),
      count("context", 0, 0, "tokens that are seen at once; 0: data.steps"),
      {.name = "dropout",
       .initial = 0.0,
       .choices = {},
       .low = 0,
       .high = 0.99,
       .doc = "share dropped of embeddings, probabilities and branches; LLaMA form: of probabilities"},
      {.name = "tied", .initial = true, .choices = {}, .doc = "the head's weight is the embedding's"},
      {.name = "eps", .initial = 1e-5, .choices = {}, .low = 0, .high = 1, .doc = "added to variances by the norms"},
      {.name = "rotary_base",
       .initial = 10000.0,
       .choices = {},
       .low = 1,
       .high = 1e12,
       .doc = "of the LLaMA form: pair k of a head turns by position * base^(-2 k / size)"}};
}

std::shared_ptr<nn::Module> make_transformer(const ModelSpec& spec) {
  const auto integer = [&](const char* name) { return option<std::int64_t>(spec, name); };
  const auto& activation = option<std::string>(spec, "activation");
  return std::make_shared<Transformer>(
      spec.vocabulary, TransformerOptions{.width = integer("width"),
                                          .layers = integer("layers"),
                                          .decoder_layers = integer("decoder_layers"),
                                          .heads = integer("heads"),
                                          .hidden = integer("hidden"),
                                          .context = integer("context"),
                                          .dropout = option<double>(spec, "dropout"),
                                          .norm_first = option<bool>(spec, "norm_first"),
                                          .activation = activation == "gelu" ? nn::FeedForwardActivation::gelu
                                                                             : nn::FeedForwardActivation::relu,
                                          .tied = option<bool>(spec, "tied")});
}

std::vector<ModelOption> transformer_options() {
  return {
      count("width", 512, 2, "numbers of a token between layers; even"),
      count("layers", 6, 1, "of the encoder"),
      count("decoder_layers", 0, 0, "of the decoder; 0: as many"),
      count("heads", 8, 1, "of attention; they divide the width"),
      count("hidden", 0, 0, "width of the feed-forward layers; 0: 4 widths"),
      count("context", 1024, 1, "tokens that an answer may have when it is written; training takes longer ones"),
      {.name = "dropout",
       .initial = 0.1,
       .choices = {},
       .low = 0,
       .high = 0.99,
       .doc = "share dropped of embedded tokens, probabilities, hidden units and branches"},
      {.name = "norm_first",
       .initial = false,
       .choices = {},
       .doc = "layer norm before each branch (pre-norm) instead of behind its sum"},
      {.name = "activation",
       .initial = std::string("relu"),
       .choices = {"relu", "gelu"},
       .doc = "of the feed-forward layers"},
      {.name = "tied", .initial = true, .choices = {}, .doc = "embeddings of both sides and the head have one weight"}};
}

}  // namespace

std::vector<Entry> decoder_entries() {
  return {{{.name = "transformer",
            .description = "turns a text into another: the encoder-decoder transformer (Vaswani et al. 2017)",
            .input = {32},
            .num_classes = 37000,
            .options = transformer_options(),
            .vocabulary = 37000,
            .tasks = {"translate"}},
           make_transformer},
          {{.name = "gpt",
            .description = "language model: a decoder-only transformer, GPT-2 (Radford 2019) or LLaMA (Touvron 2023)",
            .input = {128},
            .num_classes = 10000,
            .options = gpt_options(),
            .vocabulary = 10000,
            .tasks = {"language_model"}},
           make_gpt}};
}

}  // namespace narae::models
