#include "experiments/serving/model_options.hpp"

#include "host/base/parallel.hpp"
#include "host/data/text/text_reader.hpp"
#include "host/io/console/logging.hpp"

namespace mgqe {

std::vector<std::string> read_id_lines(const std::string& path) {
  TextReader reader(open_data_file(path));
  std::vector<std::string> ids;
  for (std::string_view line; reader.next(line);) ids.emplace_back(line);
  return ids;
}

ModelOptions::ModelOptions(CLI::App& command, With with) : command_(&command) {
  command.add_option("--artifact", path_, "model.safetensors of a run")
      ->required()
      ->type_name("FILE");
  command
      .add_option("--titles", titles_,
                  "titles by the ids of the data trained on: lines of id, tab, title; movies.dat, "
                  "which goes "
                  "with ratings.dat; or CSV with a header")
      ->type_name("FILE");
  if (with == With::kModel) return;
  command
      .add_option("--histories", histories_,
                  "what users had, as `mgqe histories` writes it; else the data set is read again")
      ->type_name("FILE");
  data_.emplace(command, ConfigBase::kRecorded,
                [](const auto& section, const auto&) { return section == "data"; });
}

std::unique_ptr<ServedModel> ModelOptions::open() const {
  auto model = std::make_unique<ServedModel>(ArtifactView::open(path_));
  if (!titles_.empty()) {
    model->set_titles(titles_);
    if (model->titles().size() == 0)
      log().warn("{}: none of its {} lines is of an item that the model knows", titles_,
                 model->titles().unknown());
  }
  return model;
}

nlohmann::json ModelOptions::data_given() const {
  return data_ ? data_->given() : nlohmann::json::object();
}

void ModelOptions::add_histories(ServedModel& model, Until until) const {
  if (!histories_.empty() && !data_given().empty())
    input_error("--histories and --data are both given: histories come from one of them");
  model.set_histories(histories_.empty()
                          ? KnownHistories::load(model.artifact(), data_given(), until)
                          : KnownHistories::open(histories_, model.artifact()));
}

void add_device_option(CLI::App& command, std::string& device) {
  command
      .add_option("--device", device,
                  "where codes are searched: cpu, cuda, cuda:N, or auto, a GPU where there is one; "
                  "lists are the same")
      ->type_name("DEVICE")
      ->capture_default_str();
}

int threads_of(int asked) {
  if (asked < 0) input_error("--threads ", asked, ": 1 or more, or 0 for all");
  return asked == 0 ? thread_count() : asked;
}

}  // namespace mgqe
