#include <fmt/format.h>

#include "experiments/report/document.hpp"

namespace mgqe {
namespace {

std::string block_markdown(const Block& block) {
  switch (block.kind) {
    case Block::Kind::kHeading:
      return std::string(static_cast<size_t>(block.level), '#') + " " + block.text + "\n";
    case Block::Kind::kParagraph:
      return block.text + "\n";
    case Block::Kind::kList: {
      std::string text;
      for (const std::string& item : block.items) text += "- " + item + "\n";
      return text;
    }
    case Block::Kind::kTable:
      return (block.text.empty() ? "" : block.text + "\n\n") +
             format_markdown_table(block.header, block.rows,
                                   std::vector<Align>(block.left_columns, Align::kLeft));
    case Block::Kind::kFigures: {
      std::string text;
      for (const auto& figure : block.figures)
        text += fmt::format("![{}]({})\n", figure.title, figure.file);
      return text;
    }
    case Block::Kind::kCode:
      return "```sh\n" + block.text + (block.text.ends_with('\n') ? "" : "\n") + "```\n";
  }
  return "";
}

}  // namespace

std::string to_markdown(const Document& document) {
  std::string text = fmt::format("# {}\n\n{}\n", document.title, document.headline);
  for (const Block& block : document.blocks) {
    const std::string markdown = block_markdown(block);
    text += "\n" + (block.folded.empty() ? markdown
                                         : "<details><summary>" + block.folded + "</summary>\n\n" +
                                               markdown + "\n</details>\n");
  }
  return text;
}

}  // namespace mgqe
