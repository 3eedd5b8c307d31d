#include "experiments/report/plot.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <regex>
#include <sstream>

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/base/check.hpp"
#include "host/io/atomic_file.hpp"

namespace mgqe {

const char* const kPlotStyle =
    R"(.plot{color:#24292f;--grid:#d8dce2;--s1:#24292f;--s2:#0068a8;--s3:#00805e;--s4:#8a5fa0;--s5:#c45000;--s6:#c2134f;--s7:#6b7280;--s8:#8a6100;font-family:system-ui,sans-serif}
@media (prefers-color-scheme:dark){.plot{color:#dfe3e8;--grid:#3a4048;--s1:#e8eaed;--s2:#62b5f0;--s3:#35c79b;--s4:#c9a2de;--s5:#ff9c57;--s6:#ff6f9f;--s7:#a0a7b1;--s8:#e0b84c}}
)";

namespace {

/// Told apart by mark and dashes, whatever becomes of the colours.
struct Look {
  const char* name;
  int color;  // of kPlotStyle
  int mark;   // gnuplot's point type
  const char* dashes;
  double width;
};

constexpr Look kLooks[] = {
    {"full", 1, 7, "1", 1.4},                    // filled circle
    {"low_rank", 2, 4, "(8,4)", 1.2},            // open square
    {"scalar_quantized", 3, 8, "(3,3)", 1.2},    // open triangle
    {"hashed", 4, 11, "(10,3,2,3)", 1.2},        // filled triangle, point down
    {"dpq_vq", 5, 12, "(6,2)", 1.4},             // open diamond
    {"mgqe_f16", 8, 9, "(4,2)", 1.8},            // filled triangle
    {"mgqe", 6, 5, "1", 2.4},                    // filled square, thick line
    {"mgqe_budget", 3, 15, "1", 2.0},            // filled pentagon
    {"dpq_sx", 7, 2, "(2,2)", 1.2},              // cross
    {"lsq", 7, 6, "(3,1)", 1.2},                 // open circle
    {"lsq_all", 7, 14, "(1,3)", 1.2},            // open pentagon
    {"multiplexed", 4, 10, "(10,3)", 1.2},       // open triangle, point down
    {"quotient_remainder", 2, 3, "(1,2)", 1.2},  // star
    {"memcom", 5, 1, "(5,3)", 1.2},              // plus
    {"mixed_dim", 8, 13, "(8,2,2,2)", 1.2},      // filled diamond
};

const Look& look_of(const std::string& series) {
  for (const Look& look : kLooks)
    if (series == look.name || series.starts_with(std::string(look.name) + " ")) return look;
  return kLooks[0];
}

/// gnuplot takes colours as numbers: these ones stand for those of kPlotStyle until restyled().
std::string color(int number) { return fmt::format("rgb '#0102{:02x}'", number); }

std::string quoted(const std::string& text) {
  std::string safe = text;
  std::erase_if(safe, [](char c) { return c == '"' || c == '\\' || c == '\n'; });
  return '"' + safe + '"';
}

constexpr const char* kKeyBelow =
    "set key below maxrows 2 samplen 2.5 width 1.5 spacing 1.1 font ',11'\n"
    "set bmargin 6.4\nset xlabel offset 0,0.6\n";

std::string block_name(size_t plot, size_t series) { return fmt::format("$p{}s{}", plot, series); }

std::string data_blocks(const std::vector<Plot>& plots) {
  std::string text;
  for (size_t p = 0; p < plots.size(); ++p)
    for (size_t s = 0; s < plots[p].series.size(); ++s) {
      text += fmt::format("{} << EOD\n", block_name(p, s));
      for (const PlotPoint& point : plots[p].series[s].points)
        text += fmt::format("{:.6g} {:.6g} {:.6g}\n", point.x, point.y, point.half_width);
      text += "EOD\n";
    }
  return text;
}

std::string line_style(const Look& look) {
  return fmt::format("lc {} lw {} dt {} pt {} ps 0.75", color(look.color), look.width, look.dashes,
                     look.mark);
}

std::string plot_command(const Plot& plot, size_t number) {
  std::string text = fmt::format("set title {}\nset xlabel {}\nset ylabel {}\n", quoted(plot.title),
                                 quoted(plot.x_label), quoted(plot.y_label));
  text += plot.log_x ? "set logscale x\nset xrange [2:130]\nset xtics (2,5,10,20,50,100)\n"
                     : "unset logscale x\nset xrange [*:*]\nset xtics autofreq\n";
  text += plot.y_low < plot.y_high
              ? fmt::format("set yrange [{:.6g}:{:.6g}]\n", plot.y_low, plot.y_high)
              : "set yrange [*:*]\n";
  std::string parts;
  for (size_t s = 0; s < plot.series.size(); ++s) {
    const PlotSeries& series = plot.series[s];
    const std::string style = line_style(look_of(series.name));
    const std::string block = block_name(number, s);
    const bool bars = std::any_of(series.points.begin(), series.points.end(),
                                  [](const PlotPoint& point) { return point.half_width > 0; });
    const size_t every = plot.marks ? 1 : std::max<size_t>(1, series.points.size() / 10);
    if (bars)
      parts += fmt::format("{}{} using 1:2:3 with yerrorbars {} dt 1 lw 1 notitle",
                           parts.empty() ? "" : ", \\\n  ", block,
                           fmt::format("lc {} ps 0", color(look_of(series.name).color)));
    parts += fmt::format("{}{} using 1:2 with linespoints {} pointinterval {} title {}",
                         parts.empty() ? "" : ", \\\n  ", block, style, every, quoted(series.name));
  }
  return text + "plot " + parts + "\n";
}

std::vector<std::string> names_of(const std::vector<Plot>& plots) {
  std::vector<std::string> names;
  for (const Plot& plot : plots)
    for (const PlotSeries& series : plot.series)
      if (std::find(names.begin(), names.end(), series.name) == names.end())
        names.push_back(series.name);
  return names;
}

constexpr size_t kKeyColumns = 3;
/// Of a plot of nothing but the key.
int key_height(const std::vector<Plot>& plots) {
  constexpr int kRow = 20;
  const size_t names = names_of(plots).size();
  return kRow * static_cast<int>(std::max<size_t>(2, (names + kKeyColumns - 1) / kKeyColumns));
}

/// A plot of nothing but the key.
std::string key_command(const std::vector<Plot>& plots) {
  const std::vector<std::string> names = names_of(plots);
  std::string parts;
  for (const Look& look : kLooks)
    if (std::find(names.begin(), names.end(), look.name) != names.end())
      parts += fmt::format("{}NaN with linespoints {} title {}", parts.empty() ? "" : ", \\\n  ",
                           line_style(look), quoted(look.name));
  return "unset title\nunset xlabel\nunset ylabel\nunset tics\nunset border\nunset grid\n"
         "unset logscale x\nset xrange [0:1]\nset yrange [0:1]\n"
         "set key center center horizontal maxcols " +
         std::to_string(kKeyColumns) + " samplen 3 width 2\nplot " + parts + "\n";
}

std::string read(const std::filesystem::path& path) {
  std::ifstream stream(path);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

void replace(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

}  // namespace

std::string gnuplot_script(const std::vector<Plot>& plots, const std::string& output) {
  const bool panels = plots.size() > 1;
  const size_t rows = (plots.size() + 1) / 2;
  const int width = panels ? 860 : 430,
            height = panels ? static_cast<int>(rows) * 300 + key_height(plots) : 360;
  std::string text = fmt::format(
      "set terminal svg size {},{} dynamic noenhanced font \"system-ui,sans-serif,13\" name "
      "\"plot\"\n"
      "set output \"{}\"\n"
      "set border 3\nset tics nomirror\nset grid lc rgb '#010101' lw 1 dt 1\nset bars 0.5\nset "
      "pointintervalbox 0\n"
      "set format y \"%g\"\nset offsets graph 0.02, graph 0.02, graph 0.05, graph 0.05\n{}",
      width, height, output, data_blocks(plots));
  if (!panels) return text + kKeyBelow + plot_command(plots[0], 0);
  text += "set multiplot\nset key off\n";
  const double strip = static_cast<double>(key_height(plots)) / height,
               tall = (1.0 - strip) / static_cast<double>(rows);
  for (size_t p = 0; p < plots.size(); ++p)
    text += fmt::format("set size 0.5,{:.4f}\nset origin {},{:.4f}\n{}", tall, p % 2 == 0 ? 0 : 0.5,
                        strip + tall * static_cast<double>(rows - 1 - p / 2),
                        plot_command(plots[p], p));
  return text + fmt::format(
                    "set size 1,{:.4f}\nset origin 0,0\nset margins 0,0,0,0\n{}"
                    "unset multiplot\n",
                    strip, key_command(plots));
}

std::string restyled(const std::string& svg, const std::string& name, const std::string& title) {
  std::smatch box;
  static const std::regex view_box("viewBox=\"([0-9 ]+)\"");
  if (!std::regex_search(svg, box, view_box)) throw Error("gnuplot wrote no SVG for " + name);
  std::string body = svg.substr(svg.find("</desc>") + 7);
  replace(body, "xlink:href", "href");
  replace(body, "gpPt", name + "-pt");
  replace(body, "gpDot", name + "-dot");
  replace(body, "id=\"gnuplot_canvas\"", "id=\"" + name + "-canvas\"");
  replace(body, "id=\"plot_", "id=\"" + name + "-");
  for (const char* filter : {"textbox", "greybox"})
    replace(body, std::string("id='") + filter, "id='" + name + "-" + filter);
  for (const char quote : {'\'', '"'})
    replace(body, std::string(1, quote) + "black" + quote, "\"currentColor\"");
  static const std::regex series("rgb\\( *1, *2, *([0-9]+)\\)"), grid("rgb\\( *1, *1, *1\\)");
  body = std::regex_replace(body, series, "var(--s$1)");
  body = std::regex_replace(body, grid, "var(--grid)");
  // gnuplot clears what is below a mark with a white one: no page here need be white.
  static const std::regex cleared("<use [^>]*color='white'/>\\s*");
  body = std::regex_replace(body, cleared, "");
  // Blank lines would end an HTML block in Markdown; empty groups say nothing.
  static const std::regex empty("<g [^>]*>\\s*</g>\\s*"), blank("\n\\s*\n");
  body = std::regex_replace(body, empty, "");
  body = std::regex_replace(body, blank, "\n");
  std::string said = title;
  replace(said, "&", "&amp;");
  replace(said, "<", "&lt;");
  replace(said, "\"", "&quot;");
  return "<svg class=\"plot\" role=\"img\" aria-label=\"" + said + "\" viewBox=\"" + box[1].str() +
         "\">" + body;
}

void require_gnuplot() {
  const char* path = std::getenv("PATH");
  std::stringstream folders(path != nullptr ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (access((folder + "/gnuplot").c_str(), X_OK) == 0) return;
  input_error(
      "gnuplot is missing, which draws the report's figures: apt-get install -y gnuplot-nox, or "
      "give --no-report");
}

namespace {

/// Within the folder, whose name no shell reads.
void run_gnuplot(const std::filesystem::path& folder, const std::string& script) {
  int ends[2];
  if (pipe(ends) != 0) throw Error("gnuplot cannot be started: no pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  std::string program = "gnuplot", argument = script;
  char* const arguments[] = {program.data(), argument.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawnp(&child, "gnuplot", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string said;
  char text[512];
  for (ssize_t got; error == 0 && (got = ::read(ends[0], text, sizeof text)) > 0;)
    said.append(text, static_cast<size_t>(got));
  close(ends[0]);
  if (error != 0) throw Error(fmt::format("gnuplot cannot be started: {}", std::strerror(error)));
  int status = 0;
  waitpid(child, &status, 0);
  if (said.empty() && WIFSIGNALED(status))
    said = fmt::format("killed by signal {}", WTERMSIG(status));
  if (said.empty()) said = fmt::format("ended with code {}", WEXITSTATUS(status));
  if (status != 0) throw Error("gnuplot " + script + ": " + said.substr(0, 300));
}

}  // namespace

std::string draw(const std::vector<Plot>& plots, const std::string& name, const std::string& title,
                 const std::filesystem::path& folder) {
  require_gnuplot();
  ensure_writable_directory(folder);
  const std::filesystem::path raw = folder / (name + ".raw.svg");
  write_file_atomically(folder / (name + ".gp"), gnuplot_script(plots, name + ".raw.svg"));
  run_gnuplot(folder, name + ".gp");
  const std::string svg = restyled(read(raw), name, title);
  std::filesystem::remove(raw);
  std::string alone = svg;
  alone.replace(0, 4, "<svg xmlns=\"http://www.w3.org/2000/svg\"");
  alone.insert(alone.find('>') + 1, std::string("<style>") + kPlotStyle + "</style>");
  write_file_atomically(folder / (name + ".svg"), alone);
  return svg;
}

}  // namespace mgqe
