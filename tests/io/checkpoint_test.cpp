// The format of checkpoints: what ranks store and how it becomes whole again, that nothing damaged
// is taken for valid, and folders that are there whole or not at all.
#include "host/io/checkpoint.hpp"

#include <cstring>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "host/io/atomic_folder.hpp"
#include "host/io/checksum.hpp"
#include "host/io/safetensors.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe::testing {
namespace {

constexpr uint64_t kStep = 123456;

// ---- ranks --------------------------------------------------------------------------------------

TEST(DealtRows, RowLOfRankROfNIsRowLNPlusR) {
  const HostArray whole = some_matrix(7, 3, 1);
  for (int ranks = 1; ranks <= 4; ++ranks) {
    int64_t seen = 0;
    for (int rank = 0; rank < ranks; ++rank) {
      const HostArray part = shard_rows(whole, rank, ranks);
      ASSERT_EQ(part.shape, (std::vector<int64_t>{sharded_rows(7, rank, ranks), 3}));
      for (int64_t l = 0; l < part.shape[0]; ++l)
        for (int64_t c = 0; c < 3; ++c)
          EXPECT_EQ(part.as<float>()[l * 3 + c], whole.as<float>()[(l * ranks + rank) * 3 + c]);
      seen += part.shape[0];
    }
    EXPECT_EQ(seen, 7);
  }
  EXPECT_EQ(sharded_rows(2, 1, 4), 1);
  EXPECT_EQ(sharded_rows(2, 2, 4), 0);
  EXPECT_EQ(sharded_rows(0, 3, 4), 0);
}

/// Tables of more, as many and fewer rows than ranks, and two arrays that every rank holds.
ArrayMap some_arrays() {
  ArrayMap arrays;
  arrays["user.table"] = some_matrix(11, 4, 1);
  arrays["item.table"] = some_matrix(4, 3, 2);
  arrays["tiny.table"] = some_matrix(1, 5, 3);
  arrays["none.table"] = some_matrix(0, 5, 4);
  arrays["weights"] = some_matrix(6, 2, 5);
  arrays["optimizer.step"] = HostArray(std::vector<uint64_t>{kStep}, {1});
  return arrays;
}

CheckpointArrays described(const ArrayMap& arrays) {
  CheckpointArrays described;
  for (const auto& [name, array] : arrays)
    described[name] = {
        array.dtype, array.shape,
        name.ends_with("table") ? ArrayLayout::kRowsSharded : ArrayLayout::kReplicated};
  return described;
}

std::vector<ArrayMap> sharded(const ArrayMap& arrays, int ranks) {
  std::vector<ArrayMap> by_rank(static_cast<size_t>(ranks));
  for (const auto& [name, array] : arrays)
    if (!name.ends_with("table"))
      by_rank[0][name] = array;
    else
      for (int rank = 0; rank < ranks; ++rank) by_rank[rank][name] = shard_rows(array, rank, ranks);
  return by_rank;
}

TEST(Assemble, WholeArraysFromAnyNumberOfRanks) {
  const ArrayMap arrays = some_arrays();
  for (int ranks = 1; ranks <= 4; ++ranks)
    expect_equal(assemble(sharded(arrays, ranks), described(arrays)), arrays);
}

TEST(Assemble, RefusesWhatDoesNotFit) {
  const ArrayMap arrays = some_arrays();
  const auto refused = [&](const auto& change) {
    auto by_rank = sharded(arrays, 3);
    change(by_rank);
    return refusal([&] { assemble(by_rank, described(arrays)); });
  };
  EXPECT_CONTAINS(refused([](auto& ranks) { ranks[2].erase("user.table"); }),
                  "array user.table of rank 2 is missing");
  EXPECT_CONTAINS(refused([](auto& ranks) { ranks[0].erase("weights"); }),
                  "array weights of rank 0 is missing");
  EXPECT_CONTAINS(refused([](auto& ranks) { ranks[1]["weights"] = ranks[0]["weights"]; }),
                  "array weights of rank 1 is not in the manifest");
  EXPECT_CONTAINS(refused([](auto& ranks) { ranks[0]["other"] = ranks[0]["weights"]; }),
                  "array other of rank 0 is not in the manifest");
  EXPECT_CONTAINS(refused([](auto& ranks) { std::swap(ranks[0], ranks[2]); }), "of rank");
  EXPECT_CONTAINS(refused([](auto& ranks) { ranks[1]["user.table"] = some_matrix(3, 4, 1); }),
                  "array user.table of rank 1 is F32 [3, 4] where F32 [4, 4] belongs");
}

/// Nothing is allocated by what a manifest says of an array, before its parts bear it out.
TEST(Assemble, RefusesAnArrayOfASizeThatNoPartHas) {
  const ArrayMap arrays = some_arrays();
  CheckpointArrays large = described(arrays);
  large["user.table"].shape = {int64_t{1} << 50, 4};
  EXPECT_CONTAINS(
      refusal([&] { assemble(sharded(arrays, 3), large); }),
      "array user.table of rank 0 is F32 [4, 4] where F32 [375299968947542, 4] belongs");
}

// ---- written and read ---------------------------------------------------------------------------

Checkpoint small_checkpoint() {
  Checkpoint checkpoint;
  CheckpointManifest& manifest = checkpoint.manifest;
  manifest.step = kStep;
  manifest.seed = ~uint64_t{0};
  manifest.data_fingerprint = 0xFEDCBA9876543210u;
  manifest.commit = "0123456789ab-dirty";
  manifest.device = "cpu";
  // A text that looks like the manifest's own checksum comes after it.
  manifest.config = {{"data", {{"name", "\"crc32\": \"00000000\""}}}};
  manifest.training = {{"z_first", 0.1 + 0.2}, {"a_second", {1e-300, 12345678901234567ll}}};
  checkpoint.arrays = some_arrays();
  checkpoint.best = small_artifact();
  return checkpoint;
}

Checkpoint read(const fs::path& path) { return read_checkpoint(path, read_manifest(path)); }

TEST(CheckpointFiles, RoundTrip) {
  const ScratchFolder folder;
  const Checkpoint written = small_checkpoint();
  write_checkpoint(folder.path(), written);
  const fs::path path = folder / "step-000000123456";
  ASSERT_EQ(find_checkpoints(folder.path()), (std::map<uint64_t, fs::path>{{kStep, path}}));
  EXPECT_EQ(folder.entries(), 1);
  const Checkpoint back = read(path);
  EXPECT_EQ(back.manifest.version, kCheckpointVersion);
  EXPECT_EQ(back.manifest.step, kStep);
  EXPECT_EQ(back.manifest.world_size, 1);
  EXPECT_EQ(back.manifest.seed, written.manifest.seed);
  EXPECT_EQ(back.manifest.data_fingerprint, written.manifest.data_fingerprint);
  EXPECT_EQ(back.manifest.commit, written.manifest.commit);
  EXPECT_EQ(back.manifest.device, written.manifest.device);
  EXPECT_EQ(back.manifest.config, written.manifest.config);
  EXPECT_EQ(back.manifest.training.dump(), written.manifest.training.dump()) << "order included";
  expect_equal(back.arrays, written.arrays);
  ASSERT_TRUE(back.best);
  expect_equal(*back.best, *written.best);
}

TEST(CheckpointFiles, BeforeTheFirstEvaluationThereIsNoBest) {
  const ScratchFolder folder;
  Checkpoint written = small_checkpoint();
  written.best.reset();
  write_checkpoint(folder.path(), written);
  EXPECT_FALSE(read(folder / "step-000000123456").best);
}

TEST(CheckpointFiles, ManifestListsBytesAndChecksumOfEveryFile) {
  const ScratchFolder folder;
  write_checkpoint(folder.path(), small_checkpoint());
  const fs::path path = folder / "step-000000123456";
  const CheckpointManifest manifest = read_manifest(path);
  EXPECT_EQ(manifest.files.size(), 2u);
  for (const CheckpointFile& file : manifest.files) {
    const std::string text = read_text(path / file.name);
    EXPECT_EQ(file.bytes, static_cast<int64_t>(text.size())) << file.name;
    EXPECT_EQ(file.crc32,
              crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())))
        << file.name;
  }
}

