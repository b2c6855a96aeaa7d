/*
 * The part of Foundation that the shim uses. The comment beside a declaration names the source that it was checked
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

/* NSString.rs:60 */
enum { NSUTF8StringEncoding = 4 };

@interface NSString : NSObject
/* NSString.rs:982: nil for bytes that are not UTF-8. */
+ (instancetype)stringWithUTF8String:(const char *)text;
- (BOOL)isEqualToString:(NSString *)other; /* NSString.rs:426 */
/* NSString.rs:925: nil for bytes that are not of the encoding. */
- (instancetype)initWithBytes:(const void *)bytes length:(NSUInteger)length encoding:(NSUInteger)encoding;
/* NSString.rs:659; the text lives as long as the autorelease pool. */
- (const char *)UTF8String;
@end

/* NSArray.rs:17 */
@interface NSArray : NSObject
- (NSUInteger)count; /* NSArray.rs:91 */
- (id)objectAtIndex:(NSUInteger)index; /* NSArray.rs:95 */
@end

/* NSArray.rs:708 */
@interface NSMutableArray : NSArray
- (void)addObject:(id)object; /* NSArray.rs:786 */
@end

/* NSDictionary.rs:17 */
@interface NSDictionary : NSObject
- (NSUInteger)count; /* NSDictionary.rs:114 */
- (id)objectForKey:(id)key; /* NSDictionary.rs:118 */
@end

/* NSDictionary.rs:582 */
@interface NSMutableDictionary : NSDictionary
- (void)setObject:(id)object forKey:(id)key; /* NSDictionary.rs:692 */
@end

/* NSValue.rs:142 */
@interface NSNumber : NSObject
+ (NSNumber *)numberWithUnsignedLongLong:(unsigned long long)value; /* NSValue.rs:395 */
- (unsigned long long)unsignedLongLongValue; /* NSValue.rs:288 */
@end

/* NSURL.rs:1018 */
@interface NSURL : NSObject
+ (NSURL *)fileURLWithPath:(NSString *)path; /* NSURL.rs:1134 */
@end

@interface NSError : NSObject
- (NSString *)domain; /* NSError.rs:200 */
- (NSInteger)code; /* NSError.rs:204 */
- (NSDictionary *)userInfo; /* NSError.rs:209 */
- (NSString *)localizedDescription; /* NSError.rs:214 */
@end

#endif
