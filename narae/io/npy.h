#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>

#include "narae/core/array.h"
#include "narae/core/buffer.h"
#include "narae/core/export.h"

namespace narae {

/// Reads a NumPy array file (format 1.0 to 3.0; f2 f4 f8 i4 i8 u1 b1). The (read-only) array shares the mapped file
/// where it can; Fortran order, big-endian numbers and unaligned data are converted into memory of its own. Throws
/// Error naming the file and what is wrong: other types, objects (never unpickled), a length that doesn't fit the
/// shape.
[[nodiscard]] NARAE_API Array read_npy(const std::filesystem::path& path);

/// The same for a file in memory; `name` is what messages call it.
[[nodiscard]] NARAE_API Array parse_npy(const Buffer& file, const std::string& name);

/// Writes the array in format 1.0, C order, atomically (see AtomicFile). Throws Error for bf16, which NumPy lacks.
NARAE_API void write_npy(const std::filesystem::path& path, const Array& array);

struct NpzOptions {
  std::size_t inflated_limit = std::size_t{16} << 30;  ///< bytes that all compressed members may have together
};

/// Reads a NumPy archive (np.savez, np.savez_compressed): the arrays by name, without ".npy". Stored members share the
/// map where they can. Throws Error naming the file and the member for a damaged archive, a wrong checksum, sizes that
/// lie or exceed the limit, encryption, ZIP64, and for what read_npy refuses.
[[nodiscard]] NARAE_API std::map<std::string, Array> read_npz(const std::filesystem::path& path,
                                                              const NpzOptions& options = {});

/// The same for a file in memory; `name` is what messages call it.
[[nodiscard]] NARAE_API std::map<std::string, Array> parse_npz(const Buffer& file, const std::string& name,
                                                               const NpzOptions& options = {});

/// Writes an uncompressed archive, atomically; the same arrays give the same bytes. Throws Error for bf16 and for
/// archives beyond 4 GiB or 65,534 members, which would need ZIP64.
NARAE_API void write_npz(const std::filesystem::path& path, const std::map<std::string, Array>& arrays);

namespace detail {
/// What stands before the data of an npy file: magic, version, length and dictionary, a multiple of 64 bytes.
[[nodiscard]] std::string npy_header(const Array& array, const std::string& file);
}  // namespace detail

}  // namespace narae
