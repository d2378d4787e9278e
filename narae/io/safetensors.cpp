#include "narae/io/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/io/quote.h"

// The format: https://huggingface.co/docs/safetensors. Eight bytes with the length of the header (little-endian), the
// header as JSON, {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}, then the data.

namespace narae {
namespace {

using detail::quote;
using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian and mapped as they are");

constexpr std::size_t length_bytes = 8;
constexpr std::size_t largest_header = 100'000'000;  // the limit of the reference implementation
constexpr std::string_view metadata_key = "__metadata__";

struct TypeName {
  std::string_view name;
  DType dtype;
};
constexpr std::array<TypeName, 8> type_names = {{{"F64", DType::f64},
                                                 {"F32", DType::f32},
                                                 {"F16", DType::f16},
                                                 {"BF16", DType::bf16},
                                                 {"I64", DType::i64},
                                                 {"I32", DType::i32},
                                                 {"U8", DType::u8},
                                                 {"BOOL", DType::boolean}}};

std::string_view type_name(DType dtype) {
  return std::ranges::find(type_names, dtype, &TypeName::dtype)->name;
}

// The parser's reason quotes what it read last, which may be most of the file.
std::string short_reason(const json::exception& error) {
  return std::string(error.what()).substr(0, 200);
}

// One tensor as the header describes it; nothing is checked against the file yet.
struct Entry {
  std::string name;
  std::optional<DType> dtype;
  std::optional<Shape> shape;
  std::optional<std::array<std::uint64_t, 2>> offsets;
};

// Builds the entries while the JSON text is read: no document is kept, keys are checked when they come, and anything
// nested deeper than the format allows is refused at once.
class HeaderReader : public nlohmann::json_sax<json> {
 public:
  explicit HeaderReader(std::string file) : file_(std::move(file)) {}

  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;

  bool start_object(std::size_t /*elements*/) override {
    if (place_ == Place::start) {
      place_ = Place::top;
    } else if (place_ == Place::top && name_ == metadata_key) {
      place_ = Place::metadata;
    } else if (place_ == Place::top) {
      place_ = Place::tensor;
      entries.push_back({.name = name_, .dtype = {}, .shape = {}, .offsets = {}});
    } else {
      fail("an object where a value was expected");
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::tensor) {
      const Entry& entry = entries.back();
      if (!entry.dtype) fail("'dtype' is missing");
      if (!entry.shape) fail("'shape' is missing");
      if (!entry.offsets) fail("'data_offsets' is missing");
    }
    place_ = place_ == Place::top ? Place::end : Place::top;
    name_.clear();
    return true;
  }

  bool key(string_t& text) override {
    if (place_ == Place::top) {
      if (!names_.insert(text).second) throw Error(file_ + ": the header names " + quote(text) + " twice");
      name_ = text;
    } else if (place_ == Place::metadata) {
      if (metadata.contains(text)) fail("the key " + quote(text) + " stands there twice");
      field_ = text;
    } else {
      const Entry& entry = entries.back();
      const bool twice = (text == "dtype" && entry.dtype) || (text == "shape" && entry.shape) ||
                         (text == "data_offsets" && entry.offsets);
      if (twice) fail("the key " + quote(text) + " stands there twice");
      if (text != "dtype" && text != "shape" && text != "data_offsets") fail("unknown key " + quote(text));
      field_ = text;
    }
    return true;
  }

  bool start_array(std::size_t /*elements*/) override {
    if (place_ != Place::tensor || field_ == "dtype") fail("a list where a value was expected");
    place_ = Place::numbers;
    numbers_.clear();
    return true;
  }

  bool end_array() override {
    place_ = Place::tensor;
    Entry& entry = entries.back();
    if (field_ == "shape") {
      try {
        entry.shape = Shape(std::vector<std::int64_t>(numbers_.begin(), numbers_.end()));
      } catch (const Error& error) {
        fail(error.what());
      }
    } else {
      if (numbers_.size() != 2) fail("'data_offsets' must be two numbers");
      entry.offsets = {numbers_[0], numbers_[1]};
    }
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::numbers) fail("a number where something else was expected");
    if (value > static_cast<std::uint64_t>(INT64_MAX)) fail("the number " + std::to_string(value) + " is too large");
    if (numbers_.size() == Shape::max_rank) fail("more than 8 numbers in " + quote(field_));
    numbers_.push_back(value);
    return true;
  }

