package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract of kernels, queues and command buffers, for every library that {@code mlx.shim.path} can name. */
@Tag("contract")
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NeedsKernelCompiler
class ComputeContractTest {
    private static final int COUNT = 1000;

    private static MlxDevice device;
    private static MlxLibrary library;

    private final MlxCommandQueue queue = device.newCommandQueue();
    private final MlxBufferPool pool = MlxBufferPool.create(device);

    @BeforeAll
    static void open() {
        device = MlxDevice.open();
        library = device.compile(Kernels.SOURCE);
    }

    @AfterAll
    static void closeDevice() {
        library.close();
        device.close();
    }

    @AfterEach
    void close() throws InterruptedException {
        queue.await();
        queue.close();
        pool.reset();
        pool.close();
    }

    private MlxBuffer ints(int count) {
        MlxBuffer buffer = pool.alloc(DType.I32, count);
        for (int i = 0; i < count; i++) {
            buffer.segment().setAtIndex(JAVA_INT, i, i);
        }
        return buffer;
    }

    private static int[] intsOf(MlxBuffer buffer) {
        return buffer.segment().toArray(JAVA_INT);
    }

    @Test
    void aKernelComputesWhatItsSourceSays() throws Exception {
        try (MlxKernel axpy = library.kernel("axpy")) {
            MlxBuffer x = pool.alloc(DType.F32, COUNT);
            MlxBuffer y = pool.alloc(DType.F32, COUNT);
            for (int i = 0; i < COUNT; i++) {
                x.segment().setAtIndex(JAVA_FLOAT, i, i);
                y.segment().setAtIndex(JAVA_FLOAT, i, 1);
            }
            MlxCommandBuffer commands = queue.newCommandBuffer("step");
            commands.kernel(axpy).buffer(0, y).buffer(1, x).constant(2, 0.5f).dispatchThreads(COUNT);
            assertThat(commands.status()).isEqualTo(MlxCommandBuffer.Status.NOT_ENQUEUED);
            MlxFence done = commands.commit();
            x.close();
            done.await();
            assertThat(done.isComplete()).isTrue();
            commands.await();
            assertThat(commands.status()).isEqualTo(MlxCommandBuffer.Status.COMPLETED);
            assertThat(commands.gpuNanos()).isPositive();
            for (int i = 0; i < COUNT; i++) {
                assertThat(y.segment().getAtIndex(JAVA_FLOAT, i)).isEqualTo(1 + 0.5f * i);
            }
        }
    }

    @Test
    void aLibraryNamesItsKernelsAndKeepsThem() {
        assertThat(library.kernelNames())
                .contains("axpy", "increment", "sum_pair")
                .isSorted();
        try (MlxKernel one = library.kernel("axpy");
                MlxKernel other = library.kernel("axpy")) {
            assertThat(one.name()).isEqualTo("axpy");
            assertThat(one.threadExecutionWidth()).isPositive();
            assertThat(one.maxTotalThreadsPerThreadgroup()).isGreaterThanOrEqualTo(256);
            assertThat(one.arguments()).isSameAs(other.arguments());
            assertThat(one.arguments())
                    .extracting(KernelArgument::name, KernelArgument::index)
                    .containsExactlyInAnyOrder(
                            org.assertj.core.groups.Tuple.tuple("y", 0),
                            org.assertj.core.groups.Tuple.tuple("x", 1),
                            org.assertj.core.groups.Tuple.tuple("a", 2));
            assertThat(one.arguments().stream()
                            .filter(argument -> argument.index() == 0)
                            .findFirst()
                            .orElseThrow()
                            .written())
                    .isTrue();
        }
    }

