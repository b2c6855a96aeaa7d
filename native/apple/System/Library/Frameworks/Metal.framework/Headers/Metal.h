/*
 * The part of Metal that the shim uses, for builds without Apple's SDK. The comment beside a declaration names the
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

/* developer.apple.com/documentation/metal/mtldevice/architecture: macOS 14. */
#define APPLE_MACOS_14 __attribute__((availability(macos, introduced=14.0)))

@protocol MTLBlitCommandEncoder, MTLBuffer, MTLCommandBuffer, MTLCommandQueue, MTLComputeCommandEncoder,
    MTLComputePipelineState, MTLDevice, MTLEvent, MTLFunction, MTLLibrary, MTLResidencySet, MTLSharedEvent;
@class MTLArchitecture, MTLCaptureDescriptor, MTLCommandBufferDescriptor, MTLCompileOptions,
    MTLComputePipelineDescriptor, MTLComputePipelineReflection, MTLFunctionConstantValues, MTLResidencySetDescriptor;

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
    MTLGPUFamilyApple4 = 1004,
    MTLGPUFamilyApple6 = 1006,
    MTLGPUFamilyMac2 = 2002,
} MTLGPUFamily;

/* MTLDevice.rs:303 */
typedef enum MTLPipelineOption : NSUInteger {
    MTLPipelineOptionBindingInfo = 1 << 0,
} MTLPipelineOption;

/* MTLDataType.rs:13 */
typedef enum MTLDataType : NSUInteger {
    MTLDataTypeFloat = 3,
    MTLDataTypeHalf = 16,
    MTLDataTypeInt = 29,
    MTLDataTypeUInt = 33,
    MTLDataTypeShort = 37,
    MTLDataTypeUShort = 41,
    MTLDataTypeChar = 45,
    MTLDataTypeUChar = 49,
    MTLDataTypeBool = 53,
    MTLDataTypeLong = 81,
    MTLDataTypeULong = 85,
    MTLDataTypeBFloat APPLE_MACOS_14 = 121,
} MTLDataType;

/* MTLLibrary.rs:238 */
typedef enum MTLFunctionType : NSUInteger {
    MTLFunctionTypeKernel = 3,
} MTLFunctionType;

/* MTLLibrary.rs:420: the major version from bit 16 on, and the minor one. */
typedef enum MTLLanguageVersion : NSUInteger {
    MTLLanguageVersion3_0 = 3 << 16,
} MTLLanguageVersion;

/* MTLLibrary.rs:540 */
typedef enum APPLE_MACOS_15 MTLMathMode : NSInteger {
    MTLMathModeSafe = 0,
    MTLMathModeFast = 2,
} MTLMathMode;

/* MTLLibrary.rs:570 */
typedef enum APPLE_MACOS_15 MTLMathFloatingPointFunctions : NSInteger {
    MTLMathFloatingPointFunctionsFast = 0,
    MTLMathFloatingPointFunctionsPrecise = 1,
} MTLMathFloatingPointFunctions;

/* MTLLibrary.rs:905 */
typedef enum MTLLibraryError : NSUInteger {
    MTLLibraryErrorUnsupported = 1,
    MTLLibraryErrorCompileFailure = 3,
    MTLLibraryErrorCompileWarning = 4,
    MTLLibraryErrorFunctionNotFound = 5,
    MTLLibraryErrorFileNotFound = 6,
} MTLLibraryError;

/* MTLArgument.rs:71 */
typedef enum MTLBindingType : NSInteger {
    MTLBindingTypeBuffer = 0,
    MTLBindingTypeThreadgroupMemory = 1,
} MTLBindingType;

/* MTLArgument.rs:166 */
typedef enum MTLBindingAccess : NSUInteger {
    MTLBindingAccessReadOnly = 0,
    MTLBindingAccessReadWrite = 1,
} MTLBindingAccess;

/* MTLCommandBuffer.rs:36 */
typedef enum MTLCommandBufferStatus : NSUInteger {
    MTLCommandBufferStatusNotEnqueued = 0,
    MTLCommandBufferStatusEnqueued = 1,
    MTLCommandBufferStatusCommitted = 2,
    MTLCommandBufferStatusScheduled = 3,
    MTLCommandBufferStatusCompleted = 4,
    MTLCommandBufferStatusError = 5,
} MTLCommandBufferStatus;

/* MTLCommandBuffer.rs:103 */
typedef enum MTLCommandBufferError : NSUInteger {
    MTLCommandBufferErrorInternal = 1,
    MTLCommandBufferErrorTimeout = 2,
    MTLCommandBufferErrorPageFault = 3,
    MTLCommandBufferErrorOutOfMemory = 8,
    MTLCommandBufferErrorInvalidResource = 9,
    MTLCommandBufferErrorStackOverflow = 12,
} MTLCommandBufferError;