TEST(CheckpointFiles, TheShardsOfAnyNumberOfRanksAreRead) {
  for (int ranks = 1; ranks <= 4; ++ranks) {
    const ScratchFolder folder;
    const Checkpoint written = small_checkpoint();
    CheckpointManifest manifest = written.manifest;
    manifest.world_size = ranks;
    manifest.arrays = described(written.arrays);
    const auto by_rank = sharded(written.arrays, ranks);
    AtomicFolder made(folder / checkpoint_name(kStep));
    for (int rank = 0; rank < ranks; ++rank)
      manifest.files.push_back(write_shard(made.temporary(), rank, ranks, by_rank[rank]));
    EXPECT_EQ(manifest.files.back().name,
              fmt::format("rank-{:04}-of-{:04}.safetensors", ranks - 1, ranks));
    write_manifest(made.temporary(), manifest);
    made.commit();
    const Checkpoint back = read(folder / checkpoint_name(kStep));
    EXPECT_EQ(back.manifest.world_size, ranks);
    EXPECT_EQ(back.manifest.arrays.at("user.table").layout, ArrayLayout::kRowsSharded);
    EXPECT_EQ(back.manifest.arrays.at("weights").layout, ArrayLayout::kReplicated);
    expect_equal(back.arrays, written.arrays);
  }
}

