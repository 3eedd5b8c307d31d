#include "experiments/serving/http/live_models.hpp"

#include <sys/stat.h>

#include "host/io/console/logging.hpp"

namespace mgqe {

LiveModels::LiveModels(ServedFiles files, int threads)
    : files_(std::move(files)), threads_(threads), tried_(identify()), current_(open()) {}

LiveModels::Identity LiveModels::identify(const std::string& path) {
  struct stat status {};
  if (path.empty() || ::stat(path.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino, static_cast<uint64_t>(status.st_size),
          status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
}

LiveModels::Identities LiveModels::identify() const {
  return {identify(files_.artifact), identify(files_.histories), identify(files_.titles),
          identify(files_.full)};
}

Models LiveModels::open() const {
  const auto open_one = [&](const std::string& path) {
    // Read, not mapped: who shortens a mapped file in place ends the processes that look at it.
    const ArtifactView artifact = ArtifactView::open(path, {.map = false});
    artifact.verify();
    auto model = std::make_shared<ServedModel>(artifact);
    if (!files_.histories.empty()) {
      const KnownHistories histories =
          KnownHistories::open(files_.histories, artifact, {.map = false});
      histories.verify();
      model->set_histories(histories);
    }
    if (!files_.titles.empty()) model->set_titles(files_.titles);
    return model;
  };
  Models models;
  const auto served = open_one(files_.artifact);
  served->search_on(files_.device);
  if (!served->recommender().on_device()) served->prepare(threads_);
  models.served = served;
  if (served->titles().given() && served->titles().size() == 0)
    log().warn("{}: no line is of an item that the model knows", files_.titles);
  if (files_.full.empty()) return models;
  const auto full = open_one(files_.full);
  full->prepare(threads_);
  if (full->artifact().data_fingerprint() != served->artifact().data_fingerprint())
    input_error(files_.full, ": was trained on other data than ", files_.artifact,
                ": the two cannot be compared");
  models.full = full;
  return models;
}

Models LiveModels::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

void LiveModels::reload() {
  const std::lock_guard one_at_a_time(opening_);
  tried_ = identify();
  Models next = open();  // which ends as the old ones, after the lock of current()
  const std::lock_guard lock(mutex_);
  std::swap(current_, next);
}

bool LiveModels::replaced() {
  const std::lock_guard one_at_a_time(opening_);
  return identify() != tried_;
}

}  // namespace mgqe
