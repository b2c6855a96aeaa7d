#import "standin.h"

#include "faults.h"
#include "live_objects.h"

/* ---- descriptor ---- */

@interface StandInPipelineDescriptor : MTLComputePipelineDescriptor {
@public
    NSString *label;
    id<StandInFunction> function;
}
@end

@interface StandInReflection : MTLComputePipelineReflection {
@public
    NSArray *bindings;
}
@end

#pragma clang diagnostic push
/* Classes that Metal.h declares have their methods in a subclass, as in residency_set.m. */
#pragma clang diagnostic ignored "-Wincomplete-implementation"

@implementation MTLComputePipelineDescriptor

+ (id)allocWithZone:(NSZone *)zone {
    return NSAllocateObject([StandInPipelineDescriptor class], 0, zone);
}

@end

@implementation MTLComputePipelineReflection
@end

#pragma clang diagnostic pop

@implementation StandInPipelineDescriptor

- (void)dealloc {
    use_autorelease_pool();
    [label release];
    [function release];
    [super dealloc];
}

- (void)setLabel:(NSString *)text {
    use_autorelease_pool();
    [label release];
    label = [text copy];
}

- (void)setComputeFunction:(id<MTLFunction>)compute_function {
    use_autorelease_pool();
    [function release];
    function = [(id<StandInFunction>)compute_function retain];
}

@end

/* ---- reflection ---- */

@interface StandInBinding : NSObject <MTLBufferBinding, MTLThreadgroupBinding> {
@public
    NSString *name;
    struct mlxshim_argument argument;
}
@end

@implementation StandInBinding

- (void)dealloc {
    use_autorelease_pool();
    [name release];
    [super dealloc];
}

- (NSString *)name {
    use_autorelease_pool();
    return name;
}

- (MTLBindingType)type {
    use_autorelease_pool();
    return argument.kind == MLXSHIM_ARGUMENT_THREADGROUP ? MTLBindingTypeThreadgroupMemory : MTLBindingTypeBuffer;
}

- (MTLBindingAccess)access {
    use_autorelease_pool();
    return argument.written ? MTLBindingAccessReadWrite : MTLBindingAccessReadOnly;
}

- (NSUInteger)index {
    use_autorelease_pool();
    return (NSUInteger)argument.index;
}

- (BOOL)isUsed {
    use_autorelease_pool();
    return argument.unused ? NO : YES;
}

- (BOOL)isArgument {
    use_autorelease_pool();
    return YES;
}

- (NSUInteger)bufferDataSize {
    use_autorelease_pool();
    if (argument.kind == MLXSHIM_ARGUMENT_THREADGROUP) {
        report_misuse("bufferDataSize of threadgroup memory");
    }
    return argument.byte_size;
}

- (NSUInteger)threadgroupMemoryDataSize {
    use_autorelease_pool();
    if (argument.kind != MLXSHIM_ARGUMENT_THREADGROUP) {
        report_misuse("threadgroupMemoryDataSize of a buffer");
    }
    return argument.byte_size;
}

@end

@implementation StandInReflection

- (void)dealloc {
    use_autorelease_pool();
    [bindings release];
    [super dealloc];
}

- (NSArray *)bindings {
    use_autorelease_pool();
    return bindings;
}

@end

/* Returns the reflection of a kernel, autoreleased. */
static MTLComputePipelineReflection *reflection_of(struct msl_kernel *kernel) {
    NSMutableArray *bindings = [NSMutableArray array];
    for (size_t i = 0; i < msl_kernel_argument_count(kernel); i++) {
        const char *name;
        StandInBinding *binding = [[[StandInBinding alloc] init] autorelease];
        binding->argument = msl_kernel_argument(kernel, i, &name);
        binding->name = [[NSString alloc] initWithUTF8String:name];
        [bindings addObject:binding];
    }
    StandInReflection *reflection = [[[StandInReflection alloc] init] autorelease];
    reflection->bindings = [bindings copy];
    return reflection;
}

/* ---- state ---- */

@interface StandInPipelineState : NSObject <StandInPipelineState> {
@public
    NSString *name;
    struct msl_kernel *kernel;
}
@end

id<MTLComputePipelineState> standin_pipeline_new(MTLComputePipelineDescriptor *descriptor,
                                                 MTLComputePipelineReflection **reflection, NSError **error) {
    id<StandInFunction> function = ((StandInPipelineDescriptor *)descriptor)->function;
    if (function == nil) {
        report_misuse("a pipeline without a function");
        return nil;
    }
    if (!faults_admit(PIPELINES, 0)) {
        return nil;
    }
    struct msl_kernel *kernel = [function compiledKernel:error];
    if (kernel == NULL) {
        live_objects_remove(PIPELINES, 0);
        return nil;
    }
    StandInPipelineState *state = [[StandInPipelineState alloc] init];
    msl_kernel_retain(kernel);
    state->kernel = kernel;
    state->name = [[function name] copy];
    if (reflection != NULL) {
        *reflection = reflection_of(kernel);
    }
    return state;
}

@implementation StandInPipelineState

- (void)dealloc {
    use_autorelease_pool();
    msl_kernel_release(kernel);
    [name release];
    live_objects_remove(PIPELINES, 0);
    [super dealloc];
}

- (NSUInteger)maxTotalThreadsPerThreadgroup {
    use_autorelease_pool();
    return msl_kernel_info(kernel)->max_threads;
}

- (NSUInteger)threadExecutionWidth {
    use_autorelease_pool();
    return KERNEL_SIMDGROUP_SIZE;
}

- (NSUInteger)staticThreadgroupMemoryLength {
    use_autorelease_pool();
    return msl_kernel_info(kernel)->static_threadgroup_bytes;
}

- (struct msl_kernel *)kernel {
    return kernel;
}

- (NSString *)name {
    return name;
}

@end
