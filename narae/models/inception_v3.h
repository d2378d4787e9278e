#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "narae/models/inception_v3_blocks.h"
#include "narae/nn/dropout.h"
#include "narae/nn/linear.h"

namespace narae::models {

struct InceptionV3Options {
  bool auxiliary = true;  ///< with the auxiliary classifier
  double dropout = 0.5;   ///< before the last layer
};

/// A classifier on Inception-v3's 17x17 features: 5x5 average pooling of stride 3, 128@1x1, 768@5x5, one linear layer.
/// forward throws Error for features smaller than 17x17.
class NARAE_API InceptionV3Auxiliary : public nn::Module {
 public:
  InceptionV3Auxiliary(std::int64_t channels, std::int64_t classes);
  [[nodiscard]] Tensor forward(const Tensor& x) const override;
  [[nodiscard]] const nn::Linear& fc() const { return fc_; }

 private:
  ConvBlock conv0_;
  ConvBlock conv1_;
  nn::Linear fc_;
};

/// Inception-v3 (Szegedy et al., "Rethinking the Inception architecture for computer vision", 2016) with torchvision's
/// names: large filters are replaced by rows of smaller ones, planes are halved by convolution and pooling side by
/// side. (batch, channels, height, width) -> (batch, classes), made for 299x299; 27,161,264 parameters for 1000 classes
/// with the auxiliary classifier, whose loss counts 0.4 in training. First weights: normal with deviation 0.1, 0.001
/// for the auxiliary linear layer (torchvision cuts them off at +-2, which never happens). Throws Error for samples
/// that are no pictures or smaller than 75x75; with the auxiliary classifier training takes 299x299 and larger.
class NARAE_API InceptionV3 : public nn::Module {
 public:
  InceptionV3(const Shape& input, std::int64_t classes, const InceptionV3Options& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;
  [[nodiscard]] std::vector<nn::TrainingOutput> training_outputs(const Tensor& x) const override;

 private:
  /// (batch, 768, 17, 17) for 299x299: what the auxiliary classifier sees.
  [[nodiscard]] Tensor middle(const Tensor& x) const;
  [[nodiscard]] Tensor logits(const Tensor& features) const;

  ConvBlock conv1a_, conv2a_, conv2b_, conv3b_, conv4a_;
  InceptionA mixed5b_, mixed5c_, mixed5d_;
  InceptionB mixed6a_;
  InceptionC mixed6b_, mixed6c_, mixed6d_, mixed6e_;
  std::optional<InceptionV3Auxiliary> auxiliary_;
  InceptionD mixed7a_;
  InceptionE mixed7b_, mixed7c_;
  nn::Dropout dropout_;
  nn::Linear fc_;
};

}  // namespace narae::models
