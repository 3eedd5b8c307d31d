#include "models/scorers/item_scorer.hpp"

namespace mgqe {

void ItemScorer::score_all(const Question&, View<float>) {
  MGQE_CHECK(false, "scores are dot products of vectors()");
}

void ItemScorer::score(const Question&, std::span<const int32_t>, View<float>) {
  MGQE_CHECK(false, "scores are dot products of vectors()");
}

}  // namespace mgqe
