package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** The limits of a pool: how much it may hold and cache, and what a request does when it reaches a limit. */
@Tag("contract")
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@ParameterizedClass
@EnumSource(Sizing.class)
class LimitsTest {
    /** Longer than the timeout of a test, so that a test which waits this long fails. */
    private static final Duration FOREVER = Duration.ofDays(1);

    @RegisterExtension
    final LogRecords log = new LogRecords();

    private final Sizing sizing;
    private final MlxDevice device = MlxDevice.open();
    private final long bytesBefore = device.allocatedBytes();
    private final long page;
    private final MlxBufferPool pool;
    private final TestFence fence = new TestFence();

    LimitsTest(Sizing sizing) {
        this.sizing = sizing;
        page = LeastBuffer.bytes(device, sizing);
        pool = MlxBufferPool.builder(device)
                .sizing(sizing)
                .waitForParked(FOREVER)
                .trimIdleAfter(Duration.ZERO)
                .build();
    }

    @AfterEach
    void allMemoryIsFreed() {
        pool.reset();
        fence.complete();
        pool.close();
        AllocatedBytes.assertBackTo(device, bytesBefore);
        device.close();
    }

    private MlxBuffer alloc(long byteLength) {
        return pool.alloc(byteLength, DType.U8);
    }

    /** Caches one buffer of each length, released in this order. */
    private void cache(long... byteLengths) {
        List<MlxBuffer> buffers = new ArrayList<>();
        for (long byteLength : byteLengths) {
            buffers.add(alloc(byteLength));
        }
        buffers.forEach(MlxBuffer::close);
    }

    private BufferAllocationException refused(long byteLength) {
        long failed = pool.stats().failedAllocations();
        BufferAllocationException refusal =
                catchThrowableOfType(BufferAllocationException.class, () -> alloc(byteLength));
        assertThat(refusal).as("refusal of %d bytes", byteLength).isNotNull();
        assertThat(refusal.requestedBytes()).isEqualTo(byteLength);
        assertThat(pool.stats().failedAllocations()).isEqualTo(failed + 1);
        return refusal;
    }

    @Test
    void comeFromTheDevice() {
        MlxBufferPool plain = MlxBufferPool.builder(device).sizing(sizing).build();
        assertThat(plain.limits().memoryLimit()).isBetween(1L, device.info().recommendedMaxWorkingSetSize());
        assertThat(plain.limits().cacheLimit()).isEqualTo(plain.limits().memoryLimit() / 8);
        assertThat(plain.limits().bufferLimit()).isEqualTo(499_000);
        assertThat(plain.limits().roundToPagesAbove()).isEqualTo(32 << 20);
        assertThat(plain.limits().trimIdleAfter()).isEqualTo(Duration.ofMinutes(1));
        assertThat(plain.limits().purgeableAfter()).isEqualTo(Duration.ofSeconds(10));
        assertThat(plain.limits().waitForParked()).isEqualTo(Duration.ofSeconds(5));
        plain.close();
    }

