#pragma once

namespace mgqe {

/// The commit this binary was built from, with "-dirty" after it when the tree had changes.
const char* build_commit();

}  // namespace mgqe
