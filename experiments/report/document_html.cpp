#include <fmt/format.h>

#include "experiments/report/document.hpp"
#include "experiments/report/plot.hpp"

namespace mgqe {
namespace {

constexpr const char* kStyle =
    R"(:root{color-scheme:light dark;--ink:#1f2328;--soft:#59636e;--line:#d8dce2;--back:#fff;--band:#f5f6f8;--good:#116329;--bad:#a40e26}
@media (prefers-color-scheme:dark){:root{--ink:#e3e6ea;--soft:#9aa3ad;--line:#3a4048;--back:#14171b;--band:#1c2026;--good:#56d364;--bad:#ff8b8b}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1240px;margin:0 auto;padding:2.2rem 1rem 4rem}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .6rem;font-weight:650}
h2{font-size:1.25rem;margin:2.6rem 0 .6rem;padding-top:.8rem;border-top:1px solid var(--line);font-weight:620}
h3{font-size:1.02rem;margin:1.8rem 0 .4rem;font-weight:620}
p,ul{max-width:74ch;margin:.5rem 0}
li{margin:.2rem 0}
.headline{font-size:1.12rem;color:var(--ink);max-width:70ch}
code{font:.88em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--band);padding:.08em .3em;border-radius:3px;overflow-wrap:anywhere}
pre{overflow-x:auto;background:var(--band);padding:.8rem 1rem;border-radius:6px;font-size:.85rem}
pre code{padding:0;background:none;overflow-wrap:normal}
.scroll{overflow-x:auto;margin:.6rem 0 1rem}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);padding:0 0 .35rem;font-size:.875rem}
th,td{padding:.32rem .55rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th{white-space:normal;min-width:3.6rem;font-weight:600;color:var(--soft);vertical-align:bottom}
th.words,td.words{text-align:left}
td.long{white-space:normal;min-width:15rem}
tbody tr:hover{background:var(--band)}
.supported{color:var(--good);font-weight:600}
.refuted{color:var(--bad);font-weight:600}
.open{color:var(--soft)}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,400px),1fr));gap:1rem 1.4rem;margin:1rem 0}
figure{margin:0;min-width:0}
figure:only-child{grid-column:1/-1;max-width:880px}
figure svg{width:100%;height:auto;display:block}
@media (max-width:640px){main{padding-top:1.2rem}th,td{padding:.3rem .5rem}td.words{white-space:normal;min-width:5.6rem}td.long{min-width:11rem}}
details{margin:.6rem 0}
summary{cursor:pointer;color:var(--soft)}
)";

std::string escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      default:
        safe += c;
    }
  return safe;
}

/// Escaped, with `words` in backticks as code.
std::string inline_html(const std::string& text) {
  std::string result;
  bool code = false;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('`', begin), text.size());
    const std::string part = escaped(text.substr(begin, end - begin));
    result += code && !part.empty() ? "<code>" + part + "</code>" : part;
    code = !code;
    begin = end + 1;
  }
  return result;
}

/// Verdicts have a colour and, for those who do not see it, a sign.
std::string cell_html(const std::string& text) {
  const std::string open = "<span class=\"open\">– " + inline_html(text) + "</span>";
  if (text == "supported") return "<span class=\"supported\">✓ supported</span>";
  if (text == "not supported") return "<span class=\"refuted\">✗ not supported</span>";
  for (const char* verdict : {"not enough runs", "undecided", "cut short", "not judged"})
    if (text.starts_with(verdict)) return open;
  return inline_html(text);
}

constexpr size_t kLongCell = 48;  // characters from which a cell may wrap

std::string table_html(const Block& block) {
  std::string text = "<div class=\"scroll\"><table>";
  if (!block.text.empty()) text += "<caption>" + inline_html(block.text) + "</caption>";
  const auto row_html = [&](const TableRow& row, const char* tag) {
    std::string html = "<tr>";
    for (size_t column = 0; column < row.size(); ++column) {
      std::string classes = column < block.left_columns ? "words" : "";
      if (row[column].size() > kLongCell) classes += classes.empty() ? "long" : " long";
      html += fmt::format("<{}{}>{}</{}>", tag, classes.empty() ? "" : " class=\"" + classes + "\"",
                          cell_html(row[column]), tag);
    }
    return html + "</tr>\n";
  };
  text += "\n<thead>" + row_html(block.header, "th") + "</thead>\n<tbody>\n";
  for (const TableRow& row : block.rows) text += row_html(row, "td");
  return text + "</tbody></table></div>\n";
}

std::string block_html(const Block& block) {
  switch (block.kind) {
    case Block::Kind::kHeading:
      return fmt::format("<h{0}>{1}</h{0}>\n", block.level, inline_html(block.text));
    case Block::Kind::kParagraph:
      return "<p>" + inline_html(block.text) + "</p>\n";
    case Block::Kind::kList: {
      std::string text = "<ul>\n";
      for (const std::string& item : block.items) text += "<li>" + inline_html(item) + "</li>\n";
      return text + "</ul>\n";
    }
    case Block::Kind::kTable:
      return table_html(block);
    case Block::Kind::kFigures: {
      std::string text = "<div class=\"figures\">\n";
      for (const auto& figure : block.figures) text += "<figure>" + figure.svg + "</figure>\n";
      return text + "</div>\n";
    }
    case Block::Kind::kCode:
      return "<pre><code>" + escaped(block.text) + "</code></pre>\n";
  }
  return "";
}

}  // namespace

std::string to_html(const Document& document) {
  std::string text = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{}</title>\n<style>\n{}{}</style>\n</head>\n<body>\n<main>\n<h1>{}</h1>\n"
      "<p class=\"headline\">{}</p>\n",
      escaped(document.title), kStyle, kPlotStyle, escaped(document.title),
      inline_html(document.headline));
  for (const Block& block : document.blocks) {
    const std::string html = block_html(block);
    text += block.folded.empty() ? html
                                 : "<details><summary>" + inline_html(block.folded) +
                                       "</summary>\n" + html + "</details>\n";
  }
  return text + "</main>\n</body>\n</html>\n";
}

}  // namespace mgqe
