#include "experiments/serving/http/metrics.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace mgqe {

void Metrics::count(const std::string& endpoint, int status) {
  const std::lock_guard lock(mutex_);
  ++requests_[{endpoint, status}];
}

void Metrics::observe(const std::string& endpoint, double seconds) {
  const std::lock_guard lock(mutex_);
  Histogram& histogram = seconds_[endpoint];
  const auto bucket = std::lower_bound(kBounds.begin(), kBounds.end(), seconds) - kBounds.begin();
  if (static_cast<size_t>(bucket) < kBounds.size()) ++histogram.counts[static_cast<size_t>(bucket)];
  ++histogram.total;
  histogram.sum += seconds;
}

void Metrics::count_reload(bool good) {
  const std::lock_guard lock(mutex_);
  ++(good ? reloads_ : failed_reloads_);
}

std::string Metrics::text(const std::vector<Gauge>& gauges) const {
  std::string text;
  const auto add = [&]<class... Values>(fmt::format_string<Values...> format, Values&&... values) {
    fmt::format_to(std::back_inserter(text), format, std::forward<Values>(values)...);
  };
  const auto head = [&](const std::string& name, const char* type, const std::string& help) {
    add("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  };
  const std::lock_guard lock(mutex_);
  head("mgqe_requests_total", "counter", "Requests answered.");
  for (const auto& [key, count] : requests_)
    add("mgqe_requests_total{{endpoint=\"{}\",code=\"{}\"}} {}\n", key.first, key.second, count);
  head("mgqe_request_seconds", "histogram", "Seconds to compute an answer.");
  for (const auto& [endpoint, histogram] : seconds_) {
    int64_t below = 0;
    for (size_t b = 0; b < kBounds.size(); ++b) {
      below += histogram.counts[b];
      add("mgqe_request_seconds_bucket{{endpoint=\"{}\",le=\"{}\"}} {}\n", endpoint, kBounds[b],
          below);
    }
    add("mgqe_request_seconds_bucket{{endpoint=\"{}\",le=\"+Inf\"}} {}\n", endpoint,
        histogram.total);
    add("mgqe_request_seconds_sum{{endpoint=\"{}\"}} {}\n", endpoint, histogram.sum);
    add("mgqe_request_seconds_count{{endpoint=\"{}\"}} {}\n", endpoint, histogram.total);
  }
  head("mgqe_requests_in_flight", "gauge", "Requests that are being computed.");
  add("mgqe_requests_in_flight {}\n", in_flight.load());
  head("mgqe_reloads_total", "counter", "Times that files were opened anew, and taken or refused.");
  add("mgqe_reloads_total{{result=\"taken\"}} {}\n", reloads_);
  add("mgqe_reloads_total{{result=\"refused\"}} {}\n", failed_reloads_);
  std::string last;
  for (const Gauge& gauge : gauges) {
    if (gauge.name != last) head(gauge.name, "gauge", gauge.help);
    last = gauge.name;
    add("{}{} {}\n", gauge.name, gauge.labels.empty() ? "" : "{" + gauge.labels + "}", gauge.value);
  }
  return text;
}

}  // namespace mgqe
