package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.lang.ref.WeakReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Memory that commands use, for every library that {@code mlx.shim.path} can name. */
@Tag("contract")
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NeedsKernelCompiler
class ComputeMemoryContractTest {
    private static final int BYTES = 100_000;

    @TempDir
    Path folder;

    private final MlxDevice device = MlxDevice.open();
    private final MlxBufferPool pool =
            MlxBufferPool.builder(device).leakDetection(LeakDetection.OFF).build();
    private final MlxBufferPool scratch = MlxBufferPool.create(device);
    private final MlxCommandQueue queue = device.newCommandQueue(scratch);
    private final MlxCommandQueue otherQueue = device.newCommandQueue(scratch);
    private final MlxSharedEvent event = device.newSharedEvent();
    /** Receives what commands read of memory whose lease has ended. */
    private final MlxBuffer result = device.allocBuffer(DType.U8, BYTES);

    @AfterEach
    void close() throws InterruptedException {
        event.signal(Long.MAX_VALUE);
        queue.await();
        otherQueue.await();
        queue.close();
        otherQueue.close();
        result.close();
        pool.reset();
        pool.close();
        scratch.close();
        event.close();
        AllocatedBytes.assertBackTo(device, 0);
        device.close();
    }

    private MlxBuffer marked(byte mark) {
        MlxBuffer buffer = pool.alloc(DType.U8, BYTES);
        buffer.segment().fill(mark);
        return buffer;
    }

    private static boolean has(MlxBuffer buffer, byte mark) {
        for (long i = 0; i < buffer.byteLength(); i++) {
            if (buffer.segment().get(JAVA_BYTE, i) != mark) {
                return false;
            }
        }
        return true;
    }

    /** A command buffer that waits for the event and then copies to the result. */
    private MlxCommandBuffer reading(MlxCommandQueue on, MlxBuffer buffer, long value) {
        MlxCommandBuffer commands = on.newCommandBuffer();
        commands.waitFor(event, value);
        commands.copy(buffer, result);
        return commands;
    }

    /** Takes all memory that the pool would lease, and overwrites it. */
    private void overwriteFreeMemory() {
        for (int i = 0; i < 8; i++) {
            marked((byte) 99);
        }
    }

    private static MlxFence completeFence() {
        TestFence fence = new TestFence();
        fence.complete();
        return fence;
    }

    enum End {
        CLOSE((pool, buffer) -> buffer.close()),
        RELEASE(MlxBufferPool::release),
        RELEASE_WITH_A_COMPLETE_FENCE((pool, buffer) -> pool.release(buffer, completeFence())),
        RESET((pool, buffer) -> pool.reset());

        private final BiConsumer<MlxBufferPool, MlxBuffer> action;

        End(BiConsumer<MlxBufferPool, MlxBuffer> action) {
            this.action = action;
        }
    }

    @ParameterizedTest
    @EnumSource
    void memoryOfALeaseThatEndsInFlightIsParked(End end) throws Exception {
        MlxBuffer buffer = marked((byte) 1);
        MlxCommandBuffer commands = reading(queue, buffer, 1);
        MlxFence fence = commands.commit();
        end.action.accept(pool, buffer);
        assertThat(buffer.isReleased()).isTrue();
        assertThat(pool.stats().parkedCount()).isEqualTo(1);
        assertThat(pool.stats().activeCount()).isZero();
        overwriteFreeMemory();
        event.signal(1);
        fence.await();
        assertThat(has(result, (byte) 1)).isTrue();
        assertThat(pool.stats().parkedCount()).isZero();
    }

    @ParameterizedTest
    @EnumSource
    void memoryOfALeaseThatEndsBeforeTheCommitIsParkedUntilCompletion(End end) throws Exception {
        MlxBuffer buffer = marked((byte) 2);
        MlxCommandBuffer commands = reading(queue, buffer, 1);
        end.action.accept(pool, buffer);
        assertThat(pool.stats().parkedCount()).isEqualTo(1);
        overwriteFreeMemory();
        MlxFence fence = commands.commit();
        overwriteFreeMemory();
        assertThat(pool.stats().parkedCount()).isEqualTo(1);
        event.signal(1);
        fence.await();
        assertThat(has(result, (byte) 2)).isTrue();
        assertThat(pool.stats().parkedCount()).isZero();
    }

