// The rows that a run of --task ctr learns from.
#pragma once

#include <memory>

#include "host/config/config.hpp"
#include "host/data/ctr/ctr_rows.hpp"

namespace mgqe {

/// The cache that data.name is the path of, frappe, flights (named_rows.hpp), or ctr-synthetic;
/// "auto" becomes the latter. InputError where the file is no cache, where a split is empty, or
/// where no field has ids.
std::unique_ptr<const CtrRows> load_ctr_rows(DataConfig& data);

/// What data.name is, for people and for result.json: without the folder.
std::string ctr_rows_name(const DataConfig& data);

}  // namespace mgqe
