#include "host/io/console/table.hpp"

#include <algorithm>
#include <cstddef>

#include "host/base/check.hpp"

namespace mgqe {

namespace {

/// Code points of UTF-8 text: the bytes that do not continue one.
size_t display_width(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::vector<size_t> column_widths(const TableRow& header, const std::vector<TableRow>& rows) {
  std::vector<size_t> widths;
  for (const std::string& cell : header) widths.push_back(display_width(cell));
  for (const TableRow& row : rows) {
    MGQE_CHECK(row.size() == header.size(), "row has ", row.size(), " cells, header ",
               header.size());
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  }
  return widths;
}

Align alignment_of(const std::vector<Align>& alignments, size_t column) {
  return column < alignments.size() ? alignments[column] : Align::kRight;
}

std::string pad(const std::string& cell, size_t width, Align align) {
  const std::string space(width - display_width(cell), ' ');
  return align == Align::kLeft ? cell + space : space + cell;
}

std::string text_line(const TableRow& row, const std::vector<size_t>& widths,
                      const std::vector<Align>& alignments) {
  std::string line;
  for (size_t i = 0; i < row.size(); ++i) {
    if (i > 0) line += "  ";
    line += pad(row[i], widths[i], alignment_of(alignments, i));
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + '\n';
}

std::string markdown_line(const TableRow& row, const std::vector<size_t>& widths,
                          const std::vector<Align>& alignments) {
  std::string line = "|";
  for (size_t i = 0; i < row.size(); ++i)
    line += ' ' + pad(row[i], widths[i], alignment_of(alignments, i)) + " |";
  return line + '\n';
}

TableRow escape_bars(TableRow row) {
  for (std::string& cell : row)
    for (size_t at = 0; (at = cell.find('|', at)) != std::string::npos; at += 2)
      cell.insert(at, 1, '\\');
  return row;
}

}  // namespace

std::string format_table(const TableRow& header, const std::vector<TableRow>& rows,
                         const std::vector<Align>& alignments) {
  const std::vector<size_t> widths = column_widths(header, rows);
  TableRow rule;
  for (const size_t width : widths) rule.emplace_back(width, '-');
  std::string table = text_line(header, widths, alignments) + text_line(rule, widths, alignments);
  for (const TableRow& row : rows) table += text_line(row, widths, alignments);
  return table;
}

std::string format_markdown_table(const TableRow& header, const std::vector<TableRow>& rows,
                                  const std::vector<Align>& alignments) {
  const TableRow safe_header = escape_bars(header);
  std::vector<TableRow> safe_rows;
  safe_rows.reserve(rows.size());
  for (const TableRow& row : rows) safe_rows.push_back(escape_bars(row));
  std::vector<size_t> widths = column_widths(safe_header, safe_rows);
  TableRow rule;
  for (size_t i = 0; i < widths.size(); ++i) {
    widths[i] = std::max<size_t>(widths[i], 3);  // Markdown's shortest rule
    rule.emplace_back(widths[i], '-');
    if (alignment_of(alignments, i) == Align::kRight) rule.back().back() = ':';
  }
  std::string table =
      markdown_line(safe_header, widths, alignments) + markdown_line(rule, widths, alignments);
  for (const TableRow& row : safe_rows) table += markdown_line(row, widths, alignments);
  return table;
}

std::string grouped(int64_t number) {
  std::string digits = std::to_string(number);
  for (int64_t at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<size_t>(at), 1, ',');
  return digits;
}

}  // namespace mgqe
