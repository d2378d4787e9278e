#include "narae/io/npy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "narae/core/error.h"
#include "narae/core/files.h"
#include "narae/io/quote.h"

// The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

namespace narae {
namespace {

using detail::quote;

static_assert(std::endian::native == std::endian::little, "arrays are mapped as they are");

constexpr std::string_view magic("\x93NUMPY", 6);
constexpr std::size_t longest_npy_header = 65535;

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

struct TypeCode {
  std::string_view code;  // NumPy's kind and item size
  DType dtype;
};
constexpr std::array<TypeCode, 7> type_codes = {{{"f4", DType::f32},
                                                 {"f8", DType::f64},
                                                 {"f2", DType::f16},
                                                 {"i4", DType::i32},
                                                 {"i8", DType::i64},
                                                 {"u1", DType::u8},
                                                 {"b1", DType::boolean}}};

struct NpyHeader {
  std::optional<std::string> descr;
  std::optional<bool> fortran_order;
  std::optional<Shape> shape;
};

// Reads the one form of Python dictionary that NumPy writes: three known keys, a string, a truth value, a tuple.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::size_t begin, std::string file)
      : text_(text), begin_(begin), file_(std::move(file)) {}

  NpyHeader parse() {
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted_string("a key");
      expect(':');
      if (key == "descr" && !header_.descr) {
        if (peek() == '[') fail("a structured type; save its fields as arrays of their own");
        header_.descr = quoted_string("the type");
      } else if (key == "fortran_order" && !header_.fortran_order) {
        header_.fortran_order = truth();
      } else if (key == "shape" && !header_.shape) {
        header_.shape = tuple();
      } else {
        fail("unexpected or repeated key " + quote(key));
      }
      if (!accept(',') && peek() != '}') fail("',' or '}' expected");
    }
    if (peek() != '\0' || position_ != text_.size()) fail("something follows the dictionary");
    if (!header_.descr || !header_.fortran_order || !header_.shape) {
      fail("one of 'descr', 'fortran_order' and 'shape' is missing");
    }
    return header_;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(file_ + ": byte " + std::to_string(begin_ + position_) + ": header: " + what);
  }

  // The next character that is not a space; '\0' at the end.
  char peek() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n')) ++position_;
    return position_ < text_.size() ? text_[position_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c || position_ == text_.size()) return false;
    ++position_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(std::string("'") + c + "' expected");
  }

  std::string quoted_string(const char* what) {
    const char mark = peek();
    if (mark != '\'' && mark != '"') fail(std::string(what) + " in quotes expected");
    const std::size_t end = text_.find(mark, position_ + 1);
    if (end == std::string_view::npos) fail("a string without an end");
    const std::string_view content = text_.substr(position_ + 1, end - position_ - 1);
    if (content.find_first_of("\\\n") != std::string_view::npos) fail("a string with an escape or a line break");
    position_ = end + 1;
    return std::string(content);
  }

  bool truth() {
    peek();
    const std::string_view rest = text_.substr(position_);
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (!rest.starts_with(word)) continue;
      position_ += word.size();
      return value;
    }
    fail("True or False expected");
  }

  std::int64_t number() {
    const char first = peek();
    if (first < '0' || first > '9') fail("a whole number expected");
    std::int64_t value = 0;
    const std::size_t start = position_;
    for (; position_ < text_.size() && text_[position_] >= '0' && text_[position_] <= '9'; ++position_) {
      if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text_[position_] - '0', &value)) {
        fail("a number that is too large");
      }
    }
    if (first == '0' && position_ - start > 1) fail("a number with leading zeros");
    return value;
  }

  Shape tuple() {
    std::vector<std::int64_t> dims;
    expect('(');
    bool comma = true;
    while (!accept(')')) {
      if (!comma) fail("',' expected");
      if (dims.size() == Shape::max_rank) fail("more than 8 dimensions");
      dims.push_back(number());
      comma = accept(',');
    }
    if (dims.size() == 1 && !comma) fail("a tuple expected, not a number in brackets");
    try {
      return Shape(dims);
    } catch (const Error& error) {
      fail(error.what());
    }
  }

  std::string_view text_;
  std::size_t begin_;  // of the text in the file
  std::string file_;
  std::size_t position_ = 0;
  NpyHeader header_;
};

