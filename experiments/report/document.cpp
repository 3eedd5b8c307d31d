#include "experiments/report/document.hpp"

namespace mgqe {

void Document::heading(const std::string& text, int level) {
  Block block{.kind = Block::Kind::kHeading, .level = level, .text = text};
  blocks.push_back(std::move(block));
}

void Document::paragraph(const std::string& text) {
  Block block{.kind = Block::Kind::kParagraph, .text = text};
  blocks.push_back(std::move(block));
}

void Document::list(std::vector<std::string> items) {
  Block block{.kind = Block::Kind::kList, .items = std::move(items)};
  blocks.push_back(std::move(block));
}

void Document::table(const std::string& caption, TableRow header, std::vector<TableRow> rows,
                     size_t left_columns, const std::string& folded) {
  Block block{.kind = Block::Kind::kTable,
              .text = caption,
              .header = std::move(header),
              .rows = std::move(rows),
              .left_columns = left_columns,
              .folded = folded};
  blocks.push_back(std::move(block));
}

void Document::figures(std::vector<Block::Figure> figures) {
  Block block{.kind = Block::Kind::kFigures, .figures = std::move(figures)};
  blocks.push_back(std::move(block));
}

void Document::code(const std::string& text) {
  Block block{.kind = Block::Kind::kCode, .text = text};
  blocks.push_back(std::move(block));
}

}  // namespace mgqe
