/*
 * The part of Foundation that mlxshim.m uses. The comment beside a declaration names the source that it was checked
 * against. A .rs file and line are in objc2-foundation 0.3.2.
 */
#ifndef APPLE_FOUNDATION_H
#define APPLE_FOUNDATION_H

#include <objc/NSObject.h>

/* developer.apple.com/documentation/objectivec/nsinteger and nsuinteger: as wide as a pointer. */
typedef long NSInteger;
typedef unsigned long NSUInteger;

/* objc2-foundation struct.NSRange */
typedef struct _NSRange {
    NSUInteger location;
    NSUInteger length;
} NSRange;

/* developer.apple.com/documentation/foundation/nsmakerange(_:_:) */
static inline NSRange NSMakeRange(NSUInteger location, NSUInteger length) {
    NSRange range = {location, length};
    return range;
}

@interface NSString : NSObject
/* NSString.rs:982: nil for bytes that are not UTF-8. */
+ (instancetype)stringWithUTF8String:(const char *)text;
/* NSString.rs:659; the text lives as long as the autorelease pool. */
- (const char *)UTF8String;
@end

@interface NSError : NSObject
/* NSError.rs:214 */
- (NSString *)localizedDescription;
@end

#endif
