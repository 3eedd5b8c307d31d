// What a configuration of mixed dimensions is completed to.
#include <gtest/gtest.h>

#include "host/config/config.hpp"

namespace mgqe {
namespace {

TEST(MixedDimConfig, ResolveFillsWidthsOfMixedDimensions) {
  Config config;
  config.embedding.scheme = "mixed_dim";
  resolve(config);
  EXPECT_EQ(config.embedding.widths, (std::vector{64, 16}));
  EXPECT_EQ(config.embedding.tiers, std::vector{0.1});
  config.embedding.widths = {8, 2};
  config.embedding.tiers.clear();
  resolve(config);
  EXPECT_EQ(config.embedding.widths, (std::vector{8, 2}));
  EXPECT_EQ(config.embedding.tiers, std::vector{0.1});
  EXPECT_NO_THROW(validate(config));
}

}  // namespace
}  // namespace mgqe
