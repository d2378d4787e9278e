#include "bench/jobs.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "bench/made_up.h"
#include "narae/io/safetensors.h"
#include "narae/models/gpt2.h"
#include "narae/models/lenet5.h"
#include "narae/models/mlp.h"
#include "narae/models/registry.h"
#include "narae/models/resnet.h"
#include "narae/nn/nn.h"
#include "narae/ops/ops.h"
#include "narae/optim/optim.h"
#include "narae/plan/capture.h"
#include "narae/train/language_decoder.h"

namespace narae::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

struct Batch {
  Array images;
  Array labels;
};

/// A model, an optimiser and batches that lie in memory, as in bench/pytorch/train_step.py.
class TrainStep {
 public:
  TrainStep(const std::shared_ptr<nn::Module>& model, std::vector<Batch> batches, const optim::SGDOptions& options)
      : TrainStep(model, std::move(batches), std::make_unique<optim::SGD>(model->parameters(), options)) {}
  TrainStep(std::shared_ptr<nn::Module> model, std::vector<Batch> batches, std::unique_ptr<optim::Optimizer> optimizer)
      : model_(std::move(model)), optimizer_(std::move(optimizer)), batches_(std::move(batches)) {
    model_->train();
  }

  double step() {
    const Batch& batch = batches_[steps_++ % batches_.size()];
    const Tensor loss = nn::cross_entropy((*model_)(batch.images), batch.labels);
    const optim::StepResult result = optimizer_->step(grad(loss, model_->parameters()));
    if (!result.applied) throw Error("bench: the step was refused: " + result.first_non_finite + " is not finite");
    return loss.item();
  }

 private:
  std::shared_ptr<nn::Module> model_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::vector<Batch> batches_;
  std::size_t steps_ = 0;
};

/// With first weights and batches of 64 from a file.
std::unique_ptr<TrainStep> stored_step(const std::shared_ptr<nn::Module>& model, const std::string& name,
                                       const std::string& file, const optim::SGDOptions& options) {
  constexpr std::int64_t size = 64;
  const TensorFile stored = read_safetensors(file);
  const std::string prefix = name + ".init.";
  std::map<std::string, Array> weights;
  for (const auto& [key, value] : stored.tensors)
    if (key.starts_with(prefix)) weights[key.substr(prefix.size())] = value;
  model->load_state_dict(weights);
  const Tensor images = cast(stored.tensors.at("images"), DType::f32) / 255.0;
  const Tensor labels = stored.tensors.at("labels");
  std::vector<Batch> batches;
  for (std::int64_t at = 0; at + size <= labels.size(0); at += size) {
    batches.push_back({slice(images, 0, at, at + size).array(), slice(labels, 0, at, at + size).array()});
  }
  return std::make_unique<TrainStep>(model, std::move(batches), options);
}

/// A network with made-up weights and one batch of made-up pictures.
std::unique_ptr<TrainStep> made_up_step(const std::shared_ptr<nn::Module>& model, std::int64_t size, std::int64_t side,
                                        std::int64_t classes, double lr = 0.05) {
  make_up_weights(*model);
  Array labels = Array::empty(DType::i64, {size});
  std::int64_t next = 0;
  for (std::int64_t& label : labels.mutable_values<std::int64_t>()) label = next++ % classes;
  std::vector<Batch> batches = {{made_up({size, 3, side, side}, 1000, 1), labels}};
  return std::make_unique<TrainStep>(model, std::move(batches), optim::SGDOptions{.lr = lr, .momentum = 0.9});
}

/// Embedding, LSTM and a linear layer: tokens (time, batch) -> logits (time * batch, vocabulary).
class LanguageModel : public nn::Module {
 public:
  LanguageModel(std::int64_t vocabulary, std::int64_t units, std::int64_t layers)
      : Module("LanguageModel"),
        embedding_(register_module("embedding", nn::Embedding(vocabulary, units))),
        lstm_(register_module("lstm", nn::LSTM(units, units, {.layers = layers, .batch_first = false}))),
        head_(register_module("head", nn::Linear(units, vocabulary))) {}
  [[nodiscard]] Tensor forward(const Tensor& tokens) const override {
    return head_(reshape(lstm_(embedding_(tokens)).y, {-1, lstm_.units()}));
  }

 private:
  nn::Embedding embedding_;
  nn::LSTM lstm_;
  nn::Linear head_;
};