TEST(CheckpointFiles, OneOfTheSameStepIsReplaced) {
  const ScratchFolder folder;
  Checkpoint checkpoint = small_checkpoint();
  write_checkpoint(folder.path(), checkpoint);
  checkpoint.manifest.device = "cuda";
  checkpoint.best.reset();
  write_checkpoint(folder.path(), checkpoint);
  const Checkpoint back = read(folder / "step-000000123456");
  EXPECT_EQ(back.manifest.device, "cuda");
  EXPECT_FALSE(back.best);
  EXPECT_EQ(folder.entries(), 1);
}

// ---- damage -------------------------------------------------------------------------------------

std::string damage_of(const fs::path& path) {
  try {
    read(path);
  } catch (const DamagedCheckpoint& damage) {
    return damage.what();
  }
  return "";
}

TEST(DamagedCheckpoints, AFlippedBitIsFoundWhereverItIs) {
  const ScratchFolder folder;
  Checkpoint checkpoint = small_checkpoint();
  write_checkpoint(folder.path(), checkpoint);
  const fs::path path = folder / "step-000000123456";
  ASSERT_EQ(damage_of(path), "");
  for (const char* name : {"rank-0000-of-0001.safetensors", "best.safetensors", "manifest.json"}) {
    const std::string whole = read_text(path / name);
    for (size_t at = 0; at < whole.size(); at += 3) {
      std::string flipped = whole;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << at % 8));
      write_text(path / name, flipped);
      const std::string damage = damage_of(path);
      ASSERT_NE(damage.find(name), std::string::npos) << name << ", byte " << at << ": " << damage;
    }
    write_text(path / name, whole);
  }
  EXPECT_EQ(damage_of(path), "");
}

TEST(DamagedCheckpoints, AMissingOrShortFileIsNamed) {
  for (const char* name : {"rank-0000-of-0001.safetensors", "best.safetensors", "manifest.json"}) {
    const ScratchFolder folder;
    write_checkpoint(folder.path(), small_checkpoint());
    const fs::path path = folder / "step-000000123456";
    fs::resize_file(path / name, fs::file_size(path / name) - 1);
    EXPECT_CONTAINS(damage_of(path), name);
    fs::remove(path / name);
    EXPECT_CONTAINS(damage_of(path), name);
  }
}

TEST(DamagedCheckpoints, AFileOfAnotherCheckpointIsFound) {
  const ScratchFolder folder;
  Checkpoint checkpoint = small_checkpoint();
  write_checkpoint(folder.path(), checkpoint);
  checkpoint.manifest.step = kStep + 1;
  checkpoint.arrays["weights"] = some_matrix(6, 2, 99);
  checkpoint.best->seed = 1;
  write_checkpoint(folder.path(), checkpoint);
  const fs::path older = folder / checkpoint_name(kStep),
                 newer = folder / checkpoint_name(kStep + 1);
  for (const char* name : {"rank-0000-of-0001.safetensors", "best.safetensors", "manifest.json"}) {
    const std::string whole = read_text(newer / name);
    fs::copy_file(older / name, newer / name, fs::copy_options::overwrite_existing);
    EXPECT_NE(damage_of(newer), "") << name;
    write_text(newer / name, whole);
  }
  EXPECT_EQ(damage_of(newer), "");
}

TEST(DamagedCheckpoints, AFolderOfAnotherName) {
  const ScratchFolder folder;
  write_checkpoint(folder.path(), small_checkpoint());
  fs::rename(folder / checkpoint_name(kStep), folder / checkpoint_name(kStep + 1));
  EXPECT_CONTAINS(damage_of(folder / checkpoint_name(kStep + 1)), "is of step 123456, which");
}

TEST(DamagedCheckpoints, AnArrayThatTheManifestHasOtherwise) {
  const ScratchFolder folder;
  write_checkpoint(folder.path(), small_checkpoint());
  const fs::path path = folder / checkpoint_name(kStep);
  CheckpointManifest manifest = read_manifest(path);
  manifest.arrays["weights"].shape = {2, 6};
  write_manifest(path, manifest);
  EXPECT_CONTAINS(damage_of(path), "array weights of rank 0 is F32 [6, 2] where F32 [2, 6]");
}

