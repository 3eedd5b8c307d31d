#include "host/io/checkpoint.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <system_error>

#include <fmt/format.h>

#include "host/base/check.hpp"
#include "host/base/json_depth.hpp"
#include "host/io/atomic_file.hpp"
#include "host/io/atomic_folder.hpp"
#include "host/io/checksum.hpp"
#include "host/io/safetensors.hpp"

namespace mgqe {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

namespace {

constexpr const char* kFormat = "mgqe-checkpoint";
constexpr const char* kManifest = "manifest.json";
constexpr std::string_view kStepPrefix = "step-";
constexpr size_t kStepDigits = 12;

template <class... Parts>
[[noreturn]] void damaged(const Parts&... parts) {
  throw DamagedCheckpoint(detail::concat(parts...));
}

std::string shard_name(int rank, int world_size) {
  return fmt::format("rank-{:04}-of-{:04}.safetensors", rank, world_size);
}

/// A file of a checkpoint; what keeps it from being read is damage.
Bytes map_file(const fs::path& path) {
  try {
    return Bytes::map(path);
  } catch (const InputError& error) {
    throw DamagedCheckpoint(error.what());
  }
}

/// Bytes and checksum of a file as it lies there.
CheckpointFile look_at(const fs::path& path) {
  const Bytes bytes = map_file(path);
  return {path.filename().string(), bytes.size(), crc32_of(bytes.span())};
}

}  // namespace

// ---- what ranks hold ----------------------------------------------------------------------------

int64_t sharded_rows(int64_t rows, int rank, int world_size) {
  return (rows - rank + world_size - 1) / world_size;
}

namespace {

/// Copies row l of rank r to row l * N + r of the whole, or back.
template <class CopyRow>
void for_sharded_rows(const HostArray& whole, int rank, int world_size, const CopyRow& copy) {
  const int64_t rows = whole.shape.at(0);
  if (rows == 0) return;
  const size_t row_bytes = whole.bytes.size() / static_cast<size_t>(rows);
  for (int64_t l = 0; l < sharded_rows(rows, rank, world_size); ++l)
    copy(static_cast<size_t>(l) * row_bytes, static_cast<size_t>(l * world_size + rank) * row_bytes,
         row_bytes);
}

HostArray empty_array(DType dtype, std::vector<int64_t> shape) {
  HostArray array;
  array.dtype = dtype;
  array.shape = std::move(shape);
  array.bytes.resize(static_cast<size_t>(array.size() * dtype_bytes(dtype)));
  return array;
}

std::vector<int64_t> stored_shape(const CheckpointArray& whole, int rank, int world_size) {
  std::vector<int64_t> shape = whole.shape;
  if (whole.layout == ArrayLayout::kRowsSharded)
    shape.at(0) = sharded_rows(shape.at(0), rank, world_size);
  return shape;
}

/// One of those that rank `rank` has stored; damage unless it is what the manifest says.
HostArray& stored_array(ArrayMap& of_rank, int rank, int world_size, const std::string& name,
                        const CheckpointArray& whole) {
  const auto found = of_rank.find(name);
  if (found == of_rank.end()) damaged("array ", name, " of rank ", rank, " is missing");
  HostArray& stored = found->second;
  if (stored.dtype != whole.dtype || stored.shape != stored_shape(whole, rank, world_size))
    damaged("array ", name, " of rank ", rank, " is ", dtype_name(stored.dtype), " [",
            fmt::format("{}", fmt::join(stored.shape, ", ")), "] where ", dtype_name(whole.dtype),
            " [", fmt::format("{}", fmt::join(stored_shape(whole, rank, world_size), ", ")),
            "] belongs");
  return stored;
}

}  // namespace

HostArray shard_rows(const HostArray& whole, int rank, int world_size) {
  HostArray part = empty_array(
      whole.dtype,
      stored_shape({whole.dtype, whole.shape, ArrayLayout::kRowsSharded}, rank, world_size));
  for_sharded_rows(whole, rank, world_size, [&](size_t at_rank, size_t at_whole, size_t bytes) {
    std::memcpy(part.bytes.data() + at_rank, whole.bytes.data() + at_whole, bytes);
  });
  return part;
}

ArrayMap assemble(std::vector<ArrayMap> by_rank, const CheckpointArrays& arrays) {
  const auto world_size = static_cast<int>(by_rank.size());
  for (int rank = 0; rank < world_size; ++rank)
    for (const auto& [name, stored] : by_rank[static_cast<size_t>(rank)]) {
      const auto known = arrays.find(name);
      if (known == arrays.end() || (rank > 0 && known->second.layout == ArrayLayout::kReplicated))
        damaged("array ", name, " of rank ", rank, " is not in the manifest");
    }
  ArrayMap whole;
  for (const auto& [name, array] : arrays) {
    if (array.layout == ArrayLayout::kReplicated || world_size == 1) {
      whole[name] = std::move(stored_array(by_rank[0], 0, world_size, name, array));
      continue;
    }
    // All of them first: a manifest may say of any size what files do not bear out.
    std::vector<const HostArray*> parts;
    parts.reserve(static_cast<size_t>(world_size));
    for (int rank = 0; rank < world_size; ++rank)
      parts.push_back(
          &stored_array(by_rank[static_cast<size_t>(rank)], rank, world_size, name, array));
    HostArray& target = whole[name] = empty_array(array.dtype, array.shape);
    for (int rank = 0; rank < world_size; ++rank)
      for_sharded_rows(
          target, rank, world_size, [&](size_t at_rank, size_t at_whole, size_t bytes) {
            std::memcpy(target.bytes.data() + at_whole,
                        parts[static_cast<size_t>(rank)]->bytes.data() + at_rank, bytes);
          });
  }
  return whole;
}

// ---- folders ------------------------------------------------------------------------------------

std::string checkpoint_name(uint64_t step) {
  return fmt::format("{}{:0{}}", kStepPrefix, step, kStepDigits);
}

std::map<uint64_t, fs::path> find_checkpoints(const fs::path& folder) {
  std::map<uint64_t, fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.size() != kStepPrefix.size() + kStepDigits || !name.starts_with(kStepPrefix)) continue;
    const std::string digits = name.substr(kStepPrefix.size());
    if (digits.find_first_not_of("0123456789") != std::string::npos) continue;
    found[std::stoull(digits)] = entry->path();
  }
  std::error_code ignored;
  const bool missing = error == std::errc::no_such_file_or_directory ||
                       // below a file, where whoever writes one will be told so
                       (error == std::errc::not_a_directory &&
                        fs::status(folder, ignored).type() == fs::file_type::not_found);
  if (error && !missing)
    input_error(folder.string(), " cannot be read: ", system_message(error.value()));
  return found;
}

