/*
 * Tests of the stand-in for Metal, with calls that the shim never makes, because it checks arguments. The stand-in
 * must refuse them like Metal, or the contract test could not detect that the shim lost a check.
 */
#import <Foundation/Foundation.h>
#import <Metal/Metal.h>
#import <objc/runtime.h>

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "mlxshim_faults.h"

static const MTLResourceOptions SHARED = MTLResourceStorageModeShared;

static bool is_filled(const unsigned char *bytes, NSUInteger length, unsigned char value) {
    for (NSUInteger i = 0; i < length; i++) {
        if (bytes[i] != value) {
            return false;
        }
    }
    return true;
}

static void test_lengths(id<MTLDevice> device) {
    CHECK([device newBufferWithLength:0 options:SHARED] == nil);
    CHECK([device newBufferWithLength:[device maxBufferLength] + 1 options:SHARED] == nil);
    CHECK([device newBufferWithLength:NSUIntegerMax options:SHARED] == nil);
    CHECK([device newBufferWithLength:1 options:(MTLResourceOptions)(3 << MTLResourceStorageModeShift)] == nil);
    CHECK([device currentAllocatedSize] == 0);
}

static void test_storage_modes(id<MTLDevice> device) {
    id<MTLBuffer> shared = [device newBufferWithLength:100 options:SHARED];
    id<MTLBuffer> managed = [device newBufferWithLength:100 options:MTLResourceStorageModeManaged];
    id<MTLBuffer> private = [device newBufferWithLength:100 options:MTLResourceStorageModePrivate];
    CHECK([shared length] == 100 && [managed length] == 100 && [private length] == 100);
    CHECK([device currentAllocatedSize] == 3 * (NSUInteger)getpagesize());
    CHECK([private contents] == NULL);
    /* Not zero, so that a caller that promises zeros has to write them. */
    CHECK(is_filled([shared contents], 100, 0xCD));
    CHECK(is_filled([managed contents], 100, 0xCD));
    [managed didModifyRange:NSMakeRange(0, 100)];
    memset([shared contents], 1, 100);
    CHECK([shared setPurgeableState:MTLPurgeableStateEmpty] == MTLPurgeableStateNonVolatile);
    CHECK(is_filled([shared contents], 100, 0xCD));
    [shared release];
    [managed release];
    [private release];
    CHECK([device currentAllocatedSize] == 0);
}

static void test_no_copy(id<MTLDevice> device) {
    NSUInteger page = (NSUInteger)getpagesize();
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK([device newBufferWithBytesNoCopy:pages + 16 length:page options:SHARED deallocator:nil] == nil);
    CHECK([device newBufferWithBytesNoCopy:pages length:page + 1 options:SHARED deallocator:nil] == nil);
    CHECK([device newBufferWithBytesNoCopy:pages length:0 options:SHARED deallocator:nil] == nil);
    CHECK([device newBufferWithBytesNoCopy:NULL length:page options:SHARED deallocator:nil] == nil);
    CHECK([device newBufferWithBytesNoCopy:pages
                                    length:page
                                   options:MTLResourceStorageModePrivate
                               deallocator:nil] == nil);
    __block NSUInteger freed = 0;
    id<MTLBuffer> buffer = [device newBufferWithBytesNoCopy:pages
                                                     length:2 * page
                                                    options:SHARED
                                                deallocator:^(void *address, NSUInteger length) {
                                                  freed += address == pages ? length : 0;
                                                }];
    CHECK([buffer contents] == pages && [buffer length] == 2 * page);
    CHECK([device currentAllocatedSize] == 0);
    CHECK(freed == 0);
    [buffer release];
    CHECK(freed == 2 * page);
    munmap(pages, 2 * page);
}

static void test_label(id<MTLDevice> device) {
    id<MTLBuffer> buffer = [device newBufferWithLength:1 options:SHARED];
    CHECK([buffer label] == nil);
    NSMutableString *name = [NSMutableString stringWithUTF8String:"weights"];
    [buffer setLabel:name];
    [name setString:@"changed"];
    CHECK([[buffer label] isEqualToString:@"weights"]);
    [buffer release];
}

static void test_event(id<MTLDevice> device) {
    id<MTLSharedEvent> event = [device newSharedEvent];
    CHECK([event signaledValue] == 0);
    [event setSignaledValue:7];
    [event setSignaledValue:3];
    CHECK([event signaledValue] == 7);
    CHECK([event waitUntilSignaledValue:7 timeoutMS:0]);
    CHECK(![event waitUntilSignaledValue:8 timeoutMS:1]);
    [event release];
}

