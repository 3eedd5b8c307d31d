#include "host/config/choices.hpp"

#include <vector>

#include <nlohmann/json.hpp>

namespace mgqe {
namespace {

constexpr OptimizerTraits kOptimizers[] = {
    {Optimizer::kSparseAdam, 0, 2, 2, false, false},
    {Optimizer::kAdam, 0, 3, 2, true, false},
    {Optimizer::kRowwiseAdagrad, 1, 0, 2, false, true},
    {Optimizer::kSgd, 0, 0, 0, false, true},
};
static_assert(std::size(kOptimizers) == Choices<Optimizer>::names.size());

}  // namespace

std::string alternatives(std::span<const char* const> names) {
  std::string text;
  size_t left = names.size();
  for (const char* name : names)
    text += std::string(name) + (--left == 0 ? "" : left == 1 ? " or " : ", ");
  return text;
}

int position_of(const char* flag, const std::string& name, std::span<const char* const> names) {
  for (size_t i = 0; i < names.size(); ++i)
    if (name == names[i]) return static_cast<int>(i);
  input_error(flag, " ", name, " is unknown: choose ", alternatives(names));
}

void set_text(nlohmann::json& json, const char* text) { json = text; }

const OptimizerTraits& traits_of(Optimizer optimizer) {
  return kOptimizers[static_cast<size_t>(optimizer)];
}

std::string bfloat16_optimizers() {
  std::vector<const char*> able;
  for (const OptimizerTraits& traits : kOptimizers)
    if (traits.bfloat16_rows) able.push_back(name_of(traits.id));
  return alternatives(able);
}

}  // namespace mgqe
