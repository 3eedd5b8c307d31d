// ServedModel: a recommender with what goes around it, ids, histories and titles; what a command or
// a request asks is answered here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "experiments/serving/known_histories.hpp"
#include "experiments/serving/titles.hpp"
#include "host/serve/decoded_top_k.hpp"
#include "host/serve/recommender.hpp"

namespace mgqe {

/// An id, a row or a user that the model does not have.
class NotFound : public InputError {
 public:
  using InputError::InputError;
};

/// Const members may be called from many threads at once.
class ServedModel {
 public:
  explicit ServedModel(ArtifactView artifact) : recommender_(std::move(artifact)) {}

  // Before it is shared.
  void set_histories(KnownHistories histories) { histories_ = std::move(histories); }
  void set_titles(const std::string& path) { titles_ = Titles(path, item_ids()); }
  void prepare(int threads) { recommender_.prepare(threads); }
  /// Searches on `device`, as make_backend() takes it. InputError where it cannot be used, and
  /// where a GPU is named for items that have no codes.
  void search_on(const std::string& device);

  const Recommender& recommender() const { return recommender_; }
  const ArtifactView& artifact() const { return recommender_.artifact(); }
  const Titles& titles() const { return titles_; }
  const KnownHistories* histories() const { return histories_ ? &*histories_ : nullptr; }

  const IdMap& item_ids() const;
  /// Null where users are known by their row alone.
  const IdMap* user_ids() const;
  /// Users that may be asked for: those of the model, or of the histories that it reads.
  int64_t users() const;
  bool reads_histories() const {
    return recommender_.recommends() && recommender_.reads() == ItemScorer::Reads::kHistory;
  }

 private:
  Recommender recommender_;
  std::optional<KnownHistories> histories_;
  Titles titles_;
};

enum class Missing { kError, kSkip };
Missing parse_missing(const std::string& name);  // "error" or "skip"

/// Ids as somebody wrote them, or with `by_row` rows, in rows of the model.
class Rows {
 public:
  Rows(const ServedModel& model, bool by_row, Missing missing)
      : model_(model), by_row_(by_row), missing_(missing) {}

  /// NotFound, or nothing and one more skipped(), where there is none.
  std::optional<int32_t> user(std::string_view id);
  std::optional<int32_t> item(std::string_view id);
  /// Those that there are, in order.
  std::vector<int32_t> items(const std::vector<std::string>& ids);
  /// Those of any entity.
  std::optional<int32_t> row(std::string_view id, const IdMap* ids, int64_t rows, const char* what);
  /// Ids that there were none of.
  int64_t skipped() const { return skipped_; }

 private:
  const ServedModel& model_;
  bool by_row_;
  Missing missing_;
  int64_t skipped_ = 0;
};

/// The id of a row, as JSON: a number or a text; the row where `ids` is null.
nlohmann::ordered_json id_json(const IdMap* ids, int64_t row);
/// The same, for people.
std::string id_text(const IdMap* ids, int64_t row);

// ---- recommendations ----------------------------------------------------------------------------

/// Who is asked about.
struct Asker {
  int32_t user = -1;             // row, or none
  std::vector<int32_t> history;  // rows of items, oldest first, where the model reads it

  Question question() const { return {user, history}; }
};

struct Wishes {
  int64_t k = 10;
  int threads = 1;
  int64_t shortlist = 0;
  bool leave_out_seen = false;
  std::vector<int32_t> block;                 // rows, ascending
  std::optional<std::vector<int32_t>> allow;  // rows, ascending
};

/// A user, with the history that a model reads; InputError where no histories are at hand.
Asker ask_for_user(const ServedModel& model, int32_t user);
/// InputError where the model knows its users by row.
Asker ask_for_history(const ServedModel& model, std::vector<int32_t> history);

/// (askers, k)
TopKBuffers recommend(const ServedModel& model, std::span<const Asker> askers,
                      const Wishes& wishes);

/// Ascending, each once.
std::vector<int32_t> distinct(std::vector<int32_t> rows);

/// Result m as [{"item": 5, "score": 1.5, "title": "..."}, ...]; titles where the model has any.
nlohmann::ordered_json ranked_json(const ServedModel& model, const TopKBuffers& result, int64_t m,
                                   bool by_row);
/// The same of rows without scores.
nlohmann::ordered_json items_json(const ServedModel& model, std::span<const int32_t> rows,
                                  bool by_row);

/// How items are compared where nobody says: by the model if it was trained for that.
Likeness default_likeness(const ServedModel& model);
Likeness parse_likeness(const std::string& name);  // "model", "cosine" or "dot"
const char* likeness_name(Likeness by);

/// A float as JSON shows it, in no more digits than give it back to the bit.
double number_json(float value);

/// JSON in one line, or indented; what is no UTF-8 is replaced, what is no number is null.
std::string to_text(const nlohmann::ordered_json& json, int indent = -1);

}  // namespace mgqe
