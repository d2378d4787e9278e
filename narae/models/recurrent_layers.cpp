#include "narae/models/recurrent_layers.h"

namespace narae::models {

nn::Recurrent make_layers(const std::string& cell, std::int64_t inputs, std::int64_t units,
                          nn::RecurrentOptions options) {
  if (cell == "relu-rnn") {
    options.nonlinearity = Nonlinearity::relu;
    return nn::make_recurrent("rnn", inputs, units, options);
  }
  if (cell == "gru-before") {
    options.form = GruForm::reset_before;
    return nn::make_recurrent("gru", inputs, units, options);
  }
  return nn::make_recurrent(cell, inputs, units, options);
}

}  // namespace narae::models
