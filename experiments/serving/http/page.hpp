// experiments/serving/page.html, as the build embeds it.
#pragma once

namespace mgqe {

extern const char* const kPage;

}  // namespace mgqe
