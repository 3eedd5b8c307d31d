#include "host/io/safetensors.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "host/base/check.hpp"
#include "host/base/json_depth.hpp"
#include "host/io/atomic_file.hpp"
#include "host/io/checksum.hpp"
#include "host/io/file_kind.hpp"

namespace mgqe {

namespace fs = std::filesystem;
using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

namespace {

constexpr int64_t kLengthBytes = 8;
constexpr int64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit
constexpr const char* kMetadata = "__metadata__";
constexpr const char* kChecksum = "crc32";
constexpr std::string_view kChecksumMark = "\"crc32\":\"";  // a JSON string cannot contain this

struct DTypeEntry {
  DType dtype;
  const char* name;
  int64_t bytes;
};
constexpr std::array<DTypeEntry, 9> kDTypes = {{{DType::kF32, "F32", 4},
                                                {DType::kF64, "F64", 8},
                                                {DType::kBf16, "BF16", 2},
                                                {DType::kF16, "F16", 2},
                                                {DType::kU8, "U8", 1},
                                                {DType::kI8, "I8", 1},
                                                {DType::kI32, "I32", 4},
                                                {DType::kI64, "I64", 8},
                                                {DType::kU64, "U64", 8}}};

const DTypeEntry& entry_of(DType dtype) {
  for (const DTypeEntry& entry : kDTypes)
    if (entry.dtype == dtype) return entry;
  MGQE_CHECK(false, "dtype ", static_cast<int>(dtype), " has no safetensors name");
  return kDTypes[0];
}

/// Of the file: the length of the header, the header, and data of the given checksum.
uint32_t file_crc(std::string_view header, uint32_t data_crc, int64_t data_bytes) {
  const uint64_t length = header.size();
  const std::string_view front(reinterpret_cast<const char*>(&length), sizeof length);
  return join_crc32(crc32_of(header, crc32_of(front)), data_crc, data_bytes);
}

}  // namespace

const char* dtype_name(DType dtype) { return entry_of(dtype).name; }
int64_t dtype_bytes(DType dtype) { return entry_of(dtype).bytes; }

std::optional<DType> find_dtype(std::string_view name) {
  for (const DTypeEntry& entry : kDTypes)
    if (entry.name == name) return entry.dtype;
  return std::nullopt;
}

std::string dtype_names() {
  std::string names;
  for (size_t i = 0; i < kDTypes.size(); ++i) {
    if (i > 0) names += i + 1 < kDTypes.size() ? ", " : " and ";
    names += kDTypes[i].name;
  }
  return names;
}

// ---- writing ------------------------------------------------------------------------------------

namespace {

constexpr std::string_view kPad = "pad.";

/// Widest elements first, then by name: every array starts on a multiple of its element size.
std::vector<PlacedArray> in_file_order(const ArrayRefs& arrays) {
  std::vector<PlacedArray> order;
  for (const auto& [name, array] : arrays)
    order.push_back({name, array, dtype_bytes(array->dtype)});
  std::stable_sort(order.begin(), order.end(), [](const PlacedArray& a, const PlacedArray& b) {
    return a.alignment > b.alignment;
  });
  return order;
}

/// The arrays with pads between them where their alignments ask for it.
std::vector<PlacedArray> with_pads(const std::vector<PlacedArray>& arrays,
                                   std::vector<HostArray>& pads) {
  pads.reserve(arrays.size());  // placed arrays point into it
  std::vector<PlacedArray> placed;
  int64_t offset = 0;
  for (const PlacedArray& array : arrays) {
    const int64_t gap = (array.alignment - offset % array.alignment) % array.alignment;
    if (gap > 0) {
      const std::vector<uint8_t> zeros(static_cast<size_t>(gap));
      placed.push_back({fmt::format("{}{}", kPad, pads.size()),
                        &pads.emplace_back(std::span<const uint8_t>(zeros), std::vector{gap}), 1});
    }
    placed.push_back(array);
    offset += gap + static_cast<int64_t>(array.array->bytes.size());
  }
  return placed;
}

/// Where each array lies; the rest of the header is not known yet.
std::map<std::string, TensorInfo> lay_out(const std::vector<PlacedArray>& arrays) {
  std::map<std::string, TensorInfo> tensors;
  int64_t offset = 0;
  for (const auto& [name, array, alignment] : arrays) {
    const int64_t bytes = static_cast<int64_t>(array->bytes.size());
    MGQE_CHECK(!name.empty() && name != kMetadata, "array name \"", name, "\"");
    MGQE_CHECK(!tensors.contains(name), "two arrays named ", name);
    MGQE_CHECK(bytes == array->size() * dtype_bytes(array->dtype), name, " holds ", bytes,
               " bytes for ", array->size(), " values");
    tensors[name] = {array->dtype, array->shape, offset, offset + bytes};
    offset += bytes;
  }
  return tensors;
}

/// As text, so that the data behind it starts on a multiple of `alignment`.
std::string header_text(const SafetensorsHeader& header, int64_t alignment) {
  json parsed;
  parsed[kMetadata] = header.metadata;
  parsed[kMetadata][kChecksum] = kNoChecksum;
  for (const auto& [name, info] : header.tensors)
    parsed[name] = {{"dtype", dtype_name(info.dtype)},
                    {"shape", info.shape},
                    {"data_offsets", {info.begin, info.end}}};
  std::string text = parsed.dump(-1, ' ', false, json::error_handler_t::replace);
  const auto end = kLengthBytes + static_cast<int64_t>(text.size());
  text.resize(text.size() + static_cast<size_t>((alignment - end % alignment) % alignment), ' ');
  return text;
}

struct Written {
  SafetensorsHeader header;
  uint32_t crc32 = 0;
};

Written write_placed(const fs::path& path, const std::vector<PlacedArray>& arrays,
                     const StringMap& metadata) {
  MGQE_CHECK(!metadata.contains(kChecksum), "metadata may not set ", kChecksum);
  int64_t alignment = 8;
  uint32_t data_crc = 0;
  int64_t data_bytes = 0;
  for (const PlacedArray& placed : arrays) {
    alignment = std::max(alignment, placed.alignment);
    data_crc = crc32_of(placed.array->bytes, data_crc);
    data_bytes += static_cast<int64_t>(placed.array->bytes.size());
  }
  Written written;
  written.header.tensors = lay_out(arrays);
  written.header.metadata = metadata;
  std::string header = header_text(written.header, alignment);
  const uint32_t crc = join_crc32(crc32_of(header), data_crc, data_bytes);
  header.replace(find_checksum(header, kChecksumMark), kNoChecksum.size(), crc32_digits(crc));

  AtomicFile file(path);
  const uint64_t length = header.size();
  file.write(&length, sizeof length);
  file.write(header.data(), header.size());
  for (const PlacedArray& placed : arrays)
    file.write(placed.array->bytes.data(), placed.array->bytes.size());
  file.commit();
  written.header.header_bytes = kLengthBytes + static_cast<int64_t>(header.size());
  written.header.file_bytes = written.header.header_bytes + data_bytes;
  written.crc32 = file_crc(header, data_crc, data_bytes);
  return written;
}

}  // namespace

bool is_pad(std::string_view array_name) { return array_name.starts_with(kPad); }

FileBytes write_safetensors(const fs::path& path, const ArrayRefs& arrays,
                            const StringMap& metadata) {
  const Written written = write_placed(path, in_file_order(arrays), metadata);
  return {written.header.header_bytes, written.header.file_bytes, written.crc32};
}

FileBytes write_safetensors(const fs::path& path, const ArrayMap& arrays,
                            const StringMap& metadata) {
  ArrayRefs refs;
  for (const auto& [name, array] : arrays) refs[name] = &array;
  return write_safetensors(path, refs, metadata);
}

SafetensorsHeader write_safetensors(const fs::path& path, const std::vector<PlacedArray>& arrays,
                                    const StringMap& metadata) {
  for (const PlacedArray& placed : arrays)
    MGQE_CHECK(!is_pad(placed.name), "an array is named as a pad: ", placed.name);
  std::vector<HostArray> pads;
  return write_placed(path, with_pads(arrays, pads), metadata).header;
}

// ---- reading ------------------------------------------------------------------------------------

namespace {

class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(std::move(bytes)) {
    header_.file_bytes = bytes_.size();
    find_header_text();
    parse_header();
    check_layout();
  }

