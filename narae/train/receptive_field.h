#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>

#include "narae/graph/node.h"

namespace narae::detail {

/// The window of the input picture on which one element of a result depends, and how the windows of neighbouring
/// elements lie: along height and width, in pixels of the input. Windows may reach beyond the picture's border.
struct ReceptiveField {
  std::array<std::int64_t, 2> size = {1, 1};
  std::array<std::int64_t, 2> jump = {1, 1};   ///< from one element's window to the next one's
  std::array<std::int64_t, 2> plane = {1, 1};  ///< elements of the plane that the windows lie in
  friend bool operator==(const ReceptiveField&, const ReceptiveField&) = default;
};

/// Receptive fields of the nodes of a recipe, by the rules r' = r + (kernel - 1) j and j' = j stride (Araujo, Norris
/// and Sim, "Computing receptive fields of convolutional neural networks", 2019). Where paths meet, the largest counts;
/// what mixes a whole plane (a mean over it, a linear layer behind it) sees all of it. Gates, numbers for whole planes
/// that scale what lies in them, see all of it too and are left out: the windows of what they scale count. Behind a
/// transposed convolution, whose elements see windows of several sizes, nothing is said.
class ReceptiveFields {
 public:
  /// Starts at the input of the network; only pictures (batch, channels, height, width) have receptive fields.
  explicit ReceptiveFields(const Node* input);
  /// Adds a node whose inputs were added before, if they depend on the picture.
  void add(const Node* node);
  /// Nothing for a node that does not depend on the picture, or where nothing is said.
  [[nodiscard]] std::optional<ReceptiveField> of(const Node* node) const;

 private:
  std::map<const Node*, std::optional<ReceptiveField>> fields_;  // of nodes that depend on the picture
};

}  // namespace narae::detail
