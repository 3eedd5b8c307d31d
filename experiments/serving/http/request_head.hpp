// The head of an HTTP request as it came over the wire, looked at before a library parses it: how
// long the body is, and what of it we do not take. Only what is needed goes on.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mgqe {

struct RequestHead {
  /// The request line and those headers that anybody here reads, with the blank line.
  std::string text;
  size_t body_bytes = 0;
};

/// `raw` ends with the blank line. HttpError on a head that is none, and on what is not taken: 411
/// a body of unsaid length, 413 one above `most_body_bytes`, 415 one that is not plain JSON.
RequestHead parse_head(std::string_view raw, size_t most_body_bytes);

/// "Not Found", for a status that we answer by.
const char* reason_of(int status);

}  // namespace mgqe
