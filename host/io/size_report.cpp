#include "host/io/size_report.hpp"

#include <nlohmann/json.hpp>

namespace mgqe {

nlohmann::ordered_json to_json(const SizeReport& report) {
  nlohmann::ordered_json parts;
  for (const SizeReport::Part& part : report.parts) parts[part.name] = part.bytes;
  return {{"formula_bits", report.formula_bits},
          {"payload_bits", report.payload_bits},
          {"file_bytes", report.file_bytes},
          {"full_bits", report.full_bits},
          {"percent_of_full", report.percent_of_full},
          {"breakdown",
           {{"padding_bits", report.padding_bits},
            {"dense_bytes", report.dense_bytes},
            {"id_bytes", report.id_bytes},
            {"header_bytes", report.header_bytes},
            {"alignment_bytes", report.alignment_bytes},
            {"part_bytes", parts}}}};
}

}  // namespace mgqe
