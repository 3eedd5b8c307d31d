// Words of a command line that are no command and no option, and what was probably meant.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace mgqe {

/// The one of `known` that takes the fewest changed, added, left out or swapped letters to make of
/// `word`, at most a third of its own; empty where none is so near.
std::string closest(const std::string& word, const std::vector<std::string>& known);

/// InputError where the first word is no command, with the likely one and the list of them;
/// CLI11 says of such a word that a command is missing.
void check_command(const CLI::App& app, int argc, char** argv, const char* commands);

/// InputError where a word is an option that the command, or the program without commands, does not
/// have. CLI11 would name it, and whatever follows, in no particular order.
void check_options(const CLI::App& app, int argc, char** argv);

/// InputError where a word is not UTF-8, as the files that record it are.
void check_text(int argc, char** argv);

}  // namespace mgqe
