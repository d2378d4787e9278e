#include "narae/models/entries.h"
#include "narae/models/recurrent_classifier.h"
#include "narae/models/recurrent_language_model.h"
#include "narae/models/recurrent_regressor.h"
#include "narae/models/text_cnn.h"

namespace narae::models {
namespace {

constexpr double widest = 1 << 16;

ModelOption cell() {
  return {.name = "cell",
          .initial = std::string("lstm"),
          .choices = {"rnn", "relu-rnn", "lstm", "gru", "gru-before"},
          .doc = "tanh RNN, ReLU RNN, LSTM, GRU, or GRU whose reset gate works before the matrix"};
}
ModelOption width(const std::string& name, std::int64_t initial, const std::string& doc) {
  return {.name = name, .initial = initial, .choices = {}, .low = 1, .high = widest, .doc = doc};
}
ModelOption layers(std::int64_t initial) {
  return {.name = "layers", .initial = initial, .choices = {}, .low = 1, .high = 64, .doc = "recurrent layers"};
}
ModelOption dropout(double initial, const std::string& doc) {
  return {.name = "dropout", .initial = initial, .choices = {}, .low = 0, .high = 0.99, .doc = doc};
}
ModelOption flag(const std::string& name, bool initial, const std::string& doc) {
  return {.name = name, .initial = initial, .choices = {}, .doc = doc};
}

ModelOption embedding_std() {
  return {.name = "embedding_std",
          .initial = 1.0,
          .choices = {},
          .low = 0,
          .high = 10,
          .doc = "deviation of the first embeddings; a small one leaves words that are seldom seen without a say"};
}

std::shared_ptr<nn::Module> make_language_model(const ModelSpec& spec) {
  return std::make_shared<RecurrentLanguageModel>(
      spec.vocabulary, RecurrentLanguageModelOptions{.cell = option<std::string>(spec, "cell"),
                                                     .embedding = option<std::int64_t>(spec, "embedding"),
                                                     .hidden = option<std::int64_t>(spec, "hidden"),
                                                     .layers = option<std::int64_t>(spec, "layers"),
                                                     .dropout = option<double>(spec, "dropout"),
                                                     .drop_embedded = option<bool>(spec, "drop_embedded"),
                                                     .variational = option<bool>(spec, "variational"),
                                                     .tied = option<bool>(spec, "tied"),
                                                     .range = option<double>(spec, "range")});
}

RecurrentClassifierOptions classifier_options(const ModelSpec& spec) {
  return {.cell = option<std::string>(spec, "cell"),
          .embedding = option<std::int64_t>(spec, "embedding"),
          .embedding_std = option<double>(spec, "embedding_std"),
          .hidden = option<std::int64_t>(spec, "hidden"),
          .layers = option<std::int64_t>(spec, "layers"),
          .bidirectional = option<bool>(spec, "bidirectional"),
          .dropout = option<double>(spec, "dropout")};
}

std::shared_ptr<nn::Module> make_classifier(const ModelSpec& spec) {
  RecurrentClassifierOptions options = classifier_options(spec);
  options.pooling = option<std::string>(spec, "pooling");
  return std::make_shared<RecurrentClassifier>(spec.vocabulary, spec.num_classes, options);
}

std::shared_ptr<nn::Module> make_tagger(const ModelSpec& spec) {
  return std::make_shared<RecurrentTagger>(spec.vocabulary, spec.num_classes, classifier_options(spec));
}

std::shared_ptr<nn::Module> make_text_cnn(const ModelSpec& spec) {
  return std::make_shared<TextCnn>(spec.vocabulary, spec.num_classes,
                                   TextCnnOptions{.embedding = option<std::int64_t>(spec, "embedding"),
                                                  .embedding_std = option<double>(spec, "embedding_std"),
                                                  .filters = option<std::int64_t>(spec, "filters"),
                                                  .heights = option<std::vector<std::int64_t>>(spec, "heights"),
                                                  .dropout = option<double>(spec, "dropout")});
}

std::shared_ptr<nn::Module> make_regressor(const ModelSpec& spec) {
  const std::int64_t features = spec.input.rank() == 2 ? spec.input[1] : 1;
  return std::make_shared<RecurrentRegressor>(
      spec.input[0], features, spec.num_classes,
      RecurrentRegressorOptions{.cell = option<std::string>(spec, "cell"),
                                .hidden = option<std::int64_t>(spec, "hidden"),
                                .layers = option<std::int64_t>(spec, "layers"),
                                .dropout = option<double>(spec, "dropout"),
                                .first_weights = option<std::string>(spec, "first_weights"),
                                .input_range = option<double>(spec, "input_range"),
                                .residual = option<std::string>(spec, "residual"),
                                .season = option<std::int64_t>(spec, "season")});
}

std::vector<ModelOption> tagger_options() {
  return {cell(),
          width("embedding", 128, "features of a token"),
          embedding_std(),
          width("hidden", 128, "units of each direction"),
          layers(1),
          flag("bidirectional", true, "also read from the end"),
          dropout(0.5, "share dropped of the embedded tokens, between layers and before the head")};
}

std::vector<ModelOption> classifier_model_options() {
  std::vector<ModelOption> options = tagger_options();
  options.push_back({.name = "pooling",
                     .initial = std::string("max"),
                     .choices = {"last", "max", "mean"},
                     .doc = "what of all time steps the head sees: the final states, maximum or mean over time"});
  return options;
}

}  // namespace

std::vector<Entry> sequence_entries() {
  const Shape sentence = {32};
  return {
      {{.name = "rnn-lm",
        .description = "language model: embedding, RNN, LSTM or GRU, linear layer (Mikolov 2010, Zaremba et al. 2014)",
        .input = {35},
        .num_classes = 10000,
        .options = {cell(),
                    width("embedding", 128, "features of a token"),
                    width("hidden", 256, "units of a layer"),
                    layers(2),
                    dropout(0, "share dropped of the embedded tokens, between layers and before the decoder"),
                    flag("drop_embedded", true, "drop of the embedded tokens, too"),
                    flag("variational", false, "drop the same units at all positions of a sequence"),
                    flag("tied", false, "the decoder's weight is the embedding's"),
                    {.name = "range",
                     .initial = 0.0,
                     .choices = {},
                     .low = 0,
                     .high = 10,
                     .doc = "first values of all parameters from +- range; 0: each layer's usual ones"}},
        .vocabulary = 10000,
        .tasks = {"language_model"}},
       make_language_model},
      {{.name = "rnn-classifier",
        .description = "a class for each text: embedding, RNN, LSTM or GRU, pooling over time",
        .input = sentence,
        .num_classes = 2,
        .options = classifier_model_options(),
        .vocabulary = 10000,
        .tasks = {"classify_text"}},
       make_classifier},
      {{.name = "text-cnn",
        .description = "a class for each text: filters over windows of tokens, maximum over time (Kim 2014)",
        .input = sentence,
        .num_classes = 2,
        .options = {width("embedding", 128, "features of a token"),
                    embedding_std(),
                    width("filters", 100, "filters of each height"),
                    {.name = "heights",
                     .initial = std::vector<std::int64_t>{3, 4, 5},
                     .choices = {},
                     .low = 1,
                     .high = 64,
                     .doc = "tokens that a filter sees at once"},
                    dropout(0.5, "share dropped before the head")},
        .vocabulary = 10000,
        .tasks = {"classify_text"}},
       make_text_cnn},
      {{.name = "rnn-tagger",
        .description = "a class for each token: embedding, RNN, LSTM or GRU",
        .input = sentence,
        .num_classes = 10,
        .options = tagger_options(),
        .vocabulary = 10000,
        .tasks = {"tag"}},
       make_tagger},
      {{.name = "rnn-regressor",
        .description = "numbers for a sequence of vectors: RNN, LSTM or GRU, linear layer after the last step",
        .input = {24, 1},
        .num_classes = 1,
        .options = {cell(),
                    width("hidden", 64, "units of a layer"),
                    layers(1),
                    dropout(0, "share dropped between layers"),
                    {.name = "first_weights",
                     .initial = std::string("usual"),
                     .choices = {"usual", "identity", "orthogonal"},
                     .doc = "of the recurrent matrices; identity goes with relu-rnn (Le, Jaitly and Hinton 2015)"},
                    {.name = "input_range",
                     .initial = 0.0,
                     .choices = {},
                     .low = 0,
                     .high = 10,
                     .doc = "deviation of the first input weights; 0: the usual ones"},
                    {.name = "residual",
                     .initial = std::string("none"),
                     .choices = {"none", "last", "season"},
                     .doc = "what is found is added to the last column's last value, or to its values a season before"},
                    {.name = "season",
                     .initial = std::int64_t{0},
                     .choices = {},
                     .low = 0,
                     .high = widest,
                     .doc = "steps of a season, for residual = season"}},
        .tasks = {"regress", "forecast"}},
       make_regressor},
  };
}

}  // namespace narae::models
