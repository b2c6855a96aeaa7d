package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Command buffers whose pool, device, queue, kernel or buffer a program closes or drops while they are in flight, and
 * those that threads wait for meanwhile. Queues are held back, so that nothing completes before the test says so.
 */
@Tag("faults")
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NeedsKernelCompiler
class InFlightTest {
    private static final int BYTES = 100_000;
    private static final byte MARK = 42;

    @RegisterExtension
    final LogRecords log = new LogRecords();

    private final MlxDevice device = open();
    private final MlxCommandQueue queue = device.newCommandQueue();
    private final MlxBuffer result = device.allocBuffer(DType.U8, BYTES);

    private static MlxDevice open() {
        System.setProperty("mlx.leakDetection", "full");
        try {
            return MlxDevice.open();
        } finally {
            System.clearProperty("mlx.leakDetection");
        }
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        NativeFaults.holdQueues(false);
        queue.await();
        result.close();
        queue.close();
        device.close();
        LiveObjects.assertNoneLeft();
    }

    private static void collectUntil(BooleanSupplier condition) {
        Async.await(() -> {
            System.gc();
            return condition.getAsBoolean();
        });
    }

    private static MlxBuffer marked(MlxBufferPool pool, byte mark) {
        MlxBuffer buffer = pool.alloc(DType.U8, BYTES);
        buffer.segment().fill(mark);
        return buffer;
    }

    /** Encodes a copy of a marked buffer to the result, and keeps no reference to the buffer. */
    private MlxCommandBuffer copyOfMarked(MlxBufferPool pool) {
        MlxCommandBuffer commands = queue.newCommandBuffer();
        commands.copy(marked(pool, MARK), result);
        return commands;
    }

    private void requireMarkedResult() {
        for (long i = 0; i < BYTES; i++) {
            if (result.segment().get(JAVA_BYTE, i) != MARK) {
                throw new AssertionError("byte " + i + " is " + result.segment().get(JAVA_BYTE, i));
            }
        }
    }

    /** The kinds of pool, which end leases each in a way of their own. */
    enum Kind {
        PLAIN(pool -> {}),
        COMPACT(pool -> pool.sizing(Sizing.COMPACT)),
        CHECKED(pool -> pool.checked(true));

        private final Consumer<MlxBufferPool.Builder> settings;

        Kind(Consumer<MlxBufferPool.Builder> settings) {
            this.settings = settings;
        }

        private MlxBufferPool make(MlxDevice device) {
            MlxBufferPool.Builder builder = MlxBufferPool.builder(device).leakDetection(LeakDetection.FULL);
            settings.accept(builder);
            return builder.build();
        }
    }

    @ParameterizedTest
    @EnumSource
    void aPoolAndADeviceThatAreClosedInFlightFreeTheirMemoryAfterIt(Kind kind) throws Exception {
        long before = NativeFaults.liveBuffers();
        NativeFaults.holdQueues(true);
        MlxBufferPool pool = kind.make(device);
        MlxBuffer buffer = marked(pool, MARK);
        MlxCommandBuffer commands = queue.newCommandBuffer();
        commands.copy(buffer, result);
        MlxFence fence = commands.commit();
        buffer.close();
        pool.close();
        device.close();
        assertThat(pool.stats().parkedCount()).isEqualTo(1);
        assertThat(NativeFaults.liveBuffers()).isGreaterThan(before);
        NativeFaults.holdQueues(false);
        fence.await();
        requireMarkedResult();
        Async.await(() -> NativeFaults.liveBuffers() == before);
    }

    @ParameterizedTest
    @EnumSource
    void commandsThatWereEncodedCanBeCommittedAfterTheirPoolAndDeviceAreClosed(Kind kind) throws Exception {
        long before = NativeFaults.liveBuffers();
        MlxBufferPool pool = kind.make(device);
        MlxBuffer buffer = marked(pool, MARK);
        MlxBuffer unused = marked(pool, MARK);
        MlxCommandBuffer commands = queue.newCommandBuffer();
        commands.copy(buffer, result);
        MlxCommandBuffer abandoned = queue.newCommandBuffer();
        abandoned.copy(unused, result);
        unused.close();
        pool.close();
        device.close();
        buffer.close();
        log.await(1, "was closed with 1 active buffer(s)");
        log.with("still active when pool");
        assertThat(pool.stats().parkedCount()).isEqualTo(2);
        abandoned.close();
        assertThat(pool.stats().parkedCount()).isEqualTo(1);
        assertThat(NativeFaults.liveBuffers()).isGreaterThan(before);
        commands.commit().await();
        requireMarkedResult();
        Async.await(() -> NativeFaults.liveBuffers() == before);
    }

    @ParameterizedTest
    @EnumSource
    void aLeaseThatIsDroppedInFlightKeepsItsBytes(Kind kind) throws Exception {
        long before = NativeFaults.liveBuffers();
        NativeFaults.holdQueues(true);
        try (MlxBufferPool pool = kind.make(device)) {
            MlxFence fence = copyOfMarked(pool).commit();
            collectUntil(() -> pool.leakedCount() == 1);
            log.await(1, "leak in pool");
            for (int i = 0; i < 8; i++) {
                marked(pool, (byte) 99);
            }
            NativeFaults.holdQueues(false);
            fence.await();
            requireMarkedResult();
            pool.reset();
        }
        Async.await(() -> NativeFaults.liveBuffers() == before);
    }

