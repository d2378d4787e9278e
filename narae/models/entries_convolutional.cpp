#include <utility>

#include "narae/models/alexnet.h"
#include "narae/models/entries.h"
#include "narae/models/googlenet.h"
#include "narae/models/inception_v3.h"
#include "narae/models/picture.h"
#include "narae/models/resnet.h"
#include "narae/models/vgg.h"

namespace narae::models {
namespace {

using Made = std::shared_ptr<nn::Module>;

const Shape photograph = {3, 224, 224};
const Shape thumbnail = {3, 32, 32};

ModelOption dropout_option(double initial, std::string doc) {
  return {.name = "dropout", .initial = initial, .choices = {}, .low = 0, .high = 0.99, .doc = std::move(doc)};
}
ModelOption auxiliary_option(std::string doc) {
  return {.name = "auxiliary", .initial = true, .choices = {}, .doc = std::move(doc)};
}
ModelOption size_option(std::string name, std::int64_t initial, double high, std::string doc) {
  return {.name = std::move(name), .initial = initial, .choices = {}, .low = 1, .high = high, .doc = std::move(doc)};
}
ModelOption stem_option() {
  return {
      .name = "stem",
      .initial = std::string("imagenet"),
      .choices = {"imagenet", "cifar"},
      .doc = "imagenet: 7x7 convolution and pooling, a quarter of the side; cifar: 3x3, for pictures of about 32x32"};
}

// ---- AlexNet

template <class Net>
Made make_alexnet(const ModelSpec& spec) {
  return std::make_shared<Net>(spec.input, spec.num_classes,
                               AlexNetOptions{.dropout = option<double>(spec, "dropout")});
}

void add_alexnets(std::vector<Entry>& entries) {
  entries.push_back({{.name = "alexnet",
                      .description = "AlexNet, torchvision's form (Krizhevsky 2014)",
                      .input = photograph,
                      .num_classes = 1000,
                      .options = {dropout_option(0.5, "before the first two linear layers")}},
                     make_alexnet<AlexNet>});
  entries.push_back({{.name = "alexnet-227",
                      .description = "AlexNet of 2012 in one tower, with local response normalisation",
                      .input = {3, 227, 227},
                      .num_classes = 1000,
                      .options = {dropout_option(0.5, "behind the first two linear layers")}},
                     make_alexnet<AlexNet227>});
}

// ---- VGG

template <int depth, bool batch_norm>
Made make_vgg(const ModelSpec& spec) {
  return std::make_shared<Vgg>(spec.input, spec.num_classes,
                               VggOptions{.depth = depth,
                                          .batch_norm = batch_norm,
                                          .hidden = option<std::int64_t>(spec, "hidden"),
                                          .pooled = option<std::int64_t>(spec, "pooled"),
                                          .dropout = option<double>(spec, "dropout")});
}

template <int depth, bool batch_norm>
void add_vgg(std::vector<Entry>& entries) {
  const std::string number = std::to_string(depth);
  entries.push_back(
      {{.name = "vgg" + number + (batch_norm ? "-bn" : ""),
        .description = "VGG-" + number + (batch_norm ? " with batch norm" : "") + " (Simonyan and Zisserman 2015)",
        .input = photograph,
        .num_classes = 1000,
        .options = {size_option("hidden", 4096, 1 << 16, "units of the two hidden linear layers"),
                    size_option("pooled", 7, 64, "side of the plane that the classifier sees"),
                    dropout_option(0.5, "behind the hidden linear layers")}},
       make_vgg<depth, batch_norm>});
}

// ---- Inception

template <bool naive>
Made make_googlenet(const ModelSpec& spec) {
  return std::make_shared<GoogLeNet>(spec.input, spec.num_classes,
                                     GoogLeNetOptions{.naive = naive,
                                                      .auxiliary = option<bool>(spec, "auxiliary"),
                                                      .dropout = option<double>(spec, "dropout"),
                                                      .auxiliary_dropout = option<double>(spec, "auxiliary_dropout")});
}

Made make_inception_v3(const ModelSpec& spec) {
  return std::make_shared<InceptionV3>(
      spec.input, spec.num_classes,
      InceptionV3Options{.auxiliary = option<bool>(spec, "auxiliary"), .dropout = option<double>(spec, "dropout")});
}

void add_inceptions(std::vector<Entry>& entries) {
  const std::vector<ModelOption> options = {
      auxiliary_option("with two more classifiers in the middle, whose losses count 0.3 in training"),
      dropout_option(0.2, "before the last layer"),
      {.name = "auxiliary_dropout",
       .initial = 0.7,
       .choices = {},
       .low = 0,
       .high = 0.99,
       .doc = "in the auxiliary classifiers"}};
  entries.push_back({{.name = "googlenet",
                      .description = "GoogLeNet with batch norm (Szegedy et al. 2015)",
                      .input = photograph,
                      .num_classes = 1000,
                      .options = options},
                     make_googlenet<false>});
  entries.push_back({{.name = "googlenet-naive",
                      .description = "GoogLeNet with naive modules, without 1x1 reductions",
                      .input = photograph,
                      .num_classes = 1000,
                      .options = options},
                     make_googlenet<true>});
  entries.push_back(
      {{.name = "inception-v3",
        .description = "Inception-v3 (Szegedy et al. 2016)",
        .input = {3, 299, 299},
        .num_classes = 1000,
        .options = {auxiliary_option("with one more classifier in the middle, whose loss counts 0.4 in training"),
                    dropout_option(0.5, "before the last layer")}},
       make_inception_v3});
}

// ---- Residual and plain networks

constexpr std::int64_t se_reduction = 16;

enum class Kind { residual, plain, squeezing };

std::string name_of(Kind kind, int depth) {
  const char* const start = kind == Kind::plain ? "plain" : kind == Kind::residual ? "resnet" : "se-resnet";
  return start + std::to_string(depth);
}

std::string description_of(Kind kind, int depth) {
  const std::string number = std::to_string(depth);
  if (kind == Kind::plain) return "plain network of " + number + " layers, ResNet-" + number + " without shortcuts";
  if (kind == Kind::residual) return "ResNet-" + number + " (He et al. 2016)";
  return "ResNet-" + number + " with squeeze-and-excitation (Hu et al. 2018)";
}

ResNetOptions with_kind(ResNetOptions options, Kind kind) {
  if (kind == Kind::plain) options.shortcut = Shortcut::none;
  if (kind == Kind::squeezing) options.reduction = se_reduction;
  return options;
}

template <Kind kind, int depth>
Made make_resnet(const ModelSpec& spec) {
  require_picture(spec.name, spec.input, 1);
  ResNetOptions options = with_kind(imagenet_resnet(depth), kind);
  if (option<std::string>(spec, "stem") == "cifar") options.stem = Stem::cifar;
  return std::make_shared<ResNet>(spec.input[0], spec.num_classes, options);
}

template <Kind kind, int depth>
Made make_cifar_resnet(const ModelSpec& spec) {
  require_picture(spec.name, spec.input, 1);
  return std::make_shared<ResNet>(spec.input[0], spec.num_classes, with_kind(cifar_resnet(depth), kind));
}

template <Kind kind, int... depths>
void add_resnets(std::vector<Entry>& entries) {
  (entries.push_back({{.name = name_of(kind, depths),
                       .description = description_of(kind, depths),
                       .input = photograph,
                       .num_classes = 1000,
                       .options = {stem_option()}},
                      make_resnet<kind, depths>}),
   ...);
}

template <Kind kind, int... depths>
void add_cifar_resnets(std::vector<Entry>& entries) {
  (entries.push_back({{.name = name_of(kind, depths),
                       .description = description_of(kind, depths) + ", for CIFAR",
                       .input = thumbnail,
                       .num_classes = 10,
                       .options = {}},
                      make_cifar_resnet<kind, depths>}),
   ...);
}

}  // namespace

std::vector<Entry> convolutional_entries() {
  std::vector<Entry> entries;
  add_alexnets(entries);
  add_vgg<11, false>(entries);
  add_vgg<11, true>(entries);
  add_vgg<13, false>(entries);
  add_vgg<13, true>(entries);
  add_vgg<16, false>(entries);
  add_vgg<16, true>(entries);
  add_vgg<19, false>(entries);
  add_vgg<19, true>(entries);
  add_inceptions(entries);
  add_resnets<Kind::residual, 18, 34, 50, 101, 152>(entries);
  add_resnets<Kind::plain, 18, 34>(entries);
  add_resnets<Kind::squeezing, 18, 34, 50>(entries);
  add_cifar_resnets<Kind::residual, 20, 32, 44, 56, 110>(entries);
  add_cifar_resnets<Kind::plain, 20, 32, 44, 56, 110>(entries);
  add_cifar_resnets<Kind::squeezing, 20>(entries);
  return entries;
}

}  // namespace narae::models
