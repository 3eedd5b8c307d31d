#include "experiments/serving/similar_command.hpp"

#include <iostream>

#include "host/io/console/table.hpp"

namespace mgqe {

SimilarCommand::SimilarCommand(CLI::App& app)
    : command_(app.add_subcommand("similar", "items like one")),
      model_(*command_, ModelOptions::With::kModel) {
  command_->footer(
      "examples:\n"
      "  mgqe similar --artifact runs/mgqe/model.safetensors --item 1193\n"
      "  mgqe similar --artifact runs/relevance/model.safetensors --item 1193 --by model --k 20");
  command_->add_option("--item", item_, "the item")->required()->type_name("ID");
  command_
      ->add_option("--by", by_,
                   "cosine or dot of decoded rows, or the model's own score, for --task relevance; "
                   "default: model where there is one, else cosine")
      ->type_name("cosine|dot|model");
  command_->add_option("--k", k_, "items to list")->capture_default_str();
  command_->add_option("--threads", threads_, "threads; 0: all")->capture_default_str();
  add_device_option(*command_, device_);
  command_->add_flag("--by-row", by_row_, "ids are rows, here and in what is printed");
  command_->add_flag("--json", as_json_, "as JSON");
}

void SimilarCommand::run() const {
  if (k_ < 1 || k_ > kMaxTopK) input_error("--k ", k_, " is out of range: 1 to ", kMaxTopK);
  const std::unique_ptr<ServedModel> model = model_.open();
  const Likeness by = by_.empty() ? default_likeness(*model) : parse_likeness(by_);
  if (by == Likeness::kDot)
    model->search_on(device_);
  else if (device_ != "cpu")
    input_error("--device ", device_, " finds items by dot: --by ", likeness_name(by),
                " is of the CPU");
  const std::optional<int32_t> item = Rows(*model, by_row_, Missing::kError).item(item_);
  TopKOptions options;
  options.k = k_;
  options.threads = threads_of(threads_);
  TopKBuffers result(1, k_);
  model->recommender().similar({&*item, 1}, by, options, result.result());
  const IdMap* const names = by_row_ ? nullptr : &model->item_ids();
  if (as_json_) {
    const nlohmann::ordered_json json = {{"item", id_json(names, *item)},
                                         {"by", likeness_name(by)},
                                         {"items", ranked_json(*model, result, 0, by_row_)}};
    std::cout << to_text(json) << std::endl;
    return;
  }
  const bool titled = model->titles().given();
  TableRow header = {"rank", "item", likeness_name(by)};
  if (titled) header.emplace_back("title");
  std::vector<TableRow> lines;
  for (int64_t i = 0; i < result.counts[0]; ++i) {
    const auto at = static_cast<size_t>(i);
    TableRow line = {std::to_string(i + 1), id_text(names, result.rows[at]),
                     fmt::format("{:.6g}", result.scores[at])};
    if (titled) line.emplace_back(model->titles().of(result.rows[at]));
    lines.push_back(std::move(line));
  }
  std::cout << format_table(header, lines,
                            {Align::kRight, Align::kRight, Align::kRight, Align::kLeft})
            << std::flush;
}

}  // namespace mgqe
