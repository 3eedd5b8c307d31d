// Interactions: what `--data FILE` names, under a name that the first byte chooses.
#include <algorithm>
#include <array>

#include "host/data/interactions/actions.hpp"
#include "host/data/interactions/split.hpp"
#include "host/data/locate.hpp"
#include "tests/fuzz/fuzz_target.hpp"

namespace mgqe::fuzzing {
namespace {

constexpr std::array kNames = {"a", "ratings.dat", "a.csv", "a.tsv", "a.inter", "A.TXT.GZ"};

Actions read_actions(const Bytes& file) {
  const TextFormat format = detect_format(file);
  if (format.kind == TextFormat::Kind::kRatingsDat) return read_ratings_dat(file);
  if (format.kind == TextFormat::Kind::kSasrecText) return read_sasrec_text(file);
  return read_delimited(file, format.separator);
}

void read(Input input) {
  if (input.empty()) return;
  const Actions actions =
      read_actions(aligned_bytes(input.subspan(1), kNames[input[0] % kNames.size()]));
  const size_t count = actions.users.size();
  FUZZ_EXPECT(actions.items.size() == count, "users ", count, ", items ", actions.items.size());
  FUZZ_EXPECT(actions.times.empty() || actions.times.size() == count, actions.times.size());
  const auto within = [](const std::vector<int32_t>& ids, const DataIds& known) {
    return std::all_of(ids.begin(), ids.end(),
                       [&](int32_t id) { return id >= 0 && id < known.size(); });
  };
  FUZZ_EXPECT(within(actions.users, actions.user_ids) && within(actions.items, actions.item_ids));
  FUZZ_EXPECT(group_by_user(actions).items.size() == count);
  FUZZ_EXPECT(count == 0 || !describe(actions.reading).empty());
}

std::vector<std::string> seeds() {
  return {
      "01 10\n1 11\n1 12\n2 10\n2 11\n",
      "1"
      "1::10::5::978300760\n1::11::3::978300761\n1::12::4::978300762\n1::13::4::978300763\n"
      "1::14::1::978300764\n2::10::5::9\n2::11::5::9\n2::12::5::9\n2::13::5::9\n2::14::5::9\n",
      "2userId,movieId,timestamp,rating\n1,10,400,1\n1,11,300,2.5\n2,10,100,4\n",
      "2\xEF\xBB\xBFsession,\"item, of it\"\r\n\"a \"\"b\"\"\",x\r\n\r\nc,y\r\n",
      "2a;b;2015-03-04T05:06:07Z\na;c;2015-03-04 05:06\nd;e;1425445567.25\n",
      "3u\ti\n196\t242\t3\t881250949\n186\t302\t3\t891717742\n",
      "4user_id:token\titem_id:token\ttimestamp:float\nu1\ti1\t1.5\nu1\ti2\t2.5\n",
      "0{\"user\": 1}\n",
      "0PK\x03\x04",
  };
}

const RegisteredTarget kTarget({"interactions", read, seeds});

}  // namespace
}  // namespace mgqe::fuzzing
