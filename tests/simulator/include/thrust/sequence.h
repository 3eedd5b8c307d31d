// Stand-in for Thrust.
#pragma once

#include "thrust/device_ptr.h"
