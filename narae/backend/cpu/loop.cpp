// Runs fused elementwise loops: a tile of 512 numbers goes through all operators before the next one is read.
#include "narae/backend/cpu/loop.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "narae/backend/cpu/tile_functions.h"
#include "narae/core/error.h"
#include "narae/core/threads.h"
#include "narae/graph/kernel.h"

namespace narae::cpu {
namespace {

constexpr std::size_t tile = 512;

const TileEntry* find_entry(std::string_view op) {
  for (const TileEntry& entry : tile_functions())
    if (entry.op == op) return &entry;
  return nullptr;
}

bool supports(const Op& op, std::span<const DType> inputs, DType result) {
  if (find_entry(op.name) == nullptr) return false;
  DType type = DType::boolean;
  const auto fits = [&](DType t) {
    if (!is_floating(t)) return t == DType::boolean;
    if (type == DType::boolean) type = t;
    return t == type;
  };
  if (!fits(result)) return false;
  if (op.name == "cast") {
    const DType from = inputs[0];
    if (from == DType::bf16 || from == DType::f16) return false;
    return is_floating(result) ? from == result || !is_floating(from) : is_floating(from);
  }
  return std::all_of(inputs.begin(), inputs.end(), fits);
}

// An input that is not read where it lies: repeated along some axes, or of another type than the loop computes in.
struct Gathered {
  int input;
  DType dtype;
  std::vector<std::int64_t> extents;  // axes that could be merged are
  std::vector<std::int64_t> strides;
  bool constant;  // one number for the whole loop
};

struct Instruction {
  TileFunction function;
  std::array<int, 3> operands{-1, -1, -1};  // places, see Compiled
  int result;
};

// Places: [0, inputs) memory of inputs, then results, then tile buffers.
template <class T>
struct Compiled {
  std::vector<Gathered> gathered;
  std::vector<int> gathered_place;
  std::vector<Instruction> instructions;
  struct Copy {
    int from;    // place
    int result;  // number
    bool mask;   // stored as bool
  };
  std::vector<Copy> copies;  // after the instructions
  int inputs = 0;
  int results = 0;
  int buffers = 0;
  std::int64_t count = 0;

  // Few buffers lie on the stack, which is in the cache; many in scratch memory of the plan, an area for each range.
  static constexpr int most_on_stack = 12;
  [[nodiscard]] std::size_t area() const {
    return buffers > most_on_stack ? static_cast<std::size_t>(buffers) * tile : 0;
  }

  void run(const KernelArguments& a, std::int64_t begin, std::int64_t end, std::int64_t thread) const {
    alignas(64) T stack[most_on_stack * tile];
    T* memory = stack;
    if (area() != 0) memory = reinterpret_cast<T*>(a.scratch) + static_cast<std::size_t>(thread) * area();
    std::array<std::byte*, 512> place;  // 64 instructions at most: 192 inputs, 64 results, 256 buffers
    const std::size_t first_buffer = static_cast<std::size_t>(inputs) + static_cast<std::size_t>(results);
    for (std::size_t b = 0; b < static_cast<std::size_t>(buffers); ++b) {
      place[first_buffer + b] = reinterpret_cast<std::byte*>(memory + b * tile);
    }
    for (std::size_t g = 0; g < gathered.size(); ++g) {
      if (gathered[g].constant) gather(gathered[g], a, 0, tile, place[static_cast<std::size_t>(gathered_place[g])]);
    }
    for (std::int64_t at = begin; at < end; at += static_cast<std::int64_t>(tile)) {
      const auto n = static_cast<std::size_t>(std::min<std::int64_t>(static_cast<std::int64_t>(tile), end - at));
      const std::size_t offset = static_cast<std::size_t>(at) * sizeof(T);
      for (std::size_t i = 0; i < static_cast<std::size_t>(inputs); ++i) {
        place[i] = const_cast<std::byte*>(a.inputs[i]) + offset;
      }
      for (std::size_t k = 0; k < static_cast<std::size_t>(results); ++k) {
        place[static_cast<std::size_t>(inputs) + k] = a.results[k] + offset;
      }
      for (std::size_t g = 0; g < gathered.size(); ++g) {
        if (!gathered[g].constant) gather(gathered[g], a, at, n, place[static_cast<std::size_t>(gathered_place[g])]);
      }
      for (const Instruction& i : instructions) {
        const auto operand = [&](std::size_t k) -> const void* {
          return i.operands[k] < 0 ? nullptr : place[static_cast<std::size_t>(i.operands[k])];
        };
        i.function(operand(0), operand(1), operand(2), place[static_cast<std::size_t>(i.result)], n);
      }
      for (const Copy& c : copies) {
        const T* from = reinterpret_cast<const T*>(place[static_cast<std::size_t>(c.from)]);
        std::byte* to = a.results[c.result] + static_cast<std::size_t>(at) * (c.mask ? 1 : sizeof(T));
        if (c.mask)
          store_mask(from, reinterpret_cast<bool*>(to), n);
        else
          std::memcpy(to, from, n * sizeof(T));
      }
    }
  }

