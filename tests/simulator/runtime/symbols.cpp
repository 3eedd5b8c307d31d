#include "tests/simulator/runtime/symbols.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include <cxxabi.h>
#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// Where each function with launch bounds begins, empty instructions included.
extern "C" {
[[gnu::weak]] extern uintptr_t __start___patchable_function_entries[];
[[gnu::weak]] extern uintptr_t __stop___patchable_function_entries[];
}

namespace simulator {
namespace {

struct Symbol {
  uintptr_t begin, end;
  std::string name;
};
struct Segment {
  uintptr_t begin, end;
  bool writable;
};
struct Executable {
  uintptr_t base = 0;
  std::string path;
  std::vector<Segment> segments;
  std::vector<Symbol> functions;  // by address
};

void read_functions(Executable& executable) {
  const int file = open(executable.path.c_str(), O_RDONLY);
  struct stat status {};
  if (file < 0 || fstat(file, &status) != 0) return;
  const size_t bytes = static_cast<size_t>(status.st_size);
  void* const mapped = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (mapped == MAP_FAILED) return;
  const auto* const image = static_cast<const char*>(mapped);
  const auto& header = *reinterpret_cast<const ElfW(Ehdr)*>(image);
  const auto* const sections = reinterpret_cast<const ElfW(Shdr)*>(image + header.e_shoff);
  for (int s = 0; s < header.e_shnum; ++s) {
    if (sections[s].sh_type != SHT_SYMTAB) continue;
    const char* const names = image + sections[sections[s].sh_link].sh_offset;
    const auto* const symbols = reinterpret_cast<const ElfW(Sym)*>(image + sections[s].sh_offset);
    for (size_t i = 0; i < sections[s].sh_size / sizeof(*symbols); ++i) {
      if ((symbols[i].st_info & 0xF) != STT_FUNC || symbols[i].st_size == 0) continue;
      const uintptr_t begin = executable.base + symbols[i].st_value;
      executable.functions.push_back(
          {begin, begin + symbols[i].st_size, names + symbols[i].st_name});
    }
  }
  munmap(mapped, bytes);
  std::sort(executable.functions.begin(), executable.functions.end(),
            [](const Symbol& a, const Symbol& b) { return a.begin < b.begin; });
}

const Executable& executable() {
  static const Executable self = [] {
    Executable found;
    char path[4096] = "";
    if (readlink("/proc/self/exe", path, sizeof(path) - 1) > 0) found.path = path;
    dl_iterate_phdr(
        [](dl_phdr_info* info, size_t, void* out) {
          auto& e = *static_cast<Executable*>(out);
          e.base = info->dlpi_addr;
          for (int i = 0; i < info->dlpi_phnum; ++i) {
            const auto& p = info->dlpi_phdr[i];
            if (p.p_type != PT_LOAD) continue;
            const uintptr_t begin = info->dlpi_addr + p.p_vaddr;
            e.segments.push_back({begin, begin + p.p_memsz, (p.p_flags & PF_W) != 0});
          }
          return 1;  // the first is the executable
        },
        &found);
    read_functions(found);
    return found;
  }();
  return self;
}

}  // namespace

const std::string& symbol_of(const void* pc) {
  static const std::string unknown;
  const auto& functions = executable().functions;
  const auto at = reinterpret_cast<uintptr_t>(pc);
  auto after = std::upper_bound(functions.begin(), functions.end(), at,
                                [](uintptr_t a, const Symbol& s) { return a < s.begin; });
  if (after == functions.begin() || at >= (--after)->end) return unknown;
  return after->name;
}

std::string function_name(const void* pc) {
  const std::string& mangled = symbol_of(pc);
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), std::free);
  std::string name = text ? text.get() : mangled.empty() ? "?" : mangled;
  // "void f<int>(float*)": without what it returns and takes.
  int depth = 0;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '<') ++depth;
    if (name[i] == '>') --depth;
    if (name[i] == '(' && depth == 0 && name.compare(i, 11, "(anonymous ") != 0) {
      name.resize(i);
      break;
    }
  }
  return name.starts_with("void ") ? name.substr(5) : name;
}

std::string source_of(const void* return_address) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(return_address) - 1 - executable().base;
  const std::string command =
      fmt::format("addr2line -Cfpie '{}' {:#x} 2>/dev/null", executable().path, at);
  std::string text;
  if (FILE* const output = popen(command.c_str(), "r")) {
    char line[2048];
    while (std::fgets(line, sizeof(line), output) != nullptr) text += line;
    pclose(output);
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.empty() ? function_name(return_address) : text;
}

int launch_bound(const void* kernel) {
  const auto at = reinterpret_cast<uintptr_t>(kernel);
  uintptr_t nearest = 0;
  for (const uintptr_t* p = __start___patchable_function_entries;
       p < __stop___patchable_function_entries; ++p)
    if (*p <= at && *p > nearest) nearest = *p;
  return nearest != 0 && at - nearest <= 1024 ? static_cast<int>(at - nearest) : 0;
}

Image image_at(const void* address) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  for (const Segment& segment : executable().segments)
    if (at >= segment.begin && at < segment.end)
      return segment.writable ? Image::kVariable : Image::kConstant;
  return Image::kNone;
}

}  // namespace simulator
