#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "narae/core/array.h"
#include "narae/core/export.h"

namespace narae::draw {

/// One answer of a classifier about one picture.
struct Prediction {
  Array image;                            ///< u8 (1, h, w) or (3, h, w)
  std::string predicted;                  ///< class name
  float probability = 0;                  ///< in [0, 1]
  std::optional<std::string> truth = {};  ///< class name, when it is known
};

struct PredictionGridOptions {
  std::string title = {};
  int columns = 0;      ///< tiles in a row; 0 chooses about a square
  int tile_size = 112;  ///< pixels a picture may be wide and high, 16 to 1024
};

/// Pictures with what was predicted and how surely, framed in green where right, in red (with the truth) where wrong
/// and in grey where nothing is known; the head line counts the right ones. Returns u8 (3, height, width). Throws
/// Error for no predictions at all, a picture of another type or shape, and options out of range.
[[nodiscard]] NARAE_API Array prediction_grid(std::span<const Prediction> predictions,
                                              const PredictionGridOptions& options = {});

/// A picture with what to write below it.
struct LabelledPicture {
  Array image;            ///< u8 (1, h, w) or (3, h, w)
  std::string label;      ///< what it is
  std::string note = {};  ///< a second, smaller line
};

struct PictureSheetOptions {
  std::string title = {};
  std::string line = {};  ///< below the title
  int columns = 0;        ///< tiles in a row; 0 chooses about a square
  int tile_size = 256;    ///< pixels of the longer side of the largest picture, 16 to 1024
};

/// Pictures side by side with their labels. Returns u8 (3, height, width). Throws Error for no pictures at all, one of
/// another type or shape, and options out of range.
[[nodiscard]] NARAE_API Array picture_sheet(std::span<const LabelledPicture> pictures,
                                            const PictureSheetOptions& options = {});

/// Numbers in [0, 1] as a table: rows from top to bottom.
struct HeatMap {
  std::string title;
  Array values;                           ///< f32 (rows, columns)
  std::vector<std::string> rows = {};     ///< a name each, or none
  std::vector<std::string> columns = {};  ///< likewise
};

struct HeatMapsOptions {
  std::string title = {};
  std::string line = {};  ///< below the title
  int columns = 0;        ///< maps side by side; 0 chooses about a square
};

/// Tables of numbers side by side, 0 white and 1 dark blue, with the names of their rows and columns. Returns u8 (3,
/// height, width). Throws Error for no maps at all, values of another type or shape, and names that are not one each.
[[nodiscard]] NARAE_API Array heat_maps(std::span<const HeatMap> maps, const HeatMapsOptions& options = {});

/// A table of counts, i64 (classes, classes) with the true class as row and the predicted one as column, with accuracy
/// and each class's recall. The diagonal is blue, errors orange: the deeper, the larger the share of the row (errors on
/// a square root scale, so that few remain visible). Returns u8 (3, height, width). Throws Error for counts of another
/// type or shape, negative ones, more than 1,000 classes, or when `class_names` are neither absent nor one a class.
[[nodiscard]] NARAE_API Array confusion_matrix(const Array& counts, std::span<const std::string> class_names,
                                               const std::string& title);

/// What a classifier of two classes says over a plane. Class 0 is blue, class 1 orange.
struct DecisionBoundary {
  Array probability;  ///< of class 1: f32 (rows, columns), at least 2 x 2; first row at y_min, last one at y_max
  float x_min = 0;
  float x_max = 1;
  float y_min = 0;
  float y_max = 1;
  Array points = {};  ///< f32 (n, 2), x and y; may be absent
  Array labels = {};  ///< i64 (n), 0 or 1
  std::string title = {};
  std::vector<std::string> class_names = {"class 0", "class 1"};
};

/// The plane coloured by probability, the contour where it is 1/2, the points (those on the wrong side with a black
/// ring), axes and a legend. Returns u8 (3, height, width). Throws Error for arrays of other types or shapes, labels
/// that are neither 0 nor 1, and ranges that are empty.
[[nodiscard]] NARAE_API Array decision_boundary(const DecisionBoundary& boundary);

}  // namespace narae::draw
