#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "narae/nn/conv.h"
#include "narae/nn/norm.h"
#include "narae/nn/sequential.h"
#include "narae/nn/squeeze_excitation.h"

namespace narae::models {

/// What is added to a block's last normalisation.
enum class Shortcut {
  none,        ///< nothing: a plain network
  projection,  ///< the input; where the shape changes, its 1x1 convolution with batch norm (option B of He et al.)
  padding,     ///< the input; where the shape changes, every second pixel and zeros for new channels (option A)
};

struct BlockOptions {
  std::int64_t stride = 1;
  Shortcut shortcut = Shortcut::projection;
  std::int64_t reduction = 0;  ///< of the squeeze-and-excitation before the addition; 0: there is none
};

/// relu(shortcut(x) + f(x)): what the blocks of residual networks have in common (He et al., "Deep residual learning
/// for image recognition", 2016). Names are torchvision's; `se` holds a squeeze-and-excitation.
class NARAE_API ResidualBlock : public nn::Module {
 protected:
  ResidualBlock(const std::string& kind, const BlockOptions& options) : Module(kind), options_(options) {}
  /// Registers what follows the convolutions: squeeze-and-excitation and the projection.
  void register_ends(std::int64_t channels, std::int64_t outputs);
  /// The block's result for the last normalisation y of its input x.
  [[nodiscard]] Tensor joined(const Tensor& y, const Tensor& x) const;

 private:
  [[nodiscard]] Tensor shortcut(const Tensor& x, std::int64_t outputs) const;

  BlockOptions options_;
  std::optional<nn::SqueezeExcitation> squeeze_;
  std::optional<nn::Sequential> projection_;
};

/// Two 3x3 convolutions with batch norm: (batch, channels, height, width) -> (batch, width, height / stride, ...).
class NARAE_API BasicBlock : public ResidualBlock {
 public:
  static constexpr std::int64_t expansion = 1;  ///< outputs over `width`
  BasicBlock(std::int64_t channels, std::int64_t width, const BlockOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  nn::Conv2d conv1_;
  nn::BatchNorm2d bn1_;
  nn::Conv2d conv2_;
  nn::BatchNorm2d bn2_;
};

/// 1x1 down to `width`, 3x3 with the stride, 1x1 up to four times `width`, each with batch norm.
class NARAE_API Bottleneck : public ResidualBlock {
 public:
  static constexpr std::int64_t expansion = 4;
  Bottleneck(std::int64_t channels, std::int64_t width, const BlockOptions& options = {});
  [[nodiscard]] Tensor forward(const Tensor& x) const override;

 private:
  nn::Conv2d conv1_;
  nn::BatchNorm2d bn1_;
  nn::Conv2d conv2_;
  nn::BatchNorm2d bn2_;
  nn::Conv2d conv3_;
  nn::BatchNorm2d bn3_;
};

}  // namespace narae::models
