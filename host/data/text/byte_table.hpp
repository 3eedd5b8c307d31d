// ByteTable: texts numbered as they come, without an allocation each.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace mgqe {

/// A hash of bytes that is the same on every machine: cells of hashed fields are made of it.
uint64_t hash_bytes(std::string_view bytes);

/// Open addressing over an arena. A slot holds a text of up to 8 bytes whole, so that most look-ups
/// touch one cache line; of a longer one it has the hash, and the arena decides.
class ByteTable {
 public:
  static constexpr uint32_t kNone = 0xFFFFFFFFu;
  static constexpr int64_t kMaxSize = 0x7FFFFFFF;

  ByteTable() : slots_(kFirstSlots) {}

  /// The number of `key`, the next one where it was never seen.
  uint32_t number(std::string_view key) {
    const Slot wanted = slot_of(key);
    Slot& slot = slots_[place(wanted, key)];
    return slot.number != kNone ? slot.number : add(slot, wanted, key);
  }
  /// The number of `key`, or kNone.
  uint32_t find(std::string_view key) const { return slots_[place(slot_of(key), key)].number; }

  /// Has the slot of `key` fetched, where the table is too large for the nearest cache: of several
  /// tables at once, they come at the same time.
  void prefetch(std::string_view key) const {
    if (slots_.size() > kNear) __builtin_prefetch(&slots_[home(slot_of(key))]);
  }

  int64_t size() const { return static_cast<int64_t>(ends_.size()); }
  /// Valid until the next one is added.
  std::string_view key(uint32_t number) const {
    const uint64_t begin = number == 0 ? 0 : ends_[number - 1];
    return {arena_.data() + begin, static_cast<size_t>(ends_[number] - begin)};
  }
  /// Bytes of memory held.
  int64_t bytes() const;

 private:
  static constexpr size_t kFirstSlots = 64, kNear = 1024;
  static constexpr size_t kWhole = 8;  // bytes of a text that a slot holds

  struct Slot {
    uint64_t word = 0;
    uint32_t length = 0;
    uint32_t number = kNone;  // kNone: free
  };

  /// Of a text of up to 8 bytes: together with its length, one word for one text.
  static uint64_t whole_word(const char* bytes, size_t length) {
    if (length >= 4) {
      uint32_t first, last;  // they may overlap
      std::memcpy(&first, bytes, 4);
      std::memcpy(&last, bytes + length - 4, 4);
      return first | static_cast<uint64_t>(last) << 32;
    }
    if (length == 0) return 0;
    const auto at = [&](size_t i) { return static_cast<uint64_t>(static_cast<uint8_t>(bytes[i])); };
    return at(0) | at(length / 2) << 8 | at(length - 1) << 16;
  }
  static Slot slot_of(std::string_view key) {
    const bool whole = key.size() <= kWhole;
    return {whole ? whole_word(key.data(), key.size()) : hash_bytes(key),
            static_cast<uint32_t>(key.size()), kNone};
  }
  size_t home(const Slot& slot) const {
    const uint64_t mixed =
        (slot.word ^ slot.length * 0xA24BAED4963EE407ull) * 0x9E3779B97F4A7C15ull;
    return static_cast<size_t>(mixed ^ mixed >> 32) & (slots_.size() - 1);
  }
  /// Where the text stands, or the free slot where it belongs.
  size_t place(const Slot& wanted, std::string_view key) const {
    size_t at = home(wanted);
    for (;; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.number == kNone) return at;
      if (slot.word == wanted.word && slot.length == wanted.length &&
          (key.size() <= kWhole || this->key(slot.number) == key))
        return at;
    }
  }
  uint32_t add(Slot& slot, Slot wanted, std::string_view key);
  void grow();

  std::vector<Slot> slots_;  // a power of two of them
  std::vector<char> arena_;
  std::vector<uint64_t> ends_;  // of each text in the arena
};

}  // namespace mgqe
