// Checkpoints: all a training run needs to go on, each a folder
//   step-000000123456/               optimizer steps since the start of training
//     rank-0000-of-0002.safetensors  what rank 0 holds: replicated arrays, its own rows
//     rank-0001-of-0002.safetensors  what rank 1 holds: its rows
//     best.safetensors               the artifact of the best epoch so far, once there is one
//     manifest.json                  what it is of, how far the run was, bytes and crc32 of files
// that appears complete or not at all. Of an array whose rows are sharded, row g lies on rank g % N
// as its row g / N, where N is the number of ranks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "host/base/host_array.hpp"
#include "host/io/artifact.hpp"

namespace mgqe {

inline constexpr int kCheckpointVersion = 1;
inline constexpr const char* kBestFile = "best.safetensors";

/// A checkpoint that cannot be read as it was written: a file is missing, cut or changed.
class DamagedCheckpoint : public InputError {
 public:
  using InputError::InputError;
};

enum class ArrayLayout {
  kReplicated,   // every rank holds it; stored by rank 0 alone
  kRowsSharded,  // each rank holds and stores its rows
};

/// An array as it is when whole.
struct CheckpointArray {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  ArrayLayout layout = ArrayLayout::kReplicated;
};
using CheckpointArrays = std::map<std::string, CheckpointArray>;

struct CheckpointFile {
  std::string name;
  int64_t bytes = 0;
  uint32_t crc32 = 0;  // of the whole file
};

struct CheckpointManifest {
  int version = kCheckpointVersion;
  uint64_t step = 0;
  int world_size = 1;  // ranks that wrote it
  uint64_t seed = 0;
  uint64_t data_fingerprint = 0;
  std::string commit, device;
  nlohmann::json config;
  nlohmann::ordered_json training;  // how far the run was, as host/train keeps it
  CheckpointArrays arrays;
  std::vector<CheckpointFile> files;
};

struct Checkpoint {
  CheckpointManifest manifest;
  ArrayMap arrays;  // whole
  std::optional<Artifact> best;
};

// ---- what ranks hold ----------------------------------------------------------------------------

/// How many of the rows rank `rank` of `world_size` is sharded.
int64_t sharded_rows(int64_t rows, int rank, int world_size);
/// Those rows of a whole array.
HostArray shard_rows(const HostArray& whole, int rank, int world_size);
/// Whole arrays from what each rank stored. DamagedCheckpoint, naming the array and the rank, where
/// something is missing, left over or of another shape.
ArrayMap assemble(std::vector<ArrayMap> by_rank, const CheckpointArrays& arrays);

// ---- folders ------------------------------------------------------------------------------------

/// "step-000000123456"
std::string checkpoint_name(uint64_t step);
/// The complete ones of a folder, by step; none where the folder is missing. InputError where it
/// cannot be read: a run would begin anew in their place.
std::map<uint64_t, std::filesystem::path> find_checkpoints(const std::filesystem::path& folder);

/// The file of one rank. Each rank of a run calls it for the folder that rank 0 makes.
CheckpointFile write_shard(const std::filesystem::path& folder, int rank, int world_size,
                           const ArrayMap& arrays);
/// To be written last: it lists the files.
void write_manifest(const std::filesystem::path& folder, const CheckpointManifest& manifest);
/// A whole checkpoint by a single rank, into `folder` under its name; files and arrays of the
/// manifest are filled in. Replaces one of the same step.
void write_checkpoint(const std::filesystem::path& folder, Checkpoint checkpoint);

/// DamagedCheckpoint where it is missing or damaged, InputError where a newer program wrote it.
CheckpointManifest read_manifest(const std::filesystem::path& checkpoint);
/// The same of the manifest's bytes alone, wherever they lie.
CheckpointManifest parse_manifest(const Bytes& bytes);
/// Every file, of however many ranks, against the manifest; arrays whole. DamagedCheckpoint that
/// names the file.
Checkpoint read_checkpoint(const std::filesystem::path& checkpoint, CheckpointManifest manifest);
/// What one of as many ranks as wrote it needs, the rows of its shard alone: its own file, and rank
/// 0's for what all have.
Checkpoint read_share(const std::filesystem::path& checkpoint, CheckpointManifest manifest,
                      int rank);
/// The artifact of the best epoch among a checkpoint's files.
CheckpointFile write_best(const std::filesystem::path& folder, const Artifact& best);

}  // namespace mgqe