// ---- the manifest -------------------------------------------------------------------------------

namespace {

// It stands before every text that a run could bring in. Its digits count as zeros.
constexpr std::string_view kChecksumMark = "\"crc32\": \"";

const char* layout_name(ArrayLayout layout) {
  return layout == ArrayLayout::kRowsSharded ? "rows dealt" : "replicated";
}

ordered_json to_json(const CheckpointManifest& manifest) {
  ordered_json json = {{"format", kFormat},
                       {"version", manifest.version},
                       {"crc32", kNoChecksum},
                       {"step", manifest.step},
                       {"world_size", manifest.world_size},
                       {"seed", manifest.seed},
                       {"data_fingerprint", manifest.data_fingerprint},
                       {"commit", manifest.commit},
                       {"device", manifest.device},
                       {"config", manifest.config},
                       {"training", manifest.training},
                       {"arrays", ordered_json::object()},
                       {"files", ordered_json::array()}};
  for (const auto& [name, array] : manifest.arrays)
    json["arrays"][name] = {{"dtype", dtype_name(array.dtype)},
                            {"shape", array.shape},
                            {"layout", layout_name(array.layout)}};
  for (const CheckpointFile& file : manifest.files)
    json["files"].push_back(
        {{"name", file.name}, {"bytes", file.bytes}, {"crc32", crc32_digits(file.crc32)}});
  return json;
}

/// Throws where its shape is none, or overflows.
CheckpointArray array_of(const std::string& name, const ordered_json& json) {
  const auto dtype = find_dtype(json.at("dtype").get<std::string>());
  if (!dtype) throw Error("array " + name + " is of no known type");
  CheckpointArray array{*dtype, json.at("shape").get<std::vector<int64_t>>(),
                        json.at("layout") == layout_name(ArrayLayout::kRowsSharded)
                            ? ArrayLayout::kRowsSharded
                            : ArrayLayout::kReplicated};
  int64_t bytes = dtype_bytes(array.dtype);
  bool fits = array.layout == ArrayLayout::kReplicated || !array.shape.empty();
  for (const int64_t extent : array.shape)
    fits = fits && extent >= 0 && !__builtin_mul_overflow(bytes, extent, &bytes);
  if (!fits) throw Error("array " + name + " has an impossible shape");
  return array;
}

/// Throws where a field is missing or of another type.
CheckpointManifest manifest_of(const ordered_json& json) {
  CheckpointManifest manifest;
  json.at("version").get_to(manifest.version);
  json.at("step").get_to(manifest.step);
  json.at("world_size").get_to(manifest.world_size);
  json.at("seed").get_to(manifest.seed);
  json.at("data_fingerprint").get_to(manifest.data_fingerprint);
  json.at("commit").get_to(manifest.commit);
  json.at("device").get_to(manifest.device);
  manifest.config = json::parse(json.at("config").dump());
  manifest.training = json.at("training");
  for (const auto& [name, array] : json.at("arrays").items())
    manifest.arrays[name] = array_of(name, array);
  for (const auto& file : json.at("files"))
    manifest.files.push_back(
        {file.at("name").get<std::string>(), file.at("bytes").get<int64_t>(),
         static_cast<uint32_t>(std::stoul(file.at("crc32").get<std::string>(), nullptr, 16))});
  return manifest;
}

}  // namespace

