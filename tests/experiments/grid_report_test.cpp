// The report of a made-up store: complete, well-formed, and in need of nothing outside itself.
#include <cstdlib>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "experiments/report/plot.hpp"
#include "experiments/report/report.hpp"
#include "host/base/check.hpp"
#include "host/train/user_hits.hpp"
#include "tests/support/grid_report_testing.hpp"

namespace mgqe::testing {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream stream(path);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

/// The first tag that is not closed where it should be, or is closed unopened; empty where all are.
std::string badly_nested(const std::string& html) {
  static const std::regex tag("<(/?)([a-zA-Z0-9]+)((\"[^\"]*\"|'[^']*'|[^>\"'])*)>");
  std::vector<std::string> open;
  for (auto match = std::sregex_iterator(html.begin(), html.end(), tag);
       match != std::sregex_iterator(); ++match) {
    const std::string name = (*match)[2], rest = (*match)[3];
    if (rest.ends_with("/") || name == "meta") continue;
    if ((*match)[1].length() == 0) {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return "</" + name + "> at " + std::to_string(match->position());
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : "<" + open.back() + "> is never closed";
}

class Report : public ScratchFolder {
 protected:
  void SetUp() override {
    ScratchFolder::SetUp();
    if (std::system("gnuplot --version >/dev/null 2>&1") != 0)
      GTEST_SKIP() << "gnuplot is missing: apt-get install -y gnuplot-nox";
  }
  /// The two files, as text.
  void write(const std::vector<RunRecord>& runs) {
    put_all(folder_ / "runs", runs);
    // To look at it: MGQE_KEEP_REPORT=FOLDER.
    const char* keep = std::getenv("MGQE_KEEP_REPORT");
    const fs::path folder = keep != nullptr ? fs::path(keep) : folder_ / "report";
    write_report(RunStore(folder_ / "runs"), every_task(), folder);
    html_ = read(folder / "report.html");
    markdown_ = read(folder / "report.md");
  }
  bool both_have(const std::string& text) const {
    return html_.find(text) != std::string::npos && markdown_.find(text) != std::string::npos;
  }

  std::string html_, markdown_;
};

TEST_F(Report, HasEverySchemeClaimAndSize) {
  const GridChoice choice = every_task();
  std::vector<RunRecord> runs = made_up_runs(figure2_points(choice), {1, 2, 3});
  GridChoice gmf = choice;
  gmf.tasks = find_tasks({"gmf"});
  for (const RunRecord& run : made_up_runs(ablation_points(gmf, ablation_names()), {1, 2}))
    runs.push_back(run);
  write(runs);
  for (const char* text : {"full d=8",
                           "full d=64",
                           "low_rank r=4",
                           "scalar_quantized b=1",
                           "hashed m=2048",
                           "dpq_vq D=4",
                           "mgqe D=32",
                           "dpq_sx",
                           "12.50%",
                           "not enough runs",
                           "supported",
                           "The paper's claims",
                           "Figure 2",
                           "Figure 3",
                           "Head and tail",
                           "Ablations",
                           "private_d",
                           "tail-k",
                           "codebook-rate",
                           "training loss / full's",
                           "The three variants of MGQE",
                           "Number of tiers; 1 is DPQ",
                           "GMF on Amazon Video Games",
                           "Selection is by validation alone",
                           "made up, 1 thread",
                           "0123456789ab",
                           "build/release/mgqe train --data ml-1m --model gmf",
                           "What is there, and what is missing",
                           "3 of 10",
                           "full-d8",
                           "} seeds 4–10",
                           "What MGQE keeps of the full table",
                           "26% of the users",
                           "largest rise",
                           "best epoch",
                           "3 of 20",
                           "Bonferroni",
                           "No stored run of figure 2 is.",
                           "has its users' hits, they were made before",
                           "± ",
                           "one version of the numerics",
                           "fixed after part of the runs had been stored",
                           "what has had the longest training allowed is judged by it",
                           "runs, at least about",
                           ", at least about"})
    EXPECT_TRUE(both_have(text)) << text;
  EXPECT_TRUE(both_have("of the bits of a full embedding table, MGQE finds"))
      << markdown_.substr(0, 400);
  EXPECT_LT(markdown_.find("| claim "), markdown_.find("\n## ")) << "first screen";
  EXPECT_LT(markdown_.find("figures/figure2.svg"), markdown_.find("\n## ")) << "first screen";
  // Every line of the figures and every panel is there.
  EXPECT_GE(std::count(html_.begin(), html_.end(), '\n'), 500);
  size_t drawings = 0;
  for (size_t at = 0; (at = html_.find("<svg class=\"plot\"", at)) != std::string::npos; ++at)
    ++drawings;
  EXPECT_EQ(drawings, 1u + 2u * 3 + 1 + 3)
      << "all tasks in one; figure 2: two of each backbone, one RMSE; figure 3";
}

// Two seeds far apart have an interval wider than all there is to see.
TEST_F(Report, TheFrameHoldsTheBestWhateverTheIntervals) {
  GridChoice choice = every_task();
  choice.tasks = find_tasks({"relevance"});
  std::vector<RunRecord> runs;
  for (const uint64_t seed : {1, 2})
    for (const RunRecord& run :
         made_up_runs(figure2_points(choice), {seed}, [&](const GridPoint& point) {
           return point.series == "low_rank" ? static_cast<double>(seed) : plausible_quality(point);
         }))
      runs.push_back(run);
  put_all(folder_ / "runs", runs);
  write_report(RunStore(folder_ / "runs"), choice, folder_ / "a reader's report; ls");
  const std::string plot =
      read(folder_ / "a reader's report; ls" / "figures" / "figure2-relevance.gp");
  static const std::regex range("set yrange \\[([0-9.]+):([0-9.]+)\\]");
  std::smatch found;
  ASSERT_TRUE(std::regex_search(plot, found, range)) << plot;
  EXPECT_GT(std::stod(found[1]), 12.0);
  EXPECT_LT(std::stod(found[1]), 14.0);
  EXPECT_GT(std::stod(found[2]), 16.0);
  EXPECT_LT(std::stod(found[2]), 18.0);
}

TEST_F(Report, NeedsNothingElseAndIsWellFormed) {
  write(made_up_runs(figure2_points(every_task()), {1, 2, 3}));
  for (const char* outside : {"http://", "https://", "src=", "@import", "url(", "<link", "<script"})
    EXPECT_EQ(html_.find(outside), std::string::npos) << outside;
  EXPECT_EQ(badly_nested(html_), "");
  EXPECT_NE(html_.find("prefers-color-scheme:dark"), std::string::npos);
  EXPECT_NE(html_.find("name=\"viewport\""), std::string::npos);
  // Ids are unique, and colours follow the page.
  static const std::regex id("\\bid=[\"']([^\"']+)[\"']");
  std::map<std::string, int> ids;
  for (auto match = std::sregex_iterator(html_.begin(), html_.end(), id);
       match != std::sregex_iterator(); ++match)
    EXPECT_EQ(++ids[(*match)[1]], 1) << (*match)[1];
  EXPECT_EQ(html_.find("\"black\""), std::string::npos);
  EXPECT_NE(html_.find("var(--s6)"), std::string::npos) << "mgqe's line";
}

TEST_F(Report, OfAnEmptyStoreSaysSo) {
  write({});
  EXPECT_TRUE(both_have("No pair of runs of mgqe and full is stored yet"));
  EXPECT_TRUE(both_have("No run of it is stored yet."));
  EXPECT_EQ(badly_nested(html_), "");
}

TEST_F(Report, TellsOfCodebooksCutsAndUsers) {
  std::vector<RunRecord> runs = made_up_runs(figure2_points(every_task()), {1, 2, 3});
  for (RunRecord& run : runs) {
    const Config config = recorded_config(run);
    if (config.embedding.scheme == "low_rank") run["best_epoch"] = config.train.epochs;
    if (config.embedding.scheme == "mgqe")
      run["quantizer"]["item"] = {{{"rows", 342},
                                   {"centroids", 256},
                                   {"perplexity", 123.4},
                                   {"unused_centroids", 4096},
                                   {"mean_squared_error", 0.01}}};
    if (config.model.task == TaskKind::kRanking) {
      std::vector<double> hits(40, 0.0);
      for (size_t user = 0; user < 20; ++user) hits[(user * 7 + config.run.seed) % 40] = 1.0;
      run["user_hits"] = hits_to_json(hits);
      run["test"]["full"]["hr@10"] = 0.5;
      run["test"]["full"]["users"] = 40;
    }
  }
  write(runs);
  for (const char* text : {"Use of the codebooks", "123.4", "50.0%", "item, tier 1",
                           "20 of 20 (3 cut short)", "over seeds and users", "Cut short, so to be"})
    EXPECT_TRUE(both_have(text)) << text;
}

TEST_F(Report, SetsOtherNumericsAside) {
  GridChoice choice = every_task();
  choice.tasks = find_tasks({"gmf"});
  std::vector<RunRecord> runs = made_up_runs(figure3_points(choice), {1});
  runs.back()["numerics_version"] = 999;
  write(runs);
  EXPECT_TRUE(both_have("1 stored run of another numerics version set aside"));
  EXPECT_TRUE(both_have("No pair of runs of mgqe and full is stored yet"));
}

TEST_F(Report, IsTheSameWhenWrittenAgain) {
  const auto runs = made_up_runs(figure3_points(every_task()), {1, 2});
  write(runs);
  const std::string first = html_ + markdown_;
  write(runs);
  EXPECT_EQ(html_ + markdown_, first);
}

TEST(Plots, TellSchemesApartWithoutColour) {
  Plot plot{"p", "P", "x", "y", true, true, {}, 0, 0};
  for (const char* scheme :
       {"full", "low_rank", "scalar_quantized", "hashed", "dpq_vq", "mgqe", "dpq_sx"})
    plot.series.push_back({scheme, {{10, 0.5, 0.01}}});
  const std::string script = gnuplot_script({plot}, "p.svg");
  static const std::regex style("dt ([^ ]+) pt ([0-9]+)");
  std::set<std::string> marks;
  for (auto match = std::sregex_iterator(script.begin(), script.end(), style);
       match != std::sregex_iterator(); ++match)
    EXPECT_TRUE(marks.insert((*match)[2]).second) << "mark " << (*match)[2] << " comes twice";
  EXPECT_EQ(marks.size(), 7u);
}

}  // namespace
}  // namespace mgqe::testing
