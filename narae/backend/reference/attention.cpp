#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "narae/backend/reference/floating.h"
#include "narae/core/random.h"
#include "narae/graph/attention_sight.h"

namespace narae {
namespace {

using Numbers = std::vector<double>;

// What one query of one head sees, all in doubles: scores, probabilities and the factors of dropout for each key.
template <class T>
class Row {
 public:
  Row(const KernelRequest& request, const KernelArguments& at, std::int64_t n, std::int64_t h, std::int64_t i)
      : a_(attributes_as<AttentionAttributes>(request.attributes)),
        in_(a_),
        at_(at),
        s_(request.inputs[0].shape, request.inputs[1].shape, request.inputs[2].shape),
        n_(n),
        h_(h),
        i_(i),
        sight_(at, in_, a_, s_, n) {
    if (in_.mask >= 0) {
      mask_ = request.inputs[static_cast<std::size_t>(in_.mask)];
    }
    products_.resize(static_cast<std::size_t>(s_.keys));
    for (std::int64_t j = 0; j < s_.keys; ++j) products_[index(j)] = dot(query(), key(j), s_.size);
    find_probabilities();
    find_factors();
  }

  [[nodiscard]] const T* query() const { return at_.in<T>(in_.query) + query_row() * s_.size; }
  [[nodiscard]] const T* key(std::int64_t j) const { return at_.in<T>(in_.key) + key_row(j) * s_.size; }
  [[nodiscard]] const T* value(std::int64_t j) const { return at_.in<T>(in_.value) + key_row(j) * s_.value_size; }
  /// Rows of (batch, queries, heads, ...) and (batch, keys, kv_heads, ...).
  [[nodiscard]] std::int64_t query_row() const { return (n_ * s_.queries + i_) * s_.heads + h_; }
  [[nodiscard]] std::int64_t key_row(std::int64_t j) const {
    return (n_ * s_.keys + j) * s_.kv_heads + h_ / s_.group();
  }
  [[nodiscard]] double product(std::int64_t j) const { return products_[index(j)]; }
  [[nodiscard]] double probability(std::int64_t j) const { return probabilities_[index(j)]; }
  [[nodiscard]] double factor(std::int64_t j) const { return factors_[index(j)]; }
  [[nodiscard]] double distance(std::int64_t j) const { return static_cast<double>(std::abs(sight_.position(i_) - j)); }
  [[nodiscard]] double log_sum() const { return log_sum_; }
  [[nodiscard]] std::int64_t mask_place(std::int64_t j) const {
    const std::int64_t at[] = {n_, h_, i_, j};
    std::int64_t place = 0;
    for (int axis = 0; axis < 4; ++axis) place = place * mask_.shape[axis] + (mask_.shape[axis] == 1 ? 0 : at[axis]);
    return place;
  }
  static double dot(const T* a, const T* b, std::int64_t n) {
    double sum = 0;
    for (std::int64_t d = 0; d < n; ++d) sum += static_cast<double>(a[d]) * static_cast<double>(b[d]);
    return sum;
  }

 private:
  [[nodiscard]] static std::size_t index(std::int64_t j) { return static_cast<std::size_t>(j); }

  // The score of a key that may be seen; `masked_score` for the others.
  [[nodiscard]] double score(std::int64_t j) const {
    const KeyRange seen = sight_.of(i_);
    if (j < seen.begin || j >= seen.end) return masked_score;
    double result = products_[index(j)] * static_cast<double>(*at_.in<T>(in_.scale));
    if (in_.mask >= 0 && mask_.dtype == DType::boolean) {
      if (!at_.in<bool>(in_.mask)[mask_place(j)]) return masked_score;
    } else if (in_.mask >= 0) {
      const double bias = static_cast<double>(at_.in<T>(in_.mask)[mask_place(j)]);
      if (bias == -std::numeric_limits<double>::infinity()) return masked_score;
      result += bias;
    }
    if (in_.slopes >= 0) result -= static_cast<double>(at_.in<T>(in_.slopes)[h_]) * distance(j);
    return result;
  }

  void find_probabilities() {
    double highest = masked_score;
    for (std::int64_t j = 0; j < s_.keys; ++j) {
      probabilities_.push_back(score(j));
      highest = std::max(highest, probabilities_.back());
    }
    double sum = 0;
    for (double& p : probabilities_) sum += p = p == masked_score ? 0 : std::exp(p - highest);
    for (double& p : probabilities_) p = sum == 0 ? 0 : p / sum;
    log_sum_ = sum == 0 ? masked_score : highest + std::log(sum);
  }

  void find_factors() {
    factors_.assign(static_cast<std::size_t>(s_.keys), 1);
    if (in_.rate < 0) return;
    const T rate = *at_.in<T>(in_.rate);
    const auto seed = static_cast<std::uint64_t>(*at_.in<std::int64_t>(in_.seed));
    const auto counter = static_cast<std::uint64_t>(*at_.in<std::int64_t>(in_.counter));
    const std::int64_t first = ((n_ * s_.heads + h_) * s_.queries + i_) * s_.keys;
    for (std::int64_t j = 0; j < s_.keys; ++j) {
      const auto words = philox(seed, counter, static_cast<std::uint64_t>(first + j) >> 2);
      const T u = uniform_from(words[static_cast<std::size_t>((first + j) & 3)]);
      factors_[index(j)] = u >= rate ? 1 / (1 - static_cast<double>(rate)) : 0;
    }
  }

