#include "host/io/size_report.hpp"

#include <nlohmann/json.hpp>

#include "host/base/check.hpp"
#include "host/io/artifact.hpp"

namespace mgqe {

SizeReport size_report(const Artifact& artifact, int64_t header_bytes, int64_t file_bytes) {
  SizeReport report;
  const auto add_part = [&](const std::string& name, const HostArray& array) {
    report.parts.push_back({name, static_cast<int64_t>(array.bytes.size())});
    return report.parts.back().bytes;
  };
  for (const auto& [table_name, table] : artifact.model.tables) {
    report.formula_bits += table.formula_bits();
    report.padding_bits += table.padding_bits();
    report.full_bits += table.full_bits();
    for (const auto& [name, array] : table.arrays)
      report.payload_bits += 8 * add_part(table_name + "." + name, array);
  }
  for (const auto& [name, array] : artifact.model.dense)
    report.dense_bytes += add_part(name, array);
  for (const auto& [name, array] : id_arrays(artifact.ids))
    report.id_bytes += add_part(name, array);
  report.parts.push_back({"header", header_bytes});
  report.header_bytes = header_bytes;
  report.file_bytes = file_bytes;
  report.percent_of_full =
      100.0 * static_cast<double>(report.formula_bits) / static_cast<double>(report.full_bits);

  MGQE_CHECK(report.payload_bits == report.formula_bits + report.padding_bits, "payload ",
             report.payload_bits, " bits, formula ", report.formula_bits, ", padding ",
             report.padding_bits);
  MGQE_CHECK(
      file_bytes == report.payload_bits / 8 + report.dense_bytes + report.id_bytes + header_bytes,
      "file ", file_bytes, " bytes, payload ", report.payload_bits / 8, ", dense ",
      report.dense_bytes, ", ids ", report.id_bytes, ", header ", header_bytes);
  return report;
}

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
            {"part_bytes", parts}}}};
}

}  // namespace mgqe
