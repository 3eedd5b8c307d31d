#include "host/data/dataset.hpp"

#include <utility>

#include <fmt/format.h>

#include "host/base/check.hpp"
#include "host/data/interactions/actions.hpp"
#include "host/data/interactions/ncf.hpp"
#include "host/data/interactions/split.hpp"
#include "host/data/locate.hpp"
#include "host/data/text/text_reader.hpp"

namespace mgqe {

namespace {

Actions read_file(const Bytes& file) {
  const TextFormat format = detect_format(file);
  switch (format.kind) {
    case TextFormat::Kind::kRatingsDat:
      return read_ratings_dat(file);
    case TextFormat::Kind::kDelimited:
      return read_delimited(file, format.separator);
    case TextFormat::Kind::kSasrecText:
      break;
  }
  return read_sasrec_text(file);
}

using Seen = std::function<void(const Actions&)>;

Dataset arrange_seen(const std::string& name, const std::string& where, Actions actions,
                     Backend& backend, const Seen& seen) {
  if (seen != nullptr) seen(actions);
  return arrange(name, where, std::move(actions), HeldOut::kValidationAndTest, backend);
}

Dataset load_file(const std::string& name, const std::filesystem::path& path, Backend& backend,
                  const Seen& seen) {
  return arrange_seen(name, path.string(), read_file(open_data_file(path)), backend, seen);
}

/// The actions take so much while they are made, grouped and ranked.
void require_memory_for(const DataConfig& config) {
  constexpr double kActionBytes = 20.0, kUserBytes = 48.0, kItemBytes = 48.0;
  const auto users = static_cast<double>(config.synthetic_users);
  const double bytes =
      users * (kUserBytes + kActionBytes * static_cast<double>(config.synthetic_actions)) +
      kItemBytes * static_cast<double>(config.synthetic_items);
  const auto free = static_cast<double>(make_backend("cpu")->free_bytes());
  if (bytes <= free) return;
  const auto gibibytes = [](double size) { return fmt::format("{:.1f} GiB", size / (1 << 30)); };
  input_error("not enough memory: ", config.synthetic_users, " users with ",
              config.synthetic_actions, " actions each and ", config.synthetic_items,
              " items take ", gibibytes(bytes), " to make, but ", gibibytes(free),
              " are free: lower --synthetic-users, --synthetic-actions or --synthetic-items");
}

Dataset load_synthetic(const DataConfig& config, Backend& backend, const Seen& seen) {
  require_memory_for(config);
  return arrange_seen("synthetic", "synthetic data", generate_synthetic(config), backend, seen);
}

}  // namespace

Dataset load_dataset(const DataConfig& config, Backend& backend, const Seen& seen) {
  const std::string& name = config.name;
  if (name == "synthetic") return load_synthetic(config, backend, seen);
  if (name == "steam" || name == "relevance-synthetic")
    input_error("--data ", name,
                " has scores of item pairs, not interactions: give --task relevance");
  if (name == "ncf") return load_ncf(data_folder() / "ncf", backend);
  if (name == "video") return load_file("video", find_video(data_folder()), backend, seen);
  if (name != "ml-1m" && name != "auto") return load_file(name, name, backend, seen);

  const std::filesystem::path folder = data_folder();
  if (const auto path = find_ml_1m(folder)) return load_file("ml-1m", *path, backend, seen);
  if (name == "auto") return load_synthetic(config, backend, seen);
  input_error(
      folder.string(),
      ": ml-1m is not there: expected ml-1m/ml-1m.txt.gz, ml-1m/ml-1m.txt or "
      "ml-1m/ratings.dat below it; run experiments/scripts/fetch_data.sh, or set MGQE_DATA_DIR");
}

}  // namespace mgqe
