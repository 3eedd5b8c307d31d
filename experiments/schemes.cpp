// Every scheme on every backbone, and the anchors outside this project: the rows of the tables in
// the READMEs.
#include <iostream>

#include "experiments/grid/grid_program.hpp"

namespace mgqe {
namespace {

constexpr const char* kExamples = R"(examples:
  schemes --seeds 1                                   # every row, one seed
  schemes --tasks ncf-gmf --seeds 1..5                # an anchor: the NCF authors' split
  schemes --table                                     # the rows that are stored, as Markdown
  schemes --table --only '^gmf/(full|mgqe-D32)'       # some of them

Runs are found and made as figure2 does.)";

void run(int argc, char** argv) {
  CLI::App app("Every scheme on every backbone, and outside anchors", "schemes");
  app.footer(kExamples);
  std::vector<std::string> tasks;
  for (const GridTask& task : scheme_tasks()) tasks.push_back(task.name);
  GridProgram program(app, tasks);
  bool print_table = false;
  app.add_flag("--table", print_table, "print the rows that are stored, as Markdown; run nothing");
  parse_command_line(app, argc, argv);
  if (print_table)
    std::cout << program.stored_table(scheme_points(program.choice()));
  else
    program.run(scheme_points);
}

}  // namespace
}  // namespace mgqe

int main(int argc, char** argv) {
  return mgqe::run_main("schemes", [&] { mgqe::run(argc, argv); });
}
