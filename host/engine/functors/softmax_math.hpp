// The exponential of a softmax, from IEEE operations and explicit fma alone, so that it has the
// same bits on every device and vectorises where the library's expf does not.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "host/base/check.hpp"

namespace mgqe {

/// e^x for x <= 0, within 2 ulp; below -87 it is e^-87 (1.6e-38), which no softmax notices.
/// 2^n e^r with |r| <= ln(2) / 2 and the Cephes polynomial for e^r.
MGQE_HD float exp_not_positive(float x) {
  constexpr float kLowest = -87.0f;
  constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
  x = x > kLowest ? x : kLowest;           // NaN becomes e^-87 too
  const float shifted = fmaf(x, 1.44269504f, kRounder);
  const float n = shifted - kRounder;
  float r = fmaf(n, -0.693359375f, x);  // ln 2 in two parts, the first exact times n
  r = fmaf(n, 2.12194440e-4f, r);
  float series = fmaf(r, 1.9875691500e-4f, 1.3981999507e-3f);
  series = fmaf(series, r, 8.3334519073e-3f);
  series = fmaf(series, r, 4.1665795894e-2f);
  series = fmaf(series, r, 1.6666665459e-1f);
  series = fmaf(series, r, 5.0000001201e-1f);
  series = fmaf(series * r, r, r + 1.0f);
  const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
  float power;
  memcpy(&power, &bits, sizeof power);
  return series * power;
}

}  // namespace mgqe
