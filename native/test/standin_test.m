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
        [device release];
    }
    CHECK(mlxshim_faults_live_devices() == 0 && mlxshim_faults_live_buffers() == 0);
    CHECK(mlxshim_faults_live_events() == 0 && mlxshim_faults_live_residency_sets() == 0);
    printf("stand-in Metal: %lu passed, %lu failed\n", checks_passed, checks_failed);
    return checks_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
