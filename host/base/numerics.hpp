// The version of what a run computes: stored results of another version are never taken for this
// one's.
#pragma once

namespace mgqe {

/// Raise it with any change after which the same Config and seed train to other figures, beyond
/// the rounding that processors and back ends differ by. tests/train/numerics_test.cpp notices such
/// a change.
inline constexpr int kNumericsVersion = 1;

}  // namespace mgqe
