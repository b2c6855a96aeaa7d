#ifndef APPLE_OBJC_NSOBJECT_H
#define APPLE_OBJC_NSOBJECT_H

#include <objc/objc.h>

/* All declarations: objc4-680 runtime/NSObject.h. */

@protocol NSObject
- (BOOL)respondsToSelector:(SEL)selector;
- (instancetype)retain;
- (instancetype)autorelease;
- (oneway void)release;
@end

__attribute__((objc_root_class))
@interface NSObject <NSObject>
+ (instancetype)alloc;
- (instancetype)init;
@end

#endif
