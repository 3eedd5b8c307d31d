// Numbers in text fields. Errors name the file and line, the field, and what would be right.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "host/data/text/text_reader.hpp"

namespace mgqe {

/// Ids of SASRec text and ratings.dat are 1 to kMaxId; a catalogue has at most kMaxId ids.
constexpr int64_t kMaxId = 2147483647;

/// `field` between quotes for a one-line message: shortened, control characters replaced.
std::string quoted(std::string_view field);

/// An id 1 to kMaxId in decimal digits. `what`: "user" or "item".
int32_t parse_id(const TextReader& reader, std::string_view field, const char* what);

/// A 64-bit integer. `what` names the field in messages.
int64_t parse_integer(const TextReader& reader, std::string_view field, const char* what);

/// A finite decimal number. `what` names the field in messages.
double parse_number(const TextReader& reader, std::string_view field, const char* what);

/// True when `field` is the one decimal spelling of a 64-bit integer (no "+", "-0" or leading
/// zeros), so that nothing is lost by keeping `value` alone.
bool canonical_integer(std::string_view field, int64_t& value);

/// True for a finite decimal number, which goes to `value`.
bool to_number(std::string_view field, double& value);
bool is_number(std::string_view field);

/// True for what programs write where a value is missing: "NaN", "NULL", "None", "\N" ...
bool is_missing_value(std::string_view field);

}  // namespace mgqe
