// How deep JSON of a stranger nests, looked at before it is parsed: the library parses any depth,
// but copies and writes values by recursion, which a megabyte of brackets would end on the stack.
#pragma once

#include <string_view>

namespace mgqe {

/// No file or request of ours nests deeper than a few.
inline constexpr int kMaxJsonDepth = 64;

/// Whether arrays and objects nest deeper than kMaxJsonDepth; of what is no JSON either may be
/// said.
inline bool nests_too_deep(std::string_view json) {
  int depth = 0;
  bool in_text = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_text) {
      if (c == '\\') ++i;
      in_text = c != '"';
    } else if (c == '"') {
      in_text = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxJsonDepth) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

}  // namespace mgqe