    @Test
    void areWhatTheBuilderOrTheSettersSay() {
        MlxBufferPool built = MlxBufferPool.builder(device)
                .sizing(sizing)
                .memoryLimit(1 << 20)
                .cacheLimit(1 << 16)
                .bufferLimit(7)
                .roundToPagesAbove(1 << 18)
                .trimIdleAfter(Duration.ofSeconds(3))
                .purgeableAfter(Duration.ofSeconds(2))
                .waitForParked(Duration.ofMillis(5))
                .build();
        assertThat(built.limits())
                .returns(1L << 20, PoolLimits::memoryLimit)
                .returns(1L << 16, PoolLimits::cacheLimit)
                .returns(7L, PoolLimits::bufferLimit)
                .returns(1L << 18, PoolLimits::roundToPagesAbove)
                .returns(Duration.ofSeconds(3), PoolLimits::trimIdleAfter)
                .returns(Duration.ofSeconds(2), PoolLimits::purgeableAfter)
                .returns(Duration.ofMillis(5), PoolLimits::waitForParked);
        built.limits().setMemoryLimit(1);
        built.limits().setCacheLimit(2);
        built.limits().setBufferLimit(3);
        built.limits().setRoundToPagesAbove(4);
        built.limits().setTrimIdleAfter(Duration.ofNanos(5));
        built.limits().setPurgeableAfter(Duration.ofNanos(7));
        built.limits().setWaitForParked(Duration.ofNanos(6));
        assertThat(built.limits())
                .returns(1L, PoolLimits::memoryLimit)
                .returns(2L, PoolLimits::cacheLimit)
                .returns(3L, PoolLimits::bufferLimit)
                .returns(4L, PoolLimits::roundToPagesAbove)
                .returns(Duration.ofNanos(5), PoolLimits::trimIdleAfter)
                .returns(Duration.ofNanos(7), PoolLimits::purgeableAfter)
                .returns(Duration.ofNanos(6), PoolLimits::waitForParked);
        built.close();
    }

    @Test
    void areNeverNegative() {
        Duration negative = Duration.ofMillis(-1);
        MlxBufferPool.Builder builder = MlxBufferPool.builder(device);
        List<Runnable> settings = List.of(
                () -> builder.memoryLimit(-1),
                () -> builder.cacheLimit(-1),
                () -> builder.bufferLimit(-1),
                () -> builder.roundToPagesAbove(-1),
                () -> pool.limits().setMemoryLimit(-1),
                () -> pool.limits().setCacheLimit(-1),
                () -> pool.limits().setBufferLimit(-1),
                () -> pool.limits().setRoundToPagesAbove(-1));
        for (Runnable setting : settings) {
            assertThatIllegalArgumentException().isThrownBy(setting::run).withMessageContaining("-1");
        }
        List<Runnable> times = List.of(
                () -> builder.trimIdleAfter(negative),
                () -> builder.purgeableAfter(negative),
                () -> builder.waitForParked(negative),
                () -> pool.limits().setTrimIdleAfter(negative),
                () -> pool.limits().setPurgeableAfter(negative),
                () -> pool.limits().setWaitForParked(negative));
        for (Runnable setting : times) {
            assertThatIllegalArgumentException().isThrownBy(setting::run).withMessageContaining("PT-0.001S");
        }
    }

    @Nested
    class OfMemory {
        @Test
        void areHard() {
            pool.limits().setMemoryLimit(2 * page);
            MlxBuffer first = alloc(page);
            MlxBuffer second = alloc(page);
            assertThat(refused(1))
                    .hasMessageContainingAll(
                            "no memory for 1 bytes",
                            "of " + page + " was refused by the memory limit",
                            2 * page + " bytes in 2 active buffers, 0 cached and 0 parked",
                            "its limits are " + 2 * page + " bytes and 499000 buffers",
                            "raise memoryLimit")
                    .hasNoCause();
            assertThat(second.isReleased()).isFalse();
            first.close();
            assertThat(alloc(page).capacity()).isEqualTo(page);
        }

        /** The device takes whole pages, which small buffers share. */
        @Test
        void countWhatTheDeviceTakes() {
            pool.limits().setMemoryLimit(4 * page);
            long before = device.allocatedBytes();
            List<MlxBuffer> scalars = new ArrayList<>();
            for (long i = 0; i < 4 * page / 256; i++) {
                scalars.add(alloc(4));
            }
            assertThat(device.allocatedBytes() - before).isEqualTo(4 * page);
            assertThat(refused(4)).hasMessageContaining("of " + page + " was refused by the memory limit");
            scalars.forEach(MlxBuffer::close);
        }

        @Test
        void ofZeroRefuseEverything() {
            pool.limits().setMemoryLimit(0);
            assertThat(refused(1)).hasMessageContaining("0 bytes in 0 active");
        }

