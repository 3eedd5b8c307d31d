// What a benchmark is at, on the last line of a terminal.
#pragma once

#include <string>

namespace mgqe::bench {

/// In the place of the text before; an empty one clears the line. Only where stderr is a terminal.
void show_progress(const std::string& text);

}  // namespace mgqe::bench