/* MTLCommandBuffer.rs:159 */
typedef enum MTLCommandBufferErrorOption : NSUInteger {
    MTLCommandBufferErrorOptionEncoderExecutionStatus = 1 << 0,
} MTLCommandBufferErrorOption;

/* MTLCommandBuffer.rs:198 */
typedef enum MTLCommandEncoderErrorState : NSInteger {
    MTLCommandEncoderErrorStateUnknown = 0,
    MTLCommandEncoderErrorStateCompleted = 1,
    MTLCommandEncoderErrorStateAffected = 2,
    MTLCommandEncoderErrorStatePending = 3,
    MTLCommandEncoderErrorStateFaulted = 4,
} MTLCommandEncoderErrorState;

/* MTLCommandBuffer.rs:336 */
typedef enum MTLDispatchType : NSUInteger {
    MTLDispatchTypeSerial = 0,
    MTLDispatchTypeConcurrent = 1,
} MTLDispatchType;

/* MTLCommandEncoder.rs:43 */
typedef enum MTLBarrierScope : NSUInteger {
    MTLBarrierScopeBuffers = 1 << 0,
} MTLBarrierScope;

/* MTLCaptureManager.rs:46 */
typedef enum MTLCaptureDestination : NSInteger {
    MTLCaptureDestinationGPUTraceDocument = 2,
} MTLCaptureDestination;

extern NSString *const MTLLibraryErrorDomain; /* MTLLibrary.rs:896 */
extern NSString *const MTLCommandBufferErrorDomain; /* MTLCommandBuffer.rs:64 */
extern NSString *const MTLCommandBufferEncoderInfoErrorKey; /* MTLCommandBuffer.rs:144 */

/* MTLTypes.rs:43 */
typedef struct {
    NSUInteger width;
    NSUInteger height;
    NSUInteger depth;
} MTLSize;

/* developer.apple.com/documentation/metal/mtlsizemake(_:_:_:) */
static inline MTLSize MTLSizeMake(NSUInteger width, NSUInteger height, NSUInteger depth) {
    MTLSize size = {width, height, depth};
    return size;
}

/* ---- device ---- */

/* MTLDevice.rs:47 does not retain the result, so the caller owns it. */
extern id<MTLDevice> MTLCreateSystemDefaultDevice(void) __attribute__((ns_returns_retained));

/* MTLDevice.rs:664 */
@protocol MTLDevice <NSObject>
- (NSString *)name; /* MTLDevice.rs:666 */
- (uint64_t)registryID; /* MTLDevice.rs:674 */
- (BOOL)hasUnifiedMemory; /* MTLDevice.rs:711 */
- (uint64_t)recommendedMaxWorkingSetSize; /* MTLDevice.rs:720 */
- (MTLArchitecture *)architecture APPLE_MACOS_14; /* MTLDevice.rs:679 */
- (MTLSize)maxThreadsPerThreadgroup; /* MTLDevice.rs:685 */
- (NSUInteger)maxThreadgroupMemoryLength; /* MTLDevice.rs:1438 */
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
/* MTLDevice.rs:1105 */
- (id<MTLLibrary>)newLibraryWithSource:(NSString *)source options:(MTLCompileOptions *)options error:(NSError **)error;
- (id<MTLLibrary>)newLibraryWithURL:(NSURL *)url error:(NSError **)error; /* MTLDevice.rs:1083 */
/* MTLDevice.rs:1300 */
- (id<MTLComputePipelineState>)newComputePipelineStateWithDescriptor:(MTLComputePipelineDescriptor *)descriptor
                                                             options:(MTLPipelineOption)options
                                                          reflection:(MTLComputePipelineReflection **)reflection
                                                               error:(NSError **)error;
- (id<MTLCommandQueue>)newCommandQueueWithMaxCommandBufferCount:(NSUInteger)count; /* MTLDevice.rs:855 */
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

/* ---- libraries ---- */

/* MTLLibrary.rs:590 */
@interface MTLCompileOptions : NSObject
- (void)setPreprocessorMacros:(NSDictionary *)macros; /* MTLLibrary.rs:621 */
- (void)setFastMathEnabled:(BOOL)enabled; /* MTLLibrary.rs:636 */
- (void)setMathMode:(MTLMathMode)mode APPLE_MACOS_15; /* MTLLibrary.rs:646 */
/* MTLLibrary.rs:656 */
- (void)setMathFloatingPointFunctions:(MTLMathFloatingPointFunctions)functions APPLE_MACOS_15;
- (void)setLanguageVersion:(MTLLanguageVersion)version; /* MTLLibrary.rs:669 */
@end

