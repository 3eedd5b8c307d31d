// From scored pairs as they come to a RelevanceDataset.
#pragma once

#include <string>
#include <vector>

#include "host/data/relevance/relevance.hpp"
#include "host/io/bytes.hpp"

namespace mgqe {

/// Scored pairs in file order. Items are ranks by original id, so that a tie broken by item is one
/// broken by original id.
struct RelevanceSource {
  ScoredPairs pairs;
  DataIds item_ids;              // (items) ascending
  std::vector<float> noiseless;  // (P) the scores before noise, or empty: not known
  std::string reading;           // how the file was understood, in one line; empty: there was none
};

/// "item item score" a line, separated by tabs, commas or spaces, plain or gzip; ids integers or
/// strings, scores finite numbers. "#" lines and one header line may come first. Refused: an item
/// with itself, an unordered pair twice, fewer than kMinScoredPairs pairs.
RelevanceSource read_relevance_file(const Bytes& file);

/// Generated data; relevance_synthetic.cpp explains the model.
RelevanceSource generate_relevance(const DataConfig& config);

/// Splits, ranks and fingerprints.
RelevanceDataset arrange_relevance(const std::string& name, RelevanceSource source,
                                   Backend& backend);

}  // namespace mgqe