        @Test
        void evictTheCachedBuffersReleasedLongestAgo() {
            cache(4 * page, 2 * page, page);
            pool.limits().setMemoryLimit(7 * page);
            MlxBuffer large = alloc(8);
            assertThat(large.capacity()).isEqualTo(256);
            assertThat(pool.stats())
                    .returns(4 * page, PoolStats::trimmedBytes)
                    .returns(4 * page - 256, PoolStats::cachedBytes)
                    .returns(0L, PoolStats::failedAllocations);
        }

        @Test
        void keepTheCacheWhereItCannotHelp() {
            MlxBuffer active = alloc(4 * page);
            cache(page);
            pool.limits().setMemoryLimit(5 * page);
            refused(2 * page);
            assertThat(pool.freeBytes()).isEqualTo(page);
            active.close();
            assertThat(alloc(2 * page).capacity()).isEqualTo(2 * page);
        }

        @Test
        void whenLoweredFreeCachedMemoryAtOnceAndLeasesAsTheyEnd() {
            MlxBuffer active = alloc(4 * page);
            cache(2 * page);
            pool.limits().setMemoryLimit(page);
            assertThat(pool.stats().footprintBytes()).isEqualTo(4 * page);
            refused(1);
            active.close();
            assertThat(pool.stats().footprintBytes()).isZero();
            AllocatedBytes.assertBackTo(device, bytesBefore);
            assertThat(alloc(page).capacity()).isEqualTo(page);
        }

        @Test
        void canBeSwitchedOff() {
            pool.limits().setMemoryLimit(0);
            pool.limits().setMemoryLimit(MlxBufferPool.UNLIMITED);
            pool.limits().setBufferLimit(MlxBufferPool.UNLIMITED);
            pool.limits().setCacheLimit(MlxBufferPool.UNLIMITED);
            cache(1 << 20);
            assertThat(pool.freeBytes()).isEqualTo(1 << 20);
        }
    }

    @Nested
    class OfBuffers {
        @Test
        void areHard() {
            pool.limits().setBufferLimit(2);
            MlxBuffer first = alloc(page);
            alloc(2 * page);
            assertThat(refused(4 * page))
                    .hasMessageContainingAll(
                            "refused by the limit on the number of buffers",
                            "in 2 active buffers",
                            "raise bufferLimit");
            first.close();
            assertThat(alloc(4 * page).capacity())
                    .as("in the place of free memory")
                    .isEqualTo(4 * page);
            assertThat(pool.stats().trimmedBytes()).isEqualTo(page);
        }

        /** The pool could evict its cached buffer to stay below the limit on buffers. */
        @Test
        void areNotNamedWhereTheMemoryLimitIsTheCause() {
            pool.limits().setBufferLimit(2);
            pool.limits().setMemoryLimit(4 * page);
            MlxBuffer active = alloc(page);
            cache(2 * page);
            assertThat(refused(100 * page)).hasMessageContaining("refused by the memory limit");
            assertThat(active.isReleased()).isFalse();
        }

        @Test
        void whenLoweredFreeCachedBuffersAtOnce() {
            cache(page, 2 * page, 4 * page);
            pool.limits().setBufferLimit(1);
            assertThat(pool.freeBytes()).isEqualTo(4 * page);
        }
    }

    @Nested
    class OfTheCache {
        @Test
        void freeTheBuffersReleasedLongestAgo() {
            pool.limits().setCacheLimit(3 * page);
            cache(page, 2 * page, page);
            assertThat(pool.freeBytes()).isEqualTo(3 * page);
            assertThat(pool.stats().trimmedBytes()).isEqualTo(page);
            MlxBuffer one = alloc(page);
            assertThat(pool.stats().hits()).isEqualTo(1);
            one.close();
        }

        @Test
        void ofZeroCacheNothing() {
            pool.limits().setCacheLimit(0);
            cache(page);
            assertThat(pool.freeCount()).isZero();
            AllocatedBytes.assertBackTo(device, bytesBefore);
        }

