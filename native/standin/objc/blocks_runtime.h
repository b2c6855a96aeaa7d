/* GNUstep's headers include this file. GCC's Objective-C runtime lacks it, and libblocksruntime implements blocks. */
#include <Block.h>
