#include "host/serve/histories.hpp"

#include <charconv>
#include <vector>

#include "host/base/check.hpp"
#include "host/io/safetensors.hpp"
#include "host/packed/packed_scheme.hpp"

namespace mgqe {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kAlignment = 64;

/// What is wrong with the offsets of a user, or of all; empty when nothing is.
std::string offsets_defect(std::span<const int64_t> offsets, int64_t items) {
  if (offsets.empty() || offsets.front() != 0 || offsets.back() != items)
    return detail::concat("offsets do not run from 0 to the ", items, " items");
  for (size_t u = 0; u + 1 < offsets.size(); ++u)
    if (offsets[u + 1] < offsets[u]) return detail::concat("offsets are not ascending at user ", u);
  return "";
}

std::string items_defect(std::span<const int32_t> items, int64_t item_rows) {
  for (size_t i = 0; i < items.size(); ++i)
    if (items[i] < 0 || items[i] >= item_rows)
      return detail::concat("item ", i, " is row ", items[i], " of ", item_rows);
  return "";
}

/// Reads the header of a file of histories.
class Header {
 public:
  explicit Header(const Bytes& bytes) : bytes_(bytes), header_(read_safetensors_header(bytes)) {
    const auto format = header_.metadata.find("format");
    if (format == header_.metadata.end() || format->second != kHistoriesFormat)
      refuse("its metadata does not say \"format\": \"", kHistoriesFormat, "\"");
    if (const auto version = number<int>("version"); version != kHistoriesVersion)
      refuse("its version is ", version, ", this program reads version ", kHistoriesVersion);
  }

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    input_error(bytes_.name(), ": not a valid file of histories: ", parts...);
  }

  template <class T>
  T number(const char* key) const {
    const auto found = header_.metadata.find(key);
    if (found == header_.metadata.end()) refuse("metadata ", key, " is missing");
    const std::string& digits = found->second;
    T value{};
    const char* const last = digits.data() + digits.size();
    const auto [end, error] = std::from_chars(digits.data(), last, value);
    if (error != std::errc{} || end != last)
      refuse("metadata ", key, " is \"", digits, "\" where a whole number belongs");
    return value;
  }

  /// A vector of that name and type, where it lies.
  template <class T>
  std::span<const T> array(const char* name) const {
    const auto found = header_.tensors.find(name);
    if (found == header_.tensors.end()) refuse("array ", name, " is missing");
    const TensorInfo& info = found->second;
    if (info.dtype != dtype_of<T>() || info.shape.size() != 1)
      refuse("array ", name, " is not a vector of ", dtype_name(dtype_of<T>()));
    const int64_t at = header_.header_bytes + info.begin;
    const uint8_t* const data = bytes_.span().data() + at;
    if (at % kAlignment != 0 || reinterpret_cast<uintptr_t>(data) % sizeof(T) != 0)
      refuse("array ", name, " starts at byte ", at, " where a multiple of ", kAlignment,
             " belongs");
    return {reinterpret_cast<const T*>(data), static_cast<size_t>(info.shape[0])};
  }

 private:
  const Bytes& bytes_;
  SafetensorsHeader header_;
};

}  // namespace

void write_histories(const fs::path& path, std::span<const int64_t> offsets,
                     std::span<const int32_t> items, int64_t item_rows, uint64_t fingerprint) {
  const auto total = static_cast<int64_t>(items.size());
  std::string defect = offsets_defect(offsets, total);
  if (defect.empty()) defect = items_defect(items, item_rows);
  MGQE_CHECK(defect.empty(), "histories for ", path.string(), ": ", defect);
  const HostArray offset_array(offsets, {static_cast<int64_t>(offsets.size())});
  const HostArray item_array(items, {total});
  write_safetensors(path,
                    std::vector<PlacedArray>{{"offsets", &offset_array, kAlignment},
                                             {"items", &item_array, kAlignment}},
                    {{"format", kHistoriesFormat},
                     {"version", std::to_string(kHistoriesVersion)},
                     {"item_rows", std::to_string(item_rows)},
                     {"data_fingerprint", std::to_string(fingerprint)}});
}

HistoriesView HistoriesView::open(const fs::path& path, OpenOptions options) {
  return open(options.map ? Bytes::map(path) : Bytes::read(path));
}

HistoriesView HistoriesView::open(Bytes bytes) {
  HistoriesView view;
  const Header header(bytes);
  view.offsets_ = header.array<int64_t>("offsets");
  view.items_ = header.array<int32_t>("items");
  view.item_rows_ = header.number<int64_t>("item_rows");
  view.fingerprint_ = header.number<uint64_t>("data_fingerprint");
  if (view.offsets_.empty()) header.refuse("array offsets is empty, without even its 0");
  if (view.item_rows_ < 0 || view.item_rows_ > kMaxTableRows)
    header.refuse("item_rows ", view.item_rows_, " is out of range");
  view.bytes_ = std::move(bytes);
  return view;
}

std::span<const int32_t> HistoriesView::of(int64_t user_row) const {
  if (user_row < 0 || user_row >= users())
    input_error(bytes_.name(), ": there is no user ", user_row, " among rows 0 to ", users() - 1);
  const auto user = static_cast<size_t>(user_row);
  const int64_t begin = offsets_[user], end = offsets_[user + 1];
  if (begin < 0 || end < begin || end > total())
    input_error(bytes_.name(), ": the history of user ", user_row, " would be items ", begin,
                " to ", end, " of ", total());
  return items_.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
}

void HistoriesView::verify() const {
  verify_safetensors(bytes_);
  std::string defect = offsets_defect(offsets_, total());
  if (defect.empty()) defect = items_defect(items_, item_rows_);
  if (!defect.empty()) input_error(bytes_.name(), ": ", defect);
}

}  // namespace mgqe
