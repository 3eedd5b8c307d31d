// Artifacts that are whole, but not what their backbone needs: refused in one line wherever a model
// is made of them, or served within their bounds.
#include <functional>

#include <gtest/gtest.h>

#include "host/serve/decoded_top_k.hpp"
#include "host/serve/recommender.hpp"
#include "models/scorers/scorer.hpp"
#include "tests/serve/served_model.hpp"

namespace mgqe {
namespace {

using testing::ScratchFolder;

struct Change {
  std::string name;
  std::function<void(PackedModel&)> apply;
  bool refused;  // whatever the backbone; else it may serve what is left
};

std::vector<Change> changes_of(const PackedModel& model) {
  std::vector<Change> changes;
  for (const auto& [name, table] : model.tables) {
    changes.push_back({"no table " + name, [=](PackedModel& m) { m.tables.erase(name); }, true});
    const auto replaced = [&](const char* how, int64_t rows, int64_t dim, bool refused) {
      changes.push_back({how + name,
                         [=](PackedModel& m) { m.tables[name] = testing::full_table(rows, dim); },
                         refused});
    };
    replaced("wider table ", table.rows, 2 * table.dim, true);
    replaced("narrower table ", table.rows, table.dim / 2, true);
    replaced("longer table ", table.rows + 1, table.dim, false);
  }
  for (const auto& [name, array] : model.dense) {
    changes.push_back({"no array " + name, [=](PackedModel& m) { m.dense.erase(name); }, true});
    const auto replaced = [&](const char* how, int64_t more, bool refused) {
      std::vector<int64_t> shape = array.shape;
      shape[0] += more;
      int64_t count = 1;
      for (const int64_t extent : shape) count *= extent;
      const HostArray other(testing::some_floats(count, 7), shape);
      changes.push_back({how + name, [=](PackedModel& m) { m.dense[name] = other; }, refused});
    };
    replaced("longer array ", 1, array.shape.size() == 1);
    if (array.shape[0] > 1) replaced("shorter array ", -1, array.shape.size() == 1);
    replaced("empty array ", -array.shape[0], true);
    const HostArray bytes(std::vector<uint8_t>(static_cast<size_t>(array.size())), array.shape);
    changes.push_back(
        {"bytes in array " + name, [=](PackedModel& m) { m.dense[name] = bytes; }, true});
  }
  return changes;
}

/// Whether it ends with an InputError; with any other exception the test fails.
bool is_refused(const std::string& what, const std::function<void()>& action) {
  try {
    action();
    return false;
  } catch (const InputError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << what;
  } catch (const std::exception& error) {
    ADD_FAILURE() << what << ": " << error.what();
  }
  return true;
}

/// Asks the artifact at a path whatever its kind of model answers.
void ask(const std::filesystem::path& path, TaskKind task) {
  const Recommender recommender(ArtifactView::open(path));
  TopKBuffers list(1, 10);
  const std::vector<int32_t> some = {1, 2, 3};
  if (task == TaskKind::kRelevance)
    return recommender.similar({some.data(), 1}, Likeness::kModel, {.k = 10}, list.result());
  const Question question{1, some};
  recommender.recommend({&question, 1}, {.top = {.k = 10}}, list.result());
  std::vector<float> scores(static_cast<size_t>(recommender.items()));
  recommender.score_all(question, {scores.data(), recommender.items()});
}

class Misfits : public ::testing::TestWithParam<std::pair<const char*, TaskKind>> {};

TEST_P(Misfits, AreRefusedOrServedWithinTheirBounds) {
  const auto [backbone, task] = GetParam();
  const Config config = testing::served_config(backbone, "mgqe", task);
  const PackedModel model = testing::served_model(config);
  const ScratchFolder folder;
  const auto backend = make_backend("cpu");
  for (const Change& change : changes_of(model)) {
    PackedModel changed = model;
    change.apply(changed);
    const bool device = is_refused(change.name + ", on a device", [&] {
      if (task == TaskKind::kRelevance)
        make_pair_scorer(*backend, changed);
      else
        make_ranker(*backend, changed);
    });
    EXPECT_TRUE(device || !change.refused) << change.name << ", on a device";
    try {
      testing::write_served(folder / "a", config, changed);
    } catch (const Error&) {
      continue;  // whoever writes files is told of it
    }
    const bool served = is_refused(change.name + ", served", [&] { ask(folder / "a", task); });
    EXPECT_TRUE(served || !change.refused) << change.name << ", served";
  }
}

TEST(MisfitBackbones, ScoreWhatTheyWereTrainedForAlone) {
  const auto backend = make_backend("cpu");
  PackedModel model;
  model.backbone = "dcn";
  EXPECT_CONTAINS(testing::refusal([&] { make_ranker(*backend, model); }),
                  "a dcn artifact scores rows of many fields, and ranks nothing");
  model.backbone = "sasrec";
  EXPECT_CONTAINS(testing::refusal([&] { make_pair_scorer(*backend, model); }),
                  "a sasrec artifact cannot score pairs of items");
}

INSTANTIATE_TEST_SUITE_P(Backbones, Misfits,
                         ::testing::Values(std::pair("gmf", TaskKind::kRanking),
                                           std::pair("neumf", TaskKind::kRanking),
                                           std::pair("sasrec", TaskKind::kRanking),
                                           std::pair("gmf", TaskKind::kRelevance),
                                           std::pair("neumf", TaskKind::kRelevance)));

}  // namespace
}  // namespace mgqe
