// What a stored run is found by: a hash of everything that decides its figures.
#pragma once

#include <string>
#include <vector>

#include "host/config/config.hpp"

namespace mgqe {

/// Sixteen hex digits of the hash of the numerics version and of every field of a resolved config,
/// the seed among them, that differs from Config's own default. What cannot change a figure is left
/// out: run.out and run.device.
///
/// A field added later, with a default that changes nothing, leaves every key as it was. A default
/// that is changed would leave keys as they are though the runs differ: raise kNumericsVersion with
/// it (a test holds the defaults; and a store compares the whole config besides).
std::string run_key(const Config& config);

/// The name of its file without ".json": "ml-1m-gmf-mgqe-seed1-0123456789abcdef".
std::string run_name(const Config& config);

/// The flags of `mgqe train` that make this config, but for --out and --device: data, model, scheme
/// with its sizes, seed, and what differs from the backbone's defaults.
std::vector<std::string> run_flags(const Config& config);

/// The config as far as it decides figures: without folder and device.
Config without_place(Config config);

}  // namespace mgqe
