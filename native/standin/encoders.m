#import "standin.h"

#include <stdlib.h>
#include <string.h>

/* ---- what encoders have in common ---- */

@interface StandInEncoder : NSObject <MTLCommandEncoder> {
@public
    id<StandInCommandBuffer> buffer;
    BOOL ended;
}
@end

@implementation StandInEncoder

- (void)dealloc {
    use_autorelease_pool();
    if (!ended) {
        report_misuse("an encoder was released before endEncoding");
    }
    [buffer release];
    [super dealloc];
}

- (void)checkOpen {
    use_autorelease_pool();
    if (ended) {
        report_misuse("a command after endEncoding");
    }
}

- (void)endEncoding {
    [self checkOpen];
    ended = YES;
    [buffer encoderEnded];
}

@end

/* Reports a misuse unless the range is in the buffer and, where the GPU asks for it, in multiples of 4. */
static void check_range(id<MTLBuffer> buffer, NSUInteger offset, NSUInteger length) {
    NSUInteger size = [buffer length];
    if (length == 0 || offset > size || length > size - offset) {
        report_misuse("a range of a copy or fill that is empty, or beyond its buffer");
    }
    id<MTLDevice> device = MTLCreateSystemDefaultDevice();
    if (![device supportsFamily:MTLGPUFamilyApple4] && (offset % 4 != 0 || length % 4 != 0)) {
        report_misuse("a copy or fill of bytes that are no multiple of 4");
    }
    [device release];
}

/* ---- dispatches ---- */

@interface StandInComputeEncoder : StandInEncoder <MTLComputeCommandEncoder> {
@public
    id<StandInPipelineState> state;
    struct compute_arguments arguments;
    uint32_t threadgroup_memories; /* a bit for each index whose length was set, if only to 0 */
    void *bytes[MLXSHIM_BUFFER_ARGUMENTS]; /* copies of the constants */
}
@end

id<MTLComputeCommandEncoder> standin_compute_encoder_new(id<StandInCommandBuffer> buffer) {
    StandInComputeEncoder *encoder = [[StandInComputeEncoder alloc] init];
    encoder->buffer = [buffer retain];
    return encoder;
}

@implementation StandInComputeEncoder

- (void)dealloc {
    use_autorelease_pool();
    for (int i = 0; i < MLXSHIM_BUFFER_ARGUMENTS; i++) {
        free(bytes[i]);
    }
    [state release];
    [super dealloc];
}

- (void)setComputePipelineState:(id<MTLComputePipelineState>)pipeline {
    [self checkOpen];
    [state release];
    state = [(id<StandInPipelineState>)pipeline retain];
}

- (void)setBytes:(const void *)constants length:(NSUInteger)length atIndex:(NSUInteger)index {
    [self checkOpen];
    if (index >= MLXSHIM_BUFFER_ARGUMENTS || length == 0 || length > MLXSHIM_MAX_BYTES) {
        report_misuse("setBytes: with an index above 30, or a length that is not 1 to 4096");
        return;
    }
    free(bytes[index]);
    bytes[index] = malloc(length);
    memcpy(bytes[index], constants, length);
    arguments.constants[index].bytes = bytes[index];
    arguments.constants[index].length = length;
}

- (void)setBuffer:(id<MTLBuffer>)bound offset:(NSUInteger)offset atIndex:(NSUInteger)index {
    [self checkOpen];
    if (index >= MLXSHIM_BUFFER_ARGUMENTS || offset >= [bound length]) {
        report_misuse("setBuffer: with an index above 30, or an offset beyond the buffer");
        return;
    }
    arguments.buffers[index] =
        standin_buffer_range(bound, offset, [bound length] - offset, [buffer retainsReferences]);
    arguments.constants[index].bytes = NULL;
    arguments.constants[index].length = 0;
}

- (void)setThreadgroupMemoryLength:(NSUInteger)length atIndex:(NSUInteger)index {
    [self checkOpen];
    if (index >= MLXSHIM_THREADGROUP_ARGUMENTS || length % 16 != 0) {
        report_misuse("setThreadgroupMemoryLength: with an index above 30, or a length that is no multiple of 16");
        return;
    }
    arguments.threadgroup_lengths[index] = length;
    threadgroup_memories |= 1U << index;
}

