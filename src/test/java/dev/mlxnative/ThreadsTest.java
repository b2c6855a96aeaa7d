package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Concurrent use: leases never share memory, every count is right, and nothing crashes. */
@Tag("contract")
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@ParameterizedClass
@EnumSource(Sizing.class)
class ThreadsTest {
    private final Sizing sizing;

    private static final int THREADS = 8;

    @RegisterExtension
    final LogRecords log = new LogRecords();

    private final MlxDevice device = MlxDevice.open();
    private final long bytesBefore = device.allocatedBytes();

    ThreadsTest(Sizing sizing) {
        this.sizing = sizing;
    }

    private MlxBufferPool.Builder builder(MlxDevice owner) {
        return MlxBufferPool.builder(owner).sizing(sizing);
    }

    @AfterEach
    void nothingIsLeft() throws InterruptedException {
        AllocatedBytes.assertBackTo(device, bytesBefore);
        device.close();
    }

    private interface Task {
        void run(int thread) throws Exception;
    }

    /** Runs a task on several threads that begin together, and throws if any of them does. */
    private static void onThreads(boolean virtual, int threads, Task task) throws Exception {
        CyclicBarrier start = new CyclicBarrier(threads);
        List<Throwable> failures = new ArrayList<>();
        try (ExecutorService executor =
                virtual ? Executors.newVirtualThreadPerTaskExecutor() : Executors.newFixedThreadPool(threads)) {
            List<Future<?>> running = new ArrayList<>();
            for (int i = 0; i < threads; i++) {
                int thread = i;
                running.add(executor.submit(() -> {
                    try {
                        start.await();
                        task.run(thread);
                        return null;
                    } catch (Throwable e) {
                        // Interrupts the other threads, which may wait for this one.
                        executor.shutdownNow();
                        throw e;
                    }
                }));
            }
            for (Future<?> each : running) {
                try {
                    each.get();
                } catch (ExecutionException e) {
                    failures.add(e.getCause());
                }
            }
        }
        // Reports the failure rather than the interruptions that it caused.
        failures.stream()
                .filter(failure ->
                        !(failure instanceof InterruptedException || failure instanceof BrokenBarrierException))
                .findFirst()
                .ifPresent(failure -> {
                    throw new AssertionError(failure);
                });
        assertThat(failures).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"false, false, 60000", "true, false, 60000", "false, true, 1000"})
    void stampsSurviveUntilTheirRelease(boolean virtual, boolean checked, int rounds) throws Exception {
        AtomicLong requests = new AtomicLong();
        try (MlxBufferPool pool = builder(device).checked(checked).build();
                MlxSharedEvent event = device.newSharedEvent()) {
            AtomicLong clock = new AtomicLong();
            onThreads(virtual, THREADS, thread -> {
                SplittableRandom random = new SplittableRandom(thread);
                List<Stamped> held = new ArrayList<>();
                for (int round = 0; round < rounds; round++) {
                    MlxBuffer buffer = pool.alloc(8 + random.nextLong(3 << random.nextInt(12)), DType.U8);
                    requests.incrementAndGet();
                    held.add(new Stamped(buffer, ((long) thread << 32) + round));
                    if (held.size() > 20 || random.nextInt(3) == 0) {
                        Stamped next = held.remove(random.nextInt(held.size()));
                        next.check();
                        switch (random.nextInt(4)) {
                            case 0 -> next.buffer.close();
                            case 1 -> pool.release(next.buffer, event.at(clock.get() + 1));
                            default -> pool.release(next.buffer);
                        }
                    }
                    if (random.nextInt(100) == 0) {
                        signal(event, clock);
                    }
                    if (random.nextInt(2000) == 0) {
                        pool.trim(random.nextLong(1 << 20));
                    }
                }
                for (Stamped last : held) {
                    last.check();
                    pool.release(last.buffer);
                }
            });
            event.signal(Long.MAX_VALUE);
            PoolStats stats = pool.stats();
            assertThat(stats.requests()).isEqualTo(requests.get());
            assertThat(stats.requests()).isEqualTo(stats.hits() + stats.nativeAllocations());
            assertThat(stats)
                    .returns(0, PoolStats::activeCount)
                    .returns(0L, PoolStats::activeBytes)
                    .returns(0L, PoolStats::requestedBytes)
                    .returns(0, PoolStats::parkedCount);
            assertThat(stats.hits()).isGreaterThan(stats.requests() / 2);
        }
    }

    private static void signal(MlxSharedEvent event, AtomicLong clock) {
        // The lock keeps the signals in the order of the clock.
        synchronized (event) {
            event.signal(clock.incrementAndGet());
        }
    }

    /** A buffer that its holder has filled with a stamp. */
    private record Stamped(MlxBuffer buffer, long stamp) {
        Stamped {
            MemorySegment segment = buffer.segment();
            for (long i = 0; i < segment.byteSize() / 8; i++) {
                segment.setAtIndex(JAVA_LONG, i, stamp);
            }
        }

        void check() {
            MemorySegment segment = buffer.segment();
            for (long i = 0; i < segment.byteSize() / 8; i++) {
                long found = segment.getAtIndex(JAVA_LONG, i);
                if (found != stamp) {
                    throw new AssertionError("word " + i + " of " + buffer + " was stamped " + stamp + ", is " + found);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aLeaseEndsOnceIfSeveralThreadsEndIt(boolean checked) throws Exception {
        int threads = 4;
        CyclicBarrier barrier = new CyclicBarrier(threads);
        AtomicReference<MlxBuffer> current = new AtomicReference<>();
        AtomicInteger releases = new AtomicInteger();
        try (MlxBufferPool pool = builder(device).checked(checked).build()) {
            onThreads(false, threads, thread -> {
                for (int round = 0; round < 5000; round++) {
                    if (thread == 0) {
                        current.set(pool.alloc(DType.U8, 100));
                        releases.set(0);
                    }
                    barrier.await();
                    MlxBuffer buffer = current.get();
                    switch (thread) {
                        case 0 -> buffer.close();
                        case 1 -> pool.reset();
                        default -> {
                            try {
                                pool.release(buffer);
                                releases.incrementAndGet();
                            } catch (IllegalStateException e) {
                                assertThat(e).hasMessageContaining("released before");
                            }
                        }
                    }
                    barrier.await();
                    if (thread == 0) {
                        assertThat(releases.get()).isLessThanOrEqualTo(1);
                        assertThat(buffer.isReleased()).isTrue();
                        PoolStats stats = pool.stats();
                        assertThat(stats)
                                .returns(1L, PoolStats::nativeAllocations)
                                .returns(0, PoolStats::activeCount)
                                .returns(stats.footprintBytes(), PoolStats::cachedBytes);
                    }
                }
            });
        }
    }

    @Test
    void resetWhileOthersAllocateLosesNothing() throws Exception {
        try (MlxBufferPool pool = builder(device).build()) {
            onThreads(false, THREADS, thread -> {
                for (int round = 0; round < 20_000; round++) {
                    if (thread == 0) {
                        if (round % 20 == 0) {
                            pool.reset();
                        }
                    } else {
                        MlxBuffer buffer = pool.alloc(DType.U8, 100 + round % 2000);
                        if (round % 2 == 0) {
                            buffer.close();
                        }
                    }
                }
            });
            pool.reset();
            PoolStats stats = pool.stats();
            assertThat(stats)
                    .returns(7L * 20_000, PoolStats::requests)
                    .returns(0, PoolStats::activeCount)
                    .returns(0L, PoolStats::requestedBytes)
                    .returns(stats.footprintBytes(), PoolStats::cachedBytes);
        }
    }

    @Test
    void usingABufferWhileItIsReleasedThrowsAtWorst() throws Exception {
        for (int round = 0; round < 200; round++) {
            MlxBuffer buffer = device.allocBuffer(DType.U8, 1 << 16);
            onThreads(false, 4, thread -> {
                if (thread == 0) {
                    Thread.sleep(0, 100_000);
                    buffer.close();
                    return;
                }
                try {
                    while (true) {
                        buffer.segment().fill((byte) thread);
                        buffer.label("round");
                        buffer.slice(100, DType.U8, 100).segment().fill((byte) 1);
                        if (buffer.handle().address() == 0) {
                            throw new AssertionError("no handle");
                        }
                    }
                } catch (IllegalStateException expected) {
                    assertThat(buffer.isReleased()).isTrue();
                }
            });
        }
    }

    @Test
    void staleSegmentsSurviveTrimming() throws Exception {
        try (MlxBufferPool pool = builder(device).build()) {
            onThreads(false, 4, thread -> {
                for (int round = 0; round < 2000; round++) {
                    if (thread == 0) {
                        pool.clear();
                    } else {
                        MlxBuffer buffer = pool.alloc(DType.U8, 5000);
                        MemorySegment segment = buffer.segment();
                        buffer.close();
                        try {
                            segment.fill((byte) 1);
                        } catch (IllegalStateException e) {
                            assertThat(e).hasMessageContaining("closed");
                        }
                    }
                }
            });
        }
    }

    @Test
    void scopesOfManyThreadsShareAPool() throws Exception {
        try (MlxBufferPool pool = builder(device).build();
                MlxScope shared = pool.scope()) {
            onThreads(true, THREADS, thread -> {
                for (int round = 0; round < 300; round++) {
                    try (MlxScope own = round % 2 == 0 ? pool.scope() : pool.confinedScope()) {
                        List<Stamped> stamped = new ArrayList<>();
                        for (int i = 0; i < 20; i++) {
                            MlxScope scope = i == 0 ? shared : own;
                            stamped.add(new Stamped(scope.alloc(64 + i * 100L, DType.U8), thread * 1_000_000L + i));
                        }
                        stamped.get(5).buffer.close();
                        stamped.remove(5);
                        stamped.forEach(Stamped::check);
                    }
                }
            });
            shared.close();
            assertThat(pool.stats()).returns(0, PoolStats::activeCount).returns(0, PoolStats::parkedCount);
        }
    }

    @Test
    void freedMemoryIsInNoResidencySet() throws Exception {
        try (MlxResidencySet set = device.newResidencySet("race")) {
            AtomicReference<MlxBuffer> current = new AtomicReference<>();
            CyclicBarrier barrier = new CyclicBarrier(3);
            onThreads(false, 3, thread -> {
                for (int round = 0; round < 2000; round++) {
                    if (thread == 0) {
                        current.set(device.allocBuffer(DType.U8, 100));
                    }
                    barrier.await();
                    MlxBuffer buffer = current.get();
                    try {
                        switch (thread) {
                            case 0 -> buffer.close();
                            case 1 -> set.add(buffer);
                            default -> set.remove(buffer);
                        }
                    } catch (IllegalStateException e) {
                        assertThat(buffer.isReleased()).isTrue();
                    }
                    barrier.await();
                }
            });
            // A background thread frees memory that was in a native call when its lease ended.
            Async.await(() -> set.size() == 0);
            set.commit();
        }
    }

    @Test
    void closingInTheMiddleOfEverythingIsSafe() throws Exception {
        for (int round = 0; round < 50; round++) {
            MlxDevice closing = MlxDevice.open();
            MlxBufferPool pool = builder(closing).build();
            MlxSharedEvent event = closing.newSharedEvent();
            MlxFence fence = event.at(1);
            onThreads(false, THREADS, thread -> {
                List<MlxBuffer> held = new ArrayList<>();
                try {
                    for (int i = 0; i < 500; i++) {
                        switch (thread) {
                            case 0 -> {
                                if (i == 100) {
                                    closing.close();
                                }
                            }
                            case 1 -> {
                                if (i == 100) {
                                    pool.close();
                                }
                            }
                            case 2 -> {
                                if (i == 100) {
                                    event.signal(1);
                                    event.close();
                                }
                            }
                            case 3 -> pool.stats();
                            case 4 -> pool.alloc(DType.U8, 100);
                            case 5 -> pool.release(pool.alloc(DType.U8, 1000), fence);
                            case 6 -> {
                                try (MlxScope scope = pool.scope()) {
                                    scope.alloc(DType.U8, 100).segment().fill((byte) 1);
                                }
                            }
                            default -> held.add(closing.allocBuffer(DType.U8, 100));
                        }
                    }
                } catch (IllegalStateException e) {
                    assertThat(e).hasMessageContaining("closed");
                } finally {
                    held.forEach(MlxBuffer::close);
                }
            });
            pool.reset();
            assertThat(pool.stats()).returns(0, PoolStats::activeCount).returns(0L, PoolStats::footprintBytes);
        }
        assertThat(log.without("was closed", "leak in pool"))
                .as("warnings that are not about leases which were active when the pool was closed")
                .isEmpty();
    }
}
