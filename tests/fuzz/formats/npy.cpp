// NumPy's .npy files, which `mgqe convert` reads tables from.
#include "host/convert/npy.hpp"

#include "host/io/safetensors.hpp"
#include "tests/fuzz/fuzz_target.hpp"

namespace mgqe::fuzzing {
namespace {

void read(Input input) {
  const FileArray array = read_npy(aligned_bytes(input, "a.npy"));
  int64_t bytes = dtype_bytes(array.dtype);
  for (const int64_t extent : array.shape) bytes *= extent;
  FUZZ_EXPECT(static_cast<int64_t>(array.bytes.size()) == bytes, array.shape_text());
  FUZZ_EXPECT(array.bytes.data() >= array.file.span().data() &&
              array.bytes.data() + array.bytes.size() <=
                  array.file.span().data() + array.file.span().size());
}

std::string npy(char version, const std::string& header, const std::string& data) {
  std::string text = "\x93NUMPY";
  text += version;
  text += '\0';
  text += static_cast<char>(header.size());
  text += std::string(version == 1 ? 1 : 3, '\0');
  return text + header + data;
}

std::vector<std::string> seeds() {
  return {
      npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", std::string(24, 1)),
      npy(2, "{'descr': '<f2', 'fortran_order': False, 'shape': (4,), }\n", std::string(8, 1)),
      npy(3, "{'descr': '<i8', 'fortran_order': True, 'shape': (), }\n", std::string(8, 1)),
      npy(1, "{'descr': '|O', 'fortran_order': False, 'shape': (0, 7), }\n", "")};
}

const RegisteredTarget kTarget({"npy", read, seeds});

}  // namespace
}  // namespace mgqe::fuzzing
