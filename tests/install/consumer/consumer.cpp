// What someone outside does with the library: reads an artifact, says how large it is, and finds
// the codes of its own centroids, which must be themselves.
#include <cstdio>
#include <exception>

#include <mgqe/host/engine/backend.hpp>

#include "host/io/artifact.hpp"

int main(int, char** argv) try {
  mgqe::SizeReport size;
  const mgqe::Artifact artifact = mgqe::read_artifact(argv[1], &size);
  std::printf("%lld bytes, %.2f%% of full tables\n", static_cast<long long>(size.file_bytes),
              size.percent_of_full);

  const mgqe::PackedTable& items = artifact.model.tables.at("item");
  const int centroids = items.tiers[0].centroids, subspaces = items.tiers[0].subspaces;
  const std::unique_ptr<mgqe::Backend> cpu = mgqe::make_backend("cpu");
  const mgqe::Tensor<float> codebook(*cpu, items.arrays.at("codebook").as<float>(), items.dim);
  mgqe::Tensor<float> half_norms(*cpu, centroids, subspaces), decoded(*cpu, centroids, items.dim);
  mgqe::Tensor<float> errors(*cpu, centroids);
  mgqe::Tensor<uint8_t> codes(*cpu, centroids, subspaces);
  cpu->half_norms(codebook, subspaces, half_norms);
  cpu->assign(codebook, mgqe::RowSet::range(0, centroids), codebook, half_norms,
              mgqe::Tiers{1, {centroids}, {centroids}}, codes, decoded, errors);
  const bool same = decoded.to_host() == codebook.to_host();
  std::printf("%d centroids in %d subspaces: %s\n", centroids, subspaces,
              same ? "each finds itself" : "some are not found");
  return same ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "consumer: %s\n", error.what());
  return 2;
}
