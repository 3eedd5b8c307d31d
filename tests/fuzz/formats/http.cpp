// Requests to `mgqe serve` before anybody answers them: the head as it came over the wire, then the
// values of its body or of the first byte's kind of URL, asked for as endpoints do.
#include "experiments/serving/http/http_error.hpp"
#include "experiments/serving/http/limits.hpp"
#include "experiments/serving/http/request_head.hpp"
#include "experiments/serving/http/request_values.hpp"
#include "tests/fuzz/fuzz_target.hpp"

namespace mgqe::fuzzing {
namespace {

template <class Ask>
void asked(const Ask& ask) {
  try {
    ask();
  } catch (const HttpError& refused) {
    FUZZ_EXPECT(refused.status() >= 400 && refused.status() < 500, refused.status());
  }
}

void ask_all(const RequestValues& values) {
  asked([&] { values.allow_only({"user", "users", "history", "k", "exclude", "by_row", "ids"}); });
  asked([&] { values.text("exclude", "none"); });
  asked([&] {
    const int64_t k = values.integer("k", 10, 1, 1000);
    FUZZ_EXPECT(k >= 1 && k <= 1000, k);
  });
  asked([&] { values.flag("by_row"); });
  asked([&] { values.id("user"); });
  for (const char* list : {"users", "history", "ids"})
    asked([&] { FUZZ_EXPECT(values.ids(list, 5).size() <= 5); });
}

/// name=value&..., as it is once percents are undone.
RequestValues::Parameters parameters_of(std::string_view url) {
  RequestValues::Parameters parameters;
  while (!url.empty()) {
    const std::string_view one = url.substr(0, url.find('&'));
    const size_t equals = std::min(one.find('='), one.size());
    parameters.emplace(one.substr(0, equals), one.substr(std::min(equals + 1, one.size())));
    url.remove_prefix(std::min(one.size() + 1, url.size()));
  }
  return parameters;
}

void read(Input input) {
  const HttpLimits limits;
  const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
  constexpr std::string_view kEnd = "\r\n\r\n";
  const size_t end = text.find(kEnd);
  if (end == std::string_view::npos) {  // as long as it is incomplete, no one looks at it
    asked([&] { ask_all(RequestValues::of_url(parameters_of(text))); });
    return;
  }
  const std::string_view head = text.substr(0, end + kEnd.size()), body = text.substr(head.size());
  asked([&] {
    const RequestHead parsed = parse_head(head, limits.body_bytes);
    FUZZ_EXPECT(parsed.body_bytes <= limits.body_bytes && parsed.text.ends_with(kEnd));
    FUZZ_EXPECT(parse_head(parsed.text, limits.body_bytes).text == parsed.text, parsed.text);
    FUZZ_EXPECT(*reason_of(400) != '\0');
  });
  asked([&] { ask_all(RequestValues::of_body(body.substr(0, limits.body_bytes))); });
}

std::vector<std::string> seeds() {
  return {"GET /recommend?user=1 HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
          "POST /recommend HTTP/1.1\r\nContent-Type: application/json; charset=utf-8\r\n"
          "Content-Length: 60\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"
          R"({"users":["a",1],"k":5,"exclude":"seen","by_row":true,"ids":[]})",
          "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{\"user\":[[1]]}",
          "user=5&k=10&by_row=1&users=1,2,3&exclude=seen", "history=1,,2&k=-1&user=%"};
}

const RegisteredTarget kTarget({"http", read, seeds});

}  // namespace
}  // namespace mgqe::fuzzing
