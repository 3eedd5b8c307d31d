#include "models/placement.hpp"

namespace mgqe {

int64_t table_bytes(const Config& config, int64_t rows, int64_t dim) {
  const std::string& optimizer = config.train.optimizer;
  const int64_t row_floats = optimizer == "sgd"               ? dim
                             : optimizer == "rowwise_adagrad" ? dim + 1
                                                              : 3 * dim;
  return rows * row_floats * static_cast<int64_t>(sizeof(float));
}

bool deals_rows(const Communicator& ranks, const Config& config, int64_t rows) {
  // The buckets of hashed tables are few, and every rank hashes for itself.
  if (ranks.alone() || config.run.shard == "none" || config.embedding.scheme == "hashed")
    return false;
  const bool large = table_bytes(config, rows, config.embedding.dim) > kWholeBytes;
  if (config.run.shard == "auto" && !large) return false;
  if (rows < ranks.size())
    input_error("--shard rows: a table of ", rows, " rows cannot be dealt to ", ranks.size(),
                " ranks: use fewer ranks or --shard none");
  return true;
}

std::string describe_placement(const Communicator& ranks, const Config& config,
                               const Catalogue& catalogue) {
  const auto side = [&](const char* name, int64_t rows) {
    return std::string(name) +
           (deals_rows(ranks, config, rows) ? " rows dealt" : " rows on every rank");
  };
  const bool has_users = catalogue.users > 0 && config.model.name != "sasrec";
  return (has_users ? side("user", catalogue.users) + ", " : std::string()) +
         side("item", catalogue.items);
}

}  // namespace mgqe
