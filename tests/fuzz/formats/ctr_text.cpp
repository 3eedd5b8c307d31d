// Click logs as text (CSV with a header, TSV, libfm, Criteo), through all of `mgqe prepare`: what
// it takes must give a cache that reads back whole. Two bytes in front are the options.
#include <array>

#include "host/data/ctr/prepare.hpp"
#include "tests/fuzz/formats/read_cache.hpp"

namespace mgqe::fuzzing {
namespace {

constexpr std::array kFormats = {"csv", "tsv", "libfm", "criteo"};

PrepareOptions options_of(uint8_t format, uint8_t wishes, const std::string& file) {
  PrepareOptions options;
  options.sources = {{file, CtrSplit::kTrain}};
  options.split.kind = SplitRule::Kind::kFiles;
  options.format = kFormats[format % kFormats.size()];
  options.out = scratch_path("text.cache");
  options.block_rows = 3;  // so that small files have several
  if (options.format == std::string("csv")) {
    const auto give = [&](FieldKind kind, const char* text) {
      options.fields.push_back(parse_field(kind, text, "--field"));
    };
    give(FieldKind::kLabel, format & 4 ? "y>2.5" : "y");
    if (wishes & 1) give(FieldKind::kDense, "d*:log");
    if (wishes & 2) give(FieldKind::kQuantileBuckets, "q*:buckets=4");
    if (wishes & 4) give(FieldKind::kBag, "b*:sep=|");
    if (wishes & 8) give(FieldKind::kLogBuckets, "n*");
  }
  if (wishes & 16) options.defaults.min_count = 2;
  if (wishes & 32) options.defaults.hash_rows = 5;
  options.drop_unlabeled = wishes & 64;
  if (wishes & 128) options.missing = "NA";
  return options;
}

void read(Input input) {
  InputReader reader(input);
  const auto format = reader.take<uint8_t>(), wishes = reader.take<uint8_t>();
  const PrepareOptions options = options_of(format, wishes, file_of("text", reader.rest()));
  const CacheIndex written = prepare(options, [](const std::string&, int64_t, int64_t) {});
  try {
    const CtrCache cache(options.out);
    read_cache(cache);
    for (int s = 0; s < kCtrSplits; ++s)
      FUZZ_EXPECT(cache.index().rows[s] == written.rows[s], "rows of split ", s);
  } catch (const InputError& error) {
    MGQE_CHECK(false, "a cache of ours is refused: ", error.what());
  }
}

std::string input(uint8_t format, uint8_t wishes, const std::string& text) {
  return std::string{static_cast<char>(format), static_cast<char>(wishes)} + text;
}

std::vector<std::string> seeds() {
  const std::string csv =
      "y,d1,q1,b1,n1,c1\n1,0.5,3,a|b,10,x\n0,,1e3,,-4,\"y, z\"\n1,2,NA,b,0,x\n0,7,2,c,,\n";
  const std::string tabs(11, '\t'), others(23, '\t');
  return {
      input(0, 0x0F, csv),
      input(0, 0x9F, csv),
      input(4, 0x24, "y,b\n3,a|a\n1,\n,c\n"),
      input(1, 0x40, "user:token\ty:label\tx:float\ttags:token_seq\nu1\t1\t0.5\ta b\n"),
      input(1, 0, "label:float\tu:token\n1\ta\n0\tb\n"),
      input(2, 0, "1 3:1 17:1\n-1 4:1 17:1\n0 3:1 18:1\n"),
      input(3, 0x10, "1\t5\t-1" + tabs + "68fd1e64\tabc" + others + "ff\n"),
  };
}

const RegisteredTarget kTarget({"ctr_text", read, seeds});

}  // namespace
}  // namespace mgqe::fuzzing