/* MTLFunctionConstantValues.rs:14 */
@interface MTLFunctionConstantValues : NSObject
/* MTLFunctionConstantValues.rs:36 */
- (void)setConstantValue:(const void *)value type:(MTLDataType)type atIndex:(NSUInteger)index;
/* MTLFunctionConstantValues.rs:63 */
- (void)setConstantValue:(const void *)value type:(MTLDataType)type withName:(NSString *)name;
@end

/* MTLLibrary.rs:324 */
@protocol MTLFunction <NSObject>
- (MTLFunctionType)functionType; /* MTLLibrary.rs:344 */
- (NSDictionary *)functionConstantsDictionary; /* MTLLibrary.rs:374 */
@end

/* MTLLibrary.rs:931 */
@protocol MTLLibrary <NSObject>
- (id<MTLDevice>)device; /* MTLLibrary.rs:946 */
- (id<MTLFunction>)newFunctionWithName:(NSString *)name; /* MTLLibrary.rs:951 */
/* MTLLibrary.rs:963 */
- (id<MTLFunction>)newFunctionWithName:(NSString *)name
                        constantValues:(MTLFunctionConstantValues *)values
                                 error:(NSError **)error;
- (NSArray *)functionNames; /* MTLLibrary.rs:1042 */
@end

/* ---- pipelines ---- */

/* MTLArgument.rs:730 */
@protocol MTLBinding <NSObject>
- (NSString *)name; /* MTLArgument.rs:731 */
- (MTLBindingType)type; /* MTLArgument.rs:735 */
- (MTLBindingAccess)access; /* MTLArgument.rs:739 */
- (NSUInteger)index; /* MTLArgument.rs:743 */
- (BOOL)isUsed; /* MTLArgument.rs:747 */
- (BOOL)isArgument; /* MTLArgument.rs:751 */
@end

/* MTLArgument.rs:759 */
@protocol MTLBufferBinding <MTLBinding>
- (NSUInteger)bufferDataSize; /* MTLArgument.rs:764 */
@end

/* MTLArgument.rs:785 */
@protocol MTLThreadgroupBinding <MTLBinding>
- (NSUInteger)threadgroupMemoryDataSize; /* MTLArgument.rs:790 */
@end

/* MTLComputePipeline.rs:14 */
@interface MTLComputePipelineReflection : NSObject
- (NSArray *)bindings; /* MTLComputePipeline.rs:28 */
@end

/* MTLComputePipeline.rs:64 */
@interface MTLComputePipelineDescriptor : NSObject
- (void)setLabel:(NSString *)label; /* MTLComputePipeline.rs:89 */
- (void)setComputeFunction:(id<MTLFunction>)function; /* MTLComputePipeline.rs:101 */
@end

/* MTLComputePipeline.rs:340 */
@protocol MTLComputePipelineState <NSObject>
- (NSUInteger)maxTotalThreadsPerThreadgroup; /* MTLComputePipeline.rs:406 */
- (NSUInteger)threadExecutionWidth; /* MTLComputePipeline.rs:411 */
- (NSUInteger)staticThreadgroupMemoryLength; /* MTLComputePipeline.rs:416 */
@end

/* ---- commands ---- */

/* MTLCommandBuffer.rs:226 */
@interface MTLCommandBufferDescriptor : NSObject
- (void)setRetainedReferences:(BOOL)retained; /* MTLCommandBuffer.rs:249 */
- (void)setErrorOptions:(MTLCommandBufferErrorOption)options; /* MTLCommandBuffer.rs:259 */
@end

/* MTLCommandQueue.rs:14 */
@protocol MTLCommandQueue <NSObject>
- (void)setLabel:(NSString *)label; /* MTLCommandQueue.rs:23 */
- (id<MTLDevice>)device; /* MTLCommandQueue.rs:29 */
/* MTLCommandQueue.rs:44 */
- (id<MTLCommandBuffer>)commandBufferWithDescriptor:(MTLCommandBufferDescriptor *)descriptor;
- (void)addResidencySet:(id<MTLResidencySet>)set APPLE_MACOS_15; /* MTLCommandQueue.rs:68 */
- (void)removeResidencySet:(id<MTLResidencySet>)set APPLE_MACOS_15; /* MTLCommandQueue.rs:91 */
@end

/* MTLCommandBuffer.rs:301 */
@protocol MTLCommandBufferEncoderInfo <NSObject>
- (MTLCommandEncoderErrorState)errorState; /* MTLCommandBuffer.rs:313 */
@end

