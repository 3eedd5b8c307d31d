// A CPU back end that watches training steps: it counts what a step must not do, writes down op
// calls with their arguments, and can record and repeat steps as a GPU does. And what to train.
#pragma once

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/cpu/cpu_backend.hpp"
#include "models/backbones/model.hpp"

namespace mgqe::testing {

/// Of a few steps of any backbone and scheme.
inline Config step_config(const std::string& backbone, const std::string& scheme) {
  Config config = default_config(backbone);
  config.data.name = "synthetic";
  config.data.synthetic_users = 60;
  config.data.synthetic_items = 50;
  config.data.synthetic_actions = 14;
  config.embedding.scheme = scheme;
  config.embedding.dim = 8;
  config.embedding.rank = 3;
  config.embedding.subspaces = {4};
  config.embedding.centroids = {scheme == "mgqe" ? std::vector<int>{16, 4} : std::vector<int>{16}};
  config.embedding.widths = {8, 2};
  if (scheme == "mgqe" || scheme == "mixed_dim") config.embedding.tiers = {0.1};
  config.train.batch = backbone == "sasrec" ? 16 : 64;
  config.model.max_length = 10;
  if (backbone == "neumf") config.model.pretrain_epochs = 2;
  return config;
}

/// The arguments of an op call as text: equal where a recorded launch would be equal.
class CallText {
 public:
  template <class... Arguments>
  explicit CallText(const char* op, const Arguments&... arguments) : text_(op) {
    (put(arguments), ...);
  }
  const std::string& str() const { return text_; }

 private:
  template <class T>
  void put(View<T> view) {
    text_ += fmt::format(" {}[{},{}]", static_cast<const void*>(view.data), view.rows, view.cols);
  }
  void put(const UniqueIds& u) {
    put(u.ids), put(u.offsets), put(u.order), put(u.inverse), put(u.count);
  }
  void put(const RowSet& rows) {
    text_ += fmt::format(" {} {} {} {}", static_cast<const void*>(rows.ids),
                         static_cast<const void*>(rows.count), rows.first, rows.capacity);
  }
  void put(const Lookup& lookup) { put(lookup.rows), put(lookup.index); }
  void put(const Moments& moments) { put(moments.first), put(moments.second); }
  void put(const Operand& operand) { put(operand.matrix), put(operand.transposed); }
  void put(const Tiers& tiers) {
    for (int i = 0; i < tiers.count; ++i) put(tiers.end[i]), put(tiers.centroids[i]);
  }
  void put(const AdamOptions& o) {
    put(o.learning_rate), put(o.beta1), put(o.beta2), put(o.epsilon), put(o.l2);
  }
  void put(const RowUpdate& u) {
    put(static_cast<int>(u.rule)), put(u.options), put(u.moments), put(u.square_sums);
  }
  void put(const PairSampler& s) {
    put(s.histories.offsets), put(s.histories.items), put(s.positive_user);
    put(s.items), put(s.negatives), put(s.batch), put(s.negative_key);
  }
  void put(const ScoredPairSampler& s) { put(s.left), put(s.right), put(s.targets), put(s.batch); }
  template <class T>
  requires std::is_arithmetic_v<T>
  void put(T number) { text_ += fmt::format(" {}", number); }

  std::string text_;
};

/// Memory, counted and known, so that what a recorded body did can be undone.
class WatchedMemory : public CpuBackend {
 public:
  int64_t allocations = 0, releases = 0, copies = 0, waits = 0;
  int64_t forbidden() const { return allocations + releases + copies + waits; }

  void* allocate(size_t bytes) override {
    ++allocations;
    void* pointer = CpuBackend::allocate(bytes);
    blocks_[pointer] = bytes;
    return pointer;
  }
  void release(void* pointer) noexcept override {
    ++releases;
    blocks_.erase(pointer);
    CpuBackend::release(pointer);
  }
  void upload(void* device, const void* host, size_t bytes) override {
    ++copies;
    CpuBackend::upload(device, host, bytes);
  }
  void download(void* host, const void* device, size_t bytes) override {
    ++copies;
    CpuBackend::download(host, device, bytes);
  }
  void synchronize() override { ++waits; }

  using Snapshot = std::map<void*, std::vector<uint8_t>>;
  Snapshot snapshot() const {
    Snapshot copy;
    for (const auto& [pointer, bytes] : blocks_) {
      const auto* data = static_cast<const uint8_t*>(pointer);
      copy[pointer].assign(data, data + bytes);
    }
    return copy;
  }
  void restore(const Snapshot& copy) {
    for (const auto& [pointer, bytes] : copy) std::memcpy(pointer, bytes.data(), bytes.size());
  }

 private:
  std::map<void*, size_t> blocks_;
};

/// Writes down the ops that a step is made of.
class TracingBackend : public WatchedMemory {
 public:
  std::vector<std::string> calls;

