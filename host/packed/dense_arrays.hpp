// Weights of a backbone's layers in fewer bytes, as they are served: how they are stored, and read.
#pragma once

#include <string>
#include <vector>

#include "host/base/host_array.hpp"

namespace mgqe {

/// Stores f32 arrays (kF32: leaves them) in place as
///   kBf16  bfloat16, rounded to nearest;
///   kI8    matrices W (in, out) as NAME i8 = round(W / scale), -127 to 127, with NAME.scale f32
///          (out) = the largest |W| of its column / 127. Vectors stay: they are small.
/// Single values always stay.
void narrow_dense(ArrayMap& dense, DType type);

/// The floats of an array, however it is stored. InputError where there is none of that name, or
/// none of floats.
std::vector<float> wide_dense(const ArrayMap& dense, const std::string& name);

}  // namespace mgqe
