#include "narae/models/picture.h"

#include "narae/core/error.h"

namespace narae::models {

void require_picture(const std::string& model, const Shape& sample, std::int64_t smallest) {
  if (sample.rank() == 3 && sample[1] >= smallest && sample[2] >= smallest) return;
  const std::string extent = std::to_string(smallest);
  throw Error(model + ": it takes pictures (channels, height, width) of at least " + extent + "x" + extent +
              ", but a sample is " + to_string(sample));
}

}  // namespace narae::models
