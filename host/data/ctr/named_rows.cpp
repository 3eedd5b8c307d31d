#include "host/data/ctr/named_rows.hpp"

#include <cstdlib>
#include <filesystem>

#include "host/base/check.hpp"
#include "host/data/ctr/ctr_cache.hpp"
#include "host/data/ctr/prepare.hpp"
#include "host/data/locate.hpp"

namespace mgqe {
namespace {

namespace fs = std::filesystem;

/// The file, or the same with .gz.
std::string find_file(const std::string& name, const std::string& path) {
  for (const char* ending : {"", ".gz"}) {
    const fs::path file = data_folder() / (path + ending);
    std::error_code ignored;
    if (fs::exists(file, ignored)) return file.string();
  }
  input_error(
      "--data ", name, ": expected ", path, " or ", path, ".gz below ", data_folder().string(),
      name == "flights" ? ": run experiments/scripts/fetch_data.sh --flights, or set MGQE_DATA_DIR"
                        : ": set MGQE_DATA_DIR to the folder that holds frappe/");
}

PrepareOptions frappe() {
  PrepareOptions options;
  const auto add = [&](const char* part, CtrSplit split) {
    options.sources.push_back(
        {find_file("frappe", std::string("frappe/frappe.") + part + ".libfm"), split});
  };
  add("train", CtrSplit::kTrain);
  add("validation", CtrSplit::kValid);
  add("test", CtrSplit::kTest);
  options.split.kind = SplitRule::Kind::kFiles;
  return options;
}

PrepareOptions flights() {
  PrepareOptions options;
  options.sources = {{find_file("flights", "flights/flights.csv"), CtrSplit::kTrain}};
  const auto add = [&](FieldKind kind, const std::vector<const char*>& names) {
    for (const char* name : names) options.fields.push_back(parse_field(kind, name, "flights"));
  };
  add(FieldKind::kLabel, {"arr_delay>15"});
  add(FieldKind::kLogBuckets, {"distance"});
  add(FieldKind::kQuantileBuckets, {"sched_dep_time", "sched_arr_time"});
  // Not known at departure, or the same for all.
  add(FieldKind::kIgnored, {"year", "dep_time", "dep_delay", "arr_time", "air_time", "time_hour"});
  options.missing = "NA";
  options.drop_unlabeled = true;
  options.defaults.min_count = 5;
  return options;
}

/// Goes with all that is in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "mgqe_rows_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
      input_error(name, ": no folder for a temporary cache: set TMPDIR");
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

bool is_named_rows(const std::string& name) { return name == "frappe" || name == "flights"; }

std::unique_ptr<const CtrRows> named_rows(const std::string& name) {
  PrepareOptions options = name == "frappe" ? frappe() : flights();
  const TemporaryFolder folder;
  options.out = (folder.path() / (name + ".ctr")).string();
  prepare(options, [](const std::string&, int64_t, int64_t) {});
  return std::make_unique<CtrCache>(options.out);  // mapped: it outlives its name
}

}  // namespace mgqe
