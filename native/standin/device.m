#import "standin.h"

#include <unistd.h>

#include "faults.h"
#include "live_objects.h"

/* The numbers that a Mac with 16 GB reports. */
#define MAX_BUFFER_LENGTH 9534832640
#define RECOMMENDED_MAX_WORKING_SET_SIZE 12713115648
#define REGISTRY_ID 0x100000301

@interface StandInDevice : NSObject <MTLDevice>
@end

/* Creates an object for each call, so that a test can count live handles. Metal always returns the same object. */
id<MTLDevice> MTLCreateSystemDefaultDevice(void) {
    use_autorelease_pool();
    return faults_admit(DEVICES, 0) ? [[StandInDevice alloc] init] : nil;
}

@implementation StandInDevice

- (void)dealloc {
    use_autorelease_pool();
    live_objects_remove(DEVICES, 0);
    [super dealloc];
}

/* Not all ASCII, because Apple does not promise that a GPU's name is. */
- (NSString *)name {
    return [NSString stringWithUTF8String:"Stand-in für Metal 🍏"];
}

- (uint64_t)registryID {
    use_autorelease_pool();
    return REGISTRY_ID;
}

- (BOOL)hasUnifiedMemory {
    use_autorelease_pool();
    return YES;
}

- (uint64_t)recommendedMaxWorkingSetSize {
    use_autorelease_pool();
    return RECOMMENDED_MAX_WORKING_SET_SIZE;
}

- (NSUInteger)maxBufferLength {
    use_autorelease_pool();
    return MAX_BUFFER_LENGTH;
}

- (NSUInteger)currentAllocatedSize {
    use_autorelease_pool();
    return live_objects_bytes();
}

- (BOOL)supportsFamily:(MTLGPUFamily)family {
    use_autorelease_pool();
    bool apple = family == MTLGPUFamilyApple4 || family == MTLGPUFamilyApple6;
    return apple && faults_no_residency_sets() != GPU_TOO_OLD;
}

- (MTLArchitecture *)architecture {
    use_autorelease_pool();
    return nil;
}

- (MTLSize)maxThreadsPerThreadgroup {
    use_autorelease_pool();
    return MTLSizeMake(STANDIN_MAX_THREADS, STANDIN_MAX_THREADS, STANDIN_MAX_THREADS);
}

- (NSUInteger)maxThreadgroupMemoryLength {
    use_autorelease_pool();
    return STANDIN_THREADGROUP_MEMORY;
}

- (BOOL)respondsToSelector:(SEL)selector {
    use_autorelease_pool();
    bool too_new = (sel_isEqual(selector, @selector(newResidencySetWithDescriptor:error:)) ||
                    sel_isEqual(selector, @selector(architecture))) &&
                   faults_no_residency_sets() == SYSTEM_TOO_OLD;
    return !too_new && [super respondsToSelector:selector];
}

- (id<MTLBuffer>)newBufferWithLength:(NSUInteger)length options:(MTLResourceOptions)options {
    use_autorelease_pool();
    NSUInteger storage_mode = options >> MTLResourceStorageModeShift;
    if (length == 0 || length > MAX_BUFFER_LENGTH || storage_mode > MTLStorageModePrivate) {
        return nil;
    }
    return standin_buffer_new(length, (MTLStorageMode)storage_mode);
}

- (id<MTLBuffer>)newBufferWithBytesNoCopy:(void *)pages
                                   length:(NSUInteger)length
                                  options:(MTLResourceOptions)options
                              deallocator:(void (^)(void *pages, NSUInteger length))deallocator {
    use_autorelease_pool();
    NSUInteger page_size = (NSUInteger)getpagesize();
    if (pages == NULL || (uintptr_t)pages % page_size != 0 || length % page_size != 0) {
        return nil;
    }
    if (length == 0 || length > MAX_BUFFER_LENGTH || options >> MTLResourceStorageModeShift != MTLStorageModeShared) {
        return nil;
    }
    return standin_buffer_new_no_copy(pages, length, deallocator);
}

- (id<MTLSharedEvent>)newSharedEvent {
    use_autorelease_pool();
    return standin_event_new();
}

- (id<MTLResidencySet>)newResidencySetWithDescriptor:(MTLResidencySetDescriptor *)descriptor error:(NSError **)error {
    use_autorelease_pool();
    if (faults_no_residency_sets() != 0) {
        report_misuse("a residency set was requested where they are unsupported");
        return nil;
    }
    return standin_residency_set_new(descriptor, error);
}

- (id<MTLLibrary>)newLibraryWithSource:(NSString *)source options:(MTLCompileOptions *)options error:(NSError **)error {
    use_autorelease_pool();
    return standin_library_new(self, source, options, error);
}

- (id<MTLLibrary>)newLibraryWithURL:(NSURL *)url error:(NSError **)error {
    use_autorelease_pool();
    *error = standin_error(MTLLibraryErrorDomain, MTLLibraryErrorUnsupported,
                           "the stand-in for Metal compiles sources, and loads no .metallib files");
    return nil;
}

- (id<MTLComputePipelineState>)newComputePipelineStateWithDescriptor:(MTLComputePipelineDescriptor *)descriptor
                                                             options:(MTLPipelineOption)options
                                                          reflection:(MTLComputePipelineReflection **)reflection
                                                               error:(NSError **)error {
    use_autorelease_pool();
    return standin_pipeline_new(descriptor, options & MTLPipelineOptionBindingInfo ? reflection : NULL, error);
}

- (id<MTLCommandQueue>)newCommandQueueWithMaxCommandBufferCount:(NSUInteger)count {
    use_autorelease_pool();
    return standin_queue_new(self, count);
}

@end
