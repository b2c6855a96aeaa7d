package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Mistakes of a caller of compute, for every library that {@code mlx.shim.path} can name: each throws, and no more. */
@Tag("contract")
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NeedsKernelCompiler
class ComputeMistakesContractTest {
    private static MlxDevice device;
    private static MlxLibrary library;
    private static MlxKernel axpy;
    private static MlxKernel increment;
    private static MlxKernel reverse;

    @TempDir
    Path folder;

    private final MlxCommandQueue queue = device.newCommandQueue();
    private final MlxBufferPool pool = MlxBufferPool.create(device);
    private final MlxBuffer buffer = pool.alloc(DType.F32, 16);
    private final MlxCommandBuffer commands = queue.newCommandBuffer("mine");

    @BeforeAll
    static void open() {
        device = MlxDevice.open();
        library = device.compile(Kernels.SOURCE);
        axpy = library.kernel("axpy");
        increment = library.kernel("increment");
        reverse = library.kernel("reverse_group");
    }

    @AfterAll
    static void closeDevice() {
        axpy.close();
        increment.close();
        reverse.close();
        library.close();
        device.close();
    }

    /** What was refused left a command buffer that works. */
    @AfterEach
    void theCommandBufferStillWorks() throws InterruptedException {
        if (commands.status() == MlxCommandBuffer.Status.NOT_ENQUEUED && !buffer.isReleased()) {
            try {
                buffer.segment().fill((byte) 0);
                commands.kernel(increment).buffer(0, buffer).dispatchThreads(1);
                commands.commit();
                commands.await();
                assertThat(buffer.segment().get(java.lang.foreign.ValueLayout.JAVA_INT, 0))
                        .isEqualTo(1);
            } catch (IllegalStateException e) {
                assertThat(e).hasMessageContaining("closed");
            }
        }
        commands.close();
        queue.close();
        pool.reset();
        pool.close();
    }

