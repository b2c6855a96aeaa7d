#include <metal_stdlib>
#include "broken.h"

template [[host_name("broken_float")]] kernel void broken<float>(device float*, uint);