    private MlxBufferPool poolOfOneBuffer() {
        return MlxBufferPool.builder(device)
                .leakDetection(LeakDetection.OFF)
                .bufferLimit(1)
                .waitForParked(Duration.ofHours(1))
                .build();
    }

    @Test
    void aRequestAtTheLimitWaitsForMemoryInFlight() throws Exception {
        NativeFaults.holdQueues(true);
        try (MlxBufferPool pool = poolOfOneBuffer()) {
            MlxBuffer buffer = marked(pool, MARK);
            MlxCommandBuffer commands = queue.newCommandBuffer();
            commands.copy(buffer, result);
            commands.commit();
            buffer.close();
            FutureTask<MlxBuffer> request = Async.start(() -> marked(pool, (byte) 99));
            Async.pause();
            assertThat(request.isDone()).isFalse();
            NativeFaults.holdQueues(false);
            request.get().close();
            requireMarkedResult();
        }
    }

    @Test
    void aRequestAtTheLimitDoesNotWaitForACommit() throws Exception {
        try (MlxBufferPool pool = poolOfOneBuffer();
                MlxCommandQueue otherQueue = device.newCommandQueue()) {
            MlxBuffer buffer = marked(pool, MARK);
            MlxCommandBuffer commands = queue.newCommandBuffer();
            commands.copy(buffer, result);
            // Of two uses, one completes by itself.
            MlxCommandBuffer other = otherQueue.newCommandBuffer();
            other.copy(buffer, result);
            other.commit();
            buffer.close();
            assertThatExceptionOfType(BufferAllocationException.class).isThrownBy(() -> pool.alloc(DType.U8, BYTES));
            commands.commit().await();
            requireMarkedResult();
            pool.alloc(DType.U8, BYTES).close();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aQueueThatIsClosedFreesItsScratchMemoryWhenItsCommandsHaveEnded(boolean committed) throws Exception {
        long before = NativeFaults.liveBuffers();
        NativeFaults.holdQueues(true);
        MlxCommandQueue closed = device.newCommandQueue();
        MlxCommandBuffer commands = closed.newCommandBuffer();
        MlxBuffer temporary = commands.scratch(DType.U8, BYTES);
        commands.fill(temporary, MARK);
        commands.copy(temporary, result);
        if (committed) {
            MlxFence fence = commands.commit();
            closed.close();
            assertThat(NativeFaults.liveBuffers()).isGreaterThan(before);
            NativeFaults.holdQueues(false);
            fence.await();
            requireMarkedResult();
        } else {
            closed.close();
            log.await(1, "was closed with 1 active buffer(s)");
            assertThatIllegalStateException().isThrownBy(commands::commit);
            assertThat(NativeFaults.liveBuffers()).isGreaterThan(before);
            commands.close();
        }
        Async.await(() -> NativeFaults.liveBuffers() == before);
    }

    /**
     * Commits an increment of the values in a queue, with a kernel and a library of its own, and drops all of these.
     */
    private MlxFence incrementAndDrop(MlxBuffer values) {
        MlxCommandBuffer commands = device.newCommandQueue().newCommandBuffer();
        commands.kernel(device.compile(Kernels.SOURCE).kernel("increment"))
                .buffer(0, values)
                .dispatchThreads(16);
        return commands.commit();
    }

    @Test
    void whatIsDroppedInFlightIsClosedAndTheCommandsGoOn() throws Exception {
        long before = NativeFaults.liveComputeObjects();
        NativeFaults.holdQueues(true);
        try (MlxBuffer values = device.allocBuffer(DType.I32, 16)) {
            MlxFence fence = incrementAndDrop(values);
            collectUntil(() -> log.with("it was closed").size() == 3);
            assertThat(log.with("a command queue became garbage")).hasSize(1);
            assertThat(log.with("a library of kernels became garbage")).hasSize(1);
            assertThat(log.with("the kernel 'increment' became garbage")).hasSize(1);
            assertThat(fence.isComplete()).isFalse();
            NativeFaults.holdQueues(false);
            fence.await();
            assertThat(values.segment().toArray(JAVA_INT)).containsOnly(1);
        }
        Async.await(() -> NativeFaults.liveComputeObjects() == before);
        // Command buffers that were committed are no leaks.
        assertThat(log.with("a command buffer became garbage")).isEmpty();
    }

    @Test
    void aKernelAndALibraryThatAreClosedInFlightAreReleasedAfterIt() throws Exception {
        long pipelines = NativeFaults.livePipelines();
        long libraries = NativeFaults.liveLibraries();
        NativeFaults.holdQueues(true);
        List<MlxCommandBuffer> commands = new ArrayList<>();
        try (MlxBuffer values = device.allocBuffer(DType.I32, 16)) {
            try (MlxLibrary closed = device.compile(Kernels.SOURCE);
                    MlxKernel kernel = closed.kernel("increment")) {
                for (int i = 0; i < 100; i++) {
                    commands.add(queue.newCommandBuffer());
                    commands.getLast().kernel(kernel).buffer(0, values).dispatchThreads(16);
                }
                commands.subList(0, 50).forEach(MlxCommandBuffer::commit);
            }
            assertThat(NativeFaults.livePipelines()).isEqualTo(pipelines + 1);
            commands.subList(50, 100).forEach(MlxCommandBuffer::commit);
            assertThat(values.segment().toArray(JAVA_INT)).containsOnly(0);
            NativeFaults.holdQueues(false);
            queue.await();
            assertThat(values.segment().toArray(JAVA_INT)).containsOnly(100);
        }
        Async.await(() -> NativeFaults.livePipelines() == pipelines);
        Async.await(() -> NativeFaults.liveLibraries() == libraries);
    }

    private static FutureTask<Boolean> start(boolean virtual, MlxFence fence) {
        FutureTask<Boolean> task = new FutureTask<>(() -> {
            fence.await();
            return fence.isComplete();
        });
        (virtual ? Thread.ofVirtual() : Thread.ofPlatform().daemon()).start(task);
        return task;
    }

    @Test
    void manyThreadsWaitForAFence() throws Exception {
        NativeFaults.holdQueues(true);
        MlxFence fence = queue.newCommandBuffer().commit();
        List<FutureTask<Boolean>> waiting = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            waiting.add(start(i % 2 == 0, fence));
        }
        Async.pause();
        assertThat(waiting).noneMatch(FutureTask::isDone);
        NativeFaults.holdQueues(false);
        for (FutureTask<Boolean> thread : waiting) {
            assertThat(thread.get()).isTrue();
        }
    }

    /** The ways to wait for a command buffer. */
    enum Wait {
        FENCE((queue, commands, fence) -> fence.await()),
        COMMAND_BUFFER((queue, commands, fence) -> commands.await()),
        QUEUE((queue, commands, fence) -> queue.await());

        private interface Action {
            void run(MlxCommandQueue queue, MlxCommandBuffer commands, MlxFence fence) throws InterruptedException;
        }

        private final Action action;

        Wait(Action action) {
            this.action = action;
        }
    }

    @ParameterizedTest
    @EnumSource
    void anInterruptEndsOneWaitAlone(Wait wait) throws Exception {
        NativeFaults.holdQueues(true);
        MlxCommandBuffer commands = queue.newCommandBuffer();
        MlxFence fence = commands.commit();
        List<Thread> threads = new ArrayList<>();
        List<FutureTask<Void>> waiting = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            waiting.add(new FutureTask<>(() -> {
                wait.action.run(queue, commands, fence);
                return null;
            }));
            threads.add((i < 2 ? Thread.ofVirtual() : Thread.ofPlatform()).start(waiting.getLast()));
        }
        Async.pause();
        for (int i = 0; i < 4; i += 2) {
            threads.get(i).interrupt();
            assertThatExceptionOfType(ExecutionException.class)
                    .isThrownBy(waiting.get(i)::get)
                    .withCauseInstanceOf(InterruptedException.class);
        }
        assertThat(fence.isComplete()).isFalse();
        NativeFaults.holdQueues(false);
        waiting.get(1).get();
        waiting.get(3).get();
        commands.await();
    }

