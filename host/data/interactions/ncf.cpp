#include "host/data/interactions/ncf.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "host/data/interactions/actions.hpp"
#include "host/data/interactions/split.hpp"
#include "host/data/text/fields.hpp"
#include "host/data/text/text_reader.hpp"

namespace mgqe {

namespace {

constexpr const char* kSequenceFile = "ncf_ml-1m_seq.txt.gz";
constexpr const char* kRatingFile = "ncf.ml-1m.test.rating.gz";
constexpr const char* kNegativeFile = "ncf.ml-1m.test.negative.gz";

using DenseIds = std::unordered_map<int64_t, int32_t>;

DenseIds invert(const DataIds& ids) {
  DenseIds dense;
  for (int64_t id = 0; id < ids.size(); ++id) dense[ids.integers[id]] = static_cast<int32_t>(id);
  return dense;
}

std::string_view take_tab_field(std::string_view& line) {
  const size_t cut = line.find('\t');
  const std::string_view field = line.substr(0, cut);
  line.remove_prefix(cut == std::string_view::npos ? line.size() : cut + 1);
  return field;
}

/// Reads the two test files against the data set made of the sequence file.
class TestFiles {
 public:
  explicit TestFiles(Dataset& dataset)
      : dataset_(dataset), users_(invert(dataset.user_ids)), items_(invert(dataset.item_ids)) {}

  /// "user item rating timestamp" a line: every user's test item must be the sequence's last.
  void check_ratings(const Bytes& file) const {
    TextReader reader(file);
    std::vector<bool> seen(dataset_.users);
    for (std::string_view line; reader.next(line);) {
      const int32_t user = lookup(reader, take_tab_field(line), "user", users_);
      check_positive(reader, user, lookup(reader, take_tab_field(line), "item", items_));
      mark(reader, seen, user);
    }
    check_complete(reader, seen);
  }

  /// "(user,item) negative negative ..." a line, separated by tabs.
  void read_negatives(const Bytes& file) {
    TextReader reader(file);
    std::vector<bool> seen(dataset_.users);
    std::vector<int32_t> row;
    for (std::string_view line; reader.next(line);) {
      const int32_t user = read_pair(reader, take_tab_field(line));
      row.clear();
      while (!line.empty()) row.push_back(lookup(reader, take_tab_field(line), "item", items_));
      if (dataset_.negatives_per_user == 0) start_rows(reader, row.size());
      const int64_t expected = dataset_.negatives_per_user;
      if (static_cast<int64_t>(row.size()) != expected)
        reader.fail("the line has ", row.size(), " negatives, the first line ", expected,
                    ": expected as many for every user");
      mark(reader, seen, user);
      // Some rows of the authors' file name the test item itself. Their evaluation keeps scores in
      // a dictionary by item, where it vanishes; here it would tie with itself.
      std::replace(row.begin(), row.end(), dataset_.test_item[user], -1);
      std::copy(row.begin(), row.end(), dataset_.test_negatives.begin() + user * expected);
    }
    check_complete(reader, seen);
  }

 private:
  static int32_t lookup(const TextReader& reader, std::string_view field, const char* what,
                        const DenseIds& ids) {
    const auto found = ids.find(parse_integer(reader, field, what));
    if (found == ids.end())
      reader.fail(what, " ", quoted(field), " is not in ", kSequenceFile,
                  ": expected its ids less one");
    return found->second;
  }

  int32_t read_pair(const TextReader& reader, std::string_view pair) const {
    const size_t comma = pair.find(',');
    if (!pair.starts_with('(') || !pair.ends_with(')') || comma == std::string_view::npos)
      reader.fail("the line begins with ", quoted(pair), ": expected (user,item)");
    const int32_t user = lookup(reader, pair.substr(1, comma - 1), "user", users_);
    const std::string_view item = pair.substr(comma + 1, pair.size() - comma - 2);
    check_positive(reader, user, lookup(reader, item, "item", items_));
    return user;
  }

  void check_positive(const TextReader& reader, int32_t user, int32_t item) const {
    const int32_t expected = dataset_.test_item[user];
    if (item != expected)
      reader.fail("the test item of user ", dataset_.user_ids.name(user), " is ",
                  dataset_.item_ids.name(item), " here but ",
                  expected < 0 ? "missing" : dataset_.item_ids.name(expected), " in ",
                  kSequenceFile, ": expected the item of the user's last line there, less one");
  }

  void start_rows(const TextReader& reader, size_t width) {
    if (width == 0) reader.fail("the line has no negatives: expected item ids behind (user,item)");
    dataset_.negatives_per_user = static_cast<int64_t>(width);
    dataset_.test_negatives.assign(dataset_.users * width, -1);
  }

  void mark(const TextReader& reader, std::vector<bool>& seen, int32_t user) const {
    if (seen[user])
      reader.fail("user ", dataset_.user_ids.name(user), " has two lines: expected one a user");
    seen[user] = true;
  }

  void check_complete(const TextReader& reader, const std::vector<bool>& seen) const {
    for (int64_t user = 0; user < dataset_.users; ++user)
      if (!seen[user])
        reader.fail("user ", dataset_.user_ids.name(user),
                    " has no line in this file: expected one a user");
  }

  Dataset& dataset_;
  DenseIds users_, items_;
};

}  // namespace

Dataset read_ncf(const NcfFiles& files, Backend& backend) {
  Actions actions = read_sasrec_text(files.sequences);
  // The sequence file counts from 1, the authors' test files from 0.
  for (auto* ids : {&actions.user_ids.integers, &actions.item_ids.integers})
    for (int64_t& id : *ids) --id;
  Dataset dataset =
      arrange("ncf", files.sequences.name(), std::move(actions), HeldOut::kTest, backend);
  TestFiles test(dataset);
  test.check_ratings(files.ratings);
  test.read_negatives(files.negatives);
  dataset.fingerprint = fingerprint_of(dataset);
  return dataset;
}

Dataset load_ncf(const std::filesystem::path& folder, Backend& backend) {
  for (const char* file : {kSequenceFile, kRatingFile, kNegativeFile})
    if (!std::filesystem::exists(folder / file))
      input_error((folder / file).string(), ": no such file: --data ncf needs ", kSequenceFile,
                  ", ", kRatingFile, " and ", kNegativeFile,
                  " in ncf/ below $MGQE_DATA_DIR or data/");
  return read_ncf({open_data_file(folder / kSequenceFile), open_data_file(folder / kRatingFile),
                   open_data_file(folder / kNegativeFile)},
                  backend);
}

}  // namespace mgqe
