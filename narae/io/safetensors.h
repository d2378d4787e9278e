#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "narae/core/array.h"
#include "narae/core/buffer.h"
#include "narae/core/export.h"

namespace narae {

/// What a safetensors file holds.
struct TensorFile {
  std::map<std::string, Array> tensors;
  std::vector<std::string> order;  ///< the names as the header lists them (of a sharded model: shard after shard)
  std::map<std::string, std::string> metadata;
};

/// Reads a `.safetensors` file, or through `*.safetensors.index.json` all shards of a model. The file is mapped and
/// the (read-only) arrays share the map; only arrays not aligned for their type are copied. Throws Error naming the
/// file and the tensor for everything that the format forbids and for types that Narae doesn't have.
[[nodiscard]] NARAE_API TensorFile read_safetensors(const std::filesystem::path& path);

/// The same for a file in memory; `name` is what messages call it.
[[nodiscard]] NARAE_API TensorFile parse_safetensors(const Buffer& file, const std::string& name);

/// Writes the tensors, listed in the given order, atomically (see AtomicFile). Throws Error for a name that is used
/// twice, reserved or not UTF-8, for an array whose memory is smaller than its shape, and when writing fails.
NARAE_API void write_safetensors(const std::filesystem::path& path,
                                 std::span<const std::pair<std::string, Array>> tensors,
                                 const std::map<std::string, std::string>& metadata = {});

}  // namespace narae
