/* The declarations that the dylib is built from, so that the stand-in implements the same, on GNUstep's Foundation. */
#include "../../apple/System/Library/Frameworks/Metal.framework/Headers/Metal.h"
