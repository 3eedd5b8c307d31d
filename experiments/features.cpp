// Rows with many features: every scheme at several sizes, by both backbones.
#include <iostream>

#include "experiments/grid/grid_program.hpp"

namespace mgqe {
namespace {

constexpr const char* kExamples = R"(examples:
  features --seeds 1..5                               # Frappe and flights by dcn and dlrm, and the report
  features --tasks dcn-flights --only 'full-d16|mgqe' --seeds 1
  features --table                                    # the rows that are stored, as Markdown

Where several L2 penalties are tried (DLRM's, or those of --l2), that of the lower validation loss stands
for a point. Runs are found and made as figure2 does.)";

void run(int argc, char** argv) {
  CLI::App app("Rows with many features: quality against size", "features");
  app.footer(kExamples);
  std::vector<std::string> tasks;
  for (const GridTask& task : feature_tasks()) tasks.push_back(task.name);
  GridProgram program(app, tasks);
  bool print_table = false;
  app.add_flag("--table", print_table, "print the rows that are stored, as Markdown; run nothing");
  parse_command_line(app, argc, argv);
  if (print_table)
    std::cout << program.stored_table(feature_points(program.choice()));
  else
    program.run(feature_points);
}

}  // namespace
}  // namespace mgqe

int main(int argc, char** argv) {
  return mgqe::run_main("features", [&] { mgqe::run(argc, argv); });
}
