package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.mlxnative.BufferAllocationException;
import dev.mlxnative.LogRecords;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The steps of a request, from free memory to the last resort. */
class AcquisitionTest {
    private static final long HOUR = TimeUnit.HOURS.toNanos(1);

    /** More than two pages: rounded to four of them or, if the device refuses that, to three. */
    private static final long THREE_PAGES = 2 * PAGE + 1;

    @RegisterExtension
    final LogRecords log = new LogRecords();

    private final PoolSetup setup = new PoolSetup();
    private final FakeMemorySource source = setup.source;
    private final FakeFence fence = new FakeFence();
    private PoolEngine pool = setup.engine();

    private void limits(UnaryOperator<LimitSettings> change) {
        pool = setup.limits(change).engine();
    }

    private Lease lease(long byteLength) {
        return Lease.of(pool, byteLength);
    }

    /** Memory that was leased and is free again. */
    private void free(long byteLength) {
        lease(byteLength).end();
        source.takeSteps();
    }

    private Lease active(long byteLength) {
        Lease lease = lease(byteLength);
        source.takeSteps();
        return lease;
    }

    private Block parked(long byteLength) {
        Lease lease = lease(byteLength);
        lease.endWith(fence);
        source.takeSteps();
        return lease.block();
    }

    private BufferAllocationException denied(long byteLength) {
        BufferAllocationException denial =
                catchThrowableOfType(BufferAllocationException.class, () -> lease(byteLength));
        assertThat(denial).as("the request is denied").isNotNull();
        return denial;
    }

    private Request requestElsewhere(long byteLength) {
        return Request.of(pool, byteLength);
    }

    /** Does something in one call of the device, the first one being 1. */
    private void duringCall(int number, Runnable action) {
        var calls = new AtomicInteger();
        source.duringAllocation = () -> {
            if (calls.incrementAndGet() == number) {
                action.run();
            }
        };
    }

    @Test
    void freeMemoryServesWithoutTheDevice() {
        free(PAGE - 1);
        lease(PAGE);
        assertThat(source.takeSteps()).isEmpty();
        assertThat(pool.snapshot().hits()).isEqualTo(1);
    }

    @Test
    void memoryWhoseFenceIsCompleteServesWithoutTheDevice() {
        Block block = parked(PAGE - 1);
        fence.complete();
        assertThat(lease(PAGE).block()).isSameAs(block);
        assertThat(source.takeSteps()).isEmpty();
        assertThat(pool.snapshot().hits()).isEqualTo(1);
        assertThat(fence.retains()).isZero();
    }

    @Test
    void memoryWhoseFenceIsNotCompleteDoesNotServe() {
        Block block = parked(PAGE - 1);
        assertThat(lease(PAGE).block()).isNotSameAs(block);
        assertThat(source.takeSteps()).containsExactly("allocate 16384");
    }

    @Test
    void theDeviceServesWhatNoFreeMemoryDoes() {
        free(2 * PAGE);
        Lease lease = lease(PAGE - 1);
        assertThat(lease.capacity()).isEqualTo(PAGE);
        assertThat(source.takeSteps()).containsExactly("allocate 16384");
        assertThat(pool.snapshot())
                .returns(2L, stats -> stats.nativeAllocations())
                .returns(0L, stats -> stats.hits());
    }

