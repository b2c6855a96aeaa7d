#ifndef APPLE_OBJC_SYNC_H
#define APPLE_OBJC_SYNC_H

#include <objc/objc.h>

/* developer.apple.com/documentation/objectivec/objc_sync_enter: a recursive lock that belongs to the object. */
int objc_sync_enter(id object);

/* developer.apple.com/documentation/objectivec/objc_sync_exit */
int objc_sync_exit(id object);

#endif
