#include "experiments/bench/serve_cases.hpp"

#include <cstring>
#include <optional>
#include <random>
#include <set>

#include <fmt/format.h>

#include "experiments/bench/plain_scans.hpp"
#include "host/engine/backend.hpp"
#include "host/serve/scan/device_tiers.hpp"
#include "host/serve/scan/kernels.hpp"

namespace mgqe::bench {
namespace {

using nlohmann::ordered_json;

/// Room for the results of a call.
struct Lists {
  Lists(int64_t users, int64_t k)
      : users(users),
        k(k),
        rows(static_cast<size_t>(users * k), -1),
        scores(static_cast<size_t>(users * k), -std::numeric_limits<float>::infinity()),
        counts(static_cast<size_t>(users)) {}
  TopKResult result() { return {{rows.data(), users, k}, {scores.data(), users, k}, counts}; }
  bool operator==(const Lists&) const = default;

  int64_t users, k;
  std::vector<int32_t> rows;
  std::vector<float> scores;
  std::vector<int64_t> counts;
};

struct Level {
  ScanLevel level;
  const char* name;
};
constexpr Level kLevels[] = {
    {ScanLevel::kAvx512, "AVX-512"}, {ScanLevel::kAvx2, "AVX2"}, {ScanLevel::kScalar, "scalar"}};

/// Levels that this processor has.
std::vector<Level> levels_here() {
  std::vector<Level> levels;
  std::set<const ScanKernels*> seen = {&scan_kernels(ScanLevel::kScalar)};
  for (const Level& level : kLevels)
    if (level.level == ScanLevel::kScalar || seen.insert(&scan_kernels(level.level)).second)
      levels.push_back(level);
  return levels;
}

ordered_json shape_of(const ServedTable& table) {
  return {{"rows", table.rows()}, {"d", table.dim()}, {"D", table.subspaces()}};
}

/// Seconds of one unit of which a call does `units`: median of the rounds' medians, on the clock
/// asked for, and the least and some quantiles of single calls on both.
ordered_json op_record(const std::string& op, const Way& way, const WayTimes& times,
                       ordered_json shape, const char* unit, double units,
                       const ServeOptions& options) {
  double CallTime::*const clock = options.cpu_clock ? &CallTime::cpu : &CallTime::wall;
  const double measured = quantile(times.round_medians, 0.5, clock) / units;
  ordered_json record = {{"op", op},
                         {"variant", way.name},
                         {"shape", std::move(shape)},
                         {"unit", fmt::format("seconds/{}", unit)},
                         {"measured", measured},
                         {"measured_min", quantile(times.calls, 0.0, clock) / units},
                         {"per_second", 1.0 / measured},
                         {"call_p50_ms", 1e3 * quantile(times.calls, 0.5, clock)},
                         {"call_p99_ms", 1e3 * quantile(times.calls, 0.99, clock)},
                         {"wall_p50_ms", 1e3 * quantile(times.calls, 0.5, &CallTime::wall)},
                         {"wall_p99_ms", 1e3 * quantile(times.calls, 0.99, &CallTime::wall)},
                         {"wall_min_ms", 1e3 * quantile(times.calls, 0.0, &CallTime::wall)},
                         {"samples", times.calls.size()}};
  if (way.statistics != nullptr)
    record["statistics_per_user"] = {
        {"scanned", 64.0 * static_cast<double>(way.statistics->tiles) / units},
        {"bounded", static_cast<double>(way.statistics->bounded) / units},
        {"rescored", static_cast<double>(way.statistics->rescored) / units}};
  return record;
}

// ---- look-ups -----------------------------------------------------------------------------------

constexpr int64_t kBatches[] = {1, 256, 65'536};
constexpr int64_t kIds = 1 << 20;  // drawn once and taken in turn

std::vector<int64_t> random_ids(int64_t rows, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int64_t> ids(kIds);
  for (int64_t& id : ids) id = static_cast<int64_t>(random() % static_cast<uint64_t>(rows));
  return ids;
}

void measure_look_ups(const ServedTable& table, const float* full, const ServeOptions& options,
                      std::vector<ordered_json>& records) {
  const std::vector<int64_t> ids = random_ids(table.rows(), options.seed + 1);
  for (const int64_t batch : kBatches) {
    const auto floats = static_cast<size_t>(batch * table.dim());
    std::vector<float> own(floats), other(floats);
    const auto ids_of = [&](int64_t turn) {
      return ids.data() + turn * batch % (kIds - batch + 1);
    };
    const auto look_up = [&](int64_t turn) {
      table.reader().look_up<float>({ids_of(turn), static_cast<size_t>(batch)}, own.data(),
                                    table.dim(), options.threads);
    };
    const auto from_full = [&](int64_t turn) {
      gather(full, table.dim(), ids_of(turn), batch, other.data());
    };
    const int64_t calls = std::max<int64_t>(1, 65'536 / batch);
    std::vector<Way> ways = {{"RowReader", look_up, calls, true, nullptr}};
    if (full != nullptr) {
      ways.push_back({"gather from the full table", from_full, calls, true, nullptr});
      look_up(0);
      from_full(0);
      MGQE_CHECK(own == other, "rows looked up are not those of the full table");
    }
    const std::vector<WayTimes> times = time_in_rounds(ways, options.rounds, options.seconds);
    ordered_json shape = shape_of(table);
    shape["batch"] = batch;
    for (size_t i = 0; i < ways.size(); ++i)
      records.push_back(op_record("look_up", ways[i], times[i], shape, "row",
                                  static_cast<double>(batch), options));
  }
}

// ---- top-k --------------------------------------------------------------------------------------

/// Everything that scans may need.
struct Scans {
  const ServedTable& table;
  const PreparedTiers& prepared;
  const std::vector<uint8_t>& bytes;  // unpacked codes; empty where they are not asked for
  const float* full;                  // decoded rows or null
  const ServeOptions& options;
  View<const float> queries;
  const DeviceTiers* on_device;  // or null

  View<const float> asked(int64_t turn, int64_t users) const {
    return queries.slice(turn * users % (queries.rows - users + 1), users);
  }
};

using TopKCall = std::function<void(View<const float>, TopKResult, TopKStatistics*)>;
struct Contender {
  std::string name;
  TopKCall top_k;
  bool says_what_it_did;
};

std::vector<Contender> contenders(const Scans& scans, int64_t users) {
  std::vector<Contender> list;
  const PackedTiers& tiers = scans.table.tiers();
  for (const Level& level : levels_here()) {
    if (users > 1 && level.level == ScanLevel::kScalar) continue;
    const TopKOptions options{.k = scans.options.k,
                              .threads = scans.options.threads,
                              .allow = {},
                              .block = {},
                              .block_each = {},
                              .level = level.level};
    list.push_back({fmt::format("prepared, {}", level.name),
                    [&scans, options](auto queries, auto result, auto* statistics) {
                      top_k(scans.prepared, queries, options, result, statistics);
                    },
                    true});
    list.push_back({fmt::format("straight, {}", level.name),
                    [&tiers, options](auto queries, auto result, auto* statistics) {
                      top_k(tiers, queries, options, result, statistics);
                    },
                    true});
  }
  const int64_t k = scans.options.k;
  if (scans.on_device != nullptr)
    list.push_back({fmt::format("on {}", scans.on_device->search().device()),
                    [&scans, k](auto queries, auto result, auto*) {
                      top_k(*scans.on_device, queries, {.k = k}, result);
                    },
                    false});
  if (users > 1) return list;
  if (!scans.bytes.empty())
    list.push_back({"scalar LUT, byte rows",
                    [&scans, &tiers, k](auto queries, auto result, auto*) {
                      byte_lut_top_k(tiers, scans.bytes.data(), queries, k, result);
                    },
                    false});
  list.push_back({"scalar LUT, packed rows",
                  [&tiers, k](auto queries, auto result, auto*) {
                    packed_lut_top_k(tiers, queries, k, result);
                  },
                  false});
  if (scans.full != nullptr)
    list.push_back({"f32 matrix-vector product",
                    [&scans, &tiers, k](auto queries, auto result, auto*) {
                      matvec_top_k(tiers, scans.full, queries, k, result);
                    },
                    false});
  return list;
}

/// Everybody's lists of a few turns.
void expect_equal_lists(const std::vector<Contender>& all, const Scans& scans, int64_t users) {
  for (int64_t turn = 0; turn < (users == 1 ? 3 : 1); ++turn) {
    const View<const float> queries = scans.asked(turn, users);
    Lists first(users, scans.options.k);
    for (const Contender& one : all) {
      Lists lists(users, scans.options.k);
      one.top_k(queries, lists.result(), nullptr);
      if (&one == &all.front()) first = lists;
      MGQE_CHECK(lists == first, one.name, " gives another list than ", all.front().name, " for ",
                 users, " users, turn ", turn, ": not timed");
    }
  }
}

/// Users by the back end's own matrix product, without top-k: what has to be beaten in batches.
Way product_way(const Scans& scans, int64_t users, Backend& backend, Tensor<float>& scores) {
  return {"f32 matrix product without top-k",
          [&scans, &backend, &scores, users](int64_t turn) {
            const ServedTable& table = scans.table;
            for (int64_t first = 0; first < table.rows(); first += scores.cols()) {
              const int64_t count = std::min(scores.cols(), table.rows() - first);
              const View<const float> rows(scans.full + first * table.dim(), count, table.dim());
              backend.matmul(scans.asked(turn, users), transposed(rows),
                             {scores.view().data, users, count});
            }
          },
          1, false, nullptr};
}

void measure_top_k(const Scans& scans, int64_t users, std::vector<ordered_json>& records) {
  const ServeOptions& options = scans.options;
  const std::vector<Contender> all = contenders(scans, users);
  expect_equal_lists(all, scans, users);
  Lists lists(users, options.k);
  std::vector<TopKStatistics> statistics(all.size());
  std::vector<Way> ways;
  const int64_t calls = users == 1 ? options.queries : 1;
  for (size_t i = 0; i < all.size(); ++i) {
    TopKStatistics* of_call = all[i].says_what_it_did ? &statistics[i] : nullptr;
    ways.push_back({all[i].name,
                    [&, i, of_call](int64_t turn) {
                      all[i].top_k(scans.asked(turn, users), lists.result(), of_call);
                    },
                    calls, false, of_call});
  }
  uint64_t sum = 0;
  if (users == 1)
    ways.push_back({"read-sum of the codes",
                    [&](int64_t) { sum += read_sum_of_codes(scans.table.tiers()); }, calls, false,
                    nullptr});
  const std::unique_ptr<Backend> backend = make_backend("cpu");
  Tensor<float> scores(*backend, users, 1024);
  if (users == 64 && scans.full != nullptr)
    ways.push_back(product_way(scans, users, *backend, scores));
  const std::vector<WayTimes> times = time_in_rounds(ways, options.rounds, options.seconds);
  ordered_json shape = shape_of(scans.table);
  shape["k"] = options.k;
  shape["users"] = users;
  for (size_t i = 0; i < ways.size(); ++i)
    records.push_back(
        op_record("top_k", ways[i], times[i], shape, "user", static_cast<double>(users), options));
  if (sum == 1) fmt::print(stderr, "\n");  // so that the sum is taken
}

/// Times of others by a record's own, of the same table: of one user, and of as many users.
void add_ratios(std::vector<ordered_json>& records) {
  for (ordered_json& record : records) {
    ordered_json ratios = ordered_json::object();
    for (const ordered_json& other : records) {
      if (other["op"] != record["op"] || other["variant"] == record["variant"]) continue;
      if (other["shape"] != record["shape"]) continue;
      ratios[other["variant"].get<std::string>()] =
          other["measured"].get<double>() / record["measured"].get<double>();
    }
    record["times_by_this"] = std::move(ratios);
  }
}

}  // namespace

std::vector<float> random_queries(int64_t count, int64_t dim, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> queries(static_cast<size_t>(count * dim));
  for (float& value : queries) value = normal(random);
  return queries;
}

std::vector<ordered_json> measure_serving(const ServedTable& table, const ServeOptions& options) {
  const int64_t n = table.rows(), d = table.dim();
  std::vector<ordered_json> records;
  std::vector<float> full;
  if (n * d * static_cast<int64_t>(sizeof(float)) <= options.memory) {
    full.resize(static_cast<size_t>(n * d));
    table.reader().range(0, {full.data(), n, d});
  }
  const float* decoded = full.empty() ? nullptr : full.data();
  measure_look_ups(table, decoded, options, records);
  std::vector<uint8_t> bytes;
  if (n * table.subspaces() <= options.memory) bytes = unpacked_codes(table.tiers());
  const PreparedTiers prepared(table.tiers(), options.threads);
  const int64_t most = *std::max_element(options.users.begin(), options.users.end());
  const int64_t count = std::max<int64_t>(most, 256);
  const std::vector<float> queries = random_queries(count, d, options.seed + 2);
  std::optional<DeviceTiers> on_device;
  if (std::unique_ptr<CodedTopK> search = make_coded_top_k(options.device, table.tiers()))
    on_device.emplace(table.tiers(), std::move(search));
  const Scans scans{table,
                    prepared,
                    bytes,
                    decoded,
                    options,
                    {queries.data(), count, d},
                    on_device ? &*on_device : nullptr};
  for (const int64_t users : options.users) measure_top_k(scans, users, records);
  add_ratios(records);
  for (ordered_json& record : records) {
    record["code_bytes"] = table.code_bytes();
    record["prepared_bytes"] = prepared.bytes();
  }
  return records;
}

ordered_json measure_open(const ServedTable& table, const std::filesystem::path& folder,
                          const ServeOptions& options) {
  const std::filesystem::path path = folder / "bench_serve.safetensors";
  const int64_t bytes = table.write(path);
  const auto open = [&](int64_t) {
    MGQE_CHECK(ArtifactView::open(path).table("item").rows() == table.rows());
  };
  const auto open_and_look_up = [&](int64_t) {
    const ArtifactView artifact = ArtifactView::open(path);
    const RowReader reader(artifact.table("item"));
    std::vector<float> row(static_cast<size_t>(table.dim()));
    const int64_t last = table.rows() - 1;
    reader.look_up<float>({&last, 1}, row.data(), table.dim());
  };
  const std::vector<Way> ways = {{"open", open, 1, false, nullptr},
                                 {"open and look a row up", open_and_look_up, 1, false, nullptr}};
  const std::vector<WayTimes> times = time_in_rounds(ways, options.rounds, options.seconds);
  std::filesystem::remove(path);
  ordered_json record = op_record("open", ways[0], times[0], shape_of(table), "file", 1.0, options);
  record["open_and_look_up_ms"] = 1e3 * quantile(times[1].calls, 0.5, &CallTime::wall);
  record["file_bytes"] = bytes;
  record["code_bytes"] = table.code_bytes();
  return record;
}

}  // namespace mgqe::bench