  AttentionAttributes a_;
  AttentionArguments in_;
  const KernelArguments& at_;
  AttentionSizes s_;
  std::int64_t n_, h_, i_;
  AttentionSight sight_;
  Signature mask_;
  Numbers products_, probabilities_, factors_;
  double log_sum_ = 0;
};

// What a kernel keeps of its request, which lives shorter than the kernel.
struct OwnRequest {
  std::vector<std::int64_t> words;
  std::vector<Signature> inputs;
  std::vector<Signature> results;

  explicit OwnRequest(const KernelRequest& r)
      : words(r.attributes.begin(), r.attributes.end()),
        inputs(r.inputs.begin(), r.inputs.end()),
        results(r.results.begin(), r.results.end()) {}
  [[nodiscard]] KernelRequest request() const { return {.attributes = words, .inputs = inputs, .results = results}; }
  [[nodiscard]] AttentionSizes sizes() const { return {inputs[0].shape, inputs[1].shape, inputs[2].shape}; }
};

// Calls f(row, its number among (batch, heads, queries)) for every query of every head.
template <class T, class F>
void for_each_row(const OwnRequest& own, const KernelArguments& at, const F& f) {
  const AttentionSizes s = own.sizes();
  std::int64_t number = 0;
  for (std::int64_t n = 0; n < s.batch; ++n)
    for (std::int64_t h = 0; h < s.heads; ++h)
      for (std::int64_t i = 0; i < s.queries; ++i) f(Row<T>(own.request(), at, n, h, i), h, number++);
}

// (query, key, value, scale, ...) -> (y, log-sum-exp)
Kernel make_attention(const KernelRequest& request) {
  return reference::for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [own = OwnRequest(request)](const KernelArguments& at) {
      const AttentionSizes s = own.sizes();
      for_each_row<T>(own, at, [&](const Row<T>& row, std::int64_t, std::int64_t number) {
        Numbers y(static_cast<std::size_t>(s.value_size));
        for (std::int64_t j = 0; j < s.keys; ++j) {
          const double weight = row.probability(j) * row.factor(j);
          if (weight == 0) continue;  // what may not be seen has no part in y, whatever it is
          for (std::size_t d = 0; d < y.size(); ++d) y[d] += weight * static_cast<double>(row.value(j)[d]);
        }
        T* to = at.out<T>(0) + row.query_row() * s.value_size;
        for (std::size_t d = 0; d < y.size(); ++d) to[d] = static_cast<T>(y[d]);
        at.out<T>(1)[number] = static_cast<T>(row.log_sum());
      });
    }};
  });
}

// (query, key, value, scale, ..., y, log-sum-exp, dy) -> (dquery, dkey, dvalue, dmask, dslopes, dscale, drate)
Kernel make_attention_gradient(const KernelRequest& request) {
  return reference::for_floating(request.results[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    return Kernel{.run = [own = OwnRequest(request)](const KernelArguments& at) {
      const AttentionSizes s = own.sizes();
      const auto a = attributes_as<AttentionAttributes>(own.words);
      const AttentionGradientArguments in(a);
      std::vector<Numbers> sums;
      for (const Signature& r : own.results) sums.emplace_back(static_cast<std::size_t>(r.shape.count()));
      const auto add = [&](int k, std::int64_t place, double x) {
        if (!sums[static_cast<std::size_t>(k)].empty())
          sums[static_cast<std::size_t>(k)][static_cast<std::size_t>(place)] += x;
      };
      const auto scale = static_cast<double>(*at.in<T>(in.scale));
      const double kept = in.rate < 0 ? 1 : 1 - static_cast<double>(*at.in<T>(in.rate));
      for_each_row<T>(own, at, [&](const Row<T>& row, std::int64_t h, std::int64_t) {
        const T* dy = at.in<T>(in.dy) + row.query_row() * s.value_size;
        Numbers dp(static_cast<std::size_t>(s.keys));
        double mean = 0;
        for (std::int64_t j = 0; j < s.keys; ++j) {
          const double weight = row.probability(j) * row.factor(j);
          if (weight == 0) continue;
          const double of_dropped = Row<T>::dot(dy, row.value(j), s.value_size);
          dp[static_cast<std::size_t>(j)] = of_dropped * row.factor(j);
          mean += weight * of_dropped;
          add(6, 0, weight * of_dropped / kept);
          for (std::int64_t d = 0; d < s.value_size; ++d)
            add(2, row.key_row(j) * s.value_size + d, weight * static_cast<double>(dy[d]));
        }
        for (std::int64_t j = 0; j < s.keys; ++j) {
          if (row.probability(j) == 0) continue;
          const double ds = row.probability(j) * (dp[static_cast<std::size_t>(j)] - mean);
          for (std::int64_t d = 0; d < s.size; ++d) {
            add(0, row.query_row() * s.size + d, scale * ds * static_cast<double>(row.key(j)[d]));
            add(1, row.key_row(j) * s.size + d, scale * ds * static_cast<double>(row.query()[d]));
          }
          if ((a.wanted & wants_mask) != 0) add(3, row.mask_place(j), ds);
          add(4, h, -ds * row.distance(j));
          add(5, 0, ds * row.product(j));
        }
      });
      for (std::size_t k = 0; k < sums.size(); ++k)
        for (std::size_t i = 0; i < sums[k].size(); ++i) at.out<T>(static_cast<int>(k))[i] = static_cast<T>(sums[k][i]);
    }};
  });
}

const DefineKernel attention(reference_backend(), "attention", make_attention);
const DefineKernel attention_gradient(reference_backend(), "attention_gradient", make_attention_gradient);

}  // namespace
}  // namespace narae
