#include "narae/core/tile_units.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace narae {
namespace {

// Bits of cpuid leaf 7: the compilers' own tables don't know all of them.
bool machine_has_tiles() {
  std::uint32_t a = 7, b = 0, c = 0, d = 0;
  __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  constexpr std::uint32_t amx_bf16 = 1U << 22, amx_tile = 1U << 24;
  if ((d & amx_bf16) == 0 || (d & amx_tile) == 0) return false;
  a = 7, c = 1;
  __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  constexpr std::uint32_t avx512_bf16 = 1U << 5;
  return (a & avx512_bf16) != 0 && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
}

// Linux grants the tile registers, 8 kB of state a thread, to processes that ask.
bool system_grants_tiles() {
  constexpr long request_permission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long tile_data = 18;
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

}  // namespace

bool has_tile_units() {
  static const bool possible = machine_has_tiles() && system_grants_tiles();
  return possible;
}

}  // namespace narae