    @Test
    void aKernelOutlivesItsLibrary() throws Exception {
        MlxKernel increment;
        try (MlxLibrary short_ = device.compile(Kernels.SOURCE)) {
            increment = short_.kernel("increment");
        }
        MlxBuffer values = ints(10);
        MlxCommandBuffer commands = queue.newCommandBuffer();
        commands.kernel(increment).buffer(0, values).dispatchThreads(10);
        increment.close();
        commands.commit().await();
        assertThat(intsOf(values)).containsExactly(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    }

    @Test
    void constantsOfTheFunctionMakeAnotherKernel() throws Exception {
        MlxBuffer values = ints(4);
        try (MlxKernel three = library.kernel("scale", MlxFunctionConstants.of().with(0, 3));
                MlxKernel five =
                        library.kernel("scale", MlxFunctionConstants.of().with("factor", 5))) {
            MlxCommandBuffer commands = queue.newCommandBuffer();
            commands.kernel(three).buffer(0, values).dispatchThreads(4);
            commands.kernel(five).buffer(0, values).dispatchThreads(4);
            commands.commit().await();
        }
        assertThat(intsOf(values)).containsExactly(0, 15, 30, 45);
    }

    @Test
    void optionsDefineMacros() throws Exception {
        String source = """
                kernel void fill(device int *out [[buffer(0)]]) {
                    out[0] = VALUE;
                }
                """;
        MlxCompileOptions options = MlxCompileOptions.of().fastMath(false).define("VALUE", "42");
        MlxBuffer out = ints(1);
        try (MlxLibrary compiled = device.compile(source, options);
                MlxKernel fill = compiled.kernel("fill")) {
            MlxCommandBuffer commands = queue.newCommandBuffer();
            commands.kernel(fill).buffer(0, out).dispatchThreads(1);
            commands.commit().await();
        }
        assertThat(intsOf(out)).containsExactly(42);
    }

    @Test
    void commandsSeeWhatThoseBeforeThemWrote() throws Exception {
        MlxBuffer values = ints(COUNT);
        MlxBuffer copy = ints(COUNT);
        try (MlxKernel increment = library.kernel("increment")) {
            MlxCommandBuffer commands = queue.newCommandBuffer();
            commands.fill(values, (byte) 0);
            for (int i = 0; i < 20; i++) {
                commands.kernel(increment).buffer(0, values).dispatchThreads(COUNT);
            }
            commands.copy(values, copy);
            commands.kernel(increment).buffer(0, values).dispatchThreads(COUNT);
            commands.commit().await();
        }
        assertThat(intsOf(values)).containsOnly(21);
        assertThat(intsOf(copy)).containsOnly(20);
    }

    @Test
    void concurrentDispatchesAreSeparatedByBarriers() throws Exception {
        List<MlxBuffer> buffers = new ArrayList<>();
        try (MlxKernel increment = library.kernel("increment")) {
            MlxCommandBuffer commands = queue.newCommandBuffer();
            for (int i = 0; i < 8; i++) {
                buffers.add(ints(COUNT));
                commands.fill(buffers.get(i), (byte) 0);
            }
            commands.concurrent(true);
            for (int round = 0; round < 5; round++) {
                for (MlxBuffer buffer : buffers) {
                    commands.kernel(increment).buffer(0, buffer).dispatchThreads(COUNT);
                }
                commands.barrier();
            }
            commands.concurrent(false);
            commands.kernel(increment).buffer(0, buffers.getFirst()).dispatchThreads(COUNT);
            commands.commit().await();
        }
        assertThat(intsOf(buffers.getFirst())).containsOnly(6);
        assertThat(intsOf(buffers.getLast())).containsOnly(5);
    }

    @Test
    void offsetsAndSlicesStartWithinTheirBuffer() throws Exception {
        MlxBuffer values = ints(100);
        try (MlxKernel increment = library.kernel("increment")) {
            MlxCommandBuffer commands = queue.newCommandBuffer();
            commands.kernel(increment).buffer(0, values, 40).dispatchThreads(2);
            MlxBuffer slice = values.slice(80, DType.I32, 10);
            commands.kernel(increment).buffer(0, slice, 8).dispatchThreads(1);
            commands.fill(values.slice(200, DType.I32, 2), (byte) 1);
            commands.copy(values.slice(0, DType.I32, 2), values.slice(392, DType.I32, 2));
            commands.commit().await();
        }
        int[] expected = new int[100];
        for (int i = 0; i < 100; i++) {
            expected[i] = i;
        }
        expected[10]++;
        expected[11]++;
        expected[22]++;
        expected[50] = 0x01010101;
        expected[51] = 0x01010101;
        expected[98] = 0;
        expected[99] = 1;
        assertThat(intsOf(values)).containsExactly(expected);
    }

    @Test
    void aBufferMayHaveExactlyTheBytesOfItsArgument() throws Exception {
        MlxBuffer result = pool.alloc(DType.F32, 1);
        MlxBuffer pairs = pool.alloc(DType.F32, 7);
        for (int i = 0; i < 7; i++) {
            pairs.segment().setAtIndex(JAVA_FLOAT, i, i);
        }
        try (MlxKernel sum = library.kernel("sum_pair");
                MlxKernel increment = library.kernel("increment")) {
            MlxCommandBuffer commands = queue.newCommandBuffer();
            commands.kernel(sum).buffer(0, result).buffer(1, pairs, 12).dispatchThreads(1);
            commands.kernel(increment).buffer(0, pairs.slice(8, DType.I32, 1)).dispatchThreads(1);
            commands.commit().await();
        }
        assertThat(result.segment().get(JAVA_FLOAT, 0)).isEqualTo(3 + 4 + 5 + 6);
        assertThat(pairs.segment().getAtIndex(JAVA_FLOAT, 1)).isEqualTo(1);
        assertThat(pairs.segment().getAtIndex(JAVA_FLOAT, 2)).isEqualTo(Math.nextUp(2f));
        assertThat(pairs.segment().getAtIndex(JAVA_FLOAT, 3)).isEqualTo(3);
    }

    /** Empty buffers: of a device, of a pool, the end of another, and of scratch memory. */
    @Test
    void emptyBuffersAreBoundCopiedAndFilled() throws Exception {
        String source = """
                kernel void copy_first(device int *out [[buffer(0)]], device const int *in [[buffer(1)]],
                                       constant uint &count [[buffer(2)]]) {
                    for (uint i = 0; i < count; i++) {
                        out[i] = in[i];
                    }
                }
                """;
        MlxBuffer values = ints(4);
        try (MlxLibrary compiled = device.compile(source);
                MlxKernel copyFirst = compiled.kernel("copy_first");
                MlxKernel sum = library.kernel("sum_pair");
                MlxBuffer ofDevice = device.allocBuffer(DType.I32, 0)) {
            MlxCommandBuffer commands = queue.newCommandBuffer();
            MlxBuffer[] empty = {
                ofDevice, pool.alloc(DType.I32, 3, 0), values.slice(16, DType.I32, 0), commands.scratch(DType.I32, 0)
            };
            for (MlxBuffer one : empty) {
                commands.kernel(copyFirst)
                        .buffer(0, values)
                        .buffer(1, one)
                        .constant(2, 0)
                        .dispatchThreads(1);
                commands.fill(one, (byte) 7);
                commands.copy(one, values);
                commands.copy(one, one);
                if (sum.arguments().get(1).kind() == KernelArgument.Kind.CONSTANT) { // which Metal does not tell
                    assertThatIllegalArgumentException()
                            .isThrownBy(() -> commands.kernel(sum).buffer(1, one))
                            .withMessageContainingAll("16 bytes", "has 0 bytes");
                }
                assertThatIllegalArgumentException().isThrownBy(() -> commands.copy(values, one));
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> commands.kernel(copyFirst).buffer(1, one, 1));
            }
            // Ranges that touch do not overlap.
            commands.copy(values.slice(0, DType.I32, 2), values.slice(8, DType.I32, 2));
            commands.commit().await();
        }
        assertThat(intsOf(values)).containsExactly(0, 1, 0, 1);
    }

