// The cache that `mgqe prepare` writes. Checksums are set right unless the first byte is odd, so
// that what stands behind them is reached.
#include "host/data/ctr/prepare.hpp"
#include "tests/fuzz/formats/read_cache.hpp"
#include "tests/support/mended_cache.hpp"

namespace mgqe::fuzzing {
namespace {

/// A file of each split, as they are given.
std::string cache_of(const std::vector<std::string>& files, std::vector<FieldSpec> fields) {
  PrepareOptions options;
  for (size_t i = 0; i < files.size(); ++i)
    options.sources.push_back(
        {file_of("seed-" + std::to_string(i), input_of(files[i])), static_cast<CtrSplit>(i)});
  options.format = "csv";
  options.fields = std::move(fields);
  options.fields.push_back(parse_field(FieldKind::kLabel, "y", "--label"));
  options.split.kind = SplitRule::Kind::kFiles;
  options.block_rows = 2;
  options.out = scratch_path("seed.cache");
  prepare(options, [](const std::string&, int64_t, int64_t) {});
  return bytes_of(options.out);
}

std::vector<std::string> caches() {
  const std::string header = "y,d,q,b,h\n";
  const std::string every = cache_of(
      {header + "1,0.5,3,u|v,x\n0,2,1,,z\n1,1,2,v,x\n", header + "0,3,5,w,y\n",
       header + "1,1,1,u,x\n0,2,2,v|u,z\n1,1,1,,x\n"},
      {parse_field(FieldKind::kDense, "d", ""), parse_field(FieldKind::kBag, "b:sep=|", ""),
       parse_field(FieldKind::kQuantileBuckets, "q:buckets=2", ""),
       parse_field(FieldKind::kCategorical, "h:hash=4", "")});
  const std::string plain = cache_of({"y,c\n1,a\n0,b\n"}, {});
  return {every, plain};
}

void read(Input input) {
  if (input.empty()) return;
  static const std::vector<std::string> ours = caches();
  std::string file = whole_or_changed(input.subspan(1), ours);
  if (input[0] % 2 == 0) testing::mend_cache(file);
  const std::string path = file_of("a.cache", input_of(file));
  FUZZ_EXPECT(!is_ctr_cache(path) || file.size() >= sizeof kCacheMark);
  read_cache(CtrCache(path));
}

std::vector<std::string> seeds() {
  const std::vector<std::string> ours = caches();
  return {led_by('0', ours[0]), led_by('1', ours[1]), std::string("0\0", 2),
          std::string("0\0@\0\1", 5)};
}

const RegisteredTarget kTarget({"ctr_cache", read, seeds});

}  // namespace
}  // namespace mgqe::fuzzing