void write_manifest(const fs::path& folder, const CheckpointManifest& manifest) {
  std::string text =
      to_json(manifest).dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
  text.replace(text.find(kChecksumMark) + kChecksumMark.size(), kNoChecksum.size(),
               crc32_digits(crc32_of(text)));
  write_file_atomically(folder / kManifest, text);
}

CheckpointManifest parse_manifest(const Bytes& bytes) {
  const std::string& where = bytes.name();
  std::string text(bytes.text());
  const ordered_json json = nests_too_deep(text)
                                ? ordered_json()
                                : ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  const size_t digits = find_checksum(text, kChecksumMark);
  if (!json.is_object() || digits == std::string::npos)
    damaged(where, ": is not the manifest of a checkpoint, or damaged");
  const std::string stored = text.substr(digits, kNoChecksum.size());
  text.replace(digits, kNoChecksum.size(), kNoChecksum);
  if (crc32_digits(crc32_of(text)) != stored)
    damaged(where, ": its checksum does not match its content: the file is damaged");
  try {
    if (json.at("format") != kFormat) damaged(where, ": is not of an mgqe checkpoint");
    const int version = json.at("version").get<int>();
    if (version > kCheckpointVersion)
      input_error(where, ": its version is ", version, ", this program reads up to ",
                  kCheckpointVersion, ": it was written by a newer one");
    CheckpointManifest manifest = manifest_of(json);
    if (manifest.world_size < 1) damaged(where, ": has a world_size of ", manifest.world_size);
    return manifest;
  } catch (const InputError&) {
    throw;
  } catch (const std::exception& error) {
    damaged(where, ": is not a manifest this program understands: ", error.what());
  }
}

CheckpointManifest read_manifest(const fs::path& checkpoint) {
  const fs::path path = checkpoint / kManifest;
  CheckpointManifest manifest = parse_manifest(map_file(path));
  if (checkpoint_name(manifest.step) != checkpoint.filename())
    damaged(path.string(), ": is of step ", manifest.step, ", which its folder is not named for");
  return manifest;
}

// ---- files --------------------------------------------------------------------------------------

CheckpointFile write_shard(const fs::path& folder, int rank, int world_size,
                           const ArrayMap& arrays) {
  const std::string name = shard_name(rank, world_size);
  const FileBytes written = write_safetensors(folder / name, arrays,
                                              {{"format", kFormat},
                                               {"version", std::to_string(kCheckpointVersion)},
                                               {"rank", std::to_string(rank)},
                                               {"world_size", std::to_string(world_size)}});
  return {name, written.file, written.crc32};
}

