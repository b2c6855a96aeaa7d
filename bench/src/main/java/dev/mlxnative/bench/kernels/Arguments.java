package dev.mlxnative.bench.kernels;

import dev.mlxnative.DType;
import dev.mlxnative.KernelCall;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.MlxKernel;
import dev.mlxnative.MlxSize;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The arguments of a launch: makes the buffers, and reads the output after the launch. */
final class Arguments implements AutoCloseable {

    private static final byte UNWRITTEN = (byte) 0xFF;

    private static final int UNUSED_BYTES = 64;

    private final MlxDevice device;
    private final MlxKernel kernel;
    private final KernelCall call;
    private final List<MlxBuffer> buffers = new ArrayList<>();
    private @Nullable MlxBuffer output;

    Arguments(MlxDevice device, MlxKernel kernel, KernelCall call) {
        this.device = device;
        this.kernel = kernel;
        this.call = call;
    }

    Arguments input(int index, DType type, double... numbers) {
        MlxBuffer buffer = buffer(type, numbers.length);
        Numbers.write(type, numbers, buffer.segment());
        call.buffer(index, buffer);
        return this;
    }

    /** Binds the buffer of the last input again. */
    Arguments again(int index) {
        call.buffer(index, buffers.getLast());
        return this;
    }

    Arguments bytes(int index, byte... bytes) {
        MlxBuffer buffer = buffer(DType.U8, bytes.length);
        MemorySegment.copy(bytes, 0, buffer.segment(), ValueLayout.JAVA_BYTE, 0, bytes.length);
        call.buffer(index, buffer);
        return this;
    }

    /** Binds the output. It is full of bytes that are no numbers, so that what the kernel leaves out is seen. */
    Arguments output(int index, DType type, int count) {
        MlxBuffer buffer = buffer(type, count);
        buffer.segment().fill(UNWRITTEN);
        call.buffer(index, buffer);
        output = buffer;
        return this;
    }

    Arguments constant(int index, int value) {
        call.constant(index, value);
        return this;
    }

    Arguments constant(int index, long value) {
        call.constant(index, value);
        return this;
    }

    Arguments constant(int index, float value) {
        call.constant(index, value);
        return this;
    }

    Arguments constant(int index, Struct value) {
        call.constant(index, value.segment());
        return this;
    }

    Arguments threadgroupMemory(int index, long bytes) {
        call.threadgroupMemory(index, bytes);
        return this;
    }

    /** Binds arguments that the kernel does not use and that its project does not bind, which this library refuses. */
    Arguments unused(int... indices) {
        for (int index : indices) {
            call.buffer(index, buffer(DType.U8, UNUSED_BYTES));
        }
        return this;
    }

    void dispatchThreads(MlxSize threads, MlxSize threadgroup) {
        call.dispatchThreads(threads, threadgroup);
    }

    void dispatchThreadgroups(MlxSize groups, MlxSize threadgroup) {
        call.dispatchThreadgroups(groups, threadgroup);
    }

    /** The most threads that a threadgroup may have. */
    int maxThreads() {
        return (int) kernel.maxTotalThreadsPerThreadgroup();
    }

    /** What the output holds. */
    double[] results() {
        MlxBuffer buffer = output;
        if (buffer == null) {
            throw new IllegalStateException("the launch of " + kernel.name() + " has no output");
        }
        return Numbers.read(buffer.dtype(), buffer.segment(), (int) buffer.elementCount());
    }

    @Override
    public void close() {
        buffers.forEach(MlxBuffer::close);
    }

    private MlxBuffer buffer(DType type, int count) {
        MlxBuffer buffer = device.allocBuffer(type, count);
        buffers.add(buffer);
        return buffer;
    }
}