  const SafetensorsHeader& header() const { return header_; }

  ArrayMap read_arrays() {
    ArrayMap arrays;
    const std::span<const uint8_t> data =
        bytes_.span().subspan(static_cast<size_t>(header_.header_bytes));
    for (const auto& [name, info] : file_order_) {
      HostArray& array = arrays[name];
      array.dtype = info->dtype;
      array.shape = info->shape;
      const auto part =
          data.subspan(static_cast<size_t>(info->begin), static_cast<size_t>(info->bytes()));
      array.bytes.assign(part.begin(), part.end());
    }
    const uint32_t data_crc = crc32_of(data);
    if (!checksum_.empty()) check_crc(data_crc);
    crc_ = file_crc(text_, data_crc, data_bytes());
    return arrays;
  }
  void verify() const {
    if (!checksum_.empty())
      check_crc(crc32_of(bytes_.span().subspan(static_cast<size_t>(header_.header_bytes))));
  }
  /// Of the whole file, after read_arrays().
  uint32_t crc() const { return crc_; }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    input_error(bytes_.name(), ": not a valid safetensors file: ", parts...);
  }

  int64_t data_bytes() const { return header_.file_bytes - header_.header_bytes; }

  void check_crc(uint32_t data_crc) const {
    std::string zeroed(text_);
    const size_t digits = find_checksum(zeroed, kChecksumMark);
    if (digits == std::string::npos) refuse("its checksum entry is malformed");
    zeroed.replace(digits, kNoChecksum.size(), kNoChecksum);
    if (checksum_ != crc32_digits(join_crc32(crc32_of(zeroed), data_crc, data_bytes())))
      refuse("its checksum does not match its content: the file is damaged");
  }

