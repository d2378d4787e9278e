// Attention by tiles (Dao et al., "FlashAttention", 2022): the softmax takes one tile of keys after the other and keeps
// the highest score and the sum of exponentials of each query; the backward pass computes the scores again from their
// log-sum-exp. Every sum is added in one order, whatever the number of threads.
#include <cmath>
#include <memory>

#include "narae/backend/cpu/attention_block.h"
#include "narae/backend/cpu/transpose2d.h"

namespace narae::cpu {
namespace {

template <class T>
T* memory_of(const KernelArguments& at, const AttentionPlan& plan, std::int64_t thread) {
  return reinterpret_cast<T*>(at.scratch) + thread * plan.area.numbers;
}

// y and log-sum-exp of a block of queries.
template <class T>
void attend(const AttentionPlan& plan, const KernelArguments& at, QueryBlock<T>& block) {
  const AttentionSizes& s = plan.s;
  const auto& functions = attention_functions<T>();
  const std::int64_t n = block.sequence();
  const std::int64_t h = block.head();
  block.pack(at.in<T>(plan.in.query) + plan.query_at(n, block.first(), h), s.heads * s.size, s.size, block.scale(),
             block.part(plan.area.query));
  T* values = block.part(plan.area.dy);  // (queries, value_size): sums of the values so far
  T* highest = block.part(plan.area.sums);
  T* sums = highest + attention_lanes;
  T* corrections = sums + attention_lanes;
  std::fill_n(values, block.count() * s.value_size, T{0});
  std::fill_n(highest, attention_lanes, static_cast<T>(lowest_score));
  std::fill_n(sums, attention_lanes, T{0});
  block.for_each_piece(0, s.keys, [&](const AttentionPiece& piece) {
    if (!block.scores(piece)) return;
    const std::int64_t queries = block.queries_of(piece);
    if (functions.softmax(block.tile(piece), highest, sums, corrections)) {
      for (std::int64_t i = piece.lo; i < piece.lo + queries; ++i) {
        T* row = values + i * s.value_size;
        if (corrections[i] != T{1}) functions.scale(row, s.value_size, corrections[i], row);
      }
    }
    gemm(Gemm<T>{.m = queries,
                 .n = s.value_size,
                 .k = piece.rows,
                 .a = block.part(plan.area.scores) + piece.lo,
                 .a_rows = plan.unit.data(),
                 .a_columns = plan.lane_rows.data(),
                 .b = at.in<T>(plan.in.value) + plan.value_at(n, piece.key, h),
                 .b_rows = plan.value_rows.data(),
                 .c = values + piece.lo * s.value_size,
                 .c_row = s.value_size,
                 .accumulate = true});
  });
  for (std::int64_t i = 0; i < block.count(); ++i) {
    const bool nothing = sums[i] == T{0};
    functions.scale(values + i * s.value_size, s.value_size, nothing ? T{0} : T{1} / sums[i],
                    at.out<T>(0) + plan.y_at(n, block.first() + i, h));
    at.out<T>(1)[plan.sum_at(n, block.first() + i, h)] =
        nothing ? static_cast<T>(masked_score) : highest[i] + std::log(sums[i]);
  }
}

template <class T>
Kernel forward(const AttentionPlan& made) {
  if (are_few(made)) return attention_of_few<T>(made);
  Kernel kernel{.run = {},
                .scratch_bytes = static_cast<std::size_t>(made.threads * made.area.numbers) * sizeof(T),
                .flops = 2 * made.products()};
  kernel.run = [shared = std::make_shared<const AttentionPlan>(made)](const KernelArguments& at) {
    const AttentionPlan& plan = *shared;
    const std::int64_t blocks = plan.blocks();
    const std::int64_t tasks = plan.s.batch * plan.s.heads * blocks;
    parallel_for(
        tasks, plan.grain(tasks),
        [&](std::int64_t begin, std::int64_t end, std::int64_t thread) {
          QueryBlock<T> block(plan, at, memory_of<T>(at, plan, thread));
          for (std::int64_t task = begin; task < end; ++task) {
            const std::int64_t head = task / blocks;
            block.load(head / plan.s.heads, head % plan.s.heads,
                       from_both_ends(task % blocks, blocks) * attention_lanes);
            attend(plan, at, block);
          }
        },
        plan.threads);
  };
  return kernel;
}

// Which cotangents a walk through blocks and keys adds to.
struct Wanted {
  bool query, keys_and_values;
};

template <class T>
class Backward {
 public:
  Backward(const AttentionPlan& plan, const KernelArguments& at, std::int64_t thread)
      : plan_(plan), at_(at), block_(plan, at, memory_of<T>(at, plan, thread)) {}

