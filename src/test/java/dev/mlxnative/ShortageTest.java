package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** The steps of a request for which the device has no memory left. Needs a test build of the library. */
@Tag("faults")
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@ParameterizedClass
@EnumSource(Sizing.class)
class ShortageTest {
    private static final Duration FOREVER = Duration.ofDays(1);

    private final MlxDevice device = MlxDevice.open();
    private final long page;
    private final MlxBufferPool pool;
    private final TestFence fence = new TestFence();

    ShortageTest(Sizing sizing) {
        page = LeastBuffer.bytes(device, sizing);
        pool = MlxBufferPool.builder(device)
                .sizing(sizing)
                .waitForParked(FOREVER)
                .build();
    }

    @BeforeEach
    void thereAreNoFaults() {
        NativeFaults.clear();
    }

    @AfterEach
    void theCountersBalanceAndNothingIsLeft() {
        pool.limits().setMemoryLimit(MlxBufferPool.UNLIMITED);
        long available = 64 * page;
        NativeFaults.byteBudget(device.allocatedBytes() + available);
        pool.alloc(available, DType.U8).close();
        NativeFaults.clear();
        pool.reset();
        fence.complete();
        PoolStats stats = pool.stats();
        assertThat(stats.requests()).isEqualTo(stats.hits() + stats.nativeAllocations() + stats.failedAllocations());
        assertThat(stats)
                .returns(0, PoolStats::activeCount)
                .returns(0L, PoolStats::requestedBytes)
                .returns(0, PoolStats::parkedCount)
                .returns(stats.cachedBytes(), PoolStats::footprintBytes);
        assertThat(NativeFaults.liveBuffers()).isEqualTo(stats.cachedCount());
        pool.close();
        device.close();
        assertThat(NativeFaults.liveBuffers()).isZero();
        assertThat(NativeFaults.liveDevices()).isZero();
    }

    private MlxBuffer alloc(long byteLength) {
        return pool.alloc(byteLength, DType.U8);
    }

    private BufferAllocationException refused(long byteLength) {
        BufferAllocationException refusal =
                catchThrowableOfType(BufferAllocationException.class, () -> alloc(byteLength));
        assertThat(refusal).isNotNull();
        return refusal;
    }

    /** Makes the device refuse every further byte. */
    private void exhaust() {
        NativeFaults.byteBudget(device.allocatedBytes());
    }

    @Test
    void cachedMemoryServesFirst() {
        alloc(page).close();
        exhaust();
        alloc(page).close();
        assertThat(pool.stats()).returns(1L, PoolStats::hits).returns(0L, PoolStats::trimmedBytes);
    }

    @Test
    void parkedMemoryWithACompleteFenceServesSecond() {
        alloc(page).close();
        pool.release(alloc(2 * page), fence);
        fence.complete();
        exhaust();
        alloc(2 * page).close();
        assertThat(pool.stats()).returns(1L, PoolStats::hits).returns(0L, PoolStats::trimmedBytes);
    }

    @Test
    void theDeviceServesThird() {
        alloc(page).close();
        alloc(2 * page).close();
        assertThat(pool.stats()).returns(2L, PoolStats::nativeAllocations).returns(0L, PoolStats::trimmedBytes);
    }

    @Test
    void aRefusedRequestEvictsTheCacheAndAsksAgain() {
        MlxBuffer active = alloc(page);
        List<MlxBuffer> tooSmall = List.of(alloc(page), alloc(page));
        tooSmall.forEach(MlxBuffer::close);
        exhaust();
        MlxBuffer buffer = alloc(2 * page);
        assertThat(buffer.capacity()).isEqualTo(2 * page);
        assertThat(active.isReleased()).isFalse();
        assertThat(pool.stats())
                .returns(2 * page, PoolStats::trimmedBytes)
                .returns(4L, PoolStats::nativeAllocations)
                .returns(0L, PoolStats::failedAllocations)
                .returns(3 * page, PoolStats::activeBytes);
    }

    @Test
    void aSingleRefusalDoesNoHarm() {
        NativeFaults.failCreate(1, 1);
        assertThat(alloc(3 * page).capacity())
                .as("in whole pages at the second try")
                .isEqualTo(3 * page);
        assertThat(pool.stats()).returns(1L, PoolStats::requests).returns(1L, PoolStats::nativeAllocations);
    }

    @Test
    void aRefusedRequestAsksAgainForWholePages() {
        MlxBuffer active = alloc(4 * page);
        NativeFaults.byteBudget(device.allocatedBytes() + 5 * page);
        assertThat(alloc(5 * page).capacity()).isEqualTo(5 * page);
        active.close();
    }

