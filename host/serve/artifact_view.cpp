#include "host/serve/artifact_view.hpp"

#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "host/base/check.hpp"
#include "host/io/artifact_description.hpp"
#include "host/io/mapped_arrays.hpp"
#include "host/packed/packed_scheme.hpp"
#include "host/serve/finite.hpp"

namespace mgqe {

namespace fs = std::filesystem;

namespace {

template <class Map>
std::vector<std::string> names_of(const Map& map) {
  std::vector<std::string> names;
  names.reserve(map.size());
  for (const auto& [name, entry] : map) names.push_back(name);
  return names;
}

/// The entry of that name; InputError listing the names there are.
template <class Map>
const typename Map::mapped_type& entry_of(const Map& map, const std::string& name,
                                          const std::string& where, const char* what,
                                          const char* several) {
  const auto found = map.find(name);
  if (found != map.end()) return found->second;
  const std::vector<std::string> names = names_of(map);
  input_error(where, " has no ", what, " \"", name, "\"; its ", several, " are ",
              names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
}

}  // namespace

// ---- one table ----------------------------------------------------------------------------------

struct TableView::Widened {
  std::once_flag once;
  std::vector<std::vector<float>> codebooks;  // a tier, or one
};

TableView::TableView(std::string name, PackedTable form, ArrayViews arrays, std::string file)
    : name_(std::move(name)),
      form_(std::move(form)),
      arrays_(std::move(arrays)),
      file_(std::move(file)) {
  if (form_.has_codes() && form_.codebook_type == DType::kF16)
    widened_ = std::make_shared<Widened>();
}

const ArrayView& TableView::view(const std::string& array) const {
  return entry_of(arrays_, array, fmt::format("{}: table {}", file_, name_), "array", "arrays");
}

const float* TableView::codebook(int tier) const {
  if (widened_ == nullptr) return as<float>(form_.codebook_name(tier)).data();
  std::call_once(widened_->once, [&] {
    const int count = form_.private_codebooks ? static_cast<int>(form_.tiers.size()) : 1;
    for (int t = 0; t < count; ++t)
      widened_->codebooks.push_back(widened(view(form_.codebook_name(t))));
  });
  return widened_->codebooks[form_.private_codebooks ? static_cast<size_t>(tier) : 0].data();
}

PackedTiers TableView::packed_tiers() const {
  MGQE_CHECK(form_.has_codes(), "table ", name_, " is ", form_.scheme);
  PackedTiers packed;
  packed.dim = form_.code_dim();
  packed.ranges.count = static_cast<int>(form_.tiers.size());
  for (int t = 0; t < packed.ranges.count; ++t) {
    const PackedTier& tier = form_.tiers[t];
    packed.ranges.end[t] = tier.end;
    packed.ranges.centroids[t] = tier.centroids;
    packed.tiers[t] = {array("codes." + std::to_string(t)).data(), codebook(t),
                       code_bits(tier.centroids), form_.code_count(t)};
  }
  return packed;
}

// ---- opening ------------------------------------------------------------------------------------

struct ArtifactView::State {
  MappedArrays arrays;
  ArtifactDescription description;
  std::map<std::string, TableView> tables;
  std::map<std::string, IdMap> ids;
  ArrayViews dense;
  SizeReport sizes;
};

ArtifactView ArtifactView::open(const fs::path& path, OpenOptions options) {
  return open(options.map ? Bytes::map(path) : Bytes::read(path));
}

ArtifactView ArtifactView::open(Bytes bytes) {
  const auto state = std::make_shared<State>();
  const std::string file = bytes.name();
  SafetensorsHeader header = read_safetensors_header(bytes);
  state->description = describe_artifact(file, header);
  state->sizes = size_report(state->description, header);
  state->arrays = MappedArrays(std::move(bytes), std::move(header));
  for (const auto& [name, form] : state->description.tables) {
    ArrayViews views;
    for (const ArraySpec& spec : expected_arrays(form))
      views.emplace(spec.name, state->arrays.at(name + "." + spec.name));
    state->tables.emplace(name, TableView(name, form, std::move(views), file));
  }
  for (const auto& [entity, ids] : state->description.entities) {
    const IdColumn column =
        id_column(entity, ids, [&](const std::string& name) { return state->arrays.at(name); });
    state->ids.emplace(entity, IdMap(column, fmt::format("{}: ids of {}", file, entity)));
  }
  for (const std::string& name : state->description.dense)
    state->dense.emplace(name, state->arrays.at(name));
  return ArtifactView(state);
}

// ---- what is there ------------------------------------------------------------------------------

const std::string& ArtifactView::name() const { return state_->arrays.bytes().name(); }
int ArtifactView::version() const { return state_->description.version; }
const std::string& ArtifactView::backbone() const { return state_->description.backbone; }
const std::string& ArtifactView::task() const { return state_->description.task; }
const nlohmann::json& ArtifactView::config() const { return state_->description.config; }
uint64_t ArtifactView::seed() const { return state_->description.seed; }
int ArtifactView::best_epoch() const { return state_->description.best_epoch; }
uint64_t ArtifactView::data_fingerprint() const { return state_->description.data_fingerprint; }
const std::string& ArtifactView::commit() const { return state_->description.commit; }
const std::string& ArtifactView::device() const { return state_->description.device; }
const ArrayViews& ArtifactView::dense() const { return state_->dense; }
const SizeReport& ArtifactView::sizes() const { return state_->sizes; }
const std::vector<std::string>& ArtifactView::copied() const { return state_->arrays.copied(); }
std::vector<std::string> ArtifactView::table_names() const { return names_of(state_->tables); }
std::vector<std::string> ArtifactView::entities() const { return names_of(state_->ids); }
bool ArtifactView::has_table(const std::string& table) const {
  return state_->tables.contains(table);
}

const TableView& ArtifactView::table(const std::string& table) const {
  return entry_of(state_->tables, table, name(), "table", "tables");
}

const IdMap& ArtifactView::ids(const std::string& entity) const {
  return entry_of(state_->ids, entity, name(), "entity", "entities");
}

const ArrayView& ArtifactView::dense(const std::string& array) const {
  return entry_of(state_->dense, array, name(), "weights", "weights");
}

// ---- verification -------------------------------------------------------------------------------

void ArtifactView::verify() const {
  const auto refuse = [&](const std::string& what, const std::string& defect) {
    if (!defect.empty()) input_error(name(), ": ", what, ": ", defect);
  };
  verify_safetensors(state_->arrays.bytes());
  for (const auto& [table, view] : state_->tables) {
    refuse("table " + table,
           find_scheme(view.form().scheme)->values_defect(view.form(), view.arrays()));
    for (const auto& [array, values] : view.arrays())
      refuse(fmt::format("array {}.{}", table, array), finite_defect(values));
  }
  for (const auto& [array, values] : state_->dense) refuse("array " + array, finite_defect(values));
  for (const auto& [entity, ids] : state_->ids) refuse("ids of " + entity, ids.defect());
}

}  // namespace mgqe