TEST(DamagedCheckpoints, AManifestThatNestsDeep) {
  const ScratchFolder folder;
  write_checkpoint(folder.path(), small_checkpoint());
  const fs::path path = folder / checkpoint_name(kStep);
  std::string text = testing::read_text(path / "manifest.json");
  const size_t config = text.find("\"config\": {");
  ASSERT_NE(config, std::string::npos);
  text.insert(config + 11,
              "\"x\": " + std::string(200'000, '[') + std::string(200'000, ']') + ", ");
  const size_t digits = find_checksum(text, "\"crc32\": \"");
  text.replace(digits, kNoChecksum.size(), kNoChecksum);
  text.replace(digits, kNoChecksum.size(), crc32_digits(crc32_of(text)));
  EXPECT_THROW(parse_manifest(Bytes::view(text)), DamagedCheckpoint);
}

TEST(CheckpointVersion, ANewerOneIsRefusedAsSuch) {
  const ScratchFolder folder;
  Checkpoint checkpoint = small_checkpoint();
  write_checkpoint(folder.path(), checkpoint);
  const fs::path path = folder / checkpoint_name(kStep);
  CheckpointManifest manifest = read_manifest(path);
  manifest.version = kCheckpointVersion + 1;
  write_manifest(path, manifest);
  EXPECT_EQ(damage_of(folder / "none").find("version"), std::string::npos);
  try {
    read_manifest(path);
    FAIL() << "accepted";
  } catch (const DamagedCheckpoint&) {
    FAIL() << "it is not damaged";
  } catch (const InputError& error) {
    EXPECT_CONTAINS(error.what(),
                    "version is 2, this program reads up to 1: it was written by a newer");
  }
}

// ---- folders ------------------------------------------------------------------------------------

TEST(FindCheckpoints, OnlyWholeOnes) {
  const ScratchFolder folder;
  for (const char* name : {"step-000000000007", "step-000000000100", "step-000000000009.tmp",
                           "step-7", "step-00000000000x", "other", "step-000000000008.old.tmp"})
    fs::create_directory(folder / name);
  EXPECT_EQ(find_checkpoints(folder.path()),
            (std::map<uint64_t, fs::path>{{7, folder / "step-000000000007"},
                                          {100, folder / "step-000000000100"}}));
  EXPECT_TRUE(find_checkpoints(folder / "none").empty());
  testing::write_text(folder / "file", "");
  EXPECT_CONTAINS(testing::refusal([&] { find_checkpoints(folder / "file"); }),
                  "file cannot be read: Not a directory");
}

TEST(AtomicFolderTest, AppearsOnlyWithCommit) {
  const ScratchFolder folder;
  {
    AtomicFolder made(folder / "x");
    write_text(made.temporary() / "file", "1");
    EXPECT_FALSE(fs::exists(folder / "x"));
  }
  EXPECT_EQ(folder.entries(), 0) << "nothing is left without commit()";
  for (const char* text : {"1", "2"}) {
    AtomicFolder made(folder / "x");
    write_text(made.temporary() / "file", text);
    made.commit();
    EXPECT_EQ(read_text(folder / "x/file"), text);
    EXPECT_EQ(folder.entries(), 1);
  }
}

TEST(AtomicFolderTest, WhatAKilledProcessLeftIsNoHindrance) {
  const ScratchFolder folder;
  fs::create_directories(folder / "x.tmp");
  write_text(folder / "x.tmp/half", "1");
  fs::create_directories(folder / "y.old.tmp");
  {
    AtomicFolder made(folder / "x");
    write_text(made.temporary() / "file", "2");
    made.commit();
  }
  EXPECT_FALSE(fs::exists(folder / "x/half"));
  remove_unfinished(folder.path());
  EXPECT_EQ(folder.entries(), 1);
  remove_atomically(folder / "x");
  EXPECT_EQ(folder.entries(), 0);
}

TEST(AtomicFolderTest, MakesTheFoldersAboveIt) {
  const ScratchFolder folder;
  AtomicFolder made(folder / "a/b/x");
  write_text(made.temporary() / "file", "1");
  made.commit();
  EXPECT_EQ(read_text(folder / "a/b/x/file"), "1");
}

TEST(AtomicFolderTest, Refusals) {
  const ScratchFolder folder;
  write_text(folder / "file", "");
  EXPECT_CONTAINS(refusal([&] { AtomicFolder made(folder / "file/x"); }), "Not a directory");
}

}  // namespace
}  // namespace mgqe::testing
