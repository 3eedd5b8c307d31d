// What is inside a safetensors file: of ours in our own terms, of others as plain arrays.
#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace mgqe {

/// A report for people, several lines. An artifact: schemes, tiers, bytes and share of every part,
/// the size three ways, the configuration. Any other file: its arrays and metadata; only the header
/// is read. InputError as read_artifact and read_safetensors_header.
std::string inspect(const std::filesystem::path& path);

/// The same for programs. "format" is the metadata's, or null.
nlohmann::ordered_json inspect_json(const std::filesystem::path& path);

}  // namespace mgqe
