// Launch: the ranks this process was started among, by mpirun or srun, or itself alone. Made first
// in a program that trains; MPI runs from here to its end.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "host/engine/backend.hpp"

namespace mgqe {

/// Thrown on every rank alike: one of them, rank 0, tells the user.
class AgreedError : public InputError {
 public:
  using InputError::InputError;
};

/// Thrown on ranks whose message another one has printed.
struct SilentExit {
  int code;
};

class Launch {
 public:
  /// InputError where several ranks were started and this build has no MPI, or MPI does not see
  /// them.
  Launch();
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;
  ~Launch();

  int rank() const { return rank_; }
  int size() const { return size_; }

  /// --device for this rank: of several on a machine, each takes its own GPU where `device` leaves
  /// the choice.
  std::string device(const std::string& device) const;
  /// The ranks, for what the host has to say before there is a back end.
  Communicator& ranks() const { return *ranks_; }
  /// Joins the back end to the ranks, once: NCCL where every rank has a GPU of its own, else MPI.
  /// ranks() goes with it.
  void join(Backend& backend);

  /// Runs the body of a program. Where it fails on this rank alone, all end. Where it fails on all
  /// alike, `tell` prints why on rank 0 before any rank ends: a launcher ends the ranks that are
  /// left once one has failed, and what they had to say with them. SilentExit follows.
  void run(const std::function<void()>& body,
           const std::function<void(const std::string& why)>& tell);

 private:
  int rank_ = 0, size_ = 1, local_rank_ = 0;
  std::unique_ptr<Communicator> ranks_;
};

/// Runs `step` on every rank; where it fails on any, AgreedError on all.
void agree(Communicator& ranks, const std::function<void()>& step);
/// AgreedError where a rank's text differs from rank 0's; `what` names it: "configuration".
void check_same(Communicator& ranks, const std::string& what, const std::string& mine);

}  // namespace mgqe