    @Test
    void aKernelThatDoesNotExist() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> library.kernel("axpyy"))
                .withMessageContainingAll("'axpyy'", "axpy", "nearest");
        assertThatIllegalArgumentException().isThrownBy(() -> library.kernel(""));
    }

    @Test
    void anArgumentThatTheKernelLacks() {
        KernelCall call = commands.kernel(axpy);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> call.buffer(3, buffer))
                .withMessageContainingAll("no buffer argument 3", "'axpy'", "'y' [[buffer(0)]]");
        assertThatIllegalArgumentException().isThrownBy(() -> call.buffer(-1, buffer));
        assertThatIllegalArgumentException().isThrownBy(() -> call.buffer(31, buffer));
        assertThatIllegalArgumentException().isThrownBy(() -> call.constant(64, 1));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> call.threadgroupMemory(0, 16))
                .withMessageContaining("no threadgroup argument 0");
    }

    @Test
    void anArgumentThatIsNotBound() {
        KernelCall call = commands.kernel(axpy).buffer(0, buffer);
        assertThatIllegalStateException()
                .isThrownBy(() -> call.dispatchThreads(1))
                .withMessageContainingAll("'axpy'", "'x' [[buffer(1)]]", "'a' [[buffer(2)]]")
                .withMessageNotContaining("'y'");
        KernelCall group = commands.kernel(reverse).buffer(0, buffer);
        assertThatIllegalStateException()
                .isThrownBy(() -> group.dispatchThreads(1))
                .withMessageContaining("'shared' [[threadgroup(0)]]");
        try (MlxKernel sparing = library.kernel("sparing")) {
            KernelCall some = commands.kernel(sparing).buffer(1, buffer);
            assertThatIllegalStateException()
                    .isThrownBy(() -> some.dispatchThreads(1))
                    .withMessageContainingAll("'values' [[buffer(0)]]", "'pieces' [[threadgroup(1)]]")
                    .withMessageNotContainingAny("'never'", "'spare'", "'group'");
        }
    }

    @Test
    void aBufferOrConstantThatIsTooShort() {
        try (MlxKernel sum = library.kernel("sum_pair");
                Arena arena = Arena.ofConfined()) {
            KernelCall call = commands.kernel(sum);
            MlxBuffer shortBuffer = pool.alloc(DType.F32, 3);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> call.buffer(1, shortBuffer))
                    .withMessageContainingAll("'pair'", "16 bytes", "12 bytes");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> call.buffer(1, buffer, 52))
                    .withMessageContaining("12 bytes");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> call.constant(1, 7L))
                    .withMessageContainingAll("16 bytes", "has 8");
            MemorySegment bytes = arena.allocate(15);
            assertThatIllegalArgumentException().isThrownBy(() -> call.constant(1, bytes));
        }
    }

    @Test
    void aConstantAboveFourKilobytes() {
        try (MlxKernel sum = library.kernel("sum_pair");
                Arena arena = Arena.ofConfined()) {
            KernelCall call = commands.kernel(sum);
            MemorySegment large = arena.allocate(4097);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> call.constant(1, large))
                    .withMessageContainingAll("4096", "4097");
            assertThatIllegalArgumentException().isThrownBy(() -> call.constant(1, large.asSlice(0, 0)));
            call.constant(1, large.asSlice(0, 4096)).buffer(0, buffer).dispatchThreads(1);
        }
    }

    @Test
    void offsetsOutsideOfTheBuffer() {
        KernelCall call = commands.kernel(axpy);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> call.buffer(0, buffer, 64))
                .withMessageContainingAll("64", "64 bytes");
        assertThatIllegalArgumentException().isThrownBy(() -> call.buffer(0, buffer, -1));
        assertThatIllegalArgumentException().isThrownBy(() -> call.buffer(0, buffer, Long.MAX_VALUE));
    }

    @Test
    void threadgroupsThatAreTooLarge() {
        long most = increment.maxTotalThreadsPerThreadgroup();
        KernelCall call = commands.kernel(increment).buffer(0, buffer);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> call.dispatchThreads(MlxSize.of(1), MlxSize.of(most, 2)))
                .withMessageContainingAll("'increment'", "" + most, "" + 2 * most);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> call.dispatchThreadgroups(MlxSize.of(1), MlxSize.of(Long.MAX_VALUE)))
                .withMessageContaining("" + Long.MAX_VALUE);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> call.dispatchThreadgroups(MlxSize.of(1), MlxSize.of(1, 1, 1 << 20)));
    }

    @Test
    void threadgroupMemoryThatTheDeviceLacks() {
        KernelCall call = commands.kernel(reverse).buffer(0, buffer);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> call.threadgroupMemory(0, 1L << 30))
                .withMessageContainingAll("'shared'", "" + (1L << 30));
        assertThatIllegalArgumentException().isThrownBy(() -> call.threadgroupMemory(0, Long.MAX_VALUE));
        assertThatIllegalArgumentException().isThrownBy(() -> call.threadgroupMemory(0, -16));
    }

    @Test
    void gridsThatAreEmptyOrTooLarge() {
        KernelCall call = commands.kernel(increment).buffer(0, buffer);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> call.dispatchThreads(0))
                .withMessageContaining("0 x 1 x 1");
        assertThatIllegalArgumentException().isThrownBy(() -> call.dispatchThreads(-5));
        assertThatIllegalArgumentException().isThrownBy(() -> call.dispatchThreads(1L << 32));
        assertThatIllegalArgumentException().isThrownBy(() -> call.dispatchThreads(MlxSize.of(1, 0, 1)));
        // The products of both are 1 in 64 bits.
        assertThatIllegalArgumentException().isThrownBy(() -> call.dispatchThreads(MlxSize.of(-1, -1)));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> call.dispatchThreads(MlxSize.of(7, 0x6DB6_DB6D_B6DB_6DB7L)));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> call.dispatchThreadgroups(MlxSize.of(1L << 31), MlxSize.of(4)));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> call.dispatchThreads(MlxSize.of(1L << 31, 1L << 31, 4), MlxSize.of(1)))
                .withMessageContainingAll("2^64", "2147483648 x 2147483648 x 4");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> call.dispatchThreadgroups(MlxSize.of(1L << 30, 1L << 31, 8), MlxSize.of(2)))
                .withMessageContainingAll("2^64", "2147483648 x 2147483648 x 8");
        assertThatIllegalArgumentException().isThrownBy(() -> call.dispatchThreads(MlxSize.of(1), MlxSize.of(0)));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> call.dispatchThreads(MlxSize.of(1), MlxSize.of(-1, -1, 1)));
    }

    @ParameterizedTest
    @ValueSource(longs = {Long.MIN_VALUE, Integer.MIN_VALUE, 1L << 32, (1L << 32) + 1, 1L << 62, Long.MAX_VALUE})
    void sizesWhoseProductsOverflow(long extreme) {
        KernelCall call = commands.kernel(increment).buffer(0, buffer);
        MlxSize one = MlxSize.of(1);
        for (MlxSize size : new MlxSize[] {
            MlxSize.of(extreme),
            MlxSize.of(1, extreme),
            MlxSize.of(1, 1, extreme),
            MlxSize.of(extreme, extreme, extreme)
        }) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> call.dispatchThreads(size))
                    .withMessageContaining("" + extreme);
            assertThatIllegalArgumentException().isThrownBy(() -> call.dispatchThreads(size, one));
            assertThatIllegalArgumentException().isThrownBy(() -> call.dispatchThreads(one, size));
            assertThatIllegalArgumentException().isThrownBy(() -> call.dispatchThreadgroups(size, one));
            assertThatIllegalArgumentException().isThrownBy(() -> call.dispatchThreadgroups(one, size));
        }
        assertThatIllegalArgumentException().isThrownBy(() -> call.dispatchThreads(extreme));
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, Long.MIN_VALUE, 1L << 62, Long.MAX_VALUE})
    void scratchMemoryThatNoDeviceHas(long extreme) {
        assertThatIllegalArgumentException().isThrownBy(() -> commands.scratch(DType.F32, extreme));
        assertThatIllegalArgumentException().isThrownBy(() -> commands.scratch(DType.U8, extreme, extreme));
    }

    @Test
    void aCommandAfterTheCommit() throws InterruptedException {
        KernelCall call = commands.kernel(increment).buffer(0, buffer);
        commands.commit();
        assertThatIllegalStateException().isThrownBy(commands::commit).withMessageContainingAll("'mine'", "committed");
        assertThatIllegalStateException().isThrownBy(() -> commands.kernel(increment));
        assertThatIllegalStateException().isThrownBy(() -> call.buffer(0, buffer));
        assertThatIllegalStateException().isThrownBy(() -> call.dispatchThreads(1));
        assertThatIllegalStateException().isThrownBy(() -> commands.fill(buffer, (byte) 0));
        assertThatIllegalStateException().isThrownBy(() -> commands.copy(buffer, buffer));
        assertThatIllegalStateException().isThrownBy(commands::barrier);
        assertThatIllegalStateException().isThrownBy(() -> commands.concurrent(true));
        assertThatIllegalStateException().isThrownBy(() -> commands.scratch(DType.F32, 4));
        commands.await();
    }

    @Test
    void aCallThatHasEnded() {
        KernelCall call = commands.kernel(increment).buffer(0, buffer);
        call.dispatchThreads(1);
        assertThatIllegalStateException().isThrownBy(() -> call.dispatchThreads(1));
        assertThatIllegalStateException().isThrownBy(() -> call.buffer(0, buffer));
        buffer.segment().fill((byte) 0);
        commands.fill(buffer, (byte) 0);
    }

    @Test
    void aBufferWhoseLeaseHasEnded() {
        MlxBuffer ended = pool.alloc(DType.F32, 16);
        MlxBuffer slice = ended.slice(0, DType.F32, 4);
        ended.close();
        KernelCall call = commands.kernel(increment);
        assertThatIllegalStateException().isThrownBy(() -> call.buffer(0, ended));
        assertThatIllegalStateException().isThrownBy(() -> call.buffer(0, slice));
        assertThatIllegalStateException().isThrownBy(() -> commands.fill(ended, (byte) 0));
        assertThatIllegalStateException().isThrownBy(() -> commands.copy(ended, buffer));
        assertThatIllegalStateException().isThrownBy(() -> commands.copy(buffer, ended));
    }

    @Test
    void aBufferOfAnotherDevice() {
        try (MlxDevice other = MlxDevice.open();
                MlxBuffer foreign = other.allocBuffer(DType.F32, 16);
                MlxBufferPool otherPool = MlxBufferPool.create(other)) {
            KernelCall call = commands.kernel(increment);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> call.buffer(0, foreign))
                    .withMessageContaining("another device");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> call.buffer(0, otherPool.alloc(DType.F32, 16)))
                    .withMessageContaining("another device");
            assertThatIllegalArgumentException().isThrownBy(() -> commands.fill(foreign, (byte) 0));
            assertThatIllegalArgumentException().isThrownBy(() -> device.newCommandQueue(otherPool));
            otherPool.reset();
        }
    }

    @Test
    void copiesThatDoNotFitOrOverlap() {
        MlxBuffer small = pool.alloc(DType.F32, 4);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> commands.copy(buffer, small))
                .withMessageContainingAll("64 bytes", "has 16");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> commands.copy(buffer.slice(0, DType.F32, 4), buffer.slice(12, DType.F32, 4)))
                .withMessageContaining("overlap");
    }

    @Test
    void aMappingIsNotWritten() throws Exception {
        Path file = Files.write(folder.resolve("weights"), new byte[64]);
        try (MlxBuffer weights = device.map(file, 0, DType.F32, 16)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> commands.fill(weights, (byte) 1))
                    .withMessageContaining("read-only");
            assertThatIllegalArgumentException().isThrownBy(() -> commands.copy(buffer, weights));
            commands.copy(weights, buffer);
        }
    }

    @Test
    void aQueueThatIsClosed() {
        MlxCommandBuffer open = queue.newCommandBuffer();
        open.fill(buffer, (byte) 0);
        queue.close();
        queue.close();
        assertThatIllegalStateException().isThrownBy(open::commit).withMessageContaining("queue is closed");
        assertThatIllegalStateException().isThrownBy(queue::newCommandBuffer);
        assertThatIllegalStateException().isThrownBy(() -> open.scratch(DType.F32, 1));
        open.close();
    }

    @Test
    void aKernelLibraryEventOrDeviceThatIsClosed() {
        MlxKernel closed = library.kernel("increment");
        closed.close();
        closed.close();
        assertThatIllegalStateException()
                .isThrownBy(() -> commands.kernel(closed))
                .withMessageContaining("closed");
        MlxSharedEvent event = device.newSharedEvent();
        event.close();
        assertThatIllegalStateException().isThrownBy(() -> commands.signal(event, 1));
        assertThatIllegalStateException().isThrownBy(() -> commands.waitFor(event, 1));
        MlxDevice other = MlxDevice.open();
        MlxLibrary small = other.compile("kernel void nothing() {}");
        small.close();
        assertThatIllegalStateException().isThrownBy(() -> small.kernel("nothing"));
        other.close();
        assertThatIllegalStateException().isThrownBy(() -> other.compile("kernel void nothing() {}"));
        assertThatIllegalStateException().isThrownBy(other::newCommandQueue);
    }

    @Test
    void negativeValuesOfEvents() {
        try (MlxSharedEvent event = device.newSharedEvent()) {
            assertThatIllegalArgumentException().isThrownBy(() -> commands.signal(event, -1));
            assertThatIllegalArgumentException().isThrownBy(() -> commands.waitFor(event, -1));
        }
    }

    @Test
    void aWaitForWhatIsNotCommitted() {
        assertThatIllegalStateException().isThrownBy(commands::await).withMessageContaining("not committed");
    }

    @Test
    void anyNumberOfUncommittedCommandBuffersIsAllowed() throws Exception {
        MlxCommandBuffer[] many = new MlxCommandBuffer[200];
        for (int i = 0; i < many.length; i++) {
            many[i] = queue.newCommandBuffer();
            many[i].fill(buffer, (byte) i);
        }
        for (MlxCommandBuffer one : many) {
            one.commit();
        }
        queue.await();
    }

    @Test
    void moreThanTheQueueTakesInFlightThrowsAndCanBeCommittedLater() throws Exception {
        try (MlxSharedEvent event = device.newSharedEvent()) {
            MlxCommandBuffer first = queue.newCommandBuffer();
            first.waitFor(event, 1);
            first.commit();
            for (int i = 1; i < 1024; i++) {
                queue.newCommandBuffer().commit();
            }
            MlxCommandBuffer last = queue.newCommandBuffer();
            last.fill(buffer, (byte) 9);
            assertThatIllegalStateException().isThrownBy(last::commit).withMessageContaining("1024");
            event.signal(1);
            queue.await();
            last.commit().await();
            assertThat(buffer.segment().get(java.lang.foreign.ValueLayout.JAVA_BYTE, 5))
                    .isEqualTo((byte) 9);
        }
    }

    @Test
    void optionsThatCannotBe() {
        MlxCompileOptions options = MlxCompileOptions.of();
        assertThatIllegalArgumentException().isThrownBy(() -> options.define("1A", ""));
        assertThatIllegalArgumentException().isThrownBy(() -> options.define("A", "1\n2"));
        assertThatIllegalArgumentException().isThrownBy(() -> options.languageVersion(0, 1));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> MlxFunctionConstants.of().with(-1, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> device.compile("a\0b"));
        assertThatIllegalArgumentException().isThrownBy(() -> queue.newCommandBuffer("a\0b"));
    }

    @Test
    void aMetallibElsewhereThanOnMetal() {
        if (device.backend() != Backend.METAL) {
            assertThatExceptionOfType(UnsupportedOperationException.class)
                    .isThrownBy(() -> device.loadLibrary(folder.resolve("some.metallib")));
        }
    }
}