struct ElementType {
  DType dtype;
  bool swapped;
};

ElementType element_type(const std::string& descr, const std::string& file) {
  const char order = descr.empty() ? '\0' : descr[0];
  if (descr.find('O') != std::string::npos) {
    throw Error(file + ": an array of Python objects, which are never unpickled; save it with a numeric type");
  }
  const auto* const type =
      std::ranges::find(type_codes, std::string_view(descr).substr(descr.empty() ? 0 : 1), &TypeCode::code);
  const bool wide = type != type_codes.end() && size_of(type->dtype) > 1;
  if (type == type_codes.end() || (order != '<' && order != '>' && (order != '|' || wide))) {
    throw Error(file + ": type " + quote(descr) +
                " is not supported (f4, f8, f2, i4, i8, u1 and b1 are); convert it with astype before saving");
  }
  return {type->dtype, order == '>' && wide};
}

template <std::size_t bytes>
void copy_element(std::byte* to, const std::byte* from, bool swapped) {
  std::array<std::byte, bytes> element;
  std::memcpy(element.data(), from, bytes);
  if (swapped) std::ranges::reverse(element);
  std::memcpy(to, element.data(), bytes);
}

// Copies `count` elements to C order; a Fortran-ordered source varies its first index fastest.
template <std::size_t bytes>
void copy_elements(std::byte* to, const std::byte* from, const Shape& shape, bool fortran, bool swapped) {
  const std::int64_t count = shape.count();
  if (!fortran) {
    for (std::int64_t i = 0; i < count; ++i) {
      copy_element<bytes>(to + static_cast<std::size_t>(i) * bytes, from + static_cast<std::size_t>(i) * bytes,
                          swapped);
    }
    return;
  }
  std::array<std::int64_t, Shape::max_rank> strides{};
  std::array<std::int64_t, Shape::max_rank> index{};
  std::int64_t stride = 1;
  for (int d = 0; d < shape.rank(); ++d) {
    strides[static_cast<std::size_t>(d)] = stride;
    stride *= shape[d];
  }
  std::int64_t source = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    copy_element<bytes>(to + static_cast<std::size_t>(i) * bytes, from + static_cast<std::size_t>(source) * bytes,
                        swapped);
    for (int d = shape.rank() - 1; d >= 0; --d) {
      const auto at = static_cast<std::size_t>(d);
      source += strides[at];
      if (++index[at] < shape[d]) break;
      source -= index[at] * strides[at];
      index[at] = 0;
    }
  }
}

Buffer converted(const std::byte* from, const ElementType& type, const Shape& shape, bool fortran) {
  const auto bytes = static_cast<std::size_t>(shape.count()) * size_of(type.dtype);
  Buffer result = Buffer::allocate(bytes);
  if (bytes == 0) return result;
  if (!fortran && !type.swapped) {
    std::memcpy(result.data(), from, bytes);
    return result;
  }
  switch (size_of(type.dtype)) {
    case 1:
      copy_elements<1>(result.data(), from, shape, fortran, type.swapped);
      break;
    case 2:
      copy_elements<2>(result.data(), from, shape, fortran, type.swapped);
      break;
    case 4:
      copy_elements<4>(result.data(), from, shape, fortran, type.swapped);
      break;
    default:
      copy_elements<8>(result.data(), from, shape, fortran, type.swapped);
      break;
  }
  return result;
}

}  // namespace

