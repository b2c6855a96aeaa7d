#ifndef APPLE_OBJC_RUNTIME_H
#define APPLE_OBJC_RUNTIME_H

#include <objc/objc.h>

/* developer.apple.com/documentation/objectivec/objc_getclass(_:), objc2 0.6.3 ffi/class.rs; Nil for an unknown name. */
Class objc_getClass(const char *name);

#endif
