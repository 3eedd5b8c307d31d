// What a stored run is found by: a hash of everything in its config that decides its figures, and
// the fingerprint of its data, which no config knows.
#pragma once

#include <string>
#include <vector>

#include "models/backbones/canonical.hpp"

namespace mgqe {

/// Sixteen hex digits of the hash of the numerics version and of every field of the canonical
/// config, the seed among them, that differs from Config's own default.
///
/// A field added later, with a default that changes nothing, leaves every key as it was. A default
/// that is changed would leave keys as they are though the runs differ: raise kNumericsVersion with
/// it (a test holds the defaults; and a store compares the whole config besides).
std::string run_key(const Config& config);

/// The name of its file without ".json": "ml-1m-gmf-mgqe-seed1-0123456789abcdef".
std::string run_name(const Config& config);

/// The name that a run had before keys left out what a run does not read: files of it are still
/// found.
std::string former_run_name(const Config& config);

/// What decides which data a run sees, as far as a config says: runs of one key saw the same data
/// if their fingerprints agree.
std::string data_key(const Config& config);

/// The fingerprint of the data that this config names, on this machine: loads it. Errors are those
/// of loading.
std::string data_fingerprint(const Config& config);

/// The flags of `mgqe train` that make this config, but for --out and --device: data, model, scheme
/// with its sizes, seed, and what differs from the backbone's defaults.
std::vector<std::string> run_flags(const Config& config);

}  // namespace mgqe