/// Made-up weights, and one batch of made-up text: each token's target is the one `batch` places behind it, the next of
/// its sequence.
std::unique_ptr<TrainStep> language_step(std::int64_t vocabulary, std::int64_t units, std::int64_t layers,
                                         std::int64_t steps, std::int64_t batch, const optim::SGDOptions& options) {
  auto model = std::make_shared<LanguageModel>(vocabulary, units, layers);
  make_up_weights(*model);
  const Tensor text =
      cast((made_up({(steps + 1) * batch}, 1000, 0.5) + 0.5) * static_cast<double>(vocabulary), DType::i64);
  const Tensor tokens = reshape(slice(text, 0, 0, steps * batch), {steps, batch});
  const Tensor targets = slice(text, 0, batch, (steps + 1) * batch);
  std::vector<Batch> batches = {{tokens.array(), targets.array()}};
  return std::make_unique<TrainStep>(model, std::move(batches), options);
}

/// A GPT as its logits (batch * steps, vocabulary).
class Gpt : public nn::Module {
 public:
  explicit Gpt(std::int64_t vocabulary, const models::DecoderOptions& options)
      : Module("Gpt"), vocabulary_(vocabulary), model_(register_module("model", models::Gpt2(vocabulary, options))) {}
  [[nodiscard]] Tensor forward(const Tensor& tokens) const override {
    return reshape(model_({.x = tokens}).logits, {-1, vocabulary_});
  }

 private:
  std::int64_t vocabulary_;
  models::Gpt2 model_;
};

/// nanoGPT's small setting over 5,000 words: 8 sequences of 256 steps, AdamW.
std::unique_ptr<TrainStep> gpt_step() {
  constexpr std::int64_t vocabulary = 5000;
  constexpr std::int64_t batch = 8;
  constexpr std::int64_t steps = 256;
  const auto model = std::make_shared<Gpt>(
      vocabulary, models::DecoderOptions{.width = 384, .layers = 6, .heads = 6, .context = steps});
  make_up_weights(*model);
  const Tensor text =
      cast((made_up({batch, steps + 1}, 1000, 0.5) + 0.5) * static_cast<double>(vocabulary), DType::i64);
  std::vector<Batch> batches = {
      {slice(text, 1, 0, steps).array(), reshape(slice(text, 1, 1, steps + 1), {-1}).array()}};
  auto optimizer = std::make_unique<optim::AdamW>(model->parameters(),
                                                  optim::AdamWOptions{.lr = 6e-4, .beta2 = 0.95, .weight_decay = 0.1});
  return std::make_unique<TrainStep>(model, std::move(batches), std::move(optimizer));
}

// With 1 x 1 convolutions where a shortcut's shape changes, as in bench/pytorch/train_step.py.
std::shared_ptr<nn::Module> small_resnet(std::vector<std::int64_t> blocks, std::int64_t width) {
  return std::make_shared<models::ResNet>(
      3, 10, models::ResNetOptions{.blocks = std::move(blocks), .width = width, .stem = models::Stem::cifar});
}

// With made-up weights larger steps end in numbers that are not finite.
constexpr double photograph_lr = 1e-3;

std::unique_ptr<TrainStep> photograph_step(const std::string& name, Options options, std::int64_t size) {
  return made_up_step(
      models::make_model({.name = name, .options = std::move(options), .input = {3, 224, 224}, .num_classes = 1000}),
      size, 224, 1000, photograph_lr);
}

// step(k) does the work k times; make() prepares it and gives the number that both sides must agree on.
Job work(std::string name, std::string description, std::function<double()> first,
         const std::function<void(int)>& step) {
  return {.name = std::move(name),
          .description = std::move(description),
          .first = std::move(first),
          .warm_up = step,
          .run = [step](int steps) {
            const auto begin = Clock::now();
            step(steps);
            return seconds_since(begin) / steps;
          }};
}

Job training(std::string name, std::string description, std::function<std::unique_ptr<TrainStep>()> make) {
  auto step = std::make_shared<std::unique_ptr<TrainStep>>();
  return work(
      std::move(name), std::move(description),
      [step, make = std::move(make)] {
        *step = make();
        return (*step)->step();
      },
      [step](int steps) {
        for (int i = 0; i < steps; ++i) (*step)->step();
      });
}

Job must(Job job, double must, double aim, int warm_up_steps = 2) {
  job.must = must;
  job.aim = aim;
  job.warm_up_steps = warm_up_steps;
  return job;
}

// Channels are of pictures alone.
Job of_sequences(Job job) {
  job.modes = {"eager", "compile"};
  return job;
}

// Small differences grow in many layers of batch norm over few pictures.
Job deep(Job job) {
  job.tolerance = 1e-3;
  return job;
}

