// JSON of strangers: how deep it nests is known before it is parsed.
#include "host/config/read_json.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "host/base/json_depth.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe {
namespace {

std::string nested(int depth) {
  const auto count = static_cast<size_t>(depth);
  return std::string(count, '[') + std::string(count, ']');
}

TEST(JsonDepth, CountsBracketsOutsideTexts) {
  const std::string inner = nested(kMaxJsonDepth - 1), many(200, '[');
  EXPECT_FALSE(nests_too_deep(nested(kMaxJsonDepth)));
  EXPECT_TRUE(nests_too_deep(nested(kMaxJsonDepth + 1)));
  EXPECT_TRUE(nests_too_deep(fmt::format(R"({{"a":{}}})", nested(kMaxJsonDepth))));
  EXPECT_FALSE(nests_too_deep(fmt::format("[{},{}]", inner, inner)));
  EXPECT_FALSE(nests_too_deep(fmt::format(R"("{}")", many)));
  EXPECT_FALSE(nests_too_deep(fmt::format(R"("a\"{}")", many)));  // behind a quote that is escaped
  EXPECT_TRUE(nests_too_deep(fmt::format(R"("a\\"{})", many)));   // behind a backslash that is
  EXPECT_FALSE(nests_too_deep(R"("\)"));
}

TEST(ReadJson, RefusesInOneLine) {
  EXPECT_EQ(read_json("{\"a\": [1]}", "f").dump(), "{\"a\":[1]}");
  EXPECT_CONTAINS(testing::refusal([] { read_json("{", "config.json"); }),
                  "config.json: not JSON: ");
  EXPECT_EQ(testing::refusal([] { read_json(nested(500'000), "config.json"); }),
            "config.json: its JSON nests deeper than 64 levels");
}

}  // namespace
}  // namespace mgqe
