#include "narae/ops/rules.h"

#include <cmath>
#include <limits>
#include <type_traits>

#include "narae/core/error.h"
#include "narae/core/shape.h"
#include "narae/ops/view.h"

namespace narae::rules {
namespace {

std::string_view described(Types types) {
  switch (types) {
    case Types::floating:
      return "f32 or f64";
    case Types::signed_numbers:
      return "f32, f64, i32 or i64";
    case Types::numbers:
      return "f32, f64, i32, i64 or u8";
    case Types::indices:
      return "i32 or i64";
    case Types::boolean:
      return "bool";
    case Types::comparable:
      return "f32, f64, i32, i64, u8 or bool";
    case Types::any:
      break;
  }
  return "any type";
}

std::string text_of(DType dtype) {
  return std::string(name_of(dtype));
}

}  // namespace

bool holds(Types types, DType dtype) {
  const bool floating = is_floating(dtype);
  const bool index = dtype == DType::i32 || dtype == DType::i64;
  const bool number = floating || index || dtype == DType::u8;
  switch (types) {
    case Types::floating:
      return floating;
    case Types::signed_numbers:
      return floating || index;
    case Types::numbers:
      return number;
    case Types::indices:
      return index;
    case Types::boolean:
      return dtype == DType::boolean;
    case Types::comparable:
      return number || dtype == DType::boolean;
    case Types::any:
      break;
  }
  return true;
}

void require_types(std::string_view op, Types types, const Node& x, int argument) {
  if (holds(types, x.dtype)) return;
  throw Error(std::string(op) + ": argument " + std::to_string(argument) + " is " + text_of(x.dtype) + " " +
              to_string(x.shape) + ", not " + std::string(described(types)) + "; cast it first");
}

void require_one_type(std::string_view op, std::span<const Node* const> inputs, int first) {
  const Node& a = *inputs[static_cast<std::size_t>(first - 1)];
  for (std::size_t i = static_cast<std::size_t>(first); i < inputs.size(); ++i) {
    if (inputs[i]->dtype == a.dtype) continue;
    throw Error(std::string(op) + ": argument " + std::to_string(first) + " is " + text_of(a.dtype) + " " +
                to_string(a.shape) + ", argument " + std::to_string(i + 1) + " is " + text_of(inputs[i]->dtype) + " " +
                to_string(inputs[i]->shape) + "; cast one of them");
  }
}

void require_one_shape(std::string_view op, std::span<const Node* const> inputs) {
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    if (inputs[i]->shape == inputs[0]->shape) continue;
    throw Error(std::string(op) + ": argument 1 has shape " + to_string(inputs[0]->shape) + ", argument " +
                std::to_string(i + 1) + " " + to_string(inputs[i]->shape) + "; broadcast one of them");
  }
}

void require_small(std::string_view op, std::string_view what, std::int64_t size) {
  if (size <= std::numeric_limits<std::int32_t>::max()) return;
  throw Error(std::string(op) + ": " + std::string(what) + " " + std::to_string(size) +
              " is too large; below 2^31 is needed");
}

void require_scalar(std::string_view op, const Node& x, DType dtype, int argument) {
  if (x.shape.rank() == 0 && x.dtype == dtype) return;
  throw Error(std::string(op) + ": argument " + std::to_string(argument) + " is " + text_of(x.dtype) + " " +
              to_string(x.shape) + ", not a scalar of type " + text_of(dtype));
}

Tensor number_like(double value, const Tensor& x, std::string_view op) {
  require_defined(op, x, 1);
  const DType dtype = x.dtype();
  if (!is_floating(dtype)) {
    const bool fits = visit_dtype(dtype, [&](auto zero) {
      using T = decltype(zero);
      if constexpr (std::is_integral_v<T>) {
        // 2^digits is exact in double, the largest number of a type may not be.
        const double end = std::ldexp(1.0, std::numeric_limits<T>::digits);
        return value == std::trunc(value) && value < end && value >= (std::is_signed_v<T> ? -end : 0.0);
      } else {
        return false;
      }
    });
    if (!fits) {
      throw Error(std::string(op) + ": the number " + std::to_string(value) + " beside a tensor of type " +
                  text_of(dtype) + " " + to_string(x.shape()) + "; cast the tensor first");
    }
  }
  return broadcast_to(scalar(value, dtype), x.shape());
}

void require_defined(std::string_view op, const Tensor& x, int argument) {
  if (!x.defined()) throw Error(std::string(op) + ": argument " + std::to_string(argument) + " is undefined");
}

}  // namespace narae::rules
