#pragma once

#include <string>

#include "narae/core/export.h"
#include "narae/data/dataset.h"

namespace narae {

/// Which of the two sets a file belongs to; it decides how long a record is.
enum class CifarKind { cifar10, cifar100 };

/// The records of one batch file in memory (Krizhevsky, 2009), plain or gzip: a label, for CIFAR-100 a coarse and a
/// fine one, then 1,024 red, 1,024 green and 1,024 blue bytes. image (3, 32, 32) u8, label () i64, the fine one. Throws
/// Error naming the file for one that is empty or not of whole records, and the record whose label is out of range.
[[nodiscard]] NARAE_API Dataset parse_cifar(const Buffer& file, const std::string& name, CifarKind kind);

/// The files that a folder of CIFAR batches is expected to hold, for messages.
[[nodiscard]] NARAE_API std::string cifar_layout();

/// True when the folder (or its sub-folder cifar-10-batches-bin or cifar-100-binary) holds training batches.
[[nodiscard]] NARAE_API bool holds_cifar(const std::string& folder);

/// True when the folder (or its sub-folder cifar-10-batches-py or cifar-100-python) holds the version for Python.
[[nodiscard]] NARAE_API bool holds_python_cifar(const std::string& folder);

/// Reads all batches of one split: data_batch_*.bin and test_batch*.bin of CIFAR-10, train.bin and test.bin of
/// CIFAR-100, each plain or .gz. The classes are those of batches.meta.txt or fine_label_names.txt where they lie
/// there, otherwise the names that the sets are published with. Mean and deviation are those of these pictures. Throws
/// Error for missing or damaged files, and where the numbers of the training batches have a gap.
[[nodiscard]] NARAE_API Dataset read_cifar_folder(const std::string& folder, Split split);

}  // namespace narae
