#include "experiments/bench/op_case.hpp"

namespace mgqe::bench {

std::string shape_text(const nlohmann::ordered_json& shape) {
  std::string text;
  for (const auto& [key, value] : shape.items()) {
    const std::string shown = value.is_string() ? value.get<std::string>() : value.dump();
    text += (text.empty() ? "" : " ") + key + "=" + shown;
  }
  return text;
}

std::string OpCase::label() const { return op + " " + shape_text(shape); }

std::vector<OpCase> op_cases(const Sizes& sizes) {
  std::vector<OpCase> cases;
  add_assign_cases(sizes, cases);
  add_table_cases(sizes, cases);
  add_layer_cases(sizes, cases);
  add_feature_cases(sizes, cases);
  return cases;
}

}  // namespace mgqe::bench
