package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A buffer, as of weights, that command buffers of several queues read at once, from several threads. */
@Tag("contract")
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NeedsKernelCompiler
class SharedBufferContractTest {
    private static final int COUNT = 10_000;
    private static final int READERS = 6;
    private static final int ROUNDS = 100;

    private final MlxDevice device = MlxDevice.open();
    private final MlxLibrary library = device.compile(Kernels.SOURCE);
    private final MlxKernel axpy = library.kernel("axpy");
    private final MlxSharedEvent event = device.newSharedEvent();
    private final MlxBufferPool pool =
            MlxBufferPool.builder(device).leakDetection(LeakDetection.OFF).build();
    private final List<Reader> readers = new ArrayList<>();

    SharedBufferContractTest() {
        for (int i = 0; i < READERS; i++) {
            readers.add(new Reader());
        }
    }

    @AfterEach
    void close() throws InterruptedException {
        event.signal(Long.MAX_VALUE);
        for (Reader reader : readers) {
            reader.queue.await();
            reader.queue.close();
            reader.copy.close();
        }
        event.close();
        axpy.close();
        library.close();
        pool.reset();
        pool.close();
        AllocatedBytes.assertBackTo(device, 0);
        device.close();
    }

    /** A queue whose commands read a buffer. */
    private final class Reader {
        private final MlxCommandQueue queue = device.newCommandQueue();
        private final MlxBuffer copy = device.allocBuffer(DType.F32, COUNT);

        /**
         * Encodes that the copy gets the values of a buffer, once the event has a value.
         *
         * @throws IllegalStateException if the lease of the buffer has ended
         */
        private MlxCommandBuffer encode(MlxBuffer weights, long value) {
            MlxCommandBuffer commands = queue.newCommandBuffer();
            boolean done = false;
            try {
                commands.waitFor(event, value);
                commands.fill(copy, (byte) 0);
                commands.kernel(axpy)
                        .buffer(0, copy)
                        .buffer(1, weights)
                        .constant(2, 1f)
                        .dispatchThreads(COUNT);
                done = true;
                return commands;
            } finally {
                if (!done) {
                    commands.close();
                }
            }
        }

        private void requireCopyOf(float mark) {
            for (float value : copy.segment().toArray(JAVA_FLOAT)) {
                if (value != mark) {
                    throw new AssertionError("a value is " + value + " and not " + mark);
                }
            }
        }

        /** Reads the buffer again and again until its lease has ended; the number of times. */
        private int readUntilReleased(MlxBuffer weights, float mark) throws InterruptedException {
            for (int reads = 0; ; reads++) {
                MlxCommandBuffer commands;
                try {
                    commands = encode(weights, 0);
                } catch (IllegalStateException released) {
                    return reads;
                }
                commands.commit().await();
                requireCopyOf(mark);
            }
        }
    }

    /** Where the buffer comes from. */
    enum Source {
        POOL,
        DEVICE
    }

    private MlxBuffer weights(Source source, float mark) {
        MlxBuffer weights = source == Source.POOL ? pool.alloc(DType.F32, COUNT) : device.allocBuffer(DType.F32, COUNT);
        for (int i = 0; i < COUNT; i++) {
            weights.segment().setAtIndex(JAVA_FLOAT, i, mark);
        }
        return weights;
    }

    /** Takes memory of the size of the weights, and overwrites it. */
    private void overwriteFreeMemory() {
        for (int i = 0; i < 3; i++) {
            weights(Source.POOL, -1);
        }
    }

    /** Starts a task for each reader, every other one on a virtual thread. */
    private static <T> List<FutureTask<T>> start(List<Callable<T>> tasks) {
        List<FutureTask<T>> started = new ArrayList<>();
        for (Callable<T> task : tasks) {
            FutureTask<T> future = new FutureTask<>(task);
            (started.size() % 2 == 0 ? Thread.ofVirtual() : Thread.ofPlatform().daemon()).start(future);
            started.add(future);
        }
        return started;
    }

    @ParameterizedTest
    @EnumSource
    void itsMemoryIsFreeOnlyWhenTheLastQueueIsDone(Source source) throws Exception {
        long bytes = device.allocatedBytes();
        MlxBuffer weights = weights(source, 1);
        CyclicBarrier encoded = new CyclicBarrier(READERS + 1);
        List<Callable<MlxFence>> tasks = new ArrayList<>();
        for (int i = 0; i < READERS; i++) {
            Reader reader = readers.get(i);
            // The queue that began last is done first.
            long value = READERS - i;
            tasks.add(() -> {
                MlxCommandBuffer commands = reader.encode(weights, value);
                encoded.await();
                return commands.commit();
            });
        }
        List<FutureTask<MlxFence>> fences = start(tasks);
        encoded.await();
        weights.close();
        for (FutureTask<MlxFence> fence : fences) {
            fence.get();
        }
        for (int value = 1; value <= READERS; value++) {
            overwriteFreeMemory();
            assertThat(pool.stats().parkedCount()).isEqualTo(source == Source.POOL ? 1 : 0);
            event.signal(value);
            fences.get(READERS - value).get().await();
            readers.get(READERS - value).requireCopyOf(1);
        }
        assertThat(pool.stats().parkedCount()).isZero();
        pool.reset();
        pool.clear();
        AllocatedBytes.assertBackTo(device, bytes);
    }

    @ParameterizedTest
    @EnumSource
    void aReaderSeesItsBytesOrThatTheLeaseHasEnded(Source source) throws Exception {
        int reads = 0;
        for (int round = 1; round <= ROUNDS; round++) {
            MlxBuffer weights = weights(source, round);
            float mark = round;
            List<Callable<Integer>> tasks = new ArrayList<>();
            for (Reader reader : readers) {
                tasks.add(() -> reader.readUntilReleased(weights, mark));
            }
            List<FutureTask<Integer>> reading = start(tasks);
            if (round % 2 == 0) {
                Async.pause();
            }
            weights.close();
            overwriteFreeMemory();
            for (FutureTask<Integer> reader : reading) {
                reads += reader.get();
            }
            pool.reset();
        }
        assertThat(reads).isPositive();
    }
}
