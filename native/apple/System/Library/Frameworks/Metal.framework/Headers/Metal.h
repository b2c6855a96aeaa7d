/*
 * The part of Metal that mlxshim.m uses, for builds without Apple's SDK. The comment beside a declaration names the
 * source that it was checked against. A .rs file and line are in objc2-metal 0.3.2, which is generated from Apple's
 * headers (madsmtm/objc2-generated, tag v0.3.2).
 *
 * Getters that Apple declares as properties are methods here: the message is the same.
 */
#ifndef APPLE_METAL_H
#define APPLE_METAL_H

#import <Foundation/Foundation.h>
#include <stdint.h>

/* developer.apple.com/documentation/metal/mtlresidencyset: macOS 15. Other systems than macOS ignore the attribute. */
#define APPLE_MACOS_15 __attribute__((availability(macos, introduced=15.0)))

@protocol MTLBuffer, MTLDevice, MTLResidencySet, MTLSharedEvent;
@class MTLResidencySetDescriptor;

/* ---- constants ---- */

/* MTLResource.rs:28 */
typedef enum MTLPurgeableState : NSUInteger {
    MTLPurgeableStateKeepCurrent = 1,
    MTLPurgeableStateNonVolatile = 2,
    MTLPurgeableStateVolatile = 3,
    MTLPurgeableStateEmpty = 4,
} MTLPurgeableState;

/* MTLResource.rs:62 */
typedef enum MTLCPUCacheMode : NSUInteger {
    MTLCPUCacheModeDefaultCache = 0,
    MTLCPUCacheModeWriteCombined = 1,
} MTLCPUCacheMode;

/* MTLResource.rs:105 */
typedef enum MTLStorageMode : NSUInteger {
    MTLStorageModeShared = 0,
    MTLStorageModeManaged = 1,
    MTLStorageModePrivate = 2,
} MTLStorageMode;

/* objc2-metal 0.3.2 src/resource.rs */
#define MTLResourceCPUCacheModeShift 0
#define MTLResourceStorageModeShift 4

/* MTLResource.rs:153; the numbers also in learn.microsoft.com/dotnet/api/metal.mtlresourceoptions */
typedef enum MTLResourceOptions : NSUInteger {
    MTLResourceCPUCacheModeDefaultCache = MTLCPUCacheModeDefaultCache << MTLResourceCPUCacheModeShift,
    MTLResourceCPUCacheModeWriteCombined = MTLCPUCacheModeWriteCombined << MTLResourceCPUCacheModeShift,
    MTLResourceStorageModeShared = MTLStorageModeShared << MTLResourceStorageModeShift,
    MTLResourceStorageModeManaged = MTLStorageModeManaged << MTLResourceStorageModeShift,
    MTLResourceStorageModePrivate = MTLStorageModePrivate << MTLResourceStorageModeShift,
} MTLResourceOptions;

/* MTLDevice.rs:218 */
typedef enum MTLGPUFamily : NSInteger {
    MTLGPUFamilyApple6 = 1006,
} MTLGPUFamily;

/* ---- device ---- */

/* MTLDevice.rs:47 does not retain the result, so the caller owns it. */
extern id<MTLDevice> MTLCreateSystemDefaultDevice(void) __attribute__((ns_returns_retained));

/* MTLDevice.rs:664 */
@protocol MTLDevice <NSObject>
- (NSString *)name; /* MTLDevice.rs:666 */
- (uint64_t)registryID; /* MTLDevice.rs:674 */
- (BOOL)hasUnifiedMemory; /* MTLDevice.rs:711 */
- (uint64_t)recommendedMaxWorkingSetSize; /* MTLDevice.rs:720 */
- (NSUInteger)maxBufferLength; /* MTLDevice.rs:1738 */
- (NSUInteger)currentAllocatedSize; /* MTLDevice.rs:830 */
- (BOOL)supportsFamily:(MTLGPUFamily)family; /* MTLDevice.rs:1342 */
- (id<MTLBuffer>)newBufferWithLength:(NSUInteger)length options:(MTLResourceOptions)options; /* MTLDevice.rs:909 */
/* MTLDevice.rs:948 */
- (id<MTLBuffer>)newBufferWithBytesNoCopy:(void *)pages
                                   length:(NSUInteger)length
                                  options:(MTLResourceOptions)options
                              deallocator:(void (^)(void *pages, NSUInteger length))deallocator;
- (id<MTLSharedEvent>)newSharedEvent; /* MTLDevice.rs:1548 */
/* MTLDevice.rs:1988 */
- (id<MTLResidencySet>)newResidencySetWithDescriptor:(MTLResidencySetDescriptor *)descriptor
                                               error:(NSError **)error APPLE_MACOS_15;
@end

/* ---- resources ---- */

/* MTLAllocation.rs:17: the type of the members of a residency set. */
APPLE_MACOS_15
@protocol MTLAllocation <NSObject>
@end

/* MTLResource.rs:297 */
@protocol MTLResource <MTLAllocation>
- (NSString *)label; /* MTLResource.rs:299 */
- (void)setLabel:(NSString *)label; /* MTLResource.rs:306 */
- (MTLPurgeableState)setPurgeableState:(MTLPurgeableState)state; /* MTLResource.rs:343 */
@end

/* MTLBuffer.rs:23 */
@protocol MTLBuffer <MTLResource>
- (NSUInteger)length; /* MTLBuffer.rs:25 */
- (void *)contents; /* MTLBuffer.rs:30 */
- (void)didModifyRange:(NSRange)range; /* MTLBuffer.rs:46 */
@end

/* ---- events ---- */

/* MTLEvent.rs:14 */
@protocol MTLEvent <NSObject>
@end

/* MTLEvent.rs:103 */
@protocol MTLSharedEvent <MTLEvent>
- (uint64_t)signaledValue; /* MTLEvent.rs:125 */
- (void)setSignaledValue:(uint64_t)value; /* MTLEvent.rs:130 */
- (BOOL)waitUntilSignaledValue:(uint64_t)value timeoutMS:(uint64_t)milliseconds; /* MTLEvent.rs:121 */
@end

/* ---- residency sets ---- */

/* MTLResidencySet.rs:16 */
APPLE_MACOS_15
@interface MTLResidencySetDescriptor : NSObject
- (void)setLabel:(NSString *)label; /* MTLResidencySet.rs:41 */
- (void)setInitialCapacity:(NSUInteger)capacity; /* MTLResidencySet.rs:55 */
@end

/* MTLResidencySet.rs:88 */
APPLE_MACOS_15
@protocol MTLResidencySet <NSObject>
- (void)addAllocation:(id<MTLAllocation>)allocation; /* MTLResidencySet.rs:117 */
- (void)removeAllocation:(id<MTLAllocation>)allocation; /* MTLResidencySet.rs:138 */
- (void)commit; /* MTLResidencySet.rs:188 */
- (void)requestResidency; /* MTLResidencySet.rs:106 */
- (void)endResidency; /* MTLResidencySet.rs:111 */
- (NSUInteger)allocationCount; /* MTLResidencySet.rs:181 */
- (uint64_t)allocatedSize; /* MTLResidencySet.rs:101 */
@end

#endif