  bool string(string_t& text) override {
    if (place_ == Place::metadata) {
      metadata.emplace(field_, std::move(text));
    } else if (place_ == Place::tensor && field_ == "dtype") {
      const auto* const type = std::ranges::find(type_names, text, &TypeName::name);
      if (type == type_names.end()) {
        fail("dtype " + quote(text) +
             " is not supported (F64, F32, F16, BF16, I64, I32, U8 and BOOL are); convert the tensor before saving it");
      }
      entries.back().dtype = type->dtype;
    } else {
      fail("a string where something else was expected");
    }
    return true;
  }

  bool null() override { fail("null where a value was expected"); }
  bool boolean(bool /*value*/) override { fail("true or false where something else was expected"); }
  bool number_integer(number_integer_t value) override { fail("the negative number " + std::to_string(value)); }
  bool number_float(number_float_t /*value*/, const string_t& text) override {
    fail("the number " + quote(text) + " is not a whole number below 2^63");
  }
  bool binary(binary_t& /*value*/) override { fail("binary data"); }
  bool parse_error(std::size_t position, const std::string& /*token*/, const json::exception& error) override {
    throw Error(file_ + ": byte " + std::to_string(length_bytes + position) +
                ": the header is not valid JSON: " + short_reason(error));
  }

 private:
  enum class Place { start, top, metadata, tensor, numbers, end };

  [[noreturn]] void fail(const std::string& what) const {
    if (name_.empty() && place_ != Place::tensor) throw Error(file_ + ": header: " + what);
    throw Error(file_ + (name_ == metadata_key ? ": header: " : ": tensor ") + quote(name_) + ": " + what);
  }

  std::string file_;
  Place place_ = Place::start;
  std::string name_;
  std::string field_;
  std::vector<std::uint64_t> numbers_;
  std::set<std::string> names_;
};

// The format wants the data of all tensors to lie end to end: no overlap, no gap, nothing left over.
void check_offsets(const std::vector<Entry>& entries, std::uint64_t data_bytes, const std::string& file) {
  std::vector<const Entry*> by_offset;
  by_offset.reserve(entries.size());
  for (const Entry& entry : entries) {
    const auto [begin, end] = *entry.offsets;
    const std::string where = file + ": tensor " + quote(entry.name) + ": ";
    const std::string range = "data_offsets [" + std::to_string(begin) + ", " + std::to_string(end) + "]";
    if (begin > end || end > data_bytes) {
      throw Error(where + range + " don't lie within the " + std::to_string(data_bytes) +
                  " bytes of data; the file is truncated or damaged");
    }
    std::uint64_t needed = 0;
    if (__builtin_mul_overflow(static_cast<std::uint64_t>(entry.shape->count()), size_of(*entry.dtype), &needed) ||
        needed != end - begin) {
      throw Error(where + range + " hold " + std::to_string(end - begin) + " bytes, but shape " +
                  to_string(*entry.shape) + " of " + std::string(type_name(*entry.dtype)) + " needs " +
                  std::to_string(needed));
    }
    by_offset.push_back(&entry);
  }
  std::ranges::sort(by_offset, {}, [](const Entry* entry) { return *entry->offsets; });
  std::uint64_t expected = 0;
  for (const Entry* entry : by_offset) {
    const auto [begin, end] = *entry->offsets;
    if (begin != expected) {
      throw Error(file + ": tensor " + quote(entry->name) + ": data begins at offset " + std::to_string(begin) +
                  " instead of " + std::to_string(expected) + "; tensors must neither overlap nor leave gaps");
    }
    expected = end;
  }
  if (expected != data_bytes) {
    throw Error(file + ": " + std::to_string(data_bytes - expected) +
                " bytes at the end belong to no tensor; the file is damaged");
  }
}

Array array_of(const Entry& entry, const Buffer& file, std::size_t data_begin, const std::string& name) {
  Array array{.dtype = *entry.dtype, .shape = *entry.shape, .buffer = {}};
  const std::size_t bytes = array.bytes();
  const std::byte* const data = file.data() + data_begin + (*entry.offsets)[0];
  // Any other value in a C++ bool would be undefined behaviour.
  if (array.dtype == DType::boolean &&
      std::any_of(data, data + bytes, [](std::byte value) { return value > std::byte{1}; })) {
    throw Error(name + ": tensor " + quote(entry.name) + ": holds booleans other than 0 and 1");
  }
  if (reinterpret_cast<std::uintptr_t>(data) % size_of(array.dtype) == 0) {
    array.buffer = Buffer::adopt(data, bytes, [file] {});
  } else {
    array.buffer = Buffer::allocate(bytes);
    if (bytes > 0) std::memcpy(array.buffer.data(), data, bytes);
  }
  return array;
}

}  // namespace

