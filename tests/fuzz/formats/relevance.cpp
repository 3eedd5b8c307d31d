// Scored item pairs: what `--task relevance --data FILE` names.
#include <cmath>

#include <fmt/format.h>

#include "host/data/relevance/relevance_source.hpp"
#include "tests/fuzz/fuzz_target.hpp"

namespace mgqe::fuzzing {
namespace {

void read(Input input) {
  const RelevanceSource source = read_relevance_file(aligned_bytes(input, "pairs.tsv"));
  FUZZ_EXPECT(source.pairs.size() >= kMinScoredPairs, source.pairs.size());
  for (int64_t i = 0; i < source.pairs.size(); ++i) {
    const int32_t left = source.pairs.left[static_cast<size_t>(i)],
                  right = source.pairs.right[static_cast<size_t>(i)];
    FUZZ_EXPECT(left >= 0 && right >= 0 && left < source.item_ids.size() &&
                right < source.item_ids.size() && left != right);
    FUZZ_EXPECT(std::isfinite(source.pairs.score[static_cast<size_t>(i)]));
  }
}

std::vector<std::string> seeds() {
  // The fewest pairs that are taken: those of 15 items.
  std::string integers = "# 15 items\nitem_a\titem_b\tscore\n", texts;
  for (int a = 0; a < 15; ++a)
    for (int b = 0; b < a; ++b) {
      integers += fmt::format("{}\t{}\t{}\n", a, b, a - b);
      texts += fmt::format("i{},i{},{}e-1\n", a, b, a);
    }
  return {integers, texts, "1 2 0.5\n2 1 3\n", "a,a,1\n", "1\t2\tinf\n"};
}

const RegisteredTarget kTarget({"relevance", read, seeds});

}  // namespace
}  // namespace mgqe::fuzzing
