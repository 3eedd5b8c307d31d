// The file of users' histories beside an artifact.
#include "host/serve/histories.hpp"

#include <algorithm>

#include "tests/fuzz/formats/small_models.hpp"
#include "tests/fuzz/fuzz_target.hpp"

namespace mgqe::fuzzing {
namespace {

void read(Input input) {
  const HistoriesView view = HistoriesView::open(aligned_bytes(input, "histories.safetensors"));
  const bool good = !refused([&] { view.verify(); });
  for (int64_t user = 0; user < view.users(); ++user) {
    const bool refusal = refused([&] {
      for (const int32_t item : view.of(user))
        FUZZ_EXPECT(!good || (item >= 0 && item < view.item_rows()), item);
    });
    FUZZ_EXPECT(!good || !refusal, "user ", user);
  }
  FUZZ_EXPECT(refused([&] { view.of(view.users()); }) && refused([&] { view.of(-1); }));
  if (view.user_ids() == nullptr) return;
  for (int64_t user = 0; user < std::min<int64_t>(view.users(), 5); ++user)
    refused([&] {
      const int64_t row = view.user_ids()->row_of(view.user_ids()->text_of(user));
      FUZZ_EXPECT(row < view.users() && (!good || row == user), row);
    });
}

std::vector<std::string> seeds() {
  const std::string path = scratch_path("seed.histories");
  const std::vector<int64_t> offsets = {0, 2, 2, 5};
  const std::vector<int32_t> items = {3, 1, 0, 3, 3};
  std::vector<std::string> seeds;
  const auto add = [&](const OriginalIds* ids) {
    write_histories(path, offsets, items, 4, 77, ids);
    seeds.push_back(bytes_of(path));
    seeds.push_back(unchecked(seeds.back()));
  };
  const OriginalIds texts = {{}, {"b", "a", ""}}, integers = {{5, -1, 9}, {}};
  add(nullptr);
  add(&texts);
  add(&integers);
  return seeds;
}

const RegisteredTarget kTarget({"histories", read, seeds});

}  // namespace
}  // namespace mgqe::fuzzing