  static void gather(const Gathered& g, const KernelArguments& a, std::int64_t at, std::size_t n, std::byte* to) {
    visit_dtype(g.dtype, [&](auto zero) {
      using From = decltype(zero);
      if constexpr (std::is_arithmetic_v<From>) {
        gather_runs(reinterpret_cast<const From*>(a.inputs[g.input]), g, at, n, reinterpret_cast<T*>(to));
      }
    });
  }

  template <class From>
  static void gather_runs(const From* from, const Gathered& g, std::int64_t at, std::size_t n, T* to) {
    const std::size_t rank = g.extents.size();
    std::array<std::int64_t, Shape::max_rank> position{};
    std::int64_t offset = 0;
    for (std::size_t i = rank; i-- > 0;) {
      position[i] = at % g.extents[i];
      at /= g.extents[i];
      offset += position[i] * g.strides[i];
    }
    if (repeats_rows(g)) {
      const std::int64_t rows = g.extents[rank - 2];
      while (n > 0) {
        const std::int64_t left = (rows - position[rank - 2]) * g.extents[rank - 1] - position[rank - 1];
        const auto run = static_cast<std::size_t>(std::min<std::int64_t>(left, static_cast<std::int64_t>(n)));
        repeat_row(from + offset - position[rank - 1], g.extents[rank - 1], position[rank - 1], run, to);
        to += run;
        n -= run;
        if (n == 0) return;
        offset -= position[rank - 1];
        position[rank - 1] = position[rank - 2] = 0;
        advance(g, rank - 2, position, offset);
      }
      return;
    }
    const std::int64_t step = rank == 0 ? 0 : g.strides[rank - 1];
    const std::int64_t length = rank == 0 ? static_cast<std::int64_t>(n) : g.extents[rank - 1];
    while (n > 0) {
      const std::int64_t left = rank == 0 ? length : length - position[rank - 1];
      const auto run = static_cast<std::size_t>(std::min<std::int64_t>(left, static_cast<std::int64_t>(n)));
      const From* source = from + offset;
      if (step == 0) {
        repeat_row(source, 1, 0, run, to);
      } else if (step == 1) {
        copy_row(source, to, run);
      } else {
        for (std::size_t i = 0; i < run; ++i) to[i] = static_cast<T>(source[static_cast<std::int64_t>(i) * step]);
      }
      to += run;
      n -= run;
      if (n == 0) return;
      offset -= position[rank - 1] * step;
      position[rank - 1] = 0;
      advance(g, rank - 1, position, offset);
    }
  }

  template <class From>
  static void copy_row(const From* from, T* to, std::size_t n) {
    if constexpr (std::is_same_v<From, bool>) {
      const MaskFunctions& masks = mask_functions();
      if constexpr (std::is_same_v<T, float>)
        masks.load_f32(from, to, n);
      else
        masks.load_f64(from, to, n);
    } else {
      for (std::size_t i = 0; i < n; ++i) to[i] = static_cast<T>(from[i]);
    }
  }
  static void store_mask(const T* from, bool* to, std::size_t n) {
    const MaskFunctions& masks = mask_functions();
    if constexpr (std::is_same_v<T, float>)
      masks.store_f32(from, to, n);
    else
      masks.store_f64(from, to, n);
  }

  // Moves on along the first `axes` axes, the last of them fastest.
  static void advance(const Gathered& g, std::size_t axes, std::array<std::int64_t, Shape::max_rank>& position,
                      std::int64_t& offset) {
    for (std::size_t i = axes; i-- > 0;) {
      offset += g.strides[i];
      if (++position[i] < g.extents[i]) break;
      offset -= position[i] * g.strides[i];
      position[i] = 0;
    }
  }

