// One table of many runs, from their result.json files.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "host/config/config.hpp"

namespace mgqe {

/// Mean and half width of its 95% interval (Student's t); the half width is 0 for one value.
struct MeanInterval {
  double mean = 0.0;
  double half_width = 0.0;
};
MeanInterval mean_interval(const std::vector<double>& values);

/// The results of folders (their result.json) or files, in the order given.
std::vector<nlohmann::ordered_json> read_results(const std::vector<std::string>& paths);

/// A configuration as far as it decides figures, the rest at its defaults.
using WhatIsRead = std::function<Config(const Config&)>;

/// A row for each configuration; runs that differ by seed alone are averaged, with the half width
/// of the 95% interval of the mean and the count of seeds. Where `what_is_read` leaves the epochs
/// out, runs of several lengths share a row, which says from how many to how many.
std::string report_table(const std::vector<nlohmann::ordered_json>& results,
                         const WhatIsRead& what_is_read, bool markdown);

}  // namespace mgqe