  void find_header_text() {
    if (header_.file_bytes < kLengthBytes)
      refuse("it has ", header_.file_bytes, " bytes, fewer than the 8 of a header length");
    uint64_t length = 0;
    std::memcpy(&length, bytes_.span().data(), sizeof length);
    const int64_t rest = header_.file_bytes - kLengthBytes;
    if (length > static_cast<uint64_t>(rest))
      refuse("its header should have ", length, " bytes, but only ", rest, " follow",
             kind_note(bytes_.span()));
    if (length > static_cast<uint64_t>(kMaxHeaderBytes))
      refuse("its header has ", length, " bytes, over the limit of ", kMaxHeaderBytes);
    text_ = bytes_.text().substr(kLengthBytes, length);
    header_.header_bytes = kLengthBytes + static_cast<int64_t>(length);
  }

  void parse_header() {
    if (nests_too_deep(text_)) refuse("its header nests deeper than ", kMaxJsonDepth, " levels");
    const json parsed = json::parse(text_, nullptr, false);
    if (!parsed.is_object()) refuse("its header is not a JSON object");
    for (const auto& [name, value] : parsed.items()) {
      if (name == kMetadata) {
        parse_metadata(value);
      } else {
        header_.tensors[name] = parse_tensor(name, value);
      }
    }
  }

  void parse_metadata(const json& metadata) {
    if (!metadata.is_object()) refuse("__metadata__ is not a JSON object");
    for (const auto& [key, value] : metadata.items()) {
      if (!value.is_string()) refuse("metadata \"", key, "\" is not a string");
      (key == kChecksum ? checksum_ : header_.metadata[key]) = value.get<std::string>();
    }
  }

