#include "experiments/report/step_pairs.hpp"

#include <fstream>

#include <nlohmann/json.hpp>

#include "host/base/check.hpp"

namespace mgqe {

std::vector<StepPair> read_step_pairs(const std::filesystem::path& file) {
  std::ifstream stream(file);
  if (!stream) return {};
  std::vector<StepPair> pairs;
  try {
    for (const auto& record : nlohmann::json::parse(stream)) {
      StepPair pair{record.at("data"), record.at("model"), record.at("device_description"), {}};
      uint64_t round = 0;
      for (const auto& ratio : record.at("ratio_by_round")) pair.ratios[++round] = ratio;
      pairs.push_back(std::move(pair));
    }
  } catch (const nlohmann::json::exception& error) {
    input_error(file.string(), ": no comparison of steps: ", error.what());
  }
  return pairs;
}

}  // namespace mgqe
