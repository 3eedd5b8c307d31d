#include "experiments/serving/lookup_command.hpp"

#include <bit>
#include <iostream>

#include "experiments/serving/model_options.hpp"
#include "host/io/atomic_file.hpp"
#include "host/io/console/logging.hpp"

namespace mgqe {
namespace {

constexpr const char* kExamples = R"(examples:
  mgqe lookup --artifact runs/mgqe/model.safetensors --table item --ids 1193,661
  mgqe lookup --artifact runs/mgqe/model.safetensors --table user --rows 0,1,2 --json
  mgqe lookup --artifact runs/mgqe/model.safetensors --table item --ids-file items.txt \
              --npy rows.npy

prints a line a row: the id (with --rows the row), then the values in as many digits as give them
back to the bit; --npy writes float32 (rows, dim) for NumPy instead)";

}  // namespace

void write_npy(const std::string& path, const std::vector<float>& values, int64_t rows,
               int64_t cols) {
  static_assert(std::endian::native == std::endian::little);
  constexpr size_t kPreamble = 10;  // magic, version, length of the header
  std::string header =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, cols);
  header.resize((kPreamble + header.size() + 1 + 63) / 64 * 64 - kPreamble - 1, ' ');
  header += '\n';
  std::string preamble("\x93NUMPY\x01\x00", 8);
  preamble += static_cast<char>(header.size() & 0xFF);
  preamble += static_cast<char>(header.size() >> 8);
  AtomicFile file(path);
  file.write(preamble.data(), preamble.size());
  file.write(header.data(), header.size());
  file.write(values.data(), values.size() * sizeof(float));
  file.commit();
}

LookupCommand::LookupCommand(CLI::App& app)
    : command_(app.add_subcommand("lookup", "decoded rows of a table")) {
  command_->footer(kExamples);
  command_->add_option("--artifact", path_, "model.safetensors of a run")
      ->required()
      ->type_name("FILE");
  command_->add_option("--table", table_, "item, user, gmf.item, ...")->required();
  command_->add_option("--ids", ids_, "ids of the data")->delimiter(',')->type_name("ID,ID,...");
  command_->add_option("--ids-file", ids_file_, "ids, one a line")->type_name("FILE");
  command_->add_option("--rows", rows_, "rows of the table")
      ->delimiter(',')
      ->type_name("ROW,ROW,...");
  command_->add_option("--missing", missing_, "an unknown id is an error, or left out: skip")
      ->type_name("error|skip")
      ->capture_default_str();
  command_->add_option("--threads", threads_, "threads; 0: all")->capture_default_str();
  command_->add_option("--npy", npy_, "write float32 rows there")->type_name("FILE");
  command_->add_flag("--json", as_json_, "as JSON");
}

void LookupCommand::run() const {
  const int given = (ids_.empty() ? 0 : 1) + (ids_file_.empty() ? 0 : 1) + (rows_.empty() ? 0 : 1);
  if (given != 1) input_error("give one of --ids, --ids-file and --rows");
  if (!npy_.empty()) require_output_file("--npy", npy_, {path_, ids_file_});
  const ServedModel model(ArtifactView::open(path_));
  const RowReader& reader = model.recommender().reader(table_);
  const IdMap* const names = rows_.empty() ? &model.artifact().ids(entity_of(table_)) : nullptr;
  Rows resolve(model, names == nullptr, parse_missing(missing_));
  std::vector<int64_t> rows;
  for (const std::string& id : !ids_file_.empty() ? read_id_lines(ids_file_)
                               : ids_.empty()     ? rows_
                                                  : ids_)
    if (const auto row = resolve.row(id, names, reader.rows(), table_.c_str()))
      rows.push_back(*row);
  if (resolve.skipped() > 0) log().warn("{} unknown ids were left out", resolve.skipped());

  const auto dim = static_cast<size_t>(reader.dim());
  std::vector<float> values(rows.size() * dim);
  reader.look_up(std::span<const int64_t>(rows), values.data(), reader.dim(), threads_of(threads_));
  if (!npy_.empty()) {
    write_npy(npy_, values, static_cast<int64_t>(rows.size()), reader.dim());
    return;
  }
  if (as_json_) {
    nlohmann::ordered_json json = {{"table", table_}, {"dim", dim}};
    json["rows"] = nlohmann::ordered_json::array();
    for (size_t i = 0; i < rows.size(); ++i) {
      nlohmann::ordered_json numbers = nlohmann::ordered_json::array();
      for (size_t c = 0; c < dim; ++c) numbers.push_back(number_json(values[i * dim + c]));
      json["rows"].push_back(
          {{names ? "id" : "row", id_json(names, rows[i])}, {"values", std::move(numbers)}});
    }
    std::cout << to_text(json) << std::endl;
    return;
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    std::cout << id_text(names, rows[i]);
    for (size_t c = 0; c < dim; ++c) std::cout << fmt::format(" {}", values[i * dim + c]);
    std::cout << '\n';
  }
  std::cout << std::flush;
}

}  // namespace mgqe
