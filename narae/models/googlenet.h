#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "narae/models/conv_block.h"
#include "narae/nn/dropout.h"
#include "narae/nn/linear.h"

namespace narae::models {

struct GoogLeNetOptions {
  bool naive = false;              ///< modules without 1x1 reductions
  bool auxiliary = true;           ///< with the two auxiliary classifiers
  double dropout = 0.2;            ///< before the last layer
  double auxiliary_dropout = 0.7;  ///< before the last layer of the auxiliary classifiers
};

/// A classifier on features from the middle of GoogLeNet: pooled to 4x4, 128@1x1, two linear layers.
class NARAE_API GoogLeNetAuxiliary : public nn::Module {
 public:
  GoogLeNetAuxiliary(std::int64_t channels, std::int64_t classes, double dropout);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  ConvBlock conv_;
  nn::Linear fc1_;
  nn::Linear fc2_;
  nn::Dropout dropout_;
};

/// GoogLeNet (Szegedy et al., "Going deeper with convolutions", 2015) in torchvision's form with batch norm:
/// (batch, channels, height, width) -> (batch, classes); 13,004,888 parameters for 1000 classes with the auxiliary
/// classifiers, 6,624,904 without. In training the losses of the auxiliary classifiers count 0.3 each; in evaluation
/// they take no part. First weights: normal with deviation 0.01 (torchvision cuts them off at +-2, which never
/// happens). Throws Error for samples that are no pictures or smaller than 31x31.
class NARAE_API GoogLeNet : public nn::Module {
 public:
  GoogLeNet(const Shape& input, std::int64_t classes, const GoogLeNetOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;
  [[nodiscard]] std::vector<nn::TrainingOutput> training_outputs(const Tensor& x) const override;

 private:
  /// The logits; those of the auxiliary classifiers go to `auxiliary` unless it is null.
  [[nodiscard]] Tensor logits(const Tensor& x, std::vector<nn::TrainingOutput>* auxiliary) const;

  ConvBlock conv1_;
  ConvBlock conv2_;
  ConvBlock conv3_;
  std::vector<std::shared_ptr<const nn::Module>> modules_;  // 3a, 3b, 4a .. 4e, 5a, 5b
  std::optional<GoogLeNetAuxiliary> aux1_;
  std::optional<GoogLeNetAuxiliary> aux2_;
  nn::Dropout dropout_;
  std::optional<nn::Linear> fc_;
};

}  // namespace narae::models