    @Test
    void memoryOfAnAbandonedCommandBufferIsFree() {
        MlxBuffer buffer = marked((byte) 3);
        MlxCommandBuffer commands = reading(queue, buffer, 1);
        buffer.close();
        assertThat(pool.stats().parkedCount()).isEqualTo(1);
        commands.close();
        commands.close();
        assertThat(pool.stats().parkedCount()).isZero();
        assertThatIllegalStateException().isThrownBy(commands::commit);
    }

    @Test
    void anAbandonedCommandBufferLeavesWhatItsQueueRunsInFlight() throws Exception {
        MlxBuffer buffer = marked((byte) 4);
        MlxFence fence = reading(queue, buffer, 1).commit();
        MlxCommandBuffer abandoned = reading(queue, buffer, 2);
        buffer.close();
        abandoned.close();
        assertThat(pool.stats().parkedCount()).isEqualTo(1);
        overwriteFreeMemory();
        event.signal(1);
        fence.await();
        assertThat(has(result, (byte) 4)).isTrue();
        assertThat(pool.stats().parkedCount()).isZero();
    }

    @Test
    void memoryOfTwoQueuesWaitsForBoth() throws Exception {
        MlxBuffer buffer = marked((byte) 5);
        MlxFence slow = reading(queue, buffer, 2).commit();
        MlxFence fast = reading(otherQueue, buffer, 1).commit();
        buffer.close();
        event.signal(1);
        fast.await();
        assertThat(pool.stats().parkedCount()).isEqualTo(1);
        overwriteFreeMemory();
        event.signal(2);
        slow.await();
        assertThat(has(result, (byte) 5)).isTrue();
        assertThat(pool.stats().parkedCount()).isZero();
    }

    @Test
    void memoryOfTwoUncommittedCommandBuffersWaitsForBothInAnyOrder() throws Exception {
        MlxBuffer buffer = marked((byte) 6);
        MlxCommandBuffer first = reading(queue, buffer, 2);
        MlxCommandBuffer second = queue.newCommandBuffer();
        second.copy(buffer, result);
        buffer.close();
        second.commit().await();
        assertThat(pool.stats().parkedCount()).isEqualTo(1);
        overwriteFreeMemory();
        result.segment().fill((byte) 0);
        MlxFence fence = first.commit();
        event.signal(2);
        fence.await();
        assertThat(has(result, (byte) 6)).isTrue();
        assertThat(pool.stats().parkedCount()).isZero();
    }

    @Test
    void memoryOfAScopeIsParkedAtItsEnd() throws Exception {
        MlxFence fence;
        try (MlxScope scope = pool.scope()) {
            MlxBuffer buffer = scope.alloc(DType.U8, BYTES);
            MlxBuffer early = scope.alloc(DType.U8, BYTES);
            buffer.segment().fill((byte) 7);
            early.segment().fill((byte) 7);
            MlxCommandBuffer commands = reading(queue, buffer, 1);
            commands.copy(early, result);
            fence = commands.commit();
            early.close();
        }
        assertThat(pool.stats().parkedCount()).isEqualTo(2);
        overwriteFreeMemory();
        event.signal(1);
        fence.await();
        assertThat(has(result, (byte) 7)).isTrue();
        assertThat(pool.stats().parkedCount()).isZero();
    }

    @Test
    void memoryOfTheDeviceIsFreedAfterCompletion() throws Exception {
        long before = device.allocatedBytes();
        MlxBuffer buffer = device.allocBuffer(DType.U8, BYTES);
        buffer.segment().fill((byte) 8);
        MlxFence fence = reading(queue, buffer, 1).commit();
        buffer.close();
        assertThat(buffer.isReleased()).isTrue();
        assertThat(device.allocatedBytes()).isGreaterThanOrEqualTo(before + BYTES);
        event.signal(1);
        fence.await();
        assertThat(has(result, (byte) 8)).isTrue();
        AllocatedBytes.assertBackTo(device, before);
    }