    @Test
    void eventsTakeAllValuesThatALongHas() throws Exception {
        try (MlxSharedEvent event = device.newSharedEvent()) {
            MlxCommandBuffer commands = queue.newCommandBuffer();
            commands.waitFor(event, 0);
            commands.signal(event, Long.MAX_VALUE);
            commands.waitFor(event, Long.MAX_VALUE);
            commands.commit().await();
            assertThat(event.signaledValue()).isEqualTo(Long.MAX_VALUE);
        }
    }

    @Test
    void constantsAreCopiedWhenTheyAreBound() throws Exception {
        MlxBuffer result = pool.alloc(DType.F32, 1);
        try (MlxKernel sum = library.kernel("sum_pair");
                Arena arena = Arena.ofConfined()) {
            MemorySegment pair = arena.allocateFrom(JAVA_FLOAT, 1, 2, 3, 4);
            MlxCommandBuffer commands = queue.newCommandBuffer();
            KernelCall call = commands.kernel(sum).buffer(0, result).constant(1, pair);
            pair.fill((byte) 0);
            call.dispatchThreads(1);
            commands.commit().await();
        }
        assertThat(result.segment().get(JAVA_FLOAT, 0)).isEqualTo(10);
    }

    @Test
    void threadgroupsShareMemory() throws Exception {
        MlxBuffer values = ints(64);
        try (MlxKernel reverse = library.kernel("reverse_group")) {
            MlxCommandBuffer commands = queue.newCommandBuffer();
            commands.kernel(reverse)
                    .buffer(0, values)
                    .threadgroupMemory(0, 16 * Integer.BYTES)
                    .dispatchThreadgroups(MlxSize.of(4), MlxSize.of(16));
            commands.commit().await();
        }
        for (int i = 0; i < 64; i++) {
            assertThat(intsOf(values)[i]).isEqualTo(i / 16 * 16 + 15 - i % 16);
        }
    }