  // All cotangents of the heads that share one head of keys: each tile of scores is computed once.
  void everything(std::int64_t n, std::int64_t kv_head) {
    clear_keys(n, kv_head, 0, plan_.s.keys);
    for (std::int64_t h = kv_head * plan_.s.group(); h < (kv_head + 1) * plan_.s.group(); ++h)
      for (std::int64_t b = 0; b < plan_.blocks(); ++b) {
        block_.load(n, h, b * attention_lanes);
        clear_queries();
        walk(0, plan_.s.keys, {.query = true, .keys_and_values = true});
      }
  }
  // Those of some keys and their values.
  void keys_and_values(std::int64_t n, std::int64_t kv_head, std::int64_t begin, std::int64_t end) {
    clear_keys(n, kv_head, begin, end);
    for (std::int64_t h = kv_head * plan_.s.group(); h < (kv_head + 1) * plan_.s.group(); ++h)
      for (std::int64_t b = 0; b < plan_.blocks(); ++b) {
        block_.load(n, h, b * attention_lanes);
        if (block_.sees(begin, end)) walk(begin, end, {.query = false, .keys_and_values = true});
      }
  }
  // Those of a block of queries, and of the mask.
  void queries(std::int64_t n, std::int64_t h, std::int64_t i) {
    block_.load(n, h, i);
    clear_queries();
    if (wants(wants_mask) && (n == 0 || plan_.mask_strides[0] != 0)) clear_mask();
    walk(0, plan_.s.keys, {.query = true, .keys_and_values = false});
  }

 private:
  [[nodiscard]] bool wants(std::int64_t which) const { return (plan_.a.wanted & which) != 0; }

  void clear_keys(std::int64_t n, std::int64_t kv_head, std::int64_t begin, std::int64_t end) const {
    for (std::int64_t j = begin; j < end; ++j) {
      std::fill_n(at_.out<T>(1) + plan_.key_at(n, j, kv_head * plan_.s.group()), plan_.s.size, T{0});
      std::fill_n(at_.out<T>(2) + plan_.value_at(n, j, kv_head * plan_.s.group()), plan_.s.value_size, T{0});
    }
  }
  void clear_queries() const {
    for (std::int64_t i = 0; i < block_.count(); ++i)
      std::fill_n(at_.out<T>(0) + plan_.query_at(block_.sequence(), block_.first() + i, block_.head()), plan_.s.size,
                  T{0});
  }
  void clear_mask() const {
    for (std::int64_t i = 0; i < block_.count(); ++i) std::fill_n(mask_row(i, 0), plan_.s.keys, T{0});
  }
  [[nodiscard]] T* mask_row(std::int64_t lane, std::int64_t key) const {
    return at_.out<T>(3) + plan_.mask_at(block_.sequence(), block_.head(), block_.first() + lane, key);
  }

  // The loaded block with keys [begin, end).
  void walk(std::int64_t begin, std::int64_t end, const Wanted& wanted) {
    const AttentionSizes& s = plan_.s;
    const std::int64_t n = block_.sequence();
    const std::int64_t h = block_.head();
    const std::int64_t i = block_.first();
    const T* q = at_.in<T>(plan_.in.query) + plan_.query_at(n, i, h);
    const T* dy = at_.in<T>(plan_.in.dy) + plan_.y_at(n, i, h);
    block_.pack(q, s.heads * s.size, s.size, block_.scale(), block_.part(plan_.area.query));
    // The scale of the products goes into dy here, and so into the cotangents of the scores. Those for a mask are
    // without it.
    const T factor = wants(wants_mask) ? T{1} : block_.scale();
    block_.pack(dy, s.heads * s.value_size, s.value_size, factor, block_.part(plan_.area.dy));
    load_sums(factor);
    block_.for_each_piece(begin, end, [&](const AttentionPiece& piece) {
      if (!block_.scores(piece)) return;
      find_score_cotangents(piece);
      if (wants(wants_mask)) take_mask(piece, wanted);
      if (wanted.keys_and_values) {
        add_for_keys(piece, plan_.area.scores, dy, plan_.y_rows, s.heads * s.value_size, s.value_size,
                     at_.out<T>(2) + plan_.value_at(n, piece.key, h), s.kv_heads * s.value_size);
        add_for_keys(piece, plan_.area.dp, q, plan_.query_rows, s.heads * s.size, s.size,
                     at_.out<T>(1) + plan_.key_at(n, piece.key, h), s.kv_heads * s.size);
      }
      if (wanted.query) add_for_queries(piece);
    });
  }

