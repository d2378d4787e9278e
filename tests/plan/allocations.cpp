#include "tests/plan/allocations.h"

#include <omp.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>

#include "narae/core/threads.h"
#include "narae/core/waiting.h"

namespace narae::test {

std::string teams_are_made_anew() {
  if (omp_get_thread_limit() == 1) return "";  // loops are run without a team
  if (omp_get_dynamic() != 0) return "OMP_DYNAMIC lets OpenMP grant fewer threads than asked for";
  if (omp_get_thread_limit() < thread_count()) return "OMP_THREAD_LIMIT grants fewer threads than asked for";
  return "";
}

}  // namespace narae::test

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

namespace narae::test {

bool allocations_are_seen() {
  return false;
}
AllocationWatch::AllocationWatch() = default;
AllocationWatch::~AllocationWatch() = default;
std::int64_t AllocationWatch::count() {
  return 0;
}
std::int64_t AllocationWatch::count_of_onednn() {
  return 0;
}
std::string AllocationWatch::last() {
  return "";
}

}  // namespace narae::test

#else

#include <execinfo.h>
#include <link.h>

#include <algorithm>
#include <atomic>
#include <cstring>

namespace {

constexpr int most_frames = 48;

std::atomic<bool> watching{false};
std::atomic<std::int64_t> own{0};
std::atomic<std::int64_t> of_onednn{0};
void* last_frames[most_frames];
std::atomic<int> last_depth{0};
thread_local bool inside = false;  // looking at the stack may allocate itself

struct CodeRange {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
};
CodeRange onednn;

int note_library(dl_phdr_info* info, std::size_t, void*) {
  if (std::strstr(info->dlpi_name, "libdnnl") == nullptr) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& part = info->dlpi_phdr[i];
    if (part.p_type != PT_LOAD || (part.p_flags & PF_X) == 0) continue;
    onednn = {info->dlpi_addr + part.p_vaddr, info->dlpi_addr + part.p_vaddr + part.p_memsz};
  }
  return 1;
}

void note_allocation() {
  if (!watching.load(std::memory_order_relaxed) || inside) return;
  inside = true;
  void* frames[most_frames];
  const int depth = backtrace(frames, most_frames);
  const bool foreign = std::any_of(frames, frames + depth, [](void* frame) {
    const auto at = reinterpret_cast<std::uintptr_t>(frame);
    return at >= onednn.begin && at < onednn.end;
  });
  ++(foreign ? of_onednn : own);
  if (!foreign) {
    std::copy(frames, frames + depth, last_frames);
    last_depth = depth;
  }
  inside = false;
}

}  // namespace

// glibc's own allocator under the names by which the replaced functions reach it.
extern "C" {
// NOLINTBEGIN(readability-identifier-naming)
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* old, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
// NOLINTEND(readability-identifier-naming)

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)
#define NARAE_REPLACES __attribute__((visibility("default")))

NARAE_REPLACES void* malloc(std::size_t bytes) noexcept {
  note_allocation();
  return __libc_malloc(bytes);
}
NARAE_REPLACES void* calloc(std::size_t count, std::size_t bytes) noexcept {
  note_allocation();
  return __libc_calloc(count, bytes);
}
NARAE_REPLACES void* realloc(void* old, std::size_t bytes) noexcept {
  note_allocation();
  return __libc_realloc(old, bytes);
}
NARAE_REPLACES void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
  note_allocation();
  return __libc_memalign(alignment, bytes);
}
NARAE_REPLACES void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  note_allocation();
  return __libc_memalign(alignment, bytes);
}
NARAE_REPLACES int posix_memalign(void** result, std::size_t alignment, std::size_t bytes) noexcept {
  note_allocation();
  *result = __libc_memalign(alignment, bytes);
  return *result == nullptr ? ENOMEM : 0;
}

#undef NARAE_REPLACES
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
}  // extern "C"

namespace narae::test {

bool allocations_are_seen() {
  return true;
}

AllocationWatch::AllocationWatch() {
  void* frames[1];
  static_cast<void>(backtrace(frames, 1));  // loads what it needs
  dl_iterate_phdr(note_library, nullptr);
  own = 0;
  of_onednn = 0;
  last_depth = 0;
  detail::let_waiting_sleep(false);  // a neighbour that comes or goes makes and ends threads
  watching = true;
}

AllocationWatch::~AllocationWatch() {
  watching = false;
  detail::let_waiting_sleep({});
}

std::int64_t AllocationWatch::count() {
  return own;
}

std::int64_t AllocationWatch::count_of_onednn() {
  return of_onednn;
}

std::string AllocationWatch::last() {
  const bool before = watching.exchange(false);
  std::string text;
  char** const names = backtrace_symbols(last_frames, last_depth);
  for (int i = 0; i < last_depth && names != nullptr; ++i) text += std::string(names[i]) + "\n";
  std::free(static_cast<void*>(names));
  watching = before;
  return text;
}

}  // namespace narae::test

#endif
