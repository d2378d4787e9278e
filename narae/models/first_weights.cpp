#include "narae/models/first_weights.h"

#include "narae/nn/init.h"

namespace narae::models {

void initialize_convolutions(const nn::Module& network) {
  for (const auto& [name, tensor] : network.named_parameters()) {
    if (tensor.rank() == 4) nn::init::kaiming_normal(tensor, {.mode = nn::init::Fan::out, .nonlinearity = "relu"});
  }
}

}  // namespace narae::models
