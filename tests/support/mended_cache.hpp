// A changed cache of CTR rows with the checksums that whoever means harm would give it.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "host/data/ctr/cache_index.hpp"
#include "host/io/checksum.hpp"

namespace mgqe::testing {

/// The bytes there, or none where they are not within the file.
inline std::string_view cache_part(const std::string& file, int64_t offset, int64_t bytes) {
  const auto size = static_cast<int64_t>(file.size());
  if (offset < 0 || bytes < 0 || offset > size || bytes > size - offset) return {};
  return std::string_view(file).substr(static_cast<size_t>(offset), static_cast<size_t>(bytes));
}

inline int64_t json_integer(const nlohmann::ordered_json& json) {
  return json.is_number_integer() ? json.get<int64_t>() : -1;
}

/// Sections are [offset, bytes, checksum].
inline void mend_section(const std::string& file, nlohmann::ordered_json& section) {
  if (section.is_array() && section.size() == 3)
    section[2] = crc32_of(cache_part(file, json_integer(section[0]), json_integer(section[1])));
}

inline void mend_blocks(std::string& file, const nlohmann::ordered_json& section) {
  if (!section.is_array() || section.size() != 3) return;
  const int64_t begin = json_integer(section[0]), bytes = json_integer(section[1]);
  if (cache_part(file, begin, bytes).empty()) return;
  for (int64_t at = begin; at + int64_t{sizeof(CtrBlock)} <= begin + bytes;
       at += int64_t{sizeof(CtrBlock)}) {
    CtrBlock block;
    std::memcpy(&block, file.data() + at, sizeof block);
    block.crc = crc32_of(cache_part(file, block.offset, block.bytes));
    std::memcpy(file.data() + at, &block, sizeof block);
  }
}

/// A file whose index is JSON gets the checksums that it should have.
inline void mend_cache(std::string& file) {
  CacheTail tail;
  if (file.size() < sizeof tail) return;
  std::memcpy(&tail, file.data() + file.size() - sizeof tail, sizeof tail);
  const std::string_view text = cache_part(file, tail.index_offset, tail.index_bytes);
  nlohmann::ordered_json index = nlohmann::ordered_json::parse(text, nullptr, false);
  if (text.empty() || !index.is_object()) return;
  if (index.contains("blocks")) {
    mend_blocks(file, index["blocks"]);
    mend_section(file, index["blocks"]);
  }
  if (index.contains("fields") && index["fields"].is_array())
    for (nlohmann::ordered_json& field : index["fields"])
      if (field.is_object() && field.contains("sections") && field["sections"].is_object())
        for (nlohmann::ordered_json& section : field["sections"]) mend_section(file, section);
  const std::string mended = index.dump();
  file.resize(static_cast<size_t>(tail.index_offset));
  file += mended;
  tail.index_bytes = static_cast<int64_t>(mended.size());
  tail.index_crc = crc32_of(mended);
  file.append(reinterpret_cast<const char*>(&tail), sizeof tail);
}

}  // namespace mgqe::testing