namespace {

// torch.save writes a zip archive, older versions a pickle of protocol 2 to 5. Asked only about files that can't be
// safetensors: a header of 640 bytes begins like a pickle.
bool looks_like_pytorch(const Buffer& file) {
  const std::string_view bytes(reinterpret_cast<const char*>(file.data()), file.size());
  return bytes.starts_with("PK\3\4") || (bytes.size() > 1 && bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5);
}

[[noreturn]] void refuse_file(const Buffer& file, const std::string& name, const std::string& why) {
  if (!looks_like_pytorch(file)) throw Error(name + ": " + why);
  throw Error(name +
              ": a PyTorch checkpoint, not a safetensors file; convert its state dict with Python: "
              "safetensors.torch.save_file(torch.load('model.pth', map_location='cpu'), 'model.safetensors')");
}

}  // namespace

TensorFile parse_safetensors(const Buffer& file, const std::string& name) {
  if (file.size() < length_bytes) {
    refuse_file(file, name, std::to_string(file.size()) + " bytes are too few for a safetensors file");
  }
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data(), length_bytes);
  if (header_bytes > largest_header) {
    refuse_file(file, name,
                "byte 0: a header of " + std::to_string(header_bytes) +
                    " bytes (at most 100000000 are allowed); this is not a safetensors file");
  }
  if (header_bytes > file.size() - length_bytes) {
    refuse_file(file, name,
                "byte 0: a header of " + std::to_string(header_bytes) + " bytes in a file of " +
                    std::to_string(file.size()) + "; the file is truncated or not a safetensors file");
  }
  const char* const header = reinterpret_cast<const char*>(file.data()) + length_bytes;
  if (header_bytes == 0 || *header != '{') refuse_file(file, name, "byte 8: the header doesn't begin with '{'");

  HeaderReader reader(name);
  (void)json::sax_parse(header, header + header_bytes, &reader);  // throws Error for whatever is wrong
  const std::size_t data_begin = length_bytes + header_bytes;
  check_offsets(reader.entries, file.size() - data_begin, name);

  TensorFile result;
  result.metadata = std::move(reader.metadata);
  result.order.reserve(reader.entries.size());
  for (const Entry& entry : reader.entries) {
    result.tensors.emplace(entry.name, array_of(entry, file, data_begin, name));
    result.order.push_back(entry.name);
  }
  return result;
}

namespace {

// A model in several files: {"metadata": {...}, "weight_map": {"tensor": "model-00001-of-00002.safetensors", ...}}.
std::map<std::string, std::set<std::string>> tensors_by_shard(const std::filesystem::path& path) {
  const std::string name = path.string();
  constexpr int deepest = 8;
  std::vector<std::set<std::string>> keys;  // of the objects around the current place
  const auto check = [&](int depth, json::parse_event_t event, json& value) {
    if (depth > deepest) throw Error(name + ": nested deeper than an index of shards can be");
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second) {
      throw Error(name + ": the key " + quote(value.get<std::string>()) + " stands there twice");
    }
    return true;
  };
  json index;
  try {
    index = json::parse(read_text(path), check);
  } catch (const json::exception& error) {
    throw Error(name + ": not valid JSON: " + short_reason(error));
  }
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    throw Error(name + ": no object 'weight_map'; this is not an index of safetensors shards");
  }
  std::map<std::string, std::set<std::string>> shards;
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    if (!shard.is_string()) throw Error(name + ": tensor " + quote(tensor) + ": the shard is not a file name");
    const auto& file = shard.get_ref<const std::string&>();
    if (file.empty() || file == "." || file == ".." ||
        file.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos) {
      throw Error(name + ": tensor " + quote(tensor) + ": " + quote(file) +
                  " is not the plain name of a file beside the index");
    }
    shards[file].insert(tensor);
  }
  return shards;
}

