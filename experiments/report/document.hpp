// A report as blocks, written once as HTML and once as Markdown.
#pragma once

#include <string>
#include <vector>

#include "host/io/console/table.hpp"

namespace mgqe {

struct Block {
  enum class Kind { kHeading, kParagraph, kList, kTable, kFigures, kCode };
  /// One drawing: what stands in the page, and the file that Markdown points to.
  struct Figure {
    std::string svg, file, title;
  };

  Kind kind;
  int level = 2;       // heading
  std::string text{};  // heading, paragraph, code, a table's caption; `words` in backticks are code
  std::vector<std::string> items{};
  TableRow header{};
  std::vector<TableRow> rows{};
  size_t left_columns = 1;  // of a table: the first ones hold words
  std::vector<Figure> figures{};
  std::string folded{};  // not empty: folded away under this title
};

struct Document {
  std::string title;
  std::string headline;  // one sentence
  std::vector<Block> blocks;

  void heading(const std::string& text, int level = 2);
  void paragraph(const std::string& text);
  void list(std::vector<std::string> items);
  void table(const std::string& caption, TableRow header, std::vector<TableRow> rows,
             size_t left_columns, const std::string& folded = "");
  void figures(std::vector<Block::Figure> figures);
  void code(const std::string& text);
};

/// One self-contained file: nothing is fetched from anywhere.
std::string to_html(const Document& document);
std::string to_markdown(const Document& document);

}  // namespace mgqe