        @Test
        void freeABufferLargerThanTheLimitAndNoOther() {
            pool.limits().setCacheLimit(3 * page);
            cache(page, 4 * page, 2 * page);
            assertThat(pool.freeBytes()).isEqualTo(3 * page);
            assertThat(pool.stats().trimmedBytes()).isEqualTo(4 * page);
        }

        @Test
        void whenLoweredFreeCachedMemoryAtOnce() {
            cache(page, 2 * page, 4 * page);
            pool.limits().setCacheLimit(5 * page);
            assertThat(pool.freeBytes()).isEqualTo(4 * page);
        }
    }

    @Nested
    class OfTime {
        @Test
        void freeIdleMemoryWithoutACall() {
            cache(page, 2 * page);
            pool.limits().setTrimIdleAfter(Duration.ofMillis(20));
            AllocatedBytes.assertBackTo(device, bytesBefore);
            assertThat(pool.stats()).returns(3 * page, PoolStats::trimmedBytes).returns(0, PoolStats::cachedCount);
            cache(page);
            AllocatedBytes.assertBackTo(device, bytesBefore);
        }

        @Test
        void leaveUsedMemoryAlone() {
            cache(page, 4 * page);
            pool.limits().setTrimIdleAfter(Duration.ofMillis(300));
            for (int i = 0; i < 2000 && pool.freeCount() > 0; i++) {
                alloc(page).close();
                Async.pause();
                if (pool.stats().trimmedBytes() == 4 * page) {
                    break;
                }
            }
            assertThat(pool.stats()).returns(4 * page, PoolStats::trimmedBytes).returns(1, PoolStats::cachedCount);
        }

        @Test
        void freeParkedMemoryWithoutACall() {
            pool.limits().setTrimIdleAfter(Duration.ofMillis(20));
            pool.release(alloc(page), fence);
            fence.complete();
            AllocatedBytes.assertBackTo(device, bytesBefore);
        }

        @Test
        void canBeSwitchedOff() throws InterruptedException {
            pool.limits().setTrimIdleAfter(Duration.ofMillis(20));
            pool.limits().setTrimIdleAfter(Duration.ZERO);
            cache(page);
            TimeUnit.MILLISECONDS.sleep(100);
            assertThat(pool.freeBytes()).isEqualTo(page);
        }
    }

    @Nested
    class WithParkedMemory {
        @Test
        void waitForTheFence() throws Exception {
            pool.limits().setMemoryLimit(page);
            pool.release(alloc(page), fence);
            FutureTask<MlxBuffer> request = Async.start(() -> alloc(page));
            Async.await(() -> fence.awaited() == 1);
            fence.complete();
            assertThat(request.get().capacity()).isEqualTo(page);
            assertThat(pool.stats()).returns(1L, PoolStats::hits).returns(0L, PoolStats::failedAllocations);
        }

        @Test
        void makeRoomForOtherSizesOnceTheFenceIsComplete() throws Exception {
            pool.limits().setMemoryLimit(4 * page);
            pool.release(alloc(2 * page), fence);
            FutureTask<MlxBuffer> request = Async.start(() -> alloc(4 * page));
            Async.await(() -> fence.awaited() == 1);
            fence.complete();
            assertThat(request.get().capacity()).isEqualTo(4 * page);
        }

        @Test
        void takeTheFenceThatCompletesFirst() throws Exception {
            TestFence later = new TestFence();
            pool.limits().setMemoryLimit(2 * page);
            pool.release(alloc(page), fence);
            pool.release(alloc(page), later);
            FutureTask<MlxBuffer> request = Async.start(() -> alloc(page));
            Async.await(() -> later.awaited() == 1);
            later.complete();
            assertThat(request.get().capacity()).isEqualTo(page);
            assertThat(pool.stats().parkedBytes()).as("the first fence's").isEqualTo(page);
        }

        @Test
        void needNoWaitWhereTheFenceIsComplete() {
            pool.limits().setMemoryLimit(page);
            pool.release(alloc(page), fence);
            fence.complete();
            alloc(page);
            assertThat(fence.awaited()).isZero();
        }

