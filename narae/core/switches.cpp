#include "narae/core/switches.h"

#include <atomic>
#include <cstdlib>
#include <string_view>

namespace narae {
namespace {

bool is_on(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr || std::string_view(value) != "0";
}

std::atomic<bool>& winograd() {
  static std::atomic<bool> allowed{is_on("NARAE_WINOGRAD")};
  return allowed;
}

std::atomic<bool>& tile_products() {
  static std::atomic<bool> allowed{is_on("NARAE_AMX")};
  return allowed;
}

}  // namespace

bool winograd_allowed() {
  return winograd();
}
void allow_winograd(bool allowed) {
  winograd() = allowed;
}

bool tile_products_allowed() {
  return tile_products();
}
void allow_tile_products(bool allowed) {
  tile_products() = allowed;
}

}  // namespace narae