  TensorInfo parse_tensor(const std::string& name, const json& value) const {
    TensorInfo info;
    if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") ||
        !value.contains("data_offsets") || !value["dtype"].is_string())
      refuse("tensor \"", name, "\" lacks dtype, shape or data_offsets");
    const std::string dtype = value["dtype"];
    const std::optional<DType> known = find_dtype(dtype);
    if (!known)
      refuse("tensor \"", name, "\" has dtype ", dtype, "; ", dtype_names(), " are supported");
    info.dtype = *known;
    info.shape = parse_extents(name, "shape", value["shape"]);
    const std::vector<int64_t> offsets = parse_extents(name, "data_offsets", value["data_offsets"]);
    if (offsets.size() != 2) refuse("tensor \"", name, "\" needs two data_offsets");
    info.begin = offsets[0];
    info.end = offsets[1];
    return info;
  }

  std::vector<int64_t> parse_extents(const std::string& name, const char* key,
                                     const json& value) const {
    std::vector<int64_t> extents;
    if (!value.is_array()) refuse("tensor \"", name, "\": ", key, " is not a list");
    for (const json& extent : value) {
      if (!extent.is_number_unsigned() ||
          extent.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
        refuse("tensor \"", name, "\": ", key, " has ", extent.dump(),
               " where a whole number of 0 or more belongs");
      extents.push_back(extent.get<int64_t>());
    }
    return extents;
  }

  /// Arrays must fill the data section: no gap, no overlap, no rest, and each as long as its shape
  /// says.
  void check_layout() {
    for (const auto& [name, info] : header_.tensors) {
      if (info.begin > info.end || info.end > data_bytes())
        refuse("tensor \"", name, "\" lies at bytes ", info.begin, " to ", info.end, " of ",
               data_bytes(), " bytes of data");
      check_size(name, info);
      file_order_.emplace_back(name, &info);
    }
    std::stable_sort(file_order_.begin(), file_order_.end(), [](const auto& a, const auto& b) {
      return std::pair(a.second->begin, a.second->end) < std::pair(b.second->begin, b.second->end);
    });
    int64_t expected = 0;
    for (const auto& [name, info] : file_order_) {
      if (info->begin != expected)
        refuse("tensor \"", name, "\" begins at byte ", info->begin, " where ", expected,
               " was due: gap or overlap");
      expected = info->end;
    }
    if (expected != data_bytes())
      refuse("its tensors end at byte ", expected, " of ", data_bytes(), " bytes of data");
  }

  void check_size(const std::string& name, const TensorInfo& info) const {
    int64_t bytes = dtype_bytes(info.dtype);
    bool overflow = false;
    for (const int64_t extent : info.shape)
      overflow |= __builtin_mul_overflow(bytes, extent, &bytes);
    if (overflow || bytes != info.bytes())
      refuse("tensor \"", name, "\" has ", info.bytes(), " bytes, which do not fit shape [",
             fmt::format("{}", fmt::join(info.shape, ", ")), "] of ", dtype_name(info.dtype));
  }

  Bytes bytes_;
  std::string_view text_;  // the header's JSON
  std::string checksum_;   // empty when the file has none
  uint32_t crc_ = 0;
  SafetensorsHeader header_;
  std::vector<std::pair<std::string, const TensorInfo*>> file_order_;
};

}  // namespace

SafetensorsFile read_safetensors(const Bytes& bytes) {
  Reader reader(bytes);
  SafetensorsFile file;
  file.arrays = reader.read_arrays();
  file.metadata = reader.header().metadata;
  file.header_bytes = reader.header().header_bytes;
  file.file_bytes = reader.header().file_bytes;
  file.crc32 = reader.crc();
  return file;
}

SafetensorsFile read_safetensors(const fs::path& path) {
  return read_safetensors(Bytes::map(path));
}

SafetensorsHeader read_safetensors_header(const Bytes& bytes) { return Reader(bytes).header(); }

SafetensorsHeader read_safetensors_header(const fs::path& path) {
  return read_safetensors_header(Bytes::map(path));
}

void verify_safetensors(const Bytes& bytes) { Reader(bytes).verify(); }

}  // namespace mgqe
