// Fields of Config that take one of a few names: the enum of each, and the one list of its names.
// Flags, JSON and checkpoints hold the name; it becomes the enum where it is read, by choice(), and
// nothing behind compares names. Schemes and backbones, which can be added to, have descriptors
// instead: scheme_traits.hpp, models/backbones/model.hpp.
#pragma once

#include <array>
#include <span>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "host/base/check.hpp"

namespace mgqe {

enum class TaskKind { kRanking, kRelevance, kCtr };
enum class SchemeTables { kBoth, kUsers, kItems };
enum class Variant { kSharedK, kPrivateK, kPrivateD };
enum class DistanceBn { kNone, kTf };
enum class Grouping { kTier, kLookup };
enum class Faithful { kPaper, kDpqCode };
/// --codebook-type: how centroids are served, and so what training looks rows up in.
enum class CodebookType {
  kF32,
  kF16,  // binary16: the f32 values that are trained, rounded where they are used
};
/// --codebook: which features of --task ctr share a table, and so its codebook.
enum class CodebookScope {
  kShared,  // all
  kField,   // none: one each
  kGroup,   // those of as many digits of rows
};
/// --dense-type: how the weights of a backbone's layers are served.
enum class DenseType {
  kF32,
  kBf16,
  kInt8,  // matrices, with a scale for each output; vectors stay f32
};
/// --bag-pooling: what a row has of a field with several values.
enum class BagPooling { kMean, kSum };
enum class Shard { kAuto, kRows, kNone };

/// --optimizer. Dense arrays (codebooks among them) move by Adam, or by SGD under kSgd.
enum class Optimizer {
  kSparseAdam,      // tables: SparseAdam on touched rows
  kAdam,            // tables: Adam on every row, every step
  kRowwiseAdagrad,  // tables: Adagrad with one sum of squares a row, on touched rows
  kSgd,             // everything: SGD, on touched rows of tables
};

/// --row-type: how the rows of tables are stored. --gradient-type: how they travel.
enum class RowType {
  kF32,
  kBf16,  // widened for each batch, updated in f32, rounded stochastically; half the memory
};

/// Names in the order of the enum, and the flag that takes them.
template <class Enum>
struct Choices;

template <>
struct Choices<TaskKind> {
  static constexpr const char* flag = "--task";
  static constexpr std::array names = {"ranking", "relevance", "ctr"};
};
template <>
struct Choices<SchemeTables> {
  static constexpr const char* flag = "--tables";
  static constexpr std::array names = {"both", "users", "items"};
};
template <>
struct Choices<Variant> {
  static constexpr const char* flag = "--variant";
  static constexpr std::array names = {"shared_k", "private_k", "private_d"};
};
template <>
struct Choices<DistanceBn> {
  static constexpr const char* flag = "--distance-bn";
  static constexpr std::array names = {"none", "tf"};
};
template <>
struct Choices<Grouping> {
  static constexpr const char* flag = "--grouping";
  static constexpr std::array names = {"tier", "lookup"};
};
template <>
struct Choices<Faithful> {
  static constexpr const char* flag = "--faithful";
  static constexpr std::array names = {"paper", "dpq-code"};
};
template <>
struct Choices<CodebookType> {
  static constexpr const char* flag = "--codebook-type";
  static constexpr std::array names = {"f32", "f16"};
};
template <>
struct Choices<CodebookScope> {
  static constexpr const char* flag = "--codebook";
  static constexpr std::array names = {"shared", "field", "group"};
};
template <>
struct Choices<DenseType> {
  static constexpr const char* flag = "--dense-type";
  static constexpr std::array names = {"f32", "bf16", "int8"};
};
template <>
struct Choices<BagPooling> {
  static constexpr const char* flag = "--bag-pooling";
  static constexpr std::array names = {"mean", "sum"};
};
template <>
struct Choices<Shard> {
  static constexpr const char* flag = "--shard";
  static constexpr std::array names = {"auto", "rows", "none"};
};
template <>
struct Choices<RowType> {
  static constexpr const char* flag = "--row-type";
  static constexpr std::array names = {"f32", "bf16"};
};
template <>
struct Choices<Optimizer> {
  static constexpr const char* flag = "--optimizer";
  static constexpr std::array names = {"sparse_adam", "adam", "rowwise_adagrad", "sgd"};
};

template <class Enum>
concept Choice = requires {
  Choices<Enum>::names;
};

/// "a, b or c"
std::string alternatives(std::span<const char* const> names);

/// The position of a name in a list; InputError with the flag and the list where it is in none.
int position_of(const char* flag, const std::string& name, std::span<const char* const> names);

/// InputError that lists the known names; `flag` where several take the same ones.
template <Choice Enum>
Enum choice(const std::string& name, const char* flag = Choices<Enum>::flag) {
  return static_cast<Enum>(position_of(flag, name, Choices<Enum>::names));
}

template <Choice Enum>
const char* name_of(Enum value) {
  return Choices<Enum>::names[static_cast<size_t>(value)];
}

/// In JSON a choice is its name.
void set_text(nlohmann::json& json, const char* text);
template <Choice Enum>
void to_json(nlohmann::json& json, const Enum& value) {
  set_text(json, name_of(value));
}

/// What an optimizer keeps of a table, and which rows it can move.
struct OptimizerTraits {
  Optimizer id;
  int row_floats;         // kept of a row beside its components
  int component_floats;   // kept of each component of a row: Adam's moments, a dense gradient
  int dense_floats;       // kept of each weight of a dense array
  bool touches_all_rows;  // every step; else those of the batch
  bool bfloat16_rows;     // whether rows may be stored so: moments would be larger than they are
};
const OptimizerTraits& traits_of(Optimizer optimizer);
/// "rowwise_adagrad or sgd"
std::string bfloat16_optimizers();

}  // namespace mgqe
