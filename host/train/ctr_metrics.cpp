#include "host/train/ctr_metrics.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include <nlohmann/json.hpp>

#include "host/base/check.hpp"

namespace mgqe {

namespace {

/// Ordered as floats are: the sign bit of positives set, all bits of negatives turned. -0 ties 0.
uint32_t ordered_bits(float x) {
  const auto bits = std::bit_cast<uint32_t>(x + 0.0f);
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
}

}  // namespace

void CtrMetrics::add(std::span<const float> logits, std::span<const float> labels) {
  MGQE_CHECK(logits.size() == labels.size(), logits.size(), " logits, ", labels.size(), " labels");
  keys_.reserve(keys_.size() + logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    MGQE_CHECK(!std::isnan(logits[i]), "logit ", i, " is not a number");
    MGQE_CHECK(labels[i] == 0.0f || labels[i] == 1.0f, "label ", labels[i]);
    const bool positive = labels[i] == 1.0f;
    keys_.push_back(static_cast<uint64_t>(ordered_bits(logits[i])) << 1 | (positive ? 1 : 0));
    positives_ += positive;
    // max(z, 0) - z y + log(1 + exp(-|z|)): nothing overflows.
    const double z = logits[i], wrong = positive ? -z : z;
    loss_sum_ += std::max(wrong, 0.0) + std::log1p(std::exp(-std::abs(z)));
  }
}

void CtrMetrics::join(const CtrMetrics& other) {
  keys_.insert(keys_.end(), other.keys_.begin(), other.keys_.end());
  positives_ += other.positives_;
  loss_sum_ += other.loss_sum_;
}

std::optional<double> CtrMetrics::auc() {
  const int64_t negatives = rows() - positives_;
  if (positives_ == 0 || negatives == 0) return std::nullopt;
  std::sort(keys_.begin(), keys_.end());
  // The rank sum less its least value, doubled, is whole: for each group of equal scores, its
  // positives times the negatives below twice and within once.
  __int128 doubled = 0;
  int64_t below = 0;  // negatives of lower scores
  for (size_t begin = 0, end = 0; begin < keys_.size(); begin = end) {
    int64_t counts[2] = {};
    for (; end < keys_.size() && keys_[end] >> 1 == keys_[begin] >> 1; ++end)
      ++counts[keys_[end] & 1];
    doubled += static_cast<__int128>(counts[1]) * (2 * below + counts[0]);
    below += counts[0];
  }
  return static_cast<double>(doubled) / 2.0 / static_cast<double>(positives_) /
         static_cast<double>(negatives);
}

std::optional<double> CtrMetrics::logloss() const {
  if (keys_.empty()) return std::nullopt;
  return loss_sum_ / static_cast<double>(rows());
}

std::string CtrMetrics::to_bytes() const {
  std::string bytes(sizeof loss_sum_ + keys_.size() * sizeof(uint64_t), '\0');
  std::memcpy(bytes.data(), &loss_sum_, sizeof loss_sum_);
  if (!keys_.empty())
    std::memcpy(bytes.data() + sizeof loss_sum_, keys_.data(), keys_.size() * sizeof(uint64_t));
  return bytes;
}

CtrMetrics CtrMetrics::of(const std::string& bytes) {
  CtrMetrics metrics;
  MGQE_CHECK(bytes.size() % sizeof(uint64_t) == 0 && bytes.size() >= sizeof metrics.loss_sum_,
             bytes.size(), " bytes of metrics");
  std::memcpy(&metrics.loss_sum_, bytes.data(), sizeof metrics.loss_sum_);
  metrics.keys_.resize((bytes.size() - sizeof metrics.loss_sum_) / sizeof(uint64_t));
  if (!metrics.keys_.empty())
    std::memcpy(metrics.keys_.data(), bytes.data() + sizeof metrics.loss_sum_,
                metrics.keys_.size() * sizeof(uint64_t));
  for (const uint64_t key : metrics.keys_) metrics.positives_ += static_cast<int64_t>(key & 1);
  return metrics;
}

nlohmann::ordered_json CtrMetrics::json() {
  nlohmann::ordered_json json = {
      {"auc", nullptr}, {"logloss", nullptr}, {"rows", rows()}, {"positives", positives_}};
  if (const auto value = auc()) json["auc"] = *value;
  if (const auto value = logloss()) json["logloss"] = *value;
  return json;
}

}  // namespace mgqe
