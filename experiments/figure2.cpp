// Figure 2: quality against model size, for every scheme on four tasks.
#include <fmt/ranges.h>

#include "experiments/grid/grid_program.hpp"

namespace mgqe {
namespace {

constexpr const char* kExamples = R"(examples:
  figure2 --seeds 1..10                                    # the whole figure
  figure2 --tasks gmf,relevance --seeds 1..5 --budget 60   # what an hour allows, evenly by seed
  figure2 --tasks neumf --only 'full-d64|(mgqe|dpq_vq)-D(16|32)' --seeds 1,2
  figure2 --tasks video-gmf,video-sasrec --seeds 1         # the larger catalogue
  figure2 --list                                           # what is stored and what is missing

Runs are found in the store by everything that decides their figures: the same command goes on where
it was stopped, and several machines may work on one store. A run that is not there is made by
`mgqe train`; its JSON holds the command that repeats it.)";

void run(int argc, char** argv) {
  CLI::App app("Figure 2: quality against model size", "figure2");
  app.footer(kExamples);
  GridProgram program(app, {"gmf", "neumf", "sasrec", "relevance"});
  std::vector<int> subspaces = GridChoice{}.subspaces;
  app.add_option("--subspaces", subspaces,
                 "D of dpq_vq and mgqe; those that divide a task's dimension are taken")
      ->delimiter(',')
      ->default_str(fmt::format("{}", fmt::join(subspaces, ",")));
  parse_command_line(app, argc, argv);
  for (const int one : subspaces)
    if (one < 1) input_error("--subspaces ", one, " must be 1 or more");
  program.run([&](GridChoice choice) {
    choice.subspaces = subspaces;
    return figure2_points(choice);
  });
}

}  // namespace
}  // namespace mgqe

int main(int argc, char** argv) {
  return mgqe::run_main("figure2", [&] { mgqe::run(argc, argv); });
}