    @Test
    void otherThreadsSeeACommandBufferAdvance() throws Exception {
        MlxCommandBuffer commands = queue.newCommandBuffer();
        assertThat(commands.status()).isEqualTo(MlxCommandBuffer.Status.NOT_ENQUEUED);
        assertThat(commands.gpuNanos()).isZero();
        NativeFaults.holdQueues(true);
        commands.fill(result, MARK);
        MlxFence fence = commands.commit();
        List<FutureTask<Void>> observers = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            observers.add(Async.start(() -> {
                requireAdvance(commands);
                return null;
            }));
        }
        Async.pause();
        assertThat(commands.status()).isIn(MlxCommandBuffer.Status.COMMITTED, MlxCommandBuffer.Status.SCHEDULED);
        assertThat(commands.gpuNanos()).isZero();
        NativeFaults.holdQueues(false);
        fence.await();
        assertThat(commands.status()).isEqualTo(MlxCommandBuffer.Status.COMPLETED);
        for (FutureTask<Void> observer : observers) {
            observer.get();
        }
    }

    /** Watches a committed command buffer until it is complete. */
    private static void requireAdvance(MlxCommandBuffer commands) {
        MlxCommandBuffer.Status last = MlxCommandBuffer.Status.COMMITTED;
        while (last != MlxCommandBuffer.Status.COMPLETED) {
            long nanos = commands.gpuNanos();
            MlxCommandBuffer.Status status = commands.status();
            assertThat(status).isGreaterThanOrEqualTo(last);
            if (nanos != 0) {
                assertThat(nanos).isPositive();
                assertThat(status).isEqualTo(MlxCommandBuffer.Status.COMPLETED);
            }
            last = status;
        }
        assertThat(commands.gpuNanos()).isPositive();
    }
}
