#pragma once

#include <cstdint>

#include "narae/graph/attributes.h"

namespace narae {

/// rnn, lstm, gru and their gradients: one layer in one direction over all time steps.
struct RecurrentAttributes {
  std::int64_t variant;    ///< rnn: 0 tanh, 1 ReLU; gru: 0 reset after the product, 1 before it
  std::int64_t reverse;    ///< 1: from the last time step to the first
  std::int64_t projected;  ///< lstm: 1 when w_hr makes the output of the cell smaller
  std::int64_t packed;     ///< 1: the last argument holds the length of each sequence
  /// Of a gradient: which results have a cotangent besides h: 1 for the cell states, 2 for the gates.
  std::int64_t cotangents;
};

/// Where the arguments of these operators are; -1 for one that is not there. The fixed ones come first.
struct RnnArguments {
  int p = 0, h0 = 1, w_hh = 2;
  int lengths, count;
  explicit RnnArguments(const RecurrentAttributes& a) : lengths(a.packed != 0 ? 3 : -1), count(a.packed != 0 ? 4 : 3) {}
};
struct RnnGradientArguments {
  int h = 0, w_hh = 1, dh = 2;
  int lengths, count;
  explicit RnnGradientArguments(const RecurrentAttributes& a)
      : lengths(a.packed != 0 ? 3 : -1), count(a.packed != 0 ? 4 : 3) {}
};

struct LstmArguments {
  int p = 0, h0 = 1, c0 = 2, w_hh = 3;
  int count = 4;
  int w_hr, lengths;
  explicit LstmArguments(const RecurrentAttributes& a)
      : w_hr(a.projected != 0 ? count++ : -1), lengths(a.packed != 0 ? count++ : -1) {}
};
struct LstmGradientArguments {
  int gates = 0, c = 1, c0 = 2, w_hh = 3, dh = 4;
  int count = 5;
  int w_hr, dc, dgates, lengths;
  explicit LstmGradientArguments(const RecurrentAttributes& a)
      : w_hr(a.projected != 0 ? count++ : -1),
        dc((a.cotangents & 1) != 0 ? count++ : -1),
        dgates((a.cotangents & 2) != 0 ? count++ : -1),
        lengths(a.packed != 0 ? count++ : -1) {}
};

struct GruArguments {
  int p = 0, h0 = 1, w_hh = 2;
  int count = 3;
  int b_hn, lengths;
  explicit GruArguments(const RecurrentAttributes& a)
      : b_hn(a.variant == 0 ? count++ : -1), lengths(a.packed != 0 ? count++ : -1) {}
};
struct GruGradientArguments {
  int gates = 0, h = 1, h0 = 2, w_hh = 3, dh = 4;
  int count = 5;
  int dgates, lengths;
  explicit GruGradientArguments(const RecurrentAttributes& a)
      : dgates((a.cotangents & 2) != 0 ? count++ : -1), lengths(a.packed != 0 ? count++ : -1) {}
};

}  // namespace narae