CheckpointFile write_best(const fs::path& folder, const Artifact& best) {
  write_artifact(folder / kBestFile, best);
  return look_at(folder / kBestFile);
}

void write_checkpoint(const fs::path& folder, Checkpoint checkpoint) {
  CheckpointManifest& manifest = checkpoint.manifest;
  AtomicFolder made(folder / checkpoint_name(manifest.step));
  manifest.world_size = 1;
  manifest.arrays.clear();
  for (const auto& [name, array] : checkpoint.arrays)
    manifest.arrays[name] = {array.dtype, array.shape, ArrayLayout::kReplicated};
  manifest.files = {write_shard(made.temporary(), 0, 1, checkpoint.arrays)};
  if (checkpoint.best) manifest.files.push_back(write_best(made.temporary(), *checkpoint.best));
  write_manifest(made.temporary(), manifest);
  made.commit();
}

namespace {

const CheckpointFile* listed(const CheckpointManifest& manifest, const std::string& name) {
  const auto found = std::find_if(manifest.files.begin(), manifest.files.end(),
                                  [&](const CheckpointFile& file) { return file.name == name; });
  return found == manifest.files.end() ? nullptr : &*found;
}

void compare(const fs::path& path, const CheckpointFile& expected, int64_t bytes, uint32_t crc) {
  if (bytes != expected.bytes)
    damaged(path.string(), ": has ", bytes, " bytes where the manifest lists ", expected.bytes);
  if (crc != expected.crc32)
    damaged(path.string(), ": its checksum is not the manifest's: the file is damaged");
}

ArrayMap read_shard(const fs::path& checkpoint, const CheckpointManifest& manifest, int rank) {
  const std::string name = shard_name(rank, manifest.world_size);
  const CheckpointFile* file = listed(manifest, name);
  if (file == nullptr) damaged((checkpoint / name).string(), ": is not in the manifest");
  SafetensorsFile shard = read_safetensors(checkpoint / name);
  compare(checkpoint / name, *file, shard.file_bytes, shard.crc32);
  return std::move(shard.arrays);
}

void read_best(const fs::path& checkpoint, const CheckpointManifest& manifest, Checkpoint& read) {
  const CheckpointFile* best = listed(manifest, kBestFile);
  if (best == nullptr) return;
  const Bytes bytes = map_file(checkpoint / kBestFile);
  compare(checkpoint / kBestFile, *best, bytes.size(), crc32_of(bytes.span()));
  read.best = read_artifact(bytes);
}

/// What goes wrong in reading a file that is there is damage.
template <class Read>
Checkpoint read_undamaged(CheckpointManifest manifest, const Read& read_arrays,
                          const fs::path& checkpoint) {
  Checkpoint read;
  try {
    read.arrays = read_arrays();
    read_best(checkpoint, manifest, read);
  } catch (const DamagedCheckpoint&) {
    throw;
  } catch (const InputError& error) {
    throw DamagedCheckpoint(error.what());
  }
  read.manifest = std::move(manifest);
  return read;
}

}  // namespace

Checkpoint read_checkpoint(const fs::path& checkpoint, CheckpointManifest manifest) {
  const auto whole = [&] {
    std::vector<ArrayMap> by_rank;
    by_rank.reserve(static_cast<size_t>(manifest.world_size));
    for (int rank = 0; rank < manifest.world_size; ++rank)
      by_rank.push_back(read_shard(checkpoint, manifest, rank));
    return assemble(std::move(by_rank), manifest.arrays);
  };
  return read_undamaged(manifest, whole, checkpoint);
}

Checkpoint read_share(const fs::path& checkpoint, CheckpointManifest manifest, int rank) {
  const auto share = [&] {
    ArrayMap first = read_shard(checkpoint, manifest, 0), own;
    if (rank > 0) own = read_shard(checkpoint, manifest, rank);
    ArrayMap arrays;
    for (const auto& [name, array] : manifest.arrays) {
      const int holder = array.layout == ArrayLayout::kReplicated ? 0 : rank;
      arrays[name] = std::move(
          stored_array(holder == 0 ? first : own, holder, manifest.world_size, name, array));
    }
    return arrays;
  };
  return read_undamaged(manifest, share, checkpoint);
}

}  // namespace mgqe
