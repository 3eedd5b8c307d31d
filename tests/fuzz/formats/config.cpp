// Configurations as JSON: --config, and what artifacts and checkpoints carry. What is taken must
// come back from its own JSON as it was.
#include "host/config/config.hpp"

#include <nlohmann/json.hpp>

#include "host/config/read_json.hpp"
#include "tests/fuzz/fuzz_target.hpp"

namespace mgqe::fuzzing {
namespace {

void read(Input input) {
  const nlohmann::json json =
      read_json({reinterpret_cast<const char*>(input.data()), input.size()}, "config.json");
  Config config;
  update_from_json(config, json, "config.json");
  const nlohmann::json written = to_json(config);
  Config again;
  update_from_json(again, written, "again");
  FUZZ_EXPECT(to_json(again) == written && differences(config, again, {}).empty());
  resolve(config);
  validate(config);
  FUZZ_EXPECT(!scheme_label(config.embedding).empty());
  for (const Entity entity : {Entity::kUser, Entity::kItem}) side_config(config.embedding, entity);
  options_beyond_paper(config.embedding);
}

std::vector<std::string> seeds() {
  return {
      to_json(Config{}).dump(),
      R"({"embedding":{"scheme":"mgqe","dim":8,"subspaces":[2],"centroids":[4,2],"tiers":[0.5],)"
      R"("user_centroids":[3]},"model":{"name":"sasrec","heads":2},"train":{"lr":1e-2}})",
      R"({"embedding":{"scheme":"mgqe","variant":"private_d","subspaces":[4,2]}})",
      R"({"embedding":{"scheme":"dpq_sx","codebook_type":"f16"},"run":{"seed":18446744073709551615}})",
      R"({"data":{"name":7}})"};
}

const RegisteredTarget kTarget({"config", read, seeds});

}  // namespace
}  // namespace mgqe::fuzzing
