// Plots, drawn by gnuplot as SVG that reads on light and on dark pages.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace mgqe {

struct PlotPoint {
  double x, y;
  double half_width = 0.0;  // of y's interval; 0 draws none
};

/// A line with marks. Its name decides colour, mark and dashes: a scheme looks the same everywhere.
struct PlotSeries {
  std::string name;
  std::vector<PlotPoint> points;
};

struct Plot {
  std::string name;   // of its files and of ids within
  std::string title;  // also what is read aloud for it
  std::string x_label, y_label;
  bool log_x = false;  // of percent of the full table: 2 to 120
  bool marks = true;   // on every point; else on a few
  std::vector<PlotSeries> series;
  double y_low = 0.0, y_high = 0.0;  // of the frame; equal: as the points need
};

/// The script that draws one plot, or several as panels with one key, to `output`.
std::string gnuplot_script(const std::vector<Plot>& plots, const std::string& output);

/// What gnuplot wrote, with colours that follow the page (kPlotStyle), ids of its own and a name
/// for readers of screens.
std::string restyled(const std::string& svg, const std::string& name, const std::string& title);

/// InputError where gnuplot is missing, with the package to install.
void require_gnuplot();

/// Draws into `folder`: NAME.gp, which draws it again, and NAME.svg. Returns the SVG as it stands
/// within a page that has kPlotStyle. Requires gnuplot.
std::string draw(const std::vector<Plot>& plots, const std::string& name, const std::string& title,
                 const std::filesystem::path& folder);

/// CSS for .plot, both themes.
extern const char* const kPlotStyle;

}  // namespace mgqe
