// The fuzz targets without a fuzzer: every seed, every input that was found once (corpus/TARGET),
// and seeded changes of the seeds.
#include <chrono>
#include <filesystem>
#include <random>

#include <gtest/gtest.h>

#include "tests/fuzz/fuzz_target.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::fuzzing {
namespace {

constexpr auto kTime = std::chrono::milliseconds(700);  // of changes, a target
constexpr int kMostChanges = 4000;
constexpr double kSlow = 10.0;  // seconds for one input

/// One to four changes, as fuzzers make them: a bit, a byte, an interesting number, a piece that
/// goes, comes twice, or comes from another seed.
std::string changed(std::string text, const std::vector<std::string>& seeds,
                    std::mt19937_64& random) {
  const auto below = [&](size_t bound) { return static_cast<size_t>(random() % bound); };
  for (size_t changes = 1 + below(4); changes > 0; --changes) {
    const size_t at = below(text.size() + 1), length = std::min(below(16) + 1, text.size() - at);
    const std::string& other = seeds[below(seeds.size())];
    const size_t from = below(other.size() + 1);
    switch (below(7)) {
      case 0:
        if (length > 0) text[at] = static_cast<char>(text[at] ^ 1 << below(8));
        break;
      case 1:
        if (length > 0) text[at] = static_cast<char>(random());
        break;
      case 2:
        text.erase(at, length);
        break;
      case 3:
        text.insert(at, text.substr(at, length));
        break;
      case 4:
        text.insert(at, other.substr(from, below(64)));
        break;
      case 5: {
        constexpr uint64_t kNumbers[] = {0, ~uint64_t{0}, uint64_t{1} << 63, 0x7FFFFFFF,
                                         0x80000000};
        const uint64_t number = kNumbers[below(5)];
        for (size_t i = 0; i < length && i < 8; ++i)
          text[at + i] = static_cast<char>(number >> 8 * i);
        break;
      }
      default: {
        constexpr std::string_view kWords[] = {
            "-1", "9223372036854775808", "1e999", "nan", "\"", "[", "{", "null", "\n", ",", "\t"};
        text.replace(at, length, kWords[below(std::size(kWords))]);
      }
    }
  }
  return text;
}

std::string shown(const std::string& text) {
  std::string shown;
  for (const char c : text.substr(0, 2000)) {
    char digits[5];
    std::snprintf(digits, sizeof digits, "\\x%02X", static_cast<unsigned char>(c));
    shown += c >= ' ' && c < 127 && c != '\\' ? std::string(1, c) : digits;
  }
  return shown;
}

class Corpus : public ::testing::TestWithParam<FuzzTarget> {
 protected:
  void replay(const std::string& input, const std::string& name) {
    const auto begin = std::chrono::steady_clock::now();
    try {
      run_target(GetParam(), input_of(input));
    } catch (const std::exception& error) {
      ADD_FAILURE() << name << ": " << error.what() << "\n  of " << input.size()
                    << " bytes: " << shown(input);
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    EXPECT_LT(seconds.count(), kSlow) << name << ": " << shown(input);
  }
};

TEST_P(Corpus, IsReadOrRefused) {
  const std::vector<std::string> seeds = GetParam().seeds();
  ASSERT_FALSE(seeds.empty());
  for (size_t i = 0; i < seeds.size(); ++i) replay(seeds[i], "seed " + std::to_string(i));
  const std::filesystem::path found =
      mgqe::testing::source_path("tests/fuzz/corpus/" + GetParam().name);
  if (std::filesystem::is_directory(found))
    for (const auto& file : std::filesystem::directory_iterator(found))
      replay(bytes_of(file.path()), file.path());

  std::mt19937_64 random(1);
  const auto end = std::chrono::steady_clock::now() + kTime;
  int changes = 0;
  for (; changes < kMostChanges && std::chrono::steady_clock::now() < end && !HasFailure();
       ++changes) {
    const std::string& seed = seeds[random() % seeds.size()];
    replay(changed(seed, seeds, random), "change " + std::to_string(changes));
  }
  RecordProperty("changes", changes);
}

/// A seed that nothing takes would let a fuzzer begin at nothing.
TEST_P(Corpus, HasSeedsThatAreTaken) {
  int taken = 0;
  for (const std::string& seed : GetParam().seeds()) {
    try {
      GetParam().read(input_of(seed));
      ++taken;
    } catch (const InputError&) {
    }
  }
  EXPECT_GE(taken, 1);
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Corpus, ::testing::ValuesIn(fuzz_targets()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace mgqe::fuzzing