  // For each lane: the log-sum-exp, and delta = sum_j p_j dp_j = dy y.
  void load_sums(T factor) const {
    T* log_sums = block_.part(plan_.area.sums);
    T* deltas = log_sums + attention_lanes;
    std::fill_n(log_sums, 2 * attention_lanes, T{0});
    for (std::int64_t lane = 0; lane < block_.count(); ++lane) {
      const std::int64_t i = block_.first() + lane;
      const std::int64_t y = plan_.y_at(block_.sequence(), i, block_.head());
      log_sums[lane] = std::max(static_cast<T>(lowest_score),
                                at_.in<T>(plan_.in.log_sum)[plan_.sum_at(block_.sequence(), i, block_.head())]);
      deltas[lane] = factor * attention_functions<T>().dot(at_.in<T>(plan_.in.dy) + y, at_.in<T>(plan_.in.y) + y,
                                                           plan_.s.value_size);
    }
  }

  void find_score_cotangents(const AttentionPiece& piece) {
    gemm(Gemm<T>{.m = piece.rows,
                 .n = piece.hi - piece.lo,
                 .k = plan_.s.value_size,
                 .a = at_.in<T>(plan_.in.value) + plan_.value_at(block_.sequence(), piece.key, block_.head()),
                 .a_rows = plan_.value_rows.data(),
                 .a_columns = plan_.unit.data(),
                 .b = block_.part(plan_.area.dy) + piece.lo,
                 .b_rows = plan_.lane_rows.data(),
                 .c = block_.part(plan_.area.dp) + piece.lo,
                 .c_row = attention_lanes});
    const T* log_sums = block_.part(plan_.area.sums);
    attention_functions<T>().gradient(block_.tile(piece), log_sums, log_sums + attention_lanes);
  }

  // Adds the cotangents of the scores to the mask's, where the queries are walked through, and scales them.
  void take_mask(const AttentionPiece& piece, const Wanted& wanted) const {
    T* ds = block_.part(plan_.area.dp);
    const std::int64_t queries = block_.queries_of(piece);
    if (wanted.query) {
      T* rows = block_.part(plan_.area.rows);
      transpose2d(piece.rows, queries, ds + piece.lo, attention_lanes, rows, attention_keys);
      for (std::int64_t lane = 0; lane < queries; ++lane)
        attention_functions<T>().add(rows + lane * attention_keys, piece.rows, mask_row(piece.lo + lane, piece.key));
    }
    for (std::int64_t j = 0; j < piece.rows; ++j) {
      T* row = ds + j * attention_lanes + piece.lo;
      attention_functions<T>().scale(row, queries, block_.scale(), row);
    }
  }

  // to (keys, width) += tile (keys, queries) rows (queries, width)
  void add_for_keys(const AttentionPiece& piece, std::int64_t tile, const T* rows,
                    const std::vector<std::int64_t>& offsets, std::int64_t pitch, std::int64_t width, T* to,
                    std::int64_t to_pitch) const {
    gemm(Gemm<T>{.m = piece.rows,
                 .n = width,
                 .k = block_.queries_of(piece),
                 .a = block_.part(tile) + piece.lo,
                 .a_rows = plan_.lane_rows.data(),
                 .a_columns = plan_.unit.data(),
                 .b = rows + piece.lo * pitch,
                 .b_rows = offsets.data(),
                 .c = to,
                 .c_row = to_pitch,
                 .accumulate = true});
  }

  // dq (queries, size) += dS (keys, queries)^T k (keys, size)
  void add_for_queries(const AttentionPiece& piece) const {
    const std::int64_t n = block_.sequence();
    const std::int64_t h = block_.head();
    gemm(Gemm<T>{.m = block_.queries_of(piece),
                 .n = plan_.s.size,
                 .k = piece.rows,
                 .a = block_.part(plan_.area.dp) + piece.lo,
                 .a_rows = plan_.unit.data(),
                 .a_columns = plan_.lane_rows.data(),
                 .b = at_.in<T>(plan_.in.key) + plan_.key_at(n, piece.key, h),
                 .b_rows = plan_.key_rows.data(),
                 .c = at_.out<T>(0) + plan_.query_at(n, block_.first() + piece.lo, h),
                 .c_row = plan_.s.heads * plan_.s.size,
                 .accumulate = true});
  }