    @Test
    void whatAKernelDoesNotUseNeedNotBeBound() throws Exception {
        MlxBuffer values = ints(64);
        values.segment().fill((byte) -1);
        try (MlxKernel sparing = library.kernel("sparing")) {
            assertThat(sparing.arguments())
                    .extracting(KernelArgument::name)
                    .containsExactlyInAnyOrder("values", "never", "spare", "group", "pieces");
            MlxCommandBuffer commands = queue.newCommandBuffer();
            commands.kernel(sparing).buffer(0, values).threadgroupMemory(1, 0).dispatchThreads(64);
            commands.kernel(sparing)
                    .buffer(0, values)
                    .buffer(1, values)
                    .threadgroupMemory(0, 16)
                    .threadgroupMemory(1, 0)
                    .dispatchThreads(64);
            commands.commit().await();
        }
        assertThat(intsOf(values)).startsWith(0, 1, 2).endsWith(62, 63);
    }

    @Test
    void gridsHaveThreeDimensionsAndThreadgroupsThatDoNotDivideThem() throws Exception {
        MlxBuffer out = ints(7 * 5 * 3);
        try (MlxKernel positions = library.kernel("positions")) {
            for (boolean chosen : new boolean[] {true, false}) {
                out.segment().fill((byte) -1);
                MlxCommandBuffer commands = queue.newCommandBuffer();
                KernelCall call = commands.kernel(positions).buffer(0, out);
                if (chosen) {
                    call.dispatchThreads(MlxSize.of(7, 5, 3));
                } else {
                    call.dispatchThreads(MlxSize.of(7, 5, 3), MlxSize.of(4, 2, 2));
                }
                commands.commit().await();
                for (int i = 0; i < 7 * 5 * 3; i++) {
                    assertThat(intsOf(out)[i]).isEqualTo(i % 7 + 100 * (i / 7 % 5) + 10000 * (i / 35));
                }
            }
        }
    }

    @Test
    void eventsOrderQueuesAndTheCpu() throws Exception {
        MlxBuffer values = ints(4);
        try (MlxSharedEvent event = device.newSharedEvent();
                MlxCommandQueue second = device.newCommandQueue();
                MlxKernel increment = library.kernel("increment");
                MlxKernel scale =
                        library.kernel("scale", MlxFunctionConstants.of().with(0, 10))) {
            MlxCommandBuffer after = second.newCommandBuffer();
            after.waitFor(event, 2);
            after.kernel(scale).buffer(0, values).dispatchThreads(4);
            MlxFence last = after.commit();
            MlxCommandBuffer before = queue.newCommandBuffer();
            before.waitFor(event, 1);
            before.kernel(increment).buffer(0, values).dispatchThreads(4);
            before.signal(event, 2);
            MlxFence first = before.commit();
            assertThat(first.isComplete()).isFalse();
            assertThat(last.isComplete()).isFalse();
            assertThat(before.status()).isIn(MlxCommandBuffer.Status.COMMITTED, MlxCommandBuffer.Status.SCHEDULED);
            assertThat(before.gpuNanos()).isZero();
            event.signal(1);
            last.await();
            assertThat(event.signaledValue()).isEqualTo(2);
            second.await();
        }
        assertThat(intsOf(values)).containsExactly(10, 20, 30, 40);
    }

