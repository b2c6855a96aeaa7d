/*
 * Declarations that the classes of the stand-in share. Where Apple's documentation allows several behaviours, these
 * classes have the one that is hardest for a caller. Apple's validation layer ends the process on a misuse; the
 * stand-in writes a line to standard error instead, and each test requires standard error to be empty.
 */
#ifndef STANDIN_H
#define STANDIN_H

#import <Foundation/Foundation.h>
#import <Metal/Metal.h>

#include <stdio.h>

#include "compute.h"

/* The part of Metal's MTLAllocation that residency sets use and the shim does not. */
@protocol StandInAllocation <MTLAllocation>
- (uint64_t)allocatedSize;
@end

/* What the stand-in reads of its own functions and pipelines. A kernel belongs to its function or pipeline. */
@protocol StandInFunction <MTLFunction>
- (NSString *)name;
- (struct msl_kernel *)compiledKernel:(NSError **)error; /* NULL for an error */
@end

@protocol StandInPipelineState <MTLComputePipelineState>
- (struct msl_kernel *)kernel;
- (NSString *)name;
@end

/* What encoders need of their command buffer. */
@protocol StandInCommandBuffer <MTLCommandBuffer>
- (struct compute_commands *)commands;
- (BOOL)retainsReferences;
- (void)encoderEnded;
@end

/* What command buffers need of their queue. */
@protocol StandInQueue <MTLCommandQueue>
- (struct compute_queue *)queue;
- (void)commandBufferEnded;
@end

/* Each returns an object that the caller owns, or nil. Caller has checked the length. */
id<MTLBuffer> standin_buffer_new(NSUInteger length, MTLStorageMode storage_mode);
id<MTLBuffer> standin_buffer_new_no_copy(void *pages, NSUInteger length, void (^deallocator)(void *, NSUInteger));
id<MTLSharedEvent> standin_event_new(void);
id<MTLResidencySet> standin_residency_set_new(MTLResidencySetDescriptor *descriptor, NSError **error);
id<MTLLibrary> standin_library_new(id<MTLDevice> device, NSString *source, MTLCompileOptions *options, NSError **error);
id<MTLComputePipelineState> standin_pipeline_new(MTLComputePipelineDescriptor *descriptor,
                                                 MTLComputePipelineReflection **reflection, NSError **error);
id<MTLCommandQueue> standin_queue_new(id<MTLDevice> device, NSUInteger most);
id<MTLCommandBuffer> standin_command_buffer_new(id<StandInQueue> queue, BOOL retains_references, BOOL reports_encoders);
id<MTLComputeCommandEncoder> standin_compute_encoder_new(id<StandInCommandBuffer> buffer);
id<MTLBlitCommandEncoder> standin_blit_encoder_new(id<StandInCommandBuffer> buffer);

/* Returns an error, autoreleased. `text` is UTF-8. */
NSError *standin_error(NSString *domain, NSInteger code, const char *text);

/* The bytes of a buffer from an offset on. A command buffer that does not retain its references keeps no owner. */
struct compute_range standin_buffer_range(id<MTLBuffer> buffer, NSUInteger offset, NSUInteger length, BOOL retained);

/* An event, which commands do not retain: Metal does not promise that they do. */
struct compute_event standin_compute_event(id<MTLEvent> event);

/*
 * Autoreleases an object. Metal may do so in any method, and the stand-in does in every one. GNUstep then writes a
 * warning to standard error for each message that is sent without an autorelease pool.
 */
static inline void use_autorelease_pool(void) {
    [[[NSObject alloc] init] autorelease];
}

/* The limits of a threadgroup. */
#define STANDIN_MAX_THREADS 1024
#define STANDIN_THREADGROUP_MEMORY 32768

static inline void report_misuse(const char *what) {
    fprintf(stderr, "stand-in Metal: %s\n", what);
}

#endif