/* MTLCommandBuffer.rs:356 */
@protocol MTLCommandBuffer <NSObject>
- (void)setLabel:(NSString *)label; /* MTLCommandBuffer.rs:387 */
- (double)GPUStartTime; /* MTLCommandBuffer.rs:409 */
- (double)GPUEndTime; /* MTLCommandBuffer.rs:415 */
- (void)commit; /* MTLCommandBuffer.rs:425 */
- (void)addCompletedHandler:(void (^)(id<MTLCommandBuffer> buffer))handler; /* MTLCommandBuffer.rs:487 */
- (void)waitUntilCompleted; /* MTLCommandBuffer.rs:492 */
- (MTLCommandBufferStatus)status; /* MTLCommandBuffer.rs:497 */
- (NSError *)error; /* MTLCommandBuffer.rs:502 */
- (id<MTLBlitCommandEncoder>)blitCommandEncoder; /* MTLCommandBuffer.rs:508 */
/* MTLCommandBuffer.rs:564 */
- (id<MTLComputeCommandEncoder>)computeCommandEncoderWithDispatchType:(MTLDispatchType)type;
- (void)encodeWaitForEvent:(id<MTLEvent>)event value:(uint64_t)value; /* MTLCommandBuffer.rs:575 */
- (void)encodeSignalEvent:(id<MTLEvent>)event value:(uint64_t)value; /* MTLCommandBuffer.rs:583 */
@end

/* MTLCommandEncoder.rs:127 */
@protocol MTLCommandEncoder <NSObject>
- (void)endEncoding; /* MTLCommandEncoder.rs:147 */
@end

/* MTLBlitCommandEncoder.rs:43 */
@protocol MTLBlitCommandEncoder <MTLCommandEncoder>
- (void)fillBuffer:(id<MTLBuffer>)buffer range:(NSRange)range value:(uint8_t)value; /* MTLBlitCommandEncoder.rs:264 */
/* MTLBlitCommandEncoder.rs:360 */
- (void)copyFromBuffer:(id<MTLBuffer>)source
          sourceOffset:(NSUInteger)sourceOffset
              toBuffer:(id<MTLBuffer>)destination
     destinationOffset:(NSUInteger)destinationOffset
                  size:(NSUInteger)size;
@end

/* MTLComputeCommandEncoder.rs:62 */
@protocol MTLComputeCommandEncoder <MTLCommandEncoder>
- (void)setComputePipelineState:(id<MTLComputePipelineState>)state; /* MTLComputeCommandEncoder.rs:71 */
/* MTLComputeCommandEncoder.rs:81 */
- (void)setBytes:(const void *)bytes length:(NSUInteger)length atIndex:(NSUInteger)index;
/* MTLComputeCommandEncoder.rs:104 */
- (void)setBuffer:(id<MTLBuffer>)buffer offset:(NSUInteger)offset atIndex:(NSUInteger)index;
/* MTLComputeCommandEncoder.rs:442 */
- (void)setThreadgroupMemoryLength:(NSUInteger)length atIndex:(NSUInteger)index;
/* MTLComputeCommandEncoder.rs:476 */
- (void)dispatchThreadgroups:(MTLSize)threadgroups threadsPerThreadgroup:(MTLSize)threads;
/* MTLComputeCommandEncoder.rs:506 */
- (void)dispatchThreads:(MTLSize)threads threadsPerThreadgroup:(MTLSize)threadgroup;
- (void)memoryBarrierWithScope:(MTLBarrierScope)scope; /* MTLComputeCommandEncoder.rs:652 */
@end

/* ---- captures ---- */

/* MTLCaptureManager.rs:68 */
@interface MTLCaptureDescriptor : NSObject
- (void)setCaptureObject:(id)object; /* MTLCaptureManager.rs:103 */
- (void)setDestination:(MTLCaptureDestination)destination; /* MTLCaptureManager.rs:113 */
- (void)setOutputURL:(NSURL *)url; /* MTLCaptureManager.rs:126 */
@end

/* MTLCaptureManager.rs:156 */
@interface MTLCaptureManager : NSObject
+ (MTLCaptureManager *)sharedCaptureManager; /* MTLCaptureManager.rs:170 */
- (BOOL)supportsDestination:(MTLCaptureDestination)destination; /* MTLCaptureManager.rs:202 */
/* MTLCaptureManager.rs:215 */
- (BOOL)startCaptureWithDescriptor:(MTLCaptureDescriptor *)descriptor error:(NSError **)error;
- (void)stopCapture; /* MTLCaptureManager.rs:243 */
- (BOOL)isCapturing; /* MTLCaptureManager.rs:261 */
@end

#endif