    @Test
    void aQueueRunsInTheOrderOfCommits() throws Exception {
        MlxBuffer values = ints(COUNT);
        try (MlxKernel increment = library.kernel("increment");
                MlxKernel scale =
                        library.kernel("scale", MlxFunctionConstants.of().with(0, 3))) {
            MlxCommandBuffer second = queue.newCommandBuffer();
            second.kernel(scale).buffer(0, values).dispatchThreads(COUNT);
            MlxCommandBuffer first = queue.newCommandBuffer();
            first.kernel(increment).buffer(0, values).dispatchThreads(COUNT);
            first.commit();
            second.commit();
            queue.await();
        }
        for (int i = 0; i < COUNT; i++) {
            assertThat(intsOf(values)[i]).isEqualTo((i + 1) * 3);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void threadsShareAQueueAndItsKernels(boolean virtual) throws Exception {
        List<FutureTask<int[]>> tasks = new ArrayList<>();
        try (MlxKernel increment = library.kernel("increment")) {
            for (int t = 0; t < 8; t++) {
                FutureTask<int[]> task = new FutureTask<>(() -> {
                    MlxBuffer values = ints(100);
                    for (int i = 0; i < 50; i++) {
                        MlxCommandBuffer commands = queue.newCommandBuffer();
                        commands.kernel(increment).buffer(0, values).dispatchThreads(100);
                        MlxFence fence = commands.commit();
                        if (i % 10 == 9) {
                            fence.await();
                            commands.await();
                        }
                    }
                    return intsOf(values);
                });
                tasks.add(task);
                (virtual ? Thread.ofVirtual() : Thread.ofPlatform()).start(task);
            }
            for (FutureTask<int[]> task : tasks) {
                int[] values = task.get(60, TimeUnit.SECONDS);
                for (int i = 0; i < 100; i++) {
                    assertThat(values[i]).isEqualTo(i + 50);
                }
            }
        }
    }

    @Test
    void anEmptyCommandBufferCompletes() throws Exception {
        MlxCommandBuffer commands = queue.newCommandBuffer();
        commands.commit().await();
        commands.await();
        assertThat(commands.status()).isEqualTo(MlxCommandBuffer.Status.COMPLETED);
    }

    @Test
    void aClosedQueueCompletesWhatIsCommitted() throws Exception {
        MlxBuffer values = ints(4);
        MlxFence fence;
        try (MlxSharedEvent event = device.newSharedEvent();
                MlxKernel increment = library.kernel("increment")) {
            try (MlxCommandQueue other = device.newCommandQueue()) {
                MlxCommandBuffer commands = other.newCommandBuffer();
                commands.waitFor(event, 1);
                commands.kernel(increment).buffer(0, values).dispatchThreads(4);
                fence = commands.commit();
            }
            assertThat(fence.isComplete()).isFalse();
            event.signal(1);
            fence.await();
            assertThat(fence.isComplete()).isTrue();
        }
        assertThat(intsOf(values)).containsExactly(1, 2, 3, 4);
    }

    @Test
    void aSourceWithAFaultShowsItsLine() {
        String source = "kernel void bad(device float *x [[buffer(0)]]) {\n    x[0] = undeclared_name;\n}\n";
        assertThatExceptionOfType(CompilationException.class)
                .isThrownBy(() -> device.compile(source))
                .withMessageContaining("2:12: error:")
                .withMessageContaining("undeclared_name");
    }
}
