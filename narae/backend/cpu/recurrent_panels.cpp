#include "narae/backend/cpu/recurrent_panels.h"

#include "narae/backend/cpu/transpose2d.h"

namespace narae::cpu {

template <class T>
void Panels<T>::pack(const T* w, T* packed) const {
  const std::int64_t columns = this->columns();
  parallel_for(count(), 1 + 32768 / (s_.k * columns), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t panel = begin; panel < end; ++panel) {
      T* to = packed + panel * s_.k * columns;
      const std::int64_t units = units_of(panel);
      if (units < s_.width) std::memset(to, 0, static_cast<std::size_t>(s_.k * columns) * sizeof(T));
      if (s_.transposed) {
        for (std::int64_t gate = 0; gate < s_.gates; ++gate) {
          const T* rows = w + (gate * s_.units + first_unit(panel)) * s_.k;
          transpose2d(units, s_.k, rows, s_.k, to + gate * s_.width, columns);
        }
        continue;
      }
      for (std::int64_t row = 0; row < s_.k; ++row)
        std::copy_n(w + row * s_.units + first_unit(panel), units, to + row * columns);
    }
  });
}

template class Panels<float>;
template class Panels<double>;

RecurrentSchedule::RecurrentSchedule(std::int64_t batch, std::int64_t steps, double step_flops,
                                     std::size_t weight_bytes)
    : batch(batch), threads(thread_count()) {
  // Weights of this size stay in the cache of a core. A single sequence can't be shared out; its units can, as soon as
  // a step is worth a meeting.
  constexpr std::size_t cached = 768 * 1024;
  by_sequence = weight_bytes <= cached;
  const double of_sequence = step_flops / static_cast<double>(batch) * static_cast<double>(steps);
  sequence_grain = static_cast<std::int64_t>(1 + 5e5 / of_sequence);
}

}  // namespace narae::cpu