        @Test
        void giveUpInTimeOnAFenceThatNeverCompletes() {
            pool.limits().setMemoryLimit(page);
            pool.limits().setWaitForParked(Duration.ofMillis(500));
            pool.release(alloc(page), fence);
            assertThat(refused(page))
                    .hasMessageContainingAll("after up to 500 ms of waiting for parked buffers", page + " parked");
            assertThat(pool.stats().parkedBytes()).isEqualTo(page);
        }

        @Test
        void doNotWaitWhereTheyAreToldNotTo() {
            pool.limits().setMemoryLimit(page);
            pool.limits().setWaitForParked(Duration.ZERO);
            pool.release(alloc(page), fence);
            assertThat(refused(page).getMessage()).doesNotContain("waiting");
            assertThat(fence.awaited()).isZero();
        }

        @Test
        void doNotWaitWhereItCannotHelp() {
            pool.limits().setMemoryLimit(4 * page);
            pool.release(alloc(page), fence);
            refused(8 * page);
            assertThat(fence.awaited()).isZero();
        }

        @Test
        void giveUpOnAFenceThatFails() {
            pool.limits().setMemoryLimit(page);
            pool.release(alloc(page), fence);
            fence.failing = true;
            refused(page);
            assertThat(log.with("TestFence failed: the memory that is parked with it stays parked"))
                    .hasSize(1);
            fence.failing = false;
        }

        @Test
        void doNotSpinOnAFenceWhoseAwaitReturnsEarly() {
            pool.limits().setMemoryLimit(page);
            pool.limits().setWaitForParked(Duration.ofMillis(200));
            AtomicInteger asked = new AtomicInteger();
            MlxFence liar = new MlxFence() {
                @Override
                public boolean isComplete() {
                    asked.incrementAndGet();
                    return fence.isComplete();
                }

                @Override
                public void await() {}
            };
            pool.release(alloc(page), liar);
            refused(page);
            assertThat(asked.get()).isLessThan(50);
        }

        @Test
        void giveUpWhenTheThreadIsInterrupted() throws Exception {
            pool.limits().setMemoryLimit(page);
            pool.release(alloc(page), fence);
            boolean[] interrupted = new boolean[1];
            Thread thread = Thread.ofPlatform().start(() -> {
                refused(page);
                interrupted[0] = Thread.currentThread().isInterrupted();
            });
            Async.await(() -> fence.awaited() == 1);
            thread.interrupt();
            thread.join();
            assertThat(interrupted[0]).isTrue();
            assertThat(pool.stats().parkedBytes()).isEqualTo(page);
        }

        /** The thread that would wait is the thread that has to close the scope. */
        @Test
        void doNotWaitForAScope() {
            pool.limits().setMemoryLimit(2 * page);
            TestFence withScope = new TestFence();
            try (MlxScope scope = pool.confinedScope()) {
                scope.alloc(page, DType.U8).close();
                pool.release(scope.alloc(page, DType.U8), withScope);
                assertThatExceptionOfType(BufferAllocationException.class)
                        .isThrownBy(() -> scope.alloc(page, DType.U8))
                        .withMessageContaining(2 * page + " parked");
                assertThat(withScope.awaited()).isZero();
            }
            assertThat(alloc(page).capacity()).isEqualTo(page);
            withScope.complete();
        }

        @Test
        void areRefusedWhenThePoolClosesMeanwhile() {
            pool.limits().setMemoryLimit(page);
            pool.release(alloc(page), fence);
            FutureTask<MlxBuffer> request = Async.start(() -> alloc(page));
            Async.await(() -> fence.awaited() == 1);
            pool.close();
            assertThatExceptionOfType(ExecutionException.class)
                    .isThrownBy(request::get)
                    .withCauseInstanceOf(IllegalStateException.class);
            fence.complete();
            AllocatedBytes.assertBackTo(device, bytesBefore);
        }

