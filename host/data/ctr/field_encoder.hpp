// FieldEncoder: the text of one field, row by row, into numbers.
#pragma once

#include <string>
#include <string_view>

#include "host/base/philox.hpp"
#include "host/data/ctr/field_spec.hpp"
#include "host/data/ctr/raw_rows.hpp"
#include "host/data/text/byte_table.hpp"
#include "host/data/text/text_reader.hpp"

namespace mgqe {

/// Of any kind but label and ignored.
class FieldEncoder {
 public:
  explicit FieldEncoder(const FieldSpec& spec) : spec_(spec) {}

  /// The texts that have ids already, by number; with `only`, any other is an InputError.
  void know(ByteTable texts, bool only);

  /// Before add(), of all fields of a row.
  void prefetch(std::string_view text) const {
    if (spec_.kind == FieldKind::kCategorical && !spec_.hashed()) texts_.prefetch(text);
  }

  /// One more row's value, "" where it is missing. InputError at the reader's line where it is not
  /// what the kind asks for.
  void add(const TextReader& reader, std::string_view text, RawColumn& to) {
    switch (spec_.kind) {
      case FieldKind::kCategorical:
        to.numbers.push_back(number(reader, text));
        break;
      case FieldKind::kBag:
        add_bag(reader, text, to);
        break;
      default:
        add_number(reader, text, to);
    }
  }

  const FieldSpec& spec() const { return spec_; }
  /// By number; empty where values are not kept as texts.
  const ByteTable& texts() const { return texts_; }
  ByteTable take_texts() { return std::move(texts_); }

 private:
  uint32_t number(const TextReader& reader, std::string_view text) {
    if (spec_.hashed())
      return static_cast<uint32_t>(
          random_below(hash_bytes(text), static_cast<uint64_t>(spec_.hash_rows)));
    const uint32_t number = texts_.number(text);
    if (static_cast<int64_t>(number) >= known_) refuse_unseen(reader, text);
    return number;
  }
  uint32_t bucket_number(const TextReader& reader, int64_t bucket);
  void add_bag(const TextReader& reader, std::string_view text, RawColumn& to);
  void add_number(const TextReader& reader, std::string_view text, RawColumn& to);
  [[noreturn]] void refuse_unseen(const TextReader& reader, std::string_view text) const;

  FieldSpec spec_;
  ByteTable texts_;
  std::vector<uint32_t> buckets_;        // numbers of log buckets met before, else kNone
  int64_t known_ = ByteTable::kMaxSize;  // numbers from here on are refused
};

/// Labels, 0 or 1.
class LabelReader {
 public:
  explicit LabelReader(const FieldSpec& spec) : spec_(spec) {}
  /// Of a text that is not missing. InputError as above.
  uint8_t read(const TextReader& reader, std::string_view text) const;

 private:
  FieldSpec spec_;
};

}  // namespace mgqe
