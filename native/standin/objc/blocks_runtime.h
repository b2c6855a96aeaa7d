/* GNUstep's headers ask the Objective-C runtime for this; GCC's runtime leaves blocks to libblocksruntime. */
#include <Block.h>
