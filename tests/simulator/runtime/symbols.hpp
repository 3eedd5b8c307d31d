// What the executable says of its own code: names of functions, source lines, launch bounds.
#pragma once

#include <string>

namespace simulator {

/// The mangled name of the function that holds `pc`, or "".
const std::string& symbol_of(const void* pc);
/// As it is written; without its arguments.
std::string function_name(const void* pc);
/// "function at file:line", and, where it was inlined, the same of who called it; of an address
/// that a call returns to.
std::string source_of(const void* return_address);
/// The threads of __launch_bounds__, 0 for none.
int launch_bound(const void* kernel);

enum class Image { kNone, kConstant, kVariable };
/// What a host address is: nothing of the executable, its constants and code, its variables.
Image image_at(const void* address);

}  // namespace simulator
