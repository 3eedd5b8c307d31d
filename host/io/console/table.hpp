// Aligned text tables for people.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mgqe {

enum class Align { kLeft, kRight };

using TableRow = std::vector<std::string>;

/// Columns padded to their widest cell (in characters, not bytes) and parted by two spaces, a rule
/// below the header, no space at line ends. Every row has one cell for each header cell;
/// `alignments` may be shorter: the missing ones are kRight, as most columns hold numbers.
std::string format_table(const TableRow& header, const std::vector<TableRow>& rows,
                         const std::vector<Align>& alignments);

/// The same table in Markdown; `|` in cells is escaped.
std::string format_markdown_table(const TableRow& header, const std::vector<TableRow>& rows,
                                  const std::vector<Align>& alignments);

/// 1234567 as "1,234,567".
std::string grouped(int64_t number);

}  // namespace mgqe
