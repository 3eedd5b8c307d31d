// Which column of a delimited file is the user, the item, the rating and the time.
#pragma once

#include <string>
#include <vector>

namespace mgqe {

/// Places of the columns that are read, from 0; -1: there is none.
struct Columns {
  int user = -1, item = -1, rating = -1, time = -1;
};

/// Whether the first line is a header by its words alone: it names both a user and an item column,
/// or one in a way that data hardly reads ("user_id", but not "book").
bool names_columns(const std::vector<std::string>& first_line);

/// By the names of a header, or, where it has none that is known, by position. InputError that
/// begins with `where` when the user or the item cannot be told.
Columns columns_of_header(const std::vector<std::string>& header, const std::string& where);

/// Of a file without header, 2 to 4 columns by a line of its data: user, item, then rating and
/// timestamp where there are any. A third column that holds times (seconds since 1970, or dates)
/// before none that does is the timestamp.
Columns columns_of_data(const std::vector<std::string>& line);

}  // namespace mgqe