    /** In a compact pool, a small request asks for a shared native buffer first, which grows with the peak. */
    @Test
    void aRefusedSmallRequestAsksAgainForNoMoreThanItNeeds() {
        MlxBuffer active = alloc(128 * page);
        NativeFaults.byteBudget(device.allocatedBytes() + page);
        MlxBuffer small = alloc(1);
        assertThat(pool.stats()).returns(0L, PoolStats::failedAllocations).returns(2L, PoolStats::nativeAllocations);
        assertThat(pool.stats().footprintBytes()).isBetween(128 * page + small.capacity(), 129 * page);
        small.close();
        active.close();
        pool.clear();
    }

    @Test
    void aRefusedRequestWaitsForParkedMemory() throws Exception {
        pool.release(alloc(page), fence);
        exhaust();
        FutureTask<MlxBuffer> request = Async.start(() -> alloc(page));
        Async.await(() -> fence.awaited() > 0);
        fence.complete();
        assertThat(request.get().capacity()).isEqualTo(page);
        assertThat(pool.stats()).returns(1L, PoolStats::hits).returns(0L, PoolStats::failedAllocations);
    }

    @Test
    void parkedMemoryOfAnotherSizeIsFreedForARequest() throws Exception {
        List<MlxBuffer> tooSmall = List.of(alloc(page), alloc(page));
        tooSmall.forEach(buffer -> pool.release(buffer, fence));
        exhaust();
        FutureTask<MlxBuffer> request = Async.start(() -> alloc(2 * page));
        Async.await(() -> fence.awaited() > 0);
        fence.complete();
        assertThat(request.get().capacity()).isEqualTo(2 * page);
        assertThat(pool.stats())
                .returns(2 * page, PoolStats::trimmedBytes)
                .returns(3L, PoolStats::nativeAllocations)
                .returns(0L, PoolStats::failedAllocations);
    }

    @Test
    void theMessageOfARefusalHasEveryFigure() {
        MlxBuffer active = alloc(4 * page);
        alloc(page).close();
        pool.release(alloc(2 * page), fence);
        // Long enough that a loaded machine reaches the wait before its end.
        pool.limits().setWaitForParked(Duration.ofMillis(500));
        NativeFaults.byteBudget(0);
        BufferAllocationException refusal = refused(100 * page);
        PoolStats stats = refusal.poolStats().orElseThrow();
        assertThat(refusal.requestedBytes()).isEqualTo(100 * page);
        assertThat(stats)
                .returns(4 * page, PoolStats::activeBytes)
                .returns(0L, PoolStats::cachedBytes)
                .returns(page, PoolStats::trimmedBytes)
                .returns(2 * page, PoolStats::parkedBytes)
                .returns(1L, PoolStats::failedAllocations);
        assertThat(refusal)
                .hasMessageContainingAll(
                        "no memory for " + 100 * page + " bytes",
                        "a native buffer of " + 100 * page + " was refused by the device",
                        "after up to 500 ms of waiting",
                        "The pool " + pool.name() + " has " + 4 * page + " bytes in 1 active buffers, 0 cached and "
                                + 2 * page + " parked",
                        "its limits are " + pool.limits().memoryLimit() + " bytes and 499000 buffers",
                        "the device counts " + stats.deviceAllocatedBytes() + " of "
                                + device.info().recommendedMaxWorkingSetSize() + " recommended",
                        "Release buffers earlier",
                        "memoryLimit")
                .hasCauseInstanceOf(BufferAllocationException.class);
        assertThat(active.isReleased()).isFalse();
    }

    @Test
    void theNextRequestThatFitsSucceeds() {
        List<MlxBuffer> active = List.of(alloc(page), alloc(page));
        exhaust();
        refused(2 * page);
        refused(1);
        active.forEach(MlxBuffer::close);
        assertThat(alloc(2 * page).capacity()).isEqualTo(2 * page);
        assertThat(pool.stats())
                .returns(5L, PoolStats::requests)
                .returns(2L, PoolStats::failedAllocations)
                .returns(3L, PoolStats::nativeAllocations)
                .returns(2 * page, PoolStats::trimmedBytes);
    }

    /** The pool subtracts the bytes of a refused buffer from its footprint again. */
    @Test
    void refusalsCostNothingOfTheMemoryLimit() {
        pool.limits().setMemoryLimit(4 * page);
        NativeFaults.byteBudget(0);
        for (int i = 0; i < 10; i++) {
            refused(4 * page);
        }
        NativeFaults.clear();
        assertThat(alloc(4 * page).capacity()).isEqualTo(4 * page);
    }
}