- (void)checkArguments {
    struct msl_kernel *kernel = [state kernel];
    uint64_t memory = msl_kernel_info(kernel)->static_threadgroup_bytes;
    for (int i = 0; i < MLXSHIM_THREADGROUP_ARGUMENTS; i++) {
        memory += arguments.threadgroup_lengths[i];
    }
    if (memory > STANDIN_THREADGROUP_MEMORY) {
        report_misuse("more threadgroup memory than the device has");
    }
    for (size_t i = 0; i < msl_kernel_argument_count(kernel); i++) {
        const char *name;
        struct mlxshim_argument argument = msl_kernel_argument(kernel, i, &name);
        bool bound = argument.kind == MLXSHIM_ARGUMENT_THREADGROUP
                         ? threadgroup_memories >> argument.index & 1
                         : arguments.buffers[argument.index].bytes != NULL ||
                               arguments.constants[argument.index].bytes != NULL;
        if (!bound && !argument.unused) {
            report_misuse("a dispatch with an argument that is not bound");
        }
    }
}

- (void)dispatch:(MTLSize)grid threadgroup:(MTLSize)threads {
    [self checkOpen];
    if (state == nil) {
        report_misuse("a dispatch without a pipeline");
        return;
    }
    const uint64_t grid_threads[3] = {grid.width, grid.height, grid.depth};
    const uint64_t group[3] = {threads.width, threads.height, threads.depth};
    for (int i = 0; i < 3; i++) {
        if (group[i] == 0 || group[i] > STANDIN_MAX_THREADS || grid_threads[i] == 0 || grid_threads[i] > UINT32_MAX) {
            report_misuse("a grid or a threadgroup with a size of 0, or above the device's");
            return;
        }
    }
    if (group[0] * group[1] * group[2] > msl_kernel_info([state kernel])->max_threads) {
        report_misuse("a threadgroup with more threads than the pipeline has");
        return;
    }
    [self checkArguments];
    compute_dispatch([buffer commands], [state kernel], &arguments, grid_threads, group);
}

- (void)dispatchThreadgroups:(MTLSize)groups threadsPerThreadgroup:(MTLSize)threads {
    MTLSize grid = MTLSizeMake(groups.width * threads.width, groups.height * threads.height,
                               groups.depth * threads.depth);
    [self dispatch:grid threadgroup:threads];
}

- (void)dispatchThreads:(MTLSize)threads threadsPerThreadgroup:(MTLSize)threadgroup {
    id<MTLDevice> device = MTLCreateSystemDefaultDevice();
    if (![device supportsFamily:MTLGPUFamilyApple4]) {
        report_misuse("dispatchThreads: on a GPU that runs only whole threadgroups");
    }
    [device release];
    [self dispatch:threads threadgroup:threadgroup];
}

- (void)memoryBarrierWithScope:(MTLBarrierScope)scope {
    [self checkOpen];
    if (scope != MTLBarrierScopeBuffers) {
        report_misuse("a barrier of another scope than buffers");
    }
}

@end

/* ---- copies and fills ---- */

@interface StandInBlitEncoder : StandInEncoder <MTLBlitCommandEncoder>
@end

id<MTLBlitCommandEncoder> standin_blit_encoder_new(id<StandInCommandBuffer> buffer) {
    StandInBlitEncoder *encoder = [[StandInBlitEncoder alloc] init];
    encoder->buffer = [buffer retain];
    return encoder;
}

@implementation StandInBlitEncoder

- (void)fillBuffer:(id<MTLBuffer>)filled range:(NSRange)range value:(uint8_t)value {
    [self checkOpen];
    check_range(filled, range.location, range.length);
    BOOL retained = [buffer retainsReferences];
    compute_fill([buffer commands], standin_buffer_range(filled, range.location, range.length, retained), value);
}

- (void)copyFromBuffer:(id<MTLBuffer>)source
          sourceOffset:(NSUInteger)sourceOffset
              toBuffer:(id<MTLBuffer>)destination
     destinationOffset:(NSUInteger)destinationOffset
                  size:(NSUInteger)size {
    [self checkOpen];
    check_range(source, sourceOffset, size);
    check_range(destination, destinationOffset, size);
    if (source == destination && sourceOffset < destinationOffset + size && destinationOffset < sourceOffset + size) {
        report_misuse("a copy onto itself");
    }
    BOOL retained = [buffer retainsReferences];
    compute_copy([buffer commands], standin_buffer_range(source, sourceOffset, size, retained),
                 standin_buffer_range(destination, destinationOffset, size, retained));
}

@end
