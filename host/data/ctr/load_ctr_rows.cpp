#include "host/data/ctr/load_ctr_rows.hpp"

#include <algorithm>
#include <filesystem>

#include "host/data/ctr/ctr_cache.hpp"
#include "host/data/ctr/ctr_synthetic.hpp"
#include "host/data/ctr/named_rows.hpp"

namespace mgqe {
namespace {

constexpr const char* kSynthetic = "ctr-synthetic";

std::unique_ptr<const CtrRows> make_synthetic(const DataConfig& data) {
  CtrSyntheticConfig config;
  config.field_rows = criteo_field_rows(data.synthetic_table_rows);
  config.seed = data.synthetic_seed;
  const int64_t held_out = std::max<int64_t>(1, data.synthetic_examples / 10);
  config.rows[0] = data.synthetic_examples;
  config.rows[1] = config.rows[2] = held_out;
  return std::make_unique<CtrSynthetic>(config);
}

std::unique_ptr<const CtrRows> open_cache(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored))
    input_error("--data ", path,
                ": no such file: --task ctr takes frappe, flights, the cache that `mgqe prepare "
                "--in FILE --out CACHE` wrote, or ",
                kSynthetic);
  if (!is_ctr_cache(path))
    input_error("--data ", path, ": is no cache of rows: make one of it by `mgqe prepare --in ",
                path, " --out CACHE`, and give that");
  return std::make_unique<CtrCache>(path);
}

}  // namespace

std::unique_ptr<const CtrRows> load_ctr_rows(DataConfig& data) {
  if (data.name == "auto") data.name = kSynthetic;
  std::unique_ptr<const CtrRows> rows = data.name == kSynthetic    ? make_synthetic(data)
                                        : is_named_rows(data.name) ? named_rows(data.name)
                                                                   : open_cache(data.name);
  if (rows->shape().fields.empty() && rows->shape().bags.empty())
    input_error("--data ", data.name, ": has no field with ids: prepare it with --categorical");
  return rows;
}

std::string ctr_rows_name(const DataConfig& data) {
  return std::filesystem::path(data.name).filename().string();
}

}  // namespace mgqe
