// Every collective of NCCL with a world of one rank: what can be run on one GPU. Skipped without
// one.
#include <gtest/gtest.h>

#include "models/optim/sparse_all_to_all.hpp"

#if MGQE_WITH_NCCL
namespace mgqe {

std::unique_ptr<Communicator> make_nccl_communicator(Backend& backend,
                                                     std::unique_ptr<Communicator> host);

namespace {

class Nccl : public ::testing::Test {
 protected:
  void SetUp() override {
    try {
      backend_ = make_backend("cuda");
    } catch (const InputError& error) {
      GTEST_SKIP() << error.what();
    }
    backend_->join(make_nccl_communicator(*backend_, make_solo()));
  }
  Communicator& ranks() { return backend_->communicator(); }
  template <class T>
  Tensor<T> tensor(const std::vector<T>& values, int64_t cols = 1) {
    return Tensor<T>(*backend_, std::span<const T>(values), cols);
  }
  std::unique_ptr<Backend> backend_;
};

TEST_F(Nccl, SumsOfOneRankAreItsOwn) {
  const Tensor<float> x = tensor(std::vector<float>{1.5f, -2.0f, 3.0f});
  const Tensor<double> y = tensor(std::vector<double>{0.25});
  ranks().all_reduce(Traffic::kDense, x.view());
  ranks().all_reduce(Traffic::kCodebook, y.view());
  EXPECT_EQ(x.to_host(), (std::vector<float>{1.5f, -2.0f, 3.0f}));
  EXPECT_EQ(y.to_host(), std::vector<double>{0.25});
  EXPECT_EQ(ranks().account(Traffic::kDense).calls, 1);
  EXPECT_EQ(ranks().account(Traffic::kDense).bytes, 0);
}

TEST_F(Nccl, SegmentsComeBack) {
  const std::vector<uint8_t> values = {1, 2, 3, 4, 5};
  const Tensor<uint8_t> sent = tensor(values), received(*backend_, 5), gathered(*backend_, 5);
  const std::vector<int64_t> bytes = {5};
  ranks().all_to_all(Traffic::kForward, *backend_, {sent.view(), bytes}, {received.view(), bytes});
  ranks().all_gather(Traffic::kForward, sent.view(), {gathered.view(), bytes});
  EXPECT_EQ(received.to_host(), values);
  EXPECT_EQ(gathered.to_host(), values);
  const std::vector<int64_t> none = {0};
  ranks().all_to_all(Traffic::kForward, *backend_, {sent.view(), none}, {received.view(), none});
  EXPECT_EQ(ranks().gather("text"), std::vector<std::string>{"text"});
}

/// What an exchange needs is there when it begins, whatever the ops that run beside it.
TEST_F(Nccl, ExchangesRunBesideOps) {
  constexpr int64_t kRows = 1 << 20;
  const Tensor<float> first(*backend_, kRows), second(*backend_, kRows), beside(*backend_, kRows);
  const Tensor<float> first_came(*backend_, kRows), second_came(*backend_, kRows);
  const std::vector<int64_t> bytes = {kRows * static_cast<int64_t>(sizeof(float))};
  const auto begin = [&](const Tensor<float>& sent, const Tensor<float>& received) {
    ranks().begin_all_to_all(Traffic::kForward, *backend_, {as_bytes(sent.view()), bytes},
                             {as_bytes(received.view()), bytes});
  };
  for (int round = 1; round <= 20; ++round) {
    const auto value = static_cast<float>(round);
    backend_->fill(first.view(), value);
    begin(first, first_came);
    backend_->fill(second.view(), -value);
    begin(second, second_came);
    backend_->fill(beside.view(), 0.5f * value);
    ranks().all_reduce(Traffic::kDense, beside.view());
    ranks().finish_all_to_all(*backend_);
    backend_->add(first_came.view(), beside.view(), first.view());
    ranks().finish_all_to_all(*backend_);
    backend_->add(second_came.view(), beside.view(), second.view());
    EXPECT_EQ(first.to_host(), std::vector<float>(kRows, 1.5f * value));
    EXPECT_EQ(second.to_host(), std::vector<float>(kRows, -0.5f * value));
  }
}

/// A sum of one rank's array with itself moves nothing; a segment to itself is a copy, which takes
/// the device longer the more there is of it.
TEST_F(Nccl, ExchangesAreTimedOnTheDevice) {
  constexpr int64_t kLarge = int64_t{1} << 28, kSmall = int64_t{1} << 10;
  const Tensor<uint8_t> sent(*backend_, kLarge), received(*backend_, kLarge);
  const auto seconds_of = [&](int64_t size) {
    const std::vector<int64_t> bytes = {size};
    ranks().reset_accounts();
    ranks().all_to_all(Traffic::kForward, *backend_, {sent.view(), bytes},
                       {received.view(), bytes});
    ranks().settle_accounts();
    return ranks().account(Traffic::kForward).seconds;
  };
  seconds_of(kLarge);  // nothing is timed: the host's seconds stay
  ranks().time_on_device();
  const double large = seconds_of(kLarge), small = seconds_of(kSmall);
  // No GPU's memory moves 2^28 bytes there and back at 100 TB/s.
  EXPECT_GT(large, 2.0 * static_cast<double>(kLarge) / 1e14);
  EXPECT_GT(large, small);
  EXPECT_EQ(ranks().account(Traffic::kDense).seconds, 0.0);
}

TEST_F(Nccl, RowsOfOneRankAreAskedOfItself) {
  SparseAllToAll exchange(*backend_, 10, 6);
  const Tensor<int32_t> ids = tensor(std::vector<int32_t>{7, 3, 7, 0, 7, 3});
  std::vector<int64_t> rank_rows;
  exchange.prepare(*backend_, ids, rank_rows);
  EXPECT_EQ(rank_rows, std::vector<int64_t>{3});
  ASSERT_EQ(exchange.request_rows(), 3);
  const Tensor<float> sums = tensor(std::vector<float>{1, 2, 3, 4, 5, 6}, 2);
  const Tensor<float> back(*backend_, 3, 2), again(*backend_, 3, 2);
  const auto rows = [](const Tensor<float>& x) {
    return View<uint8_t>(reinterpret_cast<uint8_t*>(x.data()), 3, 2 * sizeof(float));
  };
  exchange.begin_give_back(rows(sums), rows(back));
  exchange.finish();
  exchange.begin_answer(rows(back), rows(again));
  exchange.finish();
  EXPECT_EQ(again.to_host(), sums.to_host());
  std::vector<int32_t> global(3), weights(3);
  backend_->download(global.data(), exchange.requests().ids.data, 3 * sizeof(int32_t));
  backend_->download(weights.data(), exchange.owned().weights.data, 3 * sizeof(int32_t));
  EXPECT_EQ(global, (std::vector<int32_t>{0, 3, 7}));
  EXPECT_EQ(weights, (std::vector<int32_t>{1, 2, 3}));
}

}  // namespace
}  // namespace mgqe
#endif