static void test_residency_sets(id<MTLDevice> device) {
    SEL creating = @selector(newResidencySetWithDescriptor:error:);
    CHECK([device respondsToSelector:creating] && [device supportsFamily:MTLGPUFamilyApple6]);
    mlxshim_faults_set_no_residency_sets(1);
    CHECK(![device respondsToSelector:creating] && [device supportsFamily:MTLGPUFamilyApple6]);
    mlxshim_faults_set_no_residency_sets(2);
    CHECK([device respondsToSelector:creating] && ![device supportsFamily:MTLGPUFamilyApple6]);
    mlxshim_faults_clear();

    MTLResidencySetDescriptor *descriptor = [[objc_getClass("MTLResidencySetDescriptor") alloc] init];
    NSError *error = nil;
    mlxshim_faults_fail_create(1, 1);
    CHECK([device newResidencySetWithDescriptor:descriptor error:&error] == nil);
    CHECK([[error localizedDescription] length] > 0);
    id<MTLResidencySet> set = [device newResidencySetWithDescriptor:descriptor error:&error];
    id<MTLBuffer> buffer = [device newBufferWithLength:1 options:SHARED];
    [set addAllocation:buffer];
    CHECK([set allocationCount] == 0);
    [set commit];
    CHECK([set allocationCount] == 1 && [set allocatedSize] == (uint64_t)getpagesize());
    [set removeAllocation:buffer];
    CHECK([set allocationCount] == 1);
    [set commit];
    CHECK([set allocationCount] == 0 && [set allocatedSize] == 0);
    [set release];
    [buffer release];
    [descriptor release];
}

/* Counts the lines that the stand-in writes to standard error while a block runs. */
static int misuses(void (^block)(void)) {
    FILE *lines = tmpfile();
    int original = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(fileno(lines), STDERR_FILENO);
    block();
    fflush(stderr);
    dup2(original, STDERR_FILENO);
    close(original);
    rewind(lines);
    int count = 0;
    for (int c = fgetc(lines); c != EOF; c = fgetc(lines)) {
        count += c == '\n';
    }
    fclose(lines);
    return count;
}

static id<MTLComputePipelineState> new_pipeline(id<MTLDevice> device, id<MTLFunction> function) {
    MTLComputePipelineDescriptor *descriptor = [[MTLComputePipelineDescriptor alloc] init];
    [descriptor setComputeFunction:function];
    MTLComputePipelineReflection *reflection = nil;
    NSError *error = nil;
    id<MTLComputePipelineState> state = [device newComputePipelineStateWithDescriptor:descriptor
                                                                              options:MTLPipelineOptionBindingInfo
                                                                           reflection:&reflection
                                                                                error:&error];
    CHECK(state == nil || [[reflection bindings] count] == 1);
    [descriptor release];
    return state;
}

static id<MTLLibrary> new_library(id<MTLDevice> device, const char *source) {
    MTLCompileOptions *options = [[MTLCompileOptions alloc] init];
    NSError *error = nil;
    id<MTLLibrary> library = [device newLibraryWithSource:[NSString stringWithUTF8String:source]
                                                  options:options
                                                    error:&error];
    CHECK((library == nil) == ([error code] == MTLLibraryErrorCompileFailure));
    [options release];
    return library;
}

static const char kernel[] = "#include <metal_stdlib>\n"
                             "using namespace metal;\n"
                             "kernel void set(device uint *out [[buffer(0)]], uint i [[thread_position_in_grid]]) {\n"
                             "    out[i] = i;\n"
                             "}\n";
static const char specialized_kernel[] = "#include <metal_stdlib>\nusing namespace metal;\n"
                                         "constant int given [[function_constant(0)]];\n"
                                         "kernel void set(device int *out [[buffer(0)]]) {\n"
                                         "    out[0] = is_function_constant_defined(given) ? given : 0;\n"
                                         "}\n";

static void test_functions(id<MTLDevice> device) {
    CHECK(new_library(device, "kernel void set(") == nil);
    id<MTLLibrary> library = new_library(device, specialized_kernel);
    CHECK([library newFunctionWithName:@"sett"] == nil);
    id<MTLFunction> function = [library newFunctionWithName:@"set"];
    CHECK([[function functionConstantsDictionary] count] > 0);
    CHECK(misuses(^{
              [new_pipeline(device, function) release];
          }) == 1);
    [function release];
    [library release];
    CHECK(mlxshim_faults_live_libraries() == 0 && mlxshim_faults_live_pipelines() == 0);
}

static id<MTLCommandBuffer> command_buffer(id<MTLCommandQueue> queue) {
    MTLCommandBufferDescriptor *descriptor = [[[MTLCommandBufferDescriptor alloc] init] autorelease];
    return [queue commandBufferWithDescriptor:descriptor];
}

