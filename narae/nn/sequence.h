#pragma once

#include <memory>
#include <vector>

#include "narae/nn/module.h"

namespace narae::nn {

/// What a network for sequences is asked about.
struct SequenceInput {
  Tensor x;                        ///< tokens i64 (batch, steps) or numbers (batch, steps, features)
  Tensor lengths = {};             ///< i64 (batch): where each sequence ends; undefined: none is padded
  std::vector<Tensor> state = {};  ///< what an earlier piece of the same sequences ended with; empty: they begin here
  /// Of an EncoderDecoder: tokens i64 (batch, answer steps), at each position the one before the token that is asked
  /// for.
  Tensor target = {};
};

/// What it says.
struct SequenceOutput {
  Tensor logits;                   ///< (batch, ...) or (batch, steps, ...), as the network's task wants it
  std::vector<Tensor> state = {};  ///< to go on from; none for a network that has to see a sequence whole
};

/// A network for sequences: batches of tokens or of vectors, whole or piece by piece. A state belongs to the one
/// sequence of calls that it goes through: a network may write into it.
class NARAE_API SequenceModule : public Module {
 public:
  using Module::Module;

  [[nodiscard]] virtual SequenceOutput run(const SequenceInput& input) const = 0;

  /// Tokens of a sequence that it can see at once; 0: any number.
  [[nodiscard]] virtual std::int64_t context() const { return 0; }
  /// The state of `batch` sequences before their first token, with room for `capacity` tokens of each. None for a
  /// network whose state has one size: it begins by itself.
  [[nodiscard]] virtual std::vector<Tensor> empty_state(std::int64_t batch, std::int64_t capacity) const;
  /// The same state with room for more tokens.
  [[nodiscard]] virtual std::vector<Tensor> with_room(const std::vector<Tensor>& state, std::int64_t capacity) const;
  /// The state of the sequences `rows`, i64, in their order; one may be there several times. Each part is taken along
  /// axis 1, as states of recurrent layers are (layers, batch, units).
  [[nodiscard]] virtual std::vector<Tensor> state_of_rows(const std::vector<Tensor>& state, const Tensor& rows) const;

  /// The nodes that it writes carry the module's path.
  [[nodiscard]] SequenceOutput operator()(const SequenceInput& input) const {
    const auto inside = scope();
    return run(input);
  }
  using Module::operator();
  [[nodiscard]] Tensor forward(const Tensor& x) const override { return run({.x = x}).logits; }
};

/// A network that turns sequences into others, whose steps do not belong to each other (Sutskever et al. 2014). In
/// training it is told what stands before each token of the answer (SequenceInput::target: teacher forcing) and returns
/// logits (batch, answer steps, vocabulary).
class NARAE_API EncoderDecoder : public SequenceModule {
 public:
  using SequenceModule::SequenceModule;

  /// A language model of the answers to these sources, each of which is to begin with the token that begins texts: one
  /// sequence of it a source. `source` i64 (batch, steps), `lengths` i64 (batch) or undefined. The sources are read at
  /// once, without a gradient; the network is to be in evaluation mode.
  [[nodiscard]] virtual std::unique_ptr<SequenceModule> decoder_for(const Tensor& source,
                                                                    const Tensor& lengths) const = 0;
};

/// True where a position lies within its sequence: (batch, steps) for lengths i64 (batch).
[[nodiscard]] NARAE_API Tensor position_mask(const Tensor& lengths, std::int64_t steps);
/// The largest value of each feature, (batch, features) for x (batch, steps, features), within the sequences' lengths
/// where they are given. The mean likewise.
[[nodiscard]] NARAE_API Tensor max_over_time(const Tensor& x, const Tensor& lengths);
[[nodiscard]] NARAE_API Tensor mean_over_time(const Tensor& x, const Tensor& lengths);

}  // namespace narae::nn
