// Ranks by MPI: the process-wide parts, and a Communicator over all of them. Arrays of a GPU are
// staged through host memory.
#pragma once

#include <memory>
#include <string>

#include "host/engine/backend.hpp"

namespace mgqe {

struct MpiWorld {
  int rank, size;
  int local_rank;  // among those on this machine
};

MpiWorld begin_mpi();
void end_mpi();
/// Returns once every rank has called it; ends all where one does not within half a minute.
void meet_mpi();
/// One line on stderr, then the end of every rank.
[[noreturn]] void abort_mpi(int rank, const std::string& why, int code);

/// All ranks, for values of the host.
std::unique_ptr<Communicator> make_mpi_communicator();
/// And for arrays of this back end.
void use_backend(Communicator& mpi, Backend& backend);

}  // namespace mgqe