  const AttentionPlan& plan_;
  const KernelArguments& at_;
  QueryBlock<T> block_;
};

// Calls body(worker, task) for each task, shared out to threads.
template <class T, class F>
void for_each_task(const AttentionPlan& plan, const KernelArguments& at, std::int64_t tasks, const F& body) {
  parallel_for(
      tasks, plan.grain(tasks),
      [&](std::int64_t begin, std::int64_t end, std::int64_t thread) {
        Backward<T> worker(plan, at, thread);
        for (std::int64_t task = begin; task < end; ++task) body(worker, task);
      },
      plan.threads);
}

template <class T>
void run_backward(const AttentionPlan& plan, const KernelArguments& at) {
  const AttentionSizes& s = plan.s;
  const bool mask = (plan.a.wanted & wants_mask) != 0;
  const std::int64_t key_heads = s.batch * s.kv_heads;
  if (!mask && key_heads >= plan.threads) {
    for_each_task<T>(plan, at, key_heads, [&](Backward<T>& worker, std::int64_t task) {
      worker.everything(task / s.kv_heads, task % s.kv_heads);
    });
    return;
  }
  // Too few heads for the threads: by keys and by queries, which computes the scores twice.
  const std::int64_t tiles = plan.tiles();
  for_each_task<T>(plan, at, key_heads * tiles, [&](Backward<T>& worker, std::int64_t task) {
    const std::int64_t head = task / tiles;
    const std::int64_t begin = from_both_ends(task % tiles, tiles) * attention_keys;
    worker.keys_and_values(head / s.kv_heads, head % s.kv_heads, begin, std::min(begin + attention_keys, s.keys));
  });
  // The cotangent of a mask that the batch shares is added up by one thread for all sequences.
  const std::int64_t blocks = plan.blocks();
  const std::int64_t together = mask ? s.batch : 1;
  for_each_task<T>(plan, at, s.batch / together * s.heads * blocks, [&](Backward<T>& worker, std::int64_t task) {
    const std::int64_t head = task / blocks;
    const std::int64_t i = from_both_ends(task % blocks, blocks) * attention_lanes;
    for (std::int64_t n = 0; n < together; ++n) worker.queries(head / s.heads + n, head % s.heads, i);
  });
}

template <class T>
Kernel backward(const AttentionPlan& made) {
  return {.run = [shared = std::make_shared<const AttentionPlan>(made)](
                     const KernelArguments& at) { run_backward<T>(*shared, at); },
          .scratch_bytes = static_cast<std::size_t>(made.threads * made.area.numbers) * sizeof(T),
          .flops = 5 * made.products()};
}

Kernel make_attention(const KernelRequest& request) {
  const AttentionPlan plan(request, false);
  if (request.results[0].dtype == DType::f32) return forward<float>(plan);
  if (request.results[0].dtype == DType::f64) return forward<double>(plan);
  return {};
}

// Cotangents of numbers that are fixed as a rule, and of masks that are broadcast over more than the batch, are left to
// the composition.
bool supports(const AttentionPlan& plan, const KernelRequest& request) {
  if ((plan.a.wanted & ~wants_mask) != 0) return false;
  if (plan.a.wanted == 0) return true;
  const Shape& mask = request.inputs[static_cast<std::size_t>(plan.in.mask)].shape;
  return mask[1] == plan.s.heads && mask[2] == plan.s.queries && mask[3] == plan.s.keys;
}

Kernel make_attention_gradient(const KernelRequest& request) {
  const AttentionPlan plan(request, true);
  if (!supports(plan, request)) return {};
  if (request.results[0].dtype == DType::f32) return backward<float>(plan);
  if (request.results[0].dtype == DType::f64) return backward<double>(plan);
  return {};
}

const DefineKernel attention(cpu_backend(), "attention", make_attention);
const DefineKernel attention_gradient(cpu_backend(), "attention_gradient", make_attention_gradient);

}  // namespace
}  // namespace narae::cpu
