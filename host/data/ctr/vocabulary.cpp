#include "host/data/ctr/vocabulary.hpp"

#include <algorithm>
#include <numeric>

#include "host/base/check.hpp"

namespace mgqe {

FieldVocabulary rank_texts(const ByteTable& texts, const std::vector<int64_t>& counts,
                           int64_t min_count) {
  MGQE_CHECK(static_cast<int64_t>(counts.size()) == texts.size(), counts.size(), " counts of ",
             texts.size(), " texts");
  min_count = std::max<int64_t>(min_count, 1);  // what training never has can have no row
  std::vector<uint32_t> kept;
  int64_t rare = 0;
  for (uint32_t number = 0; number < counts.size(); ++number) {
    if (counts[number] >= min_count)
      kept.push_back(number);
    else
      rare += counts[number];
  }
  std::sort(kept.begin(), kept.end(), [&](uint32_t a, uint32_t b) {
    return counts[a] != counts[b] ? counts[a] > counts[b] : texts.key(a) < texts.key(b);
  });
  const auto place = std::partition_point(kept.begin(), kept.end(),
                                          [&](uint32_t number) { return counts[number] >= rare; });
  FieldVocabulary vocabulary;
  vocabulary.rows = static_cast<int64_t>(kept.size()) + 1;
  vocabulary.oov = place - kept.begin();
  vocabulary.ids.assign(counts.size(), static_cast<int32_t>(vocabulary.oov));
  for (const uint32_t number : kept) {
    if (static_cast<int64_t>(vocabulary.counts.size()) == vocabulary.oov)
      vocabulary.counts.push_back(rare);
    vocabulary.ids[number] = static_cast<int32_t>(vocabulary.counts.size());
    vocabulary.counts.push_back(counts[number]);
  }
  if (static_cast<int64_t>(vocabulary.counts.size()) == vocabulary.oov)
    vocabulary.counts.push_back(rare);
  return vocabulary;
}

FieldVocabulary rank_cells(const std::vector<int64_t>& counts) {
  std::vector<uint32_t> order(counts.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return counts[a] > counts[b]; });
  FieldVocabulary vocabulary;
  vocabulary.rows = static_cast<int64_t>(counts.size());
  vocabulary.ids.resize(counts.size());
  for (const uint32_t number : order) {
    vocabulary.ids[number] = static_cast<int32_t>(vocabulary.counts.size());
    vocabulary.counts.push_back(counts[number]);
  }
  return vocabulary;
}

}  // namespace mgqe
