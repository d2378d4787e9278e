#include "narae/backend/cpu/onednn.h"

#include <omp.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include "narae/core/error.h"
#include "narae/core/threads.h"

namespace narae::cpu::onednn {

const dnnl::engine& engine() {
  static const auto* instance = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *instance;
}

dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

dnnl::memory::desc plain(const dnnl::memory::dims& dims) {
  dnnl::memory::dims strides(dims.size());
  dnnl::memory::dim stride = 1;
  for (std::size_t i = dims.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= dims[i];
  }
  return {dims, dnnl::memory::data_type::f32, strides};
}

ThreadLimit::ThreadLimit(int threads) : before_(omp_get_max_threads()), dynamic_(omp_get_dynamic() != 0) {
  if (threads != before_) omp_set_num_threads(threads);
  if (dynamic_) omp_set_dynamic(0);
}

ThreadLimit::~ThreadLimit() {
  if (omp_get_max_threads() != before_) omp_set_num_threads(before_);
  if (dynamic_) omp_set_dynamic(1);
}

int threads_for(double flops) {
  // 2e6 take one thread about 20 us, waking another takes 3..7 us.
  return flops < 2e6 ? 1 : std::min(thread_count(), omp_get_thread_limit());
}

namespace {

struct Value {
  enum class Place { input, result, scratch } place;
  int number;
  std::size_t offset;  // of scratch
  dnnl::memory::desc desc;
};

struct Step {
  dnnl::primitive primitive;
  std::vector<std::pair<int, int>> arguments;
};

// Memory objects of one execution; they are reused by later ones, each by one thread at a time.
struct Binding {
  std::vector<dnnl::memory> memories;
  std::vector<std::vector<dnnl_exec_arg_t>> arguments;
  dnnl::stream stream;
};

}  // namespace

struct Sequence::Program {
  int threads = 1;
  std::vector<Value> values;
  std::vector<Step> steps;
  std::size_t scratch_bytes = 0;
  std::mutex mutex;
  std::vector<std::unique_ptr<Binding>> free;

  int add(Value value) {
    values.push_back(std::move(value));
    return static_cast<int>(values.size()) - 1;
  }

  [[nodiscard]] std::unique_ptr<Binding> bind() const {
    auto binding = std::make_unique<Binding>();
    binding->stream = dnnl::stream(engine());
    void* const unset = DNNL_MEMORY_NONE;
    for (const Value& v : values) binding->memories.emplace_back(v.desc, engine(), unset);
    for (const Step& step : steps) {
      auto& arguments = binding->arguments.emplace_back();
      for (const auto& [key, value] : step.arguments) {
        arguments.push_back({key, binding->memories[static_cast<std::size_t>(value)].get()});
      }
    }
    return binding;
  }

  std::unique_ptr<Binding> take() {
    {
      const std::lock_guard lock(mutex);
      if (!free.empty()) {
        auto binding = std::move(free.back());
        free.pop_back();
        return binding;
      }
    }
    return bind();
  }

  void run(const KernelArguments& at) {
    const ThreadLimit limit(threads);
    std::unique_ptr<Binding> binding = take();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const Value& v = values[i];
      void* data = at.scratch + v.offset;
      if (v.place == Value::Place::input) data = const_cast<std::byte*>(at.inputs[v.number]);
      if (v.place == Value::Place::result) data = at.results[v.number];
      binding->memories[i].set_data_handle(data);
    }
    for (std::size_t s = 0; s < steps.size(); ++s) {
      const auto& arguments = binding->arguments[s];
      const dnnl_status_t status = dnnl_primitive_execute(steps[s].primitive.get(), binding->stream.get(),
                                                          static_cast<int>(arguments.size()), arguments.data());
      if (status != dnnl_success) {
        throw Error("oneDNN: a primitive failed with status " + std::to_string(static_cast<int>(status)));
      }
    }
    const std::lock_guard lock(mutex);
    free.push_back(std::move(binding));
  }
};

Sequence::Sequence(int threads) : program_(std::make_shared<Program>()), limit_(threads) {
  program_->threads = threads;
}
Sequence::~Sequence() = default;

int Sequence::input(int i, const dnnl::memory::desc& desc) {
  return program_->add({Value::Place::input, i, 0, desc});
}

int Sequence::result(int k, const dnnl::memory::desc& desc) {
  return program_->add({Value::Place::result, k, 0, desc});
}

int Sequence::scratch(const dnnl::memory::desc& desc) {
  const std::size_t offset = program_->scratch_bytes;
  program_->scratch_bytes += (desc.get_size() + 63) / 64 * 64;
  return program_->add({Value::Place::scratch, 0, offset, desc});
}

void Sequence::run(const dnnl::primitive& primitive, const dnnl::memory::desc& scratchpad,
                   std::initializer_list<std::pair<int, int>> arguments) {
  Step step{primitive, arguments};
  if (scratchpad.get_size() != 0) step.arguments.emplace_back(DNNL_ARG_SCRATCHPAD, scratch(scratchpad));
  program_->steps.push_back(std::move(step));
}

void Sequence::convert(int from, int to) {
  const auto& values = program_->values;
  const dnnl::reorder::primitive_desc desc(engine(), values[static_cast<std::size_t>(from)].desc, engine(),
                                           values[static_cast<std::size_t>(to)].desc, attributes());
  run(dnnl::reorder(desc), desc.scratchpad_desc(), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
}

int Sequence::in_layout(int value, const dnnl::memory::desc& wanted) {
  const int result = or_scratch(value, wanted);
  if (result != value) convert(value, result);
  return result;
}

int Sequence::or_scratch(int value, const dnnl::memory::desc& given) {
  return program_->values[static_cast<std::size_t>(value)].desc == given ? value : scratch(given);
}

Kernel Sequence::kernel(double flops) const {
  return {.run = [program = program_](const KernelArguments& at) { program->run(at); },
          .scratch_bytes = program_->scratch_bytes,
          .flops = flops};
}

}  // namespace narae::cpu::onednn
