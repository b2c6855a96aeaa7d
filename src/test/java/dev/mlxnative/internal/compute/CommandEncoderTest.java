package dev.mlxnative.internal.compute;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.KernelArgument;
import dev.mlxnative.NeedsKernelCompiler;
import dev.mlxnative.internal.device.NativeDevice;
import dev.mlxnative.internal.device.RefCountedHandle;
import dev.mlxnative.internal.shim.NativeLibrary;
import dev.mlxnative.internal.shim.Shim;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The bytes of command streams, which {@code mlxshim.h} describes. */
@NeedsKernelCompiler
class CommandEncoderTest {
    private static final String SOURCE = """
            kernel void three(device float *out [[buffer(0)]], constant float4 &c [[buffer(3)]],
                              threadgroup float *t [[threadgroup(1)]], uint i [[thread_position_in_grid]]) {
                t[0] = c.x;
                out[i] = t[0];
            }
            """;

    private NativeDevice device;
    private CompiledLibrary library;
    private SubmissionQueue queue;
    private CommandEncoder commands;

    @BeforeEach
    void open() {
        NativeLibrary.load(null);
        device = NativeDevice.open();
        library = CompiledLibrary.compile(device, "test", SOURCE, "", 0, true);
        queue = SubmissionQueue.create(device);
        commands = queue.newEncoder(null);
    }

    @AfterEach
    void close() {
        commands.abandon();
        queue.close();
        library.close();
        device.handle().close();
    }

    private long[] words() {
        return Arrays.copyOf(commands.stream().array(), commands.stream().length());
    }

    private static long pair(int first, int second) {
        return Integer.toUnsignedLong(first) | (long) second << 32;
    }

    @Test
    void aDispatchHasItsHeadAndItsBindings() {
        Pipeline pipeline = library.kernel("three", List.of());
        DispatchEncoder dispatch = new DispatchEncoder(commands);
        dispatch.begin(pipeline);
        KernelArgument out = dispatch.requireBuffer(0);
        dispatch.bindBuffer(out, 0x1234, 64, 1000);
        dispatch.bindConstant(3, MemorySegment.ofArray(new byte[20]));
        dispatch.bindThreadgroupMemory(1, 17);
        dispatch.dispatchThreads(100, 2, 1, 32, 1, 1);
        pipeline.handle().release();
        assertThat(words())
                .containsExactly(
                        pair(1, 80 + 24 + 40 + 16),
                        pipeline.handle().handle().address(),
                        0,
                        100,
                        2,
                        1,
                        32,
                        1,
                        1,
                        3,
                        pair(1, 0),
                        0x1234,
                        64,
                        pair(2, 3),
                        20,
                        0,
                        0,
                        0,
                        pair(3, 1),
                        32);
    }

    @Test
    void otherCommandsAreInTheOrderOfTheirCalls() {
        RefCountedHandle event = device.handle()
                .use(opened -> Shim.createEvent(opened, raw -> new RefCountedHandle("event", raw, Shim::releaseEvent)));
        commands.copy(1, 2, 3, 4, 5);
        commands.fill(6, 7, 8, (byte) -1);
        commands.signal(event, 9);
        commands.waitFor(event, 10);
        commands.barrier();
        commands.setConcurrent(false);
        commands.setConcurrent(true);
        long address = event.handle().address();
        event.close();
        assertThat(words())
                .containsExactly(
                        pair(2, 48),
                        1,
                        2,
                        3,
                        4,
                        5,
                        pair(3, 40),
                        6,
                        7,
                        8,
                        255,
                        pair(4, 24),
                        address,
                        9,
                        pair(5, 24),
                        address,
                        10,
                        pair(6, 8),
                        pair(7, 16),
                        1);
    }

    @Test
    void theStreamGrowsAndKeepsItsBeginning() {
        for (int i = 0; i < 10_000; i++) {
            commands.fill(i, 0, 1, (byte) 0);
        }
        long[] words = words();
        assertThat(words).hasSize(50_000);
        for (int i = 0; i < 10_000; i++) {
            assertThat(words[5 * i + 1]).isEqualTo(i);
        }
    }

    @Test
    void aCallThatIsNotDispatchedIsNoPartOfTheStream() {
        Pipeline pipeline = library.kernel("three", List.of());
        DispatchEncoder dispatch = new DispatchEncoder(commands);
        dispatch.begin(pipeline);
        dispatch.bindConstant(3, MemorySegment.ofArray(new byte[16]));
        commands.barrier();
        pipeline.handle().release();
        assertThat(words()).containsExactly(pair(6, 8));
    }
}