/* Each block makes one mistake, which Apple's validation ends the process for. */
static void test_misuse_of_encoders(id<MTLDevice> device) {
    id<MTLLibrary> library = new_library(device, kernel);
    id<MTLFunction> function = [library newFunctionWithName:@"set"];
    id<MTLComputePipelineState> state = new_pipeline(device, function);
    id<MTLBuffer> buffer = [device newBufferWithLength:64 options:SHARED];
    id<MTLCommandQueue> queue = [device newCommandQueueWithMaxCommandBufferCount:1];
    @autoreleasepool {
        id<MTLCommandBuffer> commands = command_buffer(queue);
        CHECK(misuses(^{
                  command_buffer(queue);
              }) == 1);
        id<MTLComputeCommandEncoder> encoder = [commands computeCommandEncoderWithDispatchType:MTLDispatchTypeSerial];
        MTLSize one = MTLSizeMake(1, 1, 1);
        CHECK(misuses(^{
                  [encoder dispatchThreads:one threadsPerThreadgroup:one];
              }) == 1);
        [encoder setComputePipelineState:state];
        CHECK(misuses(^{
                  [encoder dispatchThreads:one threadsPerThreadgroup:one];
              }) == 1);
        CHECK(misuses(^{
                  [encoder setBuffer:buffer offset:64 atIndex:0];
              }) == 1);
        CHECK(misuses(^{
                  [encoder setBytes:"" length:4097 atIndex:0];
              }) == 1);
        CHECK(misuses(^{
                  [encoder setThreadgroupMemoryLength:8 atIndex:0];
              }) == 1);
        [encoder setBuffer:buffer offset:0 atIndex:0];
        CHECK(misuses(^{
                  [encoder dispatchThreads:one threadsPerThreadgroup:MTLSizeMake(1024, 2, 1)];
              }) == 1);
        CHECK(misuses(^{
                  [encoder dispatchThreadgroups:MTLSizeMake(0, 1, 1) threadsPerThreadgroup:one];
              }) == 1);
        [encoder setThreadgroupMemoryLength:32784 atIndex:0];
        CHECK(misuses(^{
                  [encoder dispatchThreads:one threadsPerThreadgroup:one];
              }) == 1);
        CHECK(misuses(^{
                  [commands encodeSignalEvent:nil value:1];
              }) == 1);
        CHECK(misuses(^{
                  [[commands blitCommandEncoder] endEncoding];
              }) == 1);
        [encoder endEncoding];
        CHECK(misuses(^{
                  [encoder setComputePipelineState:state];
              }) == 1);
    }
    [queue release];
    [buffer release];
    [state release];
    [function release];
    [library release];
}

static void test_misuse_of_copies(id<MTLDevice> device) {
    id<MTLBuffer> buffer = [device newBufferWithLength:64 options:SHARED];
    id<MTLCommandQueue> queue = [device newCommandQueueWithMaxCommandBufferCount:2];
    @autoreleasepool {
        id<MTLCommandBuffer> commands = command_buffer(queue);
        id<MTLBlitCommandEncoder> encoder = [commands blitCommandEncoder];
        CHECK(misuses(^{
                  [encoder fillBuffer:buffer range:NSMakeRange(0, 0) value:1];
              }) == 1);
        CHECK(misuses(^{
                  [encoder copyFromBuffer:buffer sourceOffset:0 toBuffer:buffer destinationOffset:4 size:8];
              }) == 1);
        mlxshim_faults_set_no_residency_sets(2);
        CHECK(misuses(^{
                  [encoder fillBuffer:buffer range:NSMakeRange(0, 3) value:1];
              }) == 1);
        mlxshim_faults_clear();
        [encoder endEncoding];
        [commands commit];
        CHECK(misuses(^{
                  [commands addCompletedHandler:^(id<MTLCommandBuffer> completed) {
                    (void)completed;
                  }];
              }) == 1);
        [commands waitUntilCompleted];
        CHECK([commands status] == MTLCommandBufferStatusCompleted);
    }
    [queue release];
    [buffer release];
}

