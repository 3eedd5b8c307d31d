// Files that say what the rows of a table are called, and how often each is asked for.
#pragma once

#include <filesystem>
#include <vector>

#include "host/io/artifact.hpp"

namespace mgqe {

/// An id a line, or a .npy of integers (n): integers where every line is the one decimal spelling
/// of one, else texts. InputError naming file and line unless there are `rows`, each once.
OriginalIds read_ids(const std::filesystem::path& path, int64_t rows);

/// A count for each row of `ids`: of "id count" lines (parted by spaces, tabs or a comma; ids
/// without a line have 0) or of a .npy (n), in row order. InputError naming file and line where an
/// id is unknown or has two counts, or a count is negative or no number.
std::vector<double> read_counts(const std::filesystem::path& path, const OriginalIds& ids);

/// Ids 0 to rows - 1.
OriginalIds row_numbers(int64_t rows);
/// The ids of rows order[0], order[1], ...; all as they are where `order` is empty.
OriginalIds in_order(OriginalIds ids, const std::vector<int32_t>& order);
/// "id 17" or "id \"a\"", two rows' common id, where there is one; else empty.
std::string repeated_id(const OriginalIds& ids);

}  // namespace mgqe