Job for_memory(Job job) {
  job.timed = false;
  job.warm_up_steps = 2;  // the second step needs all of the optimiser's state
  job.modes = {"eager", "channels_last"};
  return job;
}

double mean_square(const Tensor& y) {
  return mean(square(y)).item();
}

// ResNet-18 on one photograph, as a finished network.
Job inference_job() {
  struct State {
    std::shared_ptr<nn::Module> model;
    Tensor x;
  };
  auto state = std::make_shared<State>();
  const auto answer = [state] {
    const NoGrad no_gradients;
    return (*state->model)(state->x).eval();
  };
  Job job = work(
      "resnet18-answer", "ResNet-18, 224x224, batch 1, inference",
      [state, answer] {
        state->model = models::make_model({.name = "resnet18", .input = {3, 224, 224}, .num_classes = 1000});
        make_up_weights(*state->model);
        state->model->eval();
        state->x = made_up({1, 3, 224, 224}, 1000, 1);
        return mean_square(answer());
      },
      [answer](int steps) {
        for (int i = 0; i < steps; ++i) answer();
      });
  job.rivals = {"onnxruntime"};
  return job;
}

// One text of 256 tokens by the GPT of `gpt`, the likeliest token each time; a step is the whole text.
Job generation_job() {
  static constexpr std::int64_t vocabulary = 5000;
  static constexpr std::int64_t tokens = 256;
  auto network = std::make_shared<std::shared_ptr<models::Gpt2>>();
  const auto generate = [network] {
    LanguageDecoder decoder(**network);
    decoder.begin({TokenSequence(1, 1)});
    double last = 0;
    for (std::int64_t k = 1; k < tokens; ++k) {
      const std::span<const float> logits = decoder.logits().values<float>();
      const auto best = std::max_element(logits.begin(), logits.end());
      last = *best;
      decoder.go_on(std::vector<std::int64_t>{best - logits.begin()});
    }
    return last;
  };
  return of_sequences(work(
      "gpt-text", "the same GPT writes 256 tokens, one text, keys and values cached",
      [network, generate] {
        *network = std::make_shared<models::Gpt2>(
            vocabulary, models::DecoderOptions{.width = 384, .layers = 6, .heads = 6, .context = tokens});
        make_up_weights(**network);
        (*network)->eval();
        return generate();
      },
      [generate](int steps) {
        for (int i = 0; i < steps; ++i) generate();
      }));
}

// Causal attention of 8 sequences of 256 steps in 6 heads of 64, and its gradient. The "loss" is the mean square of the
// result.
Job attention_job() {
  const Shape shape{8, 256, 6, 64};
  std::vector<Tensor> inputs;
  for (std::int64_t k = 0; k < 3; ++k) inputs.push_back(variable(made_up(shape, k, 1)));
  const auto step = [inputs, cotangent = Tensor(made_up(shape, 3, 1))] {
    Tensor y = attention(inputs[0], inputs[1], inputs[2], {.causal = true});
    std::vector<Tensor> all = vjp(std::vector{y}, std::vector{cotangent}, inputs);
    all.push_back(y);
    eval(all);
    return y;
  };
  Job job = work(
      "attention", "causal attention and its gradient, 8 x 256 steps, 6 heads of 64",
      [step] { return mean_square(step()); },
      [step](int steps) {
        for (int i = 0; i < steps; ++i) step();
      });
  job.modes = {"eager"};
  job.warm_up_steps = 10;
  return job;
}

}  // namespace

