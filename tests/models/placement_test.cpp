// What a rank may take of its device's memory, by who else has arrays in it.
#include "models/features/placement.hpp"

#include "host/cpu/cpu_backend.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe {
namespace {

/// Ranks of which each says what memory it has its arrays in.
class Gathered final : public Communicator {
 public:
  explicit Gathered(std::vector<std::string> addresses) : addresses_(std::move(addresses)) {}
  std::string name() const override { return "gathered"; }
  int rank() const override { return 0; }
  int size() const override { return static_cast<int>(addresses_.size()); }
  void barrier() override {}
  [[noreturn]] void abort(const std::string& why) override { throw Error(why); }

 protected:
  void do_all_reduce(View<float>) override {}
  void do_all_reduce(View<double>) override {}
  void do_begin_all_to_all(Backend&, std::span<const Exchange>) override {}
  void do_finish_all_to_all(Backend&) override {}
  void do_all_gather(View<const uint8_t>, Segments) override {}
  void do_exchange(std::span<const int64_t>, std::span<int64_t>) override {}
  std::vector<std::string> do_gather(const std::string&) override { return addresses_; }
  void do_collect(std::span<const uint8_t>, std::span<const int64_t>, const TakePiece&) override {}

 private:
  std::vector<std::string> addresses_;
};

class Device final : public CpuBackend {
 public:
  std::string name() const override { return "cuda:0"; }
  std::string address() const override { return "here 0000:01:00.0"; }
  int64_t free_bytes() const override { return int64_t{8} << 30; }
};

TEST(RequireMemory, IsOfARanksShareOfItsDevice) {
  const auto refusal_of = [](int64_t gibibytes, const std::vector<std::string>& addresses) {
    Device device;
    device.join(std::make_unique<Gathered>(addresses));
    try {
      require_memory(device, {{{"rows", gibibytes << 30}}, "use less"});
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string mine = Device().address(), other = "here 0000:02:00.0",
                    elsewhere = "there 0000:01:00.0";
  EXPECT_EQ(refusal_of(8, {mine}), "");
  EXPECT_EQ(refusal_of(8, {mine, other, elsewhere}), "") << "each has a GPU of its own";
  EXPECT_CONTAINS(refusal_of(9, {mine, other}), "8.00 GiB are free for it");
  EXPECT_EQ(refusal_of(4, {mine, mine}), "");
  EXPECT_CONTAINS(refusal_of(5, {mine, mine}), "4.00 GiB are free for it");
  EXPECT_CONTAINS(refusal_of(3, {mine, other, mine, mine}), "2.67 GiB are free for it");
}

/// What is copied to the host is in a CPU's own memory, and not in a GPU's.
TEST(RequireMemory, OfACpuIsAlsoTheHosts) {
  class Cpu final : public CpuBackend {
    int64_t free_bytes() const override { return int64_t{8} << 30; }
  } cpu;
  Device gpu;
  MemoryPlan plan{{{"rows", int64_t{5} << 30}}, "use less"};
  plan.host_lines = {{"copies", int64_t{4} << 30}};
  EXPECT_CONTAINS(testing::refusal([&] { require_memory(cpu, plan); }),
                  "5.00 GiB of rows, 4.00 GiB of copies, 9.00 GiB in all");
  require_memory(gpu, plan);
  plan.host_lines[0].bytes = int64_t{3} << 30;
  require_memory(cpu, plan);
}

TEST(Address, OfACpuIsItsMachine) {
  EXPECT_EQ(CpuBackend().address(), CpuBackend().address());
  EXPECT_NE(CpuBackend().address(), "");
}

}  // namespace
}  // namespace mgqe