/* Objects of a command buffer without references are not kept alive, and its handler runs before its end. */
static void test_command_buffer(id<MTLDevice> device) {
    id<MTLCommandQueue> queue = [device newCommandQueueWithMaxCommandBufferCount:2];
    id<MTLBuffer> buffer = [device newBufferWithLength:64 options:SHARED];
    id<MTLBuffer> kept = [device newBufferWithLength:64 options:SHARED];
    id<MTLSharedEvent> gate = [device newSharedEvent];
    __block NSUInteger status_in_handler = 0;
    NSUInteger *seen = &status_in_handler;
    @autoreleasepool {
        MTLCommandBufferDescriptor *descriptor = [[[MTLCommandBufferDescriptor alloc] init] autorelease];
        id<MTLCommandBuffer> first = [queue commandBufferWithDescriptor:descriptor];
        [first encodeWaitForEvent:gate value:1];
        id<MTLBlitCommandEncoder> encoder = [first blitCommandEncoder];
        [encoder fillBuffer:kept range:NSMakeRange(0, 64) value:1];
        [encoder endEncoding];
        [first addCompletedHandler:^(id<MTLCommandBuffer> completed) {
          *seen = [completed status] + 1;
        }];
        [first commit];
        [descriptor setRetainedReferences:NO];
        id<MTLCommandBuffer> second = [queue commandBufferWithDescriptor:descriptor];
        encoder = [second blitCommandEncoder];
        [encoder fillBuffer:buffer range:NSMakeRange(0, 64) value:1];
        [encoder endEncoding];
        [kept release];
        CHECK(mlxshim_faults_live_buffers() == 2);
        CHECK([first error] == nil && [first GPUEndTime] == 0);
        [gate setSignaledValue:1];
        [first waitUntilCompleted];
        CHECK(status_in_handler == MTLCommandBufferStatusScheduled + 1);
        CHECK([first GPUStartTime] > 0 && [first GPUEndTime] >= [first GPUStartTime]);
        [buffer release];
        CHECK(mlxshim_faults_live_buffers() == 0);
    }
    [gate release];
    [queue release];
}

static void test_captures(id<MTLDevice> device) {
    MTLCaptureManager *manager = [MTLCaptureManager sharedCaptureManager];
    CHECK(![manager supportsDestination:MTLCaptureDestinationGPUTraceDocument] && ![manager isCapturing]);
    char path[] = "/tmp/standin_test.XXXXXX";
    int file = mkstemp(path);
    setenv("MTL_CAPTURE_ENABLED", "1", 1);
    CHECK([manager supportsDestination:MTLCaptureDestinationGPUTraceDocument]);
    MTLCaptureDescriptor *descriptor = [[MTLCaptureDescriptor alloc] init];
    [descriptor setCaptureObject:device];
    [descriptor setDestination:MTLCaptureDestinationGPUTraceDocument];
    [descriptor setOutputURL:[NSURL fileURLWithPath:[NSString stringWithUTF8String:path]]];
    NSError *error = nil;
    CHECK([manager startCaptureWithDescriptor:descriptor error:&error] && [manager isCapturing]);
    CHECK(misuses(^{
              NSError *second = nil;
              [manager startCaptureWithDescriptor:descriptor error:&second];
          }) == 1);
    [manager stopCapture];
    CHECK(![manager isCapturing]);
    [descriptor setOutputURL:[NSURL fileURLWithPath:@"/nonexistent/folder/trace"]];
    CHECK(![manager startCaptureWithDescriptor:descriptor error:&error] && error != nil);
    [descriptor release];
    unsetenv("MTL_CAPTURE_ENABLED");
    close(file);
    unlink(path);
}

static void test_device(id<MTLDevice> device) {
    CHECK([[device name] length] > 0);
    CHECK(mlxshim_faults_live_devices() == 1);
    mlxshim_faults_set_no_device(1);
    CHECK(MTLCreateSystemDefaultDevice() == nil);
    mlxshim_faults_clear();
}

int main(void) {
    @autoreleasepool {
        id<MTLDevice> device = MTLCreateSystemDefaultDevice();
        test_device(device);
        test_lengths(device);
        test_storage_modes(device);
        test_no_copy(device);
        test_label(device);
        test_event(device);
        test_residency_sets(device);
        test_functions(device);
        test_misuse_of_encoders(device);
        test_misuse_of_copies(device);
        test_command_buffer(device);
        test_captures(device);
        [device release];
    }
    /* The thread of a queue lets go of its last command buffer soon after the end. */
    for (int millis = 0; millis < 10000 && mlxshim_faults_live_devices() > 0; millis++) {
        usleep(1000);
    }
    CHECK(mlxshim_faults_live_devices() == 0 && mlxshim_faults_live_buffers() == 0);
    CHECK(mlxshim_faults_live_events() == 0 && mlxshim_faults_live_residency_sets() == 0);
    CHECK(mlxshim_faults_live_libraries() == 0 && mlxshim_faults_live_pipelines() == 0);
    CHECK(mlxshim_faults_live_queues() == 0 && mlxshim_faults_live_command_buffers() == 0);
    printf("stand-in Metal: %lu passed, %lu failed\n", checks_passed, checks_failed);
    return checks_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