    @Test
    void aMappingStaysMappedUntilCompletion() throws Exception {
        byte[] content = new byte[BYTES];
        java.util.Arrays.fill(content, (byte) 9);
        Path file = Files.write(folder.resolve("weights"), content);
        MlxFence fence;
        try (MlxBuffer weights = device.map(file, 0, DType.U8, BYTES)) {
            fence = reading(queue, weights, 1).commit();
        }
        event.signal(1);
        fence.await();
        assertThat(has(result, (byte) 9)).isTrue();
    }

    @Test
    void aBufferThatIsDroppedBeforeTheCommitIsKept() throws Exception {
        try (MlxBufferPool watched =
                MlxBufferPool.builder(device).leakDetection(LeakDetection.FULL).build()) {
            MlxCommandBuffer commands = queue.newCommandBuffer();
            WeakReference<MlxBuffer> dropped = encodeAndDrop(watched, commands);
            System.gc();
            assertThat(dropped.get()).isNotNull();
            commands.commit().await();
            assertThat(has(result, (byte) 10)).isTrue();
            MlxBuffer kept = dropped.get();
            if (kept != null) {
                kept.close();
            }
        }
    }

    private WeakReference<MlxBuffer> encodeAndDrop(MlxBufferPool from, MlxCommandBuffer commands) {
        MlxBuffer buffer = from.alloc(DType.U8, BYTES);
        buffer.segment().fill((byte) 10);
        commands.copy(buffer, result);
        return new WeakReference<>(buffer);
    }

    @Test
    void aClosedPoolFreesItsMemoryAfterCompletion() throws Exception {
        long before = device.allocatedBytes();
        MlxFence fence;
        try (MlxBufferPool closing = MlxBufferPool.create(device);
                MlxBuffer buffer = closing.alloc(DType.U8, BYTES)) {
            buffer.segment().fill((byte) 11);
            fence = reading(queue, buffer, 1).commit();
        }
        assertThat(device.allocatedBytes()).isGreaterThan(before);
        event.signal(1);
        fence.await();
        assertThat(has(result, (byte) 11)).isTrue();
        AllocatedBytes.assertBackTo(device, before);
    }

    @Test
    void completeMemoryIsLeasedAgain() throws Exception {
        MlxBuffer first = marked((byte) 12);
        long address = first.segment().address();
        queue.newCommandBuffer().close();
        MlxCommandBuffer commands = queue.newCommandBuffer();
        commands.copy(first, result);
        commands.commit().await();
        first.close();
        assertThat(pool.stats().parkedCount()).isZero();
        assertThat(pool.alloc(DType.U8, BYTES).segment().address()).isEqualTo(address);
    }

    @Test
    void scratchMemoryIsTheGpus() throws Exception {
        MlxCommandBuffer commands = queue.newCommandBuffer();
        MlxBuffer temporary = commands.scratch(DType.U8, BYTES);
        assertThat(temporary.byteLength()).isEqualTo(BYTES);
        assertThatIllegalStateException().isThrownBy(temporary::segment).withMessageContaining("scratch");
        MlxBuffer slice = temporary.slice(10, DType.U8, 20);
        assertThatIllegalStateException().isThrownBy(slice::segment);
        commands.fill(temporary, (byte) 13);
        commands.fill(slice, (byte) 13);
        commands.copy(temporary, result);
        MlxFence fence = commands.commit();
        assertThat(temporary.isReleased()).isTrue();
        fence.await();
        assertThat(has(result, (byte) 13)).isTrue();
        assertThat(scratch.stats().activeCount()).isZero();
        assertThat(scratch.stats().parkedCount()).isZero();
    }

