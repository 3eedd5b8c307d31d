#include "experiments/serving/known_histories.hpp"

#include <vector>

#include "host/base/check.hpp"
#include "host/config/choices.hpp"
#include "host/engine/backend.hpp"
#include "host/io/artifact_description.hpp"

namespace mgqe {

struct KnownHistories::Loaded {
  std::vector<int64_t> offsets;  // (users + 1)
  std::vector<int32_t> items;
  int64_t item_rows = 0;
  uint64_t fingerprint = 0;
  OriginalIds ids;
  std::optional<StoredIds> stored;
  std::optional<IdMap> map;
};

Until parse_until(const std::string& name) {
  if (name == "validation") return Until::kValidation;
  if (name == "test") return Until::kTest;
  if (name == "end") return Until::kEnd;
  input_error("--until ", name, " is unknown: choose validation, test or end");
}

KnownHistories KnownHistories::open(const std::string& path, const ArtifactView& artifact,
                                    OpenOptions options) {
  KnownHistories histories;
  histories.view_ = HistoriesView::open(path, options);
  const HistoriesView& view = *histories.view_;
  if (view.data_fingerprint() != artifact.data_fingerprint())
    input_error(path, ": histories of other data than ", artifact.name(),
                " was trained on; write them anew with `mgqe histories`");
  for (const std::string& name : artifact.table_names()) {
    const int64_t rows = artifact.table(name).rows();
    const bool items = entity_of(name) == "item";
    if (rows != (items ? view.item_rows() : view.users()))
      input_error(path, ": histories of ", view.users(), " users and ", view.item_rows(),
                  " items, where table ", name, " of ", artifact.name(), " has ", rows, " rows");
  }
  return histories;
}

KnownHistories KnownHistories::load(const ArtifactView& artifact, const nlohmann::json& given,
                                    Until until) {
  if (artifact.task() != name_of(TaskKind::kRanking))
    input_error(artifact.name(), " is of the task ", artifact.task(), ": it has no users");
  if (const std::string defect = untrained_defect(artifact.task(), artifact.config());
      !defect.empty())
    input_error(artifact.name(), ": what its users had is not known: ", defect);
  Config config;
  update_from_json(config, artifact.config(), artifact.name());
  update_from_json(config, given, "command line");
  const std::unique_ptr<Backend> backend = make_backend("cpu");
  const Dataset dataset = load_dataset(config.data, *backend);
  if (dataset.fingerprint != artifact.data_fingerprint())
    input_error(artifact.name(), ": was trained on other data than --data ", config.data.name,
                " gives here: its ids would not match; name the data it was trained on");

  auto loaded = std::make_shared<Loaded>();
  loaded->item_rows = dataset.items;
  loaded->fingerprint = dataset.fingerprint;
  loaded->offsets.push_back(0);
  std::vector<int32_t>& items = loaded->items;
  for (int64_t user = 0; user < dataset.users; ++user) {
    items.insert(items.end(), dataset.sequence_items.begin() + dataset.sequence_offsets[user],
                 dataset.sequence_items.begin() + dataset.sequence_offsets[user + 1]);
    const int32_t valid = dataset.valid_item[user], test = dataset.test_item[user];
    if (until != Until::kValidation && valid >= 0) items.push_back(valid);
    if (until == Until::kEnd && test >= 0) items.push_back(test);
    loaded->offsets.push_back(static_cast<int64_t>(items.size()));
  }
  loaded->ids = {dataset.user_ids.integers, dataset.user_ids.strings};
  loaded->stored.emplace(loaded->ids);
  loaded->map.emplace(loaded->stored->column(), dataset.name + ": ids of users");
  KnownHistories histories;
  histories.loaded_ = std::move(loaded);
  return histories;
}

int64_t KnownHistories::users() const {
  return view_ ? view_->users() : static_cast<int64_t>(loaded_->offsets.size()) - 1;
}

std::span<const int32_t> KnownHistories::of(int64_t user_row) const {
  if (view_) return view_->of(user_row);
  if (user_row < 0 || user_row >= users())
    input_error("there is no user row ", user_row, " among 0 to ", users() - 1);
  const auto user = static_cast<size_t>(user_row);
  const auto begin = static_cast<size_t>(loaded_->offsets[user]);
  return std::span(loaded_->items)
      .subspan(begin, static_cast<size_t>(loaded_->offsets[user + 1]) - begin);
}

const IdMap* KnownHistories::user_ids() const { return view_ ? view_->user_ids() : &*loaded_->map; }

void KnownHistories::write(const std::string& path) const {
  MGQE_CHECK(loaded_ != nullptr, "histories that were read from a file");
  write_histories(path, loaded_->offsets, loaded_->items, loaded_->item_rows, loaded_->fingerprint,
                  &loaded_->ids);
}

}  // namespace mgqe
