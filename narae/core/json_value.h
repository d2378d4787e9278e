#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace narae {

template <class T>
inline constexpr bool is_list = false;
template <class T>
inline constexpr bool is_list<std::vector<T>> = true;

/// Whether a value of a JSON document is a T that `get<T>()` gives as it stands. By itself `get` takes fractions for
/// integers, and converts numbers that T can't hold, with any result. `Json` is nlohmann's.
template <class T, class Json>
[[nodiscard]] bool holds(const Json& json) {
  if constexpr (is_list<T>) {
    if (!json.is_array()) return false;
    for (const Json& element : json)
      if (!holds<typename T::value_type>(element)) return false;
    return true;
  } else if constexpr (std::same_as<T, bool>) {
    return json.is_boolean();
  } else if constexpr (std::integral<T>) {
    if (json.is_number_unsigned()) return std::in_range<T>(json.template get<std::uint64_t>());
    return json.is_number_integer() && std::in_range<T>(json.template get<std::int64_t>());
  } else if constexpr (std::floating_point<T>) {
    return json.is_number() && std::abs(json.template get<double>()) <= std::numeric_limits<T>::max();
  } else {
    static_assert(std::same_as<T, std::string>);
    return json.is_string();
  }
}

}  // namespace narae
