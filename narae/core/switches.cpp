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

std::atomic<bool>& tile_units() {
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

bool tile_units_allowed() {
  return tile_units();
}
void allow_tile_units(bool allowed) {
  tile_units() = allowed;
}

SwitchScope::SwitchScope(bool winograd, bool tile_units)
    : winograd_(winograd_allowed()), tile_units_(tile_units_allowed()) {
  allow_winograd(winograd_ && winograd);
  allow_tile_units(tile_units_ && tile_units);
}
SwitchScope::~SwitchScope() {
  allow_winograd(winograd_);
  allow_tile_units(tile_units_);
}

}  // namespace narae