    @Test
    void threeCommandBuffersInFlightHaveTheFootprintOfOne() throws Exception {
        long one = 0;
        for (int i = 0; i < 3; i++) {
            MlxCommandBuffer commands = queue.newCommandBuffer();
            if (i == 0) {
                commands.waitFor(event, 1);
            }
            MlxBuffer a = commands.scratch(DType.U8, BYTES);
            MlxBuffer b = commands.scratch(DType.F32, 40, 1000);
            MlxBuffer c = commands.scratch(DType.U8, 1 << 20);
            commands.fill(a, (byte) i);
            commands.fill(b, (byte) i);
            commands.fill(c, (byte) i);
            commands.copy(a, result);
            commands.commit();
            if (i == 0) {
                one = scratch.stats().footprintBytes();
            }
        }
        assertThat(scratch.stats().footprintBytes()).isEqualTo(one);
        assertThat(scratch.stats().parkedCount()).isEqualTo(3);
        event.signal(1);
        queue.await();
        assertThat(has(result, (byte) 2)).isTrue();
        assertThat(scratch.stats().parkedCount()).isZero();
    }

    @Test
    void scratchMemoryInFlightIsNotLeasedToOthers() throws Exception {
        MlxCommandBuffer commands = queue.newCommandBuffer();
        MlxBuffer temporary = commands.scratch(DType.U8, BYTES);
        long address = temporary.handle().address();
        commands.waitFor(event, 1);
        commands.fill(temporary, (byte) 14);
        MlxFence fence = commands.commit();
        MlxCommandBuffer other = otherQueue.newCommandBuffer();
        assertThat(other.scratch(DType.U8, BYTES).handle().address()).isNotEqualTo(address);
        other.close();
        try (MlxBuffer ofCpu = scratch.alloc(DType.U8, BYTES)) {
            assertThat(ofCpu.handle().address()).isNotEqualTo(address);
        }
        MlxCommandBuffer next = queue.newCommandBuffer();
        assertThat(next.scratch(DType.U8, BYTES).handle().address()).isEqualTo(address);
        next.close();
        event.signal(1);
        fence.await();
    }

    @Test
    void scratchMemoryThatACallBindsIsNotLeasedAgainBeforeItsDispatch() {
        try (MlxLibrary library = device.compile(Kernels.SOURCE);
                MlxKernel increment = library.kernel("increment");
                MlxCommandBuffer commands = queue.newCommandBuffer()) {
            MlxBuffer bound = commands.scratch(DType.U8, BYTES);
            long address = bound.handle().address();
            commands.fill(bound, (byte) 0);
            KernelCall call = commands.kernel(increment).buffer(0, bound);
            bound.close();
            assertThat(commands.scratch(DType.U8, BYTES).handle().address()).isNotEqualTo(address);
            call.dispatchThreads(1);
            assertThat(commands.scratch(DType.U8, BYTES).handle().address()).isEqualTo(address);
        }
    }

    @Test
    void closedScratchMemoryIsLeasedAgainInASerialPartAlone() {
        MlxCommandBuffer commands = queue.newCommandBuffer();
        MlxBuffer first = commands.scratch(DType.U8, BYTES);
        long address = first.handle().address();
        commands.fill(first, (byte) 1);
        first.close();
        MlxBuffer second = commands.scratch(DType.U8, BYTES);
        assertThat(second.handle().address()).isEqualTo(address);
        commands.concurrent(true);
        commands.fill(second, (byte) 2);
        second.close();
        assertThat(commands.scratch(DType.U8, BYTES).handle().address()).isNotEqualTo(address);
        commands.concurrent(false);
        assertThat(commands.scratch(DType.U8, BYTES).handle().address()).isEqualTo(address);
        commands.close();
        assertThat(scratch.stats().activeCount()).isZero();
        assertThat(scratch.stats().parkedCount()).isZero();
    }

    @Test
    void aQueueWithoutAPoolMakesItsOwn() throws Exception {
        long before = device.allocatedBytes();
        try (MlxCommandQueue own = device.newCommandQueue()) {
            MlxCommandBuffer commands = own.newCommandBuffer();
            MlxBuffer temporary = commands.scratch(DType.U8, BYTES);
            commands.fill(temporary, (byte) 15);
            commands.copy(temporary, result);
            commands.commit().await();
            assertThat(has(result, (byte) 15)).isTrue();
        }
        AllocatedBytes.assertBackTo(device, before);
    }
}