    @Test
    void requestsBelowAPageShareANativeBuffer() {
        limits(limits -> limits.withMemoryLimit(PAGE).withBufferLimit(1));
        List<Lease> leases = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            leases.add(lease(PAGE / 4 - i));
        }
        assertThat(source.takeSteps()).containsExactly("allocate 16384");
        assertThat(leases)
                .extracting(lease -> lease.block().memory())
                .containsOnly(leases.get(0).block().memory());
        assertThat(pool.snapshot())
                .returns(1L, stats -> stats.nativeAllocations())
                .returns(3L, stats -> stats.hits())
                .returns(PAGE, stats -> stats.activeBytes())
                .returns(0, stats -> stats.cachedCount());
        assertThat(denied(PAGE / 4)).hasMessageContaining("a native buffer of 16384 was refused by");
        leases.forEach(Lease::end);
        assertThat(lease(PAGE).capacity())
                .as("the page is replaced when no lease is left")
                .isEqualTo(PAGE);
        assertThat(source.takeSteps()).containsExactly("free 16384", "allocate 16384");
    }

    @Test
    void freeMemoryIsEvictedAsFarAsALimitAsksForIt() {
        limits(limits -> limits.withMemoryLimit(8 * PAGE));
        free(PAGE);
        free(4 * PAGE);
        free(2 * PAGE);
        lease(4 * PAGE).end();
        lease(6 * PAGE);
        assertThat(source.takeSteps())
                .as("the memory that has been free for longest, until the new one fits")
                .containsExactly("free 16384", "free 32768", "free 65536", "allocate 98304");
    }

    @Test
    void aRefusedRequestFreesEverythingAndAsksForTheLeastCapacity() {
        free(PAGE);
        source.capacity = 4 * PAGE;
        assertThat(lease(THREE_PAGES).capacity()).isEqualTo(3 * PAGE);
        assertThat(source.takeSteps()).containsExactly("refuse 65536", "free 16384", "allocate 49152");
        assertThat(pool.snapshot()).returns(0L, stats -> stats.failedAllocations());
    }

    @Test
    void aRefusedRequestFreesMemoryWhoseFenceIsComplete() {
        parked(PAGE);
        source.capacity = 4 * PAGE;
        duringCall(1, fence::complete);
        lease(THREE_PAGES);
        assertThat(source.takeSteps()).containsExactly("refuse 65536", "free 16384", "allocate 49152");
    }

    @Test
    void aRefusalCostsNoBudget() {
        limits(limits -> limits.withBufferLimit(1));
        source.capacity = PAGE;
        denied(2 * PAGE);
        assertThat(lease(PAGE).capacity()).isEqualTo(PAGE);
    }

    @Test
    void memoryInTheShardsCachesIsEvictedForARequestAtALimit() {
        limits(limits -> limits.withBufferLimit(1));
        free(PAGE);
        lease(PAGE).end();
        lease(2 * PAGE);
        assertThat(source.takeSteps()).containsExactly("free 16384", "allocate 32768");
    }

    @Test
    void afterADenialTheShardsCacheAgain() {
        limits(limits -> limits.withBufferLimit(2));
        free(PAGE);
        active(PAGE);
        Lease other = active(2 * PAGE);
        denied(4 * PAGE);
        other.end();
        assertThat(other.block().shard().takeCached(2 * PAGE)).isSameAs(other.block());
    }

    @Test
    void parkedMemoryIsWaitedForAtALimit() throws Exception {
        limits(limits -> limits.withMemoryLimit(4 * PAGE).withWaitNanos(HOUR));
        Block block = parked(4 * PAGE);
        Request request = requestElsewhere(4 * PAGE);
        Waiting.until("a thread waits for the fence", () -> fence.waiting() == 1);
        fence.complete();
        assertThat(request.get().block()).isSameAs(block);
        assertThat(source.takeSteps()).isEmpty();
    }

    @Test
    void parkedMemoryIsWaitedForIfTheDeviceRefuses() throws Exception {
        limits(limits -> limits.withWaitNanos(HOUR));
        Block block = parked(4 * PAGE);
        source.capacity = 4 * PAGE;
        Request request = requestElsewhere(THREE_PAGES);
        Waiting.until("a thread waits for the fence", () -> fence.waiting() == 1);
        assertThat(source.takeSteps()).startsWith("refuse 65536", "refuse 49152", "refuse 65536", "refuse 49152");
        fence.complete();
        assertThat(request.get().block()).isSameAs(block);
    }

    @Test
    void memoryThatIsBeingFreedIsWaitedForAtALimit() throws Exception {
        limits(limits -> limits.withMemoryLimit(4 * PAGE).withCacheLimit(0));
        source.delaysFreeing = true;
        free(4 * PAGE);
        Request request = requestElsewhere(4 * PAGE);
        Waiting.untilAsleep(request.thread());
        source.finishFreeing();
        assertThat(request.get().capacity()).isEqualTo(4 * PAGE);
        assertThat(source.takeSteps()).containsExactly("free 65536", "allocate 65536");
    }

    @Test
    void aReleaseDuringTheLastAttemptIsNotMissed() {
        Lease active = active(4 * PAGE);
        source.capacity = 4 * PAGE;
        duringCall(4, active::end);
        assertThat(lease(4 * PAGE).block()).isSameAs(active.block());
        assertThat(source.takeSteps()).containsExactly("refuse 65536", "refuse 65536", "refuse 65536", "refuse 65536");
    }

    @Test
    void aRequestIsRepeatedOnceIfSomethingChanged() {
        var active = new ArrayDeque<Lease>();
        for (int i = 0; i < 100; i++) {
            active.add(active(256));
        }
        source.capacity = source.allocatedBytes();
        source.duringAllocation = () -> active.remove().end();
        denied(4 * PAGE);
        List<String> refusals = new ArrayList<>(source.takeSteps());
        refusals.removeIf(step -> !step.startsWith("refuse"));
        assertThat(refusals).as("two in each attempt").hasSize(6);
    }

    @Test
    void aRequestAtALimitIsNotRepeatedIfNothingChanged() {
        limits(limits -> limits.withMemoryLimit(4 * PAGE));
        parked(4 * PAGE);
        int questions = fence.questions();
        denied(4 * PAGE);
        assertThat(fence.questions() - questions).as("one in each attempt").isEqualTo(2);
    }

    @Test
    void aRequestOfAPoolThatIsClosedMeanwhileFails() {
        duringCall(1, pool::close);
        assertThatIllegalStateException().isThrownBy(() -> lease(PAGE - 1)).withMessage("the pool is closed");
        assertThat(source.takeSteps()).as("its memory is freed").containsExactly("allocate 16384", "free 16384");
        assertThat(pool.snapshot().activeCount()).isZero();
    }

    @Test
    void aRequestThatWaitsWhileThePoolIsClosedFails() {
        limits(limits -> limits.withMemoryLimit(4 * PAGE).withWaitNanos(HOUR));
        parked(4 * PAGE);
        Request request = requestElsewhere(4 * PAGE);
        Waiting.until("a thread waits for the fence", () -> fence.waiting() == 1);
        pool.close();
        ExecutionException failure = catchThrowableOfType(ExecutionException.class, () -> request.get());
        assertThat(failure)
                .hasRootCauseInstanceOf(IllegalStateException.class)
                .hasRootCauseMessage("the pool is closed");
        fence.complete();
    }

    @Test
    void aRequestOfAClosedDeviceFails() {
        source.open = false;
        assertThatIllegalStateException().isThrownBy(() -> lease(PAGE - 1)).withMessage("the device is closed");
    }

    @Test
    void aFailureOfTheDeviceCostsNoBudget() {
        limits(limits -> limits.withBufferLimit(1));
        source.duringAllocation = () -> {
            throw new IllegalStateException("the device fails");
        };
        assertThatIllegalStateException().isThrownBy(() -> lease(PAGE - 1)).withMessage("the device fails");
        source.duringAllocation = () -> {};
        assertThat(lease(PAGE - 1).capacity()).isEqualTo(PAGE);
    }

    @Test
    void aDenialByTheMemoryLimitNamesTheFigures() {
        limits(limits -> limits.withMemoryLimit(8 * PAGE).withBufferLimit(10));
        active(4 * PAGE);
        free(PAGE);
        parked(2 * PAGE);
        BufferAllocationException denial = denied(8 * PAGE);
        assertThat(denial)
                .hasMessage("no memory for 131072 bytes: a native buffer of 131072 was refused by the memory limit. The"
                        + " pool pool has 65536 bytes in 1 active buffers, 16384 cached and 32768 parked; its limits"
                        + " are 131072 bytes and 10 buffers; the device counts 114688 of 68719476736 recommended."
                        + " Release buffers earlier, or raise memoryLimit")
                .hasNoCause();
        assertThat(denial.requestedBytes()).isEqualTo(8 * PAGE);
        assertThat(denial.poolStats()).contains(pool.snapshot());
        assertThat(pool.snapshot().failedAllocations()).isEqualTo(1);
    }

    @Test
    void aDenialByTheBufferLimitSaysSo() {
        limits(limits -> limits.withBufferLimit(1));
        active(PAGE);
        assertThat(denied(100))
                .hasMessageStartingWith(
                        "no memory for 100 bytes: a native buffer of 16384 was refused by the limit on the"
                                + " number of buffers. The pool pool has 16384 bytes in 1 active buffers, 0 cached and 0 parked;"
                                + " its limits are unlimited bytes and 1 buffers;")
                .hasMessageEndingWith(" Release buffers earlier, or raise bufferLimit");
    }

    @Test
    void aDenialByTheDeviceHasItsOwnWords() {
        source.capacity = PAGE;
        assertThat(denied(THREE_PAGES))
                .hasMessageStartingWith("no memory for 32769 bytes: a native buffer of 49152 was refused by the device"
                        + " (the fake device has no memory left). The pool pool has 0 bytes in 0 active buffers, 0"
                        + " cached and 0 parked; its limits are unlimited bytes and unlimited buffers;")
                .hasMessageEndingWith("Release buffers earlier, or make room on the device; a lower memoryLimit keeps a"
                        + " pool from asking for more than the device has")
                .hasCauseInstanceOf(BufferAllocationException.class);
    }

    @Test
    void aDenialByALimitAfterARefusalHasNoWordsOfTheDevice() {
        Lease active = active(PAGE);
        source.capacity = PAGE;
        duringCall(2, () -> pool.adjust(limits -> limits.withMemoryLimit(PAGE), false));
        assertThat(denied(PAGE))
                .hasMessageContaining("refused by the memory limit. The pool")
                .hasNoCause();
        assertThat(active.isActive()).isTrue();
    }

    @Test
    void aDenialAfterWaitingForParkedMemorySaysSo() {
        limits(limits -> limits.withMemoryLimit(4 * PAGE).withWaitNanos(HOUR));
        parked(4 * PAGE);
        Request request = requestElsewhere(4 * PAGE);
        Waiting.until("a thread waits for the fence", () -> fence.waiting() == 1);
        Waiting.untilAsleep(request.thread());
        fence.failing = true;
        assertThat(catchThrowableOfType(ExecutionException.class, request::get).getCause())
                .hasMessageContaining("refused by the memory limit, also after up to 3600000 ms of waiting for parked"
                        + " buffers. The pool");
        assertThat(log.with("FakeFence failed")).hasSize(1);
        fence.complete();
    }

    @Test
    void aDenialWithoutWaitingDoesNotSpeakOfIt() {
        limits(limits -> limits.withMemoryLimit(4 * PAGE));
        parked(4 * PAGE);
        assertThat(denied(4 * PAGE)).hasMessageContaining("refused by the memory limit. The pool");
        assertThat(fence.waiting()).as("threads that wait for the fence").isZero();
    }

    @Test
    void anInterruptEndsTheWaiting() {
        limits(limits -> limits.withMemoryLimit(4 * PAGE).withWaitNanos(HOUR));
        parked(4 * PAGE);
        Thread.currentThread().interrupt();
        assertThat(denied(4 * PAGE))
                .hasMessageContaining(
                        ", also after up to 3600000 ms of waiting for parked buffers, which was interrupted. The");
        assertThat(Thread.interrupted()).as("the thread stays interrupted").isTrue();
        fence.complete();
    }

    @Test
    void aDenialNamesTheBytesThatAreBeingFreed() {
        limits(limits -> limits.withMemoryLimit(8 * PAGE).withCacheLimit(0));
        active(4 * PAGE);
        source.delaysFreeing = true;
        free(PAGE);
        assertThat(denied(8 * PAGE))
                .hasMessageContaining(", 0 cached and 0 parked, 16384 that are being freed; its limits");
    }
}
