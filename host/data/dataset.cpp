#include "host/data/dataset.hpp"

#include <utility>

#include "host/base/check.hpp"
#include "host/data/interactions/actions.hpp"
#include "host/data/interactions/ncf.hpp"
#include "host/data/interactions/split.hpp"
#include "host/data/locate.hpp"
#include "host/data/text/text_reader.hpp"

namespace mgqe {

std::string DataIds::name(int64_t id) const {
  MGQE_CHECK(id >= 0 && id < size(), "id ", id, " of ", size());
  return strings.empty() ? std::to_string(integers[id]) : strings[id];
}

namespace {

Actions read_file(const Bytes& file) {
  switch (detect_format(file)) {
    case Format::kRatingsDat:
      return read_ratings_dat(file);
    case Format::kTabSeparated:
      return read_delimited(file, '\t');
    case Format::kCommaSeparated:
      return read_delimited(file, ',');
    case Format::kSasrecText:
      break;
  }
  return read_sasrec_text(file);
}

Dataset load_file(const std::string& name, const std::filesystem::path& path, Backend& backend) {
  return arrange(name, path.string(), read_file(open_data_file(path)), HeldOut::kValidationAndTest,
                 backend);
}

Dataset load_synthetic(const DataConfig& config, Backend& backend) {
  return arrange("synthetic", "synthetic data", generate_synthetic(config),
                 HeldOut::kValidationAndTest, backend);
}

}  // namespace

Dataset load_dataset(const DataConfig& config, Backend& backend) {
  const std::string& name = config.name;
  if (name == "synthetic") return load_synthetic(config, backend);
  if (name == "steam" || name == "relevance-synthetic")
    input_error("--data ", name,
                " has scores of item pairs, not interactions: give --task relevance");
  if (name == "ncf") return load_ncf(data_folder() / "ncf", backend);
  if (name == "video") return load_file("video", find_video(data_folder()), backend);
  if (name != "ml-1m" && name != "auto") return load_file(name, name, backend);

  const std::filesystem::path folder = data_folder();
  if (const auto path = find_ml_1m(folder)) return load_file("ml-1m", *path, backend);
  if (name == "auto") return load_synthetic(config, backend);
  input_error(
      folder.string(),
      ": ml-1m is not there: expected ml-1m/ml-1m.txt.gz, ml-1m/ml-1m.txt or "
      "ml-1m/ratings.dat below it; run experiments/scripts/fetch_data.sh, or set MGQE_DATA_DIR");
}

}  // namespace mgqe
