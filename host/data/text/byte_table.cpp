#include "host/data/text/byte_table.hpp"

#include "host/base/check.hpp"

namespace mgqe {

namespace {

uint64_t fold(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t word_at(const char* bytes, size_t count) {
  uint64_t word = 0;
  if (count == 0) return word;  // of what may be no place at all
  std::memcpy(&word, bytes, count);
  return word;
}

}  // namespace

uint64_t hash_bytes(std::string_view bytes) {
  constexpr uint64_t kFirst = 0xA0761D6478BD642Full, kSecond = 0xE7037ED1A0B428DBull;
  uint64_t state = kFirst ^ bytes.size();
  for (; bytes.size() > 8; bytes.remove_prefix(8))
    state = fold(state ^ word_at(bytes.data(), 8), kSecond);
  return fold(fold(state ^ word_at(bytes.data(), bytes.size()), kSecond), kFirst);
}

uint32_t ByteTable::add(Slot& slot, Slot wanted, std::string_view key) {
  MGQE_CHECK(size() < kMaxSize, "a table holds ", kMaxSize, " texts");
  wanted.number = static_cast<uint32_t>(size());
  slot = wanted;
  arena_.insert(arena_.end(), key.begin(), key.end());
  ends_.push_back(arena_.size());
  if (4 * ends_.size() > 3 * slots_.size()) grow();
  return wanted.number;
}

void ByteTable::grow() {
  std::vector<Slot> old(2 * slots_.size());
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.number == kNone) continue;
    size_t at = home(slot);  // all differ, so the first free one is right
    while (slots_[at].number != kNone) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  }
}

int64_t ByteTable::bytes() const {
  return static_cast<int64_t>(slots_.capacity() * sizeof(Slot) + arena_.capacity() +
                              ends_.capacity() * sizeof(uint64_t));
}

}  // namespace mgqe
