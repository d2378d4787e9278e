#include "narae/train/weights.h"

#include <fmt/format.h>

#include <string_view>

#include "narae/core/error.h"
#include "narae/core/random.h"
#include "narae/io/safetensors.h"

namespace narae {
namespace {

// FNV-1a, continued.
std::uint64_t hash_on(std::uint64_t hash, std::string_view bytes) {
  for (const char c : bytes) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ULL;
  return hash;
}

// The file can be read, but its tensors are not the model's.
struct Misfit : Error {
  using Error::Error;
};

void load(const std::filesystem::path& path, const nn::Module& model, const std::vector<std::string>& fresh) {
  TensorFile file = read_safetensors(path);
  nn::StateDict state;
  for (const std::string& name : file.order) state.emplace_back(name, std::move(file.tensors.at(name)));
  try {
    model.load_state_dict(state, {.except = fresh});
  } catch (const UsageError&) {
    throw;
  } catch (const Error& e) {
    throw Misfit(path.string() + ": " + e.what());
  }
}

}  // namespace

void save_weights(const std::filesystem::path& path, const nn::Module& model) {
  write_safetensors(path, model.state_dict(), {{"format", "pt"}});
}

void load_weights(const std::filesystem::path& path, const nn::Module& model) {
  load(path, model, {});
}

void load_weights(const std::filesystem::path& path, const nn::Module& model, const std::vector<std::string>& fresh) {
  try {
    load(path, model, fresh);
  } catch (const UsageError& e) {
    throw UsageError(std::string("--fresh (train.fresh): ") + e.what());
  } catch (const Misfit& e) {
    throw Error(std::string(e.what()) +
                "\nWhat is to start afresh, a head for other classes say, is named with --fresh (train.fresh)");
  }
}

std::string weights_hash(const nn::Module& model) {
  std::uint64_t hash = hash_of("");
  for (const auto& [name, array] : model.state_dict()) {
    hash = hash_on(hash, fmt::format("{} {} {}\n", name, name_of(array.dtype), to_string(array.shape)));
    hash = hash_on(hash, {reinterpret_cast<const char*>(array.buffer.data()), array.bytes()});
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace narae
