// What a file is that is none of ours, by how it begins: for messages that help.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace mgqe {

struct FileKind {
  std::string what;     // "a zip archive"; empty: nothing is known of it
  std::string way_out;  // to text: "unpack it and name the file in it"
};

/// Of its first bytes; a few hundred tell most.
FileKind file_kind(std::span<const uint8_t> beginning);

/// For the end of a message about a file that should be safetensors: ": it is text", ": it is a zip
/// archive"; empty where nothing is known of it.
std::string kind_note(std::span<const uint8_t> bytes);

}  // namespace mgqe