  void zero(void* device, size_t bytes) override {
    note("zero", View<uint8_t>(static_cast<uint8_t*>(device), static_cast<int64_t>(bytes)));
    WatchedMemory::zero(device, bytes);
  }
  void begin_step(View<StepState> state, AdamOptions options) override {
    note("begin_step", state, options);
    CpuBackend::begin_step(state, options);
  }
  void sample_pairs(const PairSampler& sampler, View<const StepState> state, View<int32_t> users,
                    View<int32_t> items, View<float> labels) override {
    note("sample_pairs", sampler, state, users, items, labels);
    CpuBackend::sample_pairs(sampler, state, users, items, labels);
  }
  void sample_scored_pairs(const ScoredPairSampler& sampler, View<const StepState> state,
                           View<int32_t> left, View<int32_t> right, View<float> targets) override {
    note("sample_scored_pairs", sampler, state, left, right, targets);
    CpuBackend::sample_scored_pairs(sampler, state, left, right, targets);
  }
  void deduplicate(View<const int32_t> ids, int64_t id_limit, UniqueIds unique) override {
    note("deduplicate", ids, id_limit, unique);
    CpuBackend::deduplicate(ids, id_limit, unique);
  }
  void adam(View<float> parameter, View<const float> gradient, Moments moments, AdamOptions options,
            View<const StepState> state) override {
    note("adam", parameter, gradient, moments, options, state);
    CpuBackend::adam(parameter, gradient, moments, options, state);
  }
  void update_rows(View<float> table, const UniqueIds& unique, View<const float> gradient,
                   const RowUpdate& update, View<const StepState> state) override {
    note("update_rows", table, unique, gradient, update, state);
    CpuBackend::update_rows(table, unique, gradient, update, state);
  }
  void assign(View<const float> queries, RowSet rows, View<const float> codebook,
              View<const float> half_norms, const Tiers& tiers, View<uint8_t> codes,
              View<float> decoded, View<float> squared_error) override {
    note("assign", queries, rows, codebook, half_norms, tiers, codes, decoded, squared_error);
    CpuBackend::assign(queries, rows, codebook, half_norms, tiers, codes, decoded, squared_error);
  }
  void codebook_gradient(View<const float> queries, const UniqueIds& unique, const Tiers& tiers,
                         View<const uint8_t> codes, View<const float> codebook, float scale,
                         View<float> gradient) override {
    note("codebook_gradient", queries, unique, tiers, codes, codebook, scale, gradient);
    CpuBackend::codebook_gradient(queries, unique, tiers, codes, codebook, scale, gradient);
  }
  void assign_with_gradient(View<const float> queries, const UniqueIds& unique,
                            View<const float> codebook, const Tiers& tiers, float scale,
                            const AssignScratch& scratch, View<float> decoded,
                            View<float> gradient) override {
    note("assign_with_gradient", queries, unique, codebook, tiers, scale, scratch.half_norms,
         scratch.codes, decoded, gradient);
    CpuBackend::assign_with_gradient(queries, unique, codebook, tiers, scale, scratch, decoded,
                                     gradient);
  }
  void matmul(Operand a, Operand b, View<float> out, bool accumulate) override {
    note("matmul", a, b, out, accumulate);
    CpuBackend::matmul(a, b, out, accumulate);
  }
  void gmf_forward(Lookup users, Lookup items, View<const float> weights,
                   View<float> logits) override {
    note("gmf_forward", users, items, weights, logits);
    CpuBackend::gmf_forward(users, items, weights, logits);
  }
  void bce_with_logits(View<const float> logits, View<const float> labels, float scale,
                       View<float> losses, View<float> gradient) override {
    note("bce_with_logits", logits, labels, scale, losses, gradient);
    CpuBackend::bce_with_logits(logits, labels, scale, losses, gradient);
  }

 private:
  template <class... Arguments>
  void note(const char* op, const Arguments&... arguments) {
    calls.push_back(CallText(op, arguments...).str());
  }
};

/// Records steps as a GPU does: while recording, the body is called and nothing comes of it.
/// Repeating one runs its ops; a GPU would not call the body for that, but it does no more here.
class RecordingBackend final : public WatchedMemory {
 public:
  int64_t eager = 0, recorded = 0, repeated_one = 0, repeated_many = 0;
  uint64_t version = 0;

  std::unique_ptr<StepRunner> make_step_runner() override {
    return std::make_unique<Runner>(*this);
  }

 private:
  struct Repeat final : RecordedSteps::Recording {
    Repeat(RecordingBackend& backend, StepBody body, int64_t times)
        : backend(backend), body(std::move(body)), times(times) {}
    void repeat() override {
      for (int64_t step = 0; step < times; ++step) body();
      ++(times == 1 ? backend.repeated_one : backend.repeated_many);
    }
    RecordingBackend& backend;
    StepBody body;
    int64_t times;
  };
  class Runner final : public RecordedSteps {
   public:
    explicit Runner(RecordingBackend& backend) : backend_(backend) {}

   private:
    std::unique_ptr<Recording> record(const StepBody& body, int64_t times) override {
      const Snapshot before = backend_.snapshot();
      for (int64_t step = 0; step < times; ++step) body();
      backend_.restore(before);
      ++backend_.recorded;
      return std::make_unique<Repeat>(backend_, body, times);
    }
    uint64_t scratch_version() const override { return backend_.version; }

    RecordingBackend& backend_;
  };
};

}  // namespace mgqe::testing
