#include "experiments/prepare/prepare_command.hpp"

#include <filesystem>
#include <iostream>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/cli/cli.hpp"
#include "experiments/prepare/summary.hpp"
#include "experiments/serving/table_work.hpp"
#include "host/base/check.hpp"
#include "host/data/ctr/ctr_cache.hpp"
#include "host/io/atomic_file.hpp"
#include "host/io/console/table.hpp"

namespace mgqe {

namespace {

constexpr const char* kExamples = R"(examples:
  mgqe prepare --in clicks.csv --label clicked --dense price,age:log --bag 'tags:sep=|' \
               --ignore row --min-count 5 --out clicks.ctr
  mgqe prepare --train train.libfm --valid validation.libfm --test test.libfm --out frappe.ctr
  mgqe prepare --in ratings.inter --label 'rating>3' --ignore timestamp --out ratings.ctr
  mgqe prepare --in train.txt --format criteo --min-count 10 --split last:1/14,1/14 --out criteo.ctr
  mgqe prepare --test tomorrow.csv --vocabulary-of clicks.ctr --out tomorrow.ctr

Columns are named by a header (RecBole's "name:type" too), by --columns, or by the format. One that
no flag names is what its header says, else categorical; once --categorical is given, it is ignored.
A name that ends with * stands for all columns that begin so. Options of a field follow its name:
  categorical   min=N values that training has fewer times share the OOV row (--min-count)
                hash=N values share N rows by a hash (--hash)
  bag           the same, and sep=C the character between values (space)
  log           ids are floor(log(|x| + 1)^2), apart by sign; min=N
  quantile      buckets=N parts of the training rows, as equal as can be (16)
  dense         a number, with mean 0 and variance 1 over the training rows; raw: as it is
                log: log(max(x + 1, 1)) before that; shift=X: log(max(x + X, 1))
An empty field is a value of its own to a categorical field and to buckets, no value to a bag, and
the mean (0 where raw) to a dense one. Ids of a field are ranks by training frequency, 0 the most
frequent; the OOV row of rare and unseen values stands among them by its own. Where --out is that
cache already, it is left.)";

void add_list(CLI::App& command, const char* flag, std::vector<std::string>& fields,
              const char* help) {
  command.add_option(flag, fields, help)->delimiter(',')->type_name("NAME,...");
}

}  // namespace

PrepareCommand::PrepareCommand(CLI::App& app)
    : command_(app.add_subcommand("prepare", "make a cache of rows with many fields")) {
  CLI::App& command = *command_;
  command.footer(kExamples);
  command.add_option("--in", in_, "files whose rows --split parts: .csv, .tsv, .libfm, .gz or not");
  command.add_option("--train", train_, "files of training rows, instead of --in");
  command.add_option("--valid", valid_, "files of validation rows");
  command.add_option("--test", test_, "files of test rows");
  command.add_option("--out", given_.out, "the cache to write")->required();
  command.add_option("--format", given_.format, "auto (by the name), csv, tsv, libfm or criteo")
      ->capture_default_str();
  add_list(command, "--columns", given_.columns, "names of the columns, of files without a header");
  command.add_option("--label", label_, "the label's column: 0 or 1, or 1 above NUMBER")
      ->type_name("NAME[>NUMBER]");
  add_list(command, "--categorical", categorical_, "columns of one value, an id each");
  add_list(command, "--log", log_, "numbers, an id for each bucket of their logarithm");
  add_list(command, "--quantile", quantile_, "numbers, an id for each of equal parts");
  add_list(command, "--dense", dense_, "numbers that stay numbers, standardized");
  add_list(command, "--bag", bag_, "columns of several values");
  add_list(command, "--ignore", ignore_, "columns that are left out");
  defaults_options_ = {
      command.add_option("--min-count", given_.defaults.min_count, "of fields that set no min")
          ->capture_default_str(),
      command
          .add_option("--hash", given_.defaults.hash_rows, "of fields that set no hash; 0: none")
          ->capture_default_str()};
  command.add_option("--missing", given_.missing, "a word that stands for a missing value, as NA");
  command.add_flag("--drop-unlabeled", given_.drop_unlabeled, "leave out rows without a label");
  split_option_ =
      command.add_option("--split", split_, "random:V,T or last:V,T: fractions of --in")
          ->capture_default_str();
  command.add_option("--seed", seed_, "of the random split")
      ->check(not_unsigned)
      ->capture_default_str();
  command.add_option("--vocabulary-of", given_.vocabulary,
                     "a cache, whose fields are read and whose ids they get");
  command.add_flag("--refuse-unseen", given_.refuse_unseen,
                   "refuse values that it does not know, rather than give them the OOV row");
  command.add_flag("--overwrite", overwrite_, "replace what is there");
  command.add_flag("--json", as_json_, "the summary as JSON");
}

void PrepareCommand::add_fields(PrepareOptions& options) const {
  const auto add = [&](FieldKind kind, const char* flag, const std::vector<std::string>& texts) {
    for (const std::string& text : texts) options.fields.push_back(parse_field(kind, text, flag));
  };
  if (!label_.empty()) add(FieldKind::kLabel, "--label", {label_});
  add(FieldKind::kCategorical, "--categorical", categorical_);
  add(FieldKind::kLogBuckets, "--log", log_);
  add(FieldKind::kQuantileBuckets, "--quantile", quantile_);
  add(FieldKind::kDense, "--dense", dense_);
  add(FieldKind::kBag, "--bag", bag_);
  add(FieldKind::kIgnored, "--ignore", ignore_);
  constexpr int64_t kMostRows = 2'000'000'000;
  if (options.defaults.min_count < 1)
    input_error("--min-count ", options.defaults.min_count, " is out of range: 1 or more");
  if (options.defaults.hash_rows < 0 || options.defaults.hash_rows > kMostRows)
    input_error("--hash ", options.defaults.hash_rows, " is out of range: 0 to ", kMostRows);
  options.defaults.ignore_unnamed = !categorical_.empty();
  if (!options.vocabulary.empty() && !options.fields.empty())
    input_error("--vocabulary-of ", options.vocabulary,
                " says what fields are: --label, --categorical, --log, --quantile, --dense, --bag "
                "and --ignore cannot be given too");
  for (const CLI::Option* option : defaults_options_)
    if (!options.vocabulary.empty() && option->count() > 0)
      input_error("--vocabulary-of ", options.vocabulary,
                  " says what ids are: ", option->get_name(), " cannot be given too");
  if (options.refuse_unseen && options.vocabulary.empty())
    input_error("--refuse-unseen is about --vocabulary-of, which is not given");
}

PrepareOptions PrepareCommand::options() const {
  PrepareOptions options = given_;
  const bool by_file = !train_.empty() || !valid_.empty() || !test_.empty();
  if (in_.empty() == !by_file)
    input_error("give either --in, whose rows --split parts, or --train, --valid and --test");
  if (by_file && split_option_->count() > 0)
    input_error(
        "--split parts the rows of --in: those of --train, --valid and --test are parted "
        "already");
  if (by_file && train_.empty() && options.vocabulary.empty())
    input_error("--train is missing: ids are ranks of frequency in its rows");
  options.split = parse_split_rule(split_, seed_);
  if (by_file) options.split.kind = SplitRule::Kind::kFiles;
  const auto add = [&](const std::vector<std::string>& files, CtrSplit split) {
    for (const std::string& file : files) options.sources.push_back({file, split});
  };
  add(in_, CtrSplit::kTrain);
  add(train_, CtrSplit::kTrain);
  add(valid_, CtrSplit::kValid);
  add(test_, CtrSplit::kTest);
  std::vector<std::string> read = {options.vocabulary};
  for (const CtrSource& source : options.sources) {
    if (!std::filesystem::exists(source.path)) input_error(source.path, ": no such file");
    read.push_back(source.path);
  }
  require_output_file("--out", options.out, read);
  add_fields(options);
  return options;
}

bool PrepareCommand::up_to_date(const PrepareOptions& options) const {
  if (overwrite_ || !std::filesystem::exists(options.out)) return false;
  const CtrCache cache(options.out);
  if (prepared_fingerprint(options, [](const auto&, auto, auto) {}) != cache.fingerprint())
    input_error(options.out,
                ": is a cache of other files or other options: give --overwrite, or "
                "another --out");
  if (as_json_) return true;
  fmt::print("{} is up to date\n\n", options.out);
  return true;
}

void PrepareCommand::run() const {
  const PrepareOptions options = this->options();
  const bool there = up_to_date(options);
  TableWork work;
  const CacheIndex index =
      there ? CtrCache(options.out).index() : prepare(options, work.progress());
  work.clear();
  const double seconds = work.lap();
  std::error_code gone;
  const auto bytes = static_cast<int64_t>(std::filesystem::file_size(options.out, gone));
  if (as_json_) {
    nlohmann::ordered_json json = cache_summary_json(index);
    json["out"] = options.out;
    json["bytes"] = bytes;
    json["seconds"] = seconds;
    std::cout << json.dump(2) << std::endl;
    return;
  }
  fmt::print("{}", cache_summary(index));
  if (there) return;
  int64_t text_bytes = 0;
  for (const CachedSource& source : index.sources) text_bytes += source.bytes;
  fmt::print("\nwritten to {}: {} bytes, of {} bytes of text, in {:.1f} s\n", options.out,
             grouped(bytes), grouped(text_bytes), seconds);
}

}  // namespace mgqe