std::string detail::npy_header(const Array& array, const std::string& file) {
  const auto* const type = std::ranges::find(type_codes, array.dtype, &TypeCode::dtype);
  if (type == type_codes.end()) {
    throw Error(file + ": NumPy has no type " + std::string(name_of(array.dtype)) + "; cast to f32 first");
  }
  if (array.buffer.size() < array.bytes()) {
    throw Error(file + ": " + std::to_string(array.buffer.size()) + " bytes of memory for shape " +
                to_string(array.shape));
  }
  std::string text = std::string("{'descr': '") + (size_of(array.dtype) > 1 ? "<" : "|") + std::string(type->code) +
                     "', 'fortran_order': False, 'shape': " + to_string(array.shape) + ", }";
  const std::size_t preamble = magic.size() + 4;
  text.resize((preamble + text.size() + 1 + 63) / 64 * 64 - preamble - 1, ' ');
  text += '\n';
  const auto length = static_cast<std::uint16_t>(text.size());
  std::string header(magic);
  header += {'\1', '\0', static_cast<char>(length & 0xff), static_cast<char>(length >> 8)};
  return header + text;
}

Array parse_npy(const Buffer& file, const std::string& name) {
  const std::string_view bytes(reinterpret_cast<const char*>(file.data()), file.size());
  if (!bytes.starts_with(magic) || bytes.size() < 10) throw Error(name + ": not an npy file (or cut off at its start)");
  const auto version = static_cast<unsigned char>(bytes[6]);
  if (version < 1 || version > 3 || bytes[7] != 0) {
    throw Error(name + ": byte 6: npy format " + std::to_string(version) + "." +
                std::to_string(static_cast<unsigned char>(bytes[7])) + " is unknown (1.0, 2.0 and 3.0 are known)");
  }
  const std::size_t header_begin = version == 1 ? 10 : 12;
  if (bytes.size() < header_begin) throw Error(name + ": byte 8: cut off within the header");
  const std::size_t header_bytes =
      version == 1 ? load<std::uint16_t>(file.data() + 8) : load<std::uint32_t>(file.data() + 8);
  if (header_bytes > longest_npy_header || header_bytes > bytes.size() - header_begin) {
    throw Error(name + ": byte 8: a header of " + std::to_string(header_bytes) + " bytes in a file of " +
                std::to_string(bytes.size()) + " (at most 65535 are allowed)");
  }
  const NpyHeader header = HeaderParser(bytes.substr(header_begin, header_bytes), header_begin, name).parse();
  const ElementType type = element_type(*header.descr, name);

  const std::size_t begin = header_begin + header_bytes;
  const std::size_t available = file.size() - begin;
  std::size_t needed = 0;
  if (__builtin_mul_overflow(static_cast<std::size_t>(header.shape->count()), size_of(type.dtype), &needed) ||
      needed != available) {
    throw Error(name + ": byte " + std::to_string(begin) + ": " + std::to_string(available) +
                " bytes of data, but shape " + to_string(*header.shape) + " of " + std::string(name_of(type.dtype)) +
                " needs " + std::to_string(needed) +
                (needed > available ? "; the file is truncated" : "; something follows the array"));
  }
  const std::byte* const data = file.data() + begin;
  // Any other value in a C++ bool would be undefined behaviour.
  if (type.dtype == DType::boolean &&
      std::any_of(data, data + needed, [](std::byte value) { return value > std::byte{1}; })) {
    throw Error(name + ": holds booleans other than 0 and 1");
  }
  const bool fortran = *header.fortran_order && header.shape->rank() > 1;
  const bool aligned = reinterpret_cast<std::uintptr_t>(data) % size_of(type.dtype) == 0;
  Array array{.dtype = type.dtype, .shape = *header.shape, .buffer = {}};
  array.buffer = fortran || type.swapped || !aligned ? converted(data, type, array.shape, fortran)
                                                     : Buffer::adopt(data, needed, [file] {});
  return array;
}

Array read_npy(const std::filesystem::path& path) {
  return parse_npy(map_file(path), path.string());
}

void write_npy(const std::filesystem::path& path, const Array& array) {
  const std::string header = detail::npy_header(array, path.string());
  AtomicFile out(path);
  out.write(header);
  out.write(array.buffer.data(), array.bytes());
  out.commit();
}

}  // namespace narae
