#include "models/packing/decoder.hpp"

#include <map>
#include <vector>

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

/// Both tables are on every rank.
class QuotientRemainderDecoder final : public TableDecoder {
 public:
  QuotientRemainderDecoder(Backend& backend, const DevicePackedTable& table, int64_t max_rows)
      : backend_(backend),
        by_quotient_(table.array("quotients").as<float>()),
        by_remainder_(table.array("remainders").as<float>()),
        quotients_(backend, max_rows),
        remainders_(backend, max_rows) {}

  void decode(RowSet rows, View<float> out) override {
    const View<int32_t> quotients = quotients_.view().slice(0, rows.capacity);
    const View<int32_t> remainders = remainders_.view().slice(0, rows.capacity);
    backend_.divide_ids(rows, by_remainder_.rows, quotients, remainders);
    backend_.gather(by_remainder_, remainders, out);
    backend_.multiply_rows({by_quotient_, quotients}, out, out);
  }

 private:
  Backend& backend_;
  View<const float> by_quotient_, by_remainder_;  // (ceil(n / m), d), (m, d)
  Tensor<int32_t> quotients_, remainders_;        // (max rows)
};

/// The table and the factors are on every rank.
class MemcomDecoder final : public TableDecoder {
 public:
  MemcomDecoder(Backend& backend, const DevicePackedTable& table, int64_t max_rows)
      : backend_(backend),
        table_(table.array("table").as<float>()),
        factors_(table.array("factors").as<float>()),
        buckets_(backend, max_rows),
        gathered_(backend, max_rows) {}

  void decode(RowSet rows, View<float> out) override {
    const View<int32_t> buckets = buckets_.view().slice(0, rows.capacity);
    backend_.divide_ids(rows, table_.rows, {}, buckets);
    View<const float> factors = factors_.slice(rows.ids == nullptr ? rows.first : 0, rows.capacity);
    if (rows.ids != nullptr) {
      const View<float> gathered = gathered_.view().slice(0, rows.capacity);
      backend_.gather(factors_, {rows.ids, rows.capacity}, gathered);
      factors = gathered;
    }
    backend_.multiply_rows({table_, buckets}, factors, out);
  }

 private:
  Backend& backend_;
  View<const float> table_, factors_;  // (m, d), (n, 1)
  Tensor<int32_t> buckets_;            // (max rows)
  Tensor<float> gathered_;             // (max rows, 1)
};

/// The blocks are on every rank. Of each block a row has its own, or zeros, so that rows are sums.
class MixedDimDecoder final : public TableDecoder {
 public:
  MixedDimDecoder(Backend& backend, const DevicePackedTable& table, int64_t max_rows)
      : backend_(backend), room_(backend, max_rows, table.form.blocks.front().width) {
    for (size_t i = 0; i < table.form.blocks.size(); ++i) {
      const std::string number = std::to_string(i);
      Block block{table.form.block_begin(i), table.array("table." + number).as<float>(), {}};
      if (table.form.blocks[i].width < table.form.dim)
        block.projection = table.array("projection." + number).as<float>();
      blocks_.push_back(block);
    }
  }

  void decode(RowSet rows, View<float> out) override {
    bool first = true;
    for (const Block& block : blocks_) {
      const bool projected = block.projection.data != nullptr;
      const int64_t width = projected ? block.projection.rows : out.cols;
      const View<float> own(room_.data(), rows.capacity, width);
      const View<float> narrow = projected || !first ? own : out;
      backend_.block_rows(block.table, rows, block.begin, narrow);
      if (projected)
        backend_.matmul(narrow, block.projection, out, !first);
      else if (!first)
        backend_.add(out, narrow, out);
      first = false;
    }
  }

 private:
  struct Block {
    int64_t begin;
    View<const float> table, projection;  // (n_i, w_i), (w_i, d) where w_i < d
  };

  Backend& backend_;
  std::vector<Block> blocks_;
  Tensor<float> room_;  // (max rows, w_0)
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
      {"lsq", make<ScalarDecoder>},
      {"hashed", make<HashedDecoder>},
      {"multiplexed", make<HashedDecoder>},
      {"quotient_remainder", make<QuotientRemainderDecoder>},
      {"memcom", make<MemcomDecoder>},
      {"mixed_dim", make<MixedDimDecoder>},
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
