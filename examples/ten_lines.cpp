#include <cstdio>

#include "narae/narae.h"
using namespace narae;

int main() {
  Loader loader(open_dataset("synth:digits", Split::train), {.batch_size = 64, .shuffle = true});
  nn::Sequential model{nn::Flatten(), nn::Linear(784, 256), nn::ReLU(), nn::Linear(256, 10)};
  optim::SGD optimizer(model.parameters(), {.lr = 0.05, .momentum = 0.9});
  for (int epoch = 1; epoch <= 3; ++epoch) {
    double correct = 0;
    for (auto [image, label] : loader) {
      const Tensor logits = model(image);
      optimizer.step(grad(nn::cross_entropy(logits, label), model.parameters()));
      correct += sum(cast(equal(argmax(logits), label), DType::f32)).item();
    }
    std::printf("epoch %d: accuracy %.4f\n", epoch, correct / static_cast<double>(loader.dataset().size()));
  }
}
