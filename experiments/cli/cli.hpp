// What the programs share: options made from the Config's list of fields, and a main() that turns
// every failure into one line on stderr.
#pragma once

#include <charconv>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "experiments/cli/unknown_words.hpp"
#include "host/base/check.hpp"
#include "host/base/interruption.hpp"
#include "host/comm/launch.hpp"
#include "host/config/config.hpp"
#include "host/config/read_json.hpp"
#include "host/config/scheme_traits.hpp"
#include "host/io/bytes.hpp"
#include "host/io/console/progress.hpp"
#include "models/backbones/model.hpp"

namespace mgqe {

/// What the flags of a command line override.
enum class ConfigBase {
  kDefaults,  // and, between the two, the file of --config
  kRecorded,  // values the program finds elsewhere: no file, and help shows no defaults
};

/// The options of one command line that set a Config.
/// CLI11 takes -1 for 2^64 - 1, and whatever is larger too.
inline std::string not_unsigned(const std::string& text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size()) return "";
  return text + " is not a whole number of 0 to 18446744073709551615";
}

class ConfigOptions {
 public:
  using Filter = std::function<bool(const std::string& section, const std::string& key)>;

  /// Adds a flag for every field that `wanted` accepts.
  ConfigOptions(CLI::App& app, ConfigBase base, const Filter& wanted) {
    if (base == ConfigBase::kDefaults)
      app.add_option("--config", file_,
                     "JSON file of fields by section, or the result.json of another run")
          ->type_name("FILE");
    visit_fields(defaults_, [&](const char* section, const char* key, const char* flag, auto& value,
                                const char* help) {
      if (!wanted(section, key)) return;
      using Value = std::decay_t<decltype(value)>;
      std::string description = help;
      if (flag == std::string("--model")) description += ": " + backbone_names();
      if (flag == std::string("--embedding"))
        description += ": " + schemes_that([](const SchemeTraits&) { return true; });
      CLI::Option* option = nullptr;
      std::string shown;
      if constexpr (Choice<Value>) {
        const auto read = [flag, &value](const std::string& name) {
          value = choice<Value>(name, flag);
        };
        option = app.add_option_function<std::string>(flag, read, description);
        option->type_name(fmt::format("{}", fmt::join(Choices<Value>::names, "|")));
        shown = name_of(value);
      } else if constexpr (is_list<Value>) {
        option = app.add_option(flag, value, description)->delimiter(',');
        shown = fmt::format("{}", fmt::join(value, ","));
      } else {
        option = app.add_option(flag, value, description);
        if constexpr (std::is_same_v<Value, uint64_t>) option->check(not_unsigned);
        if constexpr (std::is_same_v<Value, std::string>)
          shown = value;
        else
          shown = nlohmann::json(value).dump();
      }
      option->group(section);
      if (base == ConfigBase::kDefaults) option->default_str(shown);
      given_.push_back([option, section, key, &value](nlohmann::json& json) {
        if (option->count() > 0) json[section][key] = value;
      });
    });
  }

  /// The flags that were given, by section and key.
  nlohmann::json given() const {
    nlohmann::json json = nlohmann::json::object();
    for (const auto& add : given_) add(json);
    return json;
  }

  /// The defaults of the backbone, task and preset asked for, then the file, then the flags;
  /// validated.
  Config config() const {
    const nlohmann::json flags = given();
    const nlohmann::json file = file_.empty() ? nlohmann::json::object() : read_config_file();
    Config asked;
    update_from_json(asked, file, file_);
    update_from_json(asked, flags, "command line");
    Config config = default_config(asked.model.name, asked.model.task, asked.embedding.faithful);
    update_from_json(config, file, file_);
    update_from_json(config, flags, "command line");
    resolve(config);
    validate(config);
    validate_backbone(config);
    return config;
  }

 private:
  nlohmann::json read_config_file() const {
    if (!std::filesystem::exists(file_))
      input_error(file_, ": cannot be read; give a JSON file to --config");
    const Bytes bytes = Bytes::read(file_);
    const nlohmann::json json = read_json(bytes.text(), file_);
    const bool is_result = json.is_object() && json.contains("config");
    return is_result ? json["config"] : json;
  }

  Config defaults_;
  std::string file_;
  std::vector<std::function<void(nlohmann::json&)>> given_;
};

/// The command line as it could be typed again.
inline std::string command_line(int argc, char** argv) {
  std::string line;
  for (int i = 0; i < argc; ++i) {
    const std::string word = argv[i];
    const bool plain = word.find_first_of(" \t\"'$\\*?;&|<>()") == std::string::npos;
    line += (i > 0 ? " " : "") + (plain ? word : "'" + word + "'");
  }
  return line;
}

/// One line on stderr, whatever the message: names of a stranger's file in it steer no terminal.
inline void print_failure(const char* program, std::string message) {
  std::fflush(stdout);
  clear_progress_line();
  for (char& c : message)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = c == '\n' ? ' ' : '?';
  fmt::print(stderr, "{}: {}\n", program, message);
}

/// Runs `body`; an exception becomes one line on stderr and exit code 2 (bad input, or a device
/// that cannot), 1, or that of a program that was interrupted.
inline int run_main(const char* program, const std::function<void()>& body) {
  const auto fail = [&](const std::string& message, int code) {
    print_failure(program, message);
    return code;
  };
  try {
    body();
    return 0;
  } catch (const SilentExit& exit) {
    return exit.code;
  } catch (const Interrupted& stopped) {
    // What is still to be printed has nobody to read it either.
    if (stopped.signal() == SIGPIPE) std::signal(SIGPIPE, SIG_IGN);
    fail(stopped.what(), 0);
    end_as_interrupted(stopped.signal());
    return 0;
  } catch (const InputError& error) {
    return fail(error.what(), 2);
  } catch (const DeviceError& error) {
    return fail(error.what(), 2);
  } catch (const std::filesystem::filesystem_error& error) {
    return fail(error.path1().string() + ": " + error.code().message(), 2);
  } catch (const std::bad_alloc&) {
    return fail("no memory is left on this machine", 2);
  } catch (const std::exception& error) {
    return fail(error.what(), 1);
  }
}

/// The main of a program that several ranks may run together.
inline int run_ranks_main(const char* program, const std::function<void(Launch&)>& body) {
  return run_main(program, [&] {
    Launch launch;
    launch.run([&] { body(launch); }, [&](const std::string& why) { print_failure(program, why); });
  });
}

/// CLI11's parse with its errors as InputError; --help prints and ends the program.
inline void parse_command_line(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    std::exit(app.exit(help));
  } catch (const CLI::ParseError& error) {
    check_options(app, argc, argv);
    input_error(error.what(), "; see `", app.get_name(), " --help`");
  }
}

}  // namespace mgqe
