// `mgqe derive-relevance`: a file of "item item score" out of interactions.
#pragma once

#include <cstdint>
#include <string>

#include <CLI/CLI.hpp>

#include "host/config/config.hpp"
#include "host/data/dataset.hpp"
#include "host/data/relevance/derive_relevance.hpp"

namespace mgqe {

/// An item's original id as a field of the file; InputError where it cannot stand in one.
std::string relevance_field(const DataIds& ids, int32_t item);

/// The recipe in a comment, then a line a pair, ids as the interactions wrote them.
std::string relevance_text(const Dataset& dataset, const ScoredPairs& pairs, uint64_t seed);

class DeriveRelevanceCommand {
 public:
  explicit DeriveRelevanceCommand(CLI::App& app);

  bool given() const { return command_->parsed(); }
  void run() const;

 private:
  static constexpr int64_t kMaxPairs = 200'000'000;

  CLI::App* command_;
  DataConfig data_;
  std::string out_;
  int64_t pairs_ = 1'000'000;
  uint64_t seed_ = 1;
};

}  // namespace mgqe
