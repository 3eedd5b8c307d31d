#include "host/data/ctr/ctr_batches.hpp"
#include "host/train/batch_source.hpp"
#include "host/train/uploaded_rows.hpp"

namespace mgqe {
namespace {

class RowBatches final : public BatchSource {
 public:
  RowBatches(Backend& backend, const CtrRows& rows, const FeatureLayout& layout,
             const Config& config)
      : batches_(rows, {.batch = config.train.batch,
                        .seed = config.run.seed,
                        .rank = backend.communicator().rank(),
                        .ranks = backend.communicator().size()}),
        ranks_(backend.communicator()),
        drawn_(backend, [&] {
          return UploadedRows(backend, layout,
                              BatchShare::most(backend.communicator(), config.train.batch));
        }) {
    epoch_.pairs = rows.rows(CtrSplit::kTrain);
    epoch_.batch = config.train.batch;
  }

  int64_t examples_per_epoch() const override { return epoch_.pairs; }
  int64_t steps_per_epoch() const override { return epoch_.steps(); }
  void begin_epoch(const StepState& state) override {
    number_ = static_cast<int64_t>(state.epoch);
    epoch_.drawn = 0;
    next_ = kNone;
  }
  /// Rows come from the host, so no step is like another.
  Stretch ahead() const override {
    const int64_t examples = epoch_.ahead().examples;
    return {examples > 0 ? 1 : 0, examples, false};
  }
  void advance(int64_t steps) override { epoch_.advance(steps); }

  Batch draw(Backend& on, View<const StepState>) override {
    const int64_t step = epoch_.drawn / epoch_.batch;
    if (next_ != step) batches_.begin_epoch(number_, step);
    batches_.next(host_);
    next_ = step + 1;
    return {.pairs = {},
            .tokens = {},
            .features = drawn_.turn().upload(on, host_),
            .examples = batches_.examples(),
            .first_example = BatchShare::of(ranks_, batches_.examples()).first};
  }

 private:
  static constexpr int64_t kNone = -1;

  CtrBatches batches_;
  const Communicator& ranks_;
  DoubleBuffer<UploadedRows> drawn_;
  CtrBatch host_;
  PairEpoch epoch_;       // of rows
  int64_t number_ = 0;    // of the epoch
  int64_t next_ = kNone;  // step that batches_ stands before
};

}  // namespace

std::unique_ptr<BatchSource> make_row_batches(Backend& backend, const CtrRows& rows,
                                              const FeatureLayout& layout, const Config& config) {
  return std::make_unique<RowBatches>(backend, rows, layout, config);
}

}  // namespace mgqe