        @Test
        void areServedByTheFirstMemoryThatBecomesFree() throws Exception {
            pool.limits().setMemoryLimit(2 * page);
            MlxBuffer active = alloc(page);
            pool.release(alloc(page), fence);
            FutureTask<MlxBuffer> released = Async.start(() -> alloc(page));
            Async.await(() -> fence.awaited() == 1);
            active.close();
            assertThat(released.get().capacity()).isEqualTo(page);
            FutureTask<MlxBuffer> raised = Async.start(() -> alloc(page));
            pool.limits().setMemoryLimit(3 * page);
            assertThat(raised.get().capacity()).isEqualTo(page);
        }

        /**
         * Memory whose fence completes serves every waiting request, also while a thread still moves it to the cache.
         */
        @Test
        void serveTwoRequestsWithOneFence() throws Exception {
            for (int round = 0; round < 200; round++) {
                TestFence both = new TestFence();
                pool.limits().setMemoryLimit(2 * page);
                pool.release(alloc(page), both);
                pool.release(alloc(page), both);
                FutureTask<MlxBuffer> first = Async.start(() -> alloc(page));
                FutureTask<MlxBuffer> second = Async.start(() -> alloc(page));
                Async.await(() -> both.awaited() >= 1);
                both.complete();
                pool.stats();
                pool.release(first.get());
                pool.release(second.get());
                pool.clear();
            }
        }

        /** The pool waits for the oldest fences only, with a few threads. */
        @Test
        void seeALateFenceBehindManyThatNeverComplete() throws Exception {
            List<TestFence> stuck = new ArrayList<>();
            pool.limits().setMemoryLimit(11 * page);
            for (int i = 0; i < 10; i++) {
                stuck.add(new TestFence());
                pool.release(alloc(page), stuck.getLast());
            }
            pool.release(alloc(page), fence);
            FutureTask<MlxBuffer> request = Async.start(() -> alloc(page));
            Async.await(() -> stuck.getFirst().awaited() == 1);
            fence.complete();
            assertThat(request.get().capacity()).isEqualTo(page);
            assertThat(stuck.stream().mapToInt(TestFence::awaiting).sum()).isLessThanOrEqualTo(8);
            stuck.forEach(TestFence::complete);
        }

        /** Runs more threads than the limit has buffers, with fences that complete out of order. */
        @Test
        void serveManyVirtualThreads() throws Exception {
            int threads = 50;
            pool.limits().setMemoryLimit(4 * page);
            List<TestFence> fences = new ArrayList<>();
            CountDownLatch done = new CountDownLatch(threads);
            try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
                List<Future<?>> requests = new ArrayList<>();
                for (int i = 0; i < threads; i++) {
                    requests.add(executor.submit(() -> {
                        MlxBuffer buffer = allocOnceThereIsRoom();
                        TestFence inUse = new TestFence();
                        synchronized (fences) {
                            fences.add(inUse);
                        }
                        pool.release(buffer, inUse);
                        done.countDown();
                    }));
                }
                while (!done.await(1, TimeUnit.MILLISECONDS)) {
                    TestFence last;
                    synchronized (fences) {
                        last = fences.isEmpty() ? null : fences.removeLast();
                    }
                    if (last != null) {
                        last.complete();
                    }
                }
                for (Future<?> request : requests) {
                    request.get();
                }
            }
            fences.forEach(TestFence::complete);
            // A thread that waited for a fence may still be moving its memory to the cache.
            Async.await(() -> pool.stats().parkedCount() == 0);
            assertThat(pool.stats())
                    .returns(0, PoolStats::activeCount)
                    .satisfies(stats -> assertThat(stats.peakFootprintBytes()).isLessThanOrEqualTo(4 * page));
        }

        private MlxBuffer allocOnceThereIsRoom() {
            while (true) {
                try {
                    return alloc(page);
                } catch (BufferAllocationException allAreActive) {
                    Thread.yield();
                }
            }
        }
    }
}
