// Histories come back as they were written; what is damaged is refused where it is met.
#include "host/serve/histories.hpp"

#include <cstring>

#include <gtest/gtest.h>

#include "host/io/safetensors.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe {
namespace {

using testing::edit_artifact;
using testing::read_text;
using testing::refusal;
using testing::ScratchFolder;
using testing::write_text;

const std::vector<int64_t> kOffsets = {0, 3, 3, 4, 8};  // the second user had nothing
const std::vector<int32_t> kItems = {4, 0, 4, 2, 1, 3, 0, 4};
constexpr uint64_t kFingerprint = 0xFEDCBA9876543210u;

void write_example(const std::filesystem::path& path) {
  write_histories(path, kOffsets, kItems, 5, kFingerprint);
}

TEST(Histories, ComeBackAsTheyWere) {
  const ScratchFolder folder;
  write_example(folder / "x");
  EXPECT_EQ(folder.entries(), 1);
  for (const bool map : {true, false}) {
    const HistoriesView view = HistoriesView::open(folder / "x", {.map = map});
    EXPECT_EQ(view.users(), 4);
    EXPECT_EQ(view.item_rows(), 5);
    EXPECT_EQ(view.total(), 8);
    EXPECT_EQ(view.data_fingerprint(), kFingerprint);
    for (int64_t user = 0; user < 4; ++user)
      EXPECT_TRUE(std::ranges::equal(
          view.of(user),
          std::span(kItems).subspan(kOffsets[user], kOffsets[user + 1] - kOffsets[user])));
    view.verify();
  }
}

TEST(Histories, OfNobody) {
  const ScratchFolder folder;
  write_histories(folder / "x", std::vector<int64_t>{0}, {}, 5, 1);
  const HistoriesView view = HistoriesView::open(folder / "x");
  EXPECT_EQ(view.users(), 0);
  view.verify();
  EXPECT_CONTAINS(refusal([&] { view.of(0); }), "there is no user 0 among rows 0 to -1");
}

TEST(Histories, UsersThatAreNotThere) {
  const ScratchFolder folder;
  write_example(folder / "x");
  const HistoriesView view = HistoriesView::open(folder / "x");
  for (const int64_t user : {int64_t{-1}, int64_t{4}, std::numeric_limits<int64_t>::max()})
    EXPECT_EQ(
        refusal([&] { view.of(user); }),
        fmt::format("{}: there is no user {} among rows 0 to 3", (folder / "x").string(), user));
}

TEST(Histories, ServedOnWhenTheFileIsReplaced) {
  const ScratchFolder folder;
  write_example(folder / "x");
  const HistoriesView view = HistoriesView::open(folder / "x");
  write_histories(folder / "x", std::vector<int64_t>{0, 1}, std::vector<int32_t>{9}, 10, 1);
  EXPECT_EQ(view.of(0)[1], 0);
  EXPECT_EQ(HistoriesView::open(folder / "x").of(0)[0], 9);
}

/// A view of a file with edited arrays or metadata.
template <class Edit>
HistoriesView edited(const ScratchFolder& folder, const Edit& edit) {
  write_example(folder / "x");
  edit_artifact(folder / "x", edit);
  return HistoriesView::open(folder / "x");
}

TEST(Histories, DamagedOffsetsAreRefusedWhereTheyAreMet) {
  const ScratchFolder folder;
  for (const int64_t wrong : {int64_t{-1}, int64_t{9}, std::numeric_limits<int64_t>::min(),
                              std::numeric_limits<int64_t>::max()}) {
    const HistoriesView view = edited(folder, [&](SafetensorsFile& f) {
      f.arrays["offsets"] = HostArray(std::vector<int64_t>{0, 3, wrong, 4, 8}, {5});
    });
    EXPECT_EQ(view.of(0).size(), 3u);
    EXPECT_EQ(view.of(3).size(), 4u);
    for (const int64_t user : {1, 2})
      EXPECT_CONTAINS(refusal([&] { view.of(user); }),
                      fmt::format("the history of user {} would be items ", user));
    EXPECT_CONTAINS(refusal([&] { view.verify(); }), "offsets are not ascending at user ");
  }
  const HistoriesView view = edited(folder, [&](SafetensorsFile& f) {
    f.arrays["offsets"] = HostArray(std::vector<int64_t>{0, 3, 3, 4, 7}, {5});
  });
  EXPECT_CONTAINS(refusal([&] { view.verify(); }), "offsets do not run from 0 to the 8 items");
}

TEST(Histories, VerifyFindsItemsThatAreNoRows) {
  const ScratchFolder folder;
  for (const int32_t wrong : {-1, 5}) {
    const HistoriesView view = edited(folder, [&](SafetensorsFile& f) {
      f.arrays["items"] = HostArray(std::vector<int32_t>{4, 0, 4, 2, 1, wrong, 0, 4}, {8});
    });
    EXPECT_EQ(view.of(3)[1], wrong);
    EXPECT_EQ(refusal([&] { view.verify(); }),
              fmt::format("{}: item 5 is row {} of 5", (folder / "x").string(), wrong));
  }
  std::string file = read_text(folder / "x");
  file.back() ^= 1;
  write_text(folder / "x", file);
  const HistoriesView view = HistoriesView::open(folder / "x");
  EXPECT_CONTAINS(refusal([&] { view.verify(); }), "the file is damaged");
}

TEST(Histories, OtherFilesAreRefused) {
  const ScratchFolder folder;
  const auto refused = [&](const std::function<void(SafetensorsFile&)>& edit) {
    return refusal([&] { edited(folder, edit); });
  };
  const auto metadata = [&](const char* key, const char* value) {
    return refused([=](SafetensorsFile& f) { f.metadata[key] = value; });
  };
  EXPECT_CONTAINS(metadata("format", "mgqe-artifact"), R"("format": "mgqe-histories")");
  EXPECT_CONTAINS(metadata("version", "2"), "version is 2, this program reads version 1");
  EXPECT_CONTAINS(metadata("version", "one"), "\"one\" where a whole number belongs");
  EXPECT_CONTAINS(metadata("item_rows", "-1"), "item_rows -1 is out of range");
  EXPECT_CONTAINS(refused([](SafetensorsFile& f) { f.metadata.erase("data_fingerprint"); }),
                  "metadata data_fingerprint is missing");
  EXPECT_CONTAINS(refused([](SafetensorsFile& f) { f.arrays.erase("items"); }),
                  "array items is missing");
  EXPECT_CONTAINS(refused([](SafetensorsFile& f) { f.arrays["offsets"].dtype = DType::kU64; }),
                  "array offsets is not a vector of I64");
  EXPECT_CONTAINS(refused([](SafetensorsFile& f) {
                    f.arrays["items"].shape = {2, 4};
                  }),
                  "array items is not a vector of I32");
  EXPECT_CONTAINS(refused([](SafetensorsFile& f) {
                    f.arrays["offsets"] = HostArray(std::vector<int64_t>{}, {0});
                  }),
                  "array offsets is empty");
}

TEST(Histories, EveryTruncationIsRefused) {
  const ScratchFolder folder;
  write_example(folder / "x");
  const std::string whole = read_text(folder / "x");
  for (size_t length = 0; length < whole.size(); ++length)
    refusal([&] { HistoriesView::open(Bytes::own(whole.substr(0, length))); });
}

TEST(Histories, ChecksWhatItIsGiven) {
  const ScratchFolder folder;
  using Offsets = std::vector<int64_t>;
  using Items = std::vector<int32_t>;
  EXPECT_THROW(write_histories(folder / "x", Offsets{0, 2, 1, 3}, Items{1, 2, 3}, 5, 1), Error);
  EXPECT_THROW(write_histories(folder / "x", Offsets{0, 2}, Items{1, 2, 3}, 5, 1), Error);
  EXPECT_THROW(write_histories(folder / "x", Offsets{}, Items{}, 5, 1), Error);
  EXPECT_THROW(write_histories(folder / "x", Offsets{0, 3}, Items{1, 5, 3}, 5, 1), Error);
  EXPECT_EQ(folder.entries(), 0);
  EXPECT_CONTAINS(refusal([&] { write_example(folder / "none/x"); }), "none/x");
}

TEST(Histories, OfUsersThatAreKnownByIds) {
  const ScratchFolder folder;
  const OriginalIds texts = {{}, {"u9", "u10", "", "é"}}, integers = {{7, -3, 1LL << 40, 0}, {}};
  for (const OriginalIds& ids : {texts, integers}) {
    write_histories(folder / "x", kOffsets, kItems, 5, kFingerprint, &ids);
    const HistoriesView view = HistoriesView::open(folder / "x");
    ASSERT_NE(view.user_ids(), nullptr);
    view.verify();
    for (int64_t user = 0; user < 4; ++user) {
      const auto place = static_cast<size_t>(user);
      const std::string id =
          ids.strings.empty() ? std::to_string(ids.integers[place]) : ids.strings[place];
      EXPECT_EQ(view.user_ids()->row_of(id), user);
      EXPECT_EQ(view.user_ids()->text_of(user), id);
    }
    EXPECT_EQ(view.user_ids()->row_of("nobody"), -1);
    EXPECT_EQ(view.of(3).size(), 4u);
  }
  write_example(folder / "x");
  EXPECT_EQ(HistoriesView::open(folder / "x").user_ids(), nullptr);
}

TEST(Histories, DamagedIdsOfUsersAreRefused) {
  const ScratchFolder folder;
  const OriginalIds ids = {{7, -3, 5, 0}, {}};
  const auto with = [&](const std::function<void(SafetensorsFile&)>& edit) {
    write_histories(folder / "x", kOffsets, kItems, 5, kFingerprint, &ids);
    edit_artifact(folder / "x", edit);
    return HistoriesView::open(folder / "x");
  };
  EXPECT_CONTAINS(refusal([&] { with([](auto& f) { f.metadata["user_ids"] = "names"; }); }),
                  "user_ids is \"names\", which is no kind of ids");
  EXPECT_CONTAINS(refusal([&] { with([](auto& f) { f.metadata["user_ids"] = "text"; }); }),
                  "array ids.user.offsets is missing");
  EXPECT_CONTAINS(refusal([&] { with([](auto& f) { f.arrays.erase("ids.user.order"); }); }),
                  "array ids.user.order is missing");
  EXPECT_CONTAINS(
      refusal([&] {
        with([](auto& f) { f.arrays["ids.user"] = HostArray(std::vector<int64_t>{1, 2, 3}, {3}); });
      }),
      "array ids.user has 3 elements where 4 belong");
  const HistoriesView view = with([](auto& f) {
    f.arrays["ids.user.order"] = HostArray(std::vector<int32_t>{0, 1, 2, 3}, {4});
  });
  EXPECT_CONTAINS(refusal([&] { view.verify(); }), (folder / "x").string());
}

}  // namespace
}  // namespace mgqe
