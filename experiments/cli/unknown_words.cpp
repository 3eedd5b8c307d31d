#include "experiments/cli/unknown_words.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include <nlohmann/json.hpp>

#include "host/base/check.hpp"

namespace mgqe {

namespace {

/// Letters changed, added, left out, or swapped with their neighbour.
size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> before, last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = last;
    last = row;
  }
  return last[b.size()];
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& known) {
  const std::string near = closest(word, known);
  return near.empty() ? "" : ": did you mean " + near + "?";
}

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    if (command->get_name() == name) return command;
  return nullptr;
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

}  // namespace

std::string closest(const std::string& word, const std::vector<std::string>& known) {
  std::string best;
  size_t least = word.size();
  for (const std::string& name : known) {
    const size_t changes = distance(word, name);
    if (3 * changes > name.size() || changes >= least) continue;
    least = changes;
    best = name;
  }
  return best;
}

void check_command(const CLI::App& app, int argc, char** argv, const char* commands) {
  if (argc < 2 || argv[1][0] == '-' || find_command(app, argv[1]) != nullptr) return;
  std::vector<std::string> known;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    known.push_back(command->get_name());
  const std::string meant = did_you_mean(argv[1], known);
  input_error("no command ", argv[1], meant, meant.empty() ? ": " : " It is one of ", commands);
}

void check_options(const CLI::App& app, int argc, char** argv) {
  const CLI::App* command = argc > 1 ? find_command(app, argv[1]) : nullptr;
  const std::string name = app.get_name() + (command == nullptr ? "" : std::string(" ") + argv[1]);
  const std::vector<std::string> known = option_names(command == nullptr ? app : *command);
  for (int i = command == nullptr ? 1 : 2; i < argc; ++i) {
    std::string word = argv[i];
    if (word == "--") return;  // what is behind it is no option
    if (!word.starts_with("--")) continue;
    word.resize(std::min(word.size(), word.find('=')));
    if (std::find(known.begin(), known.end(), word) != known.end()) continue;
    const std::string meant = did_you_mean(word, known);
    input_error("`", name, "` has no option ", word, meant.empty() ? "; see" : meant + " See", " `",
                name, " --help`");
  }
}

void check_text(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    try {
      static_cast<void>(nlohmann::json(argv[i]).dump());
    } catch (const nlohmann::json::exception&) {
      input_error(
          "argument ", i, ", ",
          nlohmann::json(argv[i]).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
          ", is not UTF-8, as the files of a run are: rename the file or folder");
    }
  }
}

}  // namespace mgqe
