// What the console needs to know of the terminal it draws on.
#pragma once

#include <string_view>

namespace mgqe {

/// A terminal that can move its cursor.
bool is_terminal(int fd);

struct TerminalSize {
  int columns = 80, rows = 24;
};
TerminalSize terminal_size(int fd);

/// Writes past any buffer; what cannot be written is dropped: a lost terminal must not end a run.
void write_directly(int fd, std::string_view text);

}  // namespace mgqe