std::vector<Job> jobs_with_peers(const std::string& weights) {
  return {
      must(training("mlp", "MLP 784-256-10, batch 64, SGD",
                    [weights] {
                      return stored_step(std::make_shared<models::Mlp>(784, 10), "mlp", weights,
                                         optim::SGDOptions{.lr = 0.05});
                    }),
           2, 3, 30),
      must(training("lenet5", "LeNet-5 tanh, batch 64, SGD with momentum",
                    [weights] {
                      return stored_step(std::make_shared<models::LeNet5>(Shape{1, 28, 28}, 10), "lenet5", weights,
                                         optim::SGDOptions{.lr = 0.05, .momentum = 0.9});
                    }),
           2.5, 5, 30),
      training("resnet20", "ResNet-20 (CIFAR), batch 128, SGD with momentum",
               [] {
                 return made_up_step(small_resnet({3, 3, 3}, 16), 128, 32, 10);
               }),
      must(training("resnet18", "ResNet-18 (CIFAR), batch 32, SGD with momentum",
                    [] {
                      return made_up_step(small_resnet({2, 2, 2, 2}, 64), 32, 32, 10);
                    }),
           1.7, 2.2),
      must(deep(training("vgg16-bn", "VGG-16 with batch norm, without dropout, 224x224, batch 4, SGD with momentum",
                         [] {
                           return photograph_step("vgg16-bn", {{"dropout", 0.0}}, 4);
                         })),
           1.6, 2.2),
      must(deep(training("resnet50", "ResNet-50, 224x224, batch 8, SGD with momentum",
                         [] { return photograph_step("resnet50", {}, 8); })),
           1.3, 1.6),
      must(of_sequences(training("lstm128", "LSTM 1 x 128 over 65 characters, batch 32, 64 steps, SGD with momentum",
                                 [] { return language_step(65, 128, 1, 64, 32, {.lr = 0.05, .momentum = 0.9}); })),
           1.8, 3, 5),
      must(of_sequences(training("lstm650",
                                 "LSTM 2 x 650 over 10,000 words, batch 20, 35 steps, SGD, gradient norm clipped",
                                 [] { return language_step(10000, 650, 2, 35, 20, {.lr = 1, .clip_norm = 5}); })),
           1.15, 1.3),
      must(of_sequences(training("gpt", "GPT, 6 layers, width 384, 5,000 words, batch 8, 256 steps, AdamW", gpt_step)),
           1.15, 1.35),
      attention_job(),
      must(generation_job(), 1.6, 2.1, 1),
      must(inference_job(), 1.5, 2.2, 10),
      for_memory(deep(training("resnet50-b16", "ResNet-50, 224x224, batch 16, SGD with momentum",
                               [] { return photograph_step("resnet50", {}, 16); }))),
      for_memory(training("vgg16-b8", "VGG-16 without dropout, 224x224, batch 8, SGD with momentum", [] {
        return photograph_step("vgg16", {{"dropout", 0.0}}, 8);
      }))};
}

std::vector<StepTime> measure_lengths(int rounds) {
  constexpr std::int64_t units = 128;
  constexpr std::int64_t batch = 32;
  const nn::LSTM layer(units, units, {.batch_first = false});
  std::vector<StepTime> result;
  for (std::int64_t steps = 32; steps <= 1024; steps *= 2) {
    const Array x = made_up({steps, batch, units}, 1, 1);
    const auto run = [&] { eval(grad(sum(square(layer(x).y)), layer.parameters()).values); };
    run();
    double best = 1e9;
    for (int r = 0; r < rounds; ++r) {
      const auto begin = Clock::now();
      run();
      best = std::min(best, seconds_since(begin));
    }
    result.push_back({steps, best});
  }
  return result;
}

std::vector<TokenTime> measure_tokens() {
  constexpr std::int64_t vocabulary = 5000;
  constexpr std::int64_t context = 1024;
  const models::Gpt2 network(vocabulary, {.width = 384, .layers = 6, .heads = 6, .context = context});
  make_up_weights(network);
  network.eval();
  LanguageDecoder decoder(network);
  decoder.begin({TokenSequence(32, 1)});
  std::vector<TokenTime> result;
  for (std::int64_t cached = 32, next = 48; cached < context; next *= 2) {
    // The last 16 tokens of each stretch are timed: memory is doubled, and a plan built, at powers of two before them.
    std::vector<double> times;
    for (const std::int64_t end = std::min(next, context); cached < end; ++cached) {
      const auto begin = Clock::now();
      decoder.go_on(std::vector<std::int64_t>{cached % vocabulary});
      if (end - cached <= 16) times.push_back(seconds_since(begin));
    }
    std::sort(times.begin(), times.end());
    result.push_back({cached, times[times.size() / 2]});
  }
  return result;
}

NodeCost measure_node_cost() {
  constexpr int nodes = 200;
  constexpr int rounds = 5000;
  const Tensor x = zeros({2, 2}).eval();
  const Tensor w = ones({2, 2}).eval();
  plan::Capture capture;
  NodeCost cost{};
  for (int r = 0; r < rounds; ++r) {
    const auto start = Clock::now();
    std::vector<Tensor> y = {x};
    for (int i = 0; i < nodes / 2; ++i) y[0] = (y[0] + w) * x;
    const auto written = Clock::now();
    {
      const std::lock_guard lock(detail::graph_mutex());
      plan::capture({y, {}, {}}, capture);
    }
    const auto keyed = Clock::now();
    y.clear();
    const double scale = 1e9 / nodes / rounds;
    cost.write += std::chrono::duration<double>(written - start).count() * scale;
    cost.key += std::chrono::duration<double>(keyed - written).count() * scale;
    cost.release += seconds_since(keyed) * scale;
  }
  return cost;
}

}  // namespace narae::bench
