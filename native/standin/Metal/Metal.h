/* The stand-in is held to the same declarations that the dylib is built from, over GNUstep's Foundation. */
#include "../../apple/System/Library/Frameworks/Metal.framework/Headers/Metal.h"
