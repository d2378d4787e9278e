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

// SwitchScopes of the process that live and take a permission away.
std::atomic<int> winograd_denials{0};
std::atomic<int> tile_unit_denials{0};

}  // namespace

bool winograd_allowed() {
  return winograd() && winograd_denials == 0;
}
void allow_winograd(bool allowed) {
  winograd() = allowed;
}

bool tile_units_allowed() {
  return tile_units() && tile_unit_denials == 0;
}
void allow_tile_units(bool allowed) {
  tile_units() = allowed;
}

SwitchScope::SwitchScope(bool winograd, bool tile_units) : winograd_(winograd), tile_units_(tile_units) {
  if (!winograd_) ++winograd_denials;
  if (!tile_units_) ++tile_unit_denials;
}
SwitchScope::~SwitchScope() {
  if (!winograd_) --winograd_denials;
  if (!tile_units_) --tile_unit_denials;
}

}  // namespace narae
