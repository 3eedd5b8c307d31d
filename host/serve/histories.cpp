#include "host/serve/histories.hpp"

#include <charconv>
#include <vector>

#include "host/base/check.hpp"
#include "host/io/artifact_description.hpp"
#include "host/io/safetensors.hpp"
#include "host/packed/packed_scheme.hpp"

namespace mgqe {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kAlignment = 64;
constexpr uintptr_t kWidest = 8;  // bytes of an element

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
  ArrayView array(const std::string& name, DType dtype) const {
    const auto found = header_.tensors.find(name);
    if (found == header_.tensors.end()) refuse("array ", name, " is missing");
    const TensorInfo& info = found->second;
    if (info.dtype != dtype || info.shape.size() != 1)
      refuse("array ", name, " is not a vector of ", dtype_name(dtype));
    const int64_t at = header_.header_bytes + info.begin;
    const uint8_t* const data = bytes_.span().data() + at;
    if (at % kAlignment != 0 || reinterpret_cast<uintptr_t>(data) % kWidest != 0)
      refuse("array ", name, " starts at byte ", at, " where a multiple of ", kAlignment,
             " belongs");
    return {dtype, info.shape, {data, static_cast<size_t>(info.bytes())}};
  }
  template <class T>
  std::span<const T> array(const char* name) const {
    return array(name, dtype_of<T>()).template as<T>();
  }

  /// The ids of so many users, where the file has them.
  std::optional<IdMap> user_ids(int64_t users) const {
    const auto found = header_.metadata.find("user_ids");
    if (found == header_.metadata.end()) return std::nullopt;
    EntityDescription stored{users, IdKind::kRows, true};
    for (const IdKind kind : {IdKind::kRows, IdKind::kIntegers, IdKind::kText})
      if (found->second == id_kind_name(kind)) stored.ids = kind;
    if (found->second != id_kind_name(stored.ids))
      refuse("metadata user_ids is \"", found->second, "\", which is no kind of ids");
    ArrayViews arrays;
    for (const ArraySpec& spec : id_array_specs("user", stored)) {
      const ArrayView& found_array = arrays[spec.name] = array(spec.name, spec.dtype);
      const bool any_length = spec.shape[0] < 0;
      if (!any_length && found_array.shape != spec.shape)
        refuse("array ", spec.name, " has ", found_array.shape[0], " elements where ",
               spec.shape[0], " belong");
    }
    const IdColumn column =
        id_column("user", stored, [&](const std::string& name) { return arrays.at(name); });
    return IdMap(column, bytes_.name() + ": ids of users");
  }

 private:
  const Bytes& bytes_;
  SafetensorsHeader header_;
};

}  // namespace

void write_histories(const fs::path& path, std::span<const int64_t> offsets,
                     std::span<const int32_t> items, int64_t item_rows, uint64_t fingerprint,
                     const OriginalIds* user_ids) {
  const auto total = static_cast<int64_t>(items.size());
  std::string defect = offsets_defect(offsets, total);
  if (defect.empty()) defect = items_defect(items, item_rows);
  MGQE_CHECK(defect.empty(), "histories for ", path.string(), ": ", defect);
  const HostArray offset_array(offsets, {static_cast<int64_t>(offsets.size())});
  const HostArray item_array(items, {total});
  std::vector<PlacedArray> arrays = {{"offsets", &offset_array, kAlignment},
                                     {"items", &item_array, kAlignment}};
  StringMap metadata = {{"format", kHistoriesFormat},
                        {"version", std::to_string(kHistoriesVersion)},
                        {"item_rows", std::to_string(item_rows)},
                        {"data_fingerprint", std::to_string(fingerprint)}};
  ArrayMap id_arrays;
  if (user_ids != nullptr) {
    MGQE_CHECK(user_ids->size() + 1 == static_cast<int64_t>(offsets.size()), "histories of ",
               offsets.size() - 1, " users, ids of ", user_ids->size());
    const StoredIds stored(*user_ids);
    metadata["user_ids"] = id_kind_name(stored.column().kind);
    id_arrays = stored.arrays("user");
    for (const auto& [name, array] : id_arrays) arrays.push_back({name, &array, kAlignment});
  }
  write_safetensors(path, arrays, metadata);
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
  view.user_ids_ = header.user_ids(view.users());
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
  if (defect.empty() && user_ids_) defect = user_ids_->defect();
  if (!defect.empty()) input_error(bytes_.name(), ": ", defect);
}

}  // namespace mgqe
