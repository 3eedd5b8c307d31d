#include "models/packing/decoder.hpp"

#include <map>

namespace mgqe {
namespace {

Tiers tiers_of(const PackedTable& form) {
  Tiers tiers;
  tiers.count = static_cast<int>(form.tiers.size());
  for (int t = 0; t < tiers.count; ++t) {
    tiers.end[t] = form.tiers[t].end;
    tiers.centroids[t] = form.tiers[t].centroids;
  }
  return tiers;
}

class FullDecoder final : public TableDecoder {
 public:
  FullDecoder(Backend& backend, const DevicePackedTable& table, int64_t)
      : backend_(backend), table_(table.array("table")) {}

  View<const float> stored() const override {
    return narrow() ? View<const float>() : table_.as<float>();
  }
  void decode(RowSet rows, View<float> out) override {
    if (narrow()) return backend_.widen_rows(table_.as<Bfloat16>(), rows, out);
    if (rows.ids == nullptr)
      backend_.copy_values(stored().slice(rows.first, rows.capacity), out);
    else
      backend_.gather(stored(), {rows.ids, rows.capacity}, out);
  }

 private:
  /// Training's own rows, of --row-type bf16.
  bool narrow() const { return table_.dtype() == DType::kBf16; }

  Backend& backend_;
  const DeviceArray& table_;
};

class LowRankDecoder final : public TableDecoder {
 public:
  LowRankDecoder(Backend& backend, const DevicePackedTable& table, int64_t max_rows)
      : backend_(backend),
        factor_(table.array("factor").as<float>()),
        basis_(table.array("basis").as<float>()),
        factors_(backend, max_rows, factor_.cols) {}

  void decode(RowSet rows, View<float> out) override {
    View<const float> factors = factors_.view().slice(0, rows.capacity);
    if (rows.ids == nullptr)
      factors = factor_.slice(rows.first, rows.capacity);
    else
      backend_.gather(factor_, {rows.ids, rows.capacity}, factors_.view().slice(0, rows.capacity));
    backend_.matmul(factors, basis_, out);
  }

 private:
  Backend& backend_;
  View<const float> factor_, basis_;  // (n, r), (r, d)
  Tensor<float> factors_;             // (max rows, r)
};

class ScalarDecoder final : public TableDecoder {
 public:
  ScalarDecoder(Backend& backend, const DevicePackedTable& table, int64_t)
      : backend_(backend),
        bits_(static_cast<int>(table.form.bits)),
        cells_(table.array("cells").as<uint8_t>()),
        low_(table.array("low").as<float>()),
        high_(table.array("high").as<float>()) {}

  void decode(RowSet rows, View<float> out) override {
    backend_.decode_cells(cells_, rows, bits_, low_, high_, out);
  }

 private:
  Backend& backend_;
  int bits_;
  View<const uint8_t> cells_;     // (n, row bytes)
  View<const float> low_, high_;  // (d)
};

/// The buckets are on every rank.
class HashedDecoder final : public TableDecoder {
 public:
  HashedDecoder(Backend& backend, const DevicePackedTable& table, int64_t max_rows)
      : backend_(backend), table_(table.array("table").as<float>()), buckets_(backend, max_rows) {}

  void decode(RowSet rows, View<float> out) override {
    const View<int32_t> buckets = buckets_.view().slice(0, rows.capacity);
    backend_.hash_ids(rows, table_.rows, buckets);
    backend_.gather(table_, buckets, out);
  }

 private:
  Backend& backend_;
  View<const float> table_;  // (m, d)
  Tensor<int32_t> buckets_;  // (max rows)
};

class CodesDecoder final : public TableDecoder {
 public:
  CodesDecoder(Backend& backend, const DevicePackedTable& table, int64_t) : backend_(backend) {
    const PackedTable& form = table.form;
    tiers_.ranges = table.sharding.local(tiers_of(form));
    tiers_.dim = form.dim;
    for (int t = 0; t < tiers_.ranges.count; ++t)
      tiers_.tiers[t] = {table.array("codes." + std::to_string(t)).as<uint8_t>().data,
                         table.array(form.codebook_name(t)).as<float>().data,
                         code_bits(form.tiers[t].centroids), form.tiers[t].subspaces};
  }

  void decode(RowSet rows, View<float> out) override { backend_.decode_rows(tiers_, rows, out); }

 private:
  Backend& backend_;
  PackedTiers tiers_;
};

template <class Type>
std::unique_ptr<TableDecoder> make(Backend& backend, const DevicePackedTable& table,
                                   int64_t max_rows) {
  return std::make_unique<Type>(backend, table, max_rows);
}

std::map<std::string, MakeDecoder>& decoders() {
  static std::map<std::string, MakeDecoder> all = {
      {"full", make<FullDecoder>},
      {"low_rank", make<LowRankDecoder>},
      {"scalar_quantized", make<ScalarDecoder>},
      {"hashed", make<HashedDecoder>},
      {"dpq_vq", make<CodesDecoder>},
      {"dpq_sx", make<CodesDecoder>},
      {"mgqe", make<CodesDecoder>},
  };
  return all;
}

}  // namespace

std::unique_ptr<TableDecoder> make_decoder(Backend& backend, const DevicePackedTable& table,
                                           int64_t max_rows) {
  const auto found = decoders().find(table.form.scheme);
  MGQE_CHECK(found != decoders().end(), "no decoder of the scheme ", table.form.scheme);
  return found->second(backend, table, max_rows);
}

void add_decoder(const std::string& scheme, MakeDecoder make) { decoders()[scheme] = make; }

}  // namespace mgqe
