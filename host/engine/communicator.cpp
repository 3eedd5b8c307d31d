#include "host/engine/communicator.hpp"

#include <algorithm>
#include <chrono>
#include <numeric>

namespace mgqe {

const char* traffic_name(Traffic what) {
  switch (what) {
    case Traffic::kForward:
      return "forward";
    case Traffic::kBackward:
      return "backward";
    case Traffic::kCodebook:
      return "codebook";
    case Traffic::kDense:
      return "dense";
    case Traffic::kControl:
      break;
  }
  return "control";
}

int64_t Segments::total() const { return std::accumulate(bytes.begin(), bytes.end(), int64_t{0}); }

template <class Call>
void Communicator::count(Traffic what, int64_t bytes, const Call& call) {
  time(what, call);
  TrafficAccount& account = accounts_[static_cast<int>(what)];
  ++account.calls;
  account.bytes += bytes;
}

template <class Call>
void Communicator::time(Traffic what, const Call& call) {
  carried_ = what;
  const auto began = std::chrono::steady_clock::now();
  call();
  accounts_[static_cast<int>(what)].seconds +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

namespace {

/// What leaves a rank when N of them sum b bytes.
int64_t reduced_bytes(int64_t bytes, int ranks) { return 2 * bytes * (ranks - 1) / ranks; }

}  // namespace

void Communicator::all_reduce(Traffic what, View<float> x) {
  const auto bytes = x.size() * static_cast<int64_t>(sizeof(float));
  count(what, reduced_bytes(bytes, size()), [&] { do_all_reduce(x); });
}

void Communicator::all_reduce(Traffic what, View<double> x) {
  const auto bytes = x.size() * static_cast<int64_t>(sizeof(double));
  count(what, reduced_bytes(bytes, size()), [&] { do_all_reduce(x); });
}

void Communicator::all_to_all(Traffic what, Backend& on, Segments send, Segments receive) {
  const Exchange one{send, receive};
  all_to_all(what, on, std::span(&one, 1));
}

void Communicator::all_to_all(Traffic what, Backend& on, std::span<const Exchange> exchanges) {
  MGQE_CHECK(under_way_.empty(), under_way_.size(), " exchanges are to be finished before");
  begin(what, on, exchanges);
  finish_all_to_all(on);
}

void Communicator::begin_all_to_all(Traffic what, Backend& on, Segments send, Segments receive) {
  const Exchange one{send, receive};
  begin(what, on, std::span(&one, 1));
}

void Communicator::begin(Traffic what, Backend& on, std::span<const Exchange> exchanges) {
  const auto ranks = static_cast<size_t>(size());
  int64_t bytes = 0;
  for (const auto& [send, receive] : exchanges) {
    MGQE_CHECK(send.bytes.size() == ranks && receive.bytes.size() == ranks, send.bytes.size(),
               " and ", receive.bytes.size(), " segments for ", ranks, " ranks");
    MGQE_CHECK(send.total() <= send.data.size() && receive.total() <= receive.data.size(),
               "segments of ", send.total(), " and ", receive.total(), " bytes in arrays of ",
               send.data.size(), " and ", receive.data.size());
    bytes += send.total() - send.bytes[static_cast<size_t>(rank())];
  }
  count(what, bytes, [&] { do_begin_all_to_all(on, exchanges); });
  under_way_.push_back(what);
}

void Communicator::finish_all_to_all(Backend& on) {
  MGQE_CHECK(!under_way_.empty(), "no exchange has begun");
  time(under_way_.front(), [&] { do_finish_all_to_all(on); });
  under_way_.pop_front();
}

void Communicator::all_gather(Traffic what, View<const uint8_t> mine, Segments receive) {
  const auto ranks = static_cast<size_t>(size());
  MGQE_CHECK(
      receive.bytes.size() == ranks && receive.bytes[static_cast<size_t>(rank())] == mine.size() &&
          receive.total() <= receive.data.size(),
      receive.bytes.size(), " segments for ", ranks, " ranks, ", mine.size(), " bytes given");
  count(what, mine.size() * (size() - 1), [&] { do_all_gather(mine, receive); });
}

void Communicator::exchange(Traffic what, std::span<const int64_t> to, std::span<int64_t> from) {
  MGQE_CHECK(to.size() == from.size() && to.size() % static_cast<size_t>(size()) == 0, to.size(),
             " values to and ", from.size(), " from ", size(), " ranks");
  const auto each = static_cast<int64_t>(to.size_bytes()) / size();
  count(what, each * (size() - 1), [&] { do_exchange(to, from); });
}

std::vector<std::string> Communicator::gather(const std::string& mine) {
  std::vector<std::string> all;
  count(Traffic::kControl, static_cast<int64_t>(mine.size()) * (size() - 1),
        [&] { all = do_gather(mine); });
  return all;
}

void Communicator::collect(std::span<const uint8_t> mine, std::span<const int64_t> sizes,
                           const TakePiece& take) {
  MGQE_CHECK(sizes.size() == static_cast<size_t>(size()) &&
                 sizes[static_cast<size_t>(rank())] == static_cast<int64_t>(mine.size()),
             sizes.size(), " sizes for ", size(), " ranks, ", mine.size(), " bytes given");
  if (leads()) take(0, 0, mine);
  if (alone()) return;
  count(Traffic::kControl, leads() ? 0 : static_cast<int64_t>(mine.size()),
        [&] { do_collect(mine, sizes, take); });
}

namespace {

class Solo final : public Communicator {
 public:
  std::string name() const override { return "solo"; }
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void barrier() override {}
  [[noreturn]] void abort(const std::string& why) override { throw Error(why); }

 protected:
  void do_all_reduce(View<float>) override {}
  void do_all_reduce(View<double>) override {}
  void do_begin_all_to_all(Backend&, std::span<const Exchange>) override { nobody(); }
  void do_finish_all_to_all(Backend&) override { nobody(); }
  void do_all_gather(View<const uint8_t>, Segments) override { nobody(); }
  void do_exchange(std::span<const int64_t> to, std::span<int64_t> from) override {
    std::copy(to.begin(), to.end(), from.begin());
  }
  std::vector<std::string> do_gather(const std::string& mine) override { return {mine}; }
  void do_collect(std::span<const uint8_t>, std::span<const int64_t>, const TakePiece&) override {
    nobody();
  }

 private:
  [[noreturn]] static void nobody() { throw Error("one rank has nobody to exchange rows with"); }
};

}  // namespace

std::unique_ptr<Communicator> make_solo() { return std::make_unique<Solo>(); }

}  // namespace mgqe
