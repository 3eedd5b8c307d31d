// The ablations: what each part of MGQE is worth.
#include <fmt/ranges.h>

#include "experiments/grid/grid_program.hpp"

namespace mgqe {
namespace {

constexpr const char* kExamples = R"(examples:
  ablation --seeds 1..5                                # every study on GMF
  ablation --studies variant,tail-k --tasks gmf,sasrec --seeds 1
  ablation --list --only cut

Each study varies one thing of the usual mgqe table: variant (shared_k, private_k, private_d), tiers
(their number), cut (where the head ends), tail-k (centroids of the tail), commitment and
codebook-weight (weights of the two losses), codebook-rate (learning rate beside the rows'),
kmeans-start (codebooks start from k-means), distance-bn (as the DPQ authors' code), tables (users or
items alone), softmax (dpq_sx beside dpq_vq).)";

void run(int argc, char** argv) {
  CLI::App app("Ablations of MGQE", "ablation");
  app.footer(kExamples);
  GridProgram program(app, {"gmf"});
  std::vector<std::string> studies = ablation_names();
  app.add_option("--studies", studies, "studies to make")
      ->delimiter(',')
      ->default_str(fmt::format("{}", fmt::join(studies, ",")));
  parse_command_line(app, argc, argv);
  program.run([&](const GridChoice& choice) { return ablation_points(choice, studies); });
}

}  // namespace
}  // namespace mgqe

int main(int argc, char** argv) {
  return mgqe::run_main("ablation", [&] { mgqe::run(argc, argv); });
}
