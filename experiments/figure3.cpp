// Figure 3: training loss by epoch of full and mgqe on the three backbones.
#include "experiments/grid/grid_program.hpp"

namespace mgqe {
namespace {

constexpr const char* kExamples = R"(examples:
  figure3 --seeds 1..10
  figure3 --tasks gmf --seeds 1..5 --jobs 2

Its runs are figure2's of the full table at d = 64 and of mgqe at D = 32: what one has stored, the
other finds.)";

void run(int argc, char** argv) {
  CLI::App app("Figure 3: training loss by epoch", "figure3");
  app.footer(kExamples);
  GridProgram program(app, {"gmf", "neumf", "sasrec"});
  parse_command_line(app, argc, argv);
  program.run(figure3_points);
}

}  // namespace
}  // namespace mgqe

int main(int argc, char** argv) {
  return mgqe::run_main("figure3", [&] { mgqe::run(argc, argv); });
}