  // A short row that comes again and again, such as numbers for the channels of a block.
  static bool repeats_rows(const Gathered& g) {
    const std::size_t rank = g.extents.size();
    return rank >= 2 && g.strides[rank - 1] == 1 && g.strides[rank - 2] == 0 &&
           g.extents[rank - 1] <= static_cast<std::int64_t>(tile) / 4;
  }
  // n numbers of the row, which is repeated, from position `first` on.
  template <class From>
  static void repeat_row(const From* row, std::int64_t length, std::int64_t first, std::size_t n, T* to) {
    const auto period = static_cast<std::size_t>(length);
    std::size_t done = std::min(std::max(period, 16 / period * period), n);
    for (std::size_t i = 0, at = static_cast<std::size_t>(first); i < done; ++i) {
      to[i] = static_cast<T>(row[at]);
      if (++at == period) at = 0;
    }
    // What is there is a whole number of periods, or all that is wanted.
    for (; done < n; done = std::min(2 * done, n)) std::memcpy(to + done, to, std::min(done, n - done) * sizeof(T));
  }
};

Gathered gathered_input(const Loop& loop, int input) {
  const Loop::Input& in = loop.inputs[static_cast<std::size_t>(input)];
  Gathered g{input, in.dtype, {}, {}, true};
  for (int i = 0; i < loop.shape.rank(); ++i) {
    const std::int64_t extent = loop.shape[i];
    const std::int64_t stride = in.strides[i];
    if (extent == 1) continue;
    if (stride != 0) g.constant = false;
    if (!g.extents.empty() && g.strides.back() == stride * extent) {
      g.extents.back() *= extent;
      g.strides.back() = stride;
    } else {
      g.extents.push_back(extent);
      g.strides.push_back(stride);
    }
  }
  return g;
}

bool is_whole(const Gathered& g) {
  return g.extents.empty() || (g.extents.size() == 1 && g.strides[0] == 1);
}

template <class T>
struct Built {
  std::shared_ptr<const Compiled<T>> loop;
  std::vector<int> in_place;
  int cost = 0;  // of an element
};

template <class T>
Built<T> compile(const Loop& loop) {
  Built<T> built;
  auto c = std::make_shared<Compiled<T>>();
  c->count = loop.shape.count();
  c->inputs = static_cast<int>(loop.inputs.size());
  c->results = static_cast<int>(loop.results.size());
  const int registers = c->inputs + static_cast<int>(loop.instructions.size());
  std::vector<int> place(static_cast<std::size_t>(registers), -1);
  const int first_buffer = c->inputs + c->results;
  std::vector<int> free_buffers;
  const auto new_buffer = [&] {
    if (free_buffers.empty()) return first_buffer + c->buffers++;
    const int buffer = free_buffers.back();
    free_buffers.pop_back();
    return buffer;
  };
  for (int i = 0; i < c->inputs; ++i) {
    Gathered g = gathered_input(loop, i);
    if (is_whole(g)) built.in_place.push_back(i);
    if (g.dtype == dtype_of<T> && is_whole(g) && (c->count == 1 || !g.constant)) {
      place[static_cast<std::size_t>(i)] = i;
      continue;
    }
    place[static_cast<std::size_t>(i)] = new_buffer();
    c->gathered_place.push_back(place[static_cast<std::size_t>(i)]);
    c->gathered.push_back(std::move(g));
  }
  // Last instruction that reads each register, and that reads any input where it lies: until then results, which may
  // share memory with inputs, are kept in buffers.
  std::vector<int> last_use(static_cast<std::size_t>(registers), -1);
  int last_memory_read = -1;
  const int n = static_cast<int>(loop.instructions.size());
  for (int i = 0; i < n; ++i) {
    for (const int r : loop.instructions[static_cast<std::size_t>(i)].registers) {
      last_use[static_cast<std::size_t>(r)] = i;
      if (place[static_cast<std::size_t>(r)] >= 0 && place[static_cast<std::size_t>(r)] < c->inputs)
        last_memory_read = i;
    }
  }
  for (const int r : loop.results) last_use[static_cast<std::size_t>(r)] = n;
  for (int i = 0; i < n; ++i) {
    const Loop::Instruction& from = loop.instructions[static_cast<std::size_t>(i)];
    const int self = c->inputs + i;
    const bool to_mask = from.op->name == "cast" && from.dtype == DType::boolean;
    const TileEntry& entry = *find_entry(to_mask ? std::string_view("cast to bool") : from.op->name);
    Instruction instruction{sizeof(T) == 4 ? entry.f32 : entry.f64, {-1, -1, -1}, -1};
    built.cost += entry.cost;
    for (std::size_t k = 0; k < from.registers.size(); ++k) {
      instruction.operands[k] = place[static_cast<std::size_t>(from.registers[k])];
    }
    const auto result = std::find(loop.results.begin(), loop.results.end(), self);
    const bool direct = result != loop.results.end() && from.dtype == dtype_of<T> && i >= last_memory_read;
    if (direct) {
      instruction.result = c->inputs + static_cast<int>(result - loop.results.begin());
    } else {
      // A buffer that ends with this instruction may be written by it: tiles are read before they are written.
      for (const int r : from.registers) {
        const int p = place[static_cast<std::size_t>(r)];
        const bool reusable = p >= first_buffer && last_use[static_cast<std::size_t>(r)] == i && r >= c->inputs;
        if (reusable && std::find(free_buffers.begin(), free_buffers.end(), p) == free_buffers.end())
          free_buffers.push_back(p);
      }
      instruction.result = new_buffer();
    }
    place[static_cast<std::size_t>(self)] = instruction.result;
    if (result != loop.results.end() && !direct) {
      c->copies.push_back(
          {instruction.result, static_cast<int>(result - loop.results.begin()), from.dtype == DType::boolean});
    }
    c->instructions.push_back(instruction);
  }
  // Results that are copied keep their buffers to the end, so they must not have been handed on: last_use says n.
  built.loop = std::move(c);
  return built;
}

template <class T>
Kernel make_kernel(const Loop& loop) {
  Built<T> built = compile<T>(loop);
  Kernel kernel{.run = {}, .in_place = std::move(built.in_place)};
  const int cost = built.cost;
  const auto c = built.loop;
  const std::int64_t tiles = (c->count + static_cast<std::int64_t>(tile) - 1) / static_cast<std::int64_t>(tile);
  const std::int64_t grain = std::clamp<std::int64_t>(128 / std::max(cost, 1), 4, 128);
  kernel.flops = static_cast<double>(cost) * static_cast<double>(c->count);
  const std::int64_t threads = loop_threads(tiles, grain);
  kernel.scratch_bytes = static_cast<std::size_t>(threads) * c->area() * sizeof(T);
  kernel.run = [c, tiles, grain, threads](const KernelArguments& a) {
    const auto body = [&](std::int64_t begin, std::int64_t end, std::int64_t thread) {
      constexpr auto step = static_cast<std::int64_t>(tile);
      c->run(a, begin * step, std::min(end * step, c->count), thread);
    };
    parallel_for(tiles, grain, body, threads);
  };
  return kernel;
}

template <class T>
LoopPieces pieces_of(const Loop& loop) {
  Built<T> built = compile<T>(loop);
  return {.run = [c = built.loop](const KernelArguments& at, std::int64_t begin, std::int64_t end,
                                  std::int64_t area) { c->run(at, begin, end, area); },
          .area_bytes = built.loop->area() * sizeof(T),
          .in_place = std::move(built.in_place),
          .flops = static_cast<double>(built.cost) * static_cast<double>(built.loop->count)};
}

Kernel make(const Loop& loop) {
  return is_wide(loop) ? make_kernel<double>(loop) : make_kernel<float>(loop);
}

[[maybe_unused]] const bool registered = [] {
  cpu_backend().set_loops({supports, make, make_behind});
  return true;
}();

}  // namespace

bool is_wide(const Loop& loop) {
  const auto wide = [](const auto& part) { return part.dtype == DType::f64; };
  return std::any_of(loop.inputs.begin(), loop.inputs.end(), wide) ||
         std::any_of(loop.instructions.begin(), loop.instructions.end(), wide);
}

LoopPieces make_pieces(const Loop& loop) {
  return is_wide(loop) ? pieces_of<double>(loop) : pieces_of<float>(loop);
}

}  // namespace narae::cpu