TensorFile read_shards(const std::filesystem::path& path) {
  TensorFile result;
  for (const auto& [file, expected] : tensors_by_shard(path)) {
    const std::filesystem::path shard_path = path.parent_path() / file;
    TensorFile shard = parse_safetensors(map_file(shard_path), shard_path.string());
    for (const std::string& tensor : expected) {
      if (!shard.tensors.contains(tensor)) {
        throw Error(shard_path.string() + ": tensor " + quote(tensor) + " is missing, but " + path.string() +
                    " says that it is there");
      }
    }
    for (std::string& tensor : shard.order) {
      if (!expected.contains(tensor)) {
        throw Error(shard_path.string() + ": tensor " + quote(tensor) + " is not listed for this file in " +
                    path.string());
      }
      result.order.push_back(std::move(tensor));
    }
    result.tensors.merge(shard.tensors);
    result.metadata.merge(shard.metadata);
  }
  return result;
}

std::string json_string(const std::string& text, const std::string& what) {
  try {
    return json(text).dump();
  } catch (const json::exception&) {
    throw Error(what + " " + quote(text) + " is not UTF-8");
  }
}

}  // namespace

TensorFile read_safetensors(const std::filesystem::path& path) {
  if (path.filename().string().ends_with(".safetensors.index.json")) return read_shards(path);
  return parse_safetensors(map_file(path), path.string());
}

void write_safetensors(const std::filesystem::path& path, std::span<const std::pair<std::string, Array>> tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::string file = path.string() + ": ";
  std::set<std::string_view> names;
  std::vector<std::size_t> layout(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, array] = tensors[i];
    layout[i] = i;
    if (name == metadata_key) throw Error(file + "a tensor can't be called '__metadata__'");
    if (!names.insert(name).second) throw Error(file + "two tensors are called " + quote(name));
    if (array.buffer.size() < array.bytes()) {
      throw Error(file + "tensor " + quote(name) + ": " + std::to_string(array.buffer.size()) +
                  " bytes of memory for shape " + to_string(array.shape));
    }
  }
  // Wide types first: then every tensor is aligned for its type, although the format allows no gaps.
  std::ranges::stable_sort(layout, std::ranges::greater{},
                           [&](std::size_t i) { return size_of(tensors[i].second.dtype); });
  std::vector<std::size_t> begins(tensors.size());
  std::size_t end = 0;
  for (const std::size_t i : layout) {
    begins[i] = end;
    end += tensors[i].second.bytes();
  }

  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      header += header.back() == '{' ? "" : ",";
      header += json_string(key, file + "metadata: key") + ":" + json_string(value, file + "metadata: value");
    }
    header += "}";
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, array] = tensors[i];
    header += header.size() == 1 ? "" : ",";
    header += json_string(name, file + "tensor name") + ":{\"dtype\":\"" + std::string(type_name(array.dtype)) +
              "\",\"shape\":" + json(array.shape.dims()).dump() + ",\"data_offsets\":[" + std::to_string(begins[i]) +
              "," + std::to_string(begins[i] + array.bytes()) + "]}";
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  if (header.size() > largest_header) throw Error(file + "the header would exceed 100000000 bytes");

  AtomicFile out(path);
  const std::uint64_t header_bytes = header.size();
  out.write(&header_bytes, length_bytes);
  out.write(header);
  for (const std::size_t i : layout) out.write(tensors[i].second.buffer.data(), tensors[i].second.bytes());
  out.commit();
}

}  // namespace narae
