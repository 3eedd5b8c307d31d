// The one place that knows which transports are in the binary.
#include "host/comm/launch.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <vector>

#if MGQE_WITH_MPI
#include "host/comm/mpi_communicator.hpp"
#endif

namespace mgqe {

#if MGQE_WITH_CUDA
int cuda_device_count();
#endif
#if MGQE_WITH_NCCL
/// host: of the same ranks; carries what concerns the host alone.
std::unique_ptr<Communicator> make_nccl_communicator(Backend& backend,
                                                     std::unique_ptr<Communicator> host);
#endif

namespace {

/// How many processes the launcher says it has started; 1 where there is none.
int launched_ranks() {
  // Open MPI; MPICH, Intel MPI and Slurm's PMI; MVAPICH; srun whatever its plug-in.
  for (const char* name :
       {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"}) {
    const char* text = std::getenv(name);
    if (text == nullptr) continue;
    int ranks = 0;
    const std::string_view digits(text);
    if (std::from_chars(digits.begin(), digits.end(), ranks).ec == std::errc() && ranks > 0)
      return ranks;
  }
  return 1;
}

}  // namespace

Launch::Launch() {
  const int launched = launched_ranks();
  ranks_ = make_solo();
  if (launched == 1) return;
#if MGQE_WITH_MPI
  const MpiWorld world = begin_mpi();
  rank_ = world.rank;
  size_ = world.size;
  local_rank_ = world.local_rank;
  if (rank_ > 0 && std::freopen("/dev/null", "w", stdout) == nullptr)  // rank 0 speaks
    throw Error("/dev/null cannot be opened");
  if (size_ == launched) {
    ranks_ = make_mpi_communicator();
    return;
  }
  end_mpi();
  input_error("started as one of ", launched, " ranks, but MPI sees ", size_,
              ": launch with the mpirun of the MPI it was built with, or srun --mpi=pmix");
#else
  input_error("started as one of ", launched,
              " ranks, but this build has no MPI: install it (libopenmpi-dev) and configure again, "
              "or start one rank");
#endif
}

Launch::~Launch() {
  ranks_.reset();
#if MGQE_WITH_MPI
  if (size_ > 1) end_mpi();
#endif
}

std::string Launch::device(const std::string& device) const {
#if MGQE_WITH_CUDA
  if (size_ > 1 && (device == "auto" || device == "cuda"))
    if (const int gpus = cuda_device_count(); gpus > 0)
      return device + ":" + std::to_string(local_rank_ % gpus);
#endif
  return device;
}

void Launch::join(Backend& backend) {
  if (size_ == 1) return;
#if MGQE_WITH_MPI
  use_backend(*ranks_, backend);
#if MGQE_WITH_NCCL
  const bool on_gpu = backend.name() != "cpu";
  const std::vector<std::string> gpus = ranks_->gather(on_gpu ? backend.address() : "");
  const bool each_its_own =
      std::set<std::string>(gpus.begin(), gpus.end()).size() == gpus.size() &&
      std::none_of(gpus.begin(), gpus.end(), [](const std::string& gpu) { return gpu.empty(); });
  if (each_its_own) ranks_ = make_nccl_communicator(backend, std::move(ranks_));
#endif
#endif
  backend.join(std::move(ranks_));
}

void Launch::run(const std::function<void()>& body,
                 [[maybe_unused]] const std::function<void(const std::string& why)>& tell) {
  if (size_ == 1) return body();
#if MGQE_WITH_MPI
  try {
    body();
  } catch (const AgreedError& error) {
    if (rank_ == 0) tell(error.what());
    meet_mpi();
    throw SilentExit{2};
  } catch (const InputError& error) {
    abort_mpi(rank_, error.what(), 2);
  } catch (const DeviceError& error) {
    abort_mpi(rank_, error.what(), 2);
  } catch (const std::exception& error) {
    abort_mpi(rank_, error.what(), 1);
  }
#endif
}

void agree(Communicator& ranks, const std::function<void()>& step) {
  std::string error;
  try {
    step();
    if (ranks.alone()) return;
  } catch (const Error& caught) {
    if (ranks.alone()) throw;
    error = caught.what();
    if (error.empty()) error = "failed";
  }
  const std::vector<std::string> errors = ranks.gather(error);
  for (size_t r = 0; r < errors.size(); ++r)
    if (!errors[r].empty())
      throw AgreedError((r == 0 ? std::string() : "rank " + std::to_string(r) + ": ") + errors[r]);
}

void check_same(Communicator& ranks, const std::string& what, const std::string& mine) {
  const std::vector<std::string> all = ranks.gather(mine);
  for (size_t r = 1; r < all.size(); ++r) {
    if (all[r] == all[0]) continue;
    const auto differ = std::mismatch(all[0].begin(), all[0].end(), all[r].begin(), all[r].end());
    const auto from = [&](const std::string& text, std::string::const_iterator place) {
      constexpr int64_t kAround = 24;
      const int64_t at = std::max<int64_t>(0, place - text.begin() - kAround);
      return text.substr(static_cast<size_t>(at), 2 * kAround);
    };
    throw AgreedError(detail::concat(
        "rank ", r, " has another ", what, " than rank 0: `", from(all[r], differ.second),
        "` instead of `", from(all[0], differ.first), "`: start every rank with the same"));
  }
}

}  // namespace mgqe
